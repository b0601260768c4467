"""Splits key lists into chunks that one query can take, and selects messages by their keys."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import BindParameter, Boolean, Column, ColumnElement, Connection, Table, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

T = TypeVar("T")

MessageKey = tuple[int, str]
"""Account number and immutable Graph id."""

_IN_ONE_QUERY: Final = 256
"""SQL Server allows 2,100 parameters, and a key may be two, searched in three tables; lists are `rounded`."""

_MAX_IN_A_LIST: Final = 1024


def in_queries(keys: Collection[T]) -> Iterator[Sequence[T]]:
    """The keys, in chunks that one query can name."""
    ordered = list(keys)
    for start in range(0, len(ordered), _IN_ONE_QUERY):
        yield ordered[start : start + _IN_ONE_QUERY]


def enough(number: int, limit: int) -> int:
    """The next power of two, `limit` at most: the number of values of a statement that is made for any number.

    Each number is a text of its own, and on a server a plan of its own.
    """
    return max(number, min(limit, 1 << max(0, number - 1).bit_length()))


def rounded(values: list[T]) -> list[T]:
    """The values for an IN, the last repeated until there are `enough`."""
    return values + values[-1:] * (enough(len(values), _MAX_IN_A_LIST) - len(values))


def listed(name: str, column: Column[Any]) -> BindParameter[Any]:
    """The parameter of that name for an IN of a statement that is built once: building one takes longer than SQLite
    takes to execute it."""
    return bindparam(name, type_=column.type, expanding=True)


def many(name: str, numbers: Collection[int]) -> BindParameter[Any]:
    """Numbers for an IN that may be more than a statement has parameters: they stand in its text."""
    return bindparam(name, sorted(numbers), expanding=True, literal_execute=True)


def are_among(table: Table) -> ColumnElement[bool]:
    """The rows of the messages that `named` gives as parameters, by account and Graph id.

    Not a row-value IN: SQL Server has none. It finds a few too many, ids of one account under the number of another.
    """
    account, graph_id = table.c.nAccountID, table.c.sGraphMessageID
    return account.in_(listed("accounts", account)) & graph_id.in_(listed("graph_ids", graph_id))


def named(keys: Collection[MessageKey]) -> dict[str, Any]:
    """The parameters of `are_among`; of keys of `in_queries`."""
    return {
        "accounts": rounded(sorted({account_id for account_id, _ in keys})),
        "graph_ids": rounded([graph_id for _, graph_id in keys]),
    }


def graph_ids(connection: Connection, table: Table, account_id: int, *, after: str, limit: int) -> list[str]:
    """Up to `limit` Graph ids of the account in the table, in order, after that one (`""`: from the first)."""
    row = table.c
    statement = (
        select(row.sGraphMessageID)
        .where(row.nAccountID == account_id, row.sGraphMessageID > after)
        .order_by(row.sGraphMessageID)
        .limit(limit)
    )
    return list(connection.scalars(statement))


def spellings(internet_message_id: str) -> list[str]:
    """The id with and without angle brackets: Exchange writes them, users omit them."""
    bare = internet_message_id.removeprefix("<").removesuffix(">")
    return [bare, f"<{bare}>"]


def is_among(number: ColumnElement[Any], numbers: Collection[int]) -> ColumnElement[bool]:
    """True for one of these numbers, which may be more than a statement has parameters."""
    if len(numbers) <= _MAX_IN_A_LIST:
        return number.in_(rounded(list(numbers)))
    return _is_one_of(number, numbers)


class _is_one_of(FunctionElement[bool]):  # noqa: N801  # reads as a function of SQL, as SQLAlchemy's own
    """True for one of many numbers, which stand in the text of the statement."""

    inherit_cache = False
    type = Boolean()

    def __init__(self, number: ColumnElement[Any], numbers: Collection[int]) -> None:
        super().__init__(number)
        self.numbers = ", ".join(str(int(each)) for each in numbers)

    def self_group(self, against: OperatorType | None = None) -> "_is_one_of":  # noqa: ARG002  # the signature is SQLAlchemy's
        """Return itself: it is a condition, not a value that is compared with 1."""
        return self


@compiles(_is_one_of)
def _listed(element: _is_one_of, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  # the signature is SQLAlchemy's
    return f"({compiler.process(element.clauses, **options)}) IN ({element.numbers})"


@compiles(_is_one_of, "postgresql")
def _unnested(element: _is_one_of, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  # the signature is SQLAlchemy's
    """As rows: PostgreSQL estimates each element of a list, in each place of the plan."""
    number = compiler.process(element.clauses, **options)
    return f"({number}) IN (SELECT unnest(CAST('{{{element.numbers}}}' AS bigint[])))"
