"""Compares a folder with the rows in the database, page by page, whatever the size of either.

The ids of the folder go into a temporary file, so that memory is bounded.
"""

import asyncio
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bus.notification import Notification, Source
from bus.queue import NotificationSender
from db import messages
from db.accounts import Account
from db.engine import Database
from graph.errors import ItemGone
from graph.listing import FolderItem
from graph.mailbox import Mailbox
from graph.messages import MailReader

_ROWS: Final = 1000
_AT_ONCE: Final = 4
_MOVING: Final = frozenset({"move", "delete"})


@dataclass(frozen=True, slots=True)
class Missing:
    """A message of the folder that the database lacks."""

    message_id: str
    received: datetime | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A row whose message is not in the folder. `folder`: the id of where it is now; None: nowhere any more."""

    message_id: str
    received: datetime | None
    folder: str | None


@dataclass(slots=True)
class Counts:
    """Messages on both sides, since the time compared."""

    in_folder: int = 0
    in_database: int = 0
    missing: int = 0
    elsewhere: int = 0
    queued: int = 0


class Verification:
    """One comparison of one account; `counts` grow while it runs."""

    def __init__(
        self,
        database: Database,
        mail: MailReader,
        account: Account,
        *,
        since: datetime | None,
        clock: Callable[[], datetime],
    ) -> None:
        """`since` (aware): messages received earlier do not count; never earlier than the account imports."""
        self._database = database
        self._mail = mail
        self._account = account
        self._mailbox = Mailbox.of(account.account_id, account.settings)
        self._clock = clock
        times = [each.replace(microsecond=0) for each in (since, account.settings.import_since) if each is not None]
        self.since = max(times, default=None)
        self.counts = Counts()

    @property
    def looks_elsewhere(self) -> bool:
        """Whether a message that left the folder is worth a look: not when importing moves or deletes it."""
        return self._account.settings.after_import not in _MOVING

    async def run(self, *, repair: NotificationSender | None = None) -> AsyncIterator[Missing | Elsewhere]:
        """Everything that differs, as it is found; what is missing is queued with `repair`.

        Raises:
            GraphError, DatabaseUnavailable, QueueUnavailable
        """
        with _ids() as seen:
            async for lacking in self._through_the_folder(seen):
                if repair is not None and lacking:
                    await repair.put([each.to_message() for each in self._notifications(lacking)])
                    self.counts.queued += len(lacking)
                for item in lacking:
                    yield Missing(item.message_id, item.received)
            async for strangers in self._through_the_database(seen):
                for each in strangers:
                    yield each

    async def _through_the_folder(self, seen: "_Ids") -> AsyncIterator[list[FolderItem]]:
        account_id = self._account.account_id
        link: str | None = None
        while True:
            page = await self._mail.folder_page(
                self._mailbox, self._account.settings.folder, since=self.since, link=link
            )
            # Mail that arrives meanwhile moves the pages on: some ids come twice.
            fresh = seen.add(page.items)
            keys = [(account_id, each.message_id) for each in fresh]
            known = await self._database.read(lambda connection, keys=keys: messages.known(connection, keys))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
            lacking = [each for each in fresh if (account_id, each.message_id) not in known]
            self.counts.in_folder += len(fresh)
            self.counts.missing += len(lacking)
            yield lacking
            if page.link is None:
                return
            link = page.link

    async def _through_the_database(self, seen: "_Ids") -> AsyncIterator[Sequence[Elsewhere]]:
        after = 0
        while True:
            rows = await self._database.read(
                lambda connection, after=after: messages.page_of_account(  # type: ignore[misc]  # as above
                    connection, self._account.account_id, after=after, since=self.since, most=_ROWS
                )
            )
            if not rows:
                return
            after = rows[-1].number
            self.counts.in_database += len(rows)
            strangers = [each for each in rows if each.graph_id not in seen]
            self.counts.elsewhere += len(strangers)
            if self.looks_elsewhere:
                for start in range(0, len(strangers), _AT_ONCE):
                    yield await asyncio.gather(*map(self._look_up, strangers[start : start + _AT_ONCE]))

    async def _look_up(self, row: messages.ImportedRow) -> Elsewhere:
        try:
            folder: str | None = await self._mail.parent_folder(self._mailbox, row.graph_id)
        except ItemGone:
            folder = None
        return Elsewhere(row.graph_id, row.received, folder)

    def _notifications(self, items: Iterable[FolderItem]) -> Iterator[Notification]:
        prefix, now = uuid.uuid4().hex[:16], self._clock()
        for number, each in enumerate(items):
            yield Notification(
                account_id=self._account.account_id,
                subscription_id=None,
                change_type="created",
                message_id=each.message_id,
                etag=None,
                received=now,
                correlation=f"{prefix}-{number}",
                source=Source.OPERATOR,
            )


class _Ids:
    """A set of message ids in a file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def __contains__(self, message_id: str) -> bool:
        return self._connection.execute("SELECT 1 FROM seen WHERE id = ?", (message_id,)).fetchone() is not None

    def add(self, items: Sequence[FolderItem]) -> list[FolderItem]:
        """Remember these; those that were not there before."""
        insert = "INSERT OR IGNORE INTO seen VALUES (?)"
        return [each for each in items if self._connection.execute(insert, (each.message_id,)).rowcount]


@contextmanager
def _ids() -> Iterator[_Ids]:
    with tempfile.TemporaryDirectory(prefix="mail-importer-verify-") as folder:
        connection = sqlite3.connect(Path(folder) / "ids.db", isolation_level=None, check_same_thread=False)
        try:
            # Nobody needs it after a crash, and the page cache is all the memory it takes.
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-8000"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("BEGIN")
            yield _Ids(connection)
        finally:
            connection.close()
