"""The second guard: an e-mail that comes again under another Graph id is not imported again, and that is recorded."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import structlog
from sqlalchemy import Connection, func, select, update

from db.queries import duplicates
from db.queries.duplicates import SAME, Duplicate
from db.tables import duplicate, message, message_identity
from processor.content.attachments import AttachmentLimits
from simulator.calls import Operation
from simulator.content.mail import Attachment, Mail, Person, file_attachment, item_of, reference_attachment
from simulator.state.mail_server import DeliveredMessage
from simulator.state.mailboxes import Mailbox
from tests.databases import on_every_database
from tests.integration.world import World
from tests.waiting import until

pytestmark = on_every_database


async def imported(world: World, account: int, delivered: list[DeliveredMessage]) -> None:
    await world.notify(account, delivered)
    await world.import_all()


def drag(world: World, mailbox: Mailbox, delivered: DeliveredMessage) -> tuple[str, str]:
    """Drag it out of the inbox and back, as in Outlook desktop; return the immutable id before and after."""
    before = delivered.message.immutable_id
    for folder in ("archive", "inbox"):
        world.simulator.move_message(mailbox, delivered.message.immutable_id, folder, by_dragging=True)
    return before, delivered.message.immutable_id


async def recorded(world: World) -> list[Duplicate]:
    def read(connection: Connection) -> list[Duplicate]:
        numbers = connection.scalars(select(message.c.nMessageID)).all()
        return duplicates.of_messages(connection, list(numbers))

    return await world.database.read(read)


async def test_a_message_that_was_dragged_is_not_imported_again(world: World) -> None:
    """Its new id is recorded once, with the message that it equals, however often it is notified."""
    mailbox, account = await world.account_of("Laboratoire")
    [delivered] = await world.deliver(mailbox, 1)
    await imported(world, account, [delivered])
    before, after = drag(world, mailbox, delivered)

    with structlog.testing.capture_logs() as events:
        for _ in range(3):
            await world.notify(account, [after])
            await world.import_all()

    assert await world.imported_ids() == [before]
    [copy] = await recorded(world)
    assert (copy.account_id, copy.graph_id, copy.message_id, copy.reason) == (account, after, 1, SAME)
    reported = [each["event"] for each in events if each["event"].startswith("message_")]
    assert reported == ["message_duplicate", "message_known", "message_known"]
    assert world.calls(Operation.GET_MESSAGE) == 2


async def test_a_restored_message_is_not_imported_again(world: World) -> None:
    """Deleted for good and restored from a backup: all of it is the same but the id."""
    mailbox, account = await world.account_of("Laboratoire")
    mail = Mail(internet_message_id="<befund-7@labor.example>", body="Befund")
    [first] = await world.deliver(mailbox, 1, mail)
    await imported(world, account, [first])
    world.simulator.remove_message(mailbox, first.message_id)
    again = await world.simulator.deliver(mailbox, mail, received=first.message.received)
    await imported(world, account, [again])
    assert await world.imported_ids() == [first.message_id]
    assert [each.graph_id for each in await recorded(world)] == [again.message_id]


FILE = file_attachment("werte.csv", b"Blei;42\n", "text/csv")
MAIL = Mail(
    internet_message_id="<befund-7@labor.example>",
    body="Befund",
    sent=datetime(2026, 11, 2, 8, tzinfo=UTC),
    attachments=(FILE, reference_attachment("Ordner", "https://example.com/a")),
)


def with_file(changed: Attachment) -> dict[str, Any]:
    return {"attachments": (changed, *MAIL.attachments[1:])}


OTHERS: Final[list[dict[str, Any]]] = [
    {"body": "Befunt"},
    {"is_html": True, "body": "<p>B"},
    {"subject": "No subjekt"},
    {"sender": Person("Sender", "sender@example.org")},
    {"from_": Person("Labor", "labor@example.net")},
    {"sent": datetime(2026, 11, 2, 8, 0, 1, tzinfo=UTC)},
    {"internet_message_id": "<befund-8@labor.example>"},
    with_file(file_attachment("werte.csv", b"Blei;43\n", "text/csv")),
    with_file(file_attachment("wertf.csv", b"Blei;42\n", "text/csv")),
    with_file(item_of("werte.csv", b"Blei;4\n\n")),
    {"attachments": (FILE,)},
    {"attachments": (*MAIL.attachments, FILE)},
    {"attachments": ()},
]


@pytest.mark.parametrize("size_known", [True, False])
async def test_what_differs_is_another_message(world: World, size_known: bool) -> None:
    """Loggers and relays reuse the internet message id, in one second and with one size: losing mail is worst."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 1, MAIL)
    received = delivered[0].message.received
    delivered += [
        await world.simulator.deliver(mailbox, replace(MAIL, **changed), received=received) for changed in OTHERS
    ]

    def sized(answer: dict[str, Any]) -> dict[str, Any]:
        properties = [{"id": "Integer 0xe08", "value": "4711"}] if size_known else []
        return {**answer, "singleValueExtendedProperties": properties}

    for each in delivered:
        await world.tamper(each, sized)
    await imported(world, account, delivered)
    assert len(await world.imported_ids()) == len(delivered)
    assert await recorded(world) == []


