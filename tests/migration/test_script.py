"""The script that an administrator runs: `db upgrade --sql`."""

import functools
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import sqlglot
from sqlalchemy import Connection, Engine, Executable, text
from sqlalchemy.schema import CreateSchema
from sqlglot import exp

from db.engine import run_reading, run_writing
from db.schema import migration, revisions
from db.schema.comparison import Weight
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.migration import past
from tests.reviewed import assert_reviewed

NOW: Final = SettableClock()()
REVIEWED: Final = Path(__file__).with_name("sql_server.sql")
POSTGRESQL: Final = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
MSSQL: Final = pytest.mark.parametrize("database_kind", [pytest.param("mssql", marks=pytest.mark.mssql)], indirect=True)


def of_sql_server(place: str | None = None) -> str:
    return migration.script("mssql", schema=place)


def script_for(engine: Engine) -> str:
    """The script for an administrator of its database."""
    place = (engine.get_execution_options().get("schema_translate_map") or {}).get(None)
    return migration.script(engine.dialect.name, schema=place)


def batches(script: str) -> list[str]:
    return [each for each in re.split(r"(?m)^GO\n", script) if each.strip()]


def texts_within(batch: str) -> list[str]:
    """Return the statements that the batch executes as a text, which is compiled then."""
    return [each.replace("''", "'") for each in re.findall(r"(?s)EXEC \(N'((?:[^']|'')*)'\);", batch)]


def wrong(engine: Engine) -> list[str]:
    return [str(each) for each in migration.check(engine) if each.weight is not Weight.ADVICE]


def run(engine: Engine, script: str) -> None:
    """Run it as the tools do: one connection, nothing but the script's own transaction."""
    connection = engine.raw_connection()
    try:
        driver = connection.driver_connection
        assert driver is not None
        driver.autocommit = True
        for batch in batches(script) if engine.dialect.name == "mssql" else [script]:
            driver.cursor().execute(batch)
    finally:
        connection.invalidate()


# -- SQL Server: the text


def test_the_script_for_sql_server_is_the_one_that_was_reviewed() -> None:
    """A change of it shows the text that an administrator will see.

    To rewrite it: mail-importer db upgrade --sql > tests/migration/sql_server.sql
    (with MAIL_IMPORTER_DATABASE_URL=mssql+pyodbc://host/gateway).
    """
    assert_reviewed(of_sql_server(), REVIEWED)


@pytest.fixture
def _quiet_parser() -> Iterator[None]:
    """The parser logs constructs that it keeps as text; the test lists the allowed ones."""
    log = logging.getLogger("sqlglot")
    log.disabled = True
    yield
    log.disabled = False


@pytest.mark.usefixtures("_quiet_parser")
def test_each_batch_is_t_sql() -> None:
    """It is parsed whole, except for named defaults of existing columns, which the parser does not know."""
    outer = batches(of_sql_server())
    inner = [text for batch in outer for text in texts_within(batch)]
    assert inner
    for batch in [*(re.sub(r"(?s)EXEC \(N'(?:[^']|'')*'\);", "SELECT 1;", each) for each in outer), *inner]:
        for statement in sqlglot.parse(batch, read="tsql", error_level=sqlglot.ErrorLevel.RAISE):
            assert statement is not None
            for unknown in statement.find_all(exp.Command):
                assert re.fullmatch(
                    r"ALTER TABLE \[dbo\]\.\[\w+\] ADD CONSTRAINT \[DF_\w+\] DEFAULT (\d|N'\w+') FOR \[\w+\]",
                    unknown.sql(),
                )


def test_each_batch_works_only_within_the_transaction() -> None:
    """Tools go on after an error: later batches must do nothing."""
    settings, begin, *rest = batches(of_sql_server())
    assert "SET XACT_ABORT ON;" in settings
    assert "BEGIN TRANSACTION;" in begin
    for batch in rest:
        body = re.sub(r"(?m)^(--.*)?\n", "", batch)
        assert body.startswith(("IF @@TRANCOUNT > 0\nBEGIN\n", "IF OBJECT_ID(N'tempdb..#"))
        assert body.count("\nEND;") == 1
        assert body.endswith("\nEND;\n")


def test_no_batch_fails_to_compile_after_an_error() -> None:
    """Its errors would hide the first one: tables and columns that were rolled back are named in texts only."""
    for batch in batches(of_sql_server())[2:]:
        outer = re.sub(r"(?s)EXEC \(N'(?:[^']|'')*'\);", "", batch)
        assert not re.search(r"(?i)(FROM|INTO|UPDATE|JOIN) \[dbo\]", outer)


def test_the_schema_of_the_settings_is_in_every_name() -> None:
    """Nothing depends on the default schema of the user that runs the script."""
    script = of_sql_server("gateway's")
    assert "dbo" not in script
    assert set(re.findall(r"(?<!\[gateway's\]\.)(?<!\[gateway''s\]\.)\[tbl\w+\]", script)) == {
        "[tblMailImporterVersion_pkc]"  # a constraint
    }
    assert "There is no schema gateway''s. Run first: CREATE SCHEMA [gateway''s]" in script


def test_no_secret_is_in_the_script() -> None:
    """The server makes it, and only if there is none."""
    script = of_sql_server()
    assert script == of_sql_server()
    assert "CRYPT_GEN_RANDOM(48)" in script


# -- PostgreSQL: executed


