"""Folder and database, compared; what is missing, queued."""

import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, delete, insert

from db import accounts
from db.tables import message
from graph.listing import FolderItem
from graph.mailbox import Mailbox as OpenedMailbox
from graph.messages import FolderPage, MailReader
from simulator.letters import Letter
from subscriptions.verification import Elsewhere, Missing, Verification
from tests.integration.world import World

Make = Callable[..., Awaitable[Verification]]


@pytest.fixture
def verification(world: World) -> Make:
    async def make(account_id: int, *, since: datetime | None = None, mail: MailReader | None = None) -> Verification:
        found = await world.database.read(lambda c: accounts.by_id(c, [account_id]))
        reader = mail or MailReader(world.graph)
        return Verification(world.database, reader, found[account_id], since=since, clock=world.clock)

    return make


async def test_what_is_missing_or_elsewhere_is_named(world: World, verification: Make) -> None:
    """And nothing else; both sides are counted."""
    mailbox, account = await world.account_of("Nord")
    sent = await world.deliver(mailbox, 6)
    await world.notify(account, sent[:5])
    await world.import_all()
    world.simulator.move_message(mailbox, sent[0].message_id, "archive")
    world.simulator.remove_message(mailbox, sent[1].message_id)
    await world.database.write(
        lambda c: c.execute(delete(message).where(message.c.sGraphMessageID == sent[2].message_id))
    )
    comparison = await verification(account)
    found = [each async for each in comparison.run()]

    assert {each.message_id for each in found if isinstance(each, Missing)} == {
        sent[2].message_id,
        sent[5].message_id,
    }
    archive = mailbox.folders["archive"].folder_id
    assert {each.message_id: each.folder for each in found if isinstance(each, Elsewhere)} == {
        sent[0].message_id: archive,
        sent[1].message_id: None,
    }
    counts = comparison.counts
    assert (counts.in_folder, counts.in_database, counts.missing, counts.elsewhere) == (4, 4, 2, 2)
    assert await world.queue_is_empty()


async def test_repair_queues_what_is_missing_until_nothing_is(world: World, verification: Make) -> None:
    """Also what was queued a moment ago and came to nothing."""
    mailbox, account = await world.account_of("Nord")
    sent = await world.deliver(mailbox, 4)
    for _ in range(2):
        comparison = await verification(account)
        assert len([each async for each in comparison.run(repair=world.queue)]) == 4
        assert comparison.counts.queued == 4
    await world.import_all()
    comparison = await verification(account)
    assert [each async for each in comparison.run(repair=world.queue)] == []
    assert await world.imported_ids() == sorted(each.message_id for each in sent)


async def test_older_mail_does_not_count(world: World, verification: Make) -> None:
    """Older than asked for, or than the account imports."""
    mailbox = world.new_mailbox("Nord")
    now = world.clock()
    account = await world.add_account(mailbox, import_since=now - timedelta(days=10))
    for days in (20, 5, 1):
        await world.simulator.deliver(mailbox, Letter(subject="Old"), received=now - timedelta(days=days))
    comparison = await verification(account)
    assert len([each async for each in comparison.run()]) == 2
    comparison = await verification(account, since=now - timedelta(days=2))
    assert len([each async for each in comparison.run()]) == 1
    comparison = await verification(account, since=now - timedelta(days=90))
    assert len([each async for each in comparison.run()]) == 2


async def test_what_importing_moves_is_not_looked_for(world: World, verification: Make) -> None:
    """It is elsewhere as it should be: counted, and Graph is not asked."""
    mailbox = world.new_mailbox("Nord")
    account = await world.add_account(mailbox, after_import="move", move_to_folder="Archive")
    sent = await world.deliver(mailbox, 2)
    await world.notify(account, sent)
    await world.import_all()
    world.simulator.move_message(mailbox, sent[0].message_id, "archive")
    comparison = await verification(account)
    assert [each async for each in comparison.run()] == []
    assert comparison.counts.elsewhere == 1


class _HugeFolder(MailReader):
    """Pages of a folder that nobody has to deliver."""

    def __init__(self, size: int) -> None:
        self._size = size

    async def folder_page(
        self,
        mailbox: OpenedMailbox,  # noqa: ARG002  # the signature of the reader
        folder: str,  # noqa: ARG002  # as above
        *,
        since: datetime | None = None,  # noqa: ARG002  # as above
        link: str | None = None,
    ) -> FolderPage:
        start = int(link or 0)
        items = [FolderItem(_id(number), None) for number in range(start, start + 1000)]
        return FolderPage(items, str(start + 1000) if start + 1000 < self._size else None)


def _id(number: int) -> str:
    return f"AAkALg{number:0140}"


async def test_memory_does_not_grow_with_the_folder(world: World, verification: Make) -> None:
    """200,000 messages on both sides take no more than a few pages do; ids alone would take 40 MB."""
    size = 200_000
    account = await world.add_account(world.new_mailbox("Nord"))

    def fill(connection: Connection) -> None:
        for start in range(0, size, 10_000):
            connection.execute(
                insert(message),
                [
                    {"nAccountID": account, "sGraphMessageID": _id(n), "bHasAttachments": False, "dtImported": _NOON}
                    for n in range(start, start + 10_000)
                    if n % 50_000
                ],
            )

    await world.database.write(fill)
    comparison = await verification(account, mail=_HugeFolder(size))
    tracemalloc.start()
    found = [each async for each in comparison.run()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [each.message_id for each in found] == [_id(n) for n in range(0, size, 50_000)]
    assert (comparison.counts.in_folder, comparison.counts.in_database) == (size, size - 4)
    assert peak < 12 * 1024 * 1024


_NOON = datetime.fromisoformat("2026-03-31T12:00:00+00:00")