async def test_mail_of_another_second_is_another_message(world: World) -> None:
    """A sender that repeats a mail means it."""
    mailbox, account = await world.account_of("Laboratoire")
    [first] = await world.deliver(mailbox, 1, MAIL)
    second = await world.simulator.deliver(mailbox, MAIL, received=first.message.received + timedelta(seconds=1))
    await imported(world, account, [first, second])
    assert len(await world.imported_ids()) == 2


async def test_another_size_makes_no_other_message(world: World) -> None:
    """A drag in Outlook may change Exchange's size; all readable content is the same."""
    mailbox, account = await world.account_of("Laboratoire")
    [first] = await world.deliver(mailbox, 1, MAIL)
    second = await world.simulator.deliver(mailbox, MAIL, received=first.message.received)
    await world.tamper(
        second, lambda answer: {**answer, "singleValueExtendedProperties": [{"id": "Integer 0xe08", "value": "9"}]}
    )
    await imported(world, account, [first, second])
    assert await world.imported_ids() == [first.message_id]


async def test_what_could_not_be_stored_is_compared_with_nothing(world: World) -> None:
    """Two mails whose attachments are too large may differ just there."""
    mailbox, account = await world.account_of("Laboratoire")
    large = replace(MAIL, attachments=(file_attachment("werte.csv", bytes(1024 * 1024 + 1)),))
    [first] = await world.deliver(mailbox, 1, large)
    second = await world.simulator.deliver(mailbox, large, received=first.message.received)
    await world.notify(account, [first, second])
    await world.import_all(kept=AttachmentLimits(attachment_mb=1))
    assert len(await world.imported_ids()) == 2


async def test_without_an_internet_message_id_there_is_no_copy(world: World) -> None:
    """Drafts have none: nothing distinguishes them."""
    mailbox, account = await world.account_of("Laboratoire")
    [first] = await world.deliver(mailbox, 1, Mail(is_draft=True))
    second = await world.simulator.deliver(mailbox, Mail(is_draft=True), received=first.message.received)
    await imported(world, account, [first, second])
    assert len(await world.imported_ids()) == 2


async def test_the_same_mail_of_two_accounts_is_two_messages(world: World) -> None:
    """Each account has its own."""
    mail = Mail(internet_message_id="<an-alle@labor.example>")
    mailboxes = [await world.account_of(name) for name in ("Nord", "Sud")]
    [first] = await world.deliver(mailboxes[0][0], 1, mail)
    second = await world.simulator.deliver(mailboxes[1][0], mail, received=first.message.received)
    await world.notify(mailboxes[0][1], [first])
    await world.notify(mailboxes[1][1], [second])
    await world.import_all()
    assert len(await world.imported_ids()) == 2


