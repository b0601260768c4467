"""The rule of SQL Server that no other database has: one open result on a connection.

Without MARS a statement that is executed while an earlier result of its connection has unread rows is refused
(`HY000 Connection is busy with results for another command`). SQLite and psycopg have read all rows by then.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

_OPEN: Final = "open results"


class UnreadRows(Exception):
    """A statement, or a commit, met an earlier result of its connection that has unread rows."""


def _look(connection: Connection, what: str, refused: list[str]) -> None:
    open_ones: list[Any] = connection.info.setdefault(_OPEN, [])
    unread = [each for each in open_ones if each.cursor is not None]
    open_ones.clear()  # reported once
    if unread:
        refused.append(f"{what}, with rows unread of: {unread[0].context.statement}")
        raise UnreadRows(refused[-1])


def _executed(
    connection: Connection,
    _clause: object,
    _many: object,
    _values: object,
    _options: object,
    result: Any,  # noqa: ANN401  # SQLAlchemy's
) -> None:
    # SQLite describes a row for an ALTER TABLE that checks the rows there are.
    if result.cursor is not None and not result.context.isddl:
        connection.info.setdefault(_OPEN, []).append(result)


def _rolled_back(connection: Connection) -> None:
    if not connection.invalidated:  # else the check would reconnect
        connection.info.pop(_OPEN, None)  # the server has closed them


@contextmanager
def one_result_on_each_connection() -> Iterator[list[str]]:
    """Refuse meanwhile the statements that SQL Server would refuse, on every engine; yield those refused."""
    refused: list[str] = []

    def executing(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        _look(connection, statement, refused)

    def committing(connection: Connection) -> None:
        _look(connection, "COMMIT", refused)

    listeners: dict[str, Callable[..., Any]] = {
        "before_cursor_execute": executing,
        "after_execute": _executed,
        "commit": committing,
        "rollback": _rolled_back,
    }
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    try:
        yield refused
    finally:
        for name, listener in listeners.items():
            event.remove(Engine, name, listener)
