"""Deliveries in flight: their locks are kept, they are abandoned on stop, and a failure of one stays its own."""

import asyncio
import time
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import update

from db.tables import queue_message
from graph.mailbox import Mailbox
from graph.messages import MailReader
from processor import worker
from processor.worker import WorkerLimits
from simulator.calls import Operation
from simulator.content.mail import Mail, Person, file_attachment
from simulator.faults import FaultKind
from tests.databases import on_every_database
from tests.integration.world import World
from tests.waiting import until

pytestmark = on_every_database


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check locks often enough for locks of two seconds."""
    monkeypatch.setattr(worker, "_RENEWAL_POLL_SECONDS", 0.1)


@pytest.mark.usefixtures("quick_looks")
async def test_an_import_longer_than_its_lock_keeps_it(world: World) -> None:
    """It is renewed until the import is done, so no second processor fetches the same mail."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 4)
    world.fault(FaultKind.LATENCY, operation=Operation.GET_MESSAGE, seconds=4.5)
    lock = timedelta(seconds=2)
    queue, other = world.new_queue(lock_duration=lock), world.new_queue(lock_duration=lock)
    await world.notify(account, delivered)

    with structlog.testing.capture_logs() as events:
        async with world.processing(queue=queue), world.processing(queue=other):
            await until(world.queue_is_empty)
    await queue.close()
    await other.close()

    assert len(await world.imported_ids()) == 4
    assert world.calls(Operation.GET_MESSAGE) == 4
    assert not [event for event in events if event["event"] in {"lock_lost", "delivery_not_settled"}]


@pytest.mark.usefixtures("quick_looks")
async def test_an_import_whose_lock_is_lost_stops(world: World) -> None:
    """Another consumer has it by now: the remaining writes are left to that one."""
    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1)
    world.fault(FaultKind.HANG, operation=Operation.GET_MESSAGE)
    await world.notify(account, [delivered])

    with structlog.testing.capture_logs() as events:
        async with world.processing(limits=WorkerLimits(finish_seconds=60)):
            await until(lambda: world.calls(Operation.GET_MESSAGE))
            # The state after another consumer's receive after the lock's end.
            later = world.clock() + timedelta(minutes=30)
            await world.database.write(
                lambda c: c.execute(update(queue_message).values(sLockToken="another", dtVisible=later))
            )
            world.clock.advance(seconds=40)
            await until(lambda: [event for event in events if event["event"] == "lock_lost"])
            began = time.monotonic()
        assert time.monotonic() - began < 15

    assert await world.imported_ids() == []
    (left,) = await world.waiting()
    assert left.locked
    assert not [event for event in events if event["event"] == "delivery_handed_back"]


async def test_stop_finishes_what_is_nearly_done(world: World) -> None:
    """Deliveries in flight are completed within the time allowed; waiting ones stay in the queue."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 12)
    world.fault(FaultKind.LATENCY, operation=Operation.GET_MESSAGE, seconds=0.3)
    await world.notify(account, delivered)

    async with world.processing(limits=WorkerLimits(max_in_flight=4, finish_seconds=10)) as stop:
        await until(lambda: world.calls(Operation.GET_MESSAGE))
        stop.set()

    assert len(await world.imported_ids()) == 4
    status = await world.queue.status()
    assert (status.active, status.locked, status.scheduled, status.dead) == (8, 0, 0, 0)
    assert {each.delivery_count for each in await world.waiting()} == {0}


async def test_stop_hands_back_what_takes_too_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are available to others at once and uncounted; the process ends within its time."""
    monkeypatch.setattr(worker, "_CANCEL_SECONDS", 60.0)  # a busy database takes its time to hand back
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 6)
    silent = world.fault(FaultKind.HANG, operation=Operation.GET_MESSAGE)
    await world.notify(account, delivered)

    stop = asyncio.Event()
    running = asyncio.create_task(world.new_processor(limits=WorkerLimits(finish_seconds=0.3)).run(stop))
    await until(lambda: world.calls(Operation.GET_MESSAGE) == 4)
    began = time.monotonic()
    stop.set()
    await running
    assert time.monotonic() - began < 9

    status = await world.queue.status()
    assert (status.active, status.locked) == (6, 0)
    assert {each.delivery_count for each in await world.waiting()} == {0}
    world.simulator.faults.remove(silent)
    await world.import_all()
    assert len(await world.imported_ids()) == 6


async def test_stop_while_idle_is_immediate(world: World) -> None:
    """A receive that waits for work does not delay the end."""
    stop = asyncio.Event()
    running = asyncio.create_task(world.new_processor().run(stop))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    stop.set()
    await running
    assert time.monotonic() - began < 9


