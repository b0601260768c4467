"""Comparison of the actual with the expected tables and views. Objects of other programs are left out."""

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import CreateIndex, ExecutableDDLElement, Index

from db.schema import data_checks, reflection, views
from db.schema.compatibility import accepted
from db.schema.operations import AddColumn, AddDefault, adding, can_be_filled, unique_index
from db.schema.reflection import HIDDEN, UNLIMITED, FoundColumn, FoundTable, Names
from db.tables import in_schema
from db.views import VIEWS, View
from phrases import Phrase

_LEVEL: Final = 130
"""The compatibility level of SQL Server 2016."""


class Weight(enum.Enum):
    """The importance of a difference."""

    BLOCKS = "blocks"
    """Unusable, and an upgrade cannot change it."""
    MISSING = "missing"
    """An upgrade adds it, or restores it."""
    DIFFERS = "differs"
    """Works, and should be corrected."""
    ACCEPTED = "accepted"
    """Works as well as a newly created one."""
    ADVICE = "advice"
    """Concerns the database itself, not the tables."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `item`: a column, or the name of a key, check or index; empty: the whole table."""

    table: str
    item: str
    found: Phrase
    wanted: Phrase
    remedy: Phrase
    weight: Weight

    @property
    def phrase(self) -> Phrase:
        """All of it in one line."""
        where = f"{self.table}.{self.item}" if self.item else self.table
        return Phrase(
            "{where}: found {found}, wanted {wanted}. {remedy}",
            where=where,
            found=self.found,
            wanted=self.wanted,
            remedy=self.remedy,
        )


def differences(connection: Connection) -> list[Difference]:
    """Compare, table by table. Reads only."""
    schema = reflection.schema_of(connection)
    if schema is not None and not reflection.has_schema(connection):
        statement = f"CREATE SCHEMA {connection.dialect.identifier_preparer.quote_schema(schema)}"
        return [
            Difference(
                schema,
                "",
                Phrase("no such schema"),
                Phrase("the schema"),
                Phrase("Run: {statement}", statement=statement),
                Weight.BLOCKS,
            )
        ]
    wanted = in_schema(schema)
    there = reflection.read(connection, [table.name for table in wanted.sorted_tables])
    every: list[Difference] = []
    all_is_seen = reflection.sees_everything(connection)
    for table in wanted.sorted_tables:
        if table.name in there:
            every.extend(_Comparison(connection, table, there))
        elif all_is_seen:
            every.append(
                Difference(
                    table.name,
                    "",
                    Phrase("no table"),
                    Phrase("the table"),
                    Phrase("Run: mail-importer db upgrade"),
                    Weight.MISSING,
                )
            )
        else:
            every.append(_unseen(connection, table.name, "", Phrase("the table")))
    for view in VIEWS:
        every.extend(_differences_of(connection, view, all_is_seen=all_is_seen))
    return [*every, *(_advice(connection) if connection.dialect.name == "mssql" else ())]


def _differences_of(connection: Connection, view: View, *, all_is_seen: bool) -> Iterator[Difference]:
    upgrade = Phrase("Run: mail-importer db upgrade")
    found = views.find(connection, view)
    if found is None and not all_is_seen:
        yield _unseen(connection, view.name, "", Phrase("the view"))
    elif found is None:
        yield Difference(view.name, "", Phrase("no view"), Phrase("the view"), upgrade, Weight.MISSING)
    elif not views.is_ours(connection, view, found):
        yield Difference(
            view.name,
            "",
            Phrase("something else of this name"),
            Phrase("a view of mail-importer"),
            Phrase("Rename it, or drop it if nothing uses it."),
            Weight.BLOCKS,
        )
    elif not views.is_as_made(connection, view, found):
        others = views.dependents(connection, view, found)
        remedy = Phrase("Drop first what reads it: {views}", views=", ".join(others)) if others else upgrade
        yield Difference(
            view.name,
            "",
            Phrase("another definition"),
            Phrase("the view as an upgrade makes it"),
            remedy,
            Weight.BLOCKS if others else Weight.MISSING,
        )


