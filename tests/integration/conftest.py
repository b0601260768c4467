"""A world per test: a simulator, a database copied from a migrated template, a certificate made once."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db import engine as db_engine
from db import schema
from db.engine import Database, make_engine
from graph.certificates import Certificate, make_self_signed, write_pair
from graph.client import open_session
from simulator.delivery import DeliveryRules
from simulator.simulator import Simulator, system_clock
from simulator.subscriptions import SubscriptionRules
from tests.integration.world import Clock, World, until


@pytest.fixture(scope="session")
def certificate() -> Certificate:
    return make_self_signed("mail-importer integration", now=datetime.now(UTC), key_bits=2048)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database at the current revision, to be copied."""
    path = tmp_path_factory.mktemp("template") / "gateway.db"
    engine = make_engine(f"sqlite:///{path}")
    schema.upgrade(engine, now=datetime.now(UTC))
    engine.dispose()
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway(tmp_path: Path, migrated: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "gateway.db"))


@pytest.fixture
async def make_world(
    tmp_path: Path, gateway: Path, certificate: Certificate, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    # An outage of the database is noticed in a moment.
    monkeypatch.setattr(db_engine, "_SQLITE_BUSY_SECONDS", 0.2)
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
            database = Database(make_engine(f"sqlite:///{gateway}"))
            stack.push_async_callback(database.close)
            session = open_session(simulator.url, ca_bundle=simulator.ca_file, read_seconds=10.0)
            await stack.enter_async_context(session)
            world = World(
                simulator=simulator,
                application=application,
                certificate=certificate,
                store=store,
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
