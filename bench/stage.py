"""The setup of the pipeline benchmarks: a simulator in a process of its own, mailboxes, accounts, a queue."""

import asyncio
import multiprocessing
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, func, select

from bench.listed_mail import list_messages
from bus.database.adapter import DatabaseQueue
from bus.notification import Notification
from bus.queue import Message, NotificationQueue
from console import logs
from console.settings import Settings
from console.wiring.clock import utc_now
from console.wiring.graph import OpenedGraph, open_graph
from console.wiring.processor import ImportOptions, importer_of, processor_of
from db.engine import Database, make_engine, run_writing
from db.heartbeat import Heartbeat
from db.queries import accounts
from db.queries.processes import PROCESSOR, Process
from db.schema import migration
from db.tables import message
from graph.certificates import make_self_signed, write_pair
from graph.client import GraphClient
from graph.mailbox import Mailbox
from graph.messages import MailReader
from graph.slots import Slots
from graph.token import TokenSource
from processor.mailbox_fairness import ProcessShare
from processor.metrics import ProcessorMetrics
from processor.worker import WorkerContext, WorkerLimits
from simulator.api.throttling import Limits
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail
from simulator.control_client import SimulatorControl
from simulator.simulator import Simulator


@dataclass
class Stage:
    """A simulator with mail in it, and a gateway database with its mailboxes."""

    url: str
    ca_file: Path
    folder: Path
    control: SimulatorControl
    settings: Settings
    graph: OpenedGraph
    database: Database
    share: ProcessShare
    account_of_user: dict[str, accounts.Account]

    @property
    def tokens(self) -> TokenSource:
        """The source of tokens."""
        return self.graph.tokens

    @property
    def client(self) -> GraphClient:
        """The production client."""
        return self.graph.client

    async def sign_in(self) -> str:
        """Return a token of the application, which this process keeps for all of its mailboxes."""
        account = next(iter(self.account_of_user.values()))
        return await self.tokens.token(Mailbox.of(account.account_id, account.settings).application)

    async def process(self, queue: NotificationQueue, stop: asyncio.Event, limits: WorkerLimits | None = None) -> None:
        """Run the production worker on this stage until `stop` is set."""
        importer = importer_of(MailReader(self.client), self.database, ImportOptions(), clock=utc_now)
        context = WorkerContext(self.share, utc_now, Random(1), ProcessorMetrics(CollectorRegistry()), limits)
        await processor_of(queue, self.database, self.client, importer, context, host="bench").run(stop)
        await importer.store.close()

    async def deliver(self, messages: int, *, seed: int = 1) -> list[dict[str, Any]]:
        """Deliver mail without notifications; return the ledger of all mail.

        Their times of receipt are a second apart: the search for copies goes by account and second, and would read all
        mail that came in one.
        """
        await self.control.start_traffic(messages, seed=seed, seconds_apart=1)
        while (await self.control.traffic())["running"]:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.05)
        return await self.control.ledger()

    async def import_all(self, ledger: list[dict[str, Any]], queue: NotificationQueue | None = None) -> float:
        """Queue the whole ledger, then let the processor import it; return the seconds taken."""
        queue = queue or DatabaseQueue(self.database, clock=utc_now, lock_duration=timedelta(minutes=5))
        before = await self.imported()
        await queue.put([notification(self.account_of_user[each["user_id"]].account_id, each) for each in ledger])
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        started = loop.time()
        running = asyncio.create_task(self.process(queue, stop))
        while (done := await self.imported() - before) < len(ledger):
            # Seldom until the end is near: each look takes computing time from the processor.
            left = (loop.time() - started) * (len(ledger) - done) / max(done, 1)
            await asyncio.sleep(min(max(left / 2, 0.02), 0.5))
        seconds = loop.time() - started
        stop.set()
        await running
        await queue.close()
        return seconds

    async def imported(self) -> int:
        """Rows of `tblEmailMessage`: its highest number, since nothing is deleted here; counting gets slower."""

        def count(connection: Connection) -> int:
            return connection.scalar(select(func.max(message.c.nMessageID))) or 0

        return await self.database.read(count)


