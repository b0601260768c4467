"""A simulated day on three hosts, full of faults: each message is imported once, or is visible with its reason."""

import asyncio
import copy
import errno
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest

from bus.errors import QueueUnavailable
from db.engine import Database
from db.errors import DatabaseUnavailable
from processor import worker
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail
from simulator.faults import Fault, FaultKind
from simulator.state.mailboxes import Mailbox
from tests.databases import Gateway
from tests.integration.manager_world import Office
from tests.integration.world import World
from tests.waiting import until

HOSTS: Final = ("a", "b", "c")
MAILBOXES: Final = 4
STEP: Final = timedelta(minutes=40)
SWEEP: Final = timedelta(minutes=15)

_UNLUCKY: Final = """
CREATE FUNCTION unlucky() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.02 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END IF;
    IF random() < 0.01 THEN RAISE EXCEPTION 'could not serialize' USING ERRCODE = 'serialization_failure'; END IF;
    IF random() < 0.01 THEN RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END IF;
    RETURN NULL;
END $$
"""
_STRUCK: Final = ("tblEmailMessage", "tblEmailAttachment", "tblNotificationQueue", "tblFolderSync", "tblProcess")


class Day:
    """Three hosts with a database pool, a queue and a share of calls each; one receiver; injected faults."""

    def __init__(self, office: Office, mailboxes: list[Mailbox], random: Random) -> None:
        self.office = office
        self.world = office.world
        self.mailboxes = mailboxes
        self.random = random
        self.sent: list[str] = []

    async def send(self) -> None:
        """Send some mail, one in five with a file that does not stay in memory, one in five without a notification."""
        for _ in range(self.random.randrange(4)):
            parts = (Attachment("large.bin", GeneratedContent(2_000_000)),) if self.random.random() < 0.2 else ()
            mail = Mail(subject=f"{len(self.sent)}", attachments=parts)
            mailbox = self.random.choice(self.mailboxes)
            sent = await self.world.simulator.deliver(mailbox, mail, notify=self.random.random() < 0.8)
            self.sent.append(sent.message_id)

    def strike(self) -> None:
        """Replace the faults on Microsoft's side; sometimes by none."""
        self.world.simulator.faults.replace([each for each in _faults(self.random) if self.random.random() < 0.3])

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Replace the faults on the product's side; mostly by none."""
        what = self.random.choice(("gone", "lost", "full", "no room", "clock", "", "", "", ""))
        if what == "clock":
            self.world.clock.advance(minutes=-self.random.randint(1, 120))
        with ExitStack() as stack:
            if what == "no room":
                stack.enter_context(_no_temporary_files())
            elif what not in {"", "clock"}:
                stack.enter_context(self.world.fragile.broken(what))
            yield

    async def pass_step(self) -> None:
        """Let the time of a step pass, and its work be done or postponed."""
        self.world.clock.advance(minutes=STEP.total_seconds() / 60)
        with suppress(TimeoutError):  # Graph retries while the receiver has no queue
            async with asyncio.timeout(0.5):
                await self.world.simulator.settled()
        with suppress(AssertionError):  # with so many faults work is always left
            await until(self.is_quiet, seconds=0.7)

    async def is_quiet(self) -> bool:
        """Check that nothing can be received, nothing is in flight, no turn is due."""
        try:
            status = await self.world.queue.status()
            return not (status.active or status.locked) and await self.office.at_rest()
        except (DatabaseUnavailable, QueueUnavailable):
            return False


