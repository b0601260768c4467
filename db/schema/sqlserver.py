# ruff: noqa: S608  # a script is text made of fixed names
"""The script for SQL Server: batches of T-SQL, each ended by GO.

An error rolls the transaction back (XACT_ABORT), but tools continue with the next batch: so each batch works only
while the transaction is open, and the first error is the only one. A batch is compiled whole, so a statement on rows of
tables that may not exist then, or not with these columns, is a text that is executed (EXEC).
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Table
from sqlalchemy.schema import CreateTable, ExecutableDDLElement, Index

from db.columns import BINARY_COLLATION
from db.schema import views
from db.schema.script import LOCK_SECONDS, WANTED, Script, Stamp
from db.tables import importer_secret, in_schema
from db.views import VIEWS, View

LOCK: Final = "mail-importer upgrade"
"""The application lock of upgrades, of the program and of the script."""
_PROBLEMS: Final = "#MailImporterProblem"

_IN_ONE_BATCH: Final = 20
"""Guarded statements of a batch, which parsers nest in one another."""


class SqlServerScript(Script):
    """Runs in sqlcmd, in SQL Server Management Studio, or batch by batch on one connection."""

    def text(self, value: str) -> str:
        """A Unicode literal."""
        return "N'" + value.replace("'", "''") + "'"

    def begin(self, version_table: str, known: Sequence[str]) -> None:
        """Open the transaction, lock out other upgrades, refuse unusable columns."""
        self._batch(
            "-- The settings that keys and checks need, whatever tool runs this; an error rolls everything back.",
            "SET ANSI_NULLS ON;",
            "SET QUOTED_IDENTIFIER ON;",
            "SET XACT_ABORT ON;",
            "SET NOCOUNT ON;",
            "SET IMPLICIT_TRANSACTIONS OFF;",
        )
        self._batch(
            "BEGIN TRANSACTION;",
            "DECLARE @lock INT;",
            f"EXEC @lock = sp_getapplock @Resource = {self.text(LOCK)}, @LockMode = N'Exclusive', "
            f"@LockOwner = N'Transaction', @LockTimeout = {LOCK_SECONDS * 1000};",
            *self._throw_if("@lock < 0", "Another upgrade of mail-importer is under way. Run this again later."),
        )
        if self.schema is not None:
            preparer = self.dialect.identifier_preparer
            create = f"CREATE SCHEMA {preparer.quote_identifier(self.schema)}"
            self._if(
                f"SCHEMA_ID({self.text(self.schema)}) IS NULL",
                self._throw(f"There is no schema {self.schema}. Run first: {create}"),
            )
        revisions = ", ".join(map(self.text, known))
        self._if(
            f"{self._object(version_table)} IS NOT NULL",
            *self._executed(
                *self._throw_if(
                    f"EXISTS (SELECT 1 FROM {self.name(version_table)} WHERE [version_num] NOT IN ({revisions}))",
                    "The database was upgraded by a newer version of mail-importer. Run the script of that version.",
                )
            ),
        )
        self._batch(
            f"IF OBJECT_ID(N'tempdb..{_PROBLEMS}') IS NOT NULL",
            "BEGIN",
            f"    DROP TABLE {_PROBLEMS};",
            "END;",
        )
        self._if(
            "",
            f"CREATE TABLE {_PROBLEMS} ([nProblem] INT NOT NULL IDENTITY(1,1), [sText] NVARCHAR(1000) NOT NULL);",
        )
        self.heading("Columns that are there already must be usable.")
        self._if("", *self._refusal_of_types())
        self._throw_problems()
        self.heading("Views of ours must not have the name of anything else.")
        self._if("", *chain.from_iterable(map(self._refusal_of_name, VIEWS)))
        self._throw_problems()

    def end(self, ending: Stamp) -> None:
        """Check for missing values, create the secret if there is none, record the revision, commit."""
        self.heading("Columns that were there already must have a value in each row.")
        for table in in_schema(self.schema).sorted_tables:
            needed = [column.name for column in table.columns if not column.nullable and not column.primary_key]
            if needed:
                self._if("", *self._executed(*self._refusal_of_nulls(table, needed)))
        self._throw_problems()
        self.heading("The secret that authenticates notifications, made by the server where there is none.")
        secrets = self.name(importer_secret.name)
        name = self.text(ending.secret)
        self._if(
            "",
            *self._executed(
                f"INSERT INTO {secrets} ([sName], [sValue], [dtCreated])",
                f"SELECT {name}, CONVERT(NVARCHAR(96), CRYPT_GEN_RANDOM(48), 2), SYSUTCDATETIME()",
                f"WHERE NOT EXISTS (SELECT 1 FROM {secrets} WHERE [sName] = {name});",
            ),
        )
        self.heading(f"Revision {ending.revision}")
        versions = self.name(ending.version_table)
        revision = self.text(ending.revision)
        self._if(
            "",
            *self._executed(
                f"INSERT INTO {versions} ([version_num])",
                f"SELECT {revision} WHERE NOT EXISTS (SELECT 1 FROM {versions});",
                f"UPDATE {versions}",
                f"SET [version_num] = {revision}, [sOldestProgram] = {self.text(ending.oldest_program)},",
                f"    [sOldestProgramOf] = {revision};",
            ),
        )
        self._if("", f"DROP TABLE {_PROBLEMS};")
        self._if("", "COMMIT TRANSACTION;")

    # -- batches

    def _batch(self, *lines: str) -> None:
        self._parts.append("\n".join((*lines, "GO", "")))

    def _if(self, condition: str, *lines: str) -> None:
        work = (f"IF {condition}", *_block(lines)) if condition else lines
        self._batch("IF @@TRANCOUNT > 0", *_block(work))

    def _executed(self, *lines: str) -> Iterator[str]:
        """The statements as a text that is compiled when it is executed."""
        return iter(("EXEC (N'", "\n".join(lines).replace("'", "''"), "');"))

    def _all_guarded(self, statements: Sequence[tuple[str, ExecutableDDLElement]]) -> None:
        for start in range(0, len(statements), _IN_ONE_BATCH):
            self._if(
                "",
                *chain.from_iterable(
                    (f"IF {condition}", f"{textwrap.indent(self.ddl(statement), '    ')};")
                    for condition, statement in statements[start : start + _IN_ONE_BATCH]
                ),
            )

    def _throw(self, message: str) -> str:
        return f"THROW 51000, {self.text(message)}, 1;"

    def _throw_if(self, condition: str, message: str) -> Iterator[str]:
        return iter((f"IF {condition}", "BEGIN", f"    {self._throw(message)}", "END;"))

    def _throw_problems(self) -> None:
        start = self.text("mail-importer cannot use what is there, and nothing was changed:")
        self._if(
            f"EXISTS (SELECT 1 FROM {_PROBLEMS})",
            f"DECLARE @next INT = (SELECT MIN([nProblem]) FROM {_PROBLEMS});",
            f"DECLARE @text NVARCHAR(2000) = {start};",
            "WHILE @next IS NOT NULL",
            "BEGIN",
            f"    SELECT @text = LEFT(@text + N' ' + [sText], 2000) FROM {_PROBLEMS} WHERE [nProblem] = @next;",
            f"    SET @next = (SELECT MIN([nProblem]) FROM {_PROBLEMS} WHERE [nProblem] > @next);",
            "END;",
            "IF @next IS NULL",  # always: sqlglot, which parses the script in the tests, accepts THROW in a block only
            "BEGIN",
            "    THROW 51000, @text, 1;",
            "END;",
        )

    # -- refusals

    def _refusal_of_types(self) -> Iterator[str]:
        rows = [f"    ({', '.join(row)})" for row in self.wanted()]
        yield f"INSERT INTO {_PROBLEMS} ([sText])"
        yield f"SELECT w.[sTable] + N'.' + w.[sColumn] + N': found ' + f.DATA_TYPE COLLATE {BINARY_COLLATION}"
        yield "    + CASE WHEN f.CHARACTER_MAXIMUM_LENGTH IS NULL THEN N''"
        yield "        WHEN f.CHARACTER_MAXIMUM_LENGTH = -1 THEN N'(max)'"
        yield "        ELSE N'(' + CONVERT(NVARCHAR(12), f.CHARACTER_MAXIMUM_LENGTH) + N')' END"
        yield "    + CASE WHEN f.IS_NULLABLE = N'NO' THEN N' not null' ELSE N'' END"
        yield "    + N', wanted ' + w.[sWanted]"
        yield "    + CASE WHEN w.[bNumbered] = 1 THEN N' identity' WHEN w.[bNull] = 1 THEN N' null' ELSE N'' END"
        yield "    + N'. Change the column, or rename it if it is not meant for mail-importer.'"
        yield "FROM (VALUES"
        yield ",\n".join(rows)
        yield f") AS w ({', '.join(f'[{each}]' for each in WANTED)})"
        # Named, since the catalog may have another collation than the database, and comparing the two is an error.
        yield f"INNER JOIN INFORMATION_SCHEMA.COLUMNS AS f ON f.TABLE_SCHEMA = {self.text(self.schema or 'dbo')}"
        yield f"    AND LOWER(f.TABLE_NAME) COLLATE {BINARY_COLLATION} = LOWER(w.[sTable])"
        yield f"    AND LOWER(f.COLUMN_NAME) COLLATE {BINARY_COLLATION} = LOWER(w.[sColumn])"
        yield f"WHERE f.DATA_TYPE COLLATE {BINARY_COLLATION} NOT IN (w.[sType], w.[sOtherType])"
        yield "    OR (w.[nLength] = -1 AND f.CHARACTER_MAXIMUM_LENGTH <> -1)"
        yield "    OR (w.[nLength] > f.CHARACTER_MAXIMUM_LENGTH AND f.CHARACTER_MAXIMUM_LENGTH <> -1)"
        yield "    OR (w.[bInKey] = 1 AND f.CHARACTER_MAXIMUM_LENGTH = -1)"
        yield "    OR f.DATETIME_PRECISION < w.[nDigits]"
        yield f"    OR (w.[bExact] = 1 AND f.COLLATION_NAME COLLATE {BINARY_COLLATION} <> N'{BINARY_COLLATION}')"
        yield "    OR (w.[bNull] = 1 AND f.IS_NULLABLE = N'NO')"
        yield "    OR (w.[bNumbered] = 1 AND f.COLUMN_DEFAULT IS NULL AND COLUMNPROPERTY("
        yield "        OBJECT_ID(QUOTENAME(f.TABLE_SCHEMA) + N'.' + QUOTENAME(f.TABLE_NAME)),"
        yield "        f.COLUMN_NAME, 'IsIdentity') = 0);"

    def _refusal_of_nulls(self, table: Table, needed: Sequence[str]) -> Iterator[str]:
        yield f"INSERT INTO {_PROBLEMS} ([sText])"
        quote = self.dialect.identifier_preparer.quote_identifier
        yield (
            "\nUNION ALL ".join(
                f"SELECT {self.text(f'{table.name}.{name}: found rows with null. Give these rows a value.')} "
                f"WHERE EXISTS (SELECT 1 FROM {self.name(table)} WHERE {quote(name)} IS NULL)"
                for name in needed
            )
            + ";"
        )

    def _refusal_of_name(self, view: View) -> Iterator[str]:
        found = f"OBJECT_ID({self.text(self.name(view.name))})"
        first = view.columns[: view.first]
        yield f"INSERT INTO {_PROBLEMS} ([sText])"
        yield f"SELECT {self.text(str(views.not_ours(view)))}"
        yield f"WHERE {found} IS NOT NULL AND ("
        yield f"    OBJECT_ID({self.text(self.name(view.name))}, N'V') IS NULL"
        yield f"    OR {len(first)} > (SELECT COUNT(*) FROM sys.columns WHERE object_id = {found} AND name IN ("
        yield ",\n".join(f"        {self.text(each.name)}" for each in first)
        yield "    ))"
        yield ");"

    # -- guards

    def _object(self, table: Table | str) -> str:
        return f"OBJECT_ID({self.text(self.name(table))}, N'U')"

    def _create(self, table: Table) -> None:
        self._all_guarded([(f"{self._object(table)} IS NULL", CreateTable(table))])

    def _view(self, view: View) -> None:
        # CREATE VIEW has to be the first of its batch, and CREATE OR ALTER came with a service pack of 2016. An ALTER
        # keeps the rights that were granted on the view.
        made = f"CREATE VIEW {view.qualified(self.dialect, self.schema)} AS SELECT 0 AS [nMessageID]"
        self._if(f"OBJECT_ID({self.text(self.name(view.name))}, N'V') IS NULL", *self._executed(made))
        self._if("", *self._executed(view.create(self.dialect, self.schema, verb="ALTER")))

    def _column_is_missing(self, column: Column[Any]) -> str:
        return f"COL_LENGTH({self.text(self.name(column.table))}, {self.text(column.name)}) IS NULL"

    def _default_is_missing(self, column: Column[Any]) -> str:
        return (
            "EXISTS (\n    SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS "
            f"WHERE TABLE_SCHEMA = {self.text(self.schema or 'dbo')} AND TABLE_NAME = {self.text(column.table.name)}\n"
            f"    AND COLUMN_NAME = {self.text(column.name)} AND COLUMN_DEFAULT IS NULL\n)"
        )

    def _key_is_missing(self, key: Any) -> str:  # noqa: ANN401  # a primary or a unique key
        names = [column.name for column in key.columns]
        parts = "k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0"
        return (
            f"NOT EXISTS (\n    SELECT 1 FROM sys.indexes AS i WHERE i.object_id = {self._object(key.table)}\n"
            "    AND i.is_unique = 1 AND i.has_filter = 0\n"
            f"    AND {len(names)} = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE {parts})\n"
            f"    AND {len(names)} = (\n"
            "        SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c\n"
            "        ON c.object_id = k.object_id AND c.column_id = k.column_id\n"
            f"        WHERE {parts} AND c.name IN ({', '.join(map(self.text, names))})\n    )\n)"
        )

    def _constraint_is_missing(self, constraint: CheckConstraint | ForeignKeyConstraint) -> str:
        view = "sys.check_constraints" if isinstance(constraint, CheckConstraint) else "sys.foreign_keys"
        return self._named_is_missing(view, "parent_object_id", constraint.table, str(constraint.name))

    def _index_is_missing(self, index: Index) -> str:
        table = next(iter(index.columns)).table
        return self._named_is_missing("sys.indexes", "object_id", table, str(index.name))

    def _named_is_missing(self, view: str, owner: str, table: Any, name: str) -> str:  # noqa: ANN401  # a table
        return f"NOT EXISTS (SELECT 1 FROM {view} WHERE {owner} = {self._object(table)} AND name = {self.text(name)})"


def _block(lines: Iterable[str]) -> Iterator[str]:
    return iter(("BEGIN", *(textwrap.indent(line, "    ") for line in lines), "END;"))
