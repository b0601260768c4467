"""The original of a message: kept byte for byte where configured, and never a reason for a message to fail."""

import hashlib
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Connection, delete, select

from console.db.purge_batches import Purged, PurgeSelection, Purging
from db.tables import original
from processor.content.attachments import AttachmentLimits
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail, file_attachment, mime
from simulator.faults import FaultKind
from simulator.state.mail_server import DeliveredMessage
from tests.databases import on_every_database
from tests.integration.world import World
from tests.waiting import until

pytestmark = on_every_database

Command = Callable[..., Awaitable[Result]]

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """Fields of a row of `tblEmailOriginal` that tests check."""

    message_id: int
    state: str
    detail: str | None
    content: bytes | None


async def kept(world: World) -> list[Kept]:
    def read(connection: Connection) -> list[Kept]:
        found = []
        for row in connection.execute(select(original).order_by(original.c.nMessageID)):
            content = None
            if row.biContent is not None:
                assert (row.sCompression, len(row.biContent)) == ("gzip", row.nStoredSize)
                content = zlib.decompress(row.biContent, zlib.MAX_WBITS | 16)
                assert (row.nSize, row.sSHA256) == (len(content), hashlib.sha256(content).hexdigest())
            found.append(Kept(row.nMessageID, row.sState, row.sStateDetail, content))
        return found

    return await world.database.read(read)


async def delivered_one(world: World, mail: Mail | None = None) -> DeliveredMessage:
    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1, mail or Mail(subject="Befund", body="Grüße\r\n"))
    await world.notify(account, [delivered])
    return delivered


async def test_the_original_is_kept_byte_for_byte(world: World) -> None:
    """It costs one more call of Graph; several messages in one transaction have each its own."""
    mailbox, account = await world.account_of("Laboratoire")
    mail = Mail(attachments=(file_attachment("a.csv", b"1;2"),))
    delivered = [*await world.deliver(mailbox, 5), *await world.deliver(mailbox, 1, mail)]
    await world.notify(account, delivered)

    await world.import_all(keep_mime=True)

    found = [each.content for each in await kept(world)]
    assert sorted(map(str, found)) == sorted(str(mime(each.message.mail)) for each in delivered)
    assert world.calls(Operation.GET_MIME) == 6
    assert world.calls(Operation.GET_MESSAGE) == 6
    assert world.calls(Operation.LIST_ATTACHMENTS) == 1


async def test_without_the_setting_it_is_not_requested(world: World) -> None:
    await delivered_one(world)
    await world.import_all()
    assert await kept(world) == []
    assert world.calls(Operation.GET_MIME) == 0


async def test_a_large_one_goes_through_a_file(world: World) -> None:
    """It exceeds the memory limit, packed or not; beside an attachment that does so, too."""
    mail = Mail(attachments=(Attachment("scan.tif", GeneratedContent(6 * MEBIBYTE, seed=4)),))
    delivered = await delivered_one(world, mail)
    await world.import_all(keep_mime=True)
    [found] = await kept(world)
    assert found.content == mime(delivered.message.mail)
    [row] = await world.imported()
    assert row.parts[0].size == 6 * MEBIBYTE


@pytest.mark.parametrize("seen_before", [True, False])
async def test_what_is_larger_than_a_message_may_be_is_not_kept(world: World, seen_before: bool) -> None:
    """No call is made if Graph's size is too large; base64 may exceed the limit nevertheless."""
    size = 3 * MEBIBYTE if seen_before else 2 * MEBIBYTE - 200_000
    await delivered_one(world, Mail(attachments=(Attachment("scan.tif", GeneratedContent(size, seed=4)),)))
    await world.import_all(keep_mime=True, kept=AttachmentLimits(attachment_mb=2, message_mb=2))
    assert await kept(world) == [Kept(1, "too_large", "More than message_limit_mb (2).", None)]
    assert world.calls(Operation.GET_MIME) == (0 if seen_before else 1)


async def test_one_that_exchange_cannot_read_is_marked(world: World) -> None:
    await delivered_one(world)
    world.fault(FaultKind.CORRUPT, operation=Operation.GET_MIME)
    await world.import_all(keep_mime=True)
    [found] = await kept(world)
    assert (found.state, found.content) == ("unreadable", None)
    assert "ErrorCorruptData" in (found.detail or "")
    assert not await world.dead_letters()


async def test_what_passes_by_itself_is_waited_for(world: World) -> None:
    """Cut off in the middle: half an original is never stored."""
    delivered = await delivered_one(world, Mail(attachments=(file_attachment("a.bin", bytes(300_000)),)))
    world.fault(FaultKind.RESET_IN_BODY, operation=Operation.GET_MIME, count=1)
    async with world.processing(keep_mime=True):
        await until(lambda: scheduled(world))
        assert await world.imported_ids() == []
        world.clock.advance(minutes=2)
        await until(world.queue_is_empty)
    [found] = await kept(world)
    assert found.content == mime(delivered.message.mail)