def _faults(random: Random) -> list[Fault]:
    asked = random.choice((None, 0, 7, 900, 86_400, 1e12))
    return [
        Fault(FaultKind.UNAVAILABLE, 0.3, status=random.choice((500, 503, 504)), retry_after=asked),
        Fault(FaultKind.UNAVAILABLE, 0.3, retry_after=asked, retry_after_as_date=asked in {7, 900}),
        Fault(FaultKind.THROTTLED, 0.3, retry_after=asked),
        Fault(FaultKind.NOT_FOUND_AT_FIRST, 0.5, operation=Operation.GET_MESSAGE, times=random.randint(1, 4)),
        Fault(FaultKind.FORBIDDEN, 0.3, operation=Operation.GET_MESSAGE),
        Fault(FaultKind.FORBIDDEN, 0.1),
        Fault(FaultKind.RESET, 0.2),
        Fault(FaultKind.TRUNCATED, 0.2),
        Fault(FaultKind.ANSWER_LOST, 0.2),
        Fault(FaultKind.RESET_IN_BODY, 0.2),
        Fault(FaultKind.HANG, operation=Operation.TOKEN),
        Fault(FaultKind.SIGN_IN_REFUSED, 0.5, operation=Operation.TOKEN),
        Fault(FaultKind.SYNC_STATE_LOST, 0.3, status=410),
        Fault(FaultKind.DELTA_REPLAYED, 0.5),
        Fault(FaultKind.DELTA_DELAYED, 0.5),
        Fault(FaultKind.NOTIFICATION_LOST, 0.3),
        Fault(FaultKind.NOTIFICATION_DUPLICATED, 0.5),
        Fault(FaultKind.NOTIFICATION_REORDERED, 0.5),
    ]


@contextmanager
def _no_temporary_files() -> Iterator[None]:
    def refuse(*_: object, **__: object) -> Any:  # noqa: ANN401  # the signature of the real one
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", refuse)
        yield


@contextmanager
def _unlucky_statements(gateway: Gateway) -> Iterator[Callable[[], None]]:
    """Let statements of the day fail at random, as real errors of the server; the result ends it."""
    owner = gateway.engine()

    def say(*statements: str) -> None:
        with owner.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    triggers = [
        f'CREATE TRIGGER unlucky AFTER INSERT OR UPDATE OR DELETE ON "{table}" EXECUTE FUNCTION unlucky()'
        for table in _STRUCK
    ]
    say(_UNLUCKY, *triggers)
    try:
        yield lambda: say("DROP FUNCTION unlucky CASCADE")
    finally:
        owner.dispose()


@asynccontextmanager
async def _host(world: World, name: str) -> AsyncIterator[None]:
    database = Database(world.fragile.engine())
    there = copy.copy(world)
    there.database = database
    try:
        async with there.another_process(name):
            yield
    finally:
        await database.close()


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.parametrize("seed", [1])
@pytest.mark.timeout(300)
async def test_after_a_day_of_faults_each_message_is_imported_once_or_visible(
    make_office: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Statements that fail, deadlocks, lost databases, 404, 403, 503, full disks, hanging sign-ins, odd clocks."""
    monkeypatch.setattr(worker, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(worker, "_MAX_PAUSE_SECONDS", 0.2)
    office = await make_office(token_lifetime=timedelta(hours=3))
    world: World = office.world
    mailboxes = [world.new_mailbox(f"M{number}") for number in range(MAILBOXES)]
    for mailbox in mailboxes:
        await world.add_account(mailbox)
    day = Day(office, mailboxes, Random(seed))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(office.receiving())
        for name in HOSTS:
            await stack.enter_async_context(_host(world, name))
            await stack.enter_async_context(office.managing(name, reconciling=name == "a", sweeping=SWEEP))
        await until(lambda: office.in_step(MAILBOXES))
        with _unlucky_statements(world.fragile.gateway) as end:
            for _ in range(timedelta(days=1) // STEP):
                day.strike()
                with day.trouble():
                    await day.send()
                    await day.pass_step()
            end()
        world.simulator.faults.clear()
        await until(lambda: _ended(day), seconds=150)

    imported = await world.imported_ids()
    dead = {each.message_id: each for each in await world.dead_letters()}
    assert len(imported) == len(set(imported))
    assert all(each.reason and each.description for each in dead.values())
    missing = set(day.sent) - set(imported)
    assert missing <= {each for mail in dead.values() for each in missing if each in mail.body}


async def _ended(day: Day) -> bool:
    """Wait until all delayed work is over and each message is found; the clock advances whenever all waits."""
    if not await day.is_quiet():
        return False
    left = set(day.sent) - set(await day.world.imported_ids())
    bodies = [each.body for each in await day.world.dead_letters()]
    status = await day.world.queue.status()
    if not status.scheduled and all(any(each in body for body in bodies) for each in left):
        return True
    day.world.clock.advance(minutes=10)
    return False
