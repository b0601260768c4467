"""Cost of statements on SQL Server: round trips, and texts that its plan cache has to keep apart.

Microsoft's driver connects to a server that counts. The effect of the statements is tested on databases.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Engine, insert, select, update

from bus.database.statements import Handle, Settlement, SettlementKind, lock_some, put, settle
from bus.queue import Message, MessageId
from db.connection import ConnectionOptions
from db.engine import make_engine, run_reading, run_writing
from db.tables import original, queue_message, recipient
from tests.doubles.clock import SettableClock
from tests.doubles.tds import NO_ROWS, Answer, Asked, HangUp, TdsServer

NOW: Final = SettableClock()()
_row = queue_message.c


@pytest.fixture
def server() -> Iterator[TdsServer]:
    with TdsServer() as running:
        yield running


@pytest.fixture
def engine(server: TdsServer) -> Iterator[Engine]:
    """A used connection in its pool."""
    url = f"mssql+pyodbc://user:secret@127.0.0.1:{server.port}/gateway?Encrypt=no"
    made = make_engine(url, ConnectionOptions(pool_size=1))
    run_reading(made, lambda connection: connection.exec_driver_sql("SELECT 1").all())
    server.asked.clear()
    yield made
    made.dispose()


def free(engine: Engine, *messages: str) -> None:
    """A statement with texts, a time, a number and a null."""
    work = update(queue_message).where(_row.sMessageID.in_(messages)).values(nRetired=1, sReason=None, dtVisible=NOW)
    run_writing(engine, lambda connection: connection.execute(work))


def put_original(engine: Engine, **values: Any) -> None:  # noqa: ANN401  # of any column
    row = {"nSize": None, "sSHA256": None, "biContent": None, **values}
    work = insert(original).values(nMessageID=1, sState="stored", nStoredSize=1, **row)
    run_writing(engine, lambda connection: connection.execute(work))


def queue_is_empty(statement: str) -> Answer:
    return NO_ROWS if statement.startswith("SELECT") else None


def asked(server: TdsServer, table: str) -> list[Asked]:
    """Executed statements on the table."""
    return [each for each in server.asked if table in each.text and each.how != "sp_unprepare"]


def test_a_transaction_of_one_statement_is_three_round_trips(server: TdsServer, engine: Engine) -> None:
    """No check that the connection is alive, no query for the type of a null, nothing prepared in vain."""
    for _ in range(3):
        free(engine, "a", "b")
    assert [each.how for each in server.asked] == ["BEGIN", "sp_prepexec", "COMMIT"] * 3


def test_texts_are_declared_by_their_columns(server: TdsServer, engine: Engine) -> None:
    """One plan serves any length of a value, and null."""
    for values in ({}, {"sSHA256": "a"}, {"sSHA256": "ab" * 32}, {"nSize": 2**40, "biContent": b"abc"}):
        put_original(engine, **values)
    sent = asked(server, "tblEmailOriginal")
    assert len(sent) == 4
    [same] = set(sent)
    assert same.declared == "@P1 bigint,@P2 bigint,@P3 nvarchar(64),@P4 nvarchar(20),@P5 bigint,@P6 varbinary(max)"


def test_texts_of_a_list_are_declared_by_their_column(server: TdsServer, engine: Engine) -> None:
    for messages in (("a", "b"), ("a" * 90, "b" * 7)):
        free(engine, *messages)
    [same] = set(asked(server, "tblNotificationQueue"))
    assert same.declared.endswith("@P4 nvarchar(128),@P5 nvarchar(128)")


def test_a_longer_text_is_not_cut(server: TdsServer, engine: Engine) -> None:
    """A name that no row can have is searched for, and not found: no error of the driver."""
    free(engine, "x" * 5000, "𝄞" * 100)
    [sent] = asked(server, "tblNotificationQueue")
    assert sent.declared.endswith("@P4 nvarchar(max),@P5 nvarchar(max)")


def test_rows_of_one_insert_are_declared_alike(server: TdsServer, engine: Engine) -> None:
    rows = [{"nMessageID": 1, "sKind": "to", "nPosition": at, "sName": name} for at, name in enumerate(("a", None))]
    run_writing(engine, lambda connection: connection.execute(insert(recipient), rows))
    [sent] = asked(server, "tblEmailRecipient")
    assert sent.declared.split(",")[3] == "@P4 nvarchar(max)"
    assert sent.declared.split(",")[4:8] == [
        "@P5 bigint", "@P6 nvarchar(10)", "@P7 int", "@P8 nvarchar(max)"
    ]  # fmt: skip


def test_a_row_that_is_not_read_leaves_the_connection_free(server: TdsServer, engine: Engine) -> None:
    look = select(_row.sMessageID).where(_row.nSequence == 1)

    def work(connection: Any) -> list[Any]:  # noqa: ANN401  # SQLAlchemy's
        return [connection.execute(look).first()[0] for _ in range(3)]

    assert run_reading(engine, work) == ["1"] * 3
    assert [each.how for each in server.asked] == ["BEGIN", *["sp_prepexec"] * 3, "COMMIT"]


def test_a_connection_that_died_in_the_pool_costs_no_failure(server: TdsServer, engine: Engine) -> None:
    """The server was restarted: the transaction is run again on a new connection."""
    for work in (free, lambda engine: run_reading(engine, lambda c: c.execute(select(_row.nSequence)).all())):
        server.hang_up()
        work(engine)


def test_a_server_that_hangs_up_each_time_is_tried_twice(server: TdsServer, engine: Engine) -> None:
    met: list[str] = []

    def answer(statement: str) -> None:
        if "tblNotificationQueue" in statement:
            met.append(statement)
            raise HangUp

    server.answer = answer
    with pytest.raises(Exception, match="the connection was lost"):
        free(engine, "a")
    assert len(met) == 2


@pytest.mark.slow
def test_puts_of_any_number_are_few_statements(server: TdsServer, engine: Engine) -> None:
    """One to 300 messages, with an account or without: nine texts."""
    for number in range(1, 301, 7):
        messages = [Message(MessageId(f"m{at}" * (at % 9 + 1)), "body" * at, at % 3 or None) for at in range(number)]
        run_writing(engine, lambda connection, messages=messages: put(connection, messages, NOW, None))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    # This server reports no right counts, so that each put queries which ids were ignored.
    sent = {each for each in asked(server, "tblNotificationQueue") if each.text.startswith("INSERT")}
    assert len(sent) <= 9
    assert all("(UPDLOCK, HOLDLOCK, FORCESEEK)" in each.text and "BIN2" in each.text for each in sent)


def test_settlements_of_any_number_are_few_statements(server: TdsServer, engine: Engine) -> None:
    server.answer = queue_is_empty
    for number in range(1, 100):
        settlements = [Settlement(Handle(at, "token"), SettlementKind.COMPLETE) for at in range(number)]
        run_writing(engine, lambda c, settlements=settlements: settle(c, settlements, NOW))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    assert len(set(asked(server, "tblNotificationQueue"))) <= 8


def test_a_consumer_gets_no_more_than_a_statement_names(server: TdsServer, engine: Engine) -> None:
    server.answer = queue_is_empty
    run_writing(engine, lambda c: lock_some(c, 100_000, now=NOW, until=NOW, max_deliveries=3))
    assert "SELECT TOP 500 " in asked(server, "tblNotificationQueue")[0].text
