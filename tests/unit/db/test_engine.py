"""Engines, transactions on threads, and errors with texts for the operator."""

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, event, insert, literal, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from db.engine import Database, make_engine, run_reading, run_writing
from db.errors import DatabaseUnavailable
from db.tables import importer_secret
from tests.doubles.clock import SettableClock
from tests.doubles.one_result import UnreadRows
from tests.doubles.outages import FULL, GONE, LOCKED, READ_ONLY, FragileDatabase
from tests.error_chain import error_text

NOW: Final = SettableClock()()
LARGE: Final = "x" * 200_000


@pytest.fixture
def database_kind() -> str:
    """Tests of servers are in test_servers.py."""
    return "sqlite"


def put(connection: Connection, name: str, value: str = "value") -> None:
    connection.execute(insert(importer_secret).values(sName=name, sValue=value, dtCreated=NOW))


def put_twice(connection: Connection, value: str) -> None:
    for _ in range(2):
        put(connection, "a", value)


def names(engine: Engine) -> set[str]:
    def read(connection: Connection) -> set[str]:
        return set(connection.scalars(text('SELECT "sName" FROM "tblImporterSecret"')))

    return run_reading(engine, read) - {"client_state_secret"}


# Settings of SQLite.


def test_sqlite_is_durable(database_engine: Engine) -> None:
    """Write-ahead log, every commit synchronised, foreign keys checked."""

    def pragmas(connection: Connection) -> list[Any]:
        return [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    full = 2
    assert run_reading(database_engine, pragmas) == ["wal", full, 1]


# Transactions.


def test_sqlite_files_are_their_owners_alone(tmp_path: Path) -> None:
    """They hold mail and the key that proves notifications; the log beside the file is private, too, for any umask."""
    before = os.umask(0o022)
    try:
        engine = make_engine(f"sqlite:///{tmp_path / 'new.db'}")
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (n INTEGER)"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600)


async def test_what_raises_is_rolled_back(database: Database) -> None:
    """A failed transaction leaves nothing, and the next one works."""

    def fail(connection: Connection) -> None:
        put(connection, "a")
        raise KeyError("a")

    with pytest.raises(KeyError):
        await database.write(fail)
    await database.write(lambda connection: put(connection, "b"))
    assert names(database.engine) == {"b"}


async def test_failure_among_writes_that_share_a_commit_stays_alone(database: Database) -> None:
    """Writes that wait together share a commit; one that fails, in any way, takes no other with it."""
    inside, go_on = threading.Event(), threading.Event()

    def pause(_connection: Connection) -> None:
        inside.set()
        go_on.wait(10)

    first = asyncio.ensure_future(database.write(pause))
    await asyncio.to_thread(inside.wait, 10)
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)

    def fails_late(connection: Connection) -> None:
        put(connection, "late")
        raise KeyError("late")

    def refused(connection: Connection) -> None:
        put(connection, "refused")
        put(connection, "refused")

    writes = [
        *(asyncio.ensure_future(database.write(lambda c, n=n: put(c, f"n{n}"))) for n in range(10)),  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        asyncio.ensure_future(database.write(fails_late)),
        asyncio.ensure_future(database.write(refused)),
        asyncio.ensure_future(database.write(lambda c: put(c, "last"))),
    ]
    await asyncio.sleep(0)
    go_on.set()
    await first
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [*[type(None)] * 10, KeyError, IntegrityError, type(None)]
    assert names(database.engine) == {*(f"n{n}" for n in range(10)), "last"}
    assert len(commits) <= 3


async def test_full_disk_fails_every_write_that_shares_the_commit(database_file: Path) -> None:
    """No caller gets a success when the commit that its write shares failed."""
    fragile = FragileDatabase(database_file)
    database = Database(fragile.engine())
    inside, go_on = threading.Event(), threading.Event()

    def pause(_connection: Connection) -> None:
        inside.set()
        go_on.wait(10)

    first = asyncio.ensure_future(database.write(pause))
    await asyncio.to_thread(inside.wait, 10)
    with fragile.full():
        writes = [
            asyncio.ensure_future(database.write(lambda c: put(c, "small"))),
            asyncio.ensure_future(database.write(lambda c: put(c, "large", LARGE))),
        ]
        await asyncio.sleep(0)
        go_on.set()
        await first
        results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [DatabaseUnavailable] * 2
    assert names(database.engine) == set()
    await database.close()


async def test_cancelled_before_its_turn_is_not_written(database: Database) -> None:
    """A write whose caller was cancelled before it began is not done."""
    inside, go_on = threading.Event(), threading.Event()

    def pause(_connection: Connection) -> None:
        inside.set()
        go_on.wait(10)

    first = asyncio.ensure_future(database.write(pause))
    await asyncio.to_thread(inside.wait, 10)
    second = asyncio.ensure_future(database.write(lambda c: put(c, "gone")))
    third = asyncio.ensure_future(database.write(lambda c: put(c, "stays")))
    await asyncio.sleep(0)
    assert (database.connections_in_use, database.transactions_waiting) == (1, 2)
    second.cancel()
    await asyncio.sleep(0)
    assert database.transactions_waiting == 1
    go_on.set()
    await asyncio.gather(first, third)
    assert names(database.engine) == {"stays"}
    assert (database.connections_in_use, database.transactions_waiting) == (0, 0)


