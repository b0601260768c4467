"""What load balancers, monitoring and people with a browser get."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.receiver.endpoint import Endpoint, Endpoints, item


async def test_it_lives_and_is_ready(endpoint: Endpoint) -> None:
    """200, JSON."""
    for path, told in (("/health/live", {"status": "ok"}), ("/health/ready", {"status": "ok", "queue": "ok"})):
        answer = await endpoint.request("GET", path)
        assert (answer.status, json.loads(answer.body)) == (200, told)
        assert answer.headers["Content-Type"].startswith("application/json")


async def test_it_lives_but_is_not_ready_while_the_database_is_unavailable(endpoint: Endpoint) -> None:
    """A restart would not help, other traffic is better sent elsewhere; and it says why."""
    lock = endpoint.disk.lock()
    try:
        ready = await endpoint.request("GET", "/health/ready")
        live = await endpoint.request("GET", "/health/live")
    finally:
        lock.close()
    told = json.loads(ready.body)
    assert (ready.status, told["status"]) == (503, "unavailable")
    assert "lock" in told["queue"]
    assert live.status == 200
    assert (await endpoint.request("GET", "/health/ready")).status == 200


async def test_it_is_not_ready_while_stopping(endpoint: Endpoint) -> None:
    """Load balancers send elsewhere; what comes all the same is still taken."""
    endpoint.receiver.stop_accepting()
    answer = await endpoint.request("GET", "/health/ready")
    assert (answer.status, json.loads(answer.body)) == (503, {"status": "stopping"})
    assert (await endpoint.request("GET", "/health/live")).status == 200
    assert (await endpoint.deliver(item(endpoint.state()))).status == 202


async def test_metrics_are_prometheus_text_under_their_names(endpoint: Endpoint) -> None:
    """Dashboards are built on these names."""
    await endpoint.deliver(item(endpoint.state()), item("forged"))
    await endpoint.deliver(item(endpoint.state()), path="/lifecycle")
    await endpoint.post(b"broken")
    answer = await endpoint.request("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert {name: family.type for name, family in families.items() if not name.endswith("_created")} == {
        "mail_importer_notifications": "counter",
        "mail_importer_receiver_answers": "counter",
        "mail_importer_receiver_answer_seconds": "histogram",
        "mail_importer_receiver_waiting": "gauge",
        "mail_importer_receiver_connections_refused": "counter",
    }
    name = "mail_importer_receiver_answers_total"
    assert await endpoint.metric(name, path="/notifications", code="202") == 1
    assert await endpoint.metric(name, path="/notifications", code="400") == 1
    assert await endpoint.metric(name, path="/lifecycle", code="202") == 1
    assert await endpoint.metric("mail_importer_receiver_answer_seconds_count") == 3


async def test_strangers_do_not_make_new_metrics(endpoint: Endpoint) -> None:
    """Paths that anyone may invent are not labels: each would stay in memory."""
    for number in range(20):
        await endpoint.request("GET", f"/wp-login-{number}.php")
    answer = await endpoint.request("GET", "/metrics")
    assert "wp-login" not in answer.text


@pytest.mark.parametrize("path", ["/notifications", "/lifecycle"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "GET", "HEAD"])
async def test_notifications_come_by_post_only(endpoint: Endpoint, method: str, path: str) -> None:
    """405 names what is allowed."""
    answer = await endpoint.request(method, path)
    assert answer.status == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_no_other_method_validates(endpoint: Endpoint, method: str) -> None:
    """A token in the query does not make a PUT a handshake."""
    assert (await endpoint.request(method, "/notifications?validationToken=abc")).status == 405


async def test_it_is_not_ready_while_another_role_of_the_process_can_do_nothing(endpoint: Endpoint) -> None:
    """What comes all the same is taken."""
    endpoint.receiver._is_useless = lambda: True
    answer = await endpoint.request("GET", "/health/ready")
    told = {"status": "unavailable", "queue": "ok", "heartbeat": "late"}
    assert (answer.status, json.loads(answer.body)) == (503, told)
    assert (await endpoint.request("GET", "/health/live")).status == 200
    assert (await endpoint.deliver(item(endpoint.state()))).status == 202


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
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
    """Two hosts behind a load balancer: what one queued, the other does not queue again."""
    one, two = await endpoints.start(), await endpoints.start()
    assert (await one.deliver(item(one.state()))).status == 202
    assert (await two.deliver(item(two.state()))).status == 202
    assert await two.queued_ids() == ["AAkALg-1"]
