# ruff: noqa: S608  # names and definitions are fixed
"""The views in a database: found, compared with their definitions, made and restored.

PostgreSQL keeps no text of a view but what it understood of it, and writes that out in its own words; both texts are
reduced to the same words before they are compared. The others keep the text.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Dialect, TextClause, text

from db.schema.reflection import schema_of
from db.views import VIEWS, View
from phrases import Phrase

_OBJECT: Final = {
    "mssql": text(
        "SELECT o.type AS kind, m.definition AS definition FROM sys.objects AS o "
        "LEFT JOIN sys.sql_modules AS m ON m.object_id = o.object_id WHERE o.object_id = OBJECT_ID(:qualified)"
    ),
    "postgresql": text(
        "SELECT c.relkind AS kind, CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END AS definition "
        "FROM pg_class AS c INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE c.relname = :name AND n.nspname = coalesce(CAST(:schema AS text), current_schema())"
    ),
    "sqlite": text("SELECT type AS kind, sql AS definition FROM sqlite_master WHERE lower(name) = lower(:name)"),
}
_COLUMNS: Final = {
    "mssql": text("SELECT name FROM sys.columns WHERE object_id = OBJECT_ID(:qualified) ORDER BY column_id"),
    "postgresql": text(
        "SELECT a.attname FROM pg_attribute AS a INNER JOIN pg_class AS c ON c.oid = a.attrelid "
        "INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relname = :name "
        "AND n.nspname = coalesce(CAST(:schema AS text), current_schema()) AND a.attnum > 0 AND NOT a.attisdropped "
        "ORDER BY a.attnum"
    ),
}
_DEPENDENT: Final = text(
    "SELECT DISTINCT CAST(CAST(r.ev_class AS regclass) AS text) FROM pg_depend AS d "
    "INNER JOIN pg_rewrite AS r ON r.oid = d.objid INNER JOIN pg_class AS c ON c.oid = d.refobjid "
    "INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE d.classid = CAST('pg_rewrite' AS regclass) AND d.refclassid = CAST('pg_class' AS regclass) "
    "AND c.relname = :name AND n.nspname = coalesce(CAST(:schema AS text), current_schema()) AND r.ev_class <> c.oid "
    "ORDER BY 1"
)
_IS_VIEW: Final = {"mssql": "V", "postgresql": "v", "sqlite": "view"}


@dataclass(frozen=True, slots=True)
class FoundView:
    """An object of the view's name. `columns` of a view; of SQLite, which cannot list those of a broken one, empty.

    `definition`: None: not a view, or the login may not read it.
    """

    is_view: bool
    columns: Sequence[str]
    definition: str | None


def find(connection: Connection, view: View) -> FoundView | None:
    """The object of that name, which need not be a view; None: there is none, or the login does not see it."""
    backend = connection.dialect.name
    schema = _schema_of(connection)
    wanted = {"name": view.name, "schema": schema, "qualified": view.qualified(connection.dialect, schema)}
    found = connection.execute(_OBJECT[backend], _only(_OBJECT[backend], wanted)).first()
    if found is None:
        return None
    columns = _COLUMNS.get(backend)
    names = () if columns is None else list(connection.scalars(columns, _only(columns, wanted)))
    return FoundView(found.kind.strip() == _IS_VIEW[backend], names, found.definition)


def _schema_of(connection: Connection) -> str | None:
    return schema_of(connection) or ("dbo" if connection.dialect.name == "mssql" else None)


def _only(statement: TextClause, values: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name: value for name, value in values.items() if name in statement.compile().params}


def not_ours(view: View) -> Phrase:
    """The refusal of an object of that name which is not the view of this program."""
    return Phrase(
        "{view}: found something else of this name, wanted a view of mail-importer. Rename it, or drop it if nothing "
        "uses it.",
        view=view.name,
    )


def is_ours(connection: Connection, view: View, found: FoundView) -> bool:
    """Check whether the object is the view of this program, though perhaps changed, and not one of another program."""
    if not found.is_view:
        return False
    fold = _folding(connection)
    columns = found.columns if connection.dialect.name != "sqlite" else re.findall(r"\w+", found.definition or "")
    return {fold(each.name) for each in view.columns[: view.first]} <= set(map(fold, columns))


def is_as_made(connection: Connection, view: View, found: FoundView) -> bool:
    """Check whether an upgrade would make the same view."""
    dialect, fold = connection.dialect, _folding(connection)
    if dialect.name != "sqlite" and [fold(each.name) for each in view.columns] != list(map(fold, found.columns)):
        return False
    if found.definition is None:  # not visible to the login
        return True
    wanted = view.select(dialect, _schema_of(connection))
    return list(map(fold, _words(found.definition))) == list(map(fold, _words(wanted)))


def _folding(connection: Connection) -> Callable[[str], str]:
    """The comparison of names: those that differ in case only are valid in a definition where they are the same."""
    return str if connection.dialect.name == "postgresql" else str.casefold


def _words(definition: str) -> list[str]:
    """The definition from its SELECT on, without what PostgreSQL adds and leaves out when it writes a view."""
    select = definition[definition.upper().find("SELECT") :]
    select = re.sub(r"::(?:text|character varying|bigint)(?:\(\d+\))?(?:\[\])?", "", select)
    # The schema of a table, which the server writes where it is not on the search path.
    select = re.sub(r"""(?:"(?:[^"]|"")*"|\[(?:[^]]|\]\])*\]|\w+)\.(?=["\[]?tbl)""", "", select)
    words = re.findall(r"""'[^']*'|"[^"]*"|\[[^]]*\]|\w+|[^\s\w();]""", select)
    plain = (word if word[0] in "\"'[" else word.lower() for word in words)
    return [word for word in plain if word not in {"as", "inner", "outer"}]


