"""Folder and database, compared; missing messages, queued. With the simulator, and with more than memory could hold."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert

from db.queries import accounts
from db.tables import message
from graph.folders import MailFolders
from graph.listing import FolderItem
from graph.mailbox import Mailbox as OpenedMailbox
from graph.messages import FolderPage, MailReader
from simulator.calls import Operation
from simulator.content.mail import Mail
from simulator.faults import FaultKind
from simulator.state.mail_server import DeliveredMessage
from subscriptions.folder_diff import Elsewhere, FolderDiff, Item
from subscriptions.verification import Tally, Verification
from tests.integration.world import World

PAGE = 1000


@dataclass
class Compared:
    """Results of a comparison."""

    tally: Tally
    missing: list[Item]
    elsewhere: list[Elsewhere]

    @property
    def missing_ids(self) -> set[str]:
        return {each.message_id for each in self.missing}


async def compare(
    world: World,
    account_id: int,
    *,
    mail: MailReader | None = None,
    page_rows: int = PAGE,
    since: datetime | None = None,
    repair: bool = False,
) -> Compared:
    found = await world.database.read(lambda connection: accounts.by_id(connection, [account_id]))
    with FolderDiff() as findings:
        reader = mail or MailReader(world.graph)
        verification = Verification(
            world.database,
            reader,
            world.queue,
            MailFolders(world.graph, reader, clock=world.clock),
            findings,
            clock=world.clock,
            page_rows=page_rows,
        )
        tally = await verification.run(found[account_id], since=since, repair=repair)
        return Compared(tally, list(findings.missing()), list(findings.elsewhere()))


async def forget(world: World, delivered: DeliveredMessage) -> None:
    """Delete its row."""
    key = message.c.sGraphMessageID == delivered.message_id
    await world.database.write(lambda connection: connection.execute(delete(message).where(key)))


async def import_mail(world: World, account: int, delivered: list[DeliveredMessage]) -> None:
    await world.notify(account, delivered)
    await world.import_all()


async def test_what_is_missing_or_elsewhere_is_named_and_nothing_else(world: World) -> None:
    """A lost notification, a lost row, a message moved, one deleted; both sides are counted."""
    mailbox, account = await world.account_of("Nord")
    sent = await world.deliver(mailbox, 6)
    await import_mail(world, account, sent[:5])
    world.simulator.move_message(mailbox, sent[0].message_id, "archive")
    world.simulator.remove_message(mailbox, sent[1].message_id)
    await forget(world, sent[2])

    found = await compare(world, account, page_rows=2)

    assert found.missing_ids == {sent[2].message_id, sent[5].message_id}
    assert {each.item.message_id: (each.folder_id, each.folder_name) for each in found.elsewhere} == {
        sent[0].message_id: (mailbox.folders["archive"].folder_id, "Archive"),
        sent[1].message_id: (None, None),
    }
    tally = found.tally
    assert (tally.in_folder, tally.in_database, tally.missing, tally.elsewhere) == (4, 4, 2, 2)
    assert (tally.moved, tally.deleted, tally.under_way, tally.queued) == (1, 1, 2, 0)
    assert await world.queue_is_empty()


async def test_repair_then_import_then_clean(world: World) -> None:
    """It holds when the earlier queue message had no effect, too."""
    mailbox, account = await world.account_of("Nord")
    sent = await world.deliver(mailbox, 5)
    for _ in range(2):
        found = await compare(world, account, repair=True, page_rows=2)
        assert (found.tally.missing, found.tally.queued) == (5, 5)
    assert len(await world.waiting()) == 10
    await world.import_all()
    found = await compare(world, account, repair=True)
    assert (found.tally.in_folder, found.tally.in_database, found.tally.missing, found.tally.queued) == (5, 5, 0, 0)
    assert await world.imported_ids() == sorted(each.message_id for each in sent)
    assert await world.queue_is_empty()


async def test_only_the_young_are_perhaps_under_way(world: World) -> None:
    mailbox, account = await world.account_of("Nord")
    received = world.clock() - timedelta(minutes=4)
    await world.simulator.deliver(mailbox, Mail(subject="Late"), received=received)
    (young,) = await world.deliver(mailbox, 1)
    found = await compare(world, account)
    assert [each.message_id for each in found.missing if found.tally.is_under_way(each)] == [young.message_id]
    assert (found.tally.missing, found.tally.under_way) == (2, 1)


async def test_older_mail_does_not_count_on_either_side(world: World) -> None:
    """Older than the given date, or than the account imports; a row without a time counts."""
    mailbox = world.new_mailbox("Nord")
    now = world.clock().replace(microsecond=0)
    account = await world.add_account(mailbox, import_since=now - timedelta(days=10, microseconds=-5))
    ages = (20, 10, 5, 1)
    sent = [
        await world.simulator.deliver(mailbox, Mail(subject="Old"), received=now - timedelta(days=days))
        for days in ages
    ]
    await import_mail(world, account, sent[:3])
    for since, count, missing in ((None, 3, 1), (now - timedelta(days=2), 1, 1), (now - timedelta(days=90), 3, 1)):
        found = await compare(world, account, since=since)
        assert (found.tally.in_folder, found.tally.missing) == (count, missing)
        assert (found.tally.in_database, found.elsewhere) == (count - missing, [])

    # Nor is it an id that Graph accepts as one.
    row = {"nAccountID": account, "sGraphMessageID": "AAk-timeless", "bHasAttachments": False, "dtImported": now}
    await world.database.write(lambda connection: connection.execute(insert(message), [row]))
    found = await compare(world, account, since=now - timedelta(days=2))
    assert (found.tally.in_database, found.tally.deleted) == (1, 1)


@pytest.mark.parametrize("after_import", ["move", "delete"])
async def test_what_importing_takes_away_is_counted_and_not_looked_for(after_import: str, world: World) -> None:
    mailbox = world.new_mailbox("Nord")
    move_to = "Archive" if after_import == "move" else None
    account = await world.add_account(mailbox, after_import=after_import, move_to_folder=move_to)
    sent = await world.deliver(mailbox, 3)
    await world.notify(account, sent[:2])
    await world.import_and_act()
    asked = world.calls(Operation.GET_MESSAGE)
    found = await compare(world, account)
    assert world.calls(Operation.GET_MESSAGE) == asked
    assert found.missing_ids == {sent[2].message_id}
    assert (found.tally.elsewhere, found.tally.moved, found.tally.deleted, found.elsewhere) == (2, None, None, [])


class _Reader(MailReader):
    """The world's reader, with an action after the first page."""

    def __init__(self, world: World, happens: Callable[[], Any]) -> None:
        super().__init__(world.graph)
        self._happens = happens

    async def folder_page(
        self, mailbox: OpenedMailbox, folder: str, *, since: datetime | None = None, link: str | None = None
    ) -> FolderPage:
        page = await super().folder_page(mailbox, folder, since=since, link=link)
        await self._happens()
        return page


