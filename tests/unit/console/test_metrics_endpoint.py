"""The metrics of a process at their own address."""

import errno
import json
import re
from contextlib import nullcontext

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter, PlatformCollector
from structlog.testing import capture_logs

from background.readiness import Readiness
from console.metrics_endpoint import MetricsUnavailable, serving_metrics
from operatingsystem.listening import listening_sockets
from tests.doubles.addresses import refuse_the_second_server, resolve
from tests.ports import free_port


async def _get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_it_serves_what_is_in_the_registry() -> None:
    """Prometheus text of this process alone, and only at its path."""
    registry, port = CollectorRegistry(), free_port()
    PlatformCollector(registry=registry)
    Counter("mail_importer_things", "Things.", registry=registry).inc(3)
    async with serving_metrics(registry, Readiness(), "127.0.0.1", port):
        status, text = await _get(port, "/metrics")
        assert (await _get(port, "/"))[0] == 404
    assert status == 200
    assert "\nmail_importer_things_total 3.0\n" in text
    assert re.search("^python_info", text, re.MULTILINE)
    with pytest.raises(aiohttp.ClientConnectionError):
        await _get(port, "/metrics")


async def test_it_serves_the_health_of_the_process() -> None:
    """The reasons are fixed words; their texts, which may name a file or a host, are in the log, once."""
    readiness, port = Readiness(), free_port()
    trouble: list[str | None] = [None]
    readiness.add("heartbeat", lambda: trouble[0])
    async with serving_metrics(CollectorRegistry(), readiness, "127.0.0.1", port):
        assert await _get(port, "/health/ready") == (200, '{"status": "ok"}')
        trouble[0] = "no route to db.example"
        with capture_logs() as logged:
            for _ in range(2):
                status, text = await _get(port, "/health/ready")
                assert (status, json.loads(text)) == (503, {"status": "unavailable", "reasons": ["heartbeat"]})
            assert await _get(port, "/health/live") == (200, '{"status": "ok"}')
            trouble[0] = None
            assert (await _get(port, "/health/ready"))[0] == 200
    assert [(line["event"], line.get("error")) for line in logged] == [
        ("process_not_ready", "no route to db.example"),
        ("process_ready", None),
    ]


async def test_it_does_not_name_the_programs_behind_it() -> None:
    """A patch level shows which faults to try."""
    port = free_port()
    async with (
        serving_metrics(CollectorRegistry(), Readiness(), "127.0.0.1", port),
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/health/live") as answer,
    ):
        assert "Server" not in answer.headers


async def test_a_second_process_of_the_host_runs_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three roles on one host have the same settings; the log names the setting that gives each its metrics."""
    monkeypatch.setattr("operatingsystem.listening.ADDRESS_RELEASE_SECONDS", 0.0)
    port = free_port()
    async with serving_metrics(CollectorRegistry(), Readiness(), "127.0.0.1", port):
        with capture_logs() as logged:
            async with serving_metrics(CollectorRegistry(), Readiness(), "127.0.0.1", port):
                assert (await _get(port, "/metrics"))[0] == 200
    (line,) = logged
    assert (line["event"], line["log_level"], line["port"]) == ("metrics_not_served", "warning", port)
    assert "metrics_port" in line["detail"]


async def test_an_address_of_another_host_is_an_error() -> None:
    """A wrong setting is found at the start."""
    with pytest.raises(MetricsUnavailable, match="assign"):
        async with serving_metrics(CollectorRegistry(), Readiness(), "192.0.2.1", free_port()):
            pass


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EADDRINUSE])
async def test_addresses_that_cannot_all_be_served_are_given_back(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections would wait without end at an address where nothing accepts them."""
    port = free_port()
    resolve(monkeypatch, "127.0.0.1", "127.0.0.2", port=port)
    refuse_the_second_server(monkeypatch, number)
    refused = pytest.raises(MetricsUnavailable) if number == errno.EMFILE else nullcontext()
    with refused:
        async with serving_metrics(CollectorRegistry(), Readiness(), "two.example", port):
            for each in await listening_sockets("two.example", port, 1):
                each.close()
    for each in await listening_sockets("two.example", port, 1):
        each.close()
