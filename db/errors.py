"""What can go wrong with the gateway database, told for the person who reads it.

DatabaseError
├── DatabaseUnavailable   locked, full, read-only, gone, not answering: work waits, nothing is lost
├── DriverMissing         a driver or library is not installed on this host
├── SchemaNotCurrent      `mail-importer db upgrade` comes first
├── SchemaUnusable        what is there stands in the way of an upgrade
├── AccountNotFound
├── AccountUnreadable     its row holds what cannot be used
└── AccountExists
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import exc as sqlalchemy_errors

from db.backends.causes import LOST, STOPPING, UNKNOWN
from db.backends.faults import fault_of
from phrases import Phrase


class DatabaseError(Exception):
    """Base of the errors of this package."""

    def __init__(self, text: Phrase) -> None:
        super().__init__(text)


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

    def __init__(self, problems: Sequence[Phrase]) -> None:
        head = Phrase("The gateway database cannot be upgraded as it is; nothing was changed.")
        last = Phrase("Then run again: mail-importer db upgrade")
        super().__init__(Phrase.joined(head, *problems, last, by="\n  "))
        self.problems = problems


class AccountNotFound(DatabaseError):
    """No account has this name or number."""


class AccountUnreadable(DatabaseError):
    """The row of the account holds what cannot be used; the account waits until it is corrected."""


class AccountExists(DatabaseError):
    """Another account has this name."""


def as_unavailable(exc: sqlalchemy_errors.SQLAlchemyError) -> DatabaseUnavailable | None:
    """Tell an outage from a fault of the statement: the first is waited out, the second is a bug and must be seen."""
    if isinstance(exc, sqlalchemy_errors.TimeoutError):
        return DatabaseUnavailable(
            Phrase(
                "The gateway database gave no free connection in time; it may be overloaded, or database_pool_size "
                "too low."
            )
        )
    if not isinstance(exc, sqlalchemy_errors.DBAPIError):
        return None
    fault = fault_of(exc.orig)
    if fault.meaning.cause is None and not fault.meaning.quotes and _is_outage(exc):
        fault = replace(fault, meaning=UNKNOWN)
    return (
        None
        if fault.meaning.cause is None
        else DatabaseUnavailable(Phrase("The gateway database cannot be used: {fault}.", fault=fault))
    )


def must_be_retried(exc: BaseException) -> bool:
    """Check whether the same work may succeed at once: after a conflict of transactions, or on a dead connection."""
    return isinstance(exc, sqlalchemy_errors.DBAPIError) and (fault_of(exc.orig).meaning.again or is_lost(exc))


def is_lost(exc: BaseException) -> bool:
    """Check whether a statement found its connection dead, as after a restart of the server while it lay in the pool.

    The transaction is gone with it. Not said of a commit: that may have been carried out.
    """
    return (
        isinstance(exc, sqlalchemy_errors.DBAPIError)
        and exc.connection_invalidated
        and exc.statement is not None
        and fault_of(exc.orig).meaning in {LOST, STOPPING}
    )


def _is_outage(exc: sqlalchemy_errors.DBAPIError) -> bool:
    # Without a statement it was a connection, a commit or a look whether the connection is alive.
    weather = (sqlalchemy_errors.OperationalError, sqlalchemy_errors.InterfaceError)
    return exc.statement is None or exc.connection_invalidated or isinstance(exc, weather)