def notification(account_id: int, entry: dict[str, Any]) -> Message:
    """Return the notification that Graph sends for a ledger entry."""
    return Notification(
        account_id=account_id,
        subscription_id="bench",
        change_type="created",
        message_id=entry["message_id"],
        etag=None,
        received=utc_now(),
        correlation="bench",
    ).to_message()


@asynccontextmanager
async def stage(
    mailboxes: int,
    *,
    large_bytes: int = 0,
    messages: int = 0,
    listed: Sequence[int] = (),
    database_url: str | None = None,
    roles: tuple[str, ...] = (PROCESSOR,),
) -> AsyncIterator[Stage]:
    """Set up the stage.

    The first mailbox holds a mail with an attachment of `large_bytes`, and so many small `messages`. `listed`:
    so many messages, which cannot be fetched, are listed by each of the first mailboxes. `database_url`: of an empty
    database, None: a file. `roles`: of this process; without that of a processor it leaves all calls to other
    processes.
    """
    async with AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        logs.configure(resources.enter_context((folder / "log").open("w", encoding="utf-8")), "json")
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_simulate, args=(theirs, folder, mailboxes, large_bytes, messages, listed)
        )
        process.start()
        resources.callback(process.join)
        resources.callback(process.terminate)
        ready = await asyncio.to_thread(ours.recv)
        certificate = make_self_signed("bench", now=utc_now(), key_bits=2048)
        write_pair(certificate, folder / "certificates", "bench")
        control = await resources.enter_async_context(SimulatorControl(ready["url"], ready["ca_file"]))
        pem = (folder / "certificates" / "bench.cer").read_text("ascii")
        await control.register_certificate(ready["tenant_id"], ready["client_id"], pem)
        engine = make_engine(database_url or f"sqlite:///{folder / 'gateway.db'}")
        migration.upgrade(engine, now=utc_now())
        for user_id in ready["users"]:
            settings = accounts.AccountSettings(
                user_id, ready["tenant_id"], ready["client_id"], user_id, certificate.thumbprint, False
            )
            run_writing(engine, lambda connection, settings=settings: accounts.add(connection, settings, now=utc_now()))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        database = Database(engine)
        resources.push_async_callback(database.close)
        known = await database.read(accounts.every)
        alone = Process("bench", "bench", roles, "", utc_now())
        heartbeat = await resources.enter_async_context(Heartbeat(database, alone, clock=utc_now).kept())
        share = ProcessShare(heartbeat, name=alone.name)
        product = settings_at(ready["url"], ready["ca_file"], folder)
        graph = await resources.enter_async_context(open_graph(product, Slots(share.of)))
        yield Stage(
            url=ready["url"],
            ca_file=ready["ca_file"],
            folder=folder,
            control=control,
            settings=product,
            graph=graph,
            database=database,
            share=share,
            account_of_user={each.settings.user_id: each for each in known},
        )


def settings_at(url: str, ca_file: Path, folder: Path) -> Settings:
    """The settings of the product beside that simulator, with its certificates in the folder."""
    return Settings(graph_url=url, authority_url=url, ca_bundle=ca_file, certificate_store=str(folder / "certificates"))


def _simulate(pipe: Pipe, folder: Path, mailboxes: int, large_bytes: int, messages: int, listed: Sequence[int]) -> None:
    limits = Limits(requests_per_mailbox=1_000_000)
    directory = folder / "simulator"
    directory.mkdir()

    async def run() -> None:
        async with Simulator(directory, limits=limits) as simulator:
            application = simulator.add_application()
            made = [simulator.add_mailbox(f"station{number}@riviere.example") for number in range(mailboxes)]
            if large_bytes:
                await simulator.deliver(made[0], _large_mail(large_bytes))
            for number in range(messages):
                await simulator.deliver(made[0], Mail(subject=f"{number}"))
            for mailbox, number in zip(made, listed, strict=False):
                list_messages(mailbox.folders["inbox"], number, last=utc_now() - timedelta(days=1))
            pipe.send(
                {
                    "url": simulator.url,
                    "ca_file": simulator.ca_file,
                    "tenant_id": application.tenant_id,
                    "client_id": application.client_id,
                    "users": [each.user_id for each in made],
                }
            )
            await asyncio.Event().wait()

    asyncio.run(run())


def _large_mail(size: int) -> Mail:
    return Mail(subject="A survey", attachments=(Attachment("survey.zip", GeneratedContent(size)),))
