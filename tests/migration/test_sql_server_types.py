"""Column types and keys of the tables on SQL Server. Nothing connects to one."""

import re
from collections.abc import Iterable
from typing import Any, Final

import pytest
from sqlalchemy import CheckConstraint, PrimaryKeyConstraint, UniqueConstraint, select
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql import ClauseElement

from db.queries import accounts
from db.schema.compatibility import accepted
from db.schema.reflection import FoundColumn
from db.tables import GRAPH_ID_LENGTH, message, metadata

MAX_BYTES_OF_A_KEY: Final = {"clustered": 900, "nonclustered": 1700}
"""https://learn.microsoft.com/sql/sql-server/maximum-capacity-specifications-for-sql-server: index key. A primary key
is clustered."""
SIZES: Final = {"BIGINT": 8, "INTEGER": 4, "BIT": 1, "DATETIME2(7)": 8}

every_table: Final = pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)


def sql_server(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=mssql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped


def type_of(column: Any) -> str:  # noqa: ANN401  # SQLAlchemy's column
    return str(column.type.compile(dialect=mssql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped


@every_table
def test_types_are_the_ones_that_keep_everything(table: Any) -> None:  # noqa: ANN401  # SQLAlchemy's table
    """Text is Unicode, times keep seven digits, and no type is one that Microsoft deprecates."""
    for column in table.columns:
        kind = {"s": r"NVARCHAR\(", "n": "BIGINT|INTEGER", "b": "BIT", "d": r"DATETIME2\(7\)"}[column.name[0]]
        expected = r"VARBINARY\(max\)" if column.name.startswith("bi") else kind
        assert re.match(expected, type_of(column)), column


@every_table
def test_everything_has_a_name(table: Any) -> None:  # noqa: ANN401  # SQLAlchemy's table
    """Names that SQL Server generates differ in each database."""
    ddl = sql_server(CreateTable(table))
    assert ddl.count("CONSTRAINT [") == len(table.constraints) + sum(
        column.server_default is not None for column in table.columns
    )
    for column in table.columns:
        if column.server_default is not None:
            assert f"CONSTRAINT [DF_{table.name}_{column.name}] DEFAULT " in ddl
    for constraint in table.constraints:
        kinds = {PrimaryKeyConstraint: "PK", UniqueConstraint: "UQ", CheckConstraint: "CK"}
        assert str(constraint.name).startswith(f"{kinds.get(type(constraint), 'FK')}_{table.name}")
    for index in table.indexes:
        assert sql_server(CreateIndex(index)).startswith(f"CREATE INDEX [IX_{table.name}_")


def keys_of(table: Any) -> Iterable[tuple[str, list[Any]]]:  # noqa: ANN401  # SQLAlchemy's table
    yield "clustered", list(table.primary_key.columns)
    yield from (("nonclustered", list(index.columns)) for index in table.indexes)
    yield from (
        ("nonclustered", list(each.columns)) for each in table.constraints if isinstance(each, UniqueConstraint)
    )


def bytes_of(column: Any) -> int:  # noqa: ANN401  # SQLAlchemy's column
    text = type_of(column)
    assert "max" not in text, f"{column} cannot be in a key"
    length = re.match(r"NVARCHAR\((\d+)\)", text)
    return SIZES[text] if length is None else int(length[1]) * 2


@every_table
def test_keys_fit_into_an_index(table: Any) -> None:  # noqa: ANN401  # SQLAlchemy's table
    """The longest values fit; otherwise they fail only when they come."""
    for kind, columns in keys_of(table):
        assert sum(map(bytes_of, columns)) <= MAX_BYTES_OF_A_KEY[kind], columns


def test_ids_and_fingerprints_see_case() -> None:
    """Values that differ in case only are two, for any collation of the database."""
    exact = {
        ("tblEmailMessage", "sGraphMessageID"),
        ("tblMissedNotification", "sGraphMessageID"),
        ("tblMessageTrace", "sGraphMessageID"),
        ("tblMessageTrace", "sQueueMessageID"),
        ("tblEmailMessage", "sParentFolderID"),
        ("tblEmailDuplicate", "sGraphMessageID"),
        ("tblEmailSeen", "sGraphMessageID"),
        ("tblEmailIdentity", "sIdentity"),
        ("tblNotificationQueue", "sMessageID"),
        ("tblGraphSubscription", "sSubscriptionID"),
        ("tblGraphSubscription", "sKeyFingerprint"),
        ("tblSubscriptionSchedule", "sServed"),
        ("tblSubscriptionSchedule", "sServedWith"),
        ("tblSubscriptionSchedule", "sAttemptFingerprint"),
        ("tblMailboxCall", "sMailbox"),
        ("tblProcess", "sProcess"),
        ("tblEmailScan", "sGraphMessageID"),
        ("tblEmailScan", "sLetterDigest"),
        ("tblCallBudget", "sBudget"),
        ("tblConsoleAttempt", "sKey"),
        ("tblConsoleSession", "sSessionHash"),
        ("tblConsoleSession", "sSubject"),
        ("tblConsoleTicket", "sTicketHash"),
        ("tblConsoleToken", "sTokenHash"),
        ("tblConsoleUser", "sUserName"),
        ("tblEmailFailure", "sGraphMessageID"),
        ("tblServiceOutage", "sProcess"),
        ("tblProblem", "sKey"),
        ("tblAlert", "sTarget"),
        ("tblLease", "sName"),
        ("tblEmailFile", "sKey"),
        ("tblEmailFile", "sFolderKey"),
        ("tblEmailConsumer", "sConsumer"),
        ("tblEmailTaken", "sConsumer"),
    }
    found = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if "COLLATE Latin1_General_100_BIN2" in type_of(column)
    }
    assert found == exact
    id_ = metadata.tables["tblEmailMessage"].c.sGraphMessageID
    assert type_of(id_) == f"NVARCHAR({GRAPH_ID_LENGTH}) COLLATE Latin1_General_100_BIN2"


def test_settings_are_compared_code_by_code() -> None:
    """A change in case alone is a change, for any collation of the accounts' columns. A blank at the end of
    a setting is seen, for the text goes on behind it.
    """
    text = sql_server(select(accounts._FINGERPRINT))
    assert re.match(r"SELECT \(.*\[sTenantID\].* END\) COLLATE Latin1_General_100_BIN2 AS", text, re.DOTALL)


@pytest.mark.parametrize(
    ("collation", "is_accepted"),
    [("Latin1_General_100_BIN2", True), ("Latin1_General_BIN2", False), ("French_CI_AS", False)],
)
def test_an_id_has_the_collation_of_all_others(collation: str, is_accepted: bool) -> None:
    """SQL Server refuses to compare those of two tables otherwise (error 468), even where both are binary."""
    rule = accepted(message.c.sGraphMessageID, mssql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
    found = FoundColumn("sGraphMessageID", "nvarchar", GRAPH_ID_LENGTH, None, collation, False, None, False)
    assert rule.takes(found) is is_accepted


def test_text_of_others_may_have_any_collation() -> None:
    """Words and names are compared with values only, or in a collation that the statement names."""
    rule = accepted(message.c.sImportance, mssql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
    assert rule.takes(FoundColumn("sImportance", "nvarchar", 100, None, "French_CI_AS", True, None, False))
