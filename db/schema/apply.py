"""An upgrade applied to a database: missing objects are added, existing ones are left as they are."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.schema import Constraint, CreateIndex, CreateTable, Index

from db.schema import data_checks, reflection, sqlite, views
from db.schema.operations import AddColumn, AddDefault, adding, unique_index
from db.schema.reflection import FoundTable
from db.views import View


class Applied:
    """A target that makes the additions; `comparison` has found before that no existing object prevents them."""

    def __init__(self, connection: Connection, names: Collection[str]) -> None:
        """`names`: of the tables of the upgrade, read once."""
        self._connection = connection
        self._found = reflection.read(connection, names)
        self._is_sqlite = connection.dialect.name == "sqlite"
        if self._is_sqlite:  # until `view` makes them again
            views.set_aside(connection)

    def table(self, table: Table) -> None:
        """Create the table, or add what it lacks."""
        there = self._found.get(table.name)
        if there is None:
            self._connection.execute(CreateTable(table))
        else:
            for column in table.columns:
                self._column(column, there)
            for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
                self._constraint(constraint, there)
            if self._is_sqlite:
                sqlite.keep_contents_last(self._connection, table)
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            self._index(index, there)

    def view(self, view: View) -> None:
        """Create the view, or restore it."""
        views.ensure(self._connection, view)

    def _column(self, column: Column[Any], there: FoundTable) -> None:
        known = there.column(column.name)
        if known is None:
            self._connection.execute(AddColumn(column))
        elif column.server_default is not None and known.default is None:
            self._connection.execute(AddDefault(column))

    def _constraint(self, constraint: Constraint, there: FoundTable) -> None:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            if there.is_key(tuple(each.name for each in constraint.columns)):
                return
            if self._is_sqlite and isinstance(constraint, UniqueConstraint):
                self._connection.execute(CreateIndex(unique_index(constraint)))
                return
        elif isinstance(constraint, CheckConstraint):
            if there.allows_only(*data_checks.allowed(constraint)):
                return
        elif isinstance(constraint, ForeignKeyConstraint) and there.refers(constraint):
            return
        if not self._is_sqlite:  # which adds none to an existing table
            self._connection.execute(adding(constraint))

    def _index(self, index: Index, there: FoundTable | None) -> None:
        """Add the index, unless there is one of these columns."""
        if there is None or not there.has_index(tuple(each.name for each in index.columns)):
            self._connection.execute(CreateIndex(index))
