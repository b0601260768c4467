import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from availability import Availability, Service
from graph.client import GraphClient, encode_segment, open_session
from graph.errors import (
    AccessDenied,
    GraphError,
    GraphUnavailable,
    ItemCorrupt,
    ItemGone,
    RequestRejected,
    SyncStateLost,
)
from graph.mailbox import Mailbox
from graph.slots import LocalSlots, Slots
from tests.doubles.scripted_graph import NOW, Answer, Clock, FixedTokens, Script, fail, hang_up, make_mailbox, ok, raw
from tests.waiting import until


def no_slot_is_used(client: GraphClient) -> bool:
    slots = client._slots
    assert isinstance(slots, Slots)
    return slots.mailboxes == 0


async def test_a_call_bears_what_graph_needs(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(ok({"a": 1}))
    answer = await client.request(
        mailbox,
        "GET",
        "/me",
        params={"$select": "id,a b", "$filter": "x eq 'a+b'"},
        prefer="odata.maxpagesize=2",
    )
    request = server.requests[0]
    assert answer == {"a": 1}
    assert request.headers["Authorization"] == "Bearer token-1"
    assert request.headers["Prefer"] == 'IdType="ImmutableId", odata.maxpagesize=2'
    assert request.headers["User-Agent"].startswith("mail-importer/")
    assert len(request.headers["client-request-id"]) == 36
    assert request.raw_path == "/v1.0/me?$select=id,a%20b&$filter=x%20eq%20'a%2Bb'"
    assert request.query["$filter"] == "x eq 'a+b'"


async def test_an_id_goes_out_as_one_segment_and_is_not_encoded_twice(
    client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok({}))
    odd = "AA/k+A L=%2F?#é'"
    await client.request(mailbox, "GET", f"/messages/{encode_segment(odd)}")
    assert server.requests[0].raw_path == "/v1.0/messages/AA%2Fk%2BA%20L%3D%252F%3F%23%C3%A9%27"


async def test_an_error_names_its_call_with_long_ids_cut_short(
    client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    """It is read in tables, alerts and on one line of a monitoring system; ids of users stay whole."""
    server.say(fail(400))
    user = "dfb35c1b-08e8-4343-a4c6-ed517da47ddd"
    with pytest.raises(RequestRejected) as caught:
        await client.request(mailbox, "GET", f"/users/{user}/messages/AAkALgAAAAAA{'x' * 130}mpOh%2FVc%3D")
    assert f"GET /v1.0/users/{user}/messages/AAkALgAAAAAA…mpOh%2FVc%3D for " in str(caught.value)


async def test_a_link_is_followed_verbatim(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(ok({}))
    path = "/v1.0/x/delta?$skiptoken=a%2Fb+c%20d%252F~'"
    await client.request(mailbox, "GET", server.url + path)
    assert server.requests[0].raw_path == path


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1.0/x",
        "http://127.0.0.1:1/v1.0/x",
        "{url}@evil.example/x",
        "http://user@{host}/x",
        "https://{host}/x",
        "http://{host}\\@evil.example/x",
        "{url}/x y",
        "{url}/x\r\nHost: evil",
        "http://[::1/x",
    ],
)
async def test_no_other_service_gets_our_token(
    link: str, client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok({}))
    url = link.format(url=server.url, host=server.url.removeprefix("http://"))
    with pytest.raises(GraphError, match="not followed"):
        await client.request(mailbox, "GET", url)
    assert not server.requests


@pytest.mark.parametrize(
    ("service", "link"),
    [
        ("http://localhost:1", "HTTP://LocalHost:1/v1.0/x?$skip=a%2Fb"),
        ("https://127.0.0.1", "https://127.0.0.1:443/v1.0/x?$skip=a%2Fb"),
    ],
)
async def test_one_service_may_be_written_in_several_ways(
    service: str, link: str, session: aiohttp.ClientSession, mailbox: Mailbox, clock: Clock
) -> None:
    """A gateway on the way may write it so; refused, no pass through a folder would come to its end."""
    client = GraphClient(session, FixedTokens(), base_url=service, monotonic=clock, sleep=clock.sleep)
    with pytest.raises(GraphUnavailable):  # followed: nothing listens there
        await client.request(mailbox, "GET", link, deadline_seconds=1)


async def test_a_redirect_is_not_followed(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(lambda _: web.Response(status=302, headers={"Location": "/elsewhere"}))
    with pytest.raises(GraphUnavailable, match="302"):
        await client.request(mailbox, "GET", "/x")
    assert {request.path for request in server.requests} == {"/v1.0/x"}


TRANSIENT: list[Answer] = [
    fail(429, "TooManyRequests"),
    fail(503),
    fail(504),
    fail(509),
    fail(500),
    fail(502),
    hang_up,
    raw(body=b'{"cut'),
    raw(body=b"<html>", content_type="text/html"),
    raw(body=b""),
]


@pytest.mark.parametrize("answer", TRANSIENT)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_what_may_be_repeated_is(
    method: str, answer: Answer, client: GraphClient, server: Script, mailbox: Mailbox, clock: Clock
) -> None:
    server.say(answer, answer, ok({"done": True}))
    result = await client.request(mailbox, method, "/x", json={"a": 1} if method == "PATCH" else None)
    # An empty response to anything but GET is a response.
    assert result in ({"done": True}, None)
    if result:
        ids = {request.headers["client-request-id"] for request in server.requests}
        # When a kept connection breaks, aiohttp itself sends the request once more, on a new one.
        by_aiohttp = 1 if answer is hang_up and method != "PATCH" else 0
        assert len(ids) + by_aiohttp == len(server.requests) == 3
        assert clock.slept == [0.5, 1.0][: 2 - by_aiohttp]


@pytest.mark.parametrize(
    ("answer", "repeated"),
    [
        (fail(429), True),
        (fail(503), True),
        (fail(500), False),
        (fail(504), False),
        (hang_up, False),
        (raw(201, b'{"x'), False),
    ],
)
async def test_a_post_is_repeated_only_when_graph_surely_did_nothing(
    answer: Answer, repeated: bool, client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(answer, ok({"done": True}))
    if repeated:
        assert await client.request(mailbox, "POST", "/x", json={"a": 1}) == {"done": True}
        assert server.bodies == [b'{"a": 1}'] * 2
        return
    with pytest.raises(GraphUnavailable) as caught:
        await client.request(mailbox, "POST", "/x", json={"a": 1})
    assert caught.value.outcome_unknown
    assert len(server.requests) == 1


async def test_no_connection_is_repeated_even_for_a_post(
    session: aiohttp.ClientSession, mailbox: Mailbox, clock: Clock
) -> None:
    client = GraphClient(
        session, FixedTokens(), base_url="http://127.0.0.1:1", monotonic=clock, sleep=clock.sleep, random=lambda: 1.0
    )
    with pytest.raises(GraphUnavailable, match="no connection") as caught:
        await client.request(mailbox, "POST", "/x", json={})
    assert not caught.value.outcome_unknown
    assert len(clock.slept) > 3
    assert sum(clock.slept) < 60


async def test_retry_after_is_waited_out(client: GraphClient, server: Script, mailbox: Mailbox, clock: Clock) -> None:
    server.say(
        fail(429, Retry_After="7"),
        fail(503, Retry_After="Mon, 01 Mar 2027 12:00:30 GMT", Date="Mon, 01 Mar 2027 12:00:10 GMT"),
        ok({}),
    )
    await client.request(mailbox, "GET", "/x")
    assert clock.slept == [pytest.approx(7.7), 21.0]


@pytest.mark.parametrize("asked", ["0", "-5", "0.124", "Mon, 01 Mar 2027 12:00:05 GMT"])
async def test_a_retry_after_of_next_to_nothing_is_no_reason_to_hurry(
    asked: str, client: GraphClient, server: Script, mailbox: Mailbox, clock: Clock
) -> None:
    """Throttled calls count as well: a storm of them would never end."""
    server.say(fail(429, "ApplicationThrottled", Retry_After=asked, Date="Mon, 01 Mar 2027 12:00:10 GMT"))
    with pytest.raises(GraphUnavailable):
        await client.request(mailbox, "GET", "/x")
    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0]


async def test_retry_after_beyond_the_deadline_is_reported_at_once(
    client: GraphClient, server: Script, mailbox: Mailbox, clock: Clock
) -> None:
    server.say(fail(429, "TooManyRequests", Retry_After="300"))
    with pytest.raises(GraphUnavailable) as caught:
        await client.request(mailbox, "GET", "/x")
    assert caught.value.retry_after == 300
    assert clock.slept == []


async def test_a_deadline_ends_an_answer_that_does_not_come(
    session: aiohttp.ClientSession, server: Script, mailbox: Mailbox
) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    server.say(never)
    client = GraphClient(session, FixedTokens(), base_url=server.url)
    with pytest.raises(GraphUnavailable, match="not answered within") as caught:
        await client.request(mailbox, "POST", "/x", json={}, deadline_seconds=0.1)
    assert caught.value.outcome_unknown
    assert no_slot_is_used(client)


async def test_a_wait_before_an_attempt_is_not_graphs(
    client: GraphClient, server: Script, mailbox: Mailbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline is for Graph: a wait that the caller imposes is neither cut off by it nor uses it up."""
    server.say(fail(503), ok({"a": 1}))
    loop = asyncio.get_running_loop()
    time, waits = loop.time, 0
    monkeypatch.setattr(loop, "time", lambda: time() + 1000 * waits)

    async def wait() -> None:
        nonlocal waits
        waits += 1
        clock.seconds += 1000
        for _ in range(3):  # the loop runs the timers due by its clock
            await asyncio.sleep(0)

    assert await client.request(mailbox, "GET", "/x", before_attempt=wait) == {"a": 1}
    assert waits == len(server.requests) == 2


async def test_no_slot_is_held_while_an_attempt_waits(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    """Other calls of the mailbox go on while one waits for its permit."""
    server.say(ok({}))

    async def wait() -> None:
        assert no_slot_is_used(client)

    await client.request(mailbox, "GET", "/x", before_attempt=wait)
    assert len(server.requests) == 1


async def test_a_read_time_out_is_repeated(server: Script, mailbox: Mailbox, clock: Clock) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    server.say(never, ok({"a": 1}))
    timeout = aiohttp.ClientTimeout(total=None, sock_read=0.1)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        client = GraphClient(session, FixedTokens(), base_url=server.url, sleep=clock.sleep)
        assert await client.request(mailbox, "GET", "/x") == {"a": 1}


async def test_a_corrupt_item_is_asked_for_three_times(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(fail(500, "ErrorCorruptData"))
    with pytest.raises(ItemCorrupt):
        await client.request(mailbox, "GET", "/x")
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(fail(404), ItemGone), (fail(400), RequestRejected), (fail(403), AccessDenied), (fail(410), SyncStateLost)],
)
async def test_what_is_permanent_is_asked_once(
    answer: Answer, kind: type[GraphError], client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    server.say(answer)
    with pytest.raises(kind):
        await client.request(mailbox, "GET", "/x")
    assert len(server.requests) == 1


async def test_a_lost_sync_state_names_the_fresh_start(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(fail(410, Location="https://graph.example/start"))
    with pytest.raises(SyncStateLost) as caught:
        await client.request(mailbox, "GET", "/x")
    assert caught.value.location == "https://graph.example/start"


async def test_after_a_401_one_fresh_token_and_one_retry(
    client: GraphClient, server: Script, mailbox: Mailbox, tokens: FixedTokens
) -> None:
    server.say(fail(401, "InvalidAuthenticationToken"), ok({"a": 1}))
    assert await client.request(mailbox, "POST", "/x", json={}) == {"a": 1}
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer token-1", "Bearer token-2"]
    assert tokens.refreshed == 1


async def test_a_second_401_is_denied_access(
    client: GraphClient, server: Script, mailbox: Mailbox, tokens: FixedTokens
) -> None:
    server.say(fail(401, "InvalidAuthenticationToken", "no"))
    with pytest.raises(AccessDenied) as caught:
        await client.request(mailbox, "GET", "/x")
    assert len(server.requests) == 2
    assert tokens.refreshed == 1
    assert "token-" not in str(caught.value)


async def test_after_a_403_a_newer_token_is_tried_once(
    client: GraphClient, server: Script, mailbox: Mailbox, tokens: FixedTokens
) -> None:
    """It may hold what was granted since; where there is none, nothing is repeated."""
    server.say(fail(403, "ErrorAccessDenied"))
    with pytest.raises(AccessDenied):
        await client.request(mailbox, "GET", "/x")
    assert len(server.requests) == 1
    tokens.granted = "token-9"
    with pytest.raises(AccessDenied):
        await client.request(mailbox, "GET", "/x")
    assert [request.headers["Authorization"] for request in server.requests[1:]] == ["Bearer token-1", "Bearer token-9"]


async def test_204_and_lone_surrogates_are_answers(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(raw(204), raw(body=b'{"a": "\\ud83d"}'))
    assert await client.request(mailbox, "DELETE", "/x") is None
    assert await client.request(mailbox, "GET", "/x") == {"a": "\ud83d"}


async def test_mail_never_reaches_the_error(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(raw(body=b'{"subject": "secret mail'))
    with pytest.raises(GraphUnavailable) as caught:
        await client.request(mailbox, "GET", "/x", deadline_seconds=0.1)
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in repr(error) + repr(vars(error))
        error = error.__cause__


class Gate:
    """Holds every request until opened, and counts the requests inside by path."""

    def __init__(self) -> None:
        self.inside: Counter[str] = Counter()
        self.limit: Counter[str] = Counter()
        self.order: list[str] = []
        self.open = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.Response:
        name = request.path.split("/")[2]
        self.order.append(request.query.get("n", ""))
        self.inside[name] += 1
        self.limit[name] = max(self.limit[name], self.inside[name])
        await self.open.wait()
        await asyncio.sleep(0)
        self.inside[name] -= 1
        return web.json_response({})


async def test_four_at_once_per_mailbox_in_the_order_they_came(client: GraphClient, server: Script) -> None:
    gate = Gate()
    server.say(gate)
    a, b = make_mailbox(user_id="a"), make_mailbox(user_id="b")
    async with asyncio.TaskGroup() as group:
        for n in range(12):
            group.create_task(client.request(a, "GET", "/a", params={"n": str(n)}))
        await until(lambda: gate.inside["a"] == 4)
        for _ in range(4):
            group.create_task(client.request(b, "GET", "/b"))
        await until(lambda: gate.inside["b"] == 4)
        group.create_task(client.request(a, "GET", "/app", counted=False))
        await until(lambda: gate.inside["app"] == 1)
        assert gate.inside["a"] == 4
        gate.open.set()
    assert gate.limit == {"a": 4, "b": 4, "app": 1}
    numbers = [int(n) for n in gate.order if n]
    assert sorted(numbers[:4]) == [0, 1, 2, 3]
    assert sorted(numbers) == list(range(12))
    assert no_slot_is_used(client)


async def test_ten_thousand_idle_mailboxes_leave_nothing(
    session: aiohttp.ClientSession, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok({}))
    client = GraphClient(session, FixedTokens(), base_url=server.url, slots=LocalSlots(1))
    waiting = [asyncio.create_task(client.request(mailbox, "GET", "/x")) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting[1:]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await client.request(make_mailbox(user_id="other"), "GET", "/x")
    assert no_slot_is_used(client)


async def test_a_wait_does_not_hold_the_slot(session: aiohttp.ClientSession, server: Script, mailbox: Mailbox) -> None:
    asleep, wake = asyncio.Event(), asyncio.Event()

    async def sleep(_: float) -> None:
        asleep.set()
        await wake.wait()

    server.say(fail(429, Retry_After="5"), ok({"n": 1}))
    client = GraphClient(session, FixedTokens(), base_url=server.url, slots=LocalSlots(1), sleep=sleep)
    first = asyncio.create_task(client.request(mailbox, "GET", "/x"))
    await asleep.wait()
    assert await client.request(mailbox, "GET", "/y") == {"n": 1}
    wake.set()
    assert await first == {"n": 1}


async def test_a_stream_comes_in_chunks_and_holds_its_slot(
    session: aiohttp.ClientSession, server: Script, mailbox: Mailbox
) -> None:
    content = bytes(range(256)) * 4096
    server.say(fail(503, Retry_After="0"), raw(body=content, content_type="application/octet-stream"), ok({}))
    client = GraphClient(session, FixedTokens(), base_url=server.url, slots=LocalSlots(1))
    async with client.stream(mailbox, "/x/$value") as chunks:
        second = asyncio.create_task(client.request(mailbox, "GET", "/y"))
        received = [chunk async for chunk in chunks]
        assert len(server.requests) == 2
        assert not second.done()
    await second
    assert b"".join(received) == content
    assert max(map(len, received)) <= 64 * 1024
    assert server.requests[1].raw_path == "/v1.0/x/$value"


async def test_leaving_a_stream_early_frees_everything(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(raw(body=b"x" * 5_000_000), ok({"a": 1}))
    async with client.stream(mailbox, "/x") as chunks:
        async for _ in chunks:
            break
    assert await client.request(mailbox, "GET", "/y") == {"a": 1}
    assert no_slot_is_used(client)


async def test_a_stream_that_breaks_off_is_unavailable(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000000"})
        await response.prepare(request)
        await response.write(b"x" * 1000)
        assert request.transport is not None
        request.transport.close()
        return response

    server.say(broken)
    received = 0
    with pytest.raises(GraphUnavailable, match="connection broke"):  # noqa: PT012 (reading is what raises)
        async with client.stream(mailbox, "/x") as chunks:
            async for chunk in chunks:
                received += len(chunk)
    assert received < 1_000_000
    assert no_slot_is_used(client)


async def test_a_stream_that_is_refused_frees_its_slot(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(fail(405))
    with pytest.raises(RequestRejected):
        async with client.stream(mailbox, "/x"):
            pytest.fail("no body to read")
    assert no_slot_is_used(client)


async def test_the_observer_hears_of_every_attempt(
    session: aiohttp.ClientSession, server: Script, mailbox: Mailbox, clock: Clock
) -> None:
    heard: list[tuple[str, int]] = []
    server.say(fail(429), hang_up, ok({}))
    client = GraphClient(
        session,
        FixedTokens(),
        base_url=server.url,
        sleep=clock.sleep,
        observer=lambda kind, status, seconds: heard.append((kind, status)) if seconds >= 0 else None,
    )
    await client.request(mailbox, "PATCH", "/x", json={})
    assert heard == [("patch", 429), ("patch", 0), ("patch", 200)]


async def test_a_retry_is_reported_before_its_pause_with_the_end_of_the_call(
    session: aiohttp.ClientSession, server: Script, mailbox: Mailbox, clock: Clock
) -> None:
    heard: list[tuple[int | None, datetime, int]] = []
    server.say(fail(429, Retry_After="7"), fail(503, Retry_After="7"), ok({}))
    client = GraphClient(
        session,
        FixedTokens(),
        base_url=server.url,
        monotonic=clock,
        sleep=clock.sleep,
        random=lambda: 0.0,
        now=lambda: NOW,
        on_delay=lambda error, until: heard.append((getattr(error, "status", None), until, len(clock.slept))),
    )
    await client.request(mailbox, "GET", "/x")
    assert heard == [(429, NOW + timedelta(seconds=60), 0), (503, NOW + timedelta(seconds=53), 1)]


async def test_an_answer_that_does_not_come_is_reported_while_it_is_waited_for(
    session: aiohttp.ClientSession, server: Script, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.client._UNANSWERED_SECONDS", 0.01)
    reported = asyncio.Event()
    heard: list[GraphError | None] = []

    def report(error: GraphError | None, _until: datetime) -> None:
        heard.append(error)
        reported.set()

    async def late(_: web.Request) -> web.Response:
        await reported.wait()
        return web.json_response({"a": 1})

    server.say(late)
    client = GraphClient(session, FixedTokens(), base_url=server.url, on_delay=report)
    assert await client.request(mailbox, "GET", "/x") == {"a": 1}
    assert heard == [None]


async def test_the_session_asks_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, server: Script, mailbox: Mailbox
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url.replace("http://", "http://user:pass@"))
    server.say(ok({"a": 1}))
    async with open_session("http://graph.invalid") as session:
        client = GraphClient(session, FixedTokens(), base_url="http://graph.invalid")
        assert await client.request(mailbox, "GET", "/x") == {"a": 1}
    assert server.requests[0].headers["Proxy-Authorization"].startswith("Basic ")
    monkeypatch.setenv("no_proxy", "graph.invalid")
    async with open_session("http://graph.invalid") as session:
        assert session._default_proxy is None


def nested(depth: int) -> Any:  # noqa: ANN401 (JSON)
    return json.dumps({"a": 1})[:-1] + ', "b":' + "[" * depth + "]" * depth + "}"


async def test_json_too_deep_to_read_is_no_crash(client: GraphClient, server: Script, mailbox: Mailbox) -> None:
    server.say(raw(body=nested(200_000).encode()))
    with pytest.raises(GraphUnavailable):
        await client.request(mailbox, "GET", "/x", deadline_seconds=0.1)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_probe_that_a_server_fails_ends_no_outage(
    session: aiohttp.ClientSession, server: Script, status: int
) -> None:
    """Calls count such an answer as a failure: probes between them must not count it as an answer."""
    moment = 0.0
    availability = Availability(clock=lambda: NOW, monotonic=lambda: moment)
    client = GraphClient(session, FixedTokens(), base_url=server.url, availability=availability)
    server.say(raw(status))
    for _ in range(4):
        with pytest.raises(GraphUnavailable, match=str(status)):
            await client.reach()
        moment += 5
    assert [each.service for each in availability.outages()] == [Service.GRAPH]
    server.answers = [raw(404)]
    await client.reach()
    assert availability.outages() == []