def dependents(connection: Connection, view: View, found: FoundView) -> list[str]:
    """Views of others that read this one and keep it from being made anew; where it can be replaced, they do not."""
    wanted = [each.name for each in view.columns]
    if connection.dialect.name != "postgresql" or wanted[: len(found.columns)] == list(found.columns):
        return []
    return list(connection.scalars(_DEPENDENT, {"name": view.name, "schema": schema_of(connection)}))


def ensure(connection: Connection, view: View) -> None:
    """Make the view, or restore it. `comparison` has found before that nothing of others has its name."""
    found = find(connection, view)
    if found is not None and is_as_made(connection, view, found):
        return
    dialect, schema = connection.dialect, _schema_of(connection)
    if dialect.name == "postgresql":
        connection.exec_driver_sql(on_postgresql(view, dialect, schema))
        return
    # Rights on a view of SQL Server stay when it is altered.
    verb = "ALTER" if found is not None else "CREATE"
    connection.exec_driver_sql(view.create(dialect, schema, verb=verb))


def set_aside(connection: Connection) -> None:
    """Drop the views on SQLite, where a broken one fails each change of a table, and another keeps its columns."""
    for view in VIEWS:
        if find(connection, view) is not None:
            connection.exec_driver_sql(view.drop(connection.dialect, None))


def on_postgresql(view: View, dialect: Dialect, schema: str | None) -> str:
    """A statement that makes the view or replaces it, whatever columns it has; rights that were granted on it stay.

    The server replaces a view in place if its columns go on as they were; otherwise the view is made anew, and the
    rights on it and on its columns are granted again.
    """
    name = view.qualified(dialect, schema)
    create = view.create(dialect, schema)
    place = "current_schema()" if schema is None else _literal(schema)
    return f"""\
DO $view$ DECLARE grants text[]; each text; BEGIN
BEGIN
{create.replace("CREATE", "CREATE OR REPLACE", 1)};
EXCEPTION WHEN invalid_table_definition THEN
SELECT array_agg('GRANT ' || a.privilege_type || a.names || ' ON {name} TO '
    || CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
    || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) INTO grants
FROM pg_class AS c INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace CROSS JOIN LATERAL (
    SELECT '' AS names, w.* FROM aclexplode(c.relacl) AS w
    UNION ALL SELECT ' (' || quote_ident(k.attname) || ')', w.*
    FROM pg_attribute AS k CROSS JOIN LATERAL aclexplode(k.attacl) AS w
    WHERE k.attrelid = c.oid AND k.attname IN ({", ".join(_literal(each.name) for each in view.columns)})
) AS a
WHERE c.relname = {_literal(view.name)} AND n.nspname = {place} AND a.grantee <> c.relowner;
{view.drop(dialect, schema)};
{create};
FOREACH each IN ARRAY coalesce(grants, ARRAY[]::text[]) LOOP EXECUTE each; END LOOP;
END;
END $view$"""


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
