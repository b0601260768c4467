import asyncio
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from aiohttp import web

from graph.client import GraphClient
from graph.errors import (
    AccessDenied,
    EndpointNotValidated,
    ExpirationTooFar,
    FolderNotFound,
    GraphError,
    GraphUnavailable,
    MailboxNotFound,
    RequestRejected,
    SubscriptionExists,
    SubscriptionGone,
)
from graph.mailbox import Mailbox
from graph.subscriptions import CallKind, GraphSubscription, SubscriptionClient, mail_resource
from graph.times import read_time, time_text
from tests.doubles.scripted_graph import Answer, Clock, Script, fail, ok, raw

EXPIRES = datetime(2027, 3, 8, 9, tzinfo=UTC)
ANSWER = {
    "id": "s-1",
    "resource": "users/u/mailFolders('inbox')/messages",
    "changeType": "created",
    "notificationUrl": "https://m.example/notifications",
    "lifecycleNotificationUrl": "https://m.example/lifecycle",
    "expirationDateTime": "2027-03-08T09:00:00.1234567Z",
    "applicationId": "app",
    "clientState": None,
}


@pytest.fixture
def subscriptions(client: GraphClient) -> SubscriptionClient:
    return SubscriptionClient(client)


async def create(subscriptions: SubscriptionClient, mailbox: Mailbox, state: str = "mi1.1.x") -> GraphSubscription:
    return await subscriptions.create(
        mailbox,
        resource=mail_resource("u", "Inbox"),
        notification_url="https://m.example/notifications",
        lifecycle_url="https://m.example/lifecycle",
        client_state=state,
        expires=EXPIRES,
    )


async def test_a_subscription_is_created_as_graph_wants_it(
    subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok(ANSWER))
    made = await create(subscriptions, mailbox)
    assert made.id == "s-1"
    assert made.expires == EXPIRES + timedelta(microseconds=123456)
    assert json.loads(server.bodies[0]) == {
        "changeType": "created",
        "resource": "users/u/mailFolders('inbox')/messages",
        "notificationUrl": "https://m.example/notifications",
        "lifecycleNotificationUrl": "https://m.example/lifecycle",
        "expirationDateTime": "2027-03-08T09:00:00Z",
        "clientState": "mi1.1.x",
        "latestSupportedTlsVersion": "v1_2",
    }


GUID = "0f2a0000-0000-4000-8000-00000000000A"
REFUSALS: list[tuple[Answer, type[GraphError]]] = [
    (fail(400, "InvalidRequest", "Subscription validation request failed."), EndpointNotValidated),
    (fail(400, "ValidationError", "Subscription validation request timed out."), EndpointNotValidated),
    (fail(400, "ValidationError", "HTTP status code is 'Forbidden'"), EndpointNotValidated),
    (fail(400, "InvalidRequest", "Response must exactly match validationToken query"), EndpointNotValidated),
    (fail(400, "InvalidRequest", "Could not create SSL/TLS secure channel"), EndpointNotValidated),
    (fail(400, "ExtensionError", "Subscription expiration can only be 10070 minutes in the future"), ExpirationTooFar),
    (fail(400, "ExtensionError", "The specified object was not found in the store."), FolderNotFound),
    (fail(401, "ExtensionError", "Exception: [Status Code: Unauthorized; Reason: x]"), AccessDenied),
    (fail(403, "ExtensionError", "Exception: [Status Code: Forbidden; Reason: x]"), AccessDenied),
    (fail(404, "ExtensionError", "REST API is not yet supported for this mailbox"), MailboxNotFound),
    (fail(404, "ResourceNotFound", ""), MailboxNotFound),
    (
        fail(409, "ObjectIdentifierInUse", f"Subscription Id {GUID} already exists for the requested"),
        SubscriptionExists,
    ),
    (fail(400, "InvalidRequest", "something else"), RequestRejected),
    (fail(500), GraphUnavailable),
]


