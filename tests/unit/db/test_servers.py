"""Behaviour of servers only: concurrent transactions that conflict, and connections that are lost."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from sqlalchemy import Connection, Engine, event, insert, select, update

from db.engine import Database, run_reading, run_writing
from db.errors import AccountExists, DatabaseUnavailable
from db.outcomes import Outcome
from db.queries import accounts, call_budget
from db.queries.accounts import AccountSettings
from db.queries.messages import MessageStore
from db.tables import call_budget as calls_table
from db.tables import importer_secret
from tests.databases import EVERY_BACKEND, Gateway, PostgreSQL
from tests.doubles.clock import SettableClock
from tests.doubles.outages import FragileServer, fragile
from tests.unit.db.queries.test_messages import record, rows

CLOCK: Final = SettableClock()
NOW: Final = CLOCK()


@pytest.fixture(params=EVERY_BACKEND[1:])
def database_kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def trouble(gateway: Gateway) -> Iterator[FragileServer]:
    made = fragile(gateway)
    assert isinstance(made, FragileServer)
    yield made
    made.close()


@pytest.fixture
def troubled(trouble: FragileServer) -> Iterator[Engine]:
    """An engine whose connections a test can break."""
    engine = trouble.engine()
    yield engine
    engine.dispose()


def add_call(connection: Connection, name: str) -> None:
    row = calls_table.c
    connection.execute(update(calls_table).where(row.sBudget == name).values(nUsed=row.nUsed + 1))


def test_of_two_that_wait_for_each_other_both_succeed(database_engine: Engine) -> None:
    """The server ends one of them as the victim of a deadlock; it is run again, whole, without an error."""
    for name in ("a", "b"):
        run_writing(
            database_engine,
            lambda c, name=name: c.execute(insert(calls_table).values(sBudget=name, nSlot=1, nUsed=0)),  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        )
    both_have_one = threading.Barrier(2)
    tries: list[str] = []

    def work(connection: Connection, first: str, second: str) -> None:
        tries.append(first)
        add_call(connection, first)
        if len(tries) <= 2:
            both_have_one.wait(10)
        add_call(connection, second)

    with ThreadPoolExecutor(2) as threads:
        forth = threads.submit(run_writing, database_engine, lambda c: work(c, "a", "b"))
        back = threads.submit(run_writing, database_engine, lambda c: work(c, "b", "a"))
        forth.result(30)
        back.result(30)
    assert len(tries) == 3
    used = run_reading(database_engine, lambda c: list(c.scalars(select(calls_table.c.nUsed))))
    assert used == [2, 2]


async def test_of_two_who_look_and_then_insert_both_are_right(gateway: Gateway) -> None:
    """Both find no row; the second insert finds the key taken, and its transaction is run again."""
    databases = [Database(gateway.engine()) for _ in range(2)]
    granted = await asyncio.gather(
        *(
            databases[n % 2].write(
                lambda c, n=n: call_budget.reserve(c, f"budget {n // 4}", slot=1, last=1, wanted=2, limit=5)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
            )
            for n in range(40)
        )
    )
    assert [sorted(granted[n : n + 4], reverse=True) for n in range(0, 40, 4)] == [[2, 2, 1, 0]] * 10
    for database in databases:
        await database.close()


async def test_an_account_name_is_given_once(gateway: Gateway) -> None:
    """Several administrators add an account of one name at once: one succeeds and the others get the reason."""
    database = Database(gateway.engine())

    def settings(number: int) -> AccountSettings:
        return AccountSettings("Labor", "tenant", "client", f"user {number}", "thumbprint")

    results = await asyncio.gather(
        *(database.write(lambda c, n=n: accounts.add(c, settings(n), now=NOW)) for n in range(6)),  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in results) == [*["AccountExists"] * 5, "int"]
    assert all("exists already" in str(each) for each in results if isinstance(each, AccountExists))
    await database.close()


def test_a_connection_lost_in_the_middle_leaves_nothing(trouble: FragileServer, troubled: Engine) -> None:
    """The transaction is gone with it; the next one gets another connection."""

    def work(connection: Connection) -> None:
        connection.execute(insert(importer_secret).values(sName="a", sValue="", dtCreated=NOW))
        trouble.relay.lose_connections()
        connection.execute(insert(importer_secret).values(sName="b", sValue="", dtCreated=NOW))

    with pytest.raises(DatabaseUnavailable):
        run_writing(troubled, work)
    names = select(importer_secret.c.sName).where(importer_secret.c.sName.in_(["a", "b"]))
    assert run_reading(troubled, lambda c: list(c.scalars(names))) == []


async def test_whether_a_commit_that_was_cut_off_was_done_is_found_out(
    trouble: FragileServer, troubled: Engine
) -> None:
    """The outcome is unknown at first; saving again makes the message be there once, whole."""
    database = Database(troubled)
    store = MessageStore(database, clock=CLOCK)

    @event.listens_for(troubled, "commit", once=True)
    def cut_off(_connection: Connection) -> None:
        trouble.relay.lose_connections()

    with pytest.raises(DatabaseUnavailable):
        await store.save(record())
    await store.save(record())
    assert rows(troubled) == (1, 3, 2)
    assert await store.save(record()) is Outcome.KNOWN
    await store.close()
    await database.close()


async def test_silence_is_waited_out(trouble: FragileServer, troubled: Engine) -> None:
    """A server that does not respond for a while is unavailable meanwhile, or responds late; afterwards all goes on."""
    database = Database(troubled)
    store = MessageStore(database, clock=CLOCK)
    with trouble.mute():
        saving = [asyncio.ensure_future(store.save(record(f"m{n}"))) for n in range(3)]
        await asyncio.wait(saving, timeout=4)
    for each, result in enumerate(await asyncio.gather(*saving, return_exceptions=True)):
        assert result is Outcome.IMPORTED or isinstance(result, DatabaseUnavailable)
        await store.save(record(f"m{each}"))
    assert rows(troubled) == (3, 9, 6)
    await store.close()
    await database.close()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_restart_is_waited_out(postgresql_databases: PostgreSQL, gateway: Gateway) -> None:
    """While the server is down all is unavailable; once it is back the same pool works, without a further failure."""
    database = Database(gateway.engine())
    store = MessageStore(database, clock=CLOCK)
    assert await store.save(record("before")) is Outcome.IMPORTED
    with postgresql_databases.server.down(), pytest.raises(DatabaseUnavailable):
        await store.save(record("meanwhile"))
    assert await asyncio.gather(*(store.save(record(f"m{n}")) for n in range(8))) == [Outcome.IMPORTED] * 8
    assert await store.known([(1, "before"), (1, "meanwhile")]) == {(1, "before")}
    await store.close()
    await database.close()
