"""Operations of the migration steps: each ensures that an object exists.

A step names tables, columns and indexes. A target adds missing ones and leaves existing ones alone: the tables of a
gateway that existed before mail-importer, with unknown columns and rows that stay.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, MetaData, Table, UniqueConstraint, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn, ExecutableDDLElement, SchemaItem
from sqlalchemy.sql.compiler import DDLCompiler

from db.columns import named_default

_NEW_NAME: Final = {
    "mssql": "(N'Account ' + CONVERT(NVARCHAR(36), NEWID()))",
    "postgresql": "'Account ' || gen_random_uuid()",
}
_OF_EXISTING_ROWS: Final[Mapping[tuple[str, str], str | Mapping[str, str]]] = {
    ("tblEmailAccountSettings", "sAccountName"): _NEW_NAME,
    ("tblEmailAccountSettings", "sTenantID"): "",
    ("tblEmailAccountSettings", "sClientID"): "",
    ("tblEmailAccountSettings", "sUserID"): "",
    ("tblEmailAccountSettings", "sCertificateThumbprint"): "",
    ("tblEmailAccountSettings", "bSecureCertificateAccess"): "1",
    ("tblEmailAccountSettings", "sFolder"): "Inbox",
    ("tblEmailAccountSettings", "sAfterImport"): "none",
    ("tblEmailAccountSettings", "bEnabled"): "0",
}
"""Values of existing rows in an added column. The value stays the column's default: programs that know the table as it
was still insert. Such accounts are off until an administrator fills them in and enables them."""

_CHECK: Final = "check"
"""Key in `column.info` of the check it is added with."""


class Target(Protocol):
    """The target of a step: a database, or the text of a script."""

    def table(self, table: Table) -> None:
        """Ensure that the table exists, with its columns, keys and checks."""

    def column(self, column: Column[Any]) -> None:
        """Ensure that the column of an existing table exists."""

    def index(self, index: Index) -> None:
        """Ensure that the index of existing columns exists."""

    def last(self, column: Column[Any]) -> None:
        """Ensure that the existing column is the last of its table where that matters."""


class Additions:
    """The interface of a step. Everything is added in one schema; None: the current schema."""

    def __init__(self, recipient: Target, *, schema: str | None) -> None:
        self._recipient = recipient
        self._metadata = MetaData(schema=schema)

    def table(self, name: str, *items: SchemaItem, **options: Any) -> None:  # noqa: ANN401  # those of SQLAlchemy's Table
        """Ensure that a table exists, with these columns and constraints, each constraint named."""
        for key in items:
            if isinstance(key, ForeignKeyConstraint):
                self._know_referred(key)
        self._recipient.table(Table(name, self._metadata, *items, **options))

    def column(self, table: str, column: Column[Any], *, check: CheckConstraint | None = None) -> None:
        """Ensure that a column exists: nullable, or with a default, so that old rows and programs stay valid.

        `check`: named, of this column alone; it is added with the column, as SQLite adds none later.
        """
        known = self._table(table)
        known.append_column(column)
        if check is not None:
            known.append_constraint(check)
            column.info[_CHECK] = check
        self._recipient.column(column)

    def last(self, table: str, column: Column[Any]) -> None:
        """Ensure that an existing column is after those that were added: see `sqlite.move_to_end`."""
        self._table(table).append_column(column, replace_existing=True)
        self._recipient.last(column)

    def index(self, name: str, table: str, columns: list[str]) -> None:
        """Ensure that an index exists."""
        known = self._table(table, *columns)
        self._recipient.index(Index(name, *(known.c[each] for each in columns)))

    def _know_referred(self, key: ForeignKeyConstraint) -> None:
        for each in key.elements:
            table, _, column = each.target_fullname.rpartition(".")
            self._table(table, column)

    def _table(self, name: str, *columns: str) -> Table:
        """The table as far as the steps of this run name it: those that ran before are not run again."""
        known = Table(name, self._metadata, keep_existing=True)
        for each in columns:
            if each not in known.c:
                known.append_column(Column(each))
        return known


class AddColumn(ExecutableDDLElement):
    """ALTER TABLE … ADD a column."""

    inherit_cache = False

    def __init__(self, column: Column[Any]) -> None:
        self.column = column


class AddDefault(ExecutableDDLElement):
    """ALTER TABLE … give an existing column its default."""

    inherit_cache = False

    def __init__(self, column: Column[Any]) -> None:
        self.column = column


@compiles(AddColumn)
def _add_column(add: AddColumn, compiler: DDLCompiler, **_options: object) -> str:
    word = "ADD" if compiler.dialect.name == "mssql" else "ADD COLUMN"
    table = compiler.preparer.format_table(add.column.table)
    check = add.column.info.get(_CHECK)
    checked = "" if check is None else f" {compiler.process(check)}"
    return f"ALTER TABLE {table} {word} {compiler.process(CreateColumn(add.column))}{checked}"


@compiles(AddDefault)
def _set_default(add: AddDefault, compiler: DDLCompiler, **_options: object) -> str:
    table = compiler.preparer.format_table(add.column.table)
    column = compiler.preparer.format_column(add.column)
    return f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {compiler.get_column_default_string(add.column)}"


@compiles(AddDefault, "mssql")
def _add_default(add: AddDefault, compiler: DDLCompiler, **_options: object) -> str:
    table = compiler.preparer.format_table(add.column.table)
    column = compiler.preparer.format_column(add.column)
    return f"ALTER TABLE {table} ADD {named_default(add.column, compiler)} FOR {column}"


def unique_index(key: UniqueConstraint) -> Index:
    """The key as SQLite can add it to an existing table."""
    copied = Table(key.table.name, MetaData(schema=key.table.schema), *(Column(each.name) for each in key.columns))
    return Index(str(key.name), *copied.columns, unique=True)


def can_be_filled(column: Column[Any], backend: str) -> bool:
    """Check whether existing rows can be given the column."""
    return bool(column.nullable or column.server_default is not None or _value(column, backend) is not None) or (
        # The server numbers the rows itself. SQLite creates such a column with the table only.
        column is column.table.autoincrement_column and backend != "sqlite"
    )


def for_existing_rows(column: Column[Any], backend: str) -> Column[Any]:
    """The column as it is added to a table that has rows."""
    value = _value(column, backend)
    if column.nullable or column.server_default is not None or value is None:
        return column
    filled: Column[Any] = Column(column.name, column.type, nullable=False, server_default=value)
    Table(column.table.name, MetaData(schema=column.table.schema), filled)
    return filled


def _value(column: Column[Any], backend: str) -> Any:  # noqa: ANN401  # text, or a clause of SQLAlchemy's
    value = _OF_EXISTING_ROWS.get((column.table.name, column.name))
    if value is None or isinstance(value, str):
        return value
    return text(value[backend]) if backend in value else None
