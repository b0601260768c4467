"""One notification, one message in the database, whole: duplicates, late and missing ones included."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random

import pytest
import structlog
from sqlalchemy import select

from db.tables import header, message
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail, Person, file_attachment, inline_attachment, reference_attachment
from simulator.content.sample_mail import SampleMail
from simulator.faults import FaultKind
from simulator.state.mail_server import LedgerEntry
from simulator.state.mailboxes import StoredAttachment
from tests.databases import on_every_database
from tests.integration.world import Imported, World
from tests.waiting import until

pytestmark = on_every_database


async def test_a_mailbox_is_imported_completely_and_byte_for_byte(world: World) -> None:
    """Ids, recipients, and every attachment's bytes and order are those that were delivered."""
    mailbox, account = await world.account_of("Laboratoire")
    sample_mail = SampleMail(Random(5), world.clock)
    mails = [sample_mail.mail_to(mailbox.address, mailbox.display_name) for _ in range(60)]
    delivered = [await world.simulator.deliver(mailbox, mail) for mail in mails]
    await world.notify(account, delivered)

    await world.import_all()

    ledger = {entry.message_id: entry for entry in world.simulator.ledger()}
    rows = {row.graph_id: row for row in await world.imported()}
    assert rows.keys() == ledger.keys()
    for each in delivered:
        _assert_same(rows[each.message_id], ledger[each.message_id], each.message.mail)
    assert sum(len(row.parts) for row in rows.values()) > 20


async def test_all_that_graph_returns_of_a_message_is_kept(world: World) -> None:
    """One call gives it: the body as it was sent and as text, its senders, its categories, and its origin."""
    mailbox, account = await world.account_of("Laboratoire")
    body = "<p>Nitrate&nbsp;: <b>3,2</b> mg/l</p><script>alert(1)</script>"
    mail = Mail(
        subject="R\u00e9sultats",
        sender=Person("Secr\u00e9tariat", "sec@labo.example"),
        from_=Person("Chef", "chef@labo.example"),
        body=body,
        is_html=True,
        categories=("Eau", "Urgent"),
        headers=(("In-Reply-To", "<a@b>"), ("X-Custom", "kept by nobody"), ("References", "<a@b> <c@d>")),
    )
    delivered = await world.simulator.deliver(mailbox, mail)
    await world.notify(account, [delivered])
    await world.import_all()

    row, headers = await world.database.read(
        lambda c: (
            c.execute(select(message)).one(),
            c.execute(select(header.c.sName, header.c.sValue).order_by(header.c.nPosition)).all(),
        )
    )
    assert (row.sBody, row.sBodyType) == (body, "html")
    assert row.sBodyText == "Nitrate : 3,2 mg/l"
    assert (row.sFromName, row.sSenderName, row.sSenderAddress) == ("Chef", "Secr\u00e9tariat", "sec@labo.example")
    assert json.loads(row.sCategories) == ["Eau", "Urgent"]
    assert (row.sFlagStatus, row.bRead) == ("notFlagged", False)
    assert row.dtCreated is not None
    assert row.sWebLink.startswith("https://outlook.office365.com/")
    assert row.sParentFolderID == delivered.message.folder.folder_id
    assert row.nSize > len(body)
    assert [tuple(each) for each in headers] == [("In-Reply-To", "<a@b>"), ("References", "<a@b> <c@d>")]
    assert world.calls(Operation.GET_MESSAGE) == 1


async def test_large_attachments_arrive_whole(world: World) -> None:
    """A file too large for memory goes through a temporary file, and keeps its bytes, its order and its cid."""
    mailbox, account = await world.account_of("Laboratoire")
    large = GeneratedContent(5_000_000, seed=3)
    mail = Mail(
        body='<img src="cid:map">',
        is_html=True,
        attachments=(
            file_attachment("first.txt", b"first"),
            Attachment("scan.tif", large),
            inline_attachment("map.png", b"picture", "image/png", "map"),
            reference_attachment("cloud.xlsx", "https://cloud.example/x"),
            file_attachment("empty.txt", b""),
        ),
    )
    delivered = await world.simulator.deliver(mailbox, mail)
    await world.notify(account, [delivered])

    await world.import_all()

    (row,) = await world.imported()
    (entry,) = world.simulator.ledger()
    _assert_same(row, entry, mail)
    assert row.parts[1].content == b"".join(large.chunks())


