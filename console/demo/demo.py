"""The demo: the whole pipeline on this machine, against the simulator, and a check of the import.

The simulator is a process of its own; receiver, queue, subscription manager, processor and delivery are the production
code, over real sockets, unaware of the demo.
"""

import asyncio
import json
import shutil
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import Connection, func, select

from console.settings import Settings
from console.wiring.clock import utc_now
from console.wiring.database import open_engine
from console.wiring.roles import ALL, ConsoleContext, run_roles
from db.engine import Database, run_writing
from db.outcomes import ContentState, RuleState
from db.queries import accounts, rules, subscriptions
from db.queries.processes import CONSOLE
from db.schema import migration
from db.tables import attachment, message, queue_message
from graph.certificates import make_self_signed, write_pair
from phrases import Phrase
from rules.rule import Rule
from simulator.control_client import SimulatorControl

_ROLES: Final = tuple(each for each in ALL if each != CONSOLE)
_TABLES: Final = ("*.csv", "*.xlsx")
_MARKER: Final = "made-by-mail-importer-demo"
_START_SECONDS: Final = 60.0
_STALL_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1
_ARRIVALS_PER_SECOND: Final = 40.0


class DemoFailed(Exception):
    """The demo did not complete; the text gives the reason."""

    def __init__(self, text: Phrase) -> None:
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class DemoProgress:
    """The progress of the demo: a sentence, and messages imported of all."""

    activity: Phrase
    imported: int = 0
    messages: int = 0


@dataclass(frozen=True, slots=True)
class MailboxResult:
    """The result of one mailbox. `p50` and `p99`: seconds from the arrival of mail to the committed row."""

    mailbox: str
    arrived: int
    notified: int
    imported: int
    attachments: int
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The result of the demo. `faults` is empty when every message is in the database exactly once, and every file.

    `files`: number of those in the import folder.
    """

    mailboxes: tuple[MailboxResult, ...]
    database: Path
    faults: tuple[Phrase, ...]
    files: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one demo."""

    directory: Path

    @property
    def database(self) -> Path:
        """The gateway database."""
        return self.directory / "gateway.db"

    @property
    def certificates(self) -> Path:
        """The certificate store."""
        return self.directory / "certificates"

    @property
    def import_folder(self) -> Path:
        """The folder into which a rule saves tables of results."""
        return self.directory.absolute() / "import"

    @property
    def log(self) -> Path:
        """The log of the roles."""
        return self.directory / "mail-importer.log"

    @property
    def simulator_log(self) -> Path:
        """The log of the simulator."""
        return self.directory / "simulator.log"

    def prepare(self) -> None:
        """Create the folder, or empty that of an earlier demo.

        Raises:
            DemoFailed: it is not empty and not of an earlier demo.
        """
        if self.directory.exists() and any(self.directory.iterdir()):
            if not (self.directory / _MARKER).exists():
                raise DemoFailed(
                    Phrase(
                        "The folder {directory} is not empty and not of an earlier demo. Choose another: --directory",
                        directory=self.directory,
                    )
                )
            shutil.rmtree(self.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / _MARKER).touch()


async def demonstrate(
    place: Place,
    *,
    messages: int,
    mailboxes: int,
    on_progress: Callable[[DemoProgress], None],
    keep: Callable[[DemoResult, Settings], Awaitable[None]] | None = None,
) -> DemoResult:
    """Run the pipeline, in a prepared place, until every message is imported or there is no more progress.

    `keep`: called with the result and the settings, and everything runs on until it returns, the web console as well.

    Raises:
        DemoFailed
    """
    on_progress(DemoProgress(Phrase("Starting the simulator of Microsoft Graph")))
    async with _simulator(place, mailboxes) as ready, SimulatorControl(ready["url"], Path(ready["ca_file"])) as control:
        settings = _settings(place, ready, console=keep is not None)
        on_progress(DemoProgress(Phrase("Making a certificate, adding accounts")))
        await asyncio.to_thread(_set_up, settings, place, ready)
        certificate = (place.certificates / "demo.cer").read_text("ascii")
        await control.register_certificate(ready["tenant_id"], ready["client_id"], certificate)
        stop = asyncio.Event()
        roles = asyncio.create_task(
            run_roles(settings, _ROLES, stop)
            if keep is None
            else run_roles(settings, ALL, stop, start_console=_start_console)
        )
        database = Database(open_engine(settings))
        try:
            await _until_subscribed(database, roles, mailboxes, on_progress)
            await control.start_traffic(messages, per_second=_ARRIVALS_PER_SECOND, seed=2026)
            await _until_imported(database, control, roles, messages, on_progress)
            await _until_saved(database, roles, messages, on_progress)
            ledger = await control.ledger()
            result = await database.read(lambda connection: _result(connection, ledger, ready, place))
            if keep is not None:
                await keep(result, settings)
            return result
        finally:
            stop.set()
            await asyncio.gather(roles, return_exceptions=True)
            await database.close()


