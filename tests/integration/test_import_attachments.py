"""Each attachment that Graph lists is accounted for: its bytes are in the database, or the row gives the reason."""

import hashlib
from datetime import UTC, datetime
from random import Random

import pytest
import structlog

from processor.content.attachments import AttachmentLimits
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import (
    Attachment,
    Mail,
    Person,
    contact_attachment,
    event_attachment,
    file_attachment,
    inline_attachment,
    item_attachment,
    item_of,
    reference_attachment,
)
from simulator.content.sample_mail import SampleMail
from simulator.faults import FaultKind
from simulator.state.mail_server import DeliveredMessage
from tests.databases import on_every_database
from tests.integration.world import Part, World
from tests.samples.nested_mail import chained, enveloped, mail, signed, tnef, tnef_file
from tests.waiting import until

pytestmark = on_every_database

MEBIBYTE = 1024 * 1024


async def _delivered(world: World, *attachments: Attachment, **mail: object) -> DeliveredMessage:
    mailbox, account = await world.account_of("Laboratoire")
    message = await world.simulator.deliver(mailbox, Mail(attachments=attachments, **mail))  # type: ignore[arg-type]  # any field
    await world.notify(account, [message])
    return message


async def _parts(world: World) -> list[Part]:
    assert not await world.dead_letters()
    (row,) = await world.imported()
    for part in row.parts:
        if part.content is not None:
            assert (part.sha256, part.size) == (hashlib.sha256(part.content).hexdigest(), len(part.content))
        else:
            assert part.sha256 is None
        assert (part.content is not None) == (part.state == "stored")
    assert len({part.safe_name.lower() for part in row.parts}) == len(row.parts)
    return list(row.parts)


async def _import_in_the_end(world: World, **options: object) -> None:
    """Import messages that fail five times: no part of them is there before the last attempt."""
    async with world.processing(**options):
        for attempt in range(1, 5):
            await until(lambda attempt=attempt: _attempts(world, attempt))
            assert await world.imported_ids() == []
            world.clock.advance(minutes=15)
        await until(world.queue_is_empty)


def _id(message: DeliveredMessage, position: int) -> str:
    return message.message.attachments[position].attachment_id


async def test_items_are_kept_as_graph_gives_them(world: World) -> None:
    """Mail, event and contact, byte for byte, distinguished, and named with the extension that opens them."""
    starts = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)
    items = (
        item_attachment(Mail(subject="Original", body="Bonjour")),
        event_attachment("Prélèvement", starts),
        contact_attachment(Person("Ana Lefèvre", "ana@example.com")),
    )
    await _delivered(world, *items)

    await world.import_all()

    parts = await _parts(world)
    assert [(part.kind, part.item_type, part.safe_name) for part in parts] == [
        ("item", "message", "Original.eml"),
        ("item", "event", "Prélèvement.ics"),
        ("item", "contact", "Ana Lefèvre.vcf"),
    ]
    assert [part.content for part in parts] == [b"".join(item.content.chunks()) for item in items if item.content]


async def test_what_is_inside_is_below_it(world: World) -> None:
    """Contents of an attached mail, of Outlook's packet, of signed mail; after all that Graph listed, in its order."""
    report = mail("Signed", ("report.csv", b"1;2"))
    await _delivered(
        world,
        item_of("Original", mail("Original", ("a.csv", b"a;b"), mail("Inner", ("a.csv", b"deep")))),
        file_attachment("winmail.dat", tnef(tnef_file("Résultats 測.csv", b"x;y")), "application/ms-tnef"),
        file_attachment("smime.p7m", signed(report), "application/pkcs7-mime; smime-type=signed-data"),
        file_attachment("secret.p7m", enveloped(b"x"), "application/pkcs7-mime; smime-type=enveloped-data"),
        file_attachment("A.CSV", b"top", "text/csv"),
    )

    await world.import_all()

    parts = await _parts(world)
    assert [(part.file_name, part.parent, part.origin, part.content) for part in parts[5:]] == [
        ("a.csv", 0, "item", b"a;b"),
        ("Inner", 0, "item", mail("Inner", ("a.csv", b"deep"))),
        ("a.csv", 6, "item", b"deep"),
        ("Résultats 測.csv", 1, "tnef", b"x;y"),
        (None, 2, "smime", report),
        ("report.csv", 9, "smime", b"1;2"),
    ]
    assert {part.state for part in parts} == {"stored"}
    assert parts[3].detail == "Not unpacked. It is encrypted (enveloped-data)."
    assert [part.safe_name for part in parts[4:]][:4] == ["A.CSV", "a (2).csv", "Inner.eml", "a (3).csv"]


