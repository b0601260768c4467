"""`queue check`: checks that the Service Bus queue has the required settings."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from azure.core.pipeline.transport import AioHttpTransport
from azure.servicebus.management import QueueProperties

from bus.errors import QueueUnavailable
from bus.servicebus.connection import ServiceBusAddress
from bus.servicebus.errors import QueueRef
from bus.servicebus.inspection import State, examine, judge
from tests.paths import ROOT

PLACE = QueueRef("riviere.servicebus.windows.net", "mail-notifications")
GOOD: dict[str, Any] = {
    "lock_duration": timedelta(minutes=1),
    "max_delivery_count": 10,
    "requires_duplicate_detection": True,
    "duplicate_detection_history_time_window": timedelta(minutes=10),
    "dead_lettering_on_message_expiration": True,
    "default_message_time_to_live": timedelta(days=14),
    "requires_session": False,
    "enable_partitioning": False,
    "status": "Active",
}


def made(**changed: Any) -> QueueProperties:  # noqa: ANN401  # any value of the SDK
    names = [
        *("authorization_rules", "auto_delete_on_idle", "dead_lettering_on_message_expiration"),
        *("default_message_time_to_live", "duplicate_detection_history_time_window", "availability_status"),
        *("enable_batched_operations", "enable_express", "enable_partitioning", "lock_duration", "max_delivery_count"),
        *("max_size_in_megabytes", "requires_duplicate_detection", "requires_session", "status", "forward_to"),
        *("user_metadata", "forward_dead_lettered_messages_to", "max_message_size_in_kilobytes"),
    ]
    return QueueProperties("mail-notifications", **{**dict.fromkeys(names), **GOOD, **changed})


def test_a_queue_that_is_made_right_has_nothing_wrong() -> None:
    assert {each.state for each in judge(made(max_message_size_in_kilobytes=256))} == {State.OK}


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"lock_duration": timedelta(seconds=5)}, "lock duration"),
        ({"max_delivery_count": 1}, "maximum of deliveries"),
        ({"requires_duplicate_detection": False}, "duplicate detection"),
        ({"duplicate_detection_history_time_window": timedelta(seconds=30)}, "duplicate detection window"),
        ({"dead_lettering_on_message_expiration": False}, "dead letters on expiry"),
        ({"default_message_time_to_live": timedelta(hours=1)}, "time to live"),
        ({"requires_session": True}, "sessions"),
        ({"enable_partitioning": True}, "partitioning"),
        ({"forward_to": "https://riviere.servicebus.windows.net/all"}, "forwarding"),
        ({"forward_dead_lettered_messages_to": "https://riviere.servicebus.windows.net/all-dead"}, "forwarding"),
        ({"max_message_size_in_kilobytes": 64}, "message size in KB"),
        ({"status": "SendDisabled"}, "status"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], name: str) -> None:
    wrong = [each for each in judge(made(**changed)) if each.state is State.WRONG]
    assert [each.name for each in wrong] == [name]


def test_what_the_template_makes_is_right() -> None:
    """The infrastructure template creates what the check requires."""
    template = json.loads((ROOT / "deploy" / "servicebus" / "azuredeploy.json").read_text("utf-8"))
    [queue] = [each for each in template["resources"] if each["type"].endswith("namespaces/queues")]
    found = queue["properties"]
    properties = made(
        lock_duration=timedelta(minutes=1) if found["lockDuration"] == "PT1M" else None,
        max_delivery_count=found["maxDeliveryCount"],
        requires_duplicate_detection=found["requiresDuplicateDetection"],
        dead_lettering_on_message_expiration=found["deadLetteringOnMessageExpiration"],
        requires_session=found["requiresSession"],
        enable_partitioning=found["enablePartitioning"],
    )
    assert State.WRONG not in {each.state for each in judge(properties)}


class PlainTransport(AioHttpTransport):  # type: ignore[misc]  # azure.core leaves it untyped
    """Speaks HTTP with a server of the test where the SDK insists on HTTPS."""

    async def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401  # the SDK's own
        request.url = request.url.replace("https://", "http://", 1)
        return await super().send(request, **options)


Answer = Callable[[web.Request], Awaitable[web.Response]]


@pytest.fixture
async def served() -> AsyncIterator[Callable[[Answer], Awaitable[str]]]:
    runners = []

    async def serve(answer: Answer) -> str:
        app = web.Application()
        app.router.add_get("/{name}", answer)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"127.0.0.1:{runner.addresses[0][1]}"

    yield serve
    for runner in runners:
        await runner.cleanup()


ENTRY = """<entry xmlns="http://www.w3.org/2005/Atom"><title type="text">mail-notifications</title>
<content type="application/xml"><QueueDescription xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect">
<LockDuration>PT10S</LockDuration><RequiresDuplicateDetection>false</RequiresDuplicateDetection>
<MaxDeliveryCount>10</MaxDeliveryCount><Status>Active</Status></QueueDescription></content></entry>"""


async def findings_of(host: str) -> dict[str, State]:
    text = f"Endpoint=sb://{host};SharedAccessKeyName=reader;SharedAccessKey=made-up"
    address = ServiceBusAddress("mail-notifications", connection_string=text)
    async with address.administration(transport=PlainTransport(), retry_total=0) as client:
        return {each.name: each.state for each in await examine(client, PLACE)}


async def test_properties_are_read_over_http(served: Callable[[Answer], Awaitable[str]]) -> None:
    """The SDK's own client reads them from the service's response."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=ENTRY, content_type="application/atom+xml")

    found = await findings_of(await served(answer))
    assert (found["lock duration"], found["duplicate detection"]) == (State.WRONG, State.WRONG)
    assert (found["maximum of deliveries"], found["status"]) == (State.OK, State.OK)
    assert found["time to live"] is State.UNKNOWN


async def test_an_identity_that_may_not_read_them_is_reported(served: Callable[[Answer], Awaitable[str]]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=401, text="<Error><Code>401</Code><Detail>Manage</Detail></Error>")

    assert await findings_of(await served(answer)) == {"properties": State.UNKNOWN}


async def test_a_queue_that_is_missing_is_reported_with_how_to_create_it(
    served: Callable[[Answer], Awaitable[str]],
) -> None:
    async def answer(_: web.Request) -> web.Response:
        # The service sends this, with no 404.
        text = '<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Publicly Listed Services</title></feed>'
        return web.Response(text=text, content_type="application/atom+xml")

    with pytest.raises(QueueUnavailable, match="az servicebus queue create"):
        await findings_of(await served(answer))
