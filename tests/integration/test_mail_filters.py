"""Mail that an account's filters exclude is recorded and not imported, and is known to every search for mail."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import structlog
from click.testing import Result
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, delete, select, update

from console.db.purge_batches import Purged, PurgeSelection, Purging
from db.queries import accounts, filtered
from db.queries.filters import NONE, Filters
from db.tables import account_settings, folder_sync, message, message_trace
from db.tables import seen as seen_table
from processor.metrics import ProcessorMetrics
from simulator.calls import Operation
from simulator.content.mail import Mail, Person, by_directory_name, file_attachment, inline_attachment
from simulator.state.mail_server import DeliveredMessage
from simulator.state.mailboxes import Mailbox
from tests.databases import on_every_database
from tests.integration.manager_world import Office
from tests.integration.test_catch_up import SWEEP, is_swept, silently
from tests.integration.world import World
from tests.waiting import until

pytestmark = on_every_database

Command = Callable[..., Awaitable[Result]]

WANTED = Mail(subject="Befund", sender=Person("Labor", "labor@example.com"))
UNWANTED = Mail(subject="Angebot", sender=Person("Werbung", "news@example.org"))
FROM_LABOR = Filters(senders_allowed=("example.com",))


async def account_with(world: World, filters: Filters, **changed: Any) -> tuple[Mailbox, int]:  # noqa: ANN401  # passed through
    mailbox = world.new_mailbox("Nord")
    return mailbox, await world.add_account(mailbox, filters=filters, **changed)


async def deliver(world: World, mailbox: Mailbox, *mails: Mail) -> list[DeliveredMessage]:
    return [await world.simulator.deliver(mailbox, mail) for mail in mails]


async def process(world: World, account: int, delivered: list[DeliveredMessage], **options: Any) -> None:  # noqa: ANN401  # passed through
    await world.notify(account, delivered)
    await world.import_all(**options)


async def left_out(world: World) -> list[tuple[str, str]]:
    """Graph id and reason."""
    row = seen_table.c
    statement = select(row.sGraphMessageID, row.sReason).order_by(row.nSeenID)
    return await world.database.read(lambda c: [(each[0], each[1]) for each in c.execute(statement)])


async def change(world: World, filters: Filters) -> None:
    """Change the row as another program does."""

    def work(connection: Connection) -> None:
        connection.execute(
            update(account_settings)
            .where(account_settings.c.sAccountName == "Nord")
            .values(
                sFilterSendersAllowed=" ; ".join(filters.senders_allowed) or None,
                sFilterSubjectsAllowed="\r\n".join(filters.subjects_allowed) or None,
                nFilterSizeLeast=filters.size_least,
                nFilterSizeMost=filters.size_most,
            )
        )

    await world.database.write(work)
    world.clock.advance(seconds=6)  # the processor's cache of accounts is five seconds old at most


@pytest.mark.parametrize(
    ("filters", "mail", "reason"),
    [
        (FROM_LABOR, UNWANTED, "SenderNotAllowed"),
        (Filters(senders_denied=("*.example.org", "example.org")), UNWANTED, "SenderDenied"),
        (Filters(subjects_allowed=("befund*",)), UNWANTED, "SubjectNotAllowed"),
        (Filters(subjects_denied=("angebot",)), UNWANTED, "SubjectDenied"),
        (Filters(has_attachments=True), UNWANTED, "HasNoAttachments"),
        (Filters(has_attachments=False), Mail(attachments=(file_attachment("a", b"a"),)), "HasAttachments"),
        (Filters(size_most=1_000), UNWANTED, "TooLarge"),
        (Filters(size_least=100_000), UNWANTED, "TooSmall"),
    ],
)
async def test_what_does_not_match_is_recorded_with_the_reason(
    world: World, filters: Filters, mail: Mail, reason: str
) -> None:
    """It costs the one call of any message, once: attachments and original are not fetched."""
    mailbox, account = await account_with(world, filters, after_import="read")
    [delivered] = await deliver(world, mailbox, mail)

    with structlog.testing.capture_logs() as events:
        for _ in range(3):
            await process(world, account, [delivered], keep_mime=True)

    assert await world.imported_ids() == []
    assert await left_out(world) == [(delivered.message_id, reason)]
    key = (account, delivered.message_id)
    [found] = await world.database.read(lambda c: filtered.of_ids(c, [key]))
    assert found.internet_message_id == delivered.message.internet_message_id
    assert found.from_address == (mail.sender.address if mail.sender else None)
    assert found.received == delivered.message.received.replace(microsecond=0)
    assert found.size is not None
    assert found.rule is not None
    reported = [(each["event"], each.get("reason")) for each in events if each["event"].startswith("message_")]
    assert reported == [("message_left_out", reason), ("message_known", None), ("message_known", None)]
    made = world.simulator.statistics()["calls"]
    assert {name: count for name, count in made.items() if name not in {"token", "discovery"}} == {"get_message": 1}
    assert not delivered.message.is_read
    assert not await world.dead_letters()


async def test_what_matches_is_imported(world: World) -> None:
    """It is imported beside filtered mail, in the same transactions."""
    mailbox, account = await account_with(world, FROM_LABOR)
    delivered = await deliver(world, mailbox, *[WANTED, UNWANTED] * 10)
    await process(world, account, delivered)
    assert await world.imported_ids() == sorted(each.message_id for each in delivered[::2])
    assert len(await left_out(world)) == 10


async def test_inline_pictures_alone_are_no_attachments(world: World) -> None:
    """Graph does not count them; the picture is imported with matching mail."""
    picture = Mail(
        body='<img src="cid:a">', is_html=True, attachments=(inline_attachment("a", b"a", "image/png", "a"),)
    )
    mailbox, account = await account_with(world, Filters(has_attachments=True))
    await process(world, account, await deliver(world, mailbox, picture))
    assert [reason for _, reason in await left_out(world)] == ["HasNoAttachments"]


async def test_a_file_that_is_marked_as_inline_is_an_attachment(world: World) -> None:
    """Apple Mail sends PDF so, and shows them in its text."""
    report = inline_attachment("Befund.pdf", b"%PDF", "application/pdf", "befund")
    mail = Mail(body='<object data="cid:befund">', is_html=True, attachments=(report,))
    mailbox, account = await account_with(world, Filters(has_attachments=True))
    await process(world, account, await deliver(world, mailbox, mail))
    assert await left_out(world) == []
    [row] = await world.imported()
    assert [part.content for part in row.parts] == [b"%PDF"]


async def test_where_exchange_does_not_say_the_attachments_are_looked_at(world: World) -> None:
    """An inline file would count as none without its property; it costs one call more, and nothing else."""
    report = inline_attachment("Befund.pdf", b"%PDF", "application/pdf", "")
    mailbox, account = await account_with(world, Filters(has_attachments=True))
    [with_file, without] = await deliver(world, mailbox, Mail(attachments=(report,)), UNWANTED)
    for each in (with_file, without):
        await world.tamper(each, lambda json: json | {"singleValueExtendedProperties": []})
    await process(world, account, [with_file, without])
    assert await world.imported_ids() == [with_file.message_id]
    assert await left_out(world) == [(without.message_id, "HasNoAttachments")]
    assert world.calls(Operation.LIST_ATTACHMENTS) == 2


@pytest.mark.parametrize("keeps_smtp", [True, False])
async def test_a_colleague_is_found_by_the_smtp_address(world: World, keeps_smtp: bool) -> None:
    """Exchange names senders of its own organisation by its directory; the address is in a property, or in the mail."""
    labor, news = (
        by_directory_name(Person(name, f"{name}@example.{end}"), keeps_smtp=keeps_smtp)
        for name, end in (("labor", "com"), ("news", "org"))
    )
    mailbox, account = await account_with(world, Filters(senders_allowed=("example.com",)))

    def of(person: Person, smtp: str) -> Mail:
        return Mail(sender=person, to=(person,), headers=(("From", smtp), ("To", f"{person.name} <{smtp}>")))

    mails = of(labor, "labor@example.com"), of(news, "news@example.org"), Mail(sender=labor)
    wanted, unwanted, nameless = await deliver(world, mailbox, *mails)

    await process(world, account, [wanted, unwanted, nameless])

    # The sender of the last is unknown without the property: it is imported rather than lost.
    assert await left_out(world) == [(unwanted.message_id, "SenderNotAllowed")]
    rows = {row.graph_id: row for row in await world.imported()}
    assert set(rows) == {wanted.message_id, nameless.message_id}
    assert rows[wanted.message_id].recipients == (("to", "labor", "labor@example.com"),)

    def senders(connection: Connection) -> dict[str, str]:
        row = message.c
        return {each[0]: each[1] for each in connection.execute(select(row.sGraphMessageID, row.sFromAddress))}

    found = await world.database.read(senders)
    assert found[wanted.message_id] == "labor@example.com"
    assert found[nameless.message_id] == ("labor@example.com" if keeps_smtp else labor.address)


async def test_many_processors_record_it_once(world: World) -> None:
    mailbox, account = await account_with(world, FROM_LABOR)
    delivered = await deliver(world, mailbox, *[UNWANTED] * 30)
    for _ in range(3):  # so that several have the same one in flight
        await world.notify(account, delivered)
    queues = [world.new_queue() for _ in range(3)]

    async def work(queue: Any) -> None:  # noqa: ANN401  # a queue of the world's
        async with world.processing(queue=queue):
            await until(world.queue_is_empty)

    await asyncio.gather(*map(work, queues))
    for queue in queues:
        await queue.close()
    assert sorted(graph_id for graph_id, _ in await left_out(world)) == sorted(each.message_id for each in delivered)
    assert not await world.dead_letters()


async def test_it_is_counted_by_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    monkeypatch.setattr("tests.integration.world.ProcessorMetrics", lambda _registry: ProcessorMetrics(registry))
    mailbox, account = await account_with(world, FROM_LABOR)
    await process(world, account, await deliver(world, mailbox, UNWANTED, WANTED))
    assert registry.get_sample_value("mail_importer_deliveries_total", {"outcome": "seen"}) == 1
    labels = {"reason": "SenderNotAllowed"}
    assert registry.get_sample_value("mail_importer_messages_left_out_total", labels) == 1


# Filters that other programs wrote.


async def test_filters_that_make_no_sense_hold_the_account(world: World) -> None:
    """Its mail waits, uncounted, with the reason; the mail of others goes on; and it is imported once they do."""
    mailbox, account = await account_with(world, NONE)
    other, other_account = await world.account_of("Sud")
    await change(world, Filters(size_least=5, size_most=1))
    delivered = await deliver(world, mailbox, WANTED)
    await world.notify(account, delivered)
    more = await deliver(world, other, WANTED)
    await world.notify(other_account, more)
    async with world.processing():
        await until(world.conditions)
        await until(lambda: imported(world, more))
        [held] = await world.conditions()
        assert (held.account_id, held.reason) == (account, "FiltersInvalid")
        assert "account 'Nord' cannot be used: No message has at least 5 and at most 1 bytes." in held.detail
        assert "mail-importer accounts update Nord --no-filters" in held.detail
        # The other's delivery is settled a moment after its message is there.
        await until(lambda: waits_uncounted(world))
        await change(world, NONE)
        world.clock.advance(minutes=1)
        await until(lambda: imported(world, [*delivered, *more]))
        await until(lambda: served(world))
    assert await left_out(world) == []


async def imported(world: World, delivered: list[DeliveredMessage]) -> bool:
    return await world.imported_ids() == sorted(each.message_id for each in delivered)


async def waits_uncounted(world: World) -> bool:
    return [each.delivery_count for each in await world.waiting()] == [0]


async def served(world: World) -> bool:
    return not await world.conditions()


async def test_lists_are_read_as_people_write_them(world: World) -> None:
    """Senders are separated by semicolons and blanks, and each subject has a line of its own."""
    mailbox, account = await account_with(world, NONE)
    filters = Filters(senders_allowed=("a@b.example", "EXAMPLE.com"), subjects_allowed=("Befund, neu; alt", "Bericht"))
    await change(world, filters)
    wanted = Mail(subject="Befund, neu; alt", sender=WANTED.sender)
    delivered = await deliver(world, mailbox, wanted, WANTED, UNWANTED)
    await process(world, account, delivered)
    assert await world.imported_ids() == [delivered[0].message_id]
    assert sorted(reason for _, reason in await left_out(world)) == ["SenderNotAllowed", "SubjectNotAllowed"]


# Searches for missing mail.


async def test_sweeps_queue_it_no_more(office: Office) -> None:
    """Sweeps find it in the folder each time."""
    world = office.world
    mailbox, account = await account_with(world, FROM_LABOR, import_since=accounts.EVERYTHING)
    async with office.receiving(), office.managing(sweeping=SWEEP), world.processing():
        await until(lambda: is_swept(office, account))
        await silently(office, mailbox, 3)
        world.clock.advance(minutes=20)
        await until(lambda: seen_so_far(world, 3))
        await until(world.queue_is_empty)
        asked = world.calls(Operation.GET_MESSAGE)
        first = await swept_at(world)
        await world.database.write(lambda c: c.execute(update(folder_sync).values(sLink=None, bFullPass=True)))
        world.clock.advance(minutes=20)
        await until(lambda: swept_again(world, first))
        await until(world.queue_is_empty)
        assert world.calls(Operation.GET_MESSAGE) == asked
    assert await world.imported_ids() == []


async def seen_so_far(world: World, count: int) -> bool:
    return len(await left_out(world)) == count


async def swept_at(world: World) -> Any:  # noqa: ANN401  # a time
    return await world.database.read(lambda c: c.scalar(select(folder_sync.c.dtSwept)))


async def swept_again(world: World, first: Any) -> bool:  # noqa: ANN401  # a time
    return bool(await swept_at(world) != first)


async def test_verify_misses_none_of_it(world: World, command: Command) -> None:
    mailbox, account = await account_with(world, FROM_LABOR, import_since=accounts.EVERYTHING)
    await process(world, account, await deliver(world, mailbox, WANTED, UNWANTED))
    done = await command("verify", "Nord", "--json")
    reported = json.loads(done.stdout)
    assert (done.exit_code, reported["missing"], reported["seen"], reported["in_folder"], reported["in_database"]) == (
        0,
        0,
        1,
        2,
        1,
    )
    assert "Left out by filters" in (await command("verify", "Nord")).stdout


async def test_trace_shows_where_it_is(world: World, command: Command) -> None:
    """It is found by every name, also after its steps are deleted; the trace names the command that imports it."""
    mailbox, account = await account_with(world, FROM_LABOR)
    [delivered] = await deliver(world, mailbox, UNWANTED)
    await process(world, account, [delivered])
    for name in (delivered.message_id, "Angebot", delivered.message.internet_message_id):
        reported = (await command("trace", str(name))).stdout
        assert "seen, and not imported: the account's filters leave it out (SenderNotAllowed)" in reported
        assert "left out by the account's filters (SenderNotAllowed)" in reported
        assert "--allow-sender" in reported
    await world.database.write(lambda c: c.execute(delete(message_trace)))
    for name in (delivered.message_id, str(delivered.message.internet_message_id).strip("<>")):
        reported = (await command("trace", name)).stdout
        assert "left out by the account's filters (SenderNotAllowed)" in reported
        assert f"mail-importer import Nord --id {delivered.message_id} --force" in reported
    [found] = json.loads((await command("trace", delivered.message_id, "--json")).stdout)
    assert (found["message_id"], found["imported"], found["received"] is None) == (None, None, False)


async def test_show_has_their_number(world: World, command: Command) -> None:
    mailbox, account = await account_with(world, FROM_LABOR)
    await process(world, account, await deliver(world, mailbox, UNWANTED))
    shown = json.loads((await command("accounts", "show", "Nord", "--json")).stdout)
    assert (shown["seen"], shown["imported"], shown["filters"]["senders_allowed"]) == (1, 0, ["example.com"])


# Importing it after all.


async def test_a_changed_filter_does_not_bring_it_in_by_itself_but_an_import_does(
    world: World, command: Command
) -> None:
    mailbox, account = await account_with(world, FROM_LABOR)
    delivered = await deliver(world, mailbox, UNWANTED, UNWANTED, UNWANTED)
    await process(world, account, delivered)
    again = json.loads((await command("import", "Nord", "--json")).stdout)
    assert (again["selected"], again["seen"], again["imported"]) == (3, 3, 0)
    await change(world, Filters(size_least=1_000_000))
    assert json.loads((await command("import", "Nord", "--json")).stdout)["seen"] == 3
    assert {reason for _, reason in await left_out(world)} == {"TooSmall"}
    await change(world, Filters(senders_allowed=("example.org",)))
    await process(world, account, delivered)
    assert await world.imported_ids() == []

    first = delivered[0].message_id
    named = json.loads((await command("import", "Nord", "--id", first, "--json")).stdout)
    assert (named["imported"], await world.imported_ids()) == (1, [first])
    since = (world.clock() - timedelta(hours=1)).isoformat()
    rest = json.loads((await command("import", "Nord", "--since", since, "--json")).stdout)
    assert (rest["imported"], rest["known"]) == (2, 1)
    assert await left_out(world) == []


async def test_what_filters_leave_out_is_imported_when_it_is_named_and_forced(world: World, command: Command) -> None:
    """Forcing the whole folder does not include it, but fetches imported mail again."""
    mailbox, account = await account_with(world, NONE)
    [first] = await deliver(world, mailbox, UNWANTED)
    await process(world, account, [first])
    await change(world, FROM_LABOR)
    [second] = await deliver(world, mailbox, UNWANTED)
    await process(world, account, [second])

    everything = json.loads((await command("import", "Nord", "--force", "--yes", "--json")).stdout)
    assert (everything["replaced"], everything["imported"]) == (1, 0)
    plain = json.loads((await command("import", "Nord", "--id", second.message_id, "--json")).stdout)
    assert plain["imported"] == 0
    forced = json.loads((await command("import", "Nord", "--id", second.message_id, "--force", "--json")).stdout)
    assert forced["imported"] == 1
    assert len(await world.imported_ids()) == 2
    assert await left_out(world) == []


async def test_import_says_why_filters_cannot_be_used(world: World, command: Command) -> None:
    mailbox, _ = await account_with(world, Filters(senders_denied=("nonsense",)))
    await deliver(world, mailbox, WANTED)
    result = await command("import", "Nord")
    assert result.exit_code == 1
    assert "'nonsense' is neither an address" in result.stderr
    assert "Traceback" not in result.stderr


# Purging it.


async def test_a_purge_forgets_what_is_old(world: World) -> None:
    """It covers accounts that imported nothing; and old mail is not fetched again."""
    mailbox, account = await account_with(world, FROM_LABOR, import_since=accounts.EVERYTHING)
    old = await world.simulator.deliver(mailbox, UNWANTED, received=world.clock() - timedelta(days=500))
    [young] = await deliver(world, mailbox, UNWANTED)
    await process(world, account, [old, young])
    purged = Purged()
    order = PurgeSelection((world.clock() - timedelta(days=400)).replace(microsecond=0))
    purging = Purging(world.database, clock=world.clock)
    assert await purging.count(order, lambda _: None) == Purged(seen=1)
    await purging.purge(order, purged, lambda _: None)
    assert purged == Purged(seen=1)
    assert [graph_id for graph_id, _ in await left_out(world)] == [young.message_id]
    assert await world.database.read(lambda c: accounts.import_since(c, account)) == order.before


async def test_a_removed_account_keeps_its_records_and_a_deleted_one_does_not(world: World) -> None:
    """Taken up again, it asks for none of these messages."""
    mailbox, account = await account_with(world, FROM_LABOR)
    await process(world, account, await deliver(world, mailbox, UNWANTED))
    await world.database.write(lambda c: accounts.mark_removed(c, "Nord", now=world.clock()))
    await world.database.write(lambda c: accounts.retire(c, account))
    assert len(await left_out(world)) == 1
    await world.database.write(lambda c: c.execute(delete(account_settings)))
    await world.database.write(lambda c: accounts.purge(c, account))
    assert await left_out(world) == []