@pytest.mark.parametrize(("answer", "kind"), REFUSALS)
async def test_each_refusal_of_a_creation_has_its_type(
    answer: Answer, kind: type[GraphError], subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(answer)
    with pytest.raises(kind) as caught:
        await create(subscriptions, mailbox)
    error = caught.value
    assert type(error) is kind
    if isinstance(error, ExpirationTooFar):
        assert error.minutes == 10070
    if isinstance(error, SubscriptionExists):
        assert error.subscription_id == GUID.lower()
    if isinstance(error, EndpointNotValidated):
        assert "https://m.example/notifications" in str(error)
        assert "reachable" in str(error)


async def test_a_403_with_503_inside_is_repeated(
    subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox, clock: Clock
) -> None:
    server.say(fail(403, "ExtensionError", "[Status Code: ServiceUnavailable; Reason: x]"), ok(ANSWER))
    assert (await create(subscriptions, mailbox)).id == "s-1"
    assert len(clock.slept) == 1


async def test_a_conflict_without_an_id_is_one_still(
    subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(fail(409, "ObjectIdentifierInUse", "There is one."))
    with pytest.raises(SubscriptionExists) as caught:
        await create(subscriptions, mailbox)
    assert caught.value.subscription_id is None


async def test_what_graph_would_refuse_is_not_sent(
    subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    with pytest.raises(ValueError, match="128"):
        await create(subscriptions, mailbox, "x" * 129)
    with pytest.raises(ValueError, match="aware"):
        await subscriptions.renew(mailbox, "s", EXPIRES.replace(tzinfo=None))
    assert not server.requests


async def test_all_pages_of_the_list_are_read(
    subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    second = {**ANSWER, "id": "s-2", "lifecycleNotificationUrl": None}
    server.say(
        ok({"value": [ANSWER], "@odata.nextLink": f"{server.url}/v1.0/subscriptions?$skiptoken=a%2Fb"}),
        ok({"value": [second]}),
    )
    found = await subscriptions.list(mailbox)
    assert [(one.id, one.lifecycle_url) for one in found] == [("s-1", "https://m.example/lifecycle"), ("s-2", None)]
    assert server.requests[0].raw_path == "/v1.0/subscriptions"
    assert server.requests[1].raw_path == "/v1.0/subscriptions?$skiptoken=a%2Fb"


async def test_a_renewal_gives_what_graph_granted(
    subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok({**ANSWER, "id": "S/1", "expirationDateTime": "2027-03-08T11:00:00+02:00"}))
    assert await subscriptions.renew(mailbox, "s/1", EXPIRES) == EXPIRES
    assert (server.requests[0].method, server.requests[0].raw_path) == ("PATCH", "/v1.0/subscriptions/s%2F1")
    assert json.loads(server.bodies[0]) == {"expirationDateTime": "2027-03-08T09:00:00Z"}


@pytest.mark.parametrize("body", [{}, {**ANSWER, "id": ""}, {**ANSWER, "id": "another"}, {"value": [ANSWER]}])
async def test_a_200_about_another_subscription_renews_none(
    body: object, subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    """A subscription that wrongly counts as renewed ends without notice."""
    server.say(ok(body))
    with pytest.raises(GraphUnavailable):
        await subscriptions.renew(mailbox, "s-1", EXPIRES)
    with pytest.raises(GraphUnavailable):
        await subscriptions.get(mailbox, "s-1")


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": {"0": ANSWER}}, {"value": [], "@odata.nextLink": 1}])
async def test_a_list_that_is_none_does_not_mean_that_there_are_no_subscriptions(
    body: object, subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    """All would be recreated."""
    server.say(ok(body))
    with pytest.raises(GraphUnavailable):
        await subscriptions.list(mailbox)


async def test_a_renewal_of_what_is_gone_is_asked_once(
    subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(fail(404, "ResourceNotFound"))
    with pytest.raises(SubscriptionGone):
        await subscriptions.renew(mailbox, "s", EXPIRES)
    assert len(server.requests) == 1
    with pytest.raises(SubscriptionGone):
        await subscriptions.get(mailbox, "s")


async def test_a_renewal_may_be_too_far_too(
    subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(fail(400, "ExtensionError", "Subscription expiration can only be 4230 minutes in the future."))
    with pytest.raises(ExpirationTooFar) as caught:
        await subscriptions.renew(mailbox, "s", EXPIRES)
    assert caught.value.minutes == 4230


@pytest.mark.parametrize("answer", [raw(204), fail(404, "ResourceNotFound")])
async def test_deleting_is_safe_to_repeat(
    answer: Answer, subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(answer)
    await subscriptions.delete(mailbox, "s")
    assert [request.method for request in server.requests] == ["DELETE"]


@pytest.mark.parametrize("body", [[], {"id": 7}, {"id": "s"}, {"id": "s", "expirationDateTime": "soon"}])
async def test_an_answer_of_no_use_is_transient(
    body: object, subscriptions: SubscriptionClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok(body))
    with pytest.raises(GraphUnavailable):
        await subscriptions.get(mailbox, "s")


@pytest.mark.parametrize(
    "text",
    [
        "2027-03-08T09:00:00Z",
        "2027-03-08T09:00:00.0000000Z",
        "2027-03-08T09:00:00",
        "2027-03-08T09:00:00.0000000+00:00",
        "2027-03-08T11:00:00.0+02:00",
    ],
)
def test_every_form_of_time_is_read(text: str) -> None:
    assert read_time(text) == EXPIRES
    assert read_time(text).tzinfo == UTC


def test_a_time_for_graph_is_utc_without_fraction() -> None:
    """Graph accepts whole seconds in UTC; a naive time is refused, since its moment is unknown."""
    assert time_text(EXPIRES.replace(microsecond=999_999).astimezone(timezone(timedelta(hours=2)))) == (
        "2027-03-08T09:00:00Z"
    )
    with pytest.raises(ValueError, match="aware"):
        time_text(EXPIRES.replace(tzinfo=None))


class Ledger:
    """A budget that records the calls taken, and the number of requests that the server had seen by then."""

    def __init__(self, server: Script) -> None:
        self._server = server
        self.taken: list[tuple[CallKind, int]] = []
        self.refusal: Exception | None = None

    async def acquire(self, mailbox: Mailbox, kind: CallKind) -> None:
        assert mailbox.account_name == "Support"
        self.taken.append((kind, len(self._server.requests)))
        if self.refusal is not None:
            raise self.refusal


@pytest.fixture
def ledger(server: Script) -> Ledger:
    return Ledger(server)


@pytest.fixture
def budgeted(client: GraphClient, ledger: Ledger) -> SubscriptionClient:
    return SubscriptionClient(client, ledger)


async def test_every_call_takes_from_the_budget_before_it_is_made(
    budgeted: SubscriptionClient, ledger: Ledger, server: Script, mailbox: Mailbox
) -> None:
    """Create, get, renew and delete each take one change, before the request goes out."""
    server.say(ok(ANSWER))
    await create(budgeted, mailbox)
    await budgeted.get(mailbox, "s-1")
    await budgeted.renew(mailbox, "s-1", EXPIRES)
    await budgeted.delete(mailbox, "s-1")
    assert ledger.taken == [(CallKind.CHANGE, number) for number in range(4)]


async def test_each_page_of_the_list_takes_from_the_budget(
    budgeted: SubscriptionClient, ledger: Ledger, server: Script, mailbox: Mailbox
) -> None:
    """Graph counts requests, not lists, so every page takes one."""
    link = f"{server.url}/v1.0/subscriptions?$skiptoken=x"
    server.say(ok({"value": [ANSWER], "@odata.nextLink": link}), ok({"value": []}))
    assert len(await budgeted.list(mailbox)) == 1
    assert ledger.taken == [(CallKind.LIST, 0), (CallKind.LIST, 1)]


@pytest.mark.parametrize("answer", [fail(429, Retry_After="3"), fail(503), fail(401, "InvalidAuthenticationToken")])
async def test_each_repeat_takes_from_the_budget_too(
    answer: Answer, budgeted: SubscriptionClient, ledger: Ledger, server: Script, mailbox: Mailbox
) -> None:
    """Throttled calls count at Graph as well, and so does the one with a fresh token."""
    server.say(answer, ok(ANSWER))
    assert (await create(budgeted, mailbox)).id == "s-1"
    assert ledger.taken == [(CallKind.CHANGE, 0), (CallKind.CHANGE, 1)]


async def test_without_budget_no_call_is_made(
    budgeted: SubscriptionClient, ledger: Ledger, server: Script, mailbox: Mailbox
) -> None:
    """An error of the budget reaches the caller unchanged, and nothing goes out."""
    ledger.refusal = LookupError("the budget's own")
    server.say(ok(ANSWER))
    with pytest.raises(LookupError, match="the budget's own"):
        await create(budgeted, mailbox)
    assert not server.requests


async def test_a_subscription_is_created_while_the_mailbox_is_busy(
    subscriptions: SubscriptionClient, client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    """The call is the application's: it waits for none of the mailbox's slots."""
    opened = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/subscriptions"):
            return web.json_response(ANSWER)
        await opened.wait()
        return web.json_response({})

    server.say(answer)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(client.request(mailbox, "GET", "/x"))
        await asyncio.sleep(0)
        assert (await create(subscriptions, mailbox)).id == "s-1"
        opened.set()


def test_a_folder_id_stands_in_the_resource_as_it_is() -> None:
    assert mail_resource("u", "AAMkAD=") == "users/u/mailFolders/AAMkAD=/messages"
    assert mail_resource("u") == "users/u/mailFolders('inbox')/messages"
