"""Receivers on a database of the test's own. The classes are in `endpoint.py`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.unit.receiver.endpoint import Endpoint, Endpoints


@pytest.fixture
async def endpoints(database_file: Path) -> AsyncIterator[Endpoints]:
    async with AsyncExitStack() as resources:
        yield Endpoints(database_file, resources)


@pytest.fixture
async def endpoint(endpoints: Endpoints) -> Endpoint:
    return await endpoints.start()
