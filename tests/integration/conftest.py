"""A world per test: a simulator, a database copied from a migrated template, a certificate made once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db.engine import Database
from graph.certificates import Certificate, make_self_signed, write_pair
from graph.client import open_session
from simulator.delivery import DeliveryRules
from simulator.simulator import Simulator, system_clock
from simulator.subscriptions import SubscriptionRules
from tests.integration.managing import Office
from tests.integration.world import Clock, World, until
from tests.outages import FragileDatabase


@pytest.fixture(scope="session")
def certificate() -> Certificate:
    return make_self_signed("mail-importer integration", now=datetime.now(UTC), key_bits=2048)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make_world(
    tmp_path: Path, database_file: Path, certificate: Certificate, clock: Clock
) -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def make(*, one_clock: bool = False, **rules: Any) -> World:  # noqa: ANN401  # passed through
            """With `one_clock` the simulator's time is the test's too; tokens then outlive any step of it."""
            simulator = Simulator(
                tmp_path / "simulator",
                clock=clock if one_clock else system_clock,
                token_lifetime=timedelta(days=365) if one_clock else timedelta(hours=1),
                delivery=DeliveryRules(window_secs=0.01, backoff_secs=0.05),
                subscriptions=SubscriptionRules(validation_timeout_secs=2.0, **rules),
            )
            application = simulator.add_application()
            await stack.enter_async_context(simulator)
            stack.push_async_callback(_until_hung_up, simulator)
            simulator.register_certificate(
                application.tenant_id, application.client_id, certificate.public_pem.encode()
            )
            store = tmp_path / "certificates"
            write_pair(certificate, store, "importer")
            fragile = FragileDatabase(database_file)
            database = Database(fragile.engine())
            stack.push_async_callback(database.close)
            session = open_session(simulator.url, ca_bundle=simulator.ca_file, read_seconds=10.0)
            await stack.enter_async_context(session)
            world = World(
                simulator=simulator,
                application=application,
                certificate=certificate,
                store=store,
                fragile=fragile,
                database=database,
                session=session,
                clock=clock,
            )
            stack.push_async_callback(world.queue.close)
            return world

        yield make


@pytest.fixture
async def world(make_world: Callable[..., Any]) -> World:
    made: World = await make_world()
    return made


async def _until_hung_up(simulator: Simulator) -> None:
    """TLS says good-bye in the background; a loop that closes before leaves sockets open."""
    listener = simulator._listener
    assert listener is not None
    runner = listener._runner
    assert runner is not None
    server = runner.server
    await until(lambda: server is None or not server.connections, seconds=2.0)


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