@pytest.mark.parametrize("times", [2, None])
async def test_one_that_ends_within_a_part_is_fetched_again(world: World, times: int | None) -> None:
    """A proxy that gives up ends the body in order. What always comes so may have been sent so: it is kept."""
    delivered = await delivered_one(world, Mail(attachments=(file_attachment("a.bin", bytes(3_000)),)))
    whole = mime(delivered.message.mail)
    world.fault(FaultKind.TRUNCATED, operation=Operation.GET_MIME, count=times)
    await world.import_over_time(keep_mime=True)
    [found] = await kept(world)
    assert found.state == "stored"
    assert world.calls(Operation.GET_MIME) == 3
    if times is None:
        assert found.content == whole[: len(whole) // 2]
        assert (found.detail or "").startswith("NoLastBoundary")
    else:
        assert (found.content, found.detail) == (whole, None)


async def scheduled(world: World) -> bool:
    status = await world.queue.status()
    return bool(status.scheduled) and not status.locked


async def attempts(world: World, count: int) -> bool:
    return [each.delivery_count for each in await world.waiting() if not each.locked] == [count]


async def test_one_that_is_never_ready_in_time_is_done_without(world: World) -> None:
    """It is retried once in a quiet hour, like other downloads; then the message is imported, and no dead letter."""
    delivered = await delivered_one(world)
    world.fault(FaultKind.UNAVAILABLE, status=504, operation=Operation.GET_MIME)
    async with world.calling_graph(call_seconds=6) as graph, world.processing(keep_mime=True, graph=graph):
        await until(lambda: attempts(world, 1))
        world.clock.advance(minutes=1)
        await until(lambda: attempts(world, 2))
        assert await world.imported_ids() == []
        world.clock.advance(minutes=75)
        await until(world.queue_is_empty)
    assert await world.imported_ids() == [delivered.message_id]
    [found] = await kept(world)
    assert (found.state, found.content) == ("unreadable", None)
    assert "GatewayTimeout" in (found.detail or "")
    assert not await world.dead_letters()


async def test_what_exchange_never_converts_is_reported_at_once(world: World) -> None:
    """Signed and encrypted mail has no MIME: one call, one attempt, and everything else of it is imported."""
    delivered = await delivered_one(world)
    world.fault(
        FaultKind.REFUSED, operation=Operation.GET_MIME, status=500, error_code="ErrorMimeContentConversionFailed"
    )
    await world.import_all(keep_mime=True)

    assert await world.imported_ids() == [delivered.message_id]
    [found] = await kept(world)
    assert (found.state, found.content) == ("unreadable", None)
    assert (found.detail or "").startswith("ErrorMimeContentConversionFailed")
    assert world.calls(Operation.GET_MIME) == 1


async def test_a_message_that_goes_meanwhile_is_imported_without(world: World) -> None:
    """All else of it was here."""
    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1)
    await world.notify(account, [delivered])
    world.fault(FaultKind.LATENCY, operation=Operation.GET_MIME, seconds=0.3)
    async with world.processing(keep_mime=True):
        await until(lambda: world.calls(Operation.GET_MESSAGE))
        world.simulator.remove_message(mailbox, delivered.message_id)
        await world.pass_time_until(world.queue_is_empty)
    if await world.imported_ids():  # else it was gone before it was fetched at all
        assert [each.state for each in await kept(world)] == ["gone"]


@pytest.mark.parametrize("late", [4, None])
async def test_an_original_that_answers_404_while_its_message_is_there(world: World, late: int | None) -> None:
    """It may appear yet; where it never does, the message is imported all the same."""
    delivered = await delivered_one(world)
    world.fault(FaultKind.REFUSED, operation=Operation.GET_MIME, status=404, error_code="ErrorItemNotFound", count=late)
    await world.import_over_time(keep_mime=True)
    [found] = await kept(world)
    if late is None:
        assert (found.state, found.content) == ("gone", None)
    else:
        assert found.content == mime(delivered.message.mail)
    assert world.calls(Operation.GET_MIME) == 5
    assert not await world.dead_letters()


# Operators.


@pytest.mark.slow
async def test_an_original_is_fetched_when_an_operator_asks(world: World, command: Command) -> None:
    """It works for a message imported without one; an existing original stays when another cannot be had."""
    delivered = await delivered_one(world)
    await world.import_all()
    forced = ("import", "Laboratoire", "--force", "--id", delivered.message_id)
    assert (await command(*forced, keep_mime=True)).exit_code == 0
    [found] = await kept(world)
    assert (found.message_id, found.content) == (1, mime(delivered.message.mail))

    number = world.fault(FaultKind.CORRUPT, operation=Operation.GET_MIME)
    kept_as_it_is = await command(*forced, keep_mime=True)
    assert kept_as_it_is.exit_code == 1
    assert "StoredContentKept" in kept_as_it_is.stdout
    assert (await command(*forced)).exit_code == 0
    assert await kept(world) == [found]

    world.simulator.faults.remove(number)
    await world.database.write(lambda c: c.execute(delete(original)))
    world.fault(FaultKind.UNAVAILABLE, status=504, operation=Operation.GET_MIME)
    assert (await command(*forced, keep_mime=True)).exit_code == 0
    assert [each.state for each in await kept(world)] == ["unreadable"]
    world.simulator.faults.clear()
    assert (await command(*forced, keep_mime=True)).exit_code == 0
    assert await kept(world) == [found]


async def purge(world: World, **options: Any) -> Purged:  # noqa: ANN401  # passed through
    purged = Purged()
    order = PurgeSelection((world.clock() + timedelta(days=1)).replace(microsecond=0), **options)
    assert (await Purging(world.database, clock=world.clock).count(order, lambda _: None)).originals == 1
    await Purging(world.database, clock=world.clock).purge(order, purged, lambda _: None)
    return purged


async def test_a_purge_takes_it_along(world: World) -> None:
    """It goes with the message; or with its attachments' contents, part of it: then the row stays, with its digest."""
    await delivered_one(world)
    await world.import_all(keep_mime=True)
    purged = await purge(world, attachments_only=True)
    assert (purged.messages, purged.attachments, purged.originals) == (1, 0, 1)
    assert purged.size > 0
    assert await kept(world) == [Kept(1, "stored", None, None)]

    await world.database.write(lambda c: c.execute(original.update().values(biContent=b"abc", nStoredSize=3)))
    purged = await purge(world)
    assert (purged.messages, purged.originals, purged.size) == (1, 1, 3)
    assert await world.database.read(lambda c: c.execute(select(original)).all()) == []