async def test_stop_during_an_outage_is_not_delayed(world: World) -> None:
    """SIGTERM is obeyed even if the database does not respond; the messages come again when their locks end."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 3)
    world.fault(FaultKind.HANG, operation=Operation.GET_MESSAGE, count=3)
    await world.notify(account, delivered)

    stop = asyncio.Event()
    running = asyncio.create_task(world.new_processor(limits=WorkerLimits(finish_seconds=0.2)).run(stop))
    await until(lambda: world.calls(Operation.GET_MESSAGE) == 3)
    with world.fragile.locked():
        began = time.monotonic()
        stop.set()
        await running
        assert time.monotonic() - began < 9

    world.clock.advance(minutes=2)
    await world.import_all()
    assert len(await world.imported_ids()) == 3
    assert not await world.dead_letters()


class _Choking(MailReader):
    """Fails on one message, with the mail's own text, as an unexpected error might."""

    def __init__(self, world: World, bad: str) -> None:
        super().__init__(world.graph)
        self._bad = bad

    async def message(
        self, mailbox: Mailbox, message_id: str, *, with_headers: bool = False, files: ExitStack | None = None
    ) -> dict[str, Any]:
        found = await super().message(mailbox, message_id, with_headers=with_headers, files=files)
        if message_id == self._bad:
            raise KeyError(f"{found['subject']} {found['body']['content']}")
        return found


_SECRET = Mail(
    subject="Zebrasubject",
    body="Zebrabody of the mail",
    sender=Person("Zebrasender", "zebra@sender.example"),
    to=(Person("Zebrato", "zebra@to.example"),),
    attachments=(file_attachment("Zebrafile.csv", b"Zebracontent"),),
)


async def test_an_unforeseen_error_stays_with_its_message_and_its_words_out_of_the_log(world: World) -> None:
    """The others are imported; the one is retried, then dead-lettered, and its text appears nowhere."""
    mailbox, account = await world.account_of("Laboratoire")
    bad, *good = await world.deliver(mailbox, 5, _SECRET)
    await world.notify(account, [bad, *good])

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        async with world.processing(reader=_Choking(world, bad.message_id)):
            await until(lambda: _tried(world, 1))
            for attempt in range(2, 5):
                world.clock.advance(minutes=15)
                await until(lambda attempt=attempt: _tried(world, attempt))
            world.clock.advance(minutes=15)
            await until(world.dead_letters)

    assert await world.imported_ids() == sorted(each.message_id for each in good)
    (dead,) = await world.dead_letters()
    assert dead.reason == "KeyError"
    failed = [event for event in events if event["event"] == "delivery_failed"]
    assert {event["error_type"] for event in failed} == {"KeyError"}
    assert any("message" in place for place in failed[0]["where"])
    said = repr(events) + repr(dead)
    assert "zebra" not in said.lower()


@pytest.mark.parametrize(
    "odd",
    [
        [],
        ["Zebrasubject"],
        "Zebrasubject",
        17,
        None,
        {},
        {"singleValueExtendedProperties": 5, "hasAttachments": False, "subject": "Zebrasubject"},
        {"hasAttachments": False, "body": [1], "toRecipients": {"a": "Zebrato"}, "from": "Zebrasender"},
        {"hasAttachments": False, "subject": {"x": "Zebrasubject"}, "sentDateTime": 5, "importance": []},
    ],
    ids=repr,
)
async def test_an_odd_answer_of_graph_stops_nothing(world: World, odd: object) -> None:
    """Any JSON may come for one message: the others are imported, and no word of mail is logged.

    A response that is not that message is retried; one that is, in odd shapes, is imported.
    """
    mailbox, account = await world.account_of("Laboratoire")
    bad, *good = await world.deliver(mailbox, 4, _SECRET)
    is_message = isinstance(odd, dict) and "hasAttachments" in odd
    await world.tamper(bad, lambda json: {"id": json["id"], **odd} if isinstance(odd, dict) and is_message else odd)
    await world.notify(account, [bad, *good])

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        async with world.calling_graph(call_seconds=5) as graph, world.processing(graph=graph):
            await until(lambda: _all_settled(world))

    imported = set(await world.imported_ids())
    assert imported >= {each.message_id for each in good}
    assert not await world.dead_letters()
    assert (bad.message_id in imported) == is_message
    assert "zebra" not in repr(events).lower()


async def test_the_log_of_a_run_bears_one_correlation_and_no_mail(world: World) -> None:
    """One summary line ends each delivery, with the id that the receiver gave; no token, no clientState either."""
    mailbox, account = await world.account_of("Laboratoire")
    imported, gone = await world.deliver(mailbox, 2, _SECRET)
    world.simulator.remove_message(mailbox, gone.message_id)
    world.fault(FaultKind.UNAVAILABLE, count=2)
    world.fault(FaultKind.UNAUTHORIZED, count=1)
    first = world.notification(account, imported.message_id)
    second = world.notification(account, gone.message_id)
    await world.queue.put([first.to_message(), second.to_message()])

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        await world.import_over_time()

    (done,) = [event for event in events if event["event"] == "message_imported"]
    assert done["correlation"] == first.correlation
    assert done["account"] == "Laboratoire"
    assert done["attempt"] == 1
    assert done["attachments"] == 1
    (missing,) = [event for event in events if event["event"] == "message_gone"]
    assert missing["correlation"] == second.correlation
    said = repr(events)
    assert "zebra" not in said.lower()
    assert "eyJ" not in said
    assert (await world.keys()).sign(account) not in said


async def _tried(world: World, count: int) -> bool:
    return [each.delivery_count for each in await world.waiting() if not each.locked] == [count]


async def _all_settled(world: World) -> bool:
    """Check that all but delayed ones are settled."""
    status = await world.queue.status()
    return not status.active and not status.locked
