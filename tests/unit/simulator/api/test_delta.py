"""Delta query for the messages of a folder (docs/graph.md, section 6)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from simulator.content.mail import Mail
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator
from simulator.state.mail_server import DeliveredMessage
from simulator.state.mailboxes import Mailbox

IMMUTABLE = 'IdType="ImmutableId"'


async def get(graph: aiohttp.ClientSession, url: str, *, size: int = 2, prefer: str = IMMUTABLE) -> dict[str, Any]:
    headers = {"Prefer": f"odata.maxpagesize={size}, {prefer}"}
    async with graph.get(url, headers=headers) as response:
        body: dict[str, Any] = await response.json()
        return {"status": response.status, "headers": response.headers, **body}


async def walk(graph: aiohttp.ClientSession, url: str, *, size: int = 2) -> tuple[list[dict[str, Any]], str, int]:
    """Return the items of a round, its delta link, its pages."""
    items: list[dict[str, Any]] = []
    pages = 0
    while True:
        page = await get(graph, url, size=size)
        assert page["status"] == 200, page
        items += page["value"]
        pages += 1
        assert ("@odata.nextLink" in page) != ("@odata.deltaLink" in page)
        if "@odata.deltaLink" in page:
            return items, page["@odata.deltaLink"], pages
        url = page["@odata.nextLink"]


def url_of(mailbox: Mailbox, query: str = "$select=id,receivedDateTime&changeType=created") -> str:
    return f"/v1.0/users/{mailbox.user_id}/mailFolders/inbox/messages/delta?{query}"


async def fill(sim: Simulator, mailbox: Mailbox, count: int, **options: Any) -> list[DeliveredMessage]:  # noqa: ANN401  # passed through
    return [await sim.deliver(mailbox, Mail(subject=f"{number}"), **options) for number in range(count)]


def ids(messages: list[DeliveredMessage]) -> list[str]:
    return [each.message_id for each in messages]


async def test_the_first_round_gives_all_that_is_there_then_only_what_is_new(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox
) -> None:
    """It comes page by page; also mail that came without a notification, and into this folder only."""
    old = await fill(sim, mailbox, 5)
    await fill(sim, mailbox, 1, folder="archive")
    items, link, pages = await walk(graph, url_of(mailbox))
    assert ([each["id"] for each in items], pages) == (ids(old), 3)
    assert set(items[0]) == {"@odata.etag", "id", "receivedDateTime"}
    assert await walk(graph, link) == ([], link, 1)
    new = await fill(sim, mailbox, 3, notify=False)
    items, link, _ = await walk(graph, link)
    assert [each["id"] for each in items] == ids(new)


async def test_what_left_the_folder_is_removed_and_what_came_back_is_there(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox
) -> None:
    """It was deleted or moved; with the reason."""
    gone, moved, restored = await fill(sim, mailbox, 3)
    _, link, _ = await walk(graph, url_of(mailbox))
    sim.remove_message(mailbox, gone.message_id)
    sim.move_message(mailbox, moved.message_id, "archive")
    sim.move_message(mailbox, restored.message_id, "archive")
    sim.move_message(mailbox, restored.message_id, "inbox")
    items, _, _ = await walk(graph, link)
    assert [(each["id"], each.get("@removed", {}).get("reason")) for each in items] == [
        (gone.message_id, "deleted"),
        (moved.message_id, "changed"),
        (restored.message_id, "changed"),
        (restored.message_id, None),
    ]
    assert [each["id"] for each in (await walk(graph, url_of(mailbox)))[0]] == [restored.message_id]


async def test_changes_are_reported_by_their_type(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox
) -> None:
    """The first request selects the types; the links remember them."""
    (sent,) = await fill(sim, mailbox, 1)
    _, created, _ = await walk(graph, url_of(mailbox))
    _, every, _ = await walk(graph, url_of(mailbox, "$select=isRead"))
    mailbox.mark_read(sent.message, is_read=True)
    assert (await walk(graph, created))[0] == []
    (item,) = (await walk(graph, every))[0]
    assert (item["id"], item["isRead"]) == (sent.message_id, True)


async def test_ids_come_in_the_format_asked_for(sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox) -> None:
    """Each request selects its own; links work with either."""
    sent = await fill(sim, mailbox, 4)
    first = await get(graph, url_of(mailbox))
    second = await get(graph, first["@odata.nextLink"], prefer="x=y")
    assert [each["id"] for each in first["value"]] == ids(sent[:2])
    assert [each["id"] for each in second["value"]] == [each.default_id for each in sent[2:]]
    assert first["headers"]["Preference-Applied"] == IMMUTABLE


@pytest.mark.slow
async def test_a_filter_ends_after_five_thousand(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox
) -> None:
    """It ends without an error: the reason not to use one to catch up."""
    moment = datetime(2027, 3, 1, tzinfo=UTC)
    await fill(sim, mailbox, 5_010, received=moment)
    await fill(sim, mailbox, 1, received=moment - timedelta(days=1))
    plain, _, _ = await walk(graph, url_of(mailbox, "$select=id"), size=1000)
    filtered, _, pages = await walk(
        graph, url_of(mailbox, "$select=id&$filter=receivedDateTime%20ge%202027-03-01T00:00:00Z"), size=1000
    )
    assert (len(plain), len(filtered), pages) == (5_011, 5_000, 5)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("filter=receivedDateTime%20ge%202027-03-01T00:00:00Z", "ErrorInvalidUrlQuery"),
        ("$filter=receivedDateTime%20le%202027-03-01T00:00:00Z", "ErrorInvalidUrlQuery"),
        ("$filter=isRead%20eq%20true", "RequestBroker--ParseUri"),
        ("$orderby=subject", "ErrorInvalidUrlQuery"),
        ("$search=x", "ErrorInvalidUrlQuery"),
        ("changeType=moved", "ErrorInvalidUrlQuery"),
        ("$select=id,@removed", "RequestBroker--ParseUri"),
        ("$deltatoken=nonsense", "ErrorInvalidSyncStateData"),
    ],
)
async def test_what_delta_query_cannot_do_is_refused(
    graph: aiohttp.ClientSession, mailbox: Mailbox, query: str, code: str
) -> None:
    """The response is 400 with its code."""
    page = await get(graph, url_of(mailbox, query))
    assert (page["status"], page["error"]["code"]) == (400, code)


async def test_a_link_of_another_folder_is_lost(sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox) -> None:
    """One whose state Graph has dropped is, too."""
    _, link, _ = await walk(graph, url_of(mailbox))
    page = await get(graph, link.replace("inbox", "archive"))
    assert (page["status"], page["error"]["code"]) == (410, "SyncStateNotFound")
    for status, code in ((410, "resyncRequired"), (400, "syncStateNotFound"), (404, "SyncStateNotFound")):
        sim.faults.add(Fault(FaultKind.SYNC_STATE_LOST, status=status, error_code=code, count=1))
        page = await get(graph, link)
        assert (page["status"], page["error"]["code"]) == (status, code)
        assert ("Location" in page["headers"]) == (status == 410)
    sim.faults.add(Fault(FaultKind.SYNC_STATE_LOST, count=1))
    assert (await get(graph, url_of(mailbox)))["status"] == 200, "a first request bears no token"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.DELTA_REPLAYED, [0, 1, 2, 3]),
        (FaultKind.DELTA_DUPLICATED, [2, 3, 2]),
        (FaultKind.DELTA_EMPTY_PAGE, [2, 3]),
        (FaultKind.DELTA_DELAYED, [2]),
    ],
)
async def test_what_users_report_can_be_switched_on(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, kind: FaultKind, expected: list[int]
) -> None:
    """Replays, duplicates, empty pages, and a change that is missing at first."""
    sent = ids(await fill(sim, mailbox, 2))
    _, link, _ = await walk(graph, url_of(mailbox), size=10)
    sent += ids(await fill(sim, mailbox, 2))
    sim.faults.add(Fault(kind, count=1))
    items, link, pages = await walk(graph, link, size=10)
    assert [sent.index(each["id"]) for each in items] == expected
    assert pages == (2 if kind is FaultKind.DELTA_EMPTY_PAGE else 1)
    late, _, _ = await walk(graph, link, size=10)
    assert [sent.index(each["id"]) for each in late] == ([3] if kind is FaultKind.DELTA_DELAYED else [])


async def test_both_styles_of_the_url_are_read(graph: aiohttp.ClientSession, mailbox: Mailbox) -> None:
    """Graph reads both, too."""
    page = await get(graph, f"/v1.0/users('{mailbox.user_id}')/mailFolders('Inbox')/messages/delta()")
    assert page["status"] == 200
