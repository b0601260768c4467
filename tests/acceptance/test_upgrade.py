"""An installation is upgraded role by role while mail arrives, and rolled back: nothing is lost, nothing comes twice.

The order is that of docs/upgrade.md: the schema, then consumers before producers; back in reverse.
"""

import asyncio
import csv
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import load_pem_x509_certificate
from sqlalchemy import select

from db.schema import revisions
from db.tables import email_file
from simulator.control_client import SimulatorControl
from tests.acceptance.conftest import Site, running_simulator, running_site, stop
from tests.databases import EVERY_BACKEND, Databases
from tests.fork_server import ForkedProcess, ForkServer, running_fork_server
from tests.paths import ROOT
from tests.ports import free_port
from tests.waiting import until

PER_SECOND: Final = 4
CONSUMERS_FIRST: Final = ("delivery", "processor", "subscriptions", "receiver")
[_ARCHIVE] = (ROOT / "tests" / "migration" / "released").glob("mail-importer-*.tar.xz")
_ENDLESS: Final = 100_000
_COLUMNS: Final = ("name", "tenant_id", "client_id", "user_id", "thumbprint", "secure_certificate_access")


@dataclass
class Installation:
    """A host on which the former release is installed beside that of today, and the roles that run."""

    today: Site
    former: Site
    ports: Mapping[str, int] = field(default_factory=lambda: {role: free_port() for role in CONSUMERS_FIRST})
    running: dict[str, ForkedProcess] = field(default_factory=dict)

    def start(self, role: str, release: Site) -> None:
        """Start a role of either release."""
        self.running[role] = release.start("run", role, MAIL_IMPORTER_METRICS_PORT=str(self.ports[role]))

    async def replace(self, role: str, release: Site) -> None:
        """Stop a role and start that of the other release, as an administrator does: it is ready before the next."""
        assert await asyncio.to_thread(stop, self.running[role]) < 10
        self.start(role, release)
        await self.ready(role)

    async def ready(self, role: str) -> None:
        async def answers() -> bool:
            assert self.running[role].poll() is None, f"{role} ended: {self.logs()}"
            try:
                return (await self.today.get("/health/ready", self.ports[role]))[0] == 200
            except aiohttp.ClientError:
                return False

        await until(answers, f"{role} is ready", seconds=60)

    def logs(self) -> str:
        """All that the roles logged."""
        return "".join(each.read_text("utf-8") for each in sorted(self.today.directory.glob("*.log")))


@pytest.fixture(scope="session")
def former_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("former")
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    (folder / "tests").symlink_to(ROOT / "tests")
    return folder


@pytest.fixture(scope="session")
def former_server(former_sources: Path) -> Iterator[ForkServer]:
    with (
        tempfile.TemporaryDirectory(prefix="mail-importer-") as folder,
        running_fork_server(Path(folder), former_sources) as server,
    ):
        yield server


@pytest.fixture(params=EVERY_BACKEND)
async def installation(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    set_up_host: Path,
    fork_server: ForkServer,
    former_server: ForkServer,
    former_sources: Path,
) -> AsyncIterator[Installation]:
    """A host on which an administrator set up the former release, whose mail is saved into a folder as well."""
    directory = tmp_path / "host"
    shutil.copytree(set_up_host, directory)
    databases: Databases = request.getfixturevalue(f"{request.param}_databases")
    async with AsyncExitStack() as stack:
        ready = stack.enter_context(running_simulator(fork_server, tmp_path / "simulator"))
        control = SimulatorControl(ready["url"], Path(ready["ca_file"]))
        settings = {"MAIL_IMPORTER_DELIVERY_ROOTS": str(directory)}
        today = Site(directory, ready, control, fork_server, settings=settings)
        former = Site(directory, ready, control, former_server, today.port, today.processes)
        former.settings = {**settings, "PYTHONPATH": str(former_sources)}
        today.gateway = former.gateway = stack.enter_context(databases.empty(tmp_path))
        (directory / "import").mkdir()
        await stack.enter_async_context(running_site(today))
        _write_accounts(today, directory / "accounts.csv")
        rule = ("--folder", str(directory / "import"), "--save-body", "text", "--no-save-attachments")
        for command in (
            ("db", "upgrade"),
            ("accounts", "import", "accounts.csv"),
            ("rules", "add", "texts", *rule),
        ):
            done = former.call(*command)
            assert done.returncode == 0, done.stderr
        yield Installation(today, former)


def _write_accounts(site: Site, file: Path) -> None:
    [public] = (site.directory / "certificates").glob("*.cer")
    thumbprint = load_pem_x509_certificate(public.read_bytes()).fingerprint(hashes.SHA1()).hex()  # noqa: S303  # as Entra names it
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(_COLUMNS)
        for number, mailbox in enumerate(site.ready["mailboxes"]):
            application = (site.ready["tenant_id"], site.ready["client_id"])
            writer.writerow([f"station {number}", *application, mailbox["user_id"], thumbprint, "false"])


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_an_upgrade_and_its_roll_back_lose_and_double_nothing(installation: Installation) -> None:
    """Old and new roles run on the new schema side by side, in both directions, while mail arrives.

    The upgrade of the schema runs beside the old roles. A roll-back leaves the schema, and loses nothing either.
    """
    today, former = installation.today, installation.former
    before = _revision(former)
    assert _ARCHIVE.name == f"mail-importer-{before}.tar.xz"
    for role in reversed(CONSUMERS_FIRST):
        installation.start(role, former)
    for role in CONSUMERS_FIRST:
        await installation.ready(role)
    await today.subscribed()
    await today.control.start_traffic(_ENDLESS, per_second=PER_SECOND)
    await today.keeps_importing()

    upgraded = await asyncio.to_thread(today.call, "db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    assert before < _revision(today) == revisions.HEAD
    await today.keeps_importing()
    for role in CONSUMERS_FIRST:
        await installation.replace(role, today)
    await today.keeps_importing()
    for role in reversed(CONSUMERS_FIRST):
        await installation.replace(role, former)
    await today.keeps_importing()

    await today.control.stop_traffic()
    messages = len(await today.control.ledger())
    await today.imported_once(messages)
    await _each_has_one_file(today, messages)
    assert _revision(former) == revisions.HEAD
    status = json.loads(former.call("queue", "status", "--json").stdout)
    assert (status["waiting"], status["scheduled"], status["dead"]) == (0, 0, 0)
    assert re.findall(r'.*"level": ?"(?:error|critical)".*|.*Traceback.*', installation.logs()) == []


def _revision(site: Site) -> str:
    revision: str = json.loads(site.call("db", "current", "--json").stdout)["revision"]
    return revision


async def _each_has_one_file(site: Site, messages: int) -> None:
    statement = select(email_file.c.nMessageID).where(email_file.c.sState == "saved")

    async def all_saved() -> bool:
        return len(site.rows(statement)) >= messages

    await until(all_saved, "every file is saved", seconds=60)
    assert len(set(site.rows(statement))) == site.count(email_file) == messages
    assert len(list((site.directory / "import").iterdir())) == messages