async def test_messages_of_an_older_program_are_originals_too(world: World) -> None:
    """The older program wrote no digest: its row is compared. A message that differs from the row stays another one."""
    mailbox, account = await world.account_of("Laboratoire")
    [first] = await world.deliver(mailbox, 1, MAIL)
    await imported(world, account, [first])

    def as_before(connection: Connection) -> None:
        connection.execute(update(message).values(nSize=None))
        connection.execute(message_identity.delete())

    await world.database.write(as_before)
    copy = await world.simulator.deliver(mailbox, MAIL, received=first.message.received)
    other = await world.simulator.deliver(mailbox, replace(MAIL, body="Befunt"), received=first.message.received)
    await imported(world, account, [copy, other])
    assert await world.imported_ids() == sorted([first.message_id, other.message_id])
    assert [(each.graph_id, each.reason) for each in await recorded(world)] == [(copy.message_id, SAME)]


async def test_what_an_older_program_put_in_the_place_of_another_is_compared(world: World) -> None:
    """It is compared, not its predecessor. A row changed by other programs is still the imported message."""
    mailbox, account = await world.account_of("Laboratoire")
    [replaced] = await world.deliver(mailbox, 1, MAIL)
    edited = await world.simulator.deliver(mailbox, replace(MAIL, subject="Edited"), received=replaced.message.received)
    await imported(world, account, [replaced, edited])

    def work(connection: Connection) -> None:
        [number] = connection.scalars(select(message.c.nMessageID).where(message.c.sSubject == MAIL.subject))
        connection.execute(update(message).where(message.c.nMessageID == number).values(sSubject="Replaced"))
        connection.execute(message_identity.delete().where(message_identity.c.nMessageID == number))
        connection.execute(update(message).where(message.c.nMessageID != number).values(sSubject="Changed"))

    await world.database.write(work)
    [as_before, as_it_is, as_imported] = [
        await world.simulator.deliver(mailbox, replace(MAIL, subject=subject), received=replaced.message.received)
        for subject in (MAIL.subject, "Replaced", "Edited")
    ]
    await imported(world, account, [as_before, as_it_is, as_imported])
    assert await world.imported_ids() == sorted(each.message_id for each in (replaced, edited, as_before))
    assert {each.graph_id for each in await recorded(world)} == {as_it_is.message_id, as_imported.message_id}


async def test_of_copies_that_arrive_together_one_is_imported(world: World) -> None:
    """Twenty mails, four copies of each in the folder, and four processors: the situation in the catch-up of a folder.

    Each has a twin that differs by its file only, and stays.
    """
    mailbox, account = await world.account_of("Laboratoire")
    delivered: list[DeliveredMessage] = []
    for number in range(20):
        mail = replace(MAIL, internet_message_id=f"<{number}@labor.example>")
        twin = replace(mail, **with_file(file_attachment("werte.csv", b"Blei;43\n", "text/csv")))
        [first] = await world.deliver(mailbox, 1, mail)
        more = [
            await world.simulator.deliver(mailbox, each, received=first.message.received)
            for each in (mail, mail, mail, twin)
        ]
        delivered += [first, *more]
    await world.notify(account, delivered)
    queues = [world.new_queue() for _ in range(3)]
    async with world.processing():
        async with asyncio.TaskGroup() as group:
            for queue in queues:
                group.create_task(import_with(world, queue))
        await until(world.queue_is_empty)
    for queue in queues:
        await queue.close()
    assert len(await world.imported_ids()) == 40
    assert len(await recorded(world)) == 60
    assert await world.dead_letters() == []


async def import_with(world: World, queue: Any) -> None:  # noqa: ANN401  # a queue of the world's
    async with world.processing(queue=queue):
        await until(world.queue_is_empty)


async def test_a_copy_is_left_in_the_mailbox(world: World) -> None:
    """Actions after imports apply to the imported message."""
    mailbox = world.new_mailbox("Laboratoire")
    account = await world.add_account(mailbox, after_import="read")
    mail = Mail(internet_message_id="<befund-7@labor.example>")
    [first] = await world.deliver(mailbox, 1, mail)
    await imported(world, account, [first])
    second = await world.simulator.deliver(mailbox, mail, received=first.message.received)
    await imported(world, account, [second])
    assert not second.message.is_read


