"""Barely valid messages: imported, or dead-lettered with the reason; later ones are imported."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, func, select

from bus.notification import Source
from db.queries.filters import Filters
from db.tables import GRAPH_ID_LENGTH, INTERNET_ID_LENGTH, attachment, header, message, message_trace, recipient, seen
from processor.content import body_text
from simulator.content.mail import Attachment, Mail, Person, file_attachment, item_of
from simulator.state.mail_server import DeliveredMessage
from tests.databases import on_every_database
from tests.integration.world import World
from tests.samples.corpus.case import mail

pytestmark = on_every_database

HALF = "a\ud83d\x00\x1b\x7f\u2028b"
"""Half a character, NUL, and controls; no database accepts the first two."""
TAKEN = "a\ufffd\ufffd\x1b\x7f\u2028b"


async def _imported(
    world: World,
    mail: Mail,
    change: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    alter: Callable[[DeliveredMessage], None] | None = None,
) -> Mapping[str, Any]:
    """Return the row of the odd message; the one behind it is imported as well, and none is dead-lettered."""
    mailbox, account = await world.account_of("Laboratoire")
    odd = await world.simulator.deliver(mailbox, mail)
    behind = await world.simulator.deliver(mailbox, Mail(subject="Behind"))
    if alter is not None:
        alter(odd)
    if change is not None:
        await world.tamper(odd, change)
    await world.notify(account, [odd, behind])

    await world.import_all()

    assert [(each.reason, each.description) for each in await world.dead_letters()] == []
    assert await world.imported_ids() == sorted([odd.message_id, behind.message_id])
    return await world.database.read(lambda connection: _row(connection, odd.message_id))


def _row(connection: Connection, graph_id: str) -> Mapping[str, Any]:
    return dict(connection.execute(select(message).where(message.c.sGraphMessageID == graph_id)).mappings().one())


async def test_a_draft_that_was_moved_in(world: World) -> None:
    """It was never sent, nor received, and has no sender: null, not empty, and not the time of the import."""
    missing = ("receivedDateTime", "sentDateTime", "internetMessageId", "from", "toRecipients", "body")

    row = await _imported(
        world,
        Mail(subject=None, sender=None, is_draft=True),
        lambda json: {name: value for name, value in json.items() if name not in missing} | {"isDraft": True},
    )

    names = (
        "dtReceived",
        "dtSent",
        "sInternetMessageID",
        "sFromName",
        "sFromAddress",
        "sSubject",
        "sBody",
        "sBodyText",
    )
    assert [row[name] for name in names] == [None] * len(names)


async def test_five_thousand_recipients(world: World) -> None:
    """Each of them is stored, in order."""
    people = [f"Teilnehmer {number} <p{number}@example.com>" for number in range(5000)]
    mailbox, account = await world.account_of("Laboratoire")
    raw = mail("crowd", "\nBonjour\n", To=",\n ".join(people))
    delivered = [await world.simulator.deliver_mime(mailbox, each) for each in (raw, mail("behind", "\nBonjour\n"))]
    await world.notify(account, delivered)

    await world.import_all()

    assert len(await world.imported_ids()) == 2
    [crowd] = [each for each in await world.imported() if each.graph_id == delivered[0].message_id]
    assert list(crowd.recipients) == [("to", f"Teilnehmer {n}", f"p{n}@example.com") for n in range(5000)]


async def test_a_body_of_many_megabytes(world: World) -> None:
    """It is kept unchanged, and as text without layout."""
    said = "Nitrat & Nitrit " * 60
    cell = f"<tr><td>{said.replace('&', '&amp;')}</td><td>3,2</td></tr>\r\n"
    cells = 8_000_000 // len(cell) + 1
    body = f"<html><body><table>{cell * cells}</table></body></html>"

    row = await _imported(world, Mail(body=body, is_html=True))

    assert row["sBody"] == body
    assert row["sBodyText"] == "\n".join([said.strip(), "3,2"] * cells)


async def test_a_body_of_which_no_text_is_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept nevertheless, and the log names the missing part."""
    monkeypatch.setattr(body_text, "MAX_READ", 300_000)
    body = "<p>Befund</p>" * 30_000

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        row = await _imported(world, Mail(body=body, is_html=True))

    assert (row["sBody"], row["sBodyText"]) == (body, None)
    [reported] = [event for event in events if event["event"] == "body_text_left_out"]
    assert (reported["account"], reported["characters"], reported["most"]) == ("Laboratoire", len(body), 300_000)


