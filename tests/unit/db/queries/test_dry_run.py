"""Dry run: checks that the database accepts an import's writes, and leaves nothing."""

import asyncio
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import func, select

from db.engine import Database
from db.errors import AccountExists
from db.queries import accounts
from db.queries.accounts import AccountSettings
from db.queries.dry_run import add_and_import_one, import_one, rolled_back
from db.tables import account_settings, message
from tests.databases import on_every_database

pytestmark = on_every_database

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
SETTINGS = AccountSettings("laboratory", "tenant", "client", "user", "0" * 40)


async def counts(database: Database) -> list[int | None]:
    return await database.read(
        lambda c: [c.scalar(select(func.count()).select_from(table)) for table in (account_settings, message)]
    )


async def test_nothing_stays_of_a_message_that_was_tried(database: Database) -> None:
    account_id = await database.write(lambda c: accounts.add(c, SETTINGS, now=NOW))
    for _ in range(2):
        await asyncio.to_thread(rolled_back, database.engine, partial(import_one, account_id=account_id, now=NOW))
    assert await counts(database) == [1, 0]


async def test_nothing_stays_of_an_account_that_was_tried(database: Database) -> None:
    await asyncio.to_thread(rolled_back, database.engine, partial(add_and_import_one, settings=SETTINGS, now=NOW))
    assert await counts(database) == [0, 0]


async def test_an_account_that_is_there_already_is_refused(database: Database) -> None:
    await database.write(lambda c: accounts.add(c, SETTINGS, now=NOW))
    with pytest.raises(AccountExists):
        await asyncio.to_thread(rolled_back, database.engine, partial(add_and_import_one, settings=SETTINGS, now=NOW))
