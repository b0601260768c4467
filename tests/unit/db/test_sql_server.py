"""Every statement of the import path and of the queue has its SQL Server form. Nothing connects to one."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql import ClauseElement

from bus.database import DatabaseQueue
from bus.queue import Delivery, Message, MessageId, ReplaySelection
from db import accounts, subscriptions
from db.accounts import AccountSettings, Condition
from db.engine import Database, run_writing
from db.messages import MessageStore
from db.tables import GRAPH_ID_LENGTH, metadata
from tests.clock import SettableClock
from tests.unit.db.test_messages import record

NOW: Final = SettableClock()()
HOUR: Final = timedelta(hours=1)
NO_WAIT: Final = timedelta(0)
MOST_BYTES_OF_A_KEY: Final = 1700
"""https://learn.microsoft.com/sql/sql-server/maximum-capacity-specifications-for-sql-server: nonclustered index key."""


def sql_server(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=mssql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped


@contextmanager
def executed(engine: Engine) -> Iterator[list[ClauseElement]]:
    """The statements that are executed meanwhile, as they are before a dialect sees them."""
    seen: list[ClauseElement] = []

    def note(_connection: object, statement: ClauseElement, *_: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_execute", note)
    yield seen
    event.remove(engine, "before_execute", note)


async def work_the_queue(database: Database) -> None:
    clock = SettableClock()
    queue = DatabaseQueue(database, clock=clock, most_deliveries=1)
    messages = [Message(MessageId(f"m{n}"), "body", 1, not_before=NOW) for n in range(6)]
    await queue.check()
    await queue.put(messages)

    async def receive() -> Delivery:
        [delivery] = await queue.receive(1, wait=NO_WAIT)
        return delivery

    await queue.complete(await queue.renew(await receive()))
    await queue.abandon(await receive(), counted=False)
    await queue.dead_letter(await receive(), reason="Broken", description="")
    await receive()
    clock.advance(HOUR)
    await queue.receive(10, wait=NO_WAIT)
    await queue.peek(most=1)
    await queue.status()
    await queue.replay(ReplaySelection(entries=["1"], reason="Broken", since=NOW))
    await queue.put([Message(MessageId("late"), "body", 1, not_before=NOW)])
    await queue.replay(ReplaySelection())
    [first, *_] = await queue.receive(1, wait=NO_WAIT)
    await queue.complete(first)
    await queue.close()


async def import_messages(database: Database) -> None:
    store = MessageStore(database, clock=lambda: NOW)
    await store.known([(1, "a")])
    await store.save(record())
    await store.close()


async def administer(database: Database) -> None:
    settings = AccountSettings("a", "tenant", "client", "user", "thumbprint")
    calls: list[Callable[[Any], object]] = [
        lambda c: accounts.add(c, settings, now=NOW),
        accounts.every,
        lambda c: accounts.by_id(c, [1]),
        accounts.applications,
        lambda c: accounts.of_application(c, "tenant", "client"),
        lambda c: accounts.set_condition(c, Condition(1, "processor", "Forbidden", "", NOW, NOW)),
        lambda c: accounts.clear_condition(c, 1, "processor"),
        accounts.conditions,
        accounts.imported_counts,
        lambda c: accounts.set_enabled(c, "a", False, now=NOW),
        subscriptions.unscheduled,
        lambda c: subscriptions.seed(c, now=NOW),
        lambda c: subscriptions.anything_due(c, now=NOW),
        lambda c: subscriptions.claim(c, owner="one", now=NOW, lease=HOUR, most=5),
        lambda c: subscriptions.note_attempt(c, 1, owner="one", fingerprint="key", now=NOW),
        lambda c: subscriptions.release(c, 1, owner="one", started=NOW - HOUR, due=NOW, failures=0),
        lambda c: subscriptions.hold(
            c, subscriptions.HeldSubscription("s", 1, NOW, "resource", "https://host", "key", NOW)
        ),
        lambda c: subscriptions.held(c, [1]),
        lambda c: subscriptions.extend(c, "s", expires=NOW, now=NOW),
        lambda c: subscriptions.drop(c, "s"),
        lambda c: accounts.mark_removed(c, "a", now=NOW),
        lambda c: accounts.purge(c, 1),
    ]
    for call in calls:
        run_writing(database.engine, call)


@pytest.mark.parametrize("work", [work_the_queue, import_messages, administer], ids=["queue", "import", "accounts"])
async def test_statements_compile_for_sql_server(database: Database, work: Any) -> None:  # noqa: ANN401  # a coroutine function
    """What is executed on SQLite can be said to SQL Server, too, without a word of SQLite's."""
    with executed(database.engine) as statements:
        await work(database)
    texts = {sql_server(each) for each in statements if "json_each" not in str(each)}
    assert len(texts) >= 3
    for text in texts:
        assert not re.search(r"\bLIMIT\b|OR IGNORE|ON CONFLICT|FOR UPDATE|json_", text), text


async def test_competing_consumers_skip_each_others_rows(database: Database) -> None:
    """On SQL Server a consumer takes the rows it reads, and passes by those of others instead of waiting."""
    with executed(database.engine) as statements:
        await work_the_queue(database)
    taking = [text for text in map(sql_server, statements) if text.startswith("SELECT TOP") and "READPAST" in text]
    assert taking
    assert all("WITH (UPDLOCK, READPAST, ROWLOCK)" in text for text in taking)


async def test_put_locks_the_gap_of_an_id(database: Database) -> None:
    """On SQL Server two puts of one id at the same time do not both find it free."""
    with executed(database.engine) as statements:
        await work_the_queue(database)
    [put] = {text for text in map(sql_server, statements) if text.startswith("INSERT INTO [tblNotificationQueue]")}
    assert "UPDLOCK, HOLDLOCK" in put


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_tables_are_made_for_sql_server(table: Any) -> None:  # noqa: ANN401  # SQLAlchemy's table
    """Text is Unicode where people write it, ids see case, times keep seven digits, keys fit an index."""
    ddl = sql_server(CreateTable(table))
    assert " DATETIME " not in ddl
    assert " TEXT" not in ddl
    if "dt" in ddl:
        assert "DATETIME2(7)" in ddl or "[dt" not in ddl
    if "[sGraphMessageID]" in ddl:
        assert f"[sGraphMessageID] NVARCHAR({GRAPH_ID_LENGTH}) COLLATE Latin1_General_100_BIN2" in ddl
    for columns in keys_of(table):
        assert sum(bytes_of(column) for column in columns) <= MOST_BYTES_OF_A_KEY
    for index in table.indexes:
        assert sql_server(CreateIndex(index)).startswith("CREATE INDEX")


def keys_of(table: Any) -> Iterable[list[Any]]:  # noqa: ANN401  # SQLAlchemy's table
    yield list(table.primary_key.columns)
    yield from (list(index.columns) for index in table.indexes)
    yield from (list(each.columns) for each in table.constraints if type(each).__name__ == "UniqueConstraint")


def bytes_of(column: Any) -> int:  # noqa: ANN401  # SQLAlchemy's column
    text = str(column.type.compile(dialect=mssql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
    assert "max" not in text, f"{column} cannot be in a key"
    length = re.search(r"VARCHAR\((\d+)\)", text)
    if length is None:
        return 8
    return int(length[1]) * (2 if text.startswith("NVARCHAR") else 1)


def test_queue_ids_see_case_on_sql_server() -> None:
    """Message ids that differ in case only are two messages, whatever the collation of the database is."""
    column = metadata.tables["tblNotificationQueue"].c.sMessageID
    assert "BIN2" in sql_server(CreateTable(column.table)).split("[sMessageID]")[1].split("\n")[0]
