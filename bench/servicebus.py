"""The receiver and the processor on Azure Service Bus, emulated by the broker of the tests: on loopback, in a process.

Baselines of the same run: the SDK's own rate of batches of 100 by one sender; the processor on the database queue.
"""

import asyncio
import shutil
import time
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Final

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from bench.receiver import SECRET, measure, serve_receiver
from bench.stage import stage
from bus.servicebus.adapter import ServiceBusQueue
from bus.servicebus.connection import ServiceBusAddress
from console import logs
from console.wiring.clock import utc_now
from console.wiring.process import freeze_gc
from graph.client_state import ClientStateKeys
from tests.doubles.broker.process import running_broker

_QUEUE: Final = "mail-notifications"
_BATCH = 100
_SECONDS = 8
_MESSAGES = 1500
_MAILBOXES = 8
_ITEMS = 20


def main() -> None:
    """Print the figures."""
    _receiver()
    asyncio.run(_processor())


def _receiver() -> None:
    if shutil.which("wrk") is None:
        print("servicebus: needs wrk (Debian: apt-get install wrk)")
        return
    with running_broker() as broker:
        sdk = asyncio.run(_sdk(broker.connection_string))
        broker.reset()
        state = ClientStateKeys(SECRET).sign(1)
        found = measure(_Served(broker.connection_string), state, _ITEMS, "scattered")
    rate = found.requests * _ITEMS
    print(f"receiver on Service Bus, bodies of {_ITEMS}:")
    print(f"  SDK, batches of {_BATCH}  {sdk:7.0f} messages/s")
    print(f"  receiver            {rate:7.0f} notifications/s  p99 {found.p99:6.1f} ms  refused {found.refused}")
    print(f"  ratio {rate / sdk:.2f} (to reach: 0.7)")


async def _sdk(connection_string: str) -> float:
    """Return the messages per second, as large as the product's."""
    body = b"x" * 420
    properties: dict[str | bytes, int | float | bytes | bool | str] = {"account": "1"}
    sent = 0
    async with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_sender(_QUEUE) as sender,
    ):
        started = time.monotonic()
        while time.monotonic() - started < _SECONDS:
            batch = await sender.create_message_batch()
            for number in range(_BATCH):
                batch.add_message(
                    ServiceBusMessage(
                        body,
                        message_id=f"1.{sent + number}",
                        content_type="application/json",
                        subject="notification",
                        application_properties=properties,  # type: ignore[arg-type]  # documented so by the SDK
                    )
                )
            await sender.send_messages(batch)
            sent += _BATCH
        return sent / (time.monotonic() - started)


class _Served:
    """Serves the receiver in a process of its own."""

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string

    def __call__(self, pipe: Pipe, folder: Path) -> None:
        with (folder / "log").open("w", encoding="utf-8") as log, suppress(KeyboardInterrupt):
            logs.configure(log, "json")
            asyncio.run(self._serve(pipe))

    async def _serve(self, pipe: Pipe) -> None:
        address = ServiceBusAddress(_QUEUE, connection_string=self._connection_string)
        await serve_receiver(pipe, ServiceBusQueue(address, clock=utc_now))


async def _processor() -> None:
    with running_broker() as broker:
        async with stage(_MAILBOXES) as scene:
            ledger = await scene.deliver(2 * _MESSAGES)
            freeze_gc()
            first = ledger[:_MESSAGES]
            second = ledger[_MESSAGES:]
            database = await scene.import_all(first)
            address = ServiceBusAddress(_QUEUE, connection_string=broker.connection_string)
            bus = await scene.import_all(second, ServiceBusQueue(address, clock=utc_now))
    print(f"processor, {_MESSAGES} messages in {_MAILBOXES} mailboxes, no latency:")
    print(f"  database queue  {len(first) / database:7.0f} messages/s")
    print(f"  Service Bus     {len(second) / bus:7.0f} messages/s")
    print(f"  ratio {len(second) / bus / (len(first) / database):.2f}")