async def test_the_same_notification_twice_imports_once(world: World) -> None:
    """Graph delivers at least once; the database holds it once."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 5)
    await world.notify(account, delivered)
    await world.notify(account, delivered)

    await world.import_all()

    assert await world.imported_ids() == sorted(each.message_id for each in delivered)
    assert not await world.dead_letters()


async def test_four_processors_share_a_queue(world: World) -> None:
    """Each message is imported once, whichever processor gets its notifications."""
    mailboxes = [await world.account_of(name) for name in ("Nord", "Sud")]
    expected: list[str] = []
    for mailbox, account in mailboxes:
        delivered = await world.deliver(mailbox, 40)
        expected += [each.message_id for each in delivered]
        for _ in range(3):
            await world.notify(account, delivered)
    queues = [world.new_queue() for _ in range(3)]

    async with (
        world.processing(),
        world.processing(queue=queues[0]),
        world.processing(queue=queues[1]),
        world.processing(queue=queues[2]),
    ):
        await until(world.queue_is_empty)
    for queue in queues:
        await queue.close()

    assert await world.imported_ids() == sorted(expected)
    assert not await world.dead_letters()


async def test_what_is_imported_already_is_skipped_without_a_call(world: World) -> None:
    """A late duplicate costs one database query and no call of Graph."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 3)
    await world.notify(account, delivered)
    await world.import_all()
    before = world.simulator.statistics()["calls"]

    await world.notify(account, delivered)
    with structlog.testing.capture_logs() as events:
        await world.import_all()

    assert world.simulator.statistics()["calls"] == before
    assert [event["event"] for event in events].count("message_known") == 3


async def test_a_message_that_is_not_there_yet_is_waited_for(world: World) -> None:
    """Exchange replicates: two 404s after a notification are normal."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 2)
    world.fault(FaultKind.NOT_FOUND_AT_FIRST, times=2)
    await world.notify(account, delivered)

    await world.import_all()

    assert await world.imported_ids() == sorted(each.message_id for each in delivered)
    assert sorted(world.sleeps.seconds) == [0.5, 0.5, 2.0, 2.0]


async def test_a_message_that_is_gone_is_done(world: World) -> None:
    """Deleted before it was fetched: recorded, and neither retried for ever nor a dead letter."""
    mailbox, account = await world.account_of("Laboratoire")
    gone, kept = await world.deliver(mailbox, 2)
    world.simulator.remove_message(mailbox, gone.message_id)
    await world.notify(account, [gone, kept])

    with structlog.testing.capture_logs() as events:
        await world.import_over_time()

    assert await world.imported_ids() == [kept.message_id]
    assert [event["event"] for event in events].count("message_gone") == 1
    assert not await world.dead_letters()


@pytest.mark.parametrize("waited", [0, 40], ids=["at once", "after it waited in the queue"])
async def test_a_message_that_appears_minutes_later_is_imported(world: World, waited: int) -> None:
    """Exchange is slow to replicate now and then: 404 for more than a minute loses nothing."""
    mailbox, account = await world.account_of("Laboratoire")
    (late,) = await world.deliver(mailbox, 1)
    number = world.fault(FaultKind.NOT_FOUND_AT_FIRST, times=1_000)
    await world.notify(account, [late])
    # It would be requested with a time that is not yet.
    await world.services.tokens.token(world.opened(mailbox).application)
    world.clock.advance(minutes=waited)
    begun = world.clock()

    async with world.processing():
        await world.pass_time_until(lambda: world.clock() > begun + timedelta(seconds=70), step=10)
        assert not await world.queue_is_empty()
        world.simulator.faults.remove(number)
        await world.pass_time_until(world.queue_is_empty)

    assert await world.imported_ids() == [late.message_id]


async def test_a_message_that_comes_back_is_queued_at_once(world: World) -> None:
    """Gone when it was fetched, restored within the duplicate window: the same notification again is not ignored."""
    mailbox, account = await world.account_of("Laboratoire")
    (back,) = await world.deliver(mailbox, 1)
    number = world.fault(FaultKind.NOT_FOUND_AT_FIRST, times=1_000)
    again = world.notification(account, back.message_id).to_message()
    queue = world.new_queue(duplicate_window=timedelta(days=1))
    await queue.put([again])
    await world.import_over_time(queue=queue)
    world.simulator.faults.remove(number)

    assert await queue.put([again]) == 0
    await world.import_all(queue=queue)

    assert await world.imported_ids() == [back.message_id]
    await queue.close()


async def test_ids_that_differ_in_case_only_are_two_messages(world: World) -> None:
    """Graph's ids are case-sensitive; a database that is not would lose one."""
    mailbox, account = await world.account_of("Laboratoire")
    lower, upper = "a" * 150 + "k=", "A" * 150 + "k="
    for message_id in (lower, upper):
        await world.simulator.deliver(mailbox, Mail(subject=message_id[0]), immutable_id=message_id)
    await world.notify(account, [lower, upper])

    await world.import_all()

    assert {(row.graph_id, row.subject) for row in await world.imported()} == {(lower, "a"), (upper, "A")}