@asynccontextmanager
async def _simulator(place: Place, mailboxes: int) -> AsyncIterator[Mapping[str, Any]]:
    with place.simulator_log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "console", "simulator", "--json"),
            *("--directory", str(place.directory / "simulator"), "--mailboxes", str(mailboxes)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        assert process.stdout is not None  # noqa: S101  # a pipe was requested
        try:
            async with asyncio.timeout(_START_SECONDS):
                line = await process.stdout.readline()
            if not line:
                raise DemoFailed(
                    Phrase("The simulator did not start; see {simulator_log}.", simulator_log=place.simulator_log)
                )
            yield json.loads(line)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _start_console(settings: Settings, context: ConsoleContext, resources: AsyncExitStack) -> int:
    from console.web.start import start_console  # noqa: PLC0415  # large, and only of a demo that is kept running

    return await start_console(settings, context, resources)


def _settings(place: Place, ready: Mapping[str, Any], *, console: bool) -> Settings:
    port = _free_port()
    return Settings(
        database_url=SecretStr(f"sqlite:///{place.database}"),
        notification_url=f"http://127.0.0.1:{port}",
        receiver_port=port,
        metrics_port=0,
        console_port=_free_port() if console else 0,
        certificate_store=str(place.certificates),
        graph_url=ready["url"],
        authority_url=ready["url"],
        ca_bundle=Path(ready["ca_file"]),
        delivery_roots=str(place.import_folder),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _set_up(settings: Settings, place: Place, ready: Mapping[str, Any]) -> None:
    """Do an administrator's part: certificate, schema, accounts, a rule."""
    certificate = make_self_signed("mail-importer demo", now=utc_now())
    write_pair(certificate, place.certificates, "demo")
    engine = open_engine(settings)
    migration.upgrade(engine, now=utc_now())
    for mailbox in ready["mailboxes"]:
        account = accounts.AccountSettings(
            name=mailbox["address"],
            tenant_id=ready["tenant_id"],
            client_id=ready["client_id"],
            user_id=mailbox["user_id"],
            thumbprint=certificate.thumbprint,
            secure_certificate_access=False,
        )
        run_writing(engine, lambda connection, account=account: accounts.add(connection, account, now=utc_now()))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    place.import_folder.mkdir()
    rule = Rule("Tables", str(place.import_folder), attachment_names=_TABLES)
    run_writing(engine, lambda connection: _add_rule(connection, rule))
    engine.dispose()


def _add_rule(connection: Connection, rule: Rule) -> None:
    with rules.editing(connection, now=utc_now()) as editor:
        editor.add(rule)


async def _until_subscribed(
    database: Database, roles: "asyncio.Task[None]", mailboxes: int, on_progress: Callable[[DemoProgress], None]
) -> None:
    def show_count(count: int) -> None:
        on_progress(
            DemoProgress(Phrase("Creating subscriptions: {count} of {mailboxes}", count=count, mailboxes=mailboxes))
        )

    await _until(
        roles, mailboxes, lambda: database.read(lambda connection: len(subscriptions.held(connection))), show_count
    )


async def _until_imported(
    database: Database,
    control: SimulatorControl,
    roles: "asyncio.Task[None]",
    messages: int,
    on_progress: Callable[[DemoProgress], None],
) -> None:
    def show_count(count: int) -> None:
        on_progress(DemoProgress(Phrase("Mail arrives and is imported"), count, messages))

    def count(connection: Connection) -> int:
        return connection.scalar(select(func.count()).select_from(message)) or 0

    await _until(roles, messages, lambda: database.read(count), show_count)

    # Further notifications of Graph, such as duplicates, must have had their chance to do harm.
    async def settled() -> int:
        return int((await control.statistics())["notifications"]["pending"] == 0)

    await _until(roles, 1, settled, lambda _: None)


async def _until_saved(
    database: Database, roles: "asyncio.Task[None]", messages: int, on_progress: Callable[[DemoProgress], None]
) -> None:
    """Wait until every message is checked against the rule, and every file is saved or has failed."""

    def is_settled(connection: Connection) -> int:
        white = select(message.c.nMessageID).where(message.c.sRuleState == RuleState.WHITE.value).limit(1)
        return int(connection.scalar(white) is None)

    def show(_count: int) -> None:
        on_progress(DemoProgress(Phrase("Files are saved"), messages, messages))

    await _until(roles, 1, lambda: database.read(is_settled), show)


async def _until(
    roles: "asyncio.Task[None]", goal: int, count: Callable[[], Awaitable[int]], show_count: Callable[[int], None]
) -> None:
    """Wait for `goal` while there is progress."""
    loop = asyncio.get_running_loop()
    best, moved = -1, loop.time()
    while best < goal and loop.time() - moved < _STALL_SECONDS:
        now = await count()
        if now > best:
            best, moved = now, loop.time()
            show_count(best)
        if roles.done():
            roles.result()
            raise DemoFailed(Phrase("The service stopped before its time."))
        await asyncio.sleep(_POLL_SECONDS)


def _result(connection: Connection, ledger: list[dict[str, Any]], ready: Mapping[str, Any], place: Place) -> DemoResult:
    by_user = {each.settings.user_id: each for each in accounts.every(connection)}
    faults: list[Phrase] = []
    results: list[MailboxResult] = []
    for mailbox in ready["mailboxes"]:
        account = by_user[mailbox["user_id"]]
        arrived = {each["message_id"]: each for each in ledger if each["user_id"] == mailbox["user_id"]}
        rows = _rows(connection, account.account_id)
        faults += _faults(mailbox["address"], arrived, rows)
        seconds = sorted(
            (row.imported - datetime.fromisoformat(arrived[row.graph_id]["arrived"])).total_seconds()
            for row in rows
            if row.graph_id in arrived
        )
        results.append(
            MailboxResult(
                mailbox=mailbox["address"],
                arrived=len(arrived),
                notified=_notified(connection, account.account_id),
                imported=len(rows),
                attachments=sum(len(row.hashes) for row in rows),
                p50=_quantile(seconds, 50),
                p99=_quantile(seconds, 99),
            )
        )
    saved = Counter(sha256(path.read_bytes()).hexdigest() for path in place.import_folder.iterdir())
    faults += _faults_of_files(connection, saved)
    return DemoResult(tuple(results), place.database, tuple(faults), saved.total())


def _faults_of_files(connection: Connection, saved: Counter[str]) -> list[Phrase]:
    """Attachments that are not in the import folder as often as in mail."""
    rows = connection.execute(
        select(attachment.c.sFileName, attachment.c.sSHA256).where(
            attachment.c.nParentPosition.is_(None), attachment.c.sState == ContentState.STORED.value
        )
    )
    endings = tuple(each.removeprefix("*") for each in _TABLES)
    wanted = Counter(digest for name, digest in rows if (name or "").lower().endswith(endings))
    return [
        Phrase("The import folder has {found} of {wanted} files with the digest {digest}.", **each)
        for each in (
            {"found": saved[digest], "wanted": wanted[digest], "digest": digest}
            for digest in sorted(saved.keys() | wanted.keys())
            if saved[digest] != wanted[digest]
        )
    ]


@dataclass(frozen=True, slots=True)
class _Row:
    graph_id: str
    imported: datetime
    hashes: list[str | None]


def _rows(connection: Connection, account_id: int) -> list[_Row]:
    hashes: dict[int, list[str | None]] = {}
    for message_id, digest in connection.execute(
        # Delivered attachments, without those unpacked from them.
        select(attachment.c.nMessageID, attachment.c.sSHA256)
        .where(attachment.c.nParentPosition.is_(None))
        .order_by(attachment.c.nMessageID, attachment.c.nPosition)
    ):
        hashes.setdefault(message_id, []).append(digest)
    rows = connection.execute(
        select(message.c.nMessageID, message.c.sGraphMessageID, message.c.dtImported).where(
            message.c.nAccountID == account_id
        )
    )
    return [_Row(row.sGraphMessageID, row.dtImported, hashes.get(row.nMessageID, [])) for row in rows]


def _notified(connection: Connection, account_id: int) -> int:
    # Completed messages stay in the queue's table for its duplicate window, longer than a demo lasts.
    return (
        connection.scalar(
            select(func.count(func.distinct(queue_message.c.sMessageID))).where(
                queue_message.c.nAccountID == account_id,
                # Messages that catch-up found in the first moment of a subscription do not count.
                queue_message.c.sBody.contains('"source":"graph"'),
            )
        )
        or 0
    )


def _faults(address: str, arrived: Mapping[str, dict[str, Any]], rows: list[_Row]) -> list[Phrase]:
    """Messages that are not in the database exactly once, whole and unaltered."""
    faults: list[Phrase] = []
    times: dict[str, int] = {}
    for row in rows:
        times[row.graph_id] = times.get(row.graph_id, 0) + 1
        sent = arrived.get(row.graph_id)
        if sent is None:
            faults.append(
                Phrase("{address}: a row that never arrived: {graph_id}", address=address, graph_id=row.graph_id)
            )
        elif [each["sha256"] for each in sent["attachments"]] != row.hashes:
            faults.append(Phrase("{address}: attachments differ: {graph_id}", address=address, graph_id=row.graph_id))
    faults += [
        Phrase("{address}: imported {count} times: {graph_id}", address=address, count=count, graph_id=graph_id)
        for graph_id, count in times.items()
        if count > 1
    ]
    faults += [
        Phrase("{address}: not imported: {graph_id}", address=address, graph_id=graph_id)
        for graph_id in arrived
        if graph_id not in times
    ]
    return faults


def _quantile(seconds: list[float], percent: int) -> float | None:
    if not seconds:
        return None
    if len(seconds) == 1:
        return seconds[0]
    return quantiles(seconds, n=100, method="inclusive")[percent - 1]