async def test_a_bomb_costs_its_own_unpacking_only(world: World) -> None:
    """The bomb is stored; the message and its other attachments are imported normally."""
    bomb = mail("Bomb", *((f"{number}.txt", b"x") for number in range(300)))
    await _delivered(world, item_of("Bomb", bomb), item_of("Deep", chained(30)), file_attachment("a.txt", b"a"))

    await world.import_all()

    parts = await _parts(world)
    assert parts[0].content == bomb
    assert "more in it than is unpacked" in (parts[0].detail or "")
    assert len(parts) == 3 + 200 + 1
    assert parts[1].detail == parts[0].detail
    assert (parts[-1].state, (parts[-1].detail or "")[:18]) == ("too_large", "Missing here: 101.")


async def test_inline_pictures_come_where_graph_says_there_are_no_attachments(world: World) -> None:
    """hasAttachments is false when all of them are shown in the body."""
    picture = inline_attachment("map.png", b"PNG", "image/png", "map@1")
    message = await _delivered(world, picture, body='<img src="cid:map@1">', is_html=True)
    assert not message.message.has_attachments

    await world.import_all()

    (part,) = await _parts(world)
    assert (part.content, part.inline, part.content_id) == (b"PNG", True, "map@1")


async def test_a_file_that_is_marked_as_inline_comes_though_no_body_shows_it(world: World) -> None:
    """Some programs send files this way: hasAttachments is false, and no text names the file."""
    report = inline_attachment("Befund.pdf", b"%PDF", "application/pdf", "")
    message = await _delivered(world, report, body="Befund anbei")
    assert not message.message.has_attachments

    await world.import_all()

    (part,) = await _parts(world)
    assert (part.content, part.inline) == (b"%PDF", True)


async def test_a_link_has_no_bytes(world: World) -> None:
    """Its bytes are not requested: the state marks it as a link."""
    await _delivered(world, reference_attachment("Cloud.xlsx", "https://files.example/x"))

    await world.import_all()

    (part,) = await _parts(world)
    assert (part.kind, part.state, part.safe_name) == ("reference", "linked", "Cloud.xlsx")


async def test_a_corrupt_attachment_costs_itself_only(world: World) -> None:
    """Exchange can never read it, nor a list that holds it: the row has Graph's code, the others their bytes."""
    message = await _delivered(world, *(file_attachment(f"{name}.csv", name.encode()) for name in "abc"))
    world.fault(FaultKind.CORRUPT, attachment_id=_id(message, 1))

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        await _import_in_the_end(world)

    parts = await _parts(world)
    assert [(part.state, part.content) for part in parts] == [("stored", b"a"), ("unreadable", None), ("stored", b"c")]
    assert parts[1].detail == "ErrorCorruptData: Data is corrupt."
    assert parts[1].size > 0
    (reported,) = [event for event in events if event["event"] == "attachment_not_stored"]
    assert (reported["account"], reported["position"], reported["state"]) == ("Laboratoire", 1, "unreadable")


async def test_an_attachment_that_can_be_opened_later_is_stored(world: World) -> None:
    """Exchange reported it as corrupt, once."""
    message = await _delivered(world, file_attachment("a.csv", b"a"), file_attachment("b.csv", b"b"))
    number = world.fault(FaultKind.CORRUPT, attachment_id=_id(message, 1))
    async with world.processing():
        await until(lambda: _attempts(world, 1))
        world.simulator.faults.remove(number)
        world.clock.advance(minutes=1)
        await until(world.queue_is_empty)
    assert [(part.state, part.content) for part in await _parts(world)] == [("stored", b"a"), ("stored", b"b")]


