"""Pages for load balancers, monitoring and browsers."""

import json
import re

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from background.readiness import STOPPING
from tests.unit.receiver.endpoint import Endpoint, Endpoints, item


async def test_it_lives_and_is_ready(endpoint: Endpoint) -> None:
    """200, JSON."""
    for path in ("/health/live", "/health/ready"):
        answer = await endpoint.request("GET", path)
        assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
        assert answer.headers["Content-Type"].startswith("application/json")


async def test_it_lives_but_is_not_ready_while_the_database_is_unavailable(endpoint: Endpoint) -> None:
    """A restart would not help, other traffic is better sent elsewhere. The page is public: the log has the reason."""
    lock = endpoint.disk.lock()
    try:
        with capture_logs() as logged:
            ready = await endpoint.request("GET", "/health/ready")
        live = await endpoint.request("GET", "/health/live")
    finally:
        lock.close()
    assert (ready.status, json.loads(ready.body)) == (503, {"status": "unavailable"})
    (line,) = logged
    assert (line["event"], "lock" in line["error"]) == ("receiver_not_ready", True)
    assert live.status == 200
    assert (await endpoint.request("GET", "/health/ready")).status == 200


async def test_it_is_not_ready_while_stopping(endpoint: Endpoint) -> None:
    """Load balancers send elsewhere; items that still come are accepted."""
    endpoint.readiness.add(STOPPING, lambda: "it was signalled")
    answer = await endpoint.request("GET", "/health/ready")
    assert (answer.status, json.loads(answer.body)) == (503, {"status": "stopping"})
    assert (await endpoint.request("GET", "/health/live")).status == 200
    assert (await endpoint.deliver(item(endpoint.state()))).status == 202


async def test_metrics_have_their_names(endpoint: Endpoint) -> None:
    """Dashboards are built on these names."""
    await endpoint.deliver(item(endpoint.state()), item("forged"))
    await endpoint.deliver(item(endpoint.state()), path="/lifecycle")
    await endpoint.post(b"broken")
    families = {family.name: family.type for family in endpoint.registry.collect()}
    assert families == {
        "mail_importer_notifications": "counter",
        "mail_importer_receiver_deliveries_dropped": "counter",
        "mail_importer_receiver_answers": "counter",
        "mail_importer_receiver_answer_seconds": "histogram",
        "mail_importer_receiver_waiting": "gauge",
        "mail_importer_receiver_connections_refused": "counter",
        "mail_importer_receiver_connections_dropped": "counter",
        "mail_importer_receiver_certificate_expires_timestamp_seconds": "gauge",
    }
    name = "mail_importer_receiver_answers_total"
    assert endpoint.metric(name, path="/notifications", code="202") == 1
    assert endpoint.metric(name, path="/notifications", code="400") == 1
    assert endpoint.metric(name, path="/lifecycle", code="202") == 1
    assert endpoint.metric("mail_importer_receiver_answer_seconds_count") == 3


async def test_strangers_do_not_make_new_metrics(endpoint: Endpoint) -> None:
    """Arbitrary paths are not labels: each would stay in memory."""
    for number in range(20):
        await endpoint.request("GET", f"/wp-login-{number}.php")
    assert b"wp-login" not in generate_latest(endpoint.registry)


async def test_metrics_are_not_public(endpoint: Endpoint) -> None:
    """They name versions and certificates; they have an address of their own (console/metrics_endpoint.py)."""
    assert (await endpoint.request("GET", "/metrics")).status == 404


async def test_no_answer_names_the_programs_behind_it(endpoint: Endpoint) -> None:
    """A patch level shows a stranger which faults to try; responses to invalid HTTP hide it, too."""
    answers = [await endpoint.request("GET", path) for path in ("/health/live", "/health/ready", "/nowhere")]
    answers += [await endpoint.deliver(item(endpoint.state())), await endpoint.post(b"broken")]
    answers.append(await endpoint.request("GET", "/notifications?validationToken=abc"))
    async with endpoint.connection() as connection:
        connection.writer.write(b"HELO there\r\n\r\n")
        answers.append(await connection.answer())
    for answer in answers:
        assert "Server" not in answer.headers
        assert not re.search("(?i)python|aiohttp", f"{answer.headers} {answer.text}")


@pytest.mark.parametrize("path", ["/notifications", "/lifecycle"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "GET", "HEAD"])
async def test_notifications_come_by_post_only(endpoint: Endpoint, method: str, path: str) -> None:
    """405 names the allowed method."""
    answer = await endpoint.request(method, path)
    assert answer.status == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_no_other_method_validates(endpoint: Endpoint, method: str) -> None:
    """A token in the query does not make a PUT a handshake."""
    assert (await endpoint.request(method, "/notifications?validationToken=abc")).status == 405


async def test_it_is_not_ready_while_another_role_of_the_process_can_do_nothing(endpoint: Endpoint) -> None:
    """A delivery that still comes is accepted."""
    endpoint.readiness.add("heartbeat", lambda: "it is late")
    answer = await endpoint.request("GET", "/health/ready")
    assert (answer.status, json.loads(answer.body)) == (503, {"status": "unavailable"})
    assert (await endpoint.request("GET", "/health/live")).status == 200
    assert (await endpoint.deliver(item(endpoint.state()))).status == 202


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_pages_are_read_by_get_only(endpoint: Endpoint, path: str) -> None:
    """POST, PUT and DELETE change nothing here."""
    for method in ("POST", "PUT", "DELETE"):
        assert (await endpoint.request(method, path)).status == 405


@pytest.mark.parametrize(
    "path", ["/", "/notification", "/notifications/", "/Notifications", "//notifications", "/health", "/../etc/passwd"]
)
async def test_nothing_is_anywhere_else(endpoint: Endpoint, path: str) -> None:
    """404."""
    for method in ("GET", "POST"):
        assert (await endpoint.request(method, path)).status == 404


async def test_two_receivers_share_one_database(endpoints: Endpoints) -> None:
    """Two hosts behind a load balancer: an item queued by one is not queued again by the other."""
    one, two = await endpoints.start(), await endpoints.start()
    assert (await one.deliver(item(one.state()))).status == 202
    assert (await two.deliver(item(two.state()))).status == 202
    assert await two.queued_ids() == ["AAkALg-1"]
