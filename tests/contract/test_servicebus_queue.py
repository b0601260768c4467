"""The queue on Azure Service Bus: the contract, and what only this adapter promises.

The SDK is the real one, its sockets too; the broker is `tests.broker`.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from bus.queue import NotificationQueue
from bus.servicebus.adapter import ServiceBusQueue
from bus.servicebus.connection import ServiceBusAddress
from tests.broker.process import BrokerProcess, running_broker
from tests.contract.queue_contract import QueueBackend, QueueContract

# The SDK forgets the socket of a connection that broke, for the garbage collector to find.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:loop is closed:ResourceWarning")


class ServiceBusBackend(QueueBackend):
    """The one queue of a broker."""

    lock_duration = timedelta(seconds=60)
    duplicate_window = timedelta(minutes=10)
    most_deliveries = 3
    tells_locked = False

    def __init__(self, broker: BrokerProcess) -> None:
        self.broker = broker
        self._opened: list[ServiceBusQueue] = []

    def clock(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.broker.ahead, UTC)

    async def open(self) -> NotificationQueue:
        return self.open_queue()

    def open_queue(self) -> ServiceBusQueue:
        address = ServiceBusAddress("mail-notifications", connection_string=self.broker.connection_string)
        queue = ServiceBusQueue(address, clock=self.clock, most_deliveries=self.most_deliveries)
        self._opened.append(queue)
        return queue

    async def pass_time(self, duration: timedelta) -> None:
        self.broker.advance(duration.total_seconds())

    def outage(self) -> AbstractContextManager[None]:
        return self._refusing()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        self.broker.refuse(on=True)
        try:
            yield
        finally:
            self.broker.refuse(on=False)

    async def close(self) -> None:
        await asyncio.gather(*(queue.close() for queue in self._opened))


@pytest.fixture(scope="session")
def broker() -> Iterator[BrokerProcess]:
    with running_broker() as running:
        yield running


@pytest.fixture
async def backend(broker: BrokerProcess) -> AsyncIterator[ServiceBusBackend]:
    broker.reset()
    made = ServiceBusBackend(broker)
    yield made
    await made.close()
    gc.collect()  # here, where its warnings are expected


class TestServiceBusQueue(QueueContract):
    """The contract."""
