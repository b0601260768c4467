"""Graph as it is on bad days: throttled, overloaded, cut off, silent. Everything is imported in the end, once."""

from typing import Any

import pytest

from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail, file_attachment
from simulator.faults import FaultKind
from tests.integration.world import World
from tests.waiting import until


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


async def test_an_outage_longer_than_a_call_may_take_costs_no_attempt(world: World) -> None:
    """Failures on Microsoft's side for hours: abandoned again and again, not counted, imported afterwards."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 3)
    number = world.fault(FaultKind.UNAVAILABLE, status=503)
    await world.notify(account, delivered)

    async with world.calling_graph(call_seconds=3) as graph, world.processing(graph=graph):
        for _ in range(8):
            await until(lambda: _waits(world, 3))
            assert {each.delivery_count for each in await world.waiting()} == {0}
            world.clock.advance(hours=1)
            await until(lambda: _locked(world))
        world.simulator.faults.remove(number)
        world.clock.advance(hours=1)
        await world.pass_time_until(world.queue_is_empty)

    assert len(await world.imported_ids()) == 3
    assert not await world.dead_letters()


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


async def _locked(world: World) -> bool:
    return (await world.queue.status()).locked > 0


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
