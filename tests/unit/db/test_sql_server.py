"""Every statement of the import path and of the queue has its SQL Server form. Nothing connects to one."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.dialects import mssql
from sqlalchemy.sql import ClauseElement

from bus.database import DatabaseQueue
from bus.queue import Delivery, Message, MessageId, Selection
from db import accounts, audit, budget, folders, missed, subscriptions, trace
from db.accounts import AccountSettings, Condition
from db.engine import Database, run_writing
from db.messages import MessageStore
from db.schedule import FOLDERS, SUBSCRIPTIONS, Turn
from db.subscriptions import HeldSubscription
from db.trace import TracedMessage, TraceRow
from tests.clock import SettableClock
from tests.unit.db.test_messages import record

NOW: Final = SettableClock()()
HOUR: Final = timedelta(hours=1)
NO_WAIT: Final = timedelta(0)
TURN: Final = Turn(1, "one", failures=0, requests=0, lease_until=NOW + HOUR)
HELD: Final = HeldSubscription("s", 1, NOW, "resource", "https://host", "key", NOW, NOW)


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
    await queue.waiting(most=1)
    await queue.peek(most=1, selection=Selection(["1"], account_id=1, reason="Broken", since=NOW, until=NOW), after="0")
    assert [batch async for batch in queue.replay(["1"])] == []
    await queue.put([Message(MessageId("late"), "body", 1, not_before=NOW)])
    for dead in (True, False):
        assert [batch async for batch in queue.purge(["1"], dead_letters=dead)] == []
    [first, *_] = await queue.receive(1, wait=NO_WAIT)
    await queue.complete(first)
    await queue.close()


async def import_messages(database: Database) -> None:
    store = MessageStore(database, clock=lambda: NOW)
    await store.known([(1, "a")])
    await store.save(record())
    await store.replace(record())
    await store.close()


async def administer(database: Database) -> None:
    settings = AccountSettings("a", "tenant", "client", "user", "thumbprint")
    calls: list[Callable[[Any], object]] = [
        lambda c: accounts.add(c, settings, now=NOW),
        accounts.every,
        lambda c: accounts.by_id(c, [1]),
        accounts.applications,
        accounts.certificate_uses,
        lambda c: [accounts.names_using(c, use) for use in accounts.certificate_uses(c)],
        lambda c: accounts.conditions(c, "certificate"),
        lambda c: accounts.one_of_application(c, ("tenant", "client")),
        lambda c: accounts.unsubscribed(c, ("tenant", "client")),
        subscriptions.ids,
        lambda c: subscriptions.ids_of_application(c, ("tenant", "client")),
        lambda c: accounts.set_condition(c, Condition(1, "processor", "Forbidden", "", NOW, NOW)),
        lambda c: accounts.clear_condition(c, 1, "processor"),
        accounts.conditions,
        accounts.imported_counts,
        lambda c: accounts.set_enabled(c, "a", False, now=NOW),
        lambda c: accounts.change(c, "a", replace(settings, folder="Archive"), now=NOW),
        lambda c: accounts.changed(c, now=NOW + HOUR, most=5, served_with="with"),
        lambda c: accounts.settle_import_since(c, 1, now=NOW),
        lambda c: accounts.clear_expired_condition(c, 1, "notifications", now=NOW),
        lambda c: SUBSCRIPTIONS.anything_due(c, now=NOW),
        lambda c: SUBSCRIPTIONS.candidates(c, now=NOW, most=5, without=[("tenant", "other")]),
        lambda c: SUBSCRIPTIONS.claim(c, [1], owner="one", now=NOW, lease=HOUR),
        lambda c: subscriptions.note_attempt(c, TURN, fingerprint="key", now=NOW),
        lambda c: SUBSCRIPTIONS.release(c, TURN, due=NOW, failures=0),
        lambda c: subscriptions.hold(c, HELD, now=NOW),
        lambda c: subscriptions.ask_to_reauthorize(c, 1, "s", received=NOW, quiet=timedelta(0)),
        lambda c: subscriptions.ask_to_recreate(c, 1, now=NOW),
        lambda c: subscriptions.note_served(c, 1, served="text", served_with="with"),
        lambda c: subscriptions.held(c, [1]),
        lambda c: subscriptions.extend(c, 1, "s", expires=NOW, now=NOW),
        lambda c: subscriptions.drop(c, "s"),
        lambda c: FOLDERS.at_latest(c, 1, due=NOW),
        lambda c: FOLDERS.claim(c, [1], owner="one", now=NOW, lease=HOUR),
        lambda c: folders.state(c, 1, resource="resource"),
        lambda c: folders.finish(c, TURN, resource="resource", link="link", now=NOW),
        folders.swept,
        lambda c: missed.note(c, (1, "id"), received=NOW, found=NOW),
        lambda c: missed.suspected(c, [(1, "id")]),
        lambda c: missed.retract(c, [(1, "id")]),
        lambda c: missed.untold(c, 1, before=NOW),
        lambda c: missed.tell(c, 1, before=NOW, now=NOW),
        lambda c: missed.told_since(c, 1, NOW),
        lambda c: missed.forget(c, 1, before=NOW),
        missed.summaries,
        lambda c: budget.reserve(c, "name", slot=1, wanted=2, most=3),
        lambda c: budget.reserve(c, "name", slot=1, wanted=2, most=3),
        lambda c: trace.add(
            c, [TraceRow(1, "id", "host", NOW, NOW, "gone"), TraceRow(1, None, "host", NOW, NOW, "dead")]
        ),
        lambda c: trace.find(c, "id", account_id=1, most=5),
        lambda c: trace.find(c, "part of a subject", account_id=None, most=5),
        lambda c: trace.attempts(c, [TracedMessage(1, "id"), TracedMessage(1, None, "queued")]),
        lambda c: trace.committed(c, [TracedMessage(1, "id")]),
        lambda c: trace.purge(c, before=NOW + HOUR, most=5),
        lambda c: audit.end(
            c,
            audit.begin(c, action="import", who="me", host="here", selection="all", now=NOW),
            messages=1,
            now=NOW,
        ),
        lambda c: audit.latest(c, most=5),
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
