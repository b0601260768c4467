"""Purged mail stays out of the database, while its mailbox has it still."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result

from console.db.purge_batches import Purged, PurgeSelection, Purging
from db.queries import accounts
from graph.delta import DeltaPage, DeltaReader
from graph.folders import MailFolders
from graph.mailbox import Mailbox as OpenedMailbox
from graph.messages import FolderPage, MailReader
from simulator.content.mail import Mail
from simulator.faults import FaultKind
from simulator.state.mail_server import DeliveredMessage
from simulator.state.mailboxes import Mailbox
from subscriptions.folder_diff import FolderDiff
from subscriptions.verification import Verification
from tests.integration.manager_world import Office
from tests.integration.test_catch_up import SWEEP, ids, imported, is_swept, silently, swept
from tests.integration.world import World
from tests.waiting import until

Command = Callable[..., Awaitable[Result]]

DAY = timedelta(days=1)


async def mail(world: World, mailbox: Mailbox) -> tuple[list[DeliveredMessage], list[DeliveredMessage]]:
    """Three messages older than 400 days, one of them by less than a second, and two younger ones."""
    just = (world.clock() - 400 * DAY).replace(microsecond=0)

    async def received(*times: Any) -> list[DeliveredMessage]:  # noqa: ANN401  # times
        return [
            await world.simulator.deliver(mailbox, Mail(subject="x"), notify=False, received=each) for each in times
        ]

    old = await received(just - 600 * DAY, just - DAY, just - timedelta(seconds=1))
    return old, await received(just + timedelta(seconds=5), world.clock() - DAY)


async def purge(world: World) -> Purged:
    purged = Purged()
    order = PurgeSelection((world.clock() - 400 * DAY).replace(microsecond=0))
    await Purging(world.database, clock=world.clock).purge(order, purged, lambda _: None)
    return purged


async def test_a_pass_through_the_whole_folder_does_not_bring_it_back(office: Office) -> None:
    world = office.world
    mailbox = world.new_mailbox("Nord")
    old, young = await mail(world, mailbox)
    account = await world.add_account(mailbox, import_since=accounts.EVERYTHING)
    async with office.receiving(), office.managing(sweeping=SWEEP), world.processing():
        await until(lambda: imported(office, old + young))
        await until(lambda: is_swept(office, account))
        assert (await purge(world)).messages == 3
        first = await swept(office, account)
        lost = await silently(office, mailbox, 1)
        world.fault(FaultKind.SYNC_STATE_LOST, status=410, error_code="SyncStateNotFound", count=1)
        world.clock.advance(minutes=20)
        await until(lambda: imported(office, young + lost))
        assert await swept(office, account) != first
        await until(world.queue_is_empty)
    assert await world.imported_ids() == ids(*young, *lost)


async def test_a_pass_under_way_does_not_either(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began when all mail was imported, and has listed the old messages when they are deleted."""
    world = office.world
    mailbox = world.new_mailbox("Nord")
    old, young = await mail(world, mailbox)
    account = await world.add_account(mailbox, import_since=accounts.EVERYTHING)
    await world.notify(account, old)
    await world.import_all()
    page, purged = DeltaReader.page, []

    async def page_then_purge(reader: DeltaReader, *which: Any) -> DeltaPage:  # noqa: ANN401  # passed through
        found = await page(reader, *which)
        purged.append((await purge(world)).messages)
        return found

    monkeypatch.setattr(DeltaReader, "page", page_then_purge)
    async with office.receiving(), office.managing(), world.processing():
        await until(lambda: is_swept(office, account))
        await until(lambda: imported(office, young))
    assert purged == [3]
    assert await world.queue_is_empty()


async def compare(world: World, account: int, mail: MailReader) -> tuple[int, int, int, int]:
    """Return the counts: missing and queued; in the folder and in the database."""
    found = await world.database.read(lambda connection: accounts.by_id(connection, [account]))
    with FolderDiff() as findings:
        folders = MailFolders(world.graph, mail, clock=world.clock)
        verification = Verification(world.database, mail, world.queue, folders, findings, clock=world.clock)
        tally = await verification.run(found[account], repair=True)
        assert not list(findings.missing())
        return tally.missing, tally.queued, tally.in_folder, tally.in_database


class _Purging(MailReader):
    """List a folder; then purge the old messages."""

    def __init__(self, world: World) -> None:
        super().__init__(world.graph)
        self._world = world

    async def folder_page(self, mailbox: OpenedMailbox, folder: str, **options: Any) -> FolderPage:  # noqa: ANN401  # passed through
        page = await super().folder_page(mailbox, folder, **options)
        assert (await purge(self._world)).messages == 3
        return page


async def test_verify_does_not_miss_it(world: World) -> None:
    """The mail is purged in the middle of the comparison, too."""
    mailbox = world.new_mailbox("Nord")
    old, young = await mail(world, mailbox)
    account = await world.add_account(mailbox, import_since=accounts.EVERYTHING)
    await world.notify(account, old + young)
    await world.import_all()
    assert await compare(world, account, _Purging(world)) == (0, 0, 2, 2)
    assert await compare(world, account, MailReader(world.graph)) == (0, 0, 2, 2)
    assert await world.queue_is_empty()


async def test_who_asks_for_it_gets_it(world: World, command: Command) -> None:
    """An operator may import it again, by its id or by an earlier date; not by importing all missing mail."""
    mailbox = world.new_mailbox("Nord")
    old, young = await mail(world, mailbox)
    account = await world.add_account(mailbox, import_since=accounts.EVERYTHING)
    await world.notify(account, old + young)
    await world.import_all()
    await purge(world)
    whatever = await command("import", "Nord")
    assert (whatever.exit_code, await world.imported_ids()) == (0, ids(*young))
    assert "was purged, and is left out" in whatever.stderr
    assert (await command("import", "Nord", "--id", old[1].message_id)).exit_code == 0
    assert await world.imported_ids() == ids(old[1], *young)
    since = (world.clock() - 402 * DAY).isoformat()
    assert json.loads((await command("import", "Nord", "--since", since, "--json")).stdout)["imported"] == 1
    assert await world.imported_ids() == ids(*old[1:], *young)
