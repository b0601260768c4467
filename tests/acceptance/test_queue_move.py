"""From the database queue to Service Bus and back, while mail arrives: the procedure of docs/queue-move.md.

A processor stays at the queue that was used before until nothing is left there.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import aiohttp
import pytest
from sqlalchemy import select

from db.tables import message, queue_message
from tests.acceptance.conftest import Site, stop
from tests.doubles.broker.process import BrokerProcess, running_broker
from tests.fork_server import ForkedProcess
from tests.ports import free_port
from tests.waiting import until

QUEUE: Final = "mail-notifications"
DATABASE: Final = {"MAIL_IMPORTER_QUEUE": "database"}
_ENDLESS: Final = 100_000
_PER_SECOND: Final = 4


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    with running_broker() as running:
        yield running


class Roles:
    """The running roles of a site, by name, each with its settings of the queue."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ports = {name: free_port() for name in ("receiver", "subscriptions")}
        self._running: dict[str, ForkedProcess] = {}

    async def start(self, role: str, settings: Mapping[str, str]) -> None:
        """Start a role, and wait until it is ready."""
        port = self._ports[role]
        self._running[role] = self._site.start("run", role, **settings, MAIL_IMPORTER_METRICS_PORT=str(port))

        async def is_ready() -> bool:
            try:
                return (await self._site.get("/health/ready", port))[0] == 200
            except aiohttp.ClientError:
                return False

        await until(is_ready, f"{role} is ready", seconds=60)

    async def switch(self, role: str, settings: Mapping[str, str]) -> None:
        """Stop a role, and start it with other settings."""
        assert await asyncio.to_thread(stop, self._running[role]) < 10
        await self.start(role, settings)


async def _status(site: Site, settings: Mapping[str, str]) -> dict[str, Any]:
    answer = await asyncio.to_thread(site.call, "queue", "status", "--json", **settings)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


async def _drained(site: Site, settings: Mapping[str, str]) -> None:
    async def nothing_left() -> bool:
        found = await _status(site, settings)
        return not any(found[name] for name in ("waiting", "locked", "scheduled", "dead"))

    await until(nothing_left, "the former queue is empty", seconds=60, pause=1.0)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_the_queue_is_moved_to_service_bus_and_back(site: Site, broker: BrokerProcess) -> None:
    """Nothing is lost or doubled in either direction; dead letters are replayed where they are."""
    site.settings["MAIL_IMPORTER_CLIENT_STATE_SECRET"] = "the same at every host, and not made up by one of them"
    servicebus = {
        "MAIL_IMPORTER_QUEUE": "servicebus",
        "MAIL_IMPORTER_SERVICEBUS_CONNECTION_STRING": broker.connection_string,
    }
    roles = Roles(site)
    await roles.start("receiver", DATABASE)
    await roles.start("subscriptions", DATABASE)
    await site.subscribed()
    await _leave_dead_letters(site)
    processor = site.start("run", "processor", **DATABASE)
    await site.control.start_traffic(_ENDLESS, per_second=_PER_SECOND)
    await site.keeps_importing()

    # To Service Bus: its processor first, then what puts messages there; the former processor ends last.
    assert (await _status(site, servicebus))["waiting"] == 0
    next_processor = site.start("run", "processor", **servicebus)
    await roles.switch("receiver", {**servicebus, "MAIL_IMPORTER_DATABASE_URL": "sqlite:////nowhere/at/all.db"})
    await roles.switch("subscriptions", servicebus)
    warned = await asyncio.to_thread(site.call, "queue", "status", **servicebus)
    assert "The queue of the gateway database, which was used before, still holds messages" in warned.stderr
    replayed = await asyncio.to_thread(site.call, "queue", "replay", "--all", **DATABASE)
    assert replayed.returncode == 0, replayed.stderr
    await _drained(site, DATABASE)
    assert (await _status(site, servicebus))["left_in_database"] == {"waiting": 0, "dead": 0}
    assert await asyncio.to_thread(stop, processor) < 10
    await site.keeps_importing()
    in_database = site.rows(select(queue_message.c.sMessageID))
    await site.keeps_importing()
    assert site.rows(select(queue_message.c.sMessageID)) == in_database, "all goes through Service Bus"

    # And back.
    processor = site.start("run", "processor", **DATABASE)
    await roles.switch("receiver", DATABASE)
    await roles.switch("subscriptions", DATABASE)
    await _drained(site, servicebus)
    assert await asyncio.to_thread(stop, next_processor) < 10
    await site.keeps_importing()

    await site.control.stop_traffic()
    await site.imported_once(len(await site.control.ledger()))
    await _drained(site, DATABASE)
    left = broker.state()["queues"][QUEUE]
    assert (left["messages"], left["dead"]) == (0, 0)


async def _leave_dead_letters(site: Site) -> None:
    """Have mail in the database that waits for an account which is disabled when its turn comes."""
    await site.control.start_traffic(3)

    async def all_queued() -> bool:
        return site.count(queue_message) == 3

    await until(all_queued, "3 messages in the queue")
    assert site.call("accounts", "disable", "station 0").returncode == 0
    processor = site.start("run", "processor", **DATABASE)

    async def is_dead() -> bool:
        return site.count(message) == 2 and (await _status(site, DATABASE))["dead"] == 1

    await until(is_dead, "a dead letter", pause=0.5)
    assert stop(processor) < 10
    assert site.call("accounts", "enable", "station 0").returncode == 0
