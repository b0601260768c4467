"""Copies of a SQLite database that is in use: consistent, and checked.

`VACUUM INTO` reads in one transaction (https://www.sqlite.org/lang_vacuum.html): the copy is the database at its
beginning, and writers go on. Copying the file itself would miss what is in its `-wal`, or catch half of a page.
"""

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Engine

from db.errors import DatabaseError
from phrases import Phrase

_MAX_PROBLEMS: Final = 5


class CopyFailed(DatabaseError):
    """The copy was not made, or is not as the database."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents of a copy: the revision of its schema, the number of messages, and the time of the last import (UTC)."""

    revision: str | None
    messages: int
    last_imported: datetime | None


def size_of(engine: Engine) -> int:
    """Bytes of a copy: those of the database without its free pages."""
    with contextlib.closing(engine.raw_connection()) as pooled, contextlib.closing(pooled.cursor()) as cursor:
        pages, free, size = (
            int(cursor.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


def copy_into(engine: Engine, target: Path) -> None:
    """Write a copy of the database into the file, which is empty or missing; it is on the disk when this returns.

    Raises:
        CopyFailed: it cannot be read, or the target not be written.
    """
    try:
        with contextlib.closing(engine.raw_connection()) as pooled, contextlib.closing(pooled.cursor()) as cursor:
            cursor.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as exc:
        raise CopyFailed(Phrase("The gateway database cannot be copied: {why}.", why=exc)) from exc
    number = os.open(target, os.O_RDWR)
    try:
        os.fsync(number)  # VACUUM INTO leaves that to the system
    finally:
        os.close(number)


def check(copy: Path) -> Contents:
    """Check every page, index and foreign key of a copy, and return what it holds. Changes nothing.

    Raises:
        CopyFailed: it is damaged.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(copy))}?mode=ro", uri=True)) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MAX_PROBLEMS})")]
            problems = [] if found == ["ok"] else found
            keys = connection.execute("PRAGMA foreign_key_check").fetchmany(_MAX_PROBLEMS)
            problems += [f"foreign key of {table}, row {row}" for table, row, *_ in keys]
            if not problems:
                return _contents(connection)
    except sqlite3.Error as exc:
        problems = [str(exc)]
    raise CopyFailed(
        Phrase(
            "The copy of the gateway database is damaged ({problems}), and so may be the database: keep earlier "
            "backups, and check the disk.",
            problems="; ".join(problems),
        )
    )


def _contents(connection: sqlite3.Connection) -> Contents:
    [revision] = connection.execute('SELECT max(version_num) FROM "tblMailImporterVersion"').fetchone()
    messages, last = connection.execute('SELECT count(*), max("dtImported") FROM "tblEmailMessage"').fetchone()
    return Contents(revision, messages, None if last is None else datetime.fromisoformat(last).replace(tzinfo=UTC))
