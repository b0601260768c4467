# ruff: noqa: S608  # the only text in a statement is fixed
"""Reflection of the database: the tables of these names, as the database itself describes them."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection, ForeignKeyConstraint, Inspector, inspect, text
from sqlalchemy.engine.interfaces import (
    ReflectedCheckConstraint,
    ReflectedColumn,
    ReflectedIndex,
    ReflectedUniqueConstraint,
    TableKey,
)

HIDDEN: Final = "(not visible to this login)"
"""A default, or the condition of a check, that exists and that the login may not read."""

UNLIMITED: Final = -1
"""The length of text and bytes without limit, as INFORMATION_SCHEMA of SQL Server gives it."""

Names = tuple[str, ...]
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """`type`: the name in INFORMATION_SCHEMA, without its length. `numbered`: the database generates the values.

    It numbers the rows, or computes the values. `default` and the checks of a table may be HIDDEN.
    """

    name: str
    type: str
    length: int | None
    """Characters or bytes, UNLIMITED, or None where the type has no length."""
    digits: int | None
    """Digits after the second, of a time; None: no limit."""
    collation: str | None
    nullable: bool
    default: str | None
    numbered: bool

    def __str__(self) -> str:
        size = self.digits if self.length is None else "max" if self.length == UNLIMITED else self.length
        # Types without size in their name, on the servers that report one nevertheless.
        plain = size is None or self.type in {"text", "blob", "bytea", "timestamp without time zone", "ntext", "image"}
        return self.type if plain else f"{self.type}({size})"


def _as_it_is(name: str) -> str:
    return name


@dataclass(frozen=True, slots=True)
class FoundTable:
    """`unique`: the columns of each key, the primary one included. `indexes`: by name, keys included.

    `folded`: a name as the database compares it. `readable`: the login may query the rows.
    """

    columns: Mapping[str, FoundColumn]
    primary_key: Names
    unique: Sequence[Names]
    indexes: Mapping[str, Names]
    checks: Sequence[str]
    foreign_keys: Sequence[tuple[Names, str, Names]]
    folded: Callable[[str], str] = _as_it_is
    readable: bool = True

    def column(self, name: str) -> FoundColumn | None:
        """The column of that name."""
        return self.columns.get(self.folded(name))

    def is_key(self, columns: Names) -> bool:
        """Check whether no two rows are equal in these columns."""
        return any(set(self._all(each)) == set(self._all(columns)) for each in self.unique)

    def is_primary_key(self, columns: Names) -> bool:
        """Check whether these are the columns of the primary key, in any order."""
        return set(self._all(self.primary_key)) == set(self._all(columns))

    def has_index(self, columns: Names) -> bool:
        """Check whether there is an index, or a key, of these columns in this order."""
        return self._all(columns) in map(self._all, (*self.indexes.values(), *self.unique))

    def allows_only(self, column: str, values: Names) -> bool:
        """Check whether a check of the column names these values; each database writes it in its own words."""
        return any(
            self.folded(column) in self.folded(each) and sorted(set(re.findall(r"'([^']*)'", each))) == sorted(values)
            for each in self.checks
        )

    def refers(self, key: ForeignKeyConstraint) -> bool:
        """Check whether there is such a foreign key, whatever its name."""
        wanted = (tuple(key.column_keys), key.referred_table.name, tuple(each.column.name for each in key.elements))
        return self._reference(*wanted) in (self._reference(*each) for each in self.foreign_keys)

    def _all(self, names: Iterable[str]) -> Names:
        return tuple(map(self.folded, names))

    def _reference(self, columns: Names, table: str, referred: Names) -> tuple[Names, str, Names]:
        return self._all(columns), self.folded(table), self._all(referred)


def schema_of(connection: Connection) -> str | None:
    """The schema that holds the tables; None: the current schema."""
    translated: Mapping[str | None, str] = connection.get_execution_options().get("schema_translate_map") or {}
    return translated.get(None)


def sees_everything(connection: Connection) -> bool:
    """Check whether the login sees all objects in the schema of the tables, also those it has no right to.

    The catalog of SQL Server shows a login objects that it has some right on, and definitions only with VIEW DEFINITION
    (https://learn.microsoft.com/sql/relational-databases/security/metadata-visibility-configuration).
    """
    if connection.dialect.name != "mssql":
        return True
    schema = connection.dialect.identifier_preparer.quote_identifier(schema_of(connection) or "dbo")
    return bool(connection.scalar(_SEES_EVERYTHING, {"schema": schema}))


def has_schema(connection: Connection) -> bool:
    """Check whether the schema of the tables exists."""
    schema, folded = schema_of(connection), _folding(connection)
    if schema is None:
        return True
    return folded(schema) in map(folded, inspect(connection).get_schema_names())


def read(connection: Connection, names: Collection[str]) -> dict[str, FoundTable]:
    """The existing tables of these names. Names are as given where the database considers them the same."""
    schema = schema_of(connection)
    inspector = inspect(connection)
    folded = _folding(connection)
    wanted = {folded(name): name for name in names}
    there = {name: wanted[folded(name)] for name in inspector.get_table_names(schema=schema) if folded(name) in wanted}
    reflected = _Reflected(connection, inspector, schema, list(there))
    return {name: _read_table(connection, reflected, found, folded) for found, name in there.items()}


def _folding(connection: Connection) -> Callable[[str], str]:
    """The database's way to compare names: SQLite takes SACCOUNTNAME for sAccountName, SQL Server with most collations.

    Its catalog compares names as it compares those of statements.
    """
    backend = connection.dialect.name
    if backend == "sqlite" or (backend == "mssql" and connection.scalar(_SEES_NO_CASE)):
        return str.casefold
    return _as_it_is


class _Reflected:
    """Parts of several tables as SQLAlchemy reflects them, by table: one query of each kind, where it has one."""

    def __init__(self, connection: Connection, inspector: Inspector, schema: str | None, names: Sequence[str]) -> None:
        def of_each(found: Mapping[TableKey, _Part]) -> dict[str, _Part]:
            return {name: part for (_, name), part in found.items()}

        backend = connection.dialect.name
        self.schema = schema
        self.primary_key = of_each(inspector.get_multi_pk_constraint(schema, filter_names=names))
        self.indexes = of_each(inspector.get_multi_indexes(schema, filter_names=names))
        self.foreign_keys = of_each(inspector.get_multi_foreign_keys(schema, filter_names=names))
        self.unique: dict[str, list[ReflectedUniqueConstraint]] = {}
        self.checks: dict[str, list[ReflectedCheckConstraint]] = {}
        if backend != "mssql":  # where unique keys are among the indexes, and checks are not reflected
            self.unique = of_each(inspector.get_multi_unique_constraints(schema, filter_names=names))
            self.checks = of_each(inspector.get_multi_check_constraints(schema, filter_names=names))
        self.columns: dict[str, list[ReflectedColumn]] = {}
        if backend == "sqlite":
            self.columns = of_each(inspector.get_multi_columns(schema, filter_names=names))


def _read_table(connection: Connection, of: _Reflected, name: str, folded: Callable[[str], str]) -> FoundTable:
    backend = connection.dialect.name
    primary: Names = tuple(of.primary_key[name]["constrained_columns"])
    whole = [each for each in of.indexes.get(name, []) if _is_of_all_rows(each, backend)]
    unique = [_columns_of(each) for each in whole if each["unique"]]
    unique.extend(tuple(each["column_names"]) for each in of.unique.get(name, []))
    preparer = connection.dialect.identifier_preparer
    quoted = ".".join(preparer.quote_identifier(each) for each in (of.schema, name) if each is not None)
    readable = _READABLE.get(backend)
    return FoundTable(
        columns={folded(each.name): each for each in _read_columns(connection, of, name)},
        primary_key=primary,
        unique=[primary, *unique] if primary else unique,
        indexes={str(each["name"]): _columns_of(each) for each in whole},
        checks=_read_checks(connection, of, name),
        foreign_keys=[
            (tuple(each["constrained_columns"]), each["referred_table"], tuple(each["referred_columns"]))
            for each in of.foreign_keys.get(name, [])
        ],
        folded=folded,
        readable=readable is None or bool(connection.scalar(readable, {"table": quoted})),
    )


def _is_of_all_rows(index: ReflectedIndex, backend: str) -> bool:
    """False for an index that leaves rows out, or is of an expression."""
    return index.get("dialect_options", {}).get(f"{backend}_where") is None and None not in index["column_names"]


def _columns_of(index: ReflectedIndex) -> Names:
    return tuple(str(each) for each in index["column_names"])


_SEES_EVERYTHING: Final = text("SELECT HAS_PERMS_BY_NAME(:schema, N'SCHEMA', N'VIEW DEFINITION')")
_SEES_NO_CASE: Final = text("SELECT COUNT(*) FROM sys.schemas WHERE name = N'SYS'")
_READABLE: Final = {
    "mssql": text("SELECT HAS_PERMS_BY_NAME(:table, N'OBJECT', N'SELECT')"),
    "postgresql": text("SELECT has_table_privilege(:table, 'SELECT')"),
}

# SQLAlchemy's reflection omits the digits of a datetime2, and the checks of SQL Server. INFORMATION_SCHEMA of
# PostgreSQL omits the columns that the login has no right to; its catalog does not.
_COLUMNS: Final = {
    "mssql": text(
        "SELECT COLUMN_NAME AS name, LOWER(DATA_TYPE) AS type, CHARACTER_MAXIMUM_LENGTH AS length, "
        "DATETIME_PRECISION AS digits, COLLATION_NAME AS collation, IS_NULLABLE AS nullable, "
        "CASE WHEN COLUMN_DEFAULT IS NULL AND EXISTS (SELECT 1 FROM sys.columns AS c "
        "WHERE c.object_id = OBJECT_ID(QUOTENAME(:schema) + N'.' + QUOTENAME(:table)) "
        "AND c.name = COLUMN_NAME AND c.default_object_id <> 0) "
        f"THEN N'{HIDDEN}' ELSE COLUMN_DEFAULT END AS value, "
        "CASE WHEN DATA_TYPE = 'timestamp' THEN 1 ELSE "
        "COLUMNPROPERTY(OBJECT_ID(QUOTENAME(:schema) + N'.' + QUOTENAME(:table)), COLUMN_NAME, 'IsIdentity') "
        "+ COLUMNPROPERTY(OBJECT_ID(QUOTENAME(:schema) + N'.' + QUOTENAME(:table)), COLUMN_NAME, 'IsComputed') "
        "END AS numbered FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :table"
    ),
    "postgresql": text(
        "SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, "
        "CASE WHEN format_type(a.atttypid, NULL) IN ('character varying', 'character') AND a.atttypmod > 0 "
        "THEN a.atttypmod - 4 WHEN format_type(a.atttypid, NULL) IN ('character varying', 'text', 'bytea') THEN -1 "
        "END AS length, "
        "CASE WHEN format_type(a.atttypid, NULL) LIKE 'time%' THEN CASE WHEN a.atttypmod < 0 THEN 6 ELSE a.atttypmod "
        "END END AS digits, "
        "CASE WHEN a.attcollation <> t.typcollation THEN l.collname END AS collation, "
        "CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS nullable, pg_get_expr(d.adbin, d.adrelid) AS value, "
        "(a.attidentity <> '' OR a.attgenerated <> '' "
        "OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false)) AS numbered "
        "FROM pg_attribute AS a INNER JOIN pg_class AS c ON c.oid = a.attrelid INNER JOIN pg_type AS t "
        "ON t.oid = a.atttypid INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
        "LEFT JOIN pg_collation AS l ON l.oid = a.attcollation "
        "WHERE n.nspname = coalesce(CAST(:schema AS text), current_schema()) AND c.relname = :table "
        "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    ),
}
_CHECKS: Final = text(
    f"SELECT COALESCE(definition, N'{HIDDEN}') FROM sys.check_constraints "
    "WHERE parent_object_id = OBJECT_ID(QUOTENAME(:schema) + N'.' + QUOTENAME(:table))"
)


def _read_columns(connection: Connection, of: _Reflected, name: str) -> Collection[FoundColumn]:
    backend = connection.dialect.name
    if backend == "sqlite":
        primary = of.primary_key[name]["constrained_columns"]
        return [_sqlite_column(each, primary, connection) for each in of.columns[name]]
    rows = connection.execute(_COLUMNS[backend], {"schema": of.schema, "table": name})
    return [
        FoundColumn(
            name=row.name,
            type=row.type,
            length=row.length,
            digits=row.digits,
            collation=row.collation,
            nullable=row.nullable == "YES",
            default=row.value,
            numbered=bool(row.numbered),
        )
        for row in rows
    ]


def _sqlite_column(column: ReflectedColumn, primary: Sequence[str], connection: Connection) -> FoundColumn:
    name = column["type"].compile(connection.dialect).partition("(")[0].lower()
    length = getattr(column["type"], "length", None)
    return FoundColumn(
        name=column["name"],
        type=name,
        length=length if length is not None else UNLIMITED if name in {"varchar", "nvarchar", "text", "blob"} else None,
        digits=None,
        collation=None,
        nullable=column["nullable"],
        default=column["default"],
        numbered=name == "integer" and list(primary) == [column["name"]],
    )


def _read_checks(connection: Connection, of: _Reflected, name: str) -> list[str]:
    if connection.dialect.name == "mssql":
        return list(connection.scalars(_CHECKS, {"schema": of.schema, "table": name}))
    return [each["sqltext"] for each in of.checks.get(name, [])]
