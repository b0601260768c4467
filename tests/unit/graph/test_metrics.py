"""Metrics of the calls of Graph."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from graph.client import GraphClient
from graph.errors import GraphError
from graph.mailbox import Mailbox
from graph.metrics import GraphMetrics
from graph.slots import LocalSlots
from tests.doubles.scripted_graph import Clock, FixedTokens, Script, fail, hang_up, ok
from tests.waiting import until


async def test_calls_are_counted_by_result(
    session: aiohttp.ClientSession, server: Script, mailbox: Mailbox, clock: Clock
) -> None:
    """Each attempt counts; one that Graph refuses for now, and one without an answer, are told apart."""
    registry, slots = CollectorRegistry(), LocalSlots(1)
    client = GraphClient(
        session,
        FixedTokens(),
        base_url=server.url,
        slots=slots,
        sleep=clock.sleep,
        observer=GraphMetrics(registry, slots).observe,
    )
    # aiohttp itself repeats a request whose kept connection was closed.
    server.say(fail(404), fail(429, Retry_After="1"), fail(503), hang_up, hang_up, ok({"a": 1}))
    with pytest.raises(GraphError):
        await client.request(mailbox, "GET", "/x")
    assert await client.request(mailbox, "GET", "/x") == {"a": 1}
    name = "mail_importer_graph_calls_total"
    counts = {each: registry.get_sample_value(name, {"result": each}) for each in ("2xx", "3xx", "4xx", "5xx")}
    assert counts == {"2xx": 1, "3xx": 0, "4xx": 1, "5xx": 1}
    assert registry.get_sample_value(name, {"result": "throttled"}) == 1
    assert registry.get_sample_value(name, {"result": "unreachable"}) == 1
    assert registry.get_sample_value("mail_importer_graph_call_seconds_count") == 5


async def test_slots_in_use_and_calls_that_wait_are_shown(
    session: aiohttp.ClientSession, server: Script, mailbox: Mailbox
) -> None:
    """Only while they are."""
    answered = asyncio.Event()

    async def later(_: web.Request) -> web.Response:
        await answered.wait()
        return web.json_response({})

    registry, slots = CollectorRegistry(), LocalSlots(1)
    GraphMetrics(registry, slots)
    client = GraphClient(session, FixedTokens(), base_url=server.url, slots=slots)
    server.say(later, later, later)
    calls = [asyncio.create_task(client.request(mailbox, "GET", "/x")) for _ in range(3)]

    def shown() -> tuple[float | None, float | None]:
        name = "mail_importer_graph_slots"
        return registry.get_sample_value(f"{name}_in_use"), registry.get_sample_value(f"{name}_waiting")

    await until(lambda: shown() == (1, 2))
    answered.set()
    await asyncio.gather(*calls)
    assert shown() == (0, 0)