CALENDAR: dict[str, datetime | None] = {
    "1601-01-01T00:00:00Z": datetime(1601, 1, 1, tzinfo=UTC),
    "4501-01-01T00:00:00Z": datetime(4501, 1, 1, tzinfo=UTC),
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.9999999Z": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "2027-03-01T13:45:00.1234567+05:30": datetime(2027, 3, 1, 8, 15, 0, 123456, tzinfo=UTC),
    # Moments that UTC has no year for, and invalid ones.
    "0001-01-01T00:00:00+05:00": None,
    "9999-12-31T23:59:59-05:00": None,
    "2027-02-30T00:00:00Z": None,
    "yesterday": None,
}


async def test_the_ends_of_the_calendar(world: World) -> None:
    """Exchange writes 1601 and 4501 for an unknown time; an invalid time is null."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = dict(zip(CALENDAR, await world.deliver(mailbox, len(CALENDAR)), strict=True))
    for stated, each in delivered.items():
        names = ("receivedDateTime", "sentDateTime", "createdDateTime")
        await world.tamper(each, dict.fromkeys(names, stated).__ror__)
    await world.notify(account, list(delivered.values()))

    await world.import_all()

    assert not await world.dead_letters()
    rows = [await world.database.read(partial(_row, graph_id=each.message_id)) for each in delivered.values()]
    found = [{row[name] for name in ("dtReceived", "dtSent", "dtCreated")} for row in rows]
    assert dict(zip(delivered, found, strict=True)) == {stated: {stored} for stated, stored in CALENDAR.items()}


async def test_a_mail_of_the_last_day_troubles_no_other(world: World) -> None:
    """A sweep found it; when its notification comes after all, those that come with it are imported, too."""
    mailbox, account = await world.account_of("Laboratoire")
    last, other = await world.deliver(mailbox, 2)
    await world.tamper(last, lambda json: json | {"receivedDateTime": "9999-12-31T23:59:59Z"})
    swept = world.notification(account, last.message_id, source=Source.SWEEP)
    await world.queue.put([swept.to_message()])
    await world.import_all()

    await world.notify(account, [last, other])
    await world.import_all()

    assert not await world.dead_letters()
    assert await world.imported_ids() == sorted([last.message_id, other.message_id])


async def test_half_characters_and_controls_wherever_text_may_be(world: World) -> None:
    """U+FFFD for characters that no database accepts; controls stay unchanged."""
    person = Person(HALF, HALF)
    mail = Mail(
        subject=HALF,
        sender=person,
        from_=person,
        to=(person,),
        reply_to=(person,),
        body=HALF,
        importance=HALF,
        internet_message_id=f"<{HALF}>",
        headers=(("X-Mailer", HALF),),
        categories=(HALF,),
        attachments=(
            Attachment(HALF, file_attachment("", b"1;2").content, HALF, content_id=HALF, is_inline=True),
            item_of(HALF, b"Subject: \x00\r\n\r\n"),
        ),
    )
    names = ("conversationId", "conversationIndex", "changeKey", "webLink", "parentFolderId")

    row = await _imported(world, mail, lambda json: json | dict.fromkeys(names, HALF))

    texts = ("sSubject", "sFromName", "sFromAddress", "sSenderName", "sBody", "sBodyText", "sImportance")
    more = ("sConversationID", "sChangeKey", "sWebLink", "sParentFolderID", "sConversationIndex")
    assert [row[name] for name in (*texts, *more)] == [TAKEN] * 12
    assert row["sInternetMessageID"] == f"<{TAKEN}>"

    def below(connection: Connection) -> list[Any]:
        part, person, line = attachment.c, recipient.c, header.c
        rows = select(part.sFileName, part.sContentType, part.sContentID, part.sState).order_by(part.nPosition)
        return [
            *map(tuple, connection.execute(rows)),
            *map(tuple, connection.execute(select(person.sName, person.sAddress))),
            *connection.scalars(select(line.sValue).where(line.sName == "X-Mailer")),
        ]

    assert await world.database.read(below) == [
        (TAKEN, TAKEN, TAKEN, "stored"),
        (TAKEN, None, None, "stored"),
        (TAKEN, TAKEN),
        (TAKEN, TAKEN),
        TAKEN,
    ]
    # Its trace is not lost either.
    assert await world.database.read(lambda connection: connection.scalar(select(func.count(message_trace.c.nTraceID))))


async def test_texts_longer_than_their_columns(world: World) -> None:
    """A column without limit has it whole; an id or a word is cut at its column's limit, and the log reports it."""
    long = "😀" * 2000
    mail = Mail(
        subject=long,
        sender=Person(long, long),
        to=(Person(long, long),),
        importance=long,
        internet_message_id=long,
        conversation_id=long,
        categories=(long,),
        attachments=(file_attachment(long, b"1;2", long),),
    )
    names = ("changeKey", "webLink", "parentFolderId", "conversationIndex")

    with structlog.testing.capture_logs() as events:
        row = await _imported(world, mail, lambda json: json | dict.fromkeys(names, long))

    assert [row[name] for name in ("sSubject", "sFromName", "sFromAddress", "sChangeKey", "sWebLink")] == [long] * 5
    cut = {"sInternetMessageID": INTERNET_ID_LENGTH, "sConversationID": GRAPH_ID_LENGTH, "sImportance": 20}
    # Each of these characters counts for two.
    assert {name: row[name] for name in cut} == {name: "😀" * (length // 2) for name, length in cut.items()}
    [reported] = [event for event in events if event["event"] == "texts_shortened"]
    assert reported["texts"] == 4
    [part] = [each for found in await world.imported() for each in found.parts]
    assert (part.file_name, part.content) == (long, b"1;2")


async def test_a_message_that_is_left_out_may_have_any_id(world: World) -> None:
    """It is recorded, and not retried again and again."""
    mailbox = world.new_mailbox("Laboratoire")
    account = await world.add_account(mailbox, filters=Filters(subjects_denied=("Werbung",)))
    odd = await world.simulator.deliver(mailbox, Mail(subject="Werbung", internet_message_id="😀" * 2000))
    await world.notify(account, [odd])

    await world.import_all()

    assert not await world.dead_letters()
    found = select(seen.c.sInternetMessageID)
    assert await world.database.read(lambda connection: connection.scalar(found)) == "😀" * (INTERNET_ID_LENGTH // 2)


async def test_sizes_that_are_none(world: World) -> None:
    """No column holds them, and nothing depends on them."""
    size = {"id": "Integer 0xe08", "value": str(10**30)}

    row = await _imported(
        world,
        Mail(attachments=(file_attachment("a.csv", b"1;2"),)),
        lambda json: json | {"singleValueExtendedProperties": [size]},
    )

    assert row["nSize"] is None


async def test_an_attachment_with_an_id_that_is_none(world: World) -> None:
    """Parts that need no request are stored; the others give the reason."""

    def alter(odd: DeliveredMessage) -> None:
        odd.message.attachments = tuple(replace(each, attachment_id="AA\ud800\x00") for each in odd.message.attachments)

    await _imported(
        world,
        Mail(attachments=(file_attachment("a.csv", b"1;2"), item_of("Mail", b"Subject: x\r\n\r\n"))),
        alter=alter,
    )

    parts = [each for found in await world.imported() for each in found.parts]
    assert [(each.graph_id, each.state) for each in parts] == [
        ("AA\ufffd\ufffd", "stored"),
        ("AA\ufffd\ufffd", "unreadable"),
    ]
    assert (parts[1].detail or "").startswith("MalformedAttachmentId")


async def test_notifications_of_what_is_no_id(world: World) -> None:
    """Dead-lettered at once, before a query of the database; those that came with them are imported."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 3)
    none = ["AA\x00", "AA\ud800", "AA\n", "\x1b[31mAA"]
    await world.notify(account, [delivered[0], *none, *delivered[1:]])

    await world.import_all()

    assert [each.reason for each in await world.dead_letters()] == ["MalformedNotification"] * len(none)
    assert await world.imported_ids() == sorted(each.message_id for each in delivered)

    def traced(connection: Connection) -> list[str | None]:
        row = message_trace.c
        return list(connection.scalars(select(row.sGraphMessageID).where(row.sReason == "MalformedNotification")))

    assert await world.database.read(traced) == [None] * len(none)
