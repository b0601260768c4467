"""Statements that are built once and executed for every few messages, by the shortest way to each database.

SQLAlchemy renders a list of parameters anew at each execution, which takes longer than SQLite takes to find the rows.
There the text for each number of values is rendered once, and goes to the driver with the values as they are. Servers
get SQLAlchemy's way, which declares the types of the parameters.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Delete, Dialect, Select, Update
from sqlalchemy.exc import StatementError
from sqlalchemy.sql.selectable import CompoundSelect

_MAX_TEXTS: Final = 64
"""For each statement: lists have as many values as `db.keys.rounded` makes of them."""
_COUNTING: Final = {"preserve_rowcount": True}

_Statement = Select[Any] | CompoundSelect[Any] | Update | Delete
_Convert = Callable[[Any], Any]


class Prepared:
    """One statement. Its parameters are all named; a list is one for `db.keys.listed`."""

    def __init__(self, statement: _Statement) -> None:
        self.statement: Final = statement
        # Of this statement alone: one that is seldom executed does not push out the texts of another.
        self._text = lru_cache(maxsize=_MAX_TEXTS)(_text_of)
        self._readers = lru_cache(maxsize=1)(_readers_of)

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Sequence[Any]]:
        """The rows of a query."""
        result = self._execute(connection, parameters)
        found: list[Sequence[Any]] = list(result.all())
        readers = self._readers(self.statement, connection.dialect) if _is_direct(connection.dialect) else ()
        return [_read(row, readers) for row in found] if readers else found

    def change(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        """Carry out a change; return the number of rows that it found."""
        return self._execute(connection, parameters).rowcount

    def _execute(self, connection: Connection, parameters: Mapping[str, Any]) -> CursorResult[Any]:
        dialect = connection.dialect
        if not _is_direct(dialect):
            return connection.execute(self.statement, parameters)
        lengths = tuple((name, len(given) if isinstance(given, list) else None) for name, given in parameters.items())
        text = self._text(self.statement, dialect, lengths)
        return connection.exec_driver_sql(text.sql, text.values_of(parameters), execution_options=_COUNTING)


def _is_direct(dialect: Dialect) -> bool:
    return dialect.name == "sqlite"


@contextmanager
def values_reported(sql: str) -> Iterator[None]:
    """Report a value that does not fit its column, or is missing, as SQLAlchemy does.

    Raises:
        StatementError: the conversion of a value raised any exception.
    """
    try:
        yield
    except Exception as exc:  # whichever a conversion raises, as SQLAlchemy does
        raise StatementError(str(exc), sql, None, exc, hide_parameters=True) from exc


@dataclass(frozen=True, slots=True)
class _Value:
    """Parameters of the driver that follow one another: those of that name, or a fixed one."""

    name: str | None
    is_list: bool
    convert: _Convert | None
    fixed: Any = None


@dataclass(frozen=True, slots=True)
class _Text:
    sql: str
    values: Sequence[_Value]

    def values_of(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        made: list[Any] = []
        with values_reported(self.sql):
            for each in self.values:
                if each.name is None:
                    made.append(each.fixed)
                    continue
                given, convert = parameters[each.name], each.convert
                if not each.is_list:
                    made.append(given if convert is None else convert(given))
                else:
                    made += given if convert is None else map(convert, given)
        return tuple(made)


def _text_of(statement: _Statement, dialect: Dialect, lengths: tuple[tuple[str, int | None], ...]) -> _Text:
    """The text for lists with these numbers of values, by name; None: it is no list."""
    compiled = statement.compile(dialect=dialect)
    state = compiled.construct_expanded_state(
        {name: None if length is None else [None] * length for name, length in lengths}
    )
    list_of = {one: name for name, expanded in state.parameter_expansion.items() for one in expanded}
    first = {expanded[0] for expanded in state.parameter_expansion.values() if expanded}
    values: list[_Value] = []
    for one in state.positiontup or ():
        if one in list_of and one not in first:
            continue  # it follows the first of its list
        parameter = compiled.binds[list_of.get(one, one)]
        convert = parameter.type.dialect_impl(dialect).bind_processor(dialect)
        if parameter.required:
            values.append(_Value(parameter.key, one in list_of, convert))
        else:
            fixed = parameter.effective_value
            values.append(_Value(None, False, None, fixed if convert is None else convert(fixed)))
    return _Text(state.statement, values)


def _readers_of(statement: _Statement, dialect: Dialect) -> tuple[tuple[int, _Convert], ...]:
    """Those of the columns whose values the driver does not give as Python has them, by position."""
    if isinstance(statement, Update | Delete):
        return ()
    kinds = [column.type.dialect_impl(dialect) for column in statement.selected_columns]
    return tuple(
        (at, read) for at, kind in enumerate(kinds) if (read := kind.result_processor(dialect, None)) is not None
    )


def _read(row: Sequence[Any], readers: Sequence[tuple[int, _Convert]]) -> Sequence[Any]:
    values = list(row)
    for at, read in readers:
        values[at] = read(values[at])
    return values
