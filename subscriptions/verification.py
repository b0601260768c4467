"""Proof that the database holds every message of a folder, regardless of webhooks."""

import asyncio
import itertools
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import Connection

from bus.notification import Notification, Source
from bus.queue import NotificationSender
from db.engine import Database
from db.outcomes import ActionKind
from db.queries import accounts, duplicates, filtered, messages, retention, scans
from db.queries.accounts import EVERYTHING, Account
from db.queries.duplicates import Duplicate
from db.queries.messages import ImportedRow
from graph.errors import FolderNotFound, ItemGone, RequestRejected
from graph.folders import MailFolders
from graph.mailbox import Mailbox
from graph.messages import MailReader
from graph.subscriptions import NOTIFIED_WITHIN
from phrases import Phrase
from subscriptions.folder_diff import Elsewhere, FolderDiff, Item, SuppressedCopy

_LOOKED_UP_AT_ONCE: Final = 4
"""Concurrent look-ups; their calls are made one at a time, beside the processors' four."""
_LEAVES_THE_FOLDER: Final = frozenset({ActionKind.MOVE, ActionKind.DELETE})


class _IdsOfAccount(Protocol):
    """Up to `limit` Graph ids of an account, in their order, beginning after `after`."""

    def __call__(self, connection: Connection, account_id: int, /, *, after: str, limit: int) -> list[str]: ...


@dataclass(slots=True)
class Tally:
    """Message counts; both sides count only those received at `since` (None: ever) or later.

    `missing`: in the folder, not in the database; `under_way`: those of them received after `young_since`, three
    minutes before the beginning. `queued`: those of the missing that were queued. `copies`: in the folder, not imported
    because they equal imported messages; `scanning`: because Defender still scans their attachments; `seen`: because
    the account's filters left them out. `elsewhere`: in the database, not in the folder; of those, `moved` and
    `deleted`; None: not looked up, because importing moves or deletes what it imports.
    """

    since: datetime | None
    young_since: datetime
    folder_name: str | None = None
    in_folder: int = 0
    in_database: int = 0
    missing: int = 0
    under_way: int = 0
    queued: int = 0
    elsewhere: int = 0
    copies: int = 0
    seen: int = 0
    scanning: int = 0
    moved: int | None = None
    deleted: int | None = None

    def is_under_way(self, item: Item) -> bool:
        """True if the notification of a missing message may still come."""
        return item.received is not None and item.received > self.young_since


@dataclass(slots=True)
class _Place:
    """The verified folder, and the names of other folders."""

    mailbox: Mailbox
    folder: str
    folder_id: str
    names: dict[str, str | None] = field(default_factory=dict)


