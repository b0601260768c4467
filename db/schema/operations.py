"""Operations of an upgrade, which ensure that the tables of `db.tables` exist.

A target adds missing tables, columns, keys and indexes and leaves existing ones alone: those of an earlier revision, or
of a gateway that existed before mail-importer, with unknown columns and rows that stay.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from sqlalchemy import CheckConstraint, Column, Index, MetaData, Table, UniqueConstraint, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import AddConstraint, Constraint, CreateColumn, ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from db.columns import named_default
from db.schema.data_checks import allowed
from db.views import View

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


class Target(Protocol):
    """The target of an upgrade: a database, or the text of a script."""

    def table(self, table: Table) -> None:
        """Ensure that the table exists, with its columns, keys, checks and indexes."""

    def view(self, view: View) -> None:
        """Ensure that the view exists as it is defined. After the tables that it reads."""


class AddColumn(ExecutableDDLElement):
    """ALTER TABLE … ADD a column, with a value for existing rows where one is known.

    On SQLite its check comes with it: none can be added later.
    """

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
    made = compiler.process(CreateColumn(_for_existing_rows(add.column, compiler.dialect.name)))
    checks = [] if compiler.dialect.name != "sqlite" else _checks_of(add.column)
    return " ".join([f"ALTER TABLE {table} {word} {made}", *map(compiler.process, checks)])


def _checks_of(column: Column[Any]) -> list[CheckConstraint]:
    checks = [each for each in column.table.constraints if isinstance(each, CheckConstraint)]
    return [each for each in checks if allowed(each)[0] == column.name]


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


def adding(constraint: Constraint) -> AddConstraint:
    """The statement that adds a constraint to an existing table.

    By default SQLAlchemy would leave the constraint out of each later CREATE TABLE:
    https://docs.sqlalchemy.org/en/21/core/ddl.html#sqlalchemy.schema.AddConstraint.params.isolate_from_table
    """
    return AddConstraint(constraint, isolate_from_table=False)


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


def _for_existing_rows(column: Column[Any], backend: str) -> Column[Any]:
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
