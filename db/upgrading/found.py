"""What is in the database: the tables of these names, as the database itself describes them."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, ForeignKeyConstraint, Inspector, inspect, text
from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedIndex

UNLIMITED: Final = -1
"""The length of text and bytes without limit, as INFORMATION_SCHEMA of SQL Server gives it."""

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """`type`: the name in INFORMATION_SCHEMA, without its length. `numbered`: the database gives the values itself.

    It numbers the rows, or computes the values.
    """

    name: str
    type: str
    length: int | None
    """Characters or bytes, UNLIMITED, or None where the type has no length."""
    digits: int | None
    """After the second, of a time; None: as many as there are."""
    collation: str | None
    nullable: bool
    default: str | None
    numbered: bool

    def __str__(self) -> str:
        size = self.digits if self.length is None else "max" if self.length == UNLIMITED else self.length
        # Types without size in their name, on the servers that tell one all the same.
        plain = size is None or self.type in {"text", "blob", "bytea", "timestamp without time zone", "ntext", "image"}
        return self.type if plain else f"{self.type}({size})"


@dataclass(frozen=True, slots=True)
class FoundTable:
    """`unique`: the columns of each key, the primary one included. `indexes`: by name, keys included."""

    columns: Mapping[str, FoundColumn]
    primary_key: Names
    unique: Sequence[Names]
    indexes: Mapping[str, Names]
    checks: Sequence[str]
    foreign_keys: Sequence[tuple[Names, str, Names]]

    def column(self, name: str) -> FoundColumn | None:
        """The column of that name."""
        return self.columns.get(name)

    def is_key(self, columns: Names) -> bool:
        """Whether no two rows are alike in these columns."""
        return any(set(each) == set(columns) for each in self.unique)

    def allows_only(self, column: str, values: Names) -> bool:
        """Whether a check of the column names these values; each database writes it in its own words."""
        return any(
            column in each and sorted(set(re.findall(r"'([^']*)'", each))) == sorted(values) for each in self.checks
        )

    def refers(self, key: ForeignKeyConstraint) -> bool:
        """Whether there is such a foreign key, whatever its name."""
        wanted = (tuple(key.column_keys), key.referred_table.name, tuple(each.column.name for each in key.elements))
        return wanted in self.foreign_keys


def schema_of(connection: Connection) -> str | None:
    """The schema that holds the tables; None: where the search path leads."""
    translated: Mapping[str | None, str] = connection.get_execution_options().get("schema_translate_map") or {}
    return translated.get(None)


def has_schema(connection: Connection) -> bool:
    """Whether the schema that is to hold the tables exists."""
    schema, backend = schema_of(connection), connection.dialect.name
    if schema is None:
        return True
    return _key(schema, backend) in {_key(each, backend) for each in inspect(connection).get_schema_names()}


def read(connection: Connection, names: Collection[str]) -> dict[str, FoundTable]:
    """The tables of these names that exist. Names are ours where the database takes them for the same."""
    schema = schema_of(connection)
    inspector = inspect(connection)
    backend = connection.dialect.name
    wanted = {_key(name, backend): name for name in names}
    found = {}
    for there in inspector.get_table_names(schema=schema):
        name = wanted.get(_key(there, backend))
        if name is not None:
            found[name] = _read_table(connection, inspector, there, schema)
    return found


def _key(name: str, backend: str) -> str:
    # SQLite, and SQL Server with its usual collations, take SACCOUNTNAME for sAccountName.
    return name if backend == "postgresql" else name.casefold()


class _Columns(dict[str, FoundColumn]):
    """Columns, found by a name as the database would find them."""

    def __init__(self, columns: Collection[FoundColumn], backend: str) -> None:
        super().__init__({_key(each.name, backend): each for each in columns})
        self._backend = backend

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  # the signature is dict's
        return super().get(_key(name, self._backend), default)


def _read_table(connection: Connection, inspector: Inspector, name: str, schema: str | None) -> FoundTable:
    backend = connection.dialect.name
    primary: Names = tuple(inspector.get_pk_constraint(name, schema=schema)["constrained_columns"])
    whole = [each for each in inspector.get_indexes(name, schema=schema) if _is_of_all_rows(each, backend)]
    unique = [_columns_of(each) for each in whole if each["unique"]]
    if backend != "mssql":  # where they are among the indexes
        unique.extend(tuple(each["column_names"]) for each in inspector.get_unique_constraints(name, schema=schema))
    return FoundTable(
        columns=_Columns(_read_columns(connection, inspector, name, schema), backend),
        primary_key=primary,
        unique=[primary, *unique] if primary else unique,
        indexes={str(each["name"]): _columns_of(each) for each in whole},
        checks=_read_checks(connection, inspector, name, schema),
        foreign_keys=[
            (tuple(each["constrained_columns"]), each["referred_table"], tuple(each["referred_columns"]))
            for each in inspector.get_foreign_keys(name, schema=schema)
        ],
    )


def _is_of_all_rows(index: ReflectedIndex, backend: str) -> bool:
    """False for an index that leaves rows out, or is of an expression."""
    return index.get("dialect_options", {}).get(f"{backend}_where") is None and None not in index["column_names"]


def _columns_of(index: ReflectedIndex) -> Names:
    return tuple(str(each) for each in index["column_names"])


# SQLAlchemy's reflection leaves out how many digits a datetime2 has, and the checks of SQL Server.
_COLUMNS: Final = {
    "mssql": text(
        "SELECT COLUMN_NAME AS name, LOWER(DATA_TYPE) AS type, CHARACTER_MAXIMUM_LENGTH AS length, "
        "DATETIME_PRECISION AS digits, COLLATION_NAME AS collation, IS_NULLABLE AS nullable, "
        "COLUMN_DEFAULT AS value, "
        "CASE WHEN DATA_TYPE = 'timestamp' THEN 1 ELSE "
        "COLUMNPROPERTY(OBJECT_ID(QUOTENAME(:schema) + N'.' + QUOTENAME(:table)), COLUMN_NAME, 'IsIdentity') "
        "+ COLUMNPROPERTY(OBJECT_ID(QUOTENAME(:schema) + N'.' + QUOTENAME(:table)), COLUMN_NAME, 'IsComputed') "
        "END AS numbered FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :table"
    ),
    "postgresql": text(
        "SELECT column_name AS name, data_type AS type, "
        "CASE WHEN data_type IN ('character varying', 'text', 'bytea') "
        "THEN coalesce(character_maximum_length, -1) ELSE character_maximum_length END AS length, "
        "datetime_precision AS digits, collation_name AS collation, is_nullable AS nullable, column_default AS value, "
        "(is_identity = 'YES' OR is_generated = 'ALWAYS' OR column_default LIKE 'nextval(%') AS numbered "
        "FROM information_schema.columns "
        "WHERE table_schema = coalesce(CAST(:schema AS text), current_schema()) AND table_name = :table"
    ),
}
_CHECKS: Final = text(
    "SELECT definition FROM sys.check_constraints "
    "WHERE parent_object_id = OBJECT_ID(QUOTENAME(:schema) + N'.' + QUOTENAME(:table))"
)


def _read_columns(
    connection: Connection, inspector: Inspector, name: str, schema: str | None
) -> Collection[FoundColumn]:
    backend = connection.dialect.name
    if backend == "sqlite":
        primary = inspector.get_pk_constraint(name)["constrained_columns"]
        return [_sqlite_column(each, primary, connection) for each in inspector.get_columns(name)]
    rows = connection.execute(_COLUMNS[backend], {"schema": schema, "table": name})
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


def _read_checks(connection: Connection, inspector: Inspector, name: str, schema: str | None) -> list[str]:
    if connection.dialect.name == "mssql":
        return list(connection.scalars(_CHECKS, {"schema": schema, "table": name}))
    return [each["sqltext"] for each in inspector.get_check_constraints(name, schema=schema)]