class Verification:
    """Compares the folder of an account with the rows of the account, page by page."""

    def __init__(
        self,
        database: Database,
        mail: MailReader,
        queue: NotificationSender,
        folders: MailFolders,
        findings: FolderDiff,
        *,
        clock: Callable[[], datetime],
        on_progress: Callable[[Phrase, int], None] = lambda _activity, _done: None,
        page_rows: int = 1000,
    ) -> None:
        """`findings` stores the result. `on_progress` receives the current step, and how much of it is done."""
        self._database = database
        self._mail = mail
        self._queue = queue
        self._folders = folders
        self._findings = findings
        self._clock = clock
        self._on_progress = on_progress
        self._page_rows = page_rows

    async def run(self, account: Account, *, since: datetime | None = None, repair: bool = False) -> Tally:
        """Compare, and with `repair` queue what is missing.

        `since`: messages received earlier do not count; nor do those that the account does not import.

        Raises:
            GraphError, DatabaseUnavailable
            QueueUnavailable: some of the missing may be queued.
            sqlite3.Error: see FolderDiff.
        """
        times = [each for each in (since, account.settings.import_since) if each is not None and each > EVERYTHING]
        # Graph's times have whole seconds.
        first = max(times).replace(microsecond=0) if times else None
        tally = Tally(first, young_since=self._clock() - NOTIFIED_WITHIN)
        mailbox = Mailbox.of(account.account_id, account.settings)
        located = await self._folders.locate(mailbox, account.settings.folder)
        folder = await self._mail.probe(mailbox, located)
        tally.folder_name = folder.get("displayName")
        place = _Place(mailbox, located, str(folder.get("id")))
        await self._read_folder(place, tally)
        await self._compare(account, place, tally)
        tally.copies = await self._struck_copies(account.account_id)
        tally.seen = await self._struck(account.account_id, filtered.ids_of_account)
        tally.scanning = await self._struck_scanning(account.account_id)
        await self._recreate_missing(account, tally, repair=repair)
        return tally

    async def _read_folder(self, place: _Place, tally: Tally) -> None:
        async for page in self._mail.folder_pages(place.mailbox, place.folder, since=tally.since):
            # Mail that arrives meanwhile shifts the pages, so that some of it is listed twice.
            tally.in_folder += self._findings.add([Item(each.message_id, each.received) for each in page.items])
            self._on_progress(Phrase("Reading the folder"), tally.in_folder)

    async def _compare(self, account: Account, place: _Place, tally: Tally) -> None:
        looked_up = account.settings.after_import not in _LEAVES_THE_FOLDER
        if looked_up:
            tally.moved = tally.deleted = 0
        after = ""
        while rows := await self._rows(account.account_id, tally.since, after):
            after = rows[-1].graph_id
            tally.in_database += len(rows)
            absent = self._findings.mark_known([each.graph_id for each in rows])
            if looked_up:
                await self._look_up([each for each in rows if each.graph_id in absent], place, tally)
            else:
                tally.elsewhere += len(absent)
            self._on_progress(Phrase("Comparing with the database"), tally.in_database)

    async def _struck(self, account_id: int, ids_of_account: _IdsOfAccount) -> int:
        """Mark messages known for a reason other than import, so no longer missing; return their number."""
        struck, after = 0, ""
        while ids := await self._ids(account_id, ids_of_account, after):
            after = ids[-1]
            struck += len(ids) - len(self._findings.mark_known(ids))
        return struck

    async def _struck_copies(self, account_id: int) -> int:
        """Like `_struck`, for copies, which are stored with the messages they equal."""
        struck, after = 0, ""
        while page := await self._copies(account_id, after):
            after = page[-1][0].graph_id
            struck += self._findings.mark_known_copies(
                [
                    SuppressedCopy(Item(copy.graph_id, None), copy.message_id, graph_id, copy.reason)
                    for copy, graph_id in page
                ]
            )
        return struck

    async def _copies(self, account_id: int, after: str) -> list[tuple[Duplicate, str]]:
        return await self._database.read(
            lambda connection: duplicates.page_of_account(connection, account_id, after=after, limit=self._page_rows)
        )

    async def _struck_scanning(self, account_id: int) -> int:
        """Like `_struck`, for messages that wait for their attachments: they are in the queue for a processor."""
        now = self._clock()
        ids = await self._database.read(lambda connection: scans.waiting(connection, account_id, now=now))
        return len(ids) - len(self._findings.mark_known(ids))

    async def _ids(self, account_id: int, ids_of_account: _IdsOfAccount, after: str) -> list[str]:
        return await self._database.read(
            lambda connection: ids_of_account(connection, account_id, after=after, limit=self._page_rows)
        )

    async def _rows(self, account_id: int, since: datetime | None, after: str) -> list[ImportedRow]:
        return await self._database.read(
            lambda connection: messages.page_of_account(
                connection, account_id, after=after, since=since, limit=self._page_rows
            )
        )

    async def _look_up(self, rows: Sequence[ImportedRow], place: _Place, tally: Tally) -> None:
        """Locate them, a few at a time."""
        left = iter(rows)

        async def work() -> None:
            for row in left:
                found = await self._locate(place, Item(row.graph_id, row.received))
                self._note(found, tally)

        tasks = [asyncio.create_task(work()) for _ in range(min(_LOOKED_UP_AT_ONCE, len(rows)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _locate(self, place: _Place, item: Item) -> Elsewhere | None:
        """The place of the message; None when it is in the folder after all."""
        try:
            folder_id = await self._mail.parent_folder(place.mailbox, item.message_id)
        except ItemGone:
            return Elsewhere(item, None, None)
        except RequestRejected as exc:
            # An id that Graph calls malformed names no message of the mailbox; others are to be compared still.
            if (exc.code or "").lower() != "errorinvalididmalformed":
                raise
            return Elsewhere(item, None, None)
        if folder_id == place.folder_id:
            return None
        return Elsewhere(item, folder_id, await self._name(place, folder_id))

    async def _name(self, place: _Place, folder_id: str) -> str | None:
        if folder_id not in place.names:
            try:
                place.names[folder_id] = (await self._mail.probe(place.mailbox, folder_id)).get("displayName")
            except FolderNotFound:
                place.names[folder_id] = None
        return place.names[folder_id]

    def _note(self, found: Elsewhere | None, tally: Tally) -> None:
        if found is None:
            # It came and was imported while the folder was read, or its page shifted then.
            tally.in_folder += 1
            return
        tally.elsewhere += 1
        if found.folder_id is None:
            tally.deleted = (tally.deleted or 0) + 1
        else:
            tally.moved = (tally.moved or 0) + 1
        self._findings.note_elsewhere([found])

    async def _recreate_missing(self, account: Account, tally: Tally, *, repair: bool) -> None:
        now = self._clock()
        for items in _pages(self._findings.missing(), self._page_rows):
            # Imported while the others were compared, or purged: a purged message is no longer imported.
            known, since = await self._look_again(account, items)
            absent = [each for each in items if each.message_id not in known]
            lacking = [each for each in absent if accounts.imports(since, each.received)]
            purged = [each.message_id for each in absent if not accounts.imports(since, each.received)]
            self._findings.mark_known([*known, *purged])
            tally.in_database += len(known)
            tally.in_folder -= len(purged)
            tally.missing += len(lacking)
            tally.under_way += sum(tally.is_under_way(each) for each in lacking)
            if repair and lacking:
                await self._queue.put([each.to_message() for each in _notifications(account, lacking, now)])
                tally.queued += len(lacking)
                self._on_progress(Phrase("Queueing what is missing"), tally.queued)

    async def _look_again(self, account: Account, items: list[Item]) -> tuple[set[str], datetime | None]:
        ids = [each.message_id for each in items]
        return await self._database.read(
            lambda connection: retention.known_and_since(connection, account.account_id, ids)
        )


def _pages(items: Iterable[Item], rows: int) -> Iterable[list[Item]]:
    left = iter(items)
    while page := list(itertools.islice(left, rows)):
        yield page


def _notifications(account: Account, items: Sequence[Item], now: datetime) -> list[Notification]:
    prefix = uuid.uuid4().hex[:16]
    return [
        Notification.of_found(
            account.account_id,
            each.message_id,
            source=Source.OPERATOR,
            found=now,
            correlation=f"{prefix}-{number}",
        )
        for number, each in enumerate(items)
    ]