def _unseen(connection: Connection, table: str, item: str, wanted: Phrase) -> Difference:
    """An object that may exist: without the right to see it that is unknown."""
    place = connection.dialect.identifier_preparer.quote_identifier(reflection.schema_of(connection) or "dbo")
    remedy = Phrase(
        "Check as the owner of the tables, or have this granted: GRANT VIEW DEFINITION ON SCHEMA::{place} TO …; see: "
        "mail-importer db grants",
        place=place,
    )
    return Difference(table, item, Phrase("not visible to this login"), wanted, remedy, Weight.ADVICE)


def _advice(connection: Connection) -> Iterator[Difference]:
    """Advice on the database as a whole, from the server."""
    facts = text(
        "SELECT name, is_read_committed_snapshot_on, compatibility_level FROM sys.databases WHERE database_id = DB_ID()"
    )
    for database, snapshot, level in connection.execute(facts):
        yield from _advice_on(connection.dialect.identifier_preparer.quote_identifier(database), snapshot, level)


def _advice_on(database: str, snapshot: bool, level: int) -> Iterator[Difference]:
    if not snapshot:
        remedy = Phrase(
            "Readers need not wait for writers: ALTER DATABASE {database} SET READ_COMMITTED_SNAPSHOT ON",
            database=database,
        )
        yield Difference(database, "READ_COMMITTED_SNAPSHOT", Phrase("off"), Phrase("on"), remedy, Weight.ADVICE)
    if level < _LEVEL:
        remedy = Phrase(
            "Work as SQL Server 2016 does: ALTER DATABASE {database} SET COMPATIBILITY_LEVEL = {level}",
            database=database,
            level=_LEVEL,
        )
        yield Difference(database, "COMPATIBILITY_LEVEL", Phrase.of(level), Phrase.of(_LEVEL), remedy, Weight.ADVICE)


