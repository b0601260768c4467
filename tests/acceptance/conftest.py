"""The command as a process, against the simulator as a process: only their output is checked."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Engine, Executable, Table, func, select

from db.engine import run_reading, run_writing
from db.queries import accounts
from db.tables import attachment, folder_sync, graph_subscription, message
from simulator.control_client import SimulatorControl
from tests.databases import EVERY_BACKEND, Gateway
from tests.doubles.clock import SettableClock
from tests.fork_server import ForkedProcess, ForkServer
from tests.ports import free_port
from tests.waiting import until

_COMMAND = ("-m", "console")
_PATIENCE_SECONDS = 30.0


@dataclass
class Site:
    """A host with the product installed: its settings, and the processes that run on it."""

    directory: Path
    ready: Mapping[str, Any]
    control: SimulatorControl
    server: ForkServer
    port: int = field(default_factory=free_port)
    processes: list[ForkedProcess] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """More settings, as environment variables."""
    gateway: Gateway = field(init=False)
    _engines: dict[Gateway, Engine] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gateway = Gateway(f"sqlite:///{self.directory / 'gateway.db'}")

    @property
    def engine(self) -> Engine:
        """The test's own connections to the database."""
        if self.gateway not in self._engines:
            self._engines[self.gateway] = self.gateway.engine()
        return self._engines[self.gateway]

    def close(self) -> None:
        """Close the test's own connections, and kill the processes that are left."""
        for engine in self._engines.values():
            engine.dispose()
        for process in self.processes:
            process.kill()
            process.wait()

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")},
            **self.gateway.environment,
            "MAIL_IMPORTER_LANGUAGE": "en",
            "MAIL_IMPORTER_NOTIFICATION_URL": f"http://127.0.0.1:{self.port}",
            "MAIL_IMPORTER_RECEIVER_PORT": str(self.port),
            "MAIL_IMPORTER_METRICS_PORT": "0",
            "MAIL_IMPORTER_CONSOLE_PORT": "0",
            "MAIL_IMPORTER_CERTIFICATE_STORE": str(self.directory / "certificates"),
            "MAIL_IMPORTER_GRAPH_URL": self.ready["url"],
            "MAIL_IMPORTER_AUTHORITY_URL": self.ready["url"],
            "MAIL_IMPORTER_CA_BUNDLE": self.ready["ca_file"],
            **self.settings,
        }

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            process = self.server.start(
                *(*_COMMAND, *arguments),
                env={**self.environment, **environment},
                cwd=self.directory,
                stdout=output,
                stderr=errors,
            )
            status = process.wait(60)
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(arguments, status, output.read(), errors.read())

    def start(self, *arguments: str, **environment: str) -> ForkedProcess:
        """Start a command that runs until it is stopped; its log goes to a file."""
        log = self.directory / f"{'-'.join(arguments)}-{len(self.processes)}.log"
        with log.open("wb") as output:
            process = self.server.start(
                *(*_COMMAND, *arguments),
                env={**self.environment, **environment},
                cwd=self.directory,
                stdout=output,
                stderr=output,
            )
        self.processes.append(process)
        return process

    def set_up(self) -> None:
        """Set up the host as an administrator does, command by command."""
        assert self.call("db", "upgrade").returncode == 0
        made = self.call("certificates", "new", "--subject", "acceptance", "--json")
        assert made.returncode == 0, made.stderr
        thumbprint = json.loads(made.stdout)["thumbprint"]
        for number, mailbox in enumerate(self.ready["mailboxes"]):
            added = self.call(
                *("accounts", "add", "--name", f"station {number}", "--tenant-id", self.ready["tenant_id"]),
                *("--client-id", self.ready["client_id"], "--user-id", mailbox["user_id"]),
                *("--thumbprint", thumbprint, "--no-secure-certificate-access"),
            )
            assert added.returncode == 0, added.stderr

    def rows(self, query: Executable) -> list[tuple[Any, ...]]:
        """Rows of the tables, in any schema: never pass a text, which would lack their schema."""
        found = run_reading(self.engine, lambda connection: connection.execute(query).all())
        return [tuple(row) for row in found]

    def execute(self, statement: Executable) -> None:
        """Change the database by hand."""
        run_writing(self.engine, lambda connection: connection.execute(statement))

    def move_to(self, gateway: Gateway) -> None:
        """Use this database instead, with the same accounts."""
        there = run_reading(self.engine, accounts.every)
        self.gateway = gateway
        for each in there:
            run_writing(self.engine, partial(accounts.add, settings=each.settings, now=SettableClock()()))

    def upload(self) -> None:
        """Upload the certificate's public part, as an administrator does in the portal."""
        for public in (self.directory / "certificates").glob("*.cer"):
            shutil.copy(public, self.ready["uploads"])

    async def get(self, path: str, port: int | None = None) -> tuple[int, str]:
        """Status and text of a response of the receiver, or of the server at another port."""
        url = f"http://127.0.0.1:{port or self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.text()

    def count(self, table: Table) -> int:
        return int(self.rows(select(func.count()).select_from(table))[0][0])

    async def subscribed(self) -> None:
        async def everyone() -> bool:
            # And the first sweep is over, so that webhooks report what arrives now.
            subscribed = self.count(graph_subscription)
            swept = len(self.rows(select(folder_sync.c.nAccountID).where(folder_sync.c.dtSwept.is_not(None))))
            return subscribed == swept == len(self.ready["mailboxes"])

        await until(everyone, "a subscription for every account")

    async def keeps_importing(self) -> None:
        """Wait until more mail is in the database than now, while mail arrives."""
        before = self.count(message)

        async def is_imported() -> bool:
            return self.count(message) > before

        await until(is_imported, f"more than {before} messages", seconds=60)

    async def imported_once(self, messages: int) -> None:
        """Wait until all mail is in the database, then check that each is there exactly once and whole."""

        async def all_there() -> bool:
            return self.count(message) >= messages

        await until(all_there, f"{messages} messages in the database", seconds=300)
        ledger = await self.control.ledger()
        assert len(ledger) == messages
        assert sorted(self.rows(select(message.c.sGraphMessageID))) == sorted((each["message_id"],) for each in ledger)
        parts = self.rows(
            select(message.c.sGraphMessageID, attachment.c.sSHA256)
            .join(attachment, attachment.c.nMessageID == message.c.nMessageID)
            .where(attachment.c.nParentPosition.is_(None))
            .order_by(message.c.sGraphMessageID, attachment.c.nPosition)
        )
        assert parts == sorted(
            ((each["message_id"], part["sha256"]) for each in ledger for part in each["attachments"]),
            key=lambda pair: pair[0],
        )


