"""A world per test: a simulator, a database copied from a migrated template, a certificate made once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from graph.certificates import Certificate, make_self_signed
from processor.importer import worker_processes
from processor.process_pool import ProcessPool
from tests.databases import Gateway
from tests.integration.manager_world import Office
from tests.integration.world import Clock, World, open_world, run_command


@pytest.fixture(scope="session")
def certificate() -> Certificate:
    return make_self_signed("mail-importer integration", now=datetime.now(UTC), key_bits=2048)


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPool]:
    """The worker processes of the importers."""
    pool = worker_processes()
    yield pool
    asyncio.run(pool.close())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make_world(
    tmp_path: Path, gateway: Gateway, certificate: Certificate, processes: ProcessPool, clock: Clock
) -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> World:  # noqa: ANN401  # passed through
            return await open_world(stack, tmp_path, gateway, certificate, processes, clock, **options)

        yield make


@pytest.fixture
async def world(make_world: Callable[..., Any]) -> World:
    made: World = await make_world()
    return made


@pytest.fixture
async def make_office(
    make_world: Callable[..., Any],
) -> Callable[..., Awaitable[Office]]:
    async def make(**rules: Any) -> Office:  # noqa: ANN401  # passed through
        return Office(await make_world(one_clock=True, **rules))

    return make


@pytest.fixture
async def office(make_office: Callable[..., Awaitable[Office]]) -> Office:
    return await make_office()


@pytest.fixture
def command(world: World) -> Callable[..., Awaitable[Result]]:
    """Run a command beside the simulator; settings may be given by name."""
    return partial(run_command, world)
