# ruff: noqa: S608  # a script is text made of fixed names
"""The script for PostgreSQL. An error anywhere leaves nothing: the transaction is lost, and COMMIT rolls it back."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Table
from sqlalchemy.schema import CreateTable, ExecutableDDLElement, Index

from db.schema import views
from db.schema.script import WANTED, Script, Stamp
from db.tables import importer_secret, in_schema
from db.views import VIEWS, View

LOCK: Final = 0x6D61696C2D696D70
"""The advisory lock of upgrades, of the program and of the script: `mail-imp`."""


class PostgreSQLScript(Script):
    """Runs in psql, or as one text in any client."""

    def text(self, value: str) -> str:
        """A literal."""
        return "'" + value.replace("'", "''") + "'"

    def begin(self, version_table: str, known: Sequence[str]) -> None:
        """Open the transaction, lock out other upgrades, refuse unusable columns."""
        self._say("BEGIN;")
        self._say("SET LOCAL client_min_messages = warning;")
        self._say(f"SELECT pg_advisory_xact_lock({LOCK});")
        if self.schema is not None:
            create = f"CREATE SCHEMA {self.dialect.identifier_preparer.quote_identifier(self.schema)}"
            self._do(
                f"to_regnamespace({self.text(create.removeprefix('CREATE SCHEMA '))}) IS NULL",
                self._raise(f"There is no schema {self.schema}. Run first: {create}"),
            )
        revisions = ", ".join(map(self.text, known))
        refusal = self._raise("The database was upgraded by a newer version of mail-importer. Run that one's script.")
        self._do(
            f"{self._object(version_table)} IS NOT NULL",
            f"IF EXISTS (SELECT FROM {self.name(version_table)} WHERE version_num NOT IN ({revisions})) "
            f"THEN {refusal} END IF;",
        )
        self.heading("Columns that are there already must be usable.")
        self._refuse(self._unusable())
        self.heading("Views of ours must not have the name of anything else.")
        self._refuse("\nUNION ALL ".join(map(self._taken, VIEWS)))

    def end(self, ending: Stamp) -> None:
        """Check for missing values, create the secret if there is none, record the revision, commit."""
        self.heading("Columns that were there already must have a value in each row.")
        self._refuse(self._nulls())
        self.heading("The secret that authenticates notifications, made by the server where there is none.")
        secrets, name = self.name(importer_secret.name), self.text(ending.secret)
        self._say(
            f'INSERT INTO {secrets} ("sName", "sValue", "dtCreated")\n'
            f"SELECT {name}, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), "
            "now() AT TIME ZONE 'UTC'\n"
            f'WHERE NOT EXISTS (SELECT FROM {secrets} WHERE "sName" = {name});'
        )
        self.heading(f"Revision {ending.revision}")
        versions, revision = self.name(ending.version_table), self.text(ending.revision)
        self._say(f"INSERT INTO {versions} (version_num) SELECT {revision} WHERE NOT EXISTS (SELECT FROM {versions});")
        oldest = self.text(ending.oldest_program)
        self._say(
            f'UPDATE {versions} SET version_num = {revision}, "sOldestProgram" = {oldest}, '
            f'"sOldestProgramOf" = {revision};'
        )
        self._say("COMMIT;")

    # -- statements

    def _say(self, statement: str) -> None:
        self._parts.append(f"{statement}\n")

    def _do(self, condition: str, *statements: str) -> None:
        lines = "\n    ".join(statements)
        self._say(f"DO $$ BEGIN IF {condition} THEN\n    {lines}\nEND IF; END $$;")

    def _raise(self, message: str) -> str:
        return f"RAISE EXCEPTION USING MESSAGE = {self.text(message)};"

    def _refuse(self, problems: str) -> None:
        """`problems`: a query of texts."""
        self._say(
            f"DO $$ DECLARE problems text; BEGIN\nSELECT string_agg(problem, ' ') INTO problems FROM (\n{problems}\n) "
            "AS found (problem);\nIF problems IS NOT NULL THEN\n    RAISE EXCEPTION USING MESSAGE = "
            "'mail-importer cannot use what is there, and nothing was changed: ' || problems;\nEND IF; END $$;"
        )

    def _all_guarded(self, statements: Sequence[tuple[str, ExecutableDDLElement]]) -> None:
        for condition, statement in statements:
            self._do(condition, f"{self.ddl(statement)};")

    # -- refusals

    def _unusable(self) -> str:
        rows = ",\n".join(f"    ({', '.join(row)})" for row in self.wanted())
        names = ", ".join(f'"{each}"' for each in WANTED)
        return (
            """SELECT w."sTable" || '.' || w."sColumn" || ': found ' || f.data_type"""
            " || coalesce('(' || f.character_maximum_length || ')', '')"
            " || CASE WHEN f.is_nullable = 'NO' THEN ' not null' ELSE '' END"
            """ || ', wanted ' || w."sWanted" || CASE WHEN w."bNumbered" = 1 THEN ' identity'"""
            """ WHEN w."bNull" = 1 THEN ' null' ELSE '' END"""
            " || '. Change the column, or rename it if it is not meant for mail-importer.'\n"
            f"FROM (VALUES\n{rows}\n) AS w ({names})\n"
            f"INNER JOIN information_schema.columns AS f ON f.table_schema = {self._schema()}"
            """ AND f.table_name = w."sTable" AND f.column_name = w."sColumn"\n"""
            """WHERE f.data_type NOT IN (w."sType", w."sOtherType")\n"""
            """    OR (w."nLength" = -1 AND f.character_maximum_length IS NOT NULL)\n"""
            """    OR w."nLength" > f.character_maximum_length\n"""
            """    OR f.datetime_precision < w."nDigits"\n"""
            """    OR (w."bNull" = 1 AND f.is_nullable = 'NO')\n"""
            """    OR (w."bNumbered" = 1 AND f.column_default IS NULL AND f.is_identity = 'NO')"""
        )

    def _taken(self, view: View) -> str:
        first = view.columns[: view.first]
        return (
            f"SELECT {self.text(str(views.not_ours(view)))} FROM pg_class c INNER JOIN pg_namespace n "
            f"ON n.oid = c.relnamespace WHERE n.nspname = {self._schema()} AND c.relname = {self.text(view.name)} "
            f"AND (c.relkind <> 'v' OR {len(first)} > (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid "
            f"AND a.attname IN ({', '.join(self.text(each.name) for each in first)})))"
        )

    def _nulls(self) -> str:
        return "\nUNION ALL ".join(
            f"SELECT {self.text(f'{table.name}.{column.name}: found rows with null. Give these rows a value.')} "
            f"WHERE EXISTS (SELECT FROM {self.name(table)} WHERE {self._quoted(column.name)} IS NULL)"
            for table in in_schema(self.schema).sorted_tables
            for column in table.columns
            if not column.nullable and not column.primary_key
        )

    # -- guards

    def _quoted(self, name: str) -> str:
        return self.dialect.identifier_preparer.quote_identifier(name)

    def _schema(self) -> str:
        return "current_schema()" if self.schema is None else self.text(self.schema)

    def _object(self, table: Table | str) -> str:
        return f"to_regclass({self.text(self.name(table))})"

    def _create(self, table: Table) -> None:
        self._say(f"{self.ddl(CreateTable(table, if_not_exists=True))};")

    def _view(self, view: View) -> None:
        self._say(f"{views.on_postgresql(view, self.dialect, self.schema)};")

    def _is_column(self, column: Column[Any]) -> str:
        # Not information_schema: each of hundreds of columns would take milliseconds.
        where = f"attrelid = {self._object(column.table)} AND attname = {self.text(column.name)} AND NOT attisdropped"
        return f"SELECT FROM pg_attribute WHERE {where}"

    def _column_is_missing(self, column: Column[Any]) -> str:
        # Not ADD COLUMN IF NOT EXISTS: of a serial column it creates the sequence nevertheless.
        return f"NOT EXISTS ({self._is_column(column)})"

    def _default_is_missing(self, column: Column[Any]) -> str:
        return f"EXISTS ({self._is_column(column)} AND NOT atthasdef)"

    def _key_is_missing(self, key: Any) -> str:  # noqa: ANN401  # a primary or a unique key
        names = [column.name for column in key.columns]
        return (
            f"NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = {self._object(key.table)} AND i.indisunique "
            f"AND i.indpred IS NULL AND i.indnkeyatts = {len(names)} AND {len(names)} = (SELECT count(*) "
            "FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
            f"AND a.attname IN ({', '.join(map(self.text, names))})))"
        )

    def _constraint_is_missing(self, constraint: CheckConstraint | ForeignKeyConstraint) -> str:
        table, name = self._object(constraint.table), self.text(str(constraint.name))
        return f"NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = {table} AND conname = {name})"

    def _index_is_missing(self, index: Index) -> str:
        name = self.name(str(index.name))
        return f"to_regclass({self.text(name)}) IS NULL"
