"""`db check`: each difference from the program's own schema, with its remedy."""

import re
import sqlite3
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Connection, Engine, event

from db.engine import run_reading, run_writing
from db.schema import migration, reflection, revisions
from db.schema.comparison import Difference, Weight
from db.schema.reflection import HIDDEN, FoundTable, read, schema_of
from db.tables import metadata
from tests.databases import Gateway
from tests.doubles.clock import SettableClock

SERVERS: Final = pytest.mark.parametrize(
    "database_kind", ["postgresql", pytest.param("mssql", marks=pytest.mark.mssql)], indirect=True
)
MESSAGES: Final = "tblEmailMessage"

# Changes made by hand, on PostgreSQL and on SQL Server, and their place. {} is the schema, with its dot.
DAMAGE: Final = {
    "index": (
        'DROP INDEX {}"IX_tblEmailMessage_nAccountID_dtReceived"',
        'DROP INDEX "IX_tblEmailMessage_nAccountID_dtReceived" ON {}"tblEmailMessage"',
        f"{MESSAGES}.IX_tblEmailMessage_nAccountID_dtReceived",
    ),
    "unique key": (
        'ALTER TABLE {}"tblEmailMessage" DROP CONSTRAINT "UQ_tblEmailMessage_nAccountID_sGraphMessageID"',
        None,
        f"{MESSAGES}.UQ_tblEmailMessage_nAccountID_sGraphMessageID",
    ),
    "primary key": (
        'ALTER TABLE {}"tblCallBudget" DROP CONSTRAINT "PK_tblCallBudget"',
        None,
        "tblCallBudget.PK_tblCallBudget",
    ),
    "check": (
        'ALTER TABLE {}"tblEmailRecipient" DROP CONSTRAINT "CK_tblEmailRecipient_sKind"',
        None,
        "tblEmailRecipient.CK_tblEmailRecipient_sKind",
    ),
    "foreign key": (
        'ALTER TABLE {}"tblEmailRecipient" DROP CONSTRAINT "FK_tblEmailRecipient_nMessageID"',
        None,
        "tblEmailRecipient.FK_tblEmailRecipient_nMessageID",
    ),
    "default": (
        'ALTER TABLE {}"tblFolderSync" ALTER COLUMN "bGap" DROP DEFAULT',
        'ALTER TABLE {}"tblFolderSync" DROP CONSTRAINT "DF_tblFolderSync_bGap"',
        "tblFolderSync.bGap",
    ),
    "column": (
        'ALTER TABLE {}"tblEmailMessage" DROP COLUMN "sChangeKey"',
        None,
        f"{MESSAGES}.sChangeKey",
    ),
    "length": (
        'ALTER TABLE {}"tblEmailMessage" ALTER COLUMN "sCorrelationID" TYPE varchar(10)',
        'ALTER TABLE {}"tblEmailMessage" ALTER COLUMN "sCorrelationID" nvarchar(10) NULL',
        f"{MESSAGES}.sCorrelationID",
    ),
    "type": (
        'ALTER TABLE {}"tblEmailMessage" ALTER COLUMN "dtCreated" TYPE timestamptz',
        'ALTER TABLE {}"tblEmailMessage" ALTER COLUMN "dtCreated" datetime NULL',
        f"{MESSAGES}.dtCreated",
    ),
    "null": (
        'ALTER TABLE {}"tblEmailMessage" ALTER COLUMN "dtImported" DROP NOT NULL',
        'ALTER TABLE {}"tblEmailMessage" ALTER COLUMN "dtImported" datetime2(7) NULL',
        f"{MESSAGES}.dtImported",
    ),
    "no null": (
        'ALTER TABLE {}"tblEmailMessage" ALTER COLUMN "sBodyType" SET NOT NULL',
        'ALTER TABLE {}"tblEmailMessage" ALTER COLUMN "sBodyType" nvarchar(20) NOT NULL',
        f"{MESSAGES}.sBodyType",
    ),
}


def wrong(engine: Engine) -> list[Difference]:
    return [each for each in migration.check(engine) if each.weight not in {Weight.ACCEPTED, Weight.ADVICE}]


def do(engine: Engine, statement: str) -> None:
    def work(connection: Connection) -> None:
        place = schema_of(connection)
        connection.exec_driver_sql(statement.replace("{}", f'"{place}".' if place else ""))

    run_writing(engine, work)


@SERVERS
@pytest.mark.parametrize("kind", DAMAGE)
def test_what_was_changed_is_found_and_put_right_by_what_is_said(kind: str, own_engine: Engine) -> None:
    """One change, one finding; the statement that it names is the whole remedy."""
    on_postgresql, on_sql_server, where = DAMAGE[kind]
    is_sql_server = own_engine.dialect.name == "mssql"
    do(own_engine, (on_sql_server or on_postgresql) if is_sql_server else on_postgresql)
    [found] = wrong(own_engine)
    assert f"{found.table}.{found.item}" == where
    assert found.remedy.startswith("Run: ")
    do(own_engine, found.remedy.removeprefix("Run: ").partition("; or rename")[0])
    assert wrong(own_engine) == []


