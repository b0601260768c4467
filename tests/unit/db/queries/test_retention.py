"""Old messages leave the database whole, in small batches, while others work in it."""

import asyncio
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, MetaData, Table, event, select, text

from console.db.purge_batches import Purged, PurgeLimits, PurgeSelection, Purging
from db.engine import Database, run_reading, run_writing
from db.outcomes import Outcome
from db.queries import accounts, retention, rule_matches
from db.queries.accounts import AccountSettings
from db.queries.messages import MessageStore
from db.queries.retention import Bounds, OldMessage
from db.queries.rule_matches import FileToSave, Matches
from db.tables import attachment, message
from tests.databases import Gateway
from tests.paths import ROOT
from tests.unit.db.queries.test_messages import CLOCK, NOW, file_attachment, record, rows

DAY: Final = timedelta(days=1)
BEFORE: Final = NOW - 400 * DAY
OLD: Final = BEFORE - timedelta(seconds=1)
SETTINGS: Final = AccountSettings("laboratory", "t", "c", "u", "p")
FEW: Final = PurgeLimits(Bounds(keys=3, rows=100, size=2**20), Bounds(keys=3, rows=3, size=2**20))


async def save(database: Database, *names: str, received: datetime | None = OLD, **changes: Any) -> None:  # noqa: ANN401  # any field
    """Save messages with three recipients, a file and a link each, imported when they were received."""
    store = MessageStore(database, clock=lambda: received or OLD)
    await asyncio.gather(*(store.save(record(each, received=received, **changes)) for each in names))
    await store.close()


async def purge(database: Database, limits: PurgeLimits | None = None, **order: Any) -> Purged:  # noqa: ANN401  # of PurgeOrder
    """Purge without pauses; return the result."""
    purged = Purged()
    purging = Purging(database, clock=CLOCK, sleep=lambda _: asyncio.sleep(0), limits=limits)
    await purging.purge(replace(PurgeSelection(BEFORE), **order), purged, lambda _: None)
    return purged


def names(engine: Engine) -> list[str]:
    return run_reading(engine, lambda c: sorted(c.scalars(select(message.c.sGraphMessageID))))


def contents(engine: Engine) -> list[bytes | None]:
    """Contents of all files, in the order in which they were saved."""
    statement = select(attachment.c.biContent).where(attachment.c.sKind == "file").order_by(attachment.c.nAttachmentID)
    return run_reading(engine, lambda c: list(c.scalars(statement)))


async def test_what_is_older_goes_whole_and_the_rest_stays(database: Database) -> None:
    """Age counts by the second; of accounts that were removed, too; by the import if the time of receipt is unknown."""
    await save(database, "old")
    await save(database, "removed", account_id=77)
    await save(database, "just", received=BEFORE)
    await save(database, "timeless", received=None)
    await MessageStore(database, clock=lambda: BEFORE).save(record("timeless, younger", received=None))
    purging = Purging(database, clock=CLOCK)
    assert await purging.count(PurgeSelection(BEFORE), lambda _: None) == Purged(3, 6, 12)
    assert rows(database.engine) == (5, 15, 10)

    assert await purge(database) == Purged(3, 6, 12)

    assert names(database.engine) == ["just", "timeless, younger"]
    assert rows(database.engine) == (2, 6, 4)
    assert await purge(database) == Purged()


async def test_a_message_whose_files_are_to_be_saved_stays_until_they_are(database: Database) -> None:
    await save(database, "waits", "saved")

    def select_files(connection: Connection) -> None:
        waits, saved = connection.scalars(select(message.c.nMessageID).order_by(message.c.sGraphMessageID.desc()))
        for number, lacks in ((waits, None), (saved, "TooLarge")):
            one = FileToSave(1, "key", "attachment", "/import", "a.csv", reason=lacks)
            rule_matches.note(connection, [Matches(number, 1, [one])], now=NOW)

    await database.write(select_files)
    assert (await purge(database)).messages == 1
    assert names(database.engine) == ["waits"]


async def test_of_one_account_the_others_lose_nothing(database: Database) -> None:
    await save(database, "one")
    await save(database, "two", account_id=2)
    assert (await purge(database, account_id=2)).messages == 1
    assert names(database.engine) == ["one"]


