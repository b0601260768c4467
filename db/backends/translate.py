"""Errors of SQLAlchemy and the drivers, translated into those of `db.errors`."""

from dataclasses import replace

from sqlalchemy import exc as sqlalchemy_errors

from db.backends.causes import FATAL, LOST, STOPPING, UNKNOWN
from db.backends.faults import DriverError, driver_error_of
from db.errors import DatabaseUnavailable
from phrases import Phrase


def as_unavailable(exc: sqlalchemy_errors.SQLAlchemyError) -> DatabaseUnavailable | None:
    """Distinguish an outage from a faulty statement: the first is waited out, the second is a bug and must be seen."""
    if isinstance(exc, sqlalchemy_errors.TimeoutError):
        return DatabaseUnavailable(
            Phrase(
                "The gateway database gave no free connection in time; it may be overloaded, or database_pool_size "
                "too low."
            )
        )
    if not isinstance(exc, sqlalchemy_errors.DBAPIError):
        return None
    fault = driver_error_of(exc.orig)
    if fault.meaning.cause is None and not fault.meaning.quotes and _is_outage(exc):
        return unknown_outage(exc)
    return None if fault.meaning.cause is None else _unavailable(fault)


def unknown_outage(exc: sqlalchemy_errors.DBAPIError) -> DatabaseUnavailable:
    """The error of a database that accepts nothing, for a reason that is not known here; its code identifies it."""
    return _unavailable(replace(driver_error_of(exc.orig), meaning=UNKNOWN))


def _unavailable(fault: DriverError) -> DatabaseUnavailable:
    return DatabaseUnavailable(Phrase("The gateway database cannot be used: {fault}.", fault=fault))


def must_be_retried(exc: BaseException) -> bool:
    """Check whether the same work may succeed at once: after a conflict of transactions, or on a dead connection."""
    return isinstance(exc, sqlalchemy_errors.DBAPIError) and (driver_error_of(exc.orig).meaning.again or is_lost(exc))


def is_lost(exc: BaseException) -> bool:
    """Check whether a statement found its connection dead, as after a restart of the server while it was in the pool.

    The transaction is gone with it. Never true of a commit: that may have been carried out.
    """
    return (
        isinstance(exc, sqlalchemy_errors.DBAPIError)
        and exc.connection_invalidated
        and exc.statement is not None
        and driver_error_of(exc.orig).meaning in {FATAL, LOST, STOPPING}
    )


def _is_outage(exc: sqlalchemy_errors.DBAPIError) -> bool:
    # Without a statement it was a connection, a commit or a check whether the connection is alive.
    weather = (sqlalchemy_errors.OperationalError, sqlalchemy_errors.InterfaceError)
    return exc.statement is None or exc.connection_invalidated or isinstance(exc, weather)
