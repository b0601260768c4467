"""The upgrade as a script that a database administrator runs. Nothing is connected to.

Whatever the database holds, the script adds missing objects and leaves the rest: it may be run at every revision, and
again. It changes all or nothing.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, Dialect, ForeignKeyConstraint, Table
from sqlalchemy.schema import Constraint, CreateIndex, ExecutableDDLElement, Index

from db.schema.compatibility import accepted
from db.schema.operations import AddColumn, AddDefault, adding
from db.tables import in_schema
from db.views import View

LOCK_SECONDS: Final = 60
"""Maximum wait of an upgrade for another one."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The final entry: the `revision` that was reached, and the oldest program that works with it."""

    version_table: str
    revision: str
    oldest_program: str
    secret: str


class Script(ABC):
    """A target that writes the additions as SQL, each with a guard."""

    def __init__(self, dialect: Dialect, schema: str | None) -> None:
        self.dialect = dialect
        self.schema = schema
        self._parts: list[str] = []

    def __str__(self) -> str:
        return "".join(self._parts)

    # -- begin and end of a script

    @abstractmethod
    def begin(self, version_table: str, known: Sequence[str]) -> None:
        """Open the transaction, lock out other upgrades, refuse unusable columns. `known`: the revisions."""

    @abstractmethod
    def end(self, ending: Stamp) -> None:
        """Create the secret if there is none, record the revision, commit."""

    def heading(self, text: str) -> None:
        """Write a heading."""
        self._parts.append(f"\n-- {text}\n")

    # -- additions

    def table(self, table: Table) -> None:
        """Ensure that the table exists, and has all its parts."""
        self.heading(table.name)
        self._create(table)
        self._columns(list(table.columns))
        for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
            self._add_constraint(constraint)
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            self._all_guarded([(self._index_is_missing(index), CreateIndex(index))])

    def view(self, view: View) -> None:
        """Ensure that the view exists as it is defined."""
        self.heading(view.name)
        self._view(view)

    def _columns(self, columns: Sequence[Column[Any]]) -> None:
        self._all_guarded([(self._column_is_missing(each), AddColumn(each)) for each in columns])
        with_default = [each for each in columns if each.server_default is not None]
        self._all_guarded([(self._default_is_missing(each), AddDefault(each)) for each in with_default])

    def _add_constraint(self, constraint: Constraint) -> None:
        if isinstance(constraint, CheckConstraint | ForeignKeyConstraint):
            guard = self._constraint_is_missing(constraint)
        else:
            guard = self._key_is_missing(constraint)
        self._all_guarded([(guard, adding(constraint))])

    @abstractmethod
    def _all_guarded(self, statements: Sequence[tuple[str, ExecutableDDLElement]]) -> None:
        """Write each under its condition."""

    @abstractmethod
    def _create(self, table: Table) -> None: ...

    @abstractmethod
    def _view(self, view: View) -> None: ...

    @abstractmethod
    def _column_is_missing(self, column: Column[Any]) -> str: ...

    @abstractmethod
    def _default_is_missing(self, column: Column[Any]) -> str: ...

    @abstractmethod
    def _key_is_missing(self, key: Any) -> str: ...  # noqa: ANN401  # a primary or a unique key

    @abstractmethod
    def _constraint_is_missing(self, constraint: CheckConstraint | ForeignKeyConstraint) -> str: ...

    @abstractmethod
    def _index_is_missing(self, index: Index) -> str: ...

    # -- texts

    def ddl(self, statement: ExecutableDDLElement) -> str:
        """The statement without its end."""
        lines = str(statement.compile(dialect=self.dialect)).strip().replace("\t", "    ").splitlines()
        return "\n".join(line.rstrip() for line in lines)

    def name(self, table: Table | str) -> str:
        """The table's name, quoted, with its schema."""
        if isinstance(table, Table):
            return self.dialect.identifier_preparer.format_table(table)
        return ".".join(
            self.dialect.identifier_preparer.quote_identifier(each) for each in (self.schema, table) if each is not None
        )

    def wanted(self) -> list[tuple[str, ...]]:
        """The columns that may exist already, and their accepted types: rows of literals, in the order of `WANTED`."""
        tables = in_schema(self.schema).sorted_tables
        return [self._wanted(column) for table in tables for column in table.columns]

    def _wanted(self, column: Column[Any]) -> tuple[str, ...]:
        rule = accepted(column, self.dialect)
        keys: list[Any] = [each for each in column.table.constraints if not isinstance(each, CheckConstraint)]
        in_key = any(column.name in each.columns for each in (*keys, *column.table.indexes))
        made = re.sub(r" COLLATE .*", "", column.type.compile(self.dialect)).lower()
        return (
            self.text(column.table.name),
            self.text(column.name),
            self.text(rule.types[0]),
            self.text(rule.types[-1]),
            "NULL" if rule.length is None else str(rule.length),
            "NULL" if rule.digits is None else str(rule.digits),
            str(int(rule.collation is not None)),
            str(int(in_key)),
            str(int(rule.numbered)),
            str(int(bool(column.nullable))),
            self.text(made + ("" if rule.collation is None else f" collate {rule.collation}")),
        )

    @abstractmethod
    def text(self, value: str) -> str:
        """A literal."""


WANTED: Final = (
    "sTable",
    "sColumn",
    "sType",
    "sOtherType",
    "nLength",
    "nDigits",
    "bExact",
    "bInKey",
    "bNumbered",
    "bNull",
    "sWanted",
)