async def test_closed_database_refuses_instead_of_waiting_for_ever(database_engine: Engine) -> None:
    """Work submitted before the end is written; later work is refused at once."""
    database = Database(database_engine)
    last = asyncio.ensure_future(database.write(lambda c: put(c, "last")))
    await asyncio.sleep(0)
    await database.close()
    await last
    async with asyncio.timeout(60):
        for late in (database.write(lambda c: put(c, "late")), database.read(lambda _: None)):
            with pytest.raises(RuntimeError):
                await late
    assert names(database_engine) == {"last"}


async def test_reader_does_not_wait_for_a_writer(database_file: Path) -> None:
    """Reading goes on while another process writes."""
    fragile = FragileDatabase(database_file)
    engine = fragile.engine()
    with fragile.locked():
        assert names(engine) == set()
        assert run_reading(engine, lambda c: c.scalar(text('SELECT count(*) FROM "tblEmailMessage"'))) == 0
    engine.dispose()


# Failures.


@pytest.mark.parametrize(
    ("kind", "cause"), [("locked", LOCKED), ("read_only", READ_ONLY), ("full", FULL), ("gone", GONE)]
)
def test_trouble_names_its_cause_and_passes(database_file: Path, kind: str, cause: str) -> None:
    """Each kind of failure has a text of its own; when it is over the same engine works."""
    fragile = FragileDatabase(database_file)
    engine = fragile.engine()
    run_writing(engine, lambda c: put(c, "before"))
    with fragile.broken(kind), pytest.raises(DatabaseUnavailable, match=cause):
        run_writing(engine, lambda c: put(c, "meanwhile", LARGE))
    run_writing(engine, lambda c: put(c, "after", LARGE))
    assert names(engine) == {"before", "after"}
    engine.dispose()


def test_file_opened_read_only(database_file: Path) -> None:
    """A file that may only be read is named so, and can be read."""
    engine = make_engine(f"sqlite:///file:{database_file}?mode=ro&uri=true")
    assert run_reading(engine, lambda c: c.scalar(text('SELECT count(*) FROM "tblEmailMessage"'))) == 0
    with pytest.raises(DatabaseUnavailable, match=READ_ONLY):
        run_writing(engine, lambda c: put(c, "a"))
    engine.dispose()


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    """The error requests a check of the folder."""
    engine = make_engine(f"sqlite:///{tmp_path / 'nowhere' / 'gateway.db'}")
    with pytest.raises(DatabaseUnavailable, match="cannot be opened; check that the folder exists"):
        run_reading(engine, lambda c: c.scalar(text("SELECT 1")))


def test_file_that_is_no_database(tmp_path: Path) -> None:
    """The error names it as none."""
    path = tmp_path / "letter.db"
    path.write_text("Dear Sir or Madam, " * 100)
    engine = make_engine(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnavailable, match="not a SQLite database"):
        run_reading(engine, lambda c: c.scalar(text("SELECT 1")))


def test_deleted_file_takes_nothing(database_engine: Engine, database_file: Path) -> None:
    """A file deleted under a running program is missed at once, by open connections and by new ones."""
    run_writing(database_engine, lambda c: put(c, "before"))
    database_file.unlink()
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match=r"is gone\. Put it back"):
            run_writing(database_engine, lambda c: put(c, "after"))
    assert not database_file.exists()


def test_fault_of_a_statement_is_no_outage(database_engine: Engine) -> None:
    """A statement refused for its own fault is not waited out, and its chain of causes is finite for the log."""
    with pytest.raises(IntegrityError) as refusal:
        run_writing(database_engine, lambda c: put_twice(c, "value"))
    seen: set[int] = set()
    exc: BaseException | None = refusal.value
    while exc is not None:
        assert id(exc) not in seen
        seen.add(id(exc))
        exc = exc.__cause__
    assert isinstance(refusal.value.orig, sqlite3.IntegrityError)


def test_errors_do_not_carry_the_values(database_engine: Engine) -> None:
    """An error of a statement, which may end in a log, has no mail in it."""
    with pytest.raises(DBAPIError) as refusal:
        run_writing(database_engine, lambda c: put_twice(c, "Befund"))
    assert "Befund" not in error_text(refusal.value)


async def test_disk_that_gets_full_in_a_shared_commit_is_named(database_file: Path) -> None:
    """SQLite rolls the savepoint back with the rest; the error of that does not hide the cause."""
    fragile = FragileDatabase(database_file)
    database = Database(fragile.engine())
    with fragile.full():
        writes = [database.write(lambda c, n=n: put(c, f"n{n}", LARGE)) for n in range(20)]  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        results = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(each, DatabaseUnavailable) and FULL in str(each) for each in results), results
    await database.write(lambda c: put(c, "after", LARGE))
    assert names(database.engine) == {"after"}
    await database.close()


def test_tests_refuse_two_open_results(database_engine: Engine, met_unread_rows: list[str]) -> None:
    """A statement that only SQL Server refuses is refused in tests of every database."""
    several = select(literal(1)).union_all(select(literal(2)))
    with database_engine.connect() as connection:
        first = connection.execute(several)
        with pytest.raises(UnreadRows):
            connection.execute(several)
        first.all()
        assert len(connection.execute(several).all()) == 2
    assert len(met_unread_rows) == 1
    met_unread_rows.clear()
