"""Rows that go to the driver as they are, where a column is not what the program made."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from sqlalchemy import Engine, func, select, text

from db.engine import Database, run_reading, run_writing
from db.outcomes import Outcome
from db.queries.messages import MessageRefused, MessageStore
from db.tables import recipient
from tests.doubles.clock import SettableClock
from tests.unit.db.queries.test_messages import record

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
CLOCK: Final = SettableClock()


@pytest.fixture
async def store(database: Database) -> AsyncIterator[MessageStore]:
    made = MessageStore(database, clock=CLOCK)
    yield made
    await made.close()


def change(engine: Engine, *statements: str) -> None:
    for each in statements:
        run_writing(engine, lambda connection, each=each: connection.execute(text(each)))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults


def recipients(engine: Engine) -> int | None:
    return run_reading(engine, lambda connection: connection.scalar(select(func.count()).select_from(recipient)))


async def test_column_of_a_type_of_its_own_is_written(store: MessageStore, database_engine: Engine) -> None:
    """An administrator's domain over text is no obstacle."""
    change(
        database_engine,
        "CREATE DOMAIN address AS text CHECK (value LIKE '%@%')",
        'ALTER TABLE "tblEmailRecipient" ALTER COLUMN "sAddress" TYPE address',
    )
    assert await store.save(record()) is Outcome.IMPORTED
    assert recipients(database_engine) == 3


async def test_type_that_changes_meanwhile_is_noticed(store: MessageStore, database_engine: Engine) -> None:
    """A column is widened while the program runs: the next message is written, not refused."""
    await store.save(record("before"))
    change(database_engine, 'ALTER TABLE "tblEmailRecipient" ALTER COLUMN "nPosition" TYPE bigint')
    assert await store.save(record("after")) is Outcome.IMPORTED
    assert recipients(database_engine) == 6


@pytest.mark.parametrize("wrong", [{"size": "many"}, {"size": 2**63}, {"read": "perhaps"}])
async def test_value_of_another_type_is_refused_alone(store: MessageStore, wrong: dict[str, Any]) -> None:
    """The messages that share its transaction are imported."""
    saved = await asyncio.gather(
        store.save(record("first")),
        store.save(record("wrong", **wrong)),
        store.save(record("last")),
        return_exceptions=True,
    )
    assert isinstance(saved[1], MessageRefused)
    assert [saved[0], saved[2]] == [Outcome.IMPORTED, Outcome.IMPORTED]