async def test_what_is_imported_meanwhile_is_neither_missing_nor_moved(world: World) -> None:
    """One was listed and is imported afterwards; one arrives after the list, and is imported."""
    mailbox, account = await world.account_of("Nord")
    listed = await world.deliver(mailbox, 1)

    async def go_on() -> None:
        await import_mail(world, account, [*listed, *await world.deliver(mailbox, 1)])

    found = await compare(world, account, mail=_Reader(world, go_on))
    assert (found.missing, found.elsewhere) == ([], [])
    assert (found.tally.in_folder, found.tally.in_database) == (2, 2)


# The command.


Verify = Callable[..., Any]


@pytest.fixture
def verify(command: Callable[..., Any]) -> Verify:
    """Run the command beside the simulator."""
    return lambda *arguments: command("verify", *arguments)


async def test_the_command_reports_repairs_and_ends_with_0_once_all_is_there(world: World, verify: Verify) -> None:
    mailbox, account = await world.account_of("Nord")
    sent = await world.deliver(mailbox, 3)
    await import_mail(world, account, sent[:2])
    world.simulator.move_message(mailbox, sent[0].message_id, "archive")

    reported = await verify("Nord")
    assert reported.exit_code == 1
    assert "1 message of the folder is not in the database" in reported.stderr
    lines = reported.stdout.splitlines()
    (missing,) = (line for line in lines if sent[2].message_id in line)
    assert missing.startswith("missing ")
    assert missing.endswith("perhaps under way")
    (moved,) = (line for line in lines if sent[0].message_id in line)
    assert moved.startswith("moved ")
    assert moved.endswith("now in Archive")
    assert sent[1].message_id not in reported.stdout
    assert await world.queue_is_empty()

    repaired = await verify("Nord", "--repair", "--json")
    assert repaired.exit_code == 1
    assert "1 was queued; run it again" in repaired.stderr
    found = json.loads(repaired.stdout)
    assert (found["in_folder"], found["in_database"], found["missing"], found["queued"]) == (2, 2, 1, 1)
    assert [(each["state"], each["folder_name"]) for each in found["differences"]] == [
        ("missing", None),
        ("moved", "Archive"),
    ]

    await world.import_all()
    clean = await verify("Nord")
    assert (clean.exit_code, clean.stderr) == (0, "")


