"""The database fails amid imports: no message is lost or dead-lettered, and imports resume automatically."""

import asyncio
import errno
import tempfile
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import pytest
import structlog

from processor import worker
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail, file_attachment
from simulator.faults import FaultKind
from tests.doubles.outages import every_outage
from tests.integration.world import World
from tests.waiting import until

_MAIL = Mail(body="x" * 50_000, attachments=(file_attachment("a.csv", b"1;2;3" * 1000),))

_UNREADABLE = """
ALTER TABLE "tblEmailSeen" RENAME TO "aside";
CREATE FUNCTION "refuse"() RETURNS SETOF "aside" LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not here'; END $$;
CREATE VIEW "tblEmailSeen" AS SELECT * FROM "refuse"();
GRANT ALL ON "tblEmailSeen" TO PUBLIC
"""
_READABLE = 'DROP VIEW "tblEmailSeen"; DROP FUNCTION "refuse"; ALTER TABLE "aside" RENAME TO "tblEmailSeen"'


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_FIRST_PAUSE_SECONDS", 0.2)


@pytest.mark.parametrize(("database_kind", "kind"), every_outage(), indirect=["database_kind"])
@pytest.mark.parametrize("mail", [_MAIL, Mail(attachments=(Attachment("a", GeneratedContent(4_000_000)),))])
async def test_an_outage_in_the_middle_of_imports_loses_nothing(world: World, kind: str, mail: Mail) -> None:
    """Messages in flight when the database fails are imported once it is back."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 6, mail)
    await world.notify(account, delivered)
    world.fault(FaultKind.LATENCY, operation=Operation.GET_MESSAGE, seconds=0.3)

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        async with world.processing():
            await until(lambda: world.calls(Operation.GET_MESSAGE))
            with world.fragile.broken(kind):
                # An open file survives the move of its folder: then all goes on.
                await until(lambda: any(_noticed(event) for event in events) or len(_done(events)) == 6)
            await world.pass_time_until(world.queue_is_empty)

    assert not await world.dead_letters()
    assert await world.imported_ids() == sorted(each.message_id for each in delivered)


@pytest.mark.parametrize(("database_kind", "kind"), every_outage(), indirect=["database_kind"])
async def test_an_outage_while_idle_is_waited_out(world: World, kind: str) -> None:
    """The processor does not end, logs once a pause and at the end of the outage, and receives later messages."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 3)

    with structlog.testing.capture_logs() as events:
        async with world.processing():
            await world.notify(account, delivered)
            with world.fragile.broken(kind):
                await asyncio.sleep(0.7)
            await world.pass_time_until(world.queue_is_empty)

    assert not await world.dead_letters()
    assert await world.imported_ids() == sorted(each.message_id for each in delivered)
    assert len([event for event in events if event["event"] == "processor_paused"]) < 8
    said = [event["event"] for event in events if event["event"] in {"processor_paused", "processor_resumed"}]
    assert said == [] or said[-1] == "processor_resumed"


@pytest.mark.parametrize(("database_kind", "kind"), every_outage(), indirect=["database_kind"])
async def test_a_processor_that_starts_before_its_database_waits_for_it(world: World, kind: str) -> None:
    """Hosts start in any order."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 3)
    await world.notify(account, delivered)

    with world.fragile.broken(kind):
        stop = asyncio.Event()
        running = asyncio.create_task(world.new_processor().run(stop))
        await asyncio.sleep(0.3)
        assert not running.done()
    await world.pass_time_until(world.queue_is_empty)
    stop.set()
    await asyncio.wait_for(running, 60)

    assert len(await world.imported_ids()) == 3
    assert not await world.dead_letters()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_an_error_of_a_query_that_is_not_known_is_waited_out(world: World) -> None:
    """It counts against no message: none is a dead letter for it, however long it lasts."""

    owner = world.fragile.gateway.engine()

    def execute(statements: str) -> None:
        with owner.begin() as connection:
            connection.exec_driver_sql(statements)

    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 2)
    execute(_UNREADABLE)
    await world.notify(account, delivered)

    async def is_put_off() -> bool:
        return [each.visible > world.clock() and not each.locked for each in await world.waiting()] == [True, True]

    async with world.processing():
        for _ in range(6):
            await until(is_put_off)
            assert [each.delivery_count for each in await world.waiting()] == [0, 0]
            world.clock.advance(minutes=20)
        execute(_READABLE)
        await world.pass_time_until(world.queue_is_empty)

    owner.dispose()
    assert not await world.dead_letters()
    assert await world.imported_ids() == sorted(each.message_id for each in delivered)


def _noticed(event: MutableMapping[str, Any]) -> bool:
    return event["event"] in {"database_unavailable", "heartbeat_failed", "processor_paused"}


def _done(events: list[MutableMapping[str, Any]]) -> list[str]:
    return [event["delivery"] for event in events if event["event"] == "message_imported"]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EMFILE, "Too many open files"), MemoryError()],
    ids=["full disk", "no handles", "no memory"],
)
async def test_a_machine_without_room_pauses_the_processor(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It pauses as for the database: nothing is counted or dead-lettered, and it resumes automatically."""
    mailbox, account = await world.account_of("Laboratoire")
    large = Mail(attachments=(Attachment("a", GeneratedContent(4_000_000)),))
    delivered = await world.deliver(mailbox, 2, large)
    make = tempfile.TemporaryFile
    lacking = True
    counts: set[int] = set()

    async def handed_back() -> set[int]:
        counts.update(each.delivery_count for each in await world.waiting() if not each.locked)
        return counts

    def temporary_file(*args: Any, **options: Any) -> Any:  # noqa: ANN401  # passed through
        if lacking:
            raise error
        return make(*args, **options)

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
    await world.notify(account, delivered)
    with structlog.testing.capture_logs() as events:
        async with world.processing():
            await until(lambda: len(_paused(events)) >= 3)
            await until(handed_back)
            assert counts == {0}
            assert _paused(events)[0]["error"].startswith("This host cannot work on: ")
            lacking = False
            await world.pass_time_until(world.queue_is_empty)

    assert not await world.dead_letters()
    assert await world.imported_ids() == sorted(each.message_id for each in delivered)
    assert not await world.conditions()


def _paused(events: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in events if each["event"] == "processor_paused"]
