"""Graph as it is on bad days: throttled, overloaded, cut off, silent. Everything is imported in the end, once."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result

from graph import messages
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail, file_attachment
from simulator.faults import FaultKind
from tests.integration.world import World
from tests.waiting import until

Command = Callable[..., Awaitable[Result]]


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        pytest.param(FaultKind.THROTTLED, {"retry_after": 2}, id="429-seconds"),
        pytest.param(FaultKind.THROTTLED, {"retry_after": 3, "retry_after_as_date": True}, id="429-date"),
        pytest.param(FaultKind.THROTTLED, {}, id="429"),
        pytest.param(FaultKind.UNAVAILABLE, {"status": 503, "retry_after": 1}, id="503"),
        pytest.param(FaultKind.UNAVAILABLE, {"status": 504}, id="504"),
        pytest.param(FaultKind.UNAVAILABLE, {"status": 500}, id="500"),
        pytest.param(FaultKind.RESET, {}, id="reset"),
        pytest.param(FaultKind.RESET_IN_BODY, {}, id="reset-in-body"),
        pytest.param(FaultKind.TRUNCATED, {}, id="truncated"),
        pytest.param(FaultKind.HANG, {}, id="hang"),
    ],
)
async def test_what_passes_by_itself_costs_no_message(world: World, kind: FaultKind, facts: dict[str, Any]) -> None:
    """The first twelve calls of Graph fail so; every message is imported whole, once, and uncounted."""
    mailbox, account = await world.account_of("Laboratoire")
    mail = Mail(subject="S", body="B", attachments=(file_attachment("a.csv", b"1;2;3"),))
    delivered = await world.deliver(mailbox, 8, mail)
    world.fault(kind, count=12, **facts)
    await world.notify(account, delivered)

    async with world.calling_graph(read_seconds=0.5) as graph:
        await world.import_all(graph=graph)

    assert world.simulator.statistics()["faults_struck"][kind] == 12
    assert await world.imported_ids() == sorted(each.message_id for each in delivered)
    assert {part.content for row in await world.imported() for part in row.parts} == {b"1;2;3"}
    assert not await world.dead_letters()
    if facts.get("retry_after"):
        assert max(world.sleeps.seconds) >= facts["retry_after"] - 1
        assert [s for s in world.sleeps.seconds if s >= facts["retry_after"] - 1]


async def test_a_large_attachment_cut_off_is_fetched_again_from_the_start(world: World) -> None:
    """Half a file is never stored; the message comes again, uncounted, and whole."""
    mailbox, account = await world.account_of("Laboratoire")
    large = GeneratedContent(4_000_000, seed=9)
    (delivered,) = await world.deliver(mailbox, 1, Mail(attachments=(Attachment("scan.tif", large),)))
    world.fault(FaultKind.RESET_IN_BODY, operation=Operation.GET_ATTACHMENT_CONTENT, count=1)
    await world.notify(account, [delivered])

    async with world.processing():
        await until(lambda: _waits(world))
        assert await world.imported_ids() == []
        assert [each.delivery_count for each in await world.waiting()] == [0]
        world.clock.advance(minutes=2)
        await until(world.queue_is_empty)

    (row,) = await world.imported()
    assert row.parts[0].sha256 == large.sha256
    assert row.parts[0].content == b"".join(large.chunks())


@pytest.mark.parametrize(
    ("status", "operation"),
    [(503, None), (500, None), (502, None), (504, None), (500, Operation.TOKEN), (502, Operation.DISCOVERY)],
)
async def test_an_outage_longer_than_a_call_may_take_costs_no_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch, status: int, operation: Operation | None
) -> None:
    """Failures on Microsoft's side for hours: abandoned again and again, not counted, imported afterwards.

    A fault of a server may be of one message alone; not if the mailbox or the sign-in service answers nothing else.
    """
    monkeypatch.setattr(messages, "_JUDGEMENT_SECONDS", 0.2)
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 3)
    number = world.fault(FaultKind.UNAVAILABLE, status=status, operation=operation)
    await world.notify(account, delivered)

    watched = operation or Operation.GET_MESSAGE
    minutes = 60 if operation is None else 1  # the clock of the simulator's sign-in does not advance
    async with world.calling_graph(call_seconds=5) as graph, world.processing(graph=graph):
        for _ in range(4 if operation is None else 2):  # a failed sign-in is remembered for seconds
            await until(lambda: _waits(world, 3))
            assert {each.delivery_count for each in await world.waiting()} == {0}
            seen = world.calls(watched)
            world.clock.advance(minutes=minutes)
            await until(lambda seen=seen: world.calls(watched) > seen)
        world.simulator.faults.remove(number)
        await world.pass_time_until(world.queue_is_empty)

    assert len(await world.imported_ids()) == 3
    assert not await world.dead_letters()


async def test_a_download_that_always_breaks_off_is_visible_and_given_up_in_the_end(
    world: World, command: Command
) -> None:
    """A proxy between that ends long downloads: requested for a day, less and less often; then imported without."""
    mailbox, account = await world.account_of("Laboratoire")
    large = Mail(subject="Scan", attachments=(Attachment("scan.tif", GeneratedContent(4_000_000, seed=9)),))
    (delivered,) = await world.deliver(mailbox, 1, large)
    world.fault(FaultKind.RESET_IN_BODY, operation=Operation.GET_ATTACHMENT_CONTENT)
    await world.notify(account, [delivered])

    async with world.processing():
        await until(lambda: _failing(command))
        [failing] = await _failing(command)
        assert "broke" in failing["detail"]
        assert [each.delivery_count for each in await world.waiting()] == [0]
        for hours in (1, 22):
            await until(lambda: _waits(world))
            seen = world.calls(Operation.GET_ATTACHMENT_CONTENT)
            world.clock.advance(hours=hours)
            await until(lambda seen=seen: world.calls(Operation.GET_ATTACHMENT_CONTENT) > seen)
        await until(lambda: _waits(world))
        [waiting] = await world.waiting()
        assert waiting.visible - world.clock() > timedelta(minutes=8)
        world.clock.advance(hours=2)
        await world.pass_time_until(world.queue_is_empty)

    (row,) = await world.imported()
    assert [(part.state, part.content) for part in row.parts] == [("unreadable", None)]
    assert not await world.dead_letters()


async def _failing(command: Command) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((await command("messages", "list", "--json", "--state", "waiting")).stdout)
    return rows


async def test_one_404_after_other_trouble_loses_no_message(world: World) -> None:
    """A mailbox that is moved answers so for a moment; hours of other trouble are no reason to believe it."""
    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1)
    number = world.fault(
        FaultKind.UNAVAILABLE, status=504, operation=Operation.GET_MESSAGE, message_id=delivered.message_id
    )
    await world.notify(account, [delivered])

    async with world.calling_graph(call_seconds=5) as graph, world.processing(graph=graph):
        for count in (1, 2):
            await until(lambda count=count: _counted(world, count))
            if count == 2:
                world.simulator.faults.remove(number)
                world.fault(FaultKind.NOT_FOUND_AT_FIRST, operation=Operation.GET_MESSAGE, times=3)
            world.clock.advance(hours=2)
        await until(lambda: _counted(world, 3))
        await world.pass_time_until(world.queue_is_empty)

    assert await world.imported_ids() == [delivered.message_id]


async def _counted(world: World, count: int) -> bool:
    return [each.delivery_count for each in await world.waiting() if not each.locked] == [count]


async def test_a_rejected_token_is_replaced_once(world: World) -> None:
    """One 401: one fresh token, and no other effect."""
    mailbox, account = await world.account_of("Laboratoire")
    (first, second) = await world.deliver(mailbox, 2)
    await world.notify(account, [first])
    await world.import_all()
    assert world.simulator.statistics()["tokens_issued"] == 1

    world.fault(FaultKind.UNAUTHORIZED, count=1)
    await world.notify(account, [second])
    await world.import_all()

    assert world.simulator.statistics()["tokens_issued"] == 2
    assert len(await world.imported_ids()) == 2
    assert not await world.conditions()


async def test_a_download_that_is_never_ready_in_time_ends_as_a_dead_letter(world: World) -> None:
    """It ends after a quiet hour, with the reason; the other mail of the mailbox goes on meanwhile."""
    mailbox, account = await world.account_of("Laboratoire")
    large = Mail(attachments=(Attachment("scan.tif", GeneratedContent(4_000_000, seed=2)),))
    (bad,) = await world.deliver(mailbox, 1, large)
    good = await world.deliver(mailbox, 5)
    world.fault(
        FaultKind.UNAVAILABLE, status=504, operation=Operation.GET_ATTACHMENT_CONTENT, message_id=bad.message_id
    )
    await world.notify(account, [bad, *good])

    async with world.calling_graph(call_seconds=6) as graph, world.processing(graph=graph):
        await until(lambda: _count(world, 5))
        await until(lambda: _attempts(world, 1))
        world.clock.advance(minutes=1)
        await until(lambda: _attempts(world, 2))
        assert not await world.dead_letters()
        world.clock.advance(minutes=75)
        await until(world.dead_letters)

    (dead,) = await world.dead_letters()
    assert dead.reason == "GraphUnavailable"
    assert dead.description is not None
    assert "Tried 3 times" in dead.description
    assert "504" in dead.description
    assert await world.imported_ids() == sorted(each.message_id for each in good)
    assert not await world.conditions()


async def _waits(world: World, count: int = 1) -> bool:
    status = await world.queue.status()
    return status.scheduled == count and not status.locked and not status.active


async def _count(world: World, count: int) -> bool:
    return len(await world.imported_ids()) == count


async def _attempts(world: World, count: int) -> bool:
    return [each.delivery_count for each in await world.waiting() if not each.locked] == [count]


async def test_one_message_that_is_refused_holds_nothing_up(world: World) -> None:
    """The inbox opens, so the fault is the message's: counted, and dead-lettered with the reason."""
    mailbox, account = await world.account_of("Laboratoire")
    refused, *others = await world.deliver(mailbox, 5)
    world.fault(FaultKind.FORBIDDEN, message_id=refused.message_id)
    await world.notify(account, [refused])

    async with world.processing():
        await until(lambda: world.calls(Operation.GET_MESSAGE))
        await world.notify(account, others)
        await until(lambda: _imported(world, len(others)))
        assert not await world.conditions()
        await world.pass_time_until(world.queue_is_empty)

    (dead,) = await world.dead_letters()
    assert dead.reason == "ItemDenied"
    assert "ErrorAccessDenied" in (dead.description or "")
    assert not await world.conditions()


async def _imported(world: World, count: int) -> bool:
    return len(await world.imported_ids()) == count
