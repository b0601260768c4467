"""The trace of a message for an operator: every attempt with its times, host and outcome."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from db.queries import trace
from db.queries.trace import TracedMessage, TraceRow
from db.tables import message_trace
from processor.worker import WorkerLimits
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail
from simulator.faults import FaultKind
from simulator.state.mail_server import DeliveredMessage
from tests.integration.world import World
from tests.waiting import until


async def traced(world: World, account: int, delivered: DeliveredMessage) -> list[TraceRow]:
    key = TracedMessage(account, delivered.message_id)
    return await world.database.read(lambda connection: trace.attempts(connection, [key]))


async def test_an_import_leaves_its_steps(world: World) -> None:
    """They lead from the notification to the row, each with its time."""
    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1, Mail(subject="Résultat " * 100))
    began = world.clock()
    await world.notify(account, [delivered])

    await world.import_all(host="gateway-7")

    (row,) = await traced(world, account, delivered)
    assert (row.outcome, row.host, row.attempt, row.source, row.reason, row.detail) == (
        "imported",
        "gateway-7",
        1,
        "graph",
        None,
        None,
    )
    times = [row.notified, row.queued, row.started, row.fetched, row.ended]
    assert None not in times
    known = [began, *(each for each in times if each is not None), world.clock()]
    assert known == sorted(known)
    assert row.subject == ("Résultat " * 100)[:400]
    (imported,) = await world.imported()
    assert row.internet_message_id == imported.internet_message_id
    assert row.correlation is not None
    assert row.correlation.startswith("correlation-")
    assert row.queue_message_id is not None


async def test_a_failed_attempt_has_its_reason_and_the_next_one_follows(world: World) -> None:
    """The subject is known once the message was fetched, although its attachment was not."""
    mailbox, account = await world.account_of("Laboratoire")
    mail = Mail(subject="Scan", attachments=(Attachment("scan.tif", GeneratedContent(4_000_000, seed=2)),))
    (delivered,) = await world.deliver(mailbox, 1, mail)
    number = world.fault(FaultKind.UNAVAILABLE, status=504, operation=Operation.GET_ATTACHMENT_CONTENT)
    await world.notify(account, [delivered])

    async with world.calling_graph(call_seconds=6) as graph, world.processing(graph=graph):
        await until(lambda: _scheduled(world))
        world.simulator.faults.remove(number)
        world.clock.advance(minutes=1)
        await until(world.queue_is_empty)

    failed, done = await traced(world, account, delivered)
    assert (failed.attempt, failed.outcome, failed.reason, failed.subject, failed.fetched) == (
        1,
        "retried",
        "GraphUnavailable",
        "Scan",
        None,
    )
    assert failed.detail is not None
    assert "504" in failed.detail
    assert (done.attempt, done.outcome, done.correlation) == (2, "imported", failed.correlation)


async def test_what_is_known_or_gone_is_reported(world: World) -> None:
    mailbox, account = await world.account_of("Laboratoire")
    gone, kept = await world.deliver(mailbox, 2)
    world.simulator.remove_message(mailbox, gone.message_id)
    await world.notify(account, [gone, kept])
    await world.import_over_time()
    await world.notify(account, [kept])
    await world.import_all()

    outcomes = [each.outcome for each in await traced(world, account, gone)]
    assert outcomes == ["retried"] * (len(outcomes) - 1) + ["gone"]
    assert [each.outcome for each in await traced(world, account, kept)] == ["imported", "known"]


async def test_a_message_of_a_held_account_waits_and_is_reported_once_an_hour(world: World) -> None:
    """The message is checked more often meanwhile."""
    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1)
    number = world.fault(FaultKind.FORBIDDEN)
    await world.notify(account, [delivered])

    async with world.processing():
        for asked in range(1, 5):
            await until(lambda asked=asked: world.calls(Operation.GET_MESSAGE) >= asked)
            await until(lambda: _scheduled(world))
            world.clock.advance(minutes=16)
        world.simulator.faults.remove(number)
        world.clock.advance(minutes=16)
        await until(world.queue_is_empty)

    *waits, done = await traced(world, account, delivered)
    assert 1 <= len(waits) <= 2
    assert {(each.attempt, each.outcome, each.reason) for each in waits} == {(1, "waiting", "AccessDenied")}
    assert (done.attempt, done.outcome) == (1, "imported")


async def test_a_dead_letter_that_was_unreadable_is_found_by_its_queue_id(world: World) -> None:
    await world.put_body("Dear reader", "odd", 1)
    async with world.processing():
        await until(world.dead_letters)

    rows = await world.database.read(lambda c: trace.attempts(c, [TracedMessage(1, None, "odd")]))
    (row,) = rows
    assert (row.account_id, row.outcome, row.reason, row.notified) == (1, "dead_lettered", "NotJson", None)


async def test_what_is_handed_back_at_the_end_is_written(world: World) -> None:
    """The process writes its last rows before it ends."""
    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1)
    world.fault(FaultKind.HANG, operation=Operation.GET_MESSAGE)
    await world.notify(account, [delivered])

    stop = asyncio.Event()
    running = asyncio.create_task(world.new_processor(limits=WorkerLimits(finish_seconds=0.1)).run(stop))
    await until(lambda: world.calls(Operation.GET_MESSAGE))
    stop.set()
    await running

    assert [each.outcome for each in await traced(world, account, delivered)] == ["handed_back"]


@pytest.mark.parametrize("count", [60])
async def test_tracing_costs_no_statement_a_message(world: World, count: int) -> None:
    """One statement writes all rows of a second."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, count)
    await world.notify(account, delivered)
    statements: list[str] = []

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if message_trace.name in statement:
            statements.append(statement)

    began = world.clock()
    await world.import_all()
    lasted = world.clock() - began

    rows = await world.database.read(lambda c: c.scalars(select(message_trace.c.sOutcome)).all())
    assert rows.count("imported") == count
    written = [each for each in statements if each.startswith("INSERT")]
    assert len(written) <= lasted / timedelta(seconds=1) + 2


async def _scheduled(world: World) -> bool:
    status = await world.queue.status()
    return status.scheduled == 1 and not status.locked and not status.active
