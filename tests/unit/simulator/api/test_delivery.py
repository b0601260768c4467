"""Delivery of change notifications (docs/graph.md, section 3)."""

import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from simulator.api.delivery import DeliveryRules
from simulator.content.mail import Mail
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox
from simulator.state.tenants import Application
from tests.waiting import until

Body = dict[str, Any]


def _items(received: list[Body]) -> list[Body]:
    return [item for body in received for item in body["value"]]


async def _subscribe(graph: aiohttp.ClientSession, body: Body, **changed: object) -> str:
    prefer = str(changed.pop("prefer", 'IdType="ImmutableId"'))
    async with graph.post("/v1.0/subscriptions", json={**body, **changed}, headers={"Prefer": prefer}) as response:
        assert response.status == 201, await response.text()
        return str((await response.json())["id"])


async def test_an_arriving_mail_is_notified(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, received: list[Body], mailbox: Mailbox
) -> None:
    """It has the properties required, and times of seven fraction digits."""
    subscription_id = await _subscribe(graph, subscription_body)
    sent = await sim.deliver(mailbox, Mail())
    await sim.deliver(mailbox, Mail(), "archive")
    await sim.settled()
    (item,) = _items(received)
    assert received[0]["path"] == "/notifications"
    assert (item["subscriptionId"], item["clientState"]) == (subscription_id, "a-secret")
    assert (item["changeType"], item["tenantId"]) == ("created", mailbox.tenant_id)
    assert item["resourceData"]["id"] == sent.message_id
    assert item["resourceData"]["@odata.id"] == item["resource"]
    assert re.search(r"\.\d{7}\+00:00$", item["subscriptionExpirationDateTime"])
    assert datetime.fromisoformat(item["subscriptionExpirationDateTime"]).tzinfo


async def test_resources_come_in_all_three_shapes(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, received: list[Body], mailbox: Mailbox
) -> None:
    """A consumer that parses them fails."""
    await _subscribe(graph, subscription_body)
    for _ in range(20):
        await sim.deliver(mailbox, Mail())
    await sim.settled()
    shapes = {re.sub(r"[0-9a-f-]{36}", "GUID", item["resource"].partition("essages")[0]) for item in _items(received)}
    assert shapes == {"Users/GUID/M", "users/GUID@GUID/m", "Users('GUID')/m"}


async def test_the_id_format_is_the_one_of_the_subscription(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, received: list[Body], mailbox: Mailbox
) -> None:
    """Made without the Prefer header, it carries default ids."""
    await _subscribe(graph, subscription_body, prefer="x=y")
    sent = await sim.deliver(mailbox, Mail())
    await sim.settled()
    assert _items(received)[0]["resourceData"]["id"] == sent.default_id


async def test_changes_raise_what_was_subscribed(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, received: list[Body], mailbox: Mailbox
) -> None:
    """A move is deleted here and created there, marking an update; a subscription to the mailbox sees all."""
    everything = f"users/{mailbox.user_id}/messages"
    await _subscribe(graph, subscription_body, resource=everything, changeType="created,updated,deleted")
    inbox = await _subscribe(graph, subscription_body)
    sent = await sim.deliver(mailbox, Mail())
    mailbox.mark_read(sent.message, is_read=True)
    assert sim.move_message(mailbox, sent.message_id, "archive")
    assert sim.remove_message(mailbox, sent.message_id)
    assert not sim.remove_message(mailbox, sent.message_id)
    await sim.settled()
    kinds = [item["changeType"] for item in _items(received) if item["subscriptionId"] != inbox]
    assert kinds == ["created", "updated", "deleted", "created", "deleted"]
    assert [item["changeType"] for item in _items(received) if item["subscriptionId"] == inbox] == ["created"]


async def test_one_request_holds_items_of_several_mailboxes_and_applications(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, received: list[Body], mailbox: Mailbox
) -> None:
    """Collected for one URL over a short time, up to the largest batch."""
    await _subscribe(graph, subscription_body)
    second = sim.add_mailbox("loggers@riviere.example", tenant_id=mailbox.tenant_id)
    await _subscribe(graph, subscription_body, resource=f"users/{second.user_id}/mailFolders('inbox')/messages")
    other = sim.add_application(mailbox.tenant_id)
    token, _ = sim.tokens.issue(other, sim.url)
    headers = {"Authorization": f"Bearer {token}"}
    async with graph.post("/v1.0/subscriptions", json=subscription_body, headers=headers) as response:
        assert response.status == 201
    for target in (mailbox, second) * 60:
        await sim.deliver(target, Mail())
    await sim.settled()
    assert sorted(len(body["value"]) for body in received) == [80, 100]
    assert max(len({item["subscriptionId"] for item in body["value"]}) for body in received) == 3


@pytest.mark.parametrize("failures", [[500], [404, 503], [302], [0]])
async def test_what_is_not_accepted_is_sent_again(
    sim: Simulator,
    graph: aiohttp.ClientSession,
    subscription_body: Body,
    received: list[Body],
    answers: list[int],
    mailbox: Mailbox,
    failures: list[int],
) -> None:
    """Any status but 2xx, and no response in time; the same bytes come again."""
    if 0 in failures:
        sim.delivery.rules = replace(sim.delivery.rules, first_timeout_secs=1.0)
    await _subscribe(graph, subscription_body)
    answers += failures
    await sim.deliver(mailbox, Mail())
    await sim.settled()
    assert len(received) == len(failures) + 1
    assert all(body == received[0] for body in received)
    figures = sim.statistics()["notifications"]
    assert (figures["retries"], figures["delivered_items"], figures["given_up_items"]) == (len(failures), 1, 0)
    assert figures["answer_secs"]["max"] > 0