@POSTGRESQL
@pytest.mark.parametrize("revision", [None, *past.REVISIONS])
def test_the_script_upgrades_from_everywhere_and_may_be_run_again(fresh: Engine, revision: str | None) -> None:
    """Afterwards nothing is missing, and the program has nothing left to do."""
    if revision is not None:
        past.make(fresh, revision)
    run(fresh, script_for(fresh))
    first = run_reading(fresh, revisions.stored_client_state_secret)
    revisions.require_current(fresh)
    assert wrong(fresh) == []
    run(fresh, script_for(fresh))
    assert wrong(fresh) == []
    assert first is not None
    assert len(first) >= 48
    assert migration.upgrade(fresh, now=NOW).is_current
    assert run_reading(fresh, revisions.stored_client_state_secret) == first


@POSTGRESQL
def test_script_and_program_make_the_same(fresh: Engine, database_engine: Engine) -> None:
    """They are equal to the letter."""
    run(fresh, script_for(fresh))
    assert past.description(fresh) == past.description(database_engine)


@POSTGRESQL
def test_the_script_keeps_the_accounts_of_another_program(fresh: Engine) -> None:
    """It keeps rows and fills in missing values, like the program."""
    _accounts_of_others(fresh, '"sAccountName" varchar(255) NOT NULL UNIQUE')
    run(fresh, script_for(fresh))
    rows = run_reading(fresh, lambda c: c.execute(text('SELECT * FROM "tblEmailAccountSettings"')).mappings().all())
    assert [(row["sAccountName"], row["sServer"], row["bEnabled"]) for row in rows] == [("one", "imap", False)]
    assert {each.item for each in migration.check(fresh) if each.weight is not Weight.ADVICE} == {
        "sAccountName",
        "sServer",
    }


@POSTGRESQL
@pytest.mark.parametrize(
    ("column", "reported"),
    [
        (
            '"sAccountName" varchar(20) NOT NULL',
            r"sAccountName: found character varying\(20\) not null, wanted varchar\(200\)",
        ),
        ('"sAccountName" bytea NOT NULL', "sAccountName: found bytea not null, wanted varchar"),
        (
            '"sAccountName" text, "bEnabled" smallint NOT NULL DEFAULT 1',
            "bEnabled: found smallint not null, wanted boolean",
        ),
        ('"sAccountName" text, "sMoveToFolder" text NOT NULL DEFAULT \'x\'', "sMoveToFolder: found text not null"),
        ('"sAccountName" text, "sUserID" text', "sUserID: found rows with null"),
    ],
)
def test_the_script_refuses_what_it_cannot_use(fresh: Engine, column: str, reported: str) -> None:
    """It applies the same rules as the program, and changes nothing."""
    _accounts_of_others(fresh, column)
    before = past.description(fresh)
    with pytest.raises(Exception, match=reported) as refusal:
        run(fresh, script_for(fresh))
    assert "nothing was changed" in str(refusal.value)
    assert past.description(fresh) == before


@POSTGRESQL
def test_the_script_leaves_a_newer_schema_alone(database_engine: Engine) -> None:
    """It would set it back."""
    newer = text("UPDATE \"tblMailImporterVersion\" SET version_num = '9998'")
    run_writing(database_engine, lambda c: c.execute(newer))
    with pytest.raises(Exception, match="upgraded by a newer version"):
        run(database_engine, script_for(database_engine))
    assert revisions.state(database_engine).current == "9998"


def _accounts_of_others(engine: Engine, columns: str) -> None:
    def work_on(statement: str) -> None:
        run_writing(engine, lambda c: c.exec_driver_sql(statement))

    number = '"nAccountID" bigserial PRIMARY KEY'
    work_on(f'CREATE TABLE "tblEmailAccountSettings" ({number}, "sServer" varchar(9) NOT NULL, {columns})')
    work_on("""INSERT INTO "tblEmailAccountSettings" ("sServer", "sAccountName") VALUES ('imap', 'one')""")


# -- SQL Server: executed, if there is one


@MSSQL
@pytest.mark.parametrize("revision", [None, *past.REVISIONS])
def test_the_script_runs_on_sql_server(fresh: Engine, revision: str | None) -> None:
    """It runs twice, from every revision."""
    if revision is not None:
        past.make(fresh, revision)
    for _ in range(2):
        run(fresh, script_for(fresh))
        revisions.require_current(fresh)
        assert wrong(fresh) == []


# -- Separate schemas


def _execute(statement: Executable, connection: Connection) -> None:
    connection.execute(statement)


@POSTGRESQL
def test_two_schemas_of_one_database_are_two_gateways(empty_gateway: Gateway) -> None:
    """Each has its tables, its version and its secret; one by the program, the other by the script."""
    plain = empty_gateway.engine()
    for name in ("gateway", "Other gateway"):
        run_writing(plain, functools.partial(_execute, CreateSchema(name)))
    one, other = (Gateway(empty_gateway.url, name).engine() for name in ("gateway", "Other gateway"))
    assert migration.upgrade(one, now=NOW).is_current
    assert revisions.state(other).current is None
    run(other, script_for(other))
    secrets = {run_reading(engine, revisions.stored_client_state_secret) for engine in (one, other)}
    assert len(secrets) == 2
    assert [wrong(one), wrong(other)] == [[], []]
    assert revisions.state(plain).current is None
    for engine in (plain, one, other):
        engine.dispose()


@POSTGRESQL
def test_a_schema_that_is_not_there_is_reported(empty_gateway: Gateway) -> None:
    """The error of program and script has the statement that makes it."""
    engine = Gateway(empty_gateway.url, "gateway").engine()
    with pytest.raises(Exception, match=r"no such schema.*CREATE SCHEMA gateway"):
        migration.upgrade(engine, now=NOW)
    with pytest.raises(Exception, match=r'no schema gateway\. Run first: CREATE SCHEMA "gateway"'):
        run(engine, script_for(engine))
    engine.dispose()
