"""Classification of a driver's error: its class, its text, and whether the same work may succeed.

Each driver reports it differently: pyodbc by SQLSTATE and by the server's number at the end of its text, psycopg by
SQLSTATE, sqlite3 by a number. The texts of drivers may contain values of rows: only the name of a missing or forbidden
object is repeated.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from db.backends import causes
from db.backends.causes import ErrorClass
from phrases import Phrase

# [state] [vendor][driver][SQL Server]text (number) (function); more records may follow, which name no function. The
# text may contain the like of a record's end, so the last one counts.
_PYODBC: Final = re.compile(r"\((-?\d+)\) \(SQL\w+\)(?!.*\(-?\d+\) \(SQL\w+\))", re.DOTALL)
_BY_SERVER: Final = re.compile(r"(?:\[\w{5}\] )?(?:\[[^\]]*\]){1,2}\[SQL Server\](.*)", re.DOTALL)
_BY_DRIVER: Final = re.compile(r"(?:\[\w{5}\] )?(?:\[[^\]]*\]){1,2}(?!\[SQL Server\])(.*)", re.DOTALL)
_CONNECTING: Final = re.compile(r"SQLDriverConnect|Login timeout expired")
_NAME: Final = re.compile(r"['\"«]([\w.$ ]{1,128})['\"»]")
_QUOTED: Final = re.compile(r'"([^"]*)"')
_LEFT_OUT: Final = "(its text is left out: it may hold values of rows)"
# A number counts only with the SQLSTATE that the driver has for it, where a wrong guess would do harm.
_STATE_OF: Final = {1205: "40001", 2601: "23000", 2627: "23000"}


@dataclass(frozen=True, slots=True)
class DriverError:
    """One error. `code`: the key to look it up; `name`: of the table, column or permission concerned."""

    meaning: ErrorClass
    code: str
    name: str | None = None

    def __str__(self) -> str:
        if self.name:
            return Phrase("{cause} ({code}: {name})", cause=self.meaning.cause, code=self.code, name=self.name)
        return Phrase("{cause} ({code})", cause=self.meaning.cause, code=self.code)


def driver_error_of(error: BaseException | None) -> DriverError:
    """Classify an error of one of the drivers. `cause` None: not known to be transient."""
    if error is None:
        return DriverError(causes.NOTHING, "no error")
    if (number := getattr(error, "sqlite_errorcode", None)) is not None:
        return DriverError(causes.SQLITE.get(number & 0xFF, causes.NOTHING), f"SQLite {number}")
    if hasattr(error, "pgconn"):
        return _of_postgresql(error)
    return _of_pyodbc(error)


def referring_table(error: BaseException | None) -> str | None:
    """The table whose foreign key forbids the operation, where the driver reports it.

    SQL Server writes (547): … constraint "…". The conflict occurred in database "…", table "…".
    """
    if error is None:
        return None
    if hasattr(error, "pgconn"):
        diagnosis: Any = getattr(error, "diag", None)
        return None if diagnosis is None else diagnosis.table_name
    server = _BY_SERVER.search(str(error))
    names = _QUOTED.findall(server[1]) if server else []
    return names[2] if len(names) > 2 else None


def watch(engine: Engine) -> None:
    """Discard connections that will not work again, and keep values of rows out of the drivers' texts."""

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        error, wrapped = context.original_exception, context.sqlalchemy_exception
        if wrapped is None:
            return
        meaning = driver_error_of(error).meaning
        if meaning.reconnect:
            context.is_disconnect = True
        if meaning.quotes:
            _forget_text(error)
            wrapped.args = (f"({type(error).__module__}.{type(error).__name__}) {error}",)


def _of_postgresql(error: Any) -> DriverError:  # noqa: ANN401  # the driver is not a dependency
    state, text = error.sqlstate, str(error)
    if state is None:
        # No answer, or not yet: the only other error without SQLSTATE is of a value that the driver itself refuses.
        operational = any(each.__name__ == "OperationalError" for each in type(error).__mro__)
        return DriverError(_at_sign_in(text) if operational else causes.NOTHING, "PostgreSQL")
    tables = (causes.POSTGRESQL.get(state[:length]) for length in (5, 3, 2))
    meaning = next((each for each in tables if each is not None), causes.NOTHING)
    # For a forbidden table it gives the name without quotes, at the end.
    named = re.sub(r"(\w+)$", r"'\1'", error.diag.message_primary or "")
    return DriverError(meaning, f"PostgreSQL {state}", _named(meaning, named))


def _at_sign_in(text: str) -> ErrorClass:
    found = (each for pattern, each in causes.POSTGRESQL_SIGN_IN.items() if re.search(pattern, text))
    return next(found, causes.UNREACHABLE if text.startswith("connection ") else causes.LOST)


def _of_pyodbc(error: BaseException) -> DriverError:
    if len(error.args) < 2:  # SQLSTATE and text
        return DriverError(causes.NOTHING, type(error).__name__)
    state, text = str(error.args[0]), str(error.args[1])
    found = _PYODBC.search(text)
    number = int(found[1]) if found else None
    server = _BY_SERVER.match(text)
    if server and number is not None and _STATE_OF.get(number, state) == state and number in causes.SQL_SERVER:
        meaning = causes.SQL_SERVER[number]
        return DriverError(meaning, f"SQL Server error {number}", _named(meaning, server[1]))
    code = f"SQL Server error {number}" if server and number else f"SQLSTATE {state or 'unknown'}"
    # The driver has this state for a server's errors of the severities 19 to 25 alone, which are never of a statement.
    meaning = causes.FATAL if server and state == "HY000" else causes.ODBC.get(state, causes.NOTHING)
    if meaning is causes.SLOW and _CONNECTING.search(text):
        meaning = causes.UNREACHABLE
    if not server and (driver := _BY_DRIVER.match(text)):
        meanings = (each for start, each in causes.ODBC_TEXTS.items() if driver[1].startswith(start))
        meaning = next(meanings, meaning)
    return DriverError(
        meaning, code if not number or number < 0 or server else f"{code}, {number}", _named(meaning, text)
    )


def _named(meaning: ErrorClass, text: str) -> str | None:
    """The missing or forbidden object that the server names, and the permission for it."""
    found = _NAME.search(text) if meaning in {causes.NOT_ALLOWED, causes.CHANGED} else None
    permission = causes.SQL_SERVER_PERMISSION.match(text)
    if found is None or not permission:
        return None if found is None else found[1]
    return Phrase("{permission} on {name}", permission=permission[1], name=found[1])


def _forget_text(error: Any) -> None:  # noqa: ANN401  # of any driver
    """Remove the server's text from an error, and keep what identifies it."""
    if hasattr(error, "pgconn"):
        error.args = (f"{error.sqlstate} {error.diag.constraint_name or ''} {_LEFT_OUT}",)
    else:
        state, text = error.args[:2]
        number = _PYODBC.search(text)
        error.args = (state, f"[{state}] [Microsoft][SQL Server]{_LEFT_OUT} {number[0] if number else ''}")
