"""Steps applied to a database: missing objects are added, existing ones are left as they are."""

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
from sqlalchemy.schema import AddConstraint, Constraint, CreateIndex, CreateTable, Index

from db.schema import data_checks, reflection, sqlite
from db.schema.operations import AddColumn, AddDefault, for_existing_rows, unique_index
from db.schema.reflection import FoundTable


class Applied:
    """A target that makes the additions; `comparison` has found before that no existing object prevents them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found: dict[str, FoundTable | None] = {}

    def table(self, table: Table) -> None:
        """Create the table, or add what it lacks."""
        there = self._there(table)
        if there is None:
            self._connection.execute(CreateTable(table))
            return
        for column in table.columns:
            self.column(column)
        for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
            self._constraint(constraint, there)

    def column(self, column: Column[Any]) -> None:
        """Add the column, or the default that it lacks."""
        there = self._there(column.table)
        known = None if there is None else there.column(column.name)
        if known is None:
            self._connection.execute(AddColumn(for_existing_rows(column, self._backend) if there else column))
        elif column.server_default is not None and known.default is None:
            self._connection.execute(AddDefault(column))

    def index(self, index: Index) -> None:
        """Add the index, unless there is one of these columns."""
        there = self._there(index.table) if index.table is not None else None
        if there is None or not there.has_index(tuple(each.name for each in index.columns)):
            self._connection.execute(CreateIndex(index))

    def last(self, column: Column[Any]) -> None:
        """Move the column, on SQLite."""
        if self._backend == "sqlite":
            sqlite.move_to_end(self._connection, column)

    @property
    def _backend(self) -> str:
        return self._connection.dialect.name

    def _there(self, table: Table) -> FoundTable | None:
        """The table as it was before the steps; None for one that they create."""
        if table.name not in self._found:
            self._found[table.name] = reflection.read(self._connection, [table.name]).get(table.name)
        return self._found[table.name]

    def _constraint(self, constraint: Constraint, there: FoundTable) -> None:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            if there.is_key(tuple(each.name for each in constraint.columns)):
                return
            if self._backend == "sqlite" and isinstance(constraint, UniqueConstraint):
                self._connection.execute(CreateIndex(unique_index(constraint)))
                return
        elif isinstance(constraint, CheckConstraint):
            if there.allows_only(*data_checks.allowed(constraint)):
                return
        elif isinstance(constraint, ForeignKeyConstraint) and there.refers(constraint):
            return
        if self._backend != "sqlite":  # which adds none to an existing table
            self._connection.execute(AddConstraint(constraint))
