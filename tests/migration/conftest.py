"""The schema is made, and found again, on every database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db.schema import migration
from tests.databases import EVERY_BACKEND, Gateway
from tests.doubles.clock import SettableClock


@pytest.fixture(params=EVERY_BACKEND)
def database_kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def fresh(empty_gateway: Gateway) -> Iterator[Engine]:
    """An engine on a gateway without tables; on SQLite its file does not exist yet."""
    engine = empty_gateway.engine()
    yield engine
    engine.dispose()


@pytest.fixture
def own_engine(database_kind: str, request: pytest.FixtureRequest) -> Engine:
    """An engine on a gateway with the current schema that no other test uses: its tables may be changed."""
    if database_kind != "mssql":
        copied: Engine = request.getfixturevalue("database_engine")
        return copied
    fresh: Engine = request.getfixturevalue("fresh")
    migration.upgrade(fresh, now=SettableClock()())
    return fresh
