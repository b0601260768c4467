"""Subscriptions and their handshake (docs/graph.md, sections 1 and 2)."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from simulator.api.notifications import LifecycleEvent
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox, MailboxState
from simulator.state.subscriptions import SubscriptionRules
from simulator.state.tenants import Application

SUBSCRIPTIONS = "/v1.0/subscriptions"
Body = dict[str, Any]


async def _call(
    graph: aiohttp.ClientSession, method: str, path: str, body: Body | None = None, **headers: str
) -> tuple[int, Body]:
    async with graph.request(method, path, json=body, headers=headers or None) as response:
        return response.status, await response.json() if response.status != 204 else {}


async def _create(graph: aiohttp.ClientSession, body: Body, **changed: object) -> tuple[int, Body]:
    return await _call(graph, "POST", SUBSCRIPTIONS, {**body, **changed})


async def test_creating_validates_both_urls_first(
    graph: aiohttp.ClientSession,
    application: Application,
    subscription_body: Body,
    validations: list[tuple[str, str]],
) -> None:
    """The response has the requested values, ids of application and principal, and nulls for the rest."""
    subscription_body["notificationUrl"] += "?key=1"
    status, values = await _create(graph, subscription_body)
    assert status == 201
    assert values["applicationId"] == application.client_id
    assert values["creatorId"] == application.service_principal_id
    assert values["clientState"] == "a-secret"
    assert values["includeResourceData"] is None
    assert len(validations) == 2
    paths = sorted(path for path, _ in validations)
    assert paths[0].startswith("/lifecycle?validationToken=")
    assert paths[1].startswith("/notifications?key=1&validationToken=")
    for _, token in validations:
        assert token.startswith("Validation: Testing client application reachability")
    spaces = {"+" in path for path in paths}
    assert spaces == {True, False}, "a space is written as + in one, as %20 in the other"


async def test_one_url_for_both_is_validated_twice(
    graph: aiohttp.ClientSession, subscription_body: Body, validations: list[tuple[str, str]]
) -> None:
    """Two requests arrive, each with its own token."""
    status, _ = await _create(graph, subscription_body, lifecycleNotificationUrl=subscription_body["notificationUrl"])
    assert status == 201
    assert len({token for _, token in validations}) == 2


@pytest.mark.parametrize(
    ("deviation", "text"),
    [
        ({"status": 403}, "HTTP status code is 'Forbidden'"),
        ({"status": 202}, "HTTP status code is 'Accepted'"),
        ({"text": "something else"}, "must exactly match validationToken"),
        ({"content_type": "text/html"}, "content type"),
        ({"delay": 3}, "timed out"),
    ],
)
async def test_a_receiver_that_fails_the_handshake_gets_no_subscription(
    graph: aiohttp.ClientSession, subscription_body: Body, handshake_answer: Body, deviation: Body, text: str
) -> None:
    """400 ValidationError, with the reason in the text; nothing is created."""
    handshake_answer.update(deviation)
    status, values = await _create(graph, subscription_body)
    assert (status, values["error"]["code"]) == (400, "ValidationError")
    assert text in values["error"]["message"]
    assert (await _call(graph, "GET", SUBSCRIPTIONS))[1]["value"] == []


async def test_a_receiver_that_cannot_be_reached_gets_no_subscription(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body
) -> None:
    """There is no listener; or TLS fails, here for lack of TLS."""
    status, values = await _create(graph, subscription_body, notificationUrl="http://127.0.0.1:1/")
    assert "validation request failed" in values["error"]["message"]
    plain = urlsplit(subscription_body["notificationUrl"])
    status, values = await _create(graph, subscription_body, notificationUrl=f"https://{plain.netloc}/")
    assert (status, values["error"]["code"]) == (400, "ValidationError")
    assert "Could not create SSL/TLS secure channel" in values["error"]["message"]
    assert sim.subscriptions.all() == []


async def test_plain_http_is_for_loopback_only(graph: aiohttp.ClientSession, subscription_body: Body) -> None:
    """Everything else must be https."""
    status, values = await _create(graph, subscription_body, notificationUrl="http://mail-in.example.net/")
    assert (status, values["error"]["code"]) == (400, "InvalidRequest")


async def test_short_lives_are_raised_and_long_ones_refused(
    graph: aiohttp.ClientSession, subscription_body: Body, now: list[datetime]
) -> None:
    """A life under 45 minutes becomes 45; over 10,070 is an ExtensionError that names the number."""
    soon = (now[0] + timedelta(minutes=5)).isoformat()
    _, values = await _create(graph, subscription_body, expirationDateTime=soon)
    assert datetime.fromisoformat(values["expirationDateTime"]) == now[0] + timedelta(minutes=45)
    late = (now[0] + timedelta(minutes=10_071)).isoformat()
    for method, path in (("POST", SUBSCRIPTIONS), ("PATCH", f"{SUBSCRIPTIONS}/{values['id']}")):
        body = {**subscription_body, "expirationDateTime": late} if method == "POST" else {"expirationDateTime": late}
        status, refused = await _call(graph, method, path, body)
        assert (status, refused["error"]["code"]) == (400, "ExtensionError")
        assert "Subscription expiration can only be 10070 minutes in the future" in refused["error"]["message"]


async def test_a_duplicate_is_refused_with_the_id_of_the_first(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, mailbox: Mailbox
) -> None:
    """Same application, changeType and resource, in any spelling; unless enforcement is off."""
    _, first = await _create(graph, subscription_body)
    spelt = f"/Users/{mailbox.user_id}/mailfolders/Inbox/messages"
    status, values = await _create(graph, subscription_body, resource=spelt)
    assert (status, values["error"]["code"]) == (409, "ObjectIdentifierInUse")
    expected = f"Subscription Id {first['id']} already exists for the requested combination"
    assert values["error"]["message"] == expected
    assert (await _create(graph, subscription_body, changeType="created,deleted"))[0] == 201
    sim.subscriptions.rules = SubscriptionRules(refuse_duplicates=False)
    assert (await _create(graph, subscription_body))[0] == 201


@pytest.mark.parametrize(
    "changed",
    [
        {"clientState": "x" * 129},
        {"changeType": "invented"},
        {"resource": "groups/x/messages"},
        {"expirationDateTime": "tomorrow"},
        {"includeResourceData": True},
        {"latestSupportedTlsVersion": "v2"},
        {"notificationUrl": None},
    ],
)
async def test_a_wrong_property_is_refused(
    graph: aiohttp.ClientSession, subscription_body: Body, changed: Body
) -> None:
    """400 InvalidRequest; 128 characters of clientState are still right."""
    status, values = await _create(graph, subscription_body, **changed)
    assert (status, values["error"]["code"]) == (400, "InvalidRequest")
    assert (await _create(graph, subscription_body, clientState="x" * 128))[0] == 201


async def test_a_subscription_needs_a_mailbox_and_a_permission(
    graph: aiohttp.ClientSession, subscription_body: Body, application: Application, mailbox: Mailbox
) -> None:
    """ExtensionError: the true status stands in the text."""
    for changed in ({"resource": "users/nobody/mailFolders('inbox')/messages"}, {"resource": "users/x/messages"}):
        status, values = await _create(graph, subscription_body, **changed)
        assert (status, values["error"]["code"]) == (400, "ExtensionError")
        assert "not found in the store" in values["error"]["message"]
    mailbox.state = MailboxState.NOT_ENABLED
    assert (await _create(graph, subscription_body))[0] == 404
    mailbox.state = MailboxState.READY
    application.denied.add(mailbox.user_id)
    status, values = await _create(graph, subscription_body)
    assert status == 403
    assert "[Status Code: Forbidden;" in values["error"]["message"]


async def test_the_token_decides_what_may_be_subscribed_to(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, application: Application
) -> None:
    """As for mail: what is granted or withdrawn counts from the next token on."""
    application.roles = ()
    token, _ = sim.tokens.issue(application, sim.url)
    application.roles = ("Mail.Read",)
    of_before = {"Authorization": f"Bearer {token}"}
    assert (await _call(graph, "POST", SUBSCRIPTIONS, subscription_body, **of_before))[0] == 401
    application.roles = ()
    assert (await _create(graph, subscription_body))[0] == 201


async def test_a_subscription_is_renewed_reauthorized_and_deleted(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, now: list[datetime]
) -> None:
    """PATCH gives the new expiry, reauthorize leaves it as it is, DELETE makes it a 404."""
    _, created = await _create(graph, subscription_body)
    path = f"{SUBSCRIPTIONS}/{created['id']}"
    until = now[0] + timedelta(days=4)
    status, renewed = await _call(graph, "PATCH", path, {"expirationDateTime": until.isoformat()})
    assert (status, datetime.fromisoformat(renewed["expirationDateTime"])) == (200, until)
    assert (await _call(graph, "POST", f"{path}/reauthorize"))[0] == 204
    assert (await _call(graph, "GET", path))[1]["expirationDateTime"] == renewed["expirationDateTime"]
    assert sim.reauthorized == {created["id"]: [now[0]]}
    assert (await _call(graph, "DELETE", path))[0] == 204
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        status, values = await _call(graph, method, path, body)
        assert (status, values["error"]["code"]) == (404, "ResourceNotFound")


async def test_a_new_notification_url_is_validated_and_the_lifecycle_url_cannot_change(
    graph: aiohttp.ClientSession, subscription_body: Body, validations: list[tuple[str, str]], receiver_url: str
) -> None:
    """PATCH takes expirationDateTime and notificationUrl, nothing else."""
    _, created = await _create(graph, subscription_body)
    path = f"{SUBSCRIPTIONS}/{created['id']}"
    validations.clear()
    status, values = await _call(graph, "PATCH", path, {"notificationUrl": f"{receiver_url}/other"})
    assert (status, values["notificationUrl"]) == (200, f"{receiver_url}/other")
    assert len(validations) == 1
    assert (await _call(graph, "PATCH", path, {"lifecycleNotificationUrl": receiver_url}))[0] == 400


async def test_an_expired_subscription_vanishes(
    graph: aiohttp.ClientSession, subscription_body: Body, now: list[datetime], sim: Simulator, application: Application
) -> None:
    """404 from then on, no more notifications, and the same may be created again."""
    _, created = await _create(graph, subscription_body)
    now[0] += timedelta(days=2, seconds=1)
    token, _ = sim.tokens.issue(application, sim.url)
    bearer = f"Bearer {token}"
    assert (await _call(graph, "GET", f"{SUBSCRIPTIONS}/{created['id']}", Authorization=bearer))[0] == 404
    assert (await _call(graph, "GET", SUBSCRIPTIONS, Authorization=bearer))[1]["value"] == []
    later = {**subscription_body, "expirationDateTime": (now[0] + timedelta(days=1)).isoformat()}
    assert (await _call(graph, "POST", SUBSCRIPTIONS, later, Authorization=bearer))[0] == 201


async def test_the_list_has_pages_and_no_client_state(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, mailbox: Mailbox
) -> None:
    """Only those made by this application; nextLink to the end; no OData options."""
    other = sim.add_application(mailbox.tenant_id)
    token, _ = sim.tokens.issue(other, sim.url)
    status, _ = await _call(graph, "POST", SUBSCRIPTIONS, subscription_body, Authorization=f"Bearer {token}")
    assert status == 201
    folders = ("inbox", "archive", "drafts", "junkemail")
    for folder in folders:
        resource = f"users/{mailbox.user_id}/mailFolders('{folder}')/messages"
        assert (await _create(graph, subscription_body, resource=resource))[0] == 201
    found: list[Body] = []
    next_url: str | None = SUBSCRIPTIONS
    pages = 0
    while next_url:
        _, values = await _call(graph, "GET", next_url)
        found += values["value"]
        next_url = values.get("@odata.nextLink")
        pages += 1
    assert (len(found), pages) == (4, 2)
    assert {item["clientState"] for item in found} == {None}
    assert (await _call(graph, "GET", f"{SUBSCRIPTIONS}?$top=1"))[0] == 400


async def test_a_mailbox_has_a_quota(sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body) -> None:
    """403 with the limit in the text."""
    sim.subscriptions.rules = SubscriptionRules(per_mailbox=1, refuse_duplicates=False)
    assert (await _create(graph, subscription_body))[0] == 201
    status, values = await _create(graph, subscription_body)
    assert status == 403
    assert "limit of 1 subscriptions" in values["error"]["message"]


async def test_handshakes_can_be_flaky(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, validations: list[tuple[str, str]]
) -> None:
    """A right response refused, a time-out for nothing, and no handshake at all (docs/graph.md, sections 1 and 2)."""
    sim.faults.add(Fault(FaultKind.VALIDATION_WRONG_TOKEN, count=1))
    assert "must exactly match" in (await _create(graph, subscription_body))[1]["error"]["message"]
    sim.faults.add(Fault(FaultKind.VALIDATION_TIMED_OUT, count=1))
    assert "timed out" in (await _create(graph, subscription_body))[1]["error"]["message"]
    validations.clear()
    sim.faults.replace([Fault(FaultKind.VALIDATION_SKIPPED)])
    assert (await _create(graph, subscription_body))[0] == 201
    assert validations == []


@pytest.mark.parametrize("event", list(LifecycleEvent))
async def test_lifecycle_events_reach_the_lifecycle_url(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, received: list[Body], event: LifecycleEvent
) -> None:
    """They come as documented or as seen in production; a removed subscription is gone."""
    _, created = await _create(graph, subscription_body)
    for _ in range(8):
        subscription = sim.subscriptions.find(created["id"])
        if subscription:
            assert sim.send_lifecycle(subscription, event)
    await sim.settled()
    items = [item for body in received for item in body["value"]]
    assert {body["path"] for body in received} == {"/lifecycle"}
    for item in items:
        assert (item["subscriptionId"], item["lifecycleEvent"]) == (created["id"], event)
        assert item["clientState"] == "a-secret"
        assert ("tenantId" in item) is not ("organizationId" in item)
    if event is LifecycleEvent.SUBSCRIPTION_REMOVED:
        assert len(items) == 1
        assert (await _call(graph, "GET", f"{SUBSCRIPTIONS}/{created['id']}"))[0] == 404
    else:
        assert {"organizationId" in item for item in items} == {True, False}
