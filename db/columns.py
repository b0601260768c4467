"""The types of columns, as the tables and the steps of the migrations name them.

Frozen: a step that ran once made columns of these types. What needs another type gets another name here.

On SQL Server text is Unicode, without limit `nvarchar(max)` and `varbinary(max)` (never the deprecated `ntext` and
`image`), and times are `datetime2(7)`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    DefaultClause,
    Dialect,
    Integer,
    LargeBinary,
    TypeDecorator,
    Unicode,
    UnicodeText,
    types,
)
from sqlalchemy.dialects import mssql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.compiler import DDLCompiler, SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

BINARY_COLLATION: Final = "Latin1_General_100_BIN2"
"""Of SQL Server: compares text code by code; the default collations see neither case nor width of a letter."""


class UnreadableTime(datetime):
    """Stands for what a column holds in place of a time: long ago, so that what depends on it is due or over.

    SQLite takes any text as a time, and PostgreSQL knows infinity. One such row must not keep the others of its query
    from being read; where it matters, as in an account's settings, `stored` is looked at.
    """

    stored: str = ""

    @classmethod
    def of(cls, stored: object) -> "UnreadableTime":
        """The stand-in, aware; `stored` as text, shortened."""
        made = cls(1900, 1, 1, tzinfo=UTC)
        made.stored = str(stored)[:50]
        return made


class _SqliteTime(sqlite.DATETIME):
    """SQLite's, which does not fail for what is no time."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """Read as SQLAlchemy does; what it cannot read becomes an `UnreadableTime`."""
        parse = super().result_processor(dialect, coltype)
        if parse is None:
            return None

        def read(value: Any) -> datetime | None:  # noqa: ANN401  # whatever the row holds
            try:
                found: datetime | None = parse(value)
            except (ValueError, TypeError, OverflowError):
                return UnreadableTime.of(value)
            return found

        return read


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time in Python, a time without zone in the database (`datetime2(7)` on SQL Server)."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        """Ask SQL Server for its precise type; the old `datetime` rounds to 1/300 s."""
        if dialect.name == "mssql":
            return dialect.type_descriptor(mssql.DATETIME2(7))  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_SqliteTime())  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # the signature is SQLAlchemy's
        """Refuse a naive time: nobody could say when it was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive time {value!r}: times are aware UTC")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # the signature is SQLAlchemy's
        """Give back what went in."""
        if value is None or isinstance(value, UnreadableTime):
            return value
        # SQLite keeps a zone that another program wrote.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def cut(text: str, length: int) -> str:
    """What of a text fits a column of that length: in UTF-16 code units, by which SQL Server counts."""
    whole = text.encode("utf-16-le")
    return text if len(whole) <= 2 * length else whole[: 2 * length].decode("utf-16-le", "ignore")


def identity() -> types.TypeEngine[int]:
    """A number that the database gives."""
    # SQLite counts by itself only on INTEGER.
    return BigInteger().with_variant(Integer, "sqlite")


def flag() -> types.TypeEngine[bool]:
    """Yes or no."""
    return Boolean(create_constraint=False)


def long_text() -> types.TypeEngine[str]:
    """Text without limit."""
    return UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")


def content() -> types.TypeEngine[bytes]:
    """Bytes without limit."""
    return LargeBinary().with_variant(mssql.VARBINARY("max"), "mssql")  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped


def graph_id(length: int) -> types.TypeEngine[str]:
    """Text compared and sorted code by code: ids of Graph and of the queue differ in case only."""
    return exact(length).with_variant(Unicode(length, collation="C"), "postgresql")


def exact(length: int) -> types.TypeEngine[str]:
    """Text compared code by code, as SQLite and PostgreSQL do anyway: fingerprints, names of slots and of budgets."""
    return Unicode(length).with_variant(Unicode(length, collation=BINARY_COLLATION), "mssql")


class code_by_code(FunctionElement[str]):  # noqa: N801  # reads as a function of SQL, as SQLAlchemy's own
    """Text to be compared code by code, whatever collations what it is made of has; `exact` of an expression."""

    inherit_cache = True
    type = Unicode()


@compiles(code_by_code)
def _as_it_is(element: code_by_code, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  # the signature is SQLAlchemy's
    return compiler.process(element.clauses, **options)


@compiles(code_by_code, "mssql")
def _collated(element: code_by_code, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  # the signature is SQLAlchemy's
    return f"({compiler.process(element.clauses, **options)}) COLLATE {BINARY_COLLATION}"


@compiles(CreateColumn, "mssql")
def _name_default(create: CreateColumn, compiler: DDLCompiler, **options: Any) -> str:  # noqa: ANN401  # the signature is SQLAlchemy's
    """Name the default `DF_<table>_<column>`, which SQLAlchemy cannot (2.1); SQL Server invents a name otherwise."""
    column = create.element
    plain: str = compiler.visit_create_column(create, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
    default = compiler.get_column_default_string(column)
    if default is None:
        return plain
    # A check of the column may follow.
    before, _, after = plain.partition(f" DEFAULT {default}")
    return f"{before} {named_default(column, compiler)}{after}"


def named_default(column: Column[Any], compiler: DDLCompiler) -> str:
    """The default of a column as a named constraint of SQL Server."""
    default = column.server_default
    value = default.arg if isinstance(default, DefaultClause) else None
    if not isinstance(value, str):
        text = compiler.get_column_default_string(column)
    elif isinstance(column.type, Integer | Boolean):
        text = value
    else:
        text = compiler.sql_compiler.render_literal_value(value, Unicode())
    name = compiler.preparer.quote(f"DF_{column.table.name}_{column.name}")
    return f"CONSTRAINT {name} DEFAULT {text}"