@pytest.mark.parametrize("attachments_only", [False, True])
async def test_no_statement_touches_more_rows_than_its_bounds(database: Database, attachments_only: bool) -> None:
    """The total does not matter: SQL Server would lock the whole table otherwise. In between there is a pause."""
    await save(database, *(f"m{number}" for number in range(8)))
    touched: list[int] = []

    @event.listens_for(database.engine, "after_cursor_execute")
    def note(_connection: object, cursor: Any, statement: str, *_: object) -> None:  # noqa: ANN401  # the driver's own
        if statement.startswith("DELETE") or (statement.startswith("UPDATE") and "biContent" in statement):
            touched.append(cursor.rowcount)

    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    limits = PurgeLimits(Bounds(keys=5, rows=9, size=2**20), Bounds(keys=3, rows=3, size=2**20))
    order = PurgeSelection(BEFORE, attachments_only=attachments_only)
    await Purging(database, clock=CLOCK, sleep=sleep, limits=limits).purge(order, Purged(), lambda _: None)

    # Of three messages: recipients, headers, attachments, messages.
    assert touched == ([3, 3, 2] if attachments_only else [9, 9, 6, 3, 9, 9, 6, 3, 6, 6, 4, 2])
    assert len(pauses) == 3


def test_a_transaction_has_as_much_as_fits_and_one_at_least() -> None:
    def old(recipients: int, attachments: int, size: int) -> OldMessage:
        return OldMessage(1, OLD, recipients, attachments, attachments, size)

    bounds = Bounds(keys=3, rows=10, size=100)
    for first, count in [
        ([old(1, 1, 1)] * 5, 3),
        ([old(4, 0, 0)] * 5, 2),
        ([old(0, 4, 0)] * 5, 2),
        ([old(0, 1, 60)] * 5, 1),
        ([old(11, 0, 0), old(0, 0, 0)], 1),
        ([old(0, 1, 1000)], 1),
        ([], 0),
    ]:
        assert len(retention.first_of(first, bounds)) == count


async def test_contents_go_and_all_else_of_the_attachments_stays(database: Database, gateway: Gateway) -> None:
    """Name, size, type and SHA-256. Those of younger messages, and empty ones, stay; the second time there are none."""
    await save(database, "old", attachments=[file_attachment(0, b"12345", sha256="ab" * 32), file_attachment(1, b"")])
    await save(database, "older", received=OLD - DAY, attachments=[file_attachment(0, b"678")])
    await save(database, "young", received=BEFORE, attachments=[file_attachment(0, b"9")])
    await save(database, "timeless", received=None, attachments=[file_attachment(0, b"0")])
    described = [each for each in attachment.c if each.name != "biContent"]

    def described_rows(connection: Connection) -> list[Any]:
        return list(connection.execute(select(*described).order_by(attachment.c.nAttachmentID)))

    before = run_reading(database.engine, described_rows)
    order = PurgeSelection(BEFORE, attachments_only=True)
    assert await Purging(database, clock=CLOCK).count(order, lambda _: None) == Purged(3, 3, 9)

    assert await purge(database, attachments_only=True) == Purged(3, 3, 9)

    assert contents(database.engine) == [None, b"", None, b"9", None]
    assert run_reading(database.engine, described_rows) == before
    assert await purge(database, attachments_only=True) == Purged()
    assert await Purging(database, clock=CLOCK).count(order, lambda _: None) == Purged()
    other = gateway.engine()
    assert rows(other)[0] == 4
    other.dispose()


async def test_what_never_was_here_is_not_purged(database: Database) -> None:
    """It has a size and no content, too; its state distinguishes it from purged ones, before and after."""
    parts = [file_attachment(0, b"12345"), file_attachment(1, None, size=10, state="too_large")]
    await save(database, "old", attachments=parts)
    order = PurgeSelection(BEFORE, attachments_only=True)
    assert await Purging(database, clock=CLOCK).count(order, lambda _: None) == Purged(1, 1, 5)

    assert await purge(database, attachments_only=True) == Purged(1, 1, 5)

    statement = select(attachment.c.sState, attachment.c.biContent).order_by(attachment.c.nPosition)
    found = run_reading(database.engine, lambda c: [tuple(row) for row in c.execute(statement)])
    assert found == [("stored", None), ("too_large", None)]


