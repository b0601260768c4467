"""What can go wrong with the gateway database, told for the person who reads it.

DatabaseError
├── DatabaseUnavailable   locked, full, read-only, gone, not answering: work waits, nothing is lost
├── DriverMissing         a driver or library is not installed on this host
├── SchemaNotCurrent      `mail-importer db upgrade` comes first
├── SchemaUnusable        what is there stands in the way of an upgrade
├── AccountNotFound
└── AccountExists
"""

import re
import sqlite3
from collections.abc import Sequence

from sqlalchemy import exc as sqlalchemy_errors


class DatabaseError(Exception):
    """Base of the errors of this package."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot do this now; the same call may succeed later."""


class DriverMissing(DatabaseError):
    """The URL names a driver that cannot be loaded on this host."""


class SchemaNotCurrent(DatabaseError):
    """The schema is older or newer than this program."""


class SchemaUnusable(DatabaseError):
    """Tables that exist cannot be worked with, and an upgrade must not change them so. Nothing was changed.

    Attributes:
        problems: one line each: table and column, what was found, what is wanted, what to do.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        lines = ["The gateway database cannot be upgraded as it is; nothing was changed.", *problems]
        super().__init__("\n  ".join([*lines, "Then run again: mail-importer db upgrade"]))
        self.problems = problems


class AccountNotFound(DatabaseError):
    """No account has this name or number."""


class AccountExists(DatabaseError):
    """Another account has this name."""


# https://www.sqlite.org/rescode.html: the primary code is the low byte of the extended one.
_SQLITE_CAUSES = {
    sqlite3.SQLITE_BUSY: "another process holds its lock; if this lasts, find who keeps a transaction open",
    sqlite3.SQLITE_LOCKED: "another connection holds its lock",
    sqlite3.SQLITE_FULL: "its disk, or its size limit, is full; free some room",
    sqlite3.SQLITE_READONLY: "it is read-only; check the permissions of the file and of its folder",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened; check that the folder exists and may be written",
    sqlite3.SQLITE_IOERR: "its disk reported an input/output error",
    sqlite3.SQLITE_CORRUPT: "its file is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database",
}


def as_unavailable(exc: sqlalchemy_errors.SQLAlchemyError) -> DatabaseUnavailable | None:
    """Tell an outage from a fault of the statement: the first is waited out, the second is a bug and must be seen."""
    if isinstance(exc, sqlalchemy_errors.TimeoutError):
        return DatabaseUnavailable("The gateway database gave no free connection in time; it may be overloaded.")
    if not isinstance(exc, sqlalchemy_errors.DBAPIError):
        return None
    code = getattr(exc.orig, "sqlite_errorcode", None)
    if code is not None:
        cause = _SQLITE_CAUSES.get(code & 0xFF)
        if cause is not None:
            return DatabaseUnavailable(f"The gateway database cannot be used: {cause}.")
    if exc.connection_invalidated or isinstance(
        exc, sqlalchemy_errors.OperationalError | sqlalchemy_errors.InterfaceError
    ):
        return DatabaseUnavailable(f"The gateway database cannot be used: {exc.orig}.")
    return None


# Deadlock, update conflict under snapshot isolation, lock time-out; a key that another transaction was first to write.
# https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
_RETRIED_BY_SQL_SERVER = frozenset({1205, 3960, 1222, 2601, 2627})
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_RETRIED_BY_POSTGRESQL = frozenset({"40001", "40P01", "55P03", "23505"})
_NATIVE_ERROR = re.compile(r"\((\d+)\)")


def must_be_retried(exc: BaseException) -> bool:
    """Whether the transaction failed because of another one, on a server, so that the same work may succeed."""
    if not isinstance(exc, sqlalchemy_errors.DBAPIError):
        return False
    if getattr(exc.orig, "sqlstate", None) in _RETRIED_BY_POSTGRESQL:
        return True
    return bool(_RETRIED_BY_SQL_SERVER & {int(each) for each in _NATIVE_ERROR.findall(str(exc.orig))})