class _Comparison:
    """One existing table of this schema."""

    def __init__(self, connection: Connection, table: Table, there: Mapping[str, FoundTable]) -> None:
        self._connection = connection
        self._dialect = connection.dialect
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._table = table
        self._found = there[table.name]
        self._all = there

    def __iter__(self) -> Iterator[Difference]:
        for column in self._table.columns:
            yield from self._column(column)
        yield from self._unknown_columns()
        for constraint in sorted(self._table.constraints, key=lambda each: str(each.name)):
            if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
                yield from self._key(constraint)
            elif isinstance(constraint, CheckConstraint):
                yield from self._check(constraint)
            elif isinstance(constraint, ForeignKeyConstraint):
                yield from self._foreign_key(constraint)
        for index in sorted(self._table.indexes, key=lambda each: str(each.name)):
            yield from self._index(index)

    def _says(self, item: object, was: Phrase, wanted: Phrase, remedy: Phrase, weight: Weight) -> Difference:
        return Difference(self._table.name, str(item), was, wanted, remedy, weight)

    def _run(self, statement: ExecutableDDLElement) -> Phrase:
        return Phrase("Run: {statement}", statement=self._statement(statement))

    def _statement(self, statement: ExecutableDDLElement) -> str:
        return " ".join(str(statement.compile(dialect=self._dialect)).split())

    def _column(self, column: Column[Any]) -> Iterator[Difference]:
        there = self._found.column(column.name)
        if there is None:
            yield self._missing(column)
            return
        rule = accepted(column, self._dialect)
        wanted = self._made(column)
        if not rule.takes(there) or self._is_too_long_for_a_key(column, there):
            was = Phrase.of(there)
            if rule.numbered and not there.numbered:
                was = Phrase("{there}, which the database does not number", there=there)
            if rule.collation and there.collation:
                was = Phrase("{was}, collation {collation}", was=was, collation=there.collation)
            yield self._says(column.name, was, wanted, self._retype(column), Weight.BLOCKS)
            return
        if not rule.is_as_made(there):
            yield self._says(column.name, Phrase.of(there), wanted, Phrase("Nothing to do."), Weight.ACCEPTED)
        yield from self._nullability(column, there)
        yield from self._default(column, there)

    def _is_usable(self, column: Column[Any]) -> bool:
        """Check whether the column exists, in a form comparable with written values."""
        table = self._all.get(column.table.name)
        there = None if table is None else table.column(column.name)
        return there is not None and accepted(column, self._dialect).takes(there)

    def _missing(self, column: Column[Any]) -> Difference:
        if can_be_filled(column, self._dialect.name):
            remedy = self._run(AddColumn(column))
            return self._says(column.name, Phrase("no column"), self._made(column), remedy, Weight.MISSING)
        if not self._is_sqlite and not (self._found.readable and data_checks.has_rows(self._connection, self._table)):
            return self._says(
                column.name, Phrase("no column"), self._made(column), self._run(AddColumn(column)), Weight.MISSING
            )
        remedy = Phrase("Add the column, with a value of its own in each row.")
        return self._says(column.name, Phrase("no column"), self._made(column), remedy, Weight.BLOCKS)

    def _is_too_long_for_a_key(self, column: Column[Any], there: FoundColumn) -> bool:
        """True for unlimited text in a key: SQL Server has none."""
        keys: list[Any] = [*self._table.indexes, *self._table.constraints]
        in_key = any(column.name in each.columns for each in keys if not isinstance(each, CheckConstraint))
        return in_key and self._dialect.name == "mssql" and there.length == UNLIMITED

    def _retype(self, column: Column[Any]) -> Phrase:
        if self._is_sqlite:
            return Phrase("Copy the rows into a table with such a column.")
        if column is self._table.autoincrement_column:
            return Phrase("An existing column cannot be changed to it: copy the rows into a table with such a column.")
        made = column.type.compile(self._dialect)
        if self._dialect.name == "mssql":
            change = f"{made} {'NULL' if column.nullable else 'NOT NULL'}"
        else:
            change = f"TYPE {made}"
            showing = [each for each in VIEWS if (self._table.name, column.name) in each.shown]
            if showing:
                return self._retype_below(showing, self._alter(column, change))
        return Phrase(
            "Run: {statement}; or rename the column, if it is not meant for mail-importer",
            statement=self._alter(column, change),
        )

    def _retype_below(self, showing: Sequence[View], statement: str) -> Phrase:
        """PostgreSQL changes no type of a column that a view reads."""
        names = ", ".join(each.qualified(self._dialect, self._table.schema) for each in showing)
        return Phrase(
            "Run: {statement}; or rename the column, if it is not meant for mail-importer. Then run: mail-importer db "
            "upgrade, which makes the views again, and: mail-importer db grants",
            statement=f"DROP VIEW IF EXISTS {names}; {statement}",
        )

    def _alter(self, column: Column[Any], change: str) -> str:
        preparer = self._dialect.identifier_preparer
        table, name = preparer.format_table(self._table), preparer.format_column(column)
        return f"ALTER TABLE {table} ALTER COLUMN {name} {change}"

    def _made(self, column: Column[Any]) -> Phrase:
        name, _, collation = column.type.compile(self._dialect).partition(" COLLATE ")
        facts = [Phrase.verbatim(name.lower())]
        if collation:
            facts.append(Phrase("collation {collation}", collation=collation.strip('"')))
        if column is self._table.autoincrement_column:
            facts.append(Phrase("numbered by the database"))
        if not column.nullable:
            facts.append(Phrase("not null"))
        return Phrase.joined(*facts, by=", ")

    def _nullability(self, column: Column[Any], there: FoundColumn) -> Iterator[Difference]:
        if column.primary_key or bool(column.nullable) == there.nullable:
            return
        if column.nullable:
            remedy = self._alter_null(column, there)
            yield self._says(column.name, Phrase("not null"), Phrase("null allowed"), remedy, Weight.BLOCKS)
        elif rows := self._found.readable and data_checks.count_null(self._connection, column):
            remedy = Phrase("Give these rows a value.")
            yield self._says(
                column.name, Phrase("null in {rows} rows", rows=rows), Phrase("not null"), remedy, Weight.BLOCKS
            )
        else:
            remedy = self._alter_null(column, there)
            yield self._says(column.name, Phrase("null allowed"), Phrase("not null"), remedy, Weight.DIFFERS)

    def _alter_null(self, column: Column[Any], there: FoundColumn) -> Phrase:
        if self._is_sqlite:
            return Phrase("Copy the rows into a table with such a column.")
        if self._dialect.name == "postgresql":
            word = "DROP" if column.nullable else "SET"
            return Phrase("Run: {statement}", statement=self._alter(column, f"{word} NOT NULL"))
        # Its own type, which may be wider than the expected one.
        collation = f" COLLATE {there.collation}" if there.collation else ""
        word = "NULL" if column.nullable else "NOT NULL"
        return Phrase("Run: {statement}", statement=self._alter(column, f"{there}{collation} {word}"))

    def _default(self, column: Column[Any], there: FoundColumn) -> Iterator[Difference]:
        wanted = getattr(column.server_default, "arg", None)
        if wanted is None or _plain(there.default) == str(wanted):
            return
        if there.default == HIDDEN:
            yield _unseen(self._connection, self._table.name, column.name, Phrase("default {value}", value=wanted))
        elif there.default is not None:
            remedy = Phrase("Correct the default, unless another program needs this one.")
            yield self._says(
                column.name,
                Phrase("default {value}", value=there.default),
                Phrase("default {value}", value=wanted),
                remedy,
                Weight.DIFFERS,
            )
        elif self._is_sqlite:
            remedy = Phrase("Copy the rows into a table with such a column.")
            yield self._says(
                column.name, Phrase("no default"), Phrase("default {value}", value=wanted), remedy, Weight.BLOCKS
            )
        else:
            remedy = self._run(AddDefault(column))
            yield self._says(
                column.name, Phrase("no default"), Phrase("default {value}", value=wanted), remedy, Weight.MISSING
            )

    def _unknown_columns(self) -> Iterator[Difference]:
        """Columns of others that inserts leave out."""
        ours = {id(self._found.column(each.name)) for each in self._table.columns}
        for there in self._found.columns.values():
            if id(there) not in ours and not (there.nullable or there.default is not None or there.numbered):
                remedy = Phrase("Give the column a default, or allow null.")
                yield self._says(
                    there.name,
                    Phrase("not null, no default"),
                    Phrase("a value where we add a row"),
                    remedy,
                    Weight.DIFFERS,
                )

    def _can_be_asked(self, columns: Names) -> bool:
        """Check whether the rows can be queried for these columns; unusable ones are reported already."""
        return self._found.readable and all(self._is_usable(self._table.c[each]) for each in columns)

    def _key(self, key: PrimaryKeyConstraint | UniqueConstraint) -> Iterator[Difference]:
        columns = _names(key)
        is_primary = isinstance(key, PrimaryKeyConstraint)
        kind = Phrase("unique key ({columns})", columns=", ".join(columns))
        if is_primary:
            kind = Phrase("primary key ({columns})", columns=", ".join(columns))
        if self._found.is_key(columns):
            if is_primary and not self._found.is_primary_key(columns):
                yield self._says(key.name, Phrase("a unique key"), kind, Phrase("Nothing to do."), Weight.ACCEPTED)
            return
        statement = self._statement(adding(key))
        weight, was, remedy = Weight.MISSING, Phrase("no such key"), Phrase("Run: {statement}", statement=statement)
        if not self._can_be_asked(columns):
            pass
        elif repeated := data_checks.count_repeated(self._connection, self._table, columns):
            was, weight = Phrase("{repeated} values in more than one row", repeated=repeated), Weight.BLOCKS
            remedy = Phrase("Give each row its own value, then run: {statement}", statement=statement)
        elif is_primary:
            weight, was, remedy = self._primary_key(columns, statement)
        elif self._is_sqlite and isinstance(key, UniqueConstraint):
            remedy = self._run(CreateIndex(unique_index(key)))
        yield self._says(key.name, was, kind, remedy, weight)

    def _primary_key(self, columns: Names, statement: str) -> tuple[Weight, Phrase, Phrase]:
        if self._is_sqlite:
            return Weight.BLOCKS, Phrase("no such key"), Phrase("Copy the rows into a table with this key.")
        if self._found.primary_key:
            name = f"UQ_{self._table.name}_{'_'.join(columns)}"
            copied = self._table.to_metadata(MetaData())  # a key belongs to its table
            unique = adding(UniqueConstraint(*(copied.c[each] for each in columns), name=name))
            was = Phrase("primary key ({columns})", columns=", ".join(self._found.primary_key))
            return Weight.BLOCKS, was, self._run(unique)
        if any(there is not None and there.nullable for there in map(self._found.column, columns)):
            remedy = Phrase("Allow no null, then run: {statement}", statement=statement)
            return Weight.BLOCKS, Phrase("null allowed"), remedy
        return Weight.MISSING, Phrase("no such key"), Phrase("Run: {statement}", statement=statement)

    def _check(self, check: CheckConstraint) -> Iterator[Difference]:
        column, values = data_checks.allowed(check)
        if self._found.allows_only(column, values):
            return
        if HIDDEN in self._found.checks:
            yield _unseen(
                self._connection,
                self._table.name,
                str(check.name),
                Phrase("one of {values}", values=", ".join(values)),
            )
            return
        wanted, remedy, weight = (
            Phrase("one of {values}", values=", ".join(values)),
            self._run(adding(check)),
            Weight.MISSING,
        )
        was = Phrase("no such check")
        if self._can_be_asked((column,)) and (rows := data_checks.count_others(self._connection, self._table, check)):
            was, weight = Phrase("other values in {rows} rows", rows=rows), Weight.BLOCKS
            remedy = Phrase("Give these rows one of the values.")
        elif self._is_sqlite:
            remedy, weight = Phrase("Copy the rows into a table with this check."), Weight.DIFFERS
        yield self._says(check.name, was, wanted, remedy, weight)

    def _foreign_key(self, key: ForeignKeyConstraint) -> Iterator[Difference]:
        if self._found.refers(key):
            return
        columns = tuple(key.column_keys)
        text = Phrase("({columns}) refers to {name}", columns=", ".join(columns), name=key.referred_table.name)
        was, remedy, weight = Phrase("no such key"), self._run(adding(key)), Weight.MISSING
        if self._can_be_asked(columns) and (rows := self._count_orphans(key)):
            was, weight = Phrase("{rows} rows that refer to none", rows=rows), Weight.BLOCKS
            remedy = Phrase("Delete these rows, or add what they refer to.")
        elif self._is_sqlite:
            remedy, weight = Phrase("Copy the rows into a table with this key."), Weight.DIFFERS
        yield self._says(key.name, was, text, remedy, weight)

    def _count_orphans(self, key: ForeignKeyConstraint) -> int:
        referred = self._all.get(key.referred_table.name)
        if referred is not None and not referred.readable:
            return 0
        if all(self._is_usable(each.column) for each in key.elements):
            return data_checks.count_orphans(self._connection, key)
        # An upgrade creates the other table, and it will be empty.
        made = key.referred_table.name not in self._all
        return data_checks.count_rows(self._connection, self._table) if made else 0

    def _index(self, index: Index) -> Iterator[Difference]:
        columns = _names(index)
        if self._found.has_index(columns):
            return
        text = Phrase("index ({columns})", columns=", ".join(columns))
        yield self._says(index.name, Phrase("no such index"), text, self._run(CreateIndex(index)), Weight.MISSING)


def _names(of: PrimaryKeyConstraint | UniqueConstraint | Index) -> Names:
    return tuple(each.name for each in of.columns)


def _plain(default: str | None) -> str | None:
    """A default without the decoration of each database: parentheses, quotes, casts, its words for true and false."""
    if default is None:
        return None
    text = re.sub(r"::[\w ]+$", "", default.strip("()"))
    return {"true": "1", "false": "0"}.get(text, text.removeprefix("N").strip("'"))