async def test_large_contents_go_few_at_a_time(database: Database) -> None:
    await save(database, "old", attachments=[file_attachment(number, b"x" * 40) for number in range(5)])
    sizes: list[int] = []

    @event.listens_for(database.engine, "after_cursor_execute")
    def note(_connection: object, cursor: Any, statement: str, *_: object) -> None:  # noqa: ANN401  # the driver's own
        if statement.startswith("UPDATE"):
            sizes.append(40 * cursor.rowcount)

    limits = replace(FEW, contents=Bounds(keys=10, rows=10, size=100))
    assert await purge(database, limits, attachments_only=True) == Purged(1, 5, 200)
    assert sizes == [80, 80, 40]
    assert set(contents(database.engine)) == {None}


# Visibility to other processes.


async def test_others_read_and_write_while_a_batch_is_under_way(database: Database, gateway: Gateway) -> None:
    """No part of the batch shows before its commit; remaining rows can be read at once, and new mail be written."""
    await save(database, *(f"m{number}" for number in range(3)))
    await save(database, "young", received=NOW)
    inside, go_on = threading.Event(), threading.Event()

    @event.listens_for(database.engine, "commit")
    def pause(connection: Connection) -> None:
        if connection.info.pop("deletes", False):
            inside.set()
            go_on.wait(10)

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            connection.info["deletes"] = True

    other = gateway.engine(statement_seconds=5)
    purging = asyncio.create_task(purge(database))
    try:
        await asyncio.to_thread(inside.wait, 10)
        young = select(message.c.sBody).where(message.c.nAccountID == 1, message.c.sGraphMessageID == "young")
        assert run_reading(other, lambda c: c.scalar(young)) == "<p>Grüße</p>"
        if gateway.backend == "postgresql":
            # A count of all waits for the commit on SQL Server; a write does on SQLite.
            assert rows(other) == (4, 12, 8)
            writer = Database(other)
            assert await MessageStore(writer, clock=CLOCK).save(record("new")) is Outcome.IMPORTED
    finally:
        go_on.set()
    assert (await purging).messages == 3
    assert names(other) == (["new", "young"] if gateway.backend == "postgresql" else ["young"])
    other.dispose()


async def test_two_purges_at_once_delete_each_message_once(database: Database, gateway: Gateway) -> None:
    await save(database, *(f"m{number}" for number in range(20)))
    other = Database(gateway.engine())
    done = await asyncio.gather(purge(database, FEW), purge(other, FEW))
    assert sum(each.messages for each in done) == 20
    assert rows(database.engine) == (0, 0, 0)
    await other.close()


