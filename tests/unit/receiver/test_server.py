"""The start of the listener."""

import sys
import time

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from operatingsystem.listening import listening_sockets
from receiver.connections import ConnectionLimits
from receiver.metrics import ReceiverMetrics
from receiver.server import Listener
from receiver.throttled_log import ThrottledLog
from tests.doubles.addresses import refuse_the_second_server, resolve
from tests.ports import free_port


async def _answer(_request: web.BaseRequest) -> web.Response:
    return web.Response()


@pytest.mark.parametrize(
    "is_shared",
    [False, pytest.param(True, marks=pytest.mark.skipif(sys.platform == "win32", reason="asyncio serves none there"))],
)
async def test_addresses_that_cannot_all_be_served_are_given_back(
    is_shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that tries again, or another one, can listen there."""
    port = free_port()
    resolve(monkeypatch, "127.0.0.1", "127.0.0.2", port=port)
    listener = Listener(
        _answer,
        host="two.example",
        port=port,
        tls=None,
        limits=ConnectionLimits(),
        metrics=ReceiverMetrics(CollectorRegistry()),
        throttled=ThrottledLog(time.monotonic),
        listening=await listening_sockets("two.example", port, 1) if is_shared else (),
    )
    refuse_the_second_server(monkeypatch)
    with pytest.raises(OSError, match="refused"):
        await listener.start()
    for each in await listening_sockets("two.example", port, 1):
        each.close()