async def test_the_command_reports_what_it_does_not_look_up_and_leaves_out(world: World, verify: Verify) -> None:
    mailbox = world.new_mailbox("Nord")
    since = world.clock() - timedelta(days=1)
    account = await world.add_account(mailbox, after_import="delete", import_since=since)
    (sent,) = await world.deliver(mailbox, 1)
    await import_mail(world, account, [sent])
    world.simulator.remove_message(mailbox, sent.message_id)
    result = await verify("Nord", "--since", "2020-01-01")
    assert result.exit_code == 0
    assert "not looked up" in result.stdout
    assert f"since {since:%Y-%m-%d %H:%M:%S} UTC" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [(["nobody"], 1, "no account named 'nobody'"), (["Nord", "--since", "2999-01-01"], 2, "in the future")],
)
async def test_what_cannot_be_compared_is_reported(
    arguments: list[str], status: int, said: str, world: World, verify: Verify
) -> None:
    await world.account_of("Nord")
    result = await verify(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr


async def test_a_mailbox_without_access_ends_with_its_reason_and_prints_nothing(world: World, verify: Verify) -> None:
    """A partial result would be mistaken for a whole one."""
    await world.account_of("Nord")
    world.fault(FaultKind.FORBIDDEN, operation=Operation.LIST_MESSAGES)
    result = await verify("Nord", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Nord" in result.stderr


# Larger than memory.


class _HugeFolder(MailReader):
    """Pages of a folder that are generated. Messages that are not in it were moved to others."""

    def __init__(self, size: int) -> None:
        self._size = size

    async def probe(
        self,
        mailbox: OpenedMailbox,  # noqa: ARG002  # the reader's
        folder: str = "inbox",
        *,
        deadline_seconds: float | None = None,  # noqa: ARG002  # as above
    ) -> dict[str, Any]:
        return {"id": folder, "displayName": folder.title()}

    async def parent_folder(self, mailbox: OpenedMailbox, message_id: str) -> str:  # noqa: ARG002  # as above
        return "archive"

    async def folder_page(
        self,
        mailbox: OpenedMailbox,  # noqa: ARG002  # as above
        folder: str,  # noqa: ARG002  # as above
        *,
        since: datetime | None = None,  # noqa: ARG002  # as above
        link: str | None = None,
    ) -> FolderPage:
        start = int(link or 0)
        items = [FolderItem(_id(number), None) for number in range(start, start + PAGE)]
        return FolderPage(items, str(start + PAGE) if start + PAGE < self._size else None)


def _id(number: int) -> str:
    return f"AAkALg{number:0140}"


def _fill(connection: Connection, account: int, numbers: range, now: datetime) -> None:
    for start in range(0, len(numbers), 10_000):
        rows = [
            {"nAccountID": account, "sGraphMessageID": _id(n), "bHasAttachments": False, "dtImported": now}
            for n in numbers[start : start + 10_000]
        ]
        connection.execute(insert(message), rows)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "missing", "moved"), [(4, 4, 4), (60_000, 60_000, 60_000)])
async def test_memory_grows_neither_with_the_folder_nor_with_what_is_missing(
    first: int, missing: int, moved: int, world: World
) -> None:
    """60,000 messages on both sides, and either nearly all of them found or none: ids alone would take 12 MB a side."""
    size = 60_000
    account = await world.add_account(world.new_mailbox("Nord"), import_since=accounts.EVERYTHING)
    rows = range(first, first + size)
    await world.database.write(lambda connection: _fill(connection, account, rows, world.clock()))
    found = await world.database.read(lambda connection: accounts.by_id(connection, [account]))
    with FolderDiff() as findings:
        mail = _HugeFolder(size)
        folders = MailFolders(world.graph, mail, clock=world.clock)
        verification = Verification(
            world.database, mail, world.queue, folders, findings, clock=world.clock, page_rows=PAGE
        )
        tracemalloc.start()
        tally = await verification.run(found[account])
        differences = sum(1 for _ in findings.missing()), sum(1 for _ in findings.elsewhere())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (tally.in_folder, tally.in_database, tally.missing, tally.moved) == (size, size, missing, moved)
    assert differences == (missing, moved)
    assert peak < 6 * 1024 * 1024


async def test_no_more_than_a_few_messages_are_looked_up_at_a_time(world: World) -> None:
    """Graph refuses a fifth call on a mailbox."""
    account = await world.add_account(world.new_mailbox("Nord"), import_since=accounts.EVERYTHING)
    await world.database.write(lambda connection: _fill(connection, account, range(PAGE, PAGE + 50), world.clock()))
    at_once: list[int] = []

    class Counting(_HugeFolder):
        running = 0

        async def parent_folder(self, mailbox: OpenedMailbox, message_id: str) -> str:
            self.running += 1
            at_once.append(self.running)
            await asyncio.sleep(0)
            self.running -= 1
            return await super().parent_folder(mailbox, message_id)

    found = await compare(world, account, mail=Counting(PAGE), page_rows=20)
    assert (found.tally.moved, max(at_once)) == (50, 4)
