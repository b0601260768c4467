"""Limits (docs/graph.md, section 8) and faults, seen by a client on the wire."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random

import aiohttp
import pytest
from yarl import URL

from simulator.api.throttling import Limits
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail, file_attachment
from simulator.faults import Fault, FaultKind, Faults, Subject, fault_from_dict
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox

MessageUrl = Callable[..., URL]


@pytest.fixture
async def url(sim: Simulator, mailbox: Mailbox, message_url: MessageUrl) -> URL:
    return message_url((await sim.deliver(mailbox, Mail(body="x" * 5_000))).message_id)


async def _status(graph: aiohttp.ClientSession, url: URL | str) -> int:
    async with graph.get(url) as response:
        await response.read()
        return response.status


async def test_the_fifth_concurrent_call_on_a_mailbox_is_refused(
    sim: Simulator, graph: aiohttp.ClientSession, url: URL, mailbox: Mailbox
) -> None:
    """429 ApplicationThrottled with Retry-After; another mailbox is not concerned."""
    sim.faults.add(Fault(FaultKind.LATENCY, seconds=0.5))
    other = sim.add_mailbox("x@riviere.example", tenant_id=mailbox.tenant_id)
    probe = f"{sim.url}/v1.0/users/{other.user_id}/mailFolders/inbox"
    *statuses, elsewhere = await asyncio.gather(*(_status(graph, url) for _ in range(5)), _status(graph, probe))
    assert sorted(statuses) == [200, 200, 200, 200, 429]
    assert elsewhere == 200
    figures = sim.statistics()
    assert figures["concurrency_high_water"] == {mailbox.address: 4, "x@riviere.example": 1}
    assert figures["throttled"] == 1
    assert await _status(graph, url) == 200


@pytest.mark.slow
async def test_a_call_counts_until_its_body_is_sent(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """Four downloads that are not read hold all four places."""
    sent = await sim.deliver(mailbox, Mail(attachments=(Attachment("big", GeneratedContent(40_000_000)),)))
    attachment_url = message_url(sent.message_id, f"/attachments/{sent.message.attachments[0].attachment_id}/$value")
    downloads = [await graph.get(attachment_url) for _ in range(4)]
    async with graph.get(message_url(sent.message_id)) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (429, "ApplicationThrottled")
        assert error["message"] == "Application is over its MailboxConcurrency limit."
        assert int(response.headers["Retry-After"]) >= 1
    for download in downloads:
        await download.read()
    assert await _status(graph, message_url(sent.message_id)) == 200


@pytest.fixture
async def narrow(tmp_path: Path, now: list[datetime]) -> AsyncIterator[Simulator]:
    """A simulator with narrow limits."""
    limits = Limits(requests_per_mailbox=3, subscription_lists=2, subscription_calls=2)
    async with Simulator(tmp_path / "narrow", clock=lambda: now[0], limits=limits) as simulator:
        yield simulator


async def test_calls_per_window_are_limited(narrow: Simulator, now: list[datetime]) -> None:
    """10,000 in 10 minutes per mailbox, 25 lists of subscriptions in 20 s, 500 other calls on them; here fewer."""
    application = narrow.add_application()
    mailbox = narrow.add_mailbox("a@riviere.example")
    token, _ = narrow.tokens.issue(application, narrow.url)
    connector = aiohttp.TCPConnector(ssl=narrow.authority.client_context())
    async with aiohttp.ClientSession(
        narrow.url, headers={"Authorization": f"Bearer {token}"}, connector=connector
    ) as graph:
        for path, limit, window in (
            (f"/v1.0/users/{mailbox.user_id}/mailFolders/inbox", 3, 600),
            ("/v1.0/subscriptions", 2, 20),
            ("/v1.0/subscriptions/none", 2, 20),
        ):
            usual = 404 if path.endswith("none") else 200
            assert [await _status(graph, path) for _ in range(limit + 1)] == [usual] * limit + [429]
            async with graph.get(path) as response:
                assert 1 <= int(response.headers["Retry-After"]) <= window + 1
            now[0] += timedelta(seconds=window)
            assert await _status(graph, path) == usual


async def test_throttling_and_outages_come_with_every_kind_of_retry_after(
    sim: Simulator, graph: aiohttp.ClientSession, url: URL, now: list[datetime]
) -> None:
    """Seconds, an HTTP date, or none (docs/graph.md, section 8)."""
    sim.faults.add(Fault(FaultKind.THROTTLED, retry_after=7, count=1))
    async with graph.get(url) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")
        assert (await response.json())["error"]["code"] == "TooManyRequests"
    sim.faults.add(Fault(FaultKind.UNAVAILABLE, status=503, retry_after=60, retry_after_as_date=True, count=1))
    async with graph.get(url) as response:
        moment = parsedate_to_datetime(response.headers["Retry-After"])
        assert response.status == 503
        assert abs(moment - now[0] - timedelta(seconds=60)) <= timedelta(seconds=1)
    for status in (429, 500, 504):
        kind = FaultKind.THROTTLED if status == 429 else FaultKind.UNAVAILABLE
        sim.faults.add(Fault(kind, status=status, count=1))
        async with graph.get(url) as response:
            assert response.status == status
            assert "Retry-After" not in response.headers
    assert await _status(graph, url) == 200


async def test_connections_are_reset_before_the_answer(sim: Simulator, graph: aiohttp.ClientSession, url: URL) -> None:
    """The client sees a broken connection, and the place is free again."""
    sim.faults.add(Fault(FaultKind.RESET, count=5))
    for _ in range(5):
        with pytest.raises(aiohttp.ClientConnectionError):
            async with graph.post(f"{url}/move", json={}):
                pass
    assert await _status(graph, url) == 200


async def test_connections_are_reset_within_a_body(sim: Simulator, graph: aiohttp.ClientSession, url: URL) -> None:
    """Half of it has come by then."""
    sim.faults.add(Fault(FaultKind.RESET_IN_BODY, count=1))
    async with graph.get(url) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert await _status(graph, url) == 200


async def test_json_is_cut_short(sim: Simulator, graph: aiohttp.ClientSession, url: URL) -> None:
    """A whole response of half a document."""
    sim.faults.add(Fault(FaultKind.TRUNCATED, count=1))
    async with graph.get(url) as response:
        with pytest.raises(json.JSONDecodeError):
            await response.json()


async def test_a_call_that_hangs_is_never_answered(sim: Simulator, graph: aiohttp.ClientSession, url: URL) -> None:
    """The client gives up; then its place is free again."""
    sim.faults.add(Fault(FaultKind.HANG, count=4))

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with graph.get(url, timeout=aiohttp.ClientTimeout(total=0.5)):
                pass

    await asyncio.gather(*(give_up() for _ in range(4)))
    assert sim.faults.struck[FaultKind.HANG] == 4
    async with asyncio.timeout(60):
        while await _status(graph, url) != 200:
            pass


async def test_a_message_is_not_found_at_first(
    sim: Simulator, graph: aiohttp.ClientSession, url: URL, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """It is for the first two GETs of each message, like just after a notification (docs/graph.md, section 11)."""
    other = message_url((await sim.deliver(mailbox, Mail())).message_id)
    sim.faults.add(Fault(FaultKind.NOT_FOUND_AT_FIRST, times=2))
    assert [await _status(graph, url) for _ in range(3)] == [404, 404, 200]
    assert [await _status(graph, other) for _ in range(3)] == [404, 404, 200]


async def test_a_fault_strikes_only_what_its_scope_names(
    sim: Simulator, graph: aiohttp.ClientSession, url: URL, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """Operation, mailbox by address or id, message by either id."""
    second = await sim.deliver(mailbox, Mail())
    sim.faults.add(Fault(FaultKind.UNAUTHORIZED, message_id=second.default_id))
    assert [await _status(graph, message_url(second.message_id)), await _status(graph, url)] == [401, 200]
    sim.faults.replace([Fault(FaultKind.FORBIDDEN, mailbox=mailbox.address.upper())])
    assert await _status(graph, url) == 403
    sim.faults.replace([Fault(FaultKind.FORBIDDEN, mailbox="other@riviere.example")])
    assert await _status(graph, url) == 200
    sim.faults.replace([Fault(FaultKind.UNAVAILABLE, operation=Operation.LIST_ATTACHMENTS)])
    assert await _status(graph, url) == 200
    assert await _status(graph, message_url(second.message_id, "/attachments")) == 503


async def test_one_attachment_can_be_corrupt(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """500 wherever its bytes would be in the response; the others, the list without bytes and the message are sound."""
    sent = await sim.deliver(mailbox, Mail(attachments=(file_attachment("a", b"a"), file_attachment("b", b"b"))))
    bad, good = (stored.attachment_id for stored in sent.message.attachments)
    sim.faults.add(Fault(FaultKind.CORRUPT, attachment_id=bad))

    async def status(rest: str) -> int:
        return await _status(graph, message_url(sent.message_id, rest))

    for rest in ("/attachments", f"/attachments/{bad}", f"/attachments/{bad}/$value"):
        async with graph.get(message_url(sent.message_id, rest)) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (500, "ErrorCorruptData")
    for rest in ("", "/attachments?$select=id", "/attachments?%24select=id", f"/attachments/{good}/$value"):
        assert await status(rest) == 200


def test_probability_is_a_share_and_follows_the_seed() -> None:
    """About a third of many; the same ones for the same seed."""

    def run() -> list[bool]:
        faults = Faults(Random(5))
        faults.add(Fault(FaultKind.RESET, probability=0.3))
        return [faults.strike(FaultKind.RESET, Subject(Operation.GET_MESSAGE)) is not None for _ in range(1_000)]

    assert run() == run()
    assert 250 < sum(run()) < 350


def test_a_fault_survives_json_and_unknown_keys_are_refused() -> None:
    """The control API reads its own output."""
    fault = Fault(FaultKind.LATENCY, operation=Operation.GET_MESSAGE, seconds=0.5, mailbox="a@b.example")
    assert fault_from_dict(json.loads(json.dumps(fault.as_dict()))) == fault
    with pytest.raises(ValueError, match="severity"):
        fault_from_dict({"kind": "latency", "severity": 3})
    with pytest.raises(ValueError, match="earthquake"):
        fault_from_dict({"kind": "earthquake"})