@SERVERS
def test_another_default_is_reported(own_engine: Engine) -> None:
    """It may be intended, so it is not called missing."""
    if own_engine.dialect.name == "mssql":
        do(own_engine, 'ALTER TABLE {}"tblFolderSync" DROP CONSTRAINT "DF_tblFolderSync_nFailures"')
        do(own_engine, 'ALTER TABLE {}"tblFolderSync" ADD CONSTRAINT "DF_x" DEFAULT 7 FOR "nFailures"')
    else:
        do(own_engine, 'ALTER TABLE {}"tblFolderSync" ALTER COLUMN "nFailures" SET DEFAULT 7')
    [found] = wrong(own_engine)
    assert (found.item, found.wanted, found.weight) == ("nFailures", "default 0", Weight.DIFFERS)


@pytest.mark.parametrize("database_kind", [pytest.param("mssql", marks=pytest.mark.mssql)], indirect=True)
def test_an_id_that_does_not_see_case_is_reported(own_engine: Engine) -> None:
    """Two messages would be one."""
    do(
        own_engine,
        'ALTER TABLE {}"tblMessageTrace" ALTER COLUMN "sQueueMessageID" nvarchar(128) COLLATE Latin1_General_CI_AS',
    )
    [found] = wrong(own_engine)
    assert (found.item, found.weight) == ("sQueueMessageID", Weight.BLOCKS)


def test_tables_and_columns_of_others_are_left_out(own_engine: Engine) -> None:
    """Other objects in the database are ignored."""
    do(own_engine, 'CREATE TABLE {}"tblTheirs" ("x" integer)')
    do(own_engine, f'ALTER TABLE {{}}"{MESSAGES}" ADD "sTheirs" varchar(10)')
    assert wrong(own_engine) == []


def test_a_missing_table_is_reported(own_engine: Engine) -> None:
    """The finding names the remedy."""
    do(own_engine, 'DROP TABLE {}"tblQueueAudit"')
    [found] = wrong(own_engine)
    assert (found.table, found.found) == ("tblQueueAudit", "no table")


def test_looking_changes_nothing(own_engine: Engine) -> None:
    """The comparison only reads."""
    do(own_engine, 'DROP TABLE {}"tblQueueAudit"')
    before = [str(each) for each in migration.check(own_engine)]
    assert [str(each) for each in migration.check(own_engine)] == before
    assert run_reading(own_engine, revisions.stored_client_state_secret) is not None


def test_what_a_login_may_not_see_is_not_called_missing(own_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog of SQL Server hides them from a login with the least rights: no table, no default, no condition."""

    def seen(connection: Connection, names: Collection[str]) -> dict[str, FoundTable]:
        there = read(connection, names)
        del there["tblCallBudget"]
        for name, table in there.items():
            columns = {each: replace(column, default=HIDDEN) for each, column in table.columns.items()}
            there[name] = replace(table, columns=columns, checks=[HIDDEN] * len(table.checks))
        return there

    monkeypatch.setattr(reflection, "read", seen)
    monkeypatch.setattr(reflection, "sees_everything", lambda _: False)
    reported = migration.check(own_engine)
    assert ("tblCallBudget", "") in {(each.table, each.item) for each in reported}
    assert ("tblEmailRecipient", "CK_tblEmailRecipient_sKind") in {(each.table, each.item) for each in reported}
    assert {each.weight for each in reported} == {Weight.ADVICE}
    assert {str(each.found) for each in reported} == {"not visible to this login"}
    assert all("GRANT VIEW DEFINITION ON SCHEMA::" in str(each.remedy) for each in reported)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_names_in_other_letter_case_are_the_same(gateway: Gateway, tmp_path: Path) -> None:
    """They match in columns, keys, indexes, checks and foreign keys, as in SQLite and most databases of SQL Server."""
    columns = {column.name for table in metadata.sorted_tables for column in table.columns}
    other = Gateway(f"sqlite:///{tmp_path / 'other.db'}")
    with sqlite3.connect(gateway.file) as ours, sqlite3.connect(other.file) as theirs:
        for (sql,) in ours.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'"):
            theirs.execute(re.sub(r'"(\w+)"', lambda n: f'"{n[1].upper() if n[1] in columns else n[1]}"', sql))
        theirs.execute("INSERT INTO tblMailImporterVersion (version_num) VALUES ('0001')")
    engine = other.engine()
    assert migration.check(engine) == []
    assert migration.upgrade(engine, now=SettableClock()()).is_current
    assert migration.check(engine) == []
    engine.dispose()
    ours.close()
    theirs.close()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_the_catalog_is_read_in_an_isolation_that_allows_it(gateway: Gateway) -> None:
    """SQLAlchemy reads keys of SQL Server with READPAST, which SNAPSHOT and SERIALIZABLE refuse."""
    engine = gateway.engine(isolation="SERIALIZABLE")
    used: set[str] = set()
    event.listen(engine, "begin", lambda connection: used.add(connection.get_isolation_level()))
    migration.check(engine)
    revisions.state(engine)
    assert used == {"READ COMMITTED"}
    engine.dispose()