async def test_a_corrupt_item_costs_itself_only(world: World) -> None:
    """It could be any attachment."""
    message = await _delivered(world, item_attachment(Mail(subject="Original")), file_attachment("a.csv", b"a"))
    world.fault(FaultKind.CORRUPT, operation=Operation.GET_ATTACHMENT_CONTENT, attachment_id=_id(message, 0))

    await _import_in_the_end(world)

    parts = await _parts(world)
    assert [(part.state, part.item_type, part.content) for part in parts] == [
        ("unreadable", None, None),
        ("stored", None, b"a"),
    ]


async def test_a_fault_of_exchange_that_stays_is_the_attachments_own_in_the_end(world: World) -> None:
    """Five attempts at the message, since it might pass; then the rest of it is imported."""
    scan = Attachment("scan.tif", GeneratedContent(4_000_000, seed=1))
    message = await _delivered(world, scan, file_attachment("a.csv", b"a"))
    world.fault(
        FaultKind.UNAVAILABLE,
        status=500,
        operation=Operation.GET_ATTACHMENT_CONTENT,
        attachment_id=_id(message, 0),
    )

    async with world.calling_graph(call_seconds=2) as graph:
        await _import_in_the_end(world, graph=graph)

    parts = await _parts(world)
    assert [(part.state, part.content) for part in parts] == [("unreadable", None), ("stored", b"a")]
    assert (parts[0].detail or "").startswith("InternalServerError")


async def test_an_attachment_that_exchange_never_converts_is_reported_at_once(world: World) -> None:
    """The result is the same for every call; the others have their bytes."""
    message = await _delivered(world, file_attachment("odd.eml", b"x"), file_attachment("a.csv", b"a"))
    world.fault(
        FaultKind.REFUSED, attachment_id=_id(message, 0), status=500, error_code="ErrorMimeContentConversionFailed"
    )

    await world.import_all()

    parts = await _parts(world)
    assert [(part.state, part.content) for part in parts] == [("unreadable", None), ("stored", b"a")]
    assert (parts[0].detail or "").startswith("ErrorMimeContentConversionFailed")
    assert world.calls(Operation.GET_MESSAGE) == 1
    assert world.calls(Operation.GET_ATTACHMENT_CONTENT) == 2


async def test_an_attachment_that_vanishes_meanwhile_is_reported(world: World) -> None:
    """Graph listed it, so it has its row; the message is imported at once."""
    scan = Attachment("scan.tif", GeneratedContent(4_000_000, seed=1))
    message = await _delivered(world, scan, file_attachment("a.csv", b"a"))
    world.fault(FaultKind.LATENCY, operation=Operation.GET_ATTACHMENT_CONTENT, seconds=0.5, count=1)

    async with world.processing():
        await until(lambda: world.calls(Operation.GET_ATTACHMENT_CONTENT))
        message.message.attachments = message.message.attachments[1:]
        await until(world.queue_is_empty)

    parts = await _parts(world)
    assert [(part.state, part.content) for part in parts] == [("gone", None), ("stored", b"a")]
    assert parts[0].size > 4_000_000
    assert (parts[0].detail or "").startswith("ErrorItemNotFound")


async def test_a_message_that_vanishes_meanwhile_is_gone(world: World) -> None:
    """Its attachments are gone, too: no part of it is stored, and no damaged attachment is reported."""
    mailbox, account = await world.account_of("Laboratoire")
    scan = Attachment("scan.tif", GeneratedContent(4_000_000, seed=1))
    (message,) = await world.deliver(mailbox, 1, Mail(attachments=(scan,)))
    await world.notify(account, [message])
    world.fault(FaultKind.LATENCY, operation=Operation.GET_ATTACHMENT_CONTENT, seconds=0.5, count=1)

    with structlog.testing.capture_logs() as events:
        async with world.processing():
            await until(lambda: world.calls(Operation.GET_ATTACHMENT_CONTENT))
            world.simulator.remove_message(mailbox, message.message_id)
            await world.pass_time_until(world.queue_is_empty)

    assert await world.imported_ids() == []
    assert not await world.dead_letters()
    assert [event["event"] for event in events].count("message_gone") == 1