# Operators.


async def test_trace_shows_both(world: World, command: Callable[..., Any]) -> None:
    """Queried for the copy: the message it equals. Queried for the message: that a copy of it was met."""
    mailbox, account = await world.account_of("Laboratoire")
    [delivered] = await world.deliver(mailbox, 1)
    await imported(world, account, [delivered])
    before, after = drag(world, mailbox, delivered)
    await world.notify(account, [after])
    await world.import_all()

    of_copy = await command("trace", after)
    assert "not imported again: it is a copy" in of_copy.output
    assert "found to be a copy of message 1 (SameIdTimeAndContent)" in of_copy.output
    of_original = await command("trace", before)
    assert "a copy of it was not imported again" in of_original.output
    assert after in of_original.output
    [found] = json.loads((await command("trace", after, "--json")).stdout)
    assert found["message_id"] is None


async def test_verify_misses_no_copy(world: World, command: Callable[..., Any]) -> None:
    """It is in the folder and not in the database, by design; each is listed with the message that it equals."""
    mailbox, account = await world.account_of("Laboratoire")
    mail = Mail(internet_message_id="<befund-7@labor.example>")
    [first] = await world.deliver(mailbox, 1, mail)
    await imported(world, account, [first])
    second = await world.simulator.deliver(mailbox, mail, received=first.message.received)
    await imported(world, account, [second])
    done = await command("verify", "Laboratoire", "--json")
    reported = json.loads(done.stdout)
    assert (
        done.exit_code,
        reported["missing"],
        reported["copies"],
        reported["in_folder"],
        reported["in_database"],
    ) == (0, 0, 1, 2, 1)
    [copy] = reported["differences"]
    facts = ("state", "message_id", "copy_of", "copy_of_number", "reason")
    assert [copy[each] for each in facts] == ["copy", second.message_id, first.message_id, 1, SAME]
    lines = (await command("verify", "Laboratoire")).output.splitlines()
    assert lines[-1].split()[0] == "copy"
    assert lines[-1].endswith(f"{second.message_id}  of message 1: {first.message_id}")


async def test_an_operator_can_have_a_copy_imported(world: World, command: Callable[..., Any]) -> None:
    """It is imported by its id and --force: then it is a message of its own. Forcing the whole folder excludes it."""
    mailbox, account = await world.account_of("Laboratoire")
    mail = Mail(internet_message_id="<befund-7@labor.example>")
    [first] = await world.deliver(mailbox, 1, mail)
    await imported(world, account, [first])
    second = await world.simulator.deliver(mailbox, mail, received=first.message.received)
    await imported(world, account, [second])

    again = json.loads((await command("import", "Laboratoire", "--force", "--yes", "--json")).stdout)
    assert (again["replaced"], again["duplicate"], again["imported"]) == (1, 1, 0)
    plain = json.loads((await command("import", "Laboratoire", "--id", second.message_id, "--json")).stdout)
    assert (plain["known"], plain["imported"]) == (1, 0)
    forced = json.loads((await command("import", "Laboratoire", "--id", second.message_id, "--force", "--json")).stdout)
    assert forced["imported"] == 1
    assert len(await world.imported_ids()) == 2
    assert await recorded(world) == []
    # A third one still equals the first.
    third = await world.simulator.deliver(mailbox, mail, received=first.message.received)
    await imported(world, account, [third])
    assert [(each.graph_id, each.message_id) for each in await recorded(world)] == [(third.message_id, 1)]


async def test_a_purge_takes_the_records_with_it(world: World) -> None:
    """The records mean nothing without the message that they equal."""
    mailbox, account = await world.account_of("Laboratoire")
    [delivered] = await world.deliver(mailbox, 1)
    await imported(world, account, [delivered])
    _, after = drag(world, mailbox, delivered)
    await world.notify(account, [after])
    await world.import_all()
    await world.database.write(lambda c: c.execute(message.delete()))
    assert await world.database.read(lambda c: c.scalar(select(func.count()).select_from(duplicate))) == 0