async def test_broken_off_it_ends_what_it_began_and_counts_it(database: Database) -> None:
    """It ends between two transactions; run again, it goes on."""
    await save(database, *(f"m{number}" for number in range(9)))
    purged = Purged()
    purging = Purging(database, clock=CLOCK, sleep=lambda _: asyncio.sleep(0), limits=FEW)
    inside, go_on = threading.Event(), threading.Event()

    @event.listens_for(database.engine, "before_cursor_execute")
    def pause(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            inside.set()
            go_on.wait(10)

    running = asyncio.create_task(purging.purge(PurgeSelection(BEFORE), purged, lambda _: None))
    await asyncio.to_thread(inside.wait, 10)
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (purged.messages, rows(database.engine)) == (3, (6, 18, 12))
    assert (await purge(database)).messages == 6


_PURGE_AND_STOP: Final = """
import asyncio, sys, time
from sqlalchemy import event
from db.engine import Database
from tests.databases import Gateway
from tests.unit.db.queries.test_retention import FEW, purge

async def main():
    engine = Gateway(*sys.argv[1:]).engine()
    deletes = []

    @event.listens_for(engine, "before_cursor_execute")
    def stop(connection, cursor, statement, *rest):
        if statement.startswith("DELETE"):
            deletes.append(statement)
        if len(deletes) == 6:
            print("half done", flush=True)
            time.sleep(60)

    await purge(Database(engine), FEW)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_killed_in_between_it_leaves_whole_messages(database: Database, gateway: Gateway) -> None:
    """Recipients and attachments of the second three are deleted when the process is killed: that is never visible."""
    await save(database, *(f"m{number}" for number in range(9)))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PURGE_AND_STOP, *gateway.arguments), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"half done\n"
    child.kill()
    await child.wait()
    assert (await purge(database, FEW)).messages == 6
    assert rows(database.engine) == (0, 0, 0)


async def test_what_another_table_refers_to_is_left_whole_and_reported(database: Database) -> None:
    """The foreign key belongs to another program, and is unknown to the product."""
    await save(database, "old")
    with database.engine.begin() as connection:
        named = connection.dialect.identifier_preparer.format_table
        schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
        referred, theirs = (named(Table(name, MetaData(), schema=schema)) for name in (message.name, "theirs"))
        connection.execute(text(f"CREATE TABLE {theirs} (number BIGINT, FOREIGN KEY (number) REFERENCES {referred})"))
        connection.execute(text(f'INSERT INTO {theirs} SELECT "nMessageID" FROM {referred}'))  # noqa: S608  # own names
    try:
        with pytest.raises(retention.MessagesInUse, match=r"table (\w+\.)?theirs of the gateway"):
            await purge(database)
        assert rows(database.engine) == (1, 3, 2)
    finally:
        with database.engine.begin() as connection:
            connection.execute(text(f"DROP TABLE {theirs}"))


# Purged mail is not imported again.


def add_account(engine: Engine, since: datetime | None) -> int:
    settings = replace(SETTINGS, import_since=since)
    return run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))


def since_of(engine: Engine, account_id: int) -> datetime | None:
    return run_reading(engine, lambda connection: accounts.import_since(connection, account_id))


@pytest.mark.parametrize(
    ("before", "after"), [(accounts.EVERYTHING, BEFORE), (BEFORE - DAY, BEFORE), (NOW, NOW), (None, BEFORE)]
)
async def test_the_account_imports_nothing_older_from_then_on(
    database: Database, before: datetime | None, after: datetime
) -> None:
    """The date is never moved back. An undecided one is decided first: it may be later."""
    account_id = add_account(database.engine, before)
    await save(database, "old", account_id=account_id)
    moved: list[datetime | None] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            moved.append(since_of(database.engine, account_id))

    assert (await purge(database)).messages == 1
    assert since_of(database.engine, account_id) == after
    assert moved[0] == after, "whoever sees that it is gone has to see the date as well"


def test_a_date_not_decided_yet_is_not_decided_by_a_purge(database_engine: Engine) -> None:
    """An account without messages would import since it was added."""
    account_id = add_account(database_engine, None)
    run_writing(database_engine, lambda c: retention.forgo(c, account_id, before=BEFORE, now=NOW))
    assert since_of(database_engine, account_id) == NOW


@pytest.mark.parametrize("order", [{"attachments_only": True}, {"account_id": 2}])
async def test_who_loses_no_message_imports_as_before(database: Database, order: dict[str, Any]) -> None:
    account_id = add_account(database.engine, accounts.EVERYTHING)
    await save(database, "old", account_id=account_id)
    await save(database, "other", account_id=account_id + 1)
    await purge(database, **order)
    assert since_of(database.engine, account_id) == accounts.EVERYTHING


async def test_what_is_known_is_asked_before_the_date(database: Database) -> None:
    """A message deleted in between is then known still, or older than the date."""
    account_id = add_account(database.engine, accounts.EVERYTHING)
    await save(database, "old", account_id=account_id)
    order: list[str] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            order.append("known" if "tblEmailMessage" in statement else "date")

    found = run_reading(database.engine, lambda c: retention.known_and_since(c, account_id, ["old", "new"]))
    assert found == ({"old"}, accounts.EVERYTHING)
    assert order == ["known", "date"]


def all_pages(connection: Connection, limit: int) -> list[OldMessage]:
    seen: list[OldMessage] = []
    while page := retention.old_messages(connection, 1, before=BEFORE, after=seen[-1] if seen else None, limit=limit):
        assert len(page) <= limit
        seen += page
    return seen


@pytest.mark.parametrize("limit", [1, 2, 4, 10])
async def test_pages_go_on_where_they_ended(database: Database, limit: int) -> None:
    """Oldest first, also if many were received in the same second; last those without a time."""
    await save(database, "b", "c", "d", received=OLD)
    await save(database, "a", received=OLD - DAY)
    await save(database, "x", "y", received=None)

    def work(connection: Connection) -> list[str]:
        named = {row[0]: row[1] for row in connection.execute(select(message.c.nMessageID, message.c.sGraphMessageID))}
        return [named[each.message_id] for each in all_pages(connection, limit)]

    found = run_reading(database.engine, work)
    assert (found[0], sorted(found[1:4]), sorted(found[4:])) == ("a", ["b", "c", "d"], ["x", "y"])


async def test_accounts_are_found_by_their_messages(database: Database) -> None:
    await save(database, "a", account_id=3)
    await save(database, "b", "c", account_id=70)
    found = run_reading(database.engine, lambda c: [retention.next_account(c, after) for after in (None, 3, 70)])
    assert found == [3, 70, None]