async def test_at_most_four_calls_at_once_for_a_mailbox(world: World) -> None:
    """Graph never has to refuse the fifth call, however many messages of the mailbox are in flight."""
    mailbox, account = await world.account_of("Laboratoire")
    mail = Mail(attachments=(file_attachment("a.csv", b"1;2"), file_attachment("b.csv", b"3;4")))
    delivered = await world.deliver(mailbox, 64, mail)
    world.fault(FaultKind.LATENCY, seconds=0.02)
    await world.notify(account, delivered)

    await world.import_all()

    statistics = world.simulator.statistics()
    assert statistics["concurrency_high_water"] == {mailbox.address: 4}
    assert statistics["throttled"] == 0
    assert len(await world.imported_ids()) == 64


async def test_an_attachment_that_is_replaced_meanwhile_starts_the_message_again(world: World) -> None:
    """Exchange replaces it after a scan: the next attempt imports the message in its state by then."""
    mailbox, account = await world.account_of("Laboratoire")
    mail = Mail(attachments=(Attachment("scan.tif", GeneratedContent(4_000_000, seed=1)),))
    (delivered,) = await world.deliver(mailbox, 1, mail)
    scanned = StoredAttachment("AAkScanned=", file_attachment("scanned.tif", b"scanned"))
    await world.notify(account, [delivered])

    async with world.processing():
        world.fault(FaultKind.LATENCY, operation=Operation.GET_ATTACHMENT_CONTENT, seconds=0.5, count=1)
        await until(lambda: world.calls(Operation.GET_ATTACHMENT_CONTENT))
        delivered.message.attachments = (scanned,)
        await until(_counted_once(world))
        world.clock.advance(seconds=10)
        await until(world.queue_is_empty)

    (row,) = await world.imported()
    assert [part.content for part in row.parts] == [b"scanned"]


@pytest.mark.parametrize("message_id", ["AAk/" * 20 + "+/A+", "AAk/" * 20 + "%2F"])
async def test_ids_reach_graph_as_one_segment(world: World, message_id: str) -> None:
    """An unencoded slash would be a 400, and one decoded twice another message; older ids have slash and plus."""
    mailbox, account = await world.account_of("Laboratoire")
    await world.simulator.deliver(mailbox, Mail(), immutable_id=message_id)
    await world.notify(account, [message_id])

    await world.import_all()

    assert await world.imported_ids() == [message_id]


def _counted_once(world: World) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return [each.delivery_count for each in await world.waiting() if not each.locked] == [1]

    return look


def _assert_same(row: Imported, entry: LedgerEntry, mail: Mail) -> None:
    assert row.subject == mail.subject
    assert row.body == mail.body
    assert row.internet_message_id == entry.internet_message_id
    listed = [part for part in row.parts if part.parent is None]
    assert [(part.graph_id, part.kind, part.sha256, part.inline, part.content_id) for part in listed] == [
        (part.attachment_id, part.kind, part.sha256, part.is_inline, part.content_id) for part in entry.attachments
    ]
    for part in row.parts:
        assert (part.content is None) == (part.kind == "reference")
        assert part.state == ("linked" if part.kind == "reference" else "stored")
    assert row.recipients == (
        *_expected("to", mail.to),
        *_expected("cc", mail.cc),
        *_expected("bcc", mail.bcc),
        *_expected("replyTo", mail.reply_to),
    )


def _expected(kind: str, people: tuple[Person, ...]) -> list[tuple[str, str, str | None]]:
    return [(kind, person.name, person.address) for person in people]