async def test_after_long_enough_a_notification_is_discarded(
    sim: Simulator,
    graph: aiohttp.ClientSession,
    subscription_body: Body,
    received: list[Body],
    answers: list[int],
    mailbox: Mailbox,
) -> None:
    """Four hours in Graph; here a fraction of a second."""
    sim.delivery.rules = DeliveryRules(window_secs=0.01, backoff_secs=0.3, give_up_after_secs=3)
    await _subscribe(graph, subscription_body)
    answers += [503] * 50
    await sim.deliver(mailbox, Mail())
    await sim.settled()
    assert 1 < len(received) < 10
    assert sim.statistics()["notifications"]["given_up_items"] == 1


async def test_a_mail_can_arrive_without_notification(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, received: list[Body], mailbox: Mailbox
) -> None:
    """Users report such losses; the ledger has it."""
    await _subscribe(graph, subscription_body)
    await sim.deliver(mailbox, Mail(), notify=False)
    await sim.settled()
    assert received == []
    assert [entry.notified for entry in sim.ledger()] == [False]


async def test_notifications_can_be_lost_forged_duplicated_and_late(
    sim: Simulator,
    graph: aiohttp.ClientSession,
    subscription_body: Body,
    received: list[Body],
    mailbox: Mailbox,
) -> None:
    """Each fault does what its name states, as often as set."""
    await _subscribe(graph, subscription_body)

    async def after(fault: Fault) -> list[Body]:
        received.clear()
        sim.faults.replace([fault])
        await sim.deliver(mailbox, Mail())
        await sim.settled()
        return _items(received)

    assert await after(Fault(FaultKind.NOTIFICATION_LOST, count=1)) == []
    forged, genuine = await after(Fault(FaultKind.NOTIFICATION_FORGED, count=1))
    assert (forged["clientState"] == "a-secret", genuine["clientState"]) == (False, "a-secret")
    unsigned, genuine = await after(Fault(FaultKind.NOTIFICATION_UNSIGNED, count=1))
    assert ("clientState" in unsigned, genuine["clientState"]) == (False, "a-secret")
    first, second = await after(Fault(FaultKind.NOTIFICATION_DUPLICATED, count=1))
    assert first == second
    assert len(received) == 2
    assert len(await after(Fault(FaultKind.NOTIFICATION_DELAYED, seconds=0.1, count=1))) == 1
    assert len(await after(Fault(FaultKind.NOTIFICATION_LOST, mailbox="somebody@else.example"))) == 1


async def test_notifications_can_come_out_of_order(
    sim: Simulator, graph: aiohttp.ClientSession, subscription_body: Body, received: list[Body], mailbox: Mailbox
) -> None:
    """All come, but not in order."""
    await _subscribe(graph, subscription_body)
    sim.faults.add(Fault(FaultKind.NOTIFICATION_REORDERED))
    sent = [(await sim.deliver(mailbox, Mail())).message_id for _ in range(20)]
    await sim.settled()
    got = [item["resourceData"]["id"] for item in _items(received)]
    assert got != sent
    assert sorted(got) == sorted(sent)


async def test_settled_waits_and_figures_tell_what_is_pending(
    sim: Simulator,
    graph: aiohttp.ClientSession,
    subscription_body: Body,
    answers: list[int],
    mailbox: Mailbox,
) -> None:
    """A refused batch stays pending until it is accepted."""
    await _subscribe(graph, subscription_body)
    answers += [503, 503]
    await sim.deliver(mailbox, Mail())
    await until(lambda: sim.statistics()["notifications"]["refused"] >= 1)
    await sim.settled()
    assert sim.statistics()["notifications"]["pending"] == 0


@pytest.fixture
async def secure_receiver(sim: Simulator) -> AsyncIterator[str]:
    """A receiver that speaks TLS with a certificate of the simulator's authority."""
    context: ssl.SSLContext = sim.issue_certificate("receiver").server_context()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return web.Response(text=request.query.get("validationToken", ""))

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://localhost:{runner.addresses[0][1]}/n"
    await runner.cleanup()


async def test_a_receiver_with_a_certificate_of_the_authority_is_trusted(
    sim: Simulator,
    graph: aiohttp.ClientSession,
    subscription_body: Body,
    secure_receiver: str,
    mailbox: Mailbox,
    application: Application,
) -> None:
    """The whole way can then be tried over TLS."""
    urls = {"notificationUrl": secure_receiver, "lifecycleNotificationUrl": None}
    subscription_id = await _subscribe(graph, subscription_body, **urls)
    subscription = sim.subscriptions.get(application, subscription_id)
    assert subscription.lifecycle_notification_url is None
    await sim.deliver(mailbox, Mail())
    await sim.settled()
    assert sim.statistics()["notifications"]["statuses"] == {"200": 1}
