"""Differences between a folder and the database, in a temporary file: folders may be larger than memory."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

_ROWS_AT_A_TIME: Final = 1000
_CACHE_KIBIBYTES: Final = 8192

_TABLES: Final = """
CREATE TABLE folder (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, received TEXT);
CREATE TABLE elsewhere (number INTEGER PRIMARY KEY, id TEXT NOT NULL, received TEXT, folder_id TEXT, folder_name TEXT);
CREATE TABLE copies (number INTEGER PRIMARY KEY, id TEXT NOT NULL, received TEXT, message_number INTEGER NOT NULL,
    message_id TEXT NOT NULL, reason TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Item:
    """A message by its immutable id, and its time of receipt (aware, UTC), as far as known."""

    message_id: str
    received: datetime | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A message of the database that is not in the folder. `folder_id` None: it is deleted."""

    item: Item
    folder_id: str | None
    folder_name: str | None


@dataclass(frozen=True, slots=True)
class SuppressedCopy:
    """A message of the folder that was not imported, because it equals an imported one.

    `of_number` and `of_message_id`: `nMessageID` and Graph id of that one; `reason`: see `db.queries.duplicates`.
    """

    item: Item
    of_number: int
    of_message_id: str
    reason: str


class FolderDiff:
    """Messages of a folder, those of them that the database lacks, and those of the database that the folder lacks.

    A context manager: at its end the file is gone. A page takes milliseconds, so nothing here is awaited.

    Every method raises sqlite3.Error when the file cannot be written: the disk of temporary files is full.
    """

    def __init__(self) -> None:
        # Without a name it is a file that no other process can open, and that is gone also when the process is killed:
        # https://www.sqlite.org/inmemorydb.html#temporary_databases
        self._connection = sqlite3.connect("", isolation_level=None)
        # It is not read after a crash, so it needs no journal.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIBIBYTES}"):
            self._connection.execute(f"PRAGMA {pragma}").close()
        self._connection.executescript(_TABLES).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, items: Sequence[Item]) -> int:
        """Note messages of the folder; return the number of new ones."""
        rows = [(each.message_id, _text(each.received)) for each in items]
        with self._transaction() as cursor:
            cursor.executemany("INSERT OR IGNORE INTO folder (id, received) VALUES (?, ?)", rows)
            return cursor.rowcount

    def mark_known(self, message_ids: Sequence[str]) -> set[str]:
        """Note that the database has these: what remains is missing. Return those of them that the folder lacks."""
        absent: set[str] = set()
        with self._transaction() as cursor:
            for message_id in message_ids:
                if not cursor.execute("DELETE FROM folder WHERE id = ?", (message_id,)).rowcount:
                    absent.add(message_id)
        return absent

    def mark_known_copies(self, copies: Sequence[SuppressedCopy]) -> int:
        """Like `mark_known`, and store those that the folder has, with their time of receipt; return their number."""
        count = 0
        with self._transaction() as cursor:
            for each in copies:
                message_id = each.item.message_id
                found = cursor.execute("SELECT received FROM folder WHERE id = ?", (message_id,)).fetchone()
                if found is None:
                    continue
                cursor.execute("DELETE FROM folder WHERE id = ?", (message_id,))
                cursor.execute(
                    "INSERT INTO copies (id, received, message_number, message_id, reason) VALUES (?, ?, ?, ?, ?)",
                    (message_id, found[0], each.of_number, each.of_message_id, each.reason),
                )
                count += 1
        return count

    def note_elsewhere(self, found: Sequence[Elsewhere]) -> None:
        """Store the locations of messages that the folder lacks."""
        rows = [(each.item.message_id, _text(each.item.received), each.folder_id, each.folder_name) for each in found]
        with self._transaction() as cursor:
            cursor.executemany("INSERT INTO elsewhere (id, received, folder_id, folder_name) VALUES (?, ?, ?, ?)", rows)

    def missing(self) -> Iterator[Item]:
        """Messages added and not marked known, in the order added. They may be marked meanwhile."""
        for row in self._rows("folder", "id, received"):
            yield Item(row[0], _time(row[1]))

    def elsewhere(self) -> Iterator[Elsewhere]:
        """Messages of `note_elsewhere`, in that order."""
        for row in self._rows("elsewhere", "id, received, folder_id, folder_name"):
            yield Elsewhere(Item(row[0], _time(row[1])), row[2], row[3])

    def copies(self) -> Iterator[SuppressedCopy]:
        """Messages marked by `mark_known_copies`, in that order."""
        for row in self._rows("copies", "id, received, message_number, message_id, reason"):
            yield SuppressedCopy(Item(row[0], _time(row[1])), row[2], row[3], row[4])

    def _rows(self, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
        after = 0
        while True:
            with closing(
                self._connection.execute(
                    f"SELECT {columns}, number FROM {table} WHERE number > ? ORDER BY number LIMIT ?",  # noqa: S608  # ours
                    (after, _ROWS_AT_A_TIME),
                )
            ) as cursor:
                rows = cursor.fetchall()
            if not rows:
                return
            after = rows[-1][-1]
            yield from rows

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN")
            yield cursor
            cursor.execute("COMMIT")


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