def stop(process: ForkedProcess) -> float:
    """Send SIGTERM; return the seconds until it ended with exit status 0."""
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=15) == 0
    return time.monotonic() - started


def start_simulator(
    server: ForkServer, directory: Path, mailboxes: int = 3, port: int = 0
) -> tuple[ForkedProcess, dict[str, Any]]:
    """Start the simulator as a process of its own; return it with what it printed once it was ready."""
    directory.mkdir(exist_ok=True)
    reading, writing = os.pipe()
    with (directory / "simulator.log").open("ab") as log:
        process = server.start(
            *(*_COMMAND, "simulator", "--json", "--directory", str(directory)),
            *("--mailboxes", str(mailboxes), "--port", str(port)),
            stdout=writing,
            stderr=log,
        )
    os.close(writing)
    with os.fdopen(reading) as printed:
        return process, json.loads(printed.readline())


@contextmanager
def running_simulator(server: ForkServer, directory: Path, mailboxes: int = 3) -> Iterator[dict[str, Any]]:
    """The simulator as a process of its own; the ids of its mailboxes are the same every time."""
    process, ready = start_simulator(server, directory, mailboxes)
    try:
        yield ready
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def set_up_host(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """The files of a host after its administrator's work; copy them."""
    place = tmp_path_factory.mktemp("template")
    (place / "host").mkdir()
    with running_simulator(fork_server, place / "simulator") as ready:
        control = SimulatorControl(ready["url"], Path(ready["ca_file"]))
        Site(place / "host", ready, control, fork_server).set_up()
    return place / "host"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a site on every kind of database: all on SQLite and SQL Server, some on PostgreSQL."""
    reported = {each.args[0] for each in metafunc.definition.iter_markers("parametrize")}
    if "site" in metafunc.fixturenames and "database_kind" not in reported:
        representative = metafunc.definition.get_closest_marker("representative") is not None
        kinds = [each for each in EVERY_BACKEND if each != "postgresql" or representative]
        metafunc.parametrize("database_kind", kinds, indirect=True)


@pytest.fixture
async def site(
    tmp_path: Path, set_up_host: Path, fork_server: ForkServer, database_kind: str, request: pytest.FixtureRequest
) -> AsyncIterator[Site]:
    """A host ready to run the roles; any process left at the end is killed."""
    directory = tmp_path / "host"
    shutil.copytree(set_up_host, directory)
    with running_simulator(fork_server, tmp_path / "simulator") as ready:
        made = Site(directory, ready, SimulatorControl(ready["url"], Path(ready["ca_file"])), fork_server)
        if database_kind != "sqlite":
            made.move_to(request.getfixturevalue("gateway"))
        async with running_site(made) as site:
            yield site


@asynccontextmanager
async def running_site(site: Site) -> AsyncIterator[Site]:
    async with site.control:
        site.upload()
        try:
            yield site
        finally:
            site.close()