@pytest.mark.parametrize("late", [3, None])
async def test_attachments_that_answer_404_while_their_message_is_there(world: World, late: int | None) -> None:
    """They may appear yet; where they never do, an operator learns of it, and the message is not taken for gone."""
    message = await _delivered(world, file_attachment("a.csv", b"a"))
    world.fault(
        FaultKind.REFUSED, operation=Operation.LIST_ATTACHMENTS, status=404, error_code="ErrorItemNotFound", count=late
    )
    await world.import_over_time()
    if late is None:
        (dead,) = await world.dead_letters()
        assert (dead.reason, dead.delivery_count) == ("MessageChanged", 5)
        assert await world.imported_ids() == []
        return
    assert [part.content for part in await _parts(world)] == [b"a"]
    assert await world.imported_ids() == [message.message_id]
    assert not await world.dead_letters()


async def test_what_is_too_large_is_reported_and_not_kept(world: World) -> None:
    """Too large by itself, or with those before it; small ones have their bytes."""
    await _delivered(
        world,
        Attachment("large.tif", GeneratedContent(4 * MEBIBYTE, seed=1)),
        Attachment("first.tif", GeneratedContent(2 * MEBIBYTE, seed=2)),
        Attachment("second.tif", GeneratedContent(2 * MEBIBYTE, seed=3)),
        file_attachment("a.csv", b"a"),
    )

    await world.import_all(kept=AttachmentLimits(attachment_mb=3, message_mb=3))

    parts = await _parts(world)
    assert [part.state for part in parts] == ["too_large", "stored", "too_large", "stored"]
    assert parts[0].size > 4 * MEBIBYTE
    assert "attachment_limit_mb" in (parts[0].detail or "")
    assert "message_limit_mb" in (parts[2].detail or "")


@pytest.mark.parametrize(
    ("attachments", "calls"),
    [
        pytest.param((), 1, id="none"),
        pytest.param((file_attachment("a", b"a"), file_attachment("b", b"b")), 2, id="small"),
        pytest.param((file_attachment("a", b"a"), reference_attachment("b", "https://x.example")), 2, id="link"),
        pytest.param((file_attachment("a", b"a"), item_attachment(Mail())), 3, id="item"),
        pytest.param((Attachment("a", GeneratedContent(4_000_000)),), 3, id="large"),
        pytest.param((Attachment("a", GeneratedContent(4_000_000)), item_attachment(Mail())), 4, id="large-and-item"),
        pytest.param((item_of("m", mail("m", ("a", b"a"), chained(5))),), 3, id="nested"),
    ],
)
async def test_a_message_costs_few_calls(world: World, attachments: tuple[Attachment, ...], calls: int) -> None:
    """One for the message, one for small attachments, one more for each that is large or an item."""
    await _delivered(world, *attachments)

    await world.import_all()

    await _parts(world)
    made = world.simulator.statistics()["calls"]
    assert sum(count for name, count in made.items() if name not in {"token", "discovery"}) == calls


async def test_of_a_whole_correspondence_nothing_is_skipped(world: World) -> None:
    """Each message has the rows that Graph lists, in its order, with the same bytes."""
    mailbox, account = await world.account_of("Laboratoire")
    sample_mail = SampleMail(Random(11), world.clock)
    mails = [sample_mail.mail_to(mailbox.address, mailbox.display_name) for _ in range(60)]
    delivered = [await world.simulator.deliver(mailbox, mail) for mail in mails]
    await world.notify(account, delivered)

    await world.import_all()

    ledger = {entry.message_id: entry for entry in world.simulator.ledger()}
    for row in await world.imported():
        listed = [part for part in row.parts if part.parent is None]
        assert [part.sha256 for part in listed] == [each.sha256 for each in ledger[row.graph_id].attachments]
        assert list(row.parts[: len(listed)]) == listed


async def _attempts(world: World, count: int) -> bool:
    return [each.delivery_count for each in await world.waiting() if not each.locked] == [count]
