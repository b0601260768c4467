"""What tests of several packages need: a database with the schema in it, made once and copied, and a clock."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from db import schema
from db.engine import Database, make_engine
from tests.clock import SettableClock

pytest.register_assert_rewrite("tests.contract.queue_contract")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the current schema; copy it, do not touch it."""
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    engine = make_engine(f"sqlite:///{path}")
    schema.upgrade(engine, now=SettableClock()())
    engine.dispose()
    return path


@pytest.fixture
def database_file(migrated_file: Path, tmp_path: Path) -> Path:
    """A database of the test's own, in a folder of its own, so that the folder may be moved away."""
    folder = tmp_path / "database"
    folder.mkdir()
    return Path(shutil.copy(migrated_file, folder / "gateway.db"))


@pytest.fixture
def database_engine(database_file: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{database_file}")
    yield engine
    engine.dispose()


@pytest.fixture
async def database(database_engine: Engine) -> AsyncIterator[Database]:
    opened = Database(database_engine)
    yield opened
    await opened.close()


@pytest.fixture
def settable_clock() -> SettableClock:
    return SettableClock()
