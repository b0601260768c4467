from datetime import UTC, datetime

import pytest

from graph.client import GraphClient
from graph.delta import DeltaPage, DeltaReader
from graph.errors import (
    AccessDenied,
    FolderNotFound,
    GraphError,
    GraphUnavailable,
    MailboxNotFound,
    RequestRejected,
    SyncStateLost,
)
from graph.listing import FolderItem
from graph.mailbox import Mailbox
from tests.doubles.scripted_graph import Answer, Script, fail, ok, raw

RECEIVED = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)
STORED = "/v1.0/users/u/mailFolders/inbox/messages/delta?$deltatoken=a%2Fb%3D"
FOUND = ok({"id": "f", "displayName": "Inbox"})


def message(message_id: object, received: object = "2027-03-01T08:15:00Z") -> dict[str, object]:
    return {"@odata.type": "#microsoft.graph.message", "id": message_id, "receivedDateTime": received}


def removed(message_id: object, reason: str = "deleted") -> dict[str, object]:
    return {"id": message_id, "@removed": {"reason": reason}}


def last(*entries: object, link: str = "https://x/delta?$deltatoken=d") -> Answer:
    return ok({"value": list(entries), "@odata.deltaLink": link})


@pytest.fixture
def reader(client: GraphClient) -> DeltaReader:
    return DeltaReader(client)


async def test_a_round_begins_as_graph_wants_it(reader: DeltaReader, server: Script, mailbox: Mailbox) -> None:
    """The first request names fields and change type and no filter; immutable ids are requested."""
    server.say(ok({"value": [message("A/=")], "@odata.nextLink": "https://x/delta?$skiptoken=s"}))
    page = await reader.page(mailbox, "Inbox", None)
    assert page == DeltaPage((FolderItem("A/=", RECEIVED),), "https://x/delta?$skiptoken=s", complete=False)
    request = server.requests[0]
    assert request.raw_path == (
        f"/v1.0/users/{mailbox.user_id}/mailFolders/inbox/messages/delta?$select=id,receivedDateTime&changeType=created"
    )
    assert request.headers["Prefer"] == 'IdType="ImmutableId", odata.maxpagesize=500'


async def test_a_round_is_followed_to_its_end_and_continued(
    client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    """Links are used unchanged, with the same preferences; the delta link ends a round and begins the next."""
    reader = DeltaReader(client, page_size=7)
    first, second = f"{server.url}/v1.0/d?$skiptoken=a%2Fb", f"{server.url}{STORED}"
    server.say(
        ok({"value": [], "@odata.nextLink": first}),
        last(message("1"), link=second),
        last(link=second),
    )
    pages, link = [], None
    for _ in range(3):
        pages.append(await reader.page(mailbox, "inbox", link))
        link = pages[-1].link
    assert [(len(page.items), page.complete) for page in pages] == [(0, False), (1, True), (0, True)]
    assert [request.raw_path for request in server.requests[1:]] == ["/v1.0/d?$skiptoken=a%2Fb", STORED]
    assert {request.headers["Prefer"] for request in server.requests} == {'IdType="ImmutableId", odata.maxpagesize=7'}


async def test_the_last_mention_of_a_message_counts(reader: DeltaReader, server: Script, mailbox: Mailbox) -> None:
    """A message removed after it came is excluded, one that came back is in; ids that differ in case are two."""
    server.say(
        last(
            removed("gone"),
            message("back"),
            message("twice", None),
            message("out"),
            removed("back"),
            message("Twice"),
            message("twice"),
            removed("out", "changed"),
            message("back"),
        )
    )
    page = await reader.page(mailbox, "inbox", None)
    assert [item.message_id for item in page.items] == ["Twice", "twice", "back"]
    assert {item.received for item in page.items} == {RECEIVED}


async def test_what_bears_no_id_is_counted(reader: DeltaReader, server: Script, mailbox: Mailbox) -> None:
    """An entry that names no message is skipped and reported, and does not hide the others."""
    server.say(last(message("1"), message(7), message(""), message("a\ud83d"), {}, "text", None, removed(None)))
    page = await reader.page(mailbox, "inbox", None)
    assert [item.message_id for item in page.items] == ["1"]
    assert page.unreadable == 7


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("2027-03-01T10:15:00.0000000+02:00", RECEIVED),
        ("2027-03-01T08:15:00", RECEIVED),
        ("yesterday", None),
        (None, None),
        (7, None),
        ("0001-01-01T00:00:00+02:00", None),
    ],
)
async def test_a_time_is_utc_or_none(
    text: object, received: datetime | None, reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """Every form of time is read as UTC; an invalid one does not lose the message."""
    server.say(last(message("1", text)))
    page = await reader.page(mailbox, "inbox", None)
    assert page.items == (FolderItem("1", received),)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"value": []}, "neither a nextLink nor a deltaLink"),
        ({"value": [], "@odata.nextLink": "https://x/1", "@odata.deltaLink": "https://x/2"}, "both"),
        ({"value": [], "@odata.nextLink": None, "@odata.deltaLink": ""}, "neither"),
        ({"@odata.deltaLink": "https://x/2"}, "lacks its list"),
        ({"value": {}, "@odata.deltaLink": "https://x/2"}, "lacks its list"),
        ([], "list where an object"),
    ],
)
async def test_an_answer_that_does_not_say_where_it_goes_on_is_transient(
    body: object, said: str, reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """A page that could make the caller miss messages is rejected."""
    server.say(ok(body))
    with pytest.raises(GraphUnavailable, match=said):
        await reader.page(mailbox, "inbox", None)


async def test_a_page_that_leads_to_itself_needs_a_new_round(
    reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """A round that would never end is not begun; a delta link that stays the same is sound."""
    link = f"{server.url}{STORED}"
    server.say(ok({"value": [], "@odata.nextLink": link}), last(link=link))
    with pytest.raises(SyncStateLost, match="circle"):
        await reader.page(mailbox, "inbox", link)
    assert (await reader.page(mailbox, "inbox", link)).complete


@pytest.mark.parametrize(
    "answer",
    [
        fail(410, Location="https://graph.example/start"),
        fail(400, "syncStateNotFound"),
        fail(404, "SyncStateNotFound"),
        fail(403, "ErrorAccessDenied", inner={"code": "RESYNCREQUIRED"}),
        fail(400, "ErrorInvalidUrlQuery", "The token cannot be parsed."),
        fail(400, "RequestBroker--ParseUri"),
        fail(400),
        raw(414, b"<html>", "text/html"),
        fail(431),
        fail(409, "ErrorInvalidSyncStateData"),
    ],
)
async def test_a_link_that_is_no_longer_good_is_reported_at_once(
    answer: Answer, reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """The caller gets one error for every code of Graph: restart."""
    server.say(answer)
    with pytest.raises(SyncStateLost, match="new delta round"):
        await reader.page(mailbox, "inbox", f"{server.url}{STORED}")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answers", [[raw(407, b"<html>", "text/html")], [raw(404, b"<html>", "text/html"), FOUND], [fail(451)]]
)
async def test_a_link_that_a_proxy_refuses_is_not_lost(
    answers: list[Answer], reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """It is good again afterwards; a refusal of Graph has a code."""
    server.say(*answers)
    with pytest.raises(RequestRejected, match="no error code of Graph: check the proxy") as caught:
        await reader.page(mailbox, "inbox", f"{server.url}{STORED}")
    assert "deltatoken" not in str(caught.value)


async def test_a_mailbox_that_is_refused_says_nothing_of_the_link(
    reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    server.say(fail(403, "ErrorAccessDenied"))
    with pytest.raises(AccessDenied):
        await reader.page(mailbox, "inbox", f"{server.url}{STORED}")


@pytest.mark.parametrize("link", ["https://elsewhere.example/v1.0/delta?$deltatoken=x", "https://x/a b", "http://["])
async def test_a_link_of_another_service_is_not_followed(
    link: str, reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """The stored link is dropped and never requested after a change of graph_url, or of the database."""
    with pytest.raises(SyncStateLost, match="not followed"):
        await reader.page(mailbox, "inbox", link)
    assert not server.requests


MISSING: list[tuple[list[Answer], type[GraphError], int]] = [
    ([fail(404, "ErrorItemNotFound"), fail(404, "ErrorItemNotFound"), FOUND], FolderNotFound, 3),
    ([fail(404, "x"), fail(404, "ErrorItemNotFound"), fail(404, "x")], MailboxNotFound, 3),
    ([fail(404, "MailboxNotEnabledForRESTAPI")], MailboxNotFound, 3),
    ([fail(404), fail(403, "ErrorAccessDenied")], AccessDenied, 2),
]


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(("answers", "kind", "calls"), MISSING)
async def test_a_missing_folder_is_distinguished_from_a_missing_mailbox(
    answers: list[Answer],
    kind: type[GraphError],
    calls: int,
    stored: bool,
    reader: DeltaReader,
    server: Script,
    mailbox: Mailbox,
) -> None:
    """A 404 concerns the account, with or without a link: it is never a message that is gone."""
    server.say(*answers)
    with pytest.raises(kind) as caught:
        await reader.page(mailbox, "AAMk=", f"{server.url}{STORED}" if stored else None)
    assert type(caught.value) is kind
    assert len(server.requests) == calls


async def test_a_folder_that_cannot_be_is_missing(reader: DeltaReader, server: Script, mailbox: Mailbox) -> None:
    """A folder id that Graph cannot read is the account's fault."""
    server.say(fail(400, "ErrorInvalidIdMalformed"), fail(400, "ErrorInvalidIdMalformed"), FOUND)
    with pytest.raises(FolderNotFound, match="'Rechnungen'"):
        await reader.page(mailbox, "Rechnungen", None)


async def test_a_folder_that_answers_after_all_is_not_missing(
    reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """The failure is transient without a link; with one, the link is of a folder that is no more."""
    server.say(fail(404, "ErrorItemNotFound"), FOUND)
    with pytest.raises(GraphUnavailable, match="folder answers"):
        await reader.page(mailbox, "inbox", None)
    server.answers[:] = [fail(404, "ErrorItemNotFound"), FOUND]
    with pytest.raises(SyncStateLost):
        await reader.page(mailbox, "inbox", f"{server.url}{STORED}")


async def test_a_beginning_is_never_a_lost_link(reader: DeltaReader, server: Script, mailbox: Mailbox) -> None:
    """A restart must not raise the error that demands it: a lost state is transient there, a refusal stays one."""
    server.say(fail(410))
    with pytest.raises(GraphUnavailable, match="beginning"):
        await reader.page(mailbox, "inbox", None)
    server.answers[:] = [fail(400, "ErrorInvalidUrlQuery"), FOUND]
    with pytest.raises(RequestRejected):
        await reader.page(mailbox, "inbox", None)


async def test_no_error_shows_a_link(reader: DeltaReader, server: Script, mailbox: Mailbox) -> None:
    """The token of a link opens nothing, but identifies the state of a mailbox: it stays out of logs."""
    server.say(fail(400, "ErrorInvalidUrlQuery"))
    with pytest.raises(SyncStateLost) as caught:
        await reader.page(mailbox, "inbox", f"{server.url}{STORED}")
    assert "deltatoken" not in str(caught.value)


def test_a_page_holds_something(client: GraphClient) -> None:
    """A page size that Graph would ignore is refused."""
    with pytest.raises(ValueError, match="at least one"):
        DeltaReader(client, page_size=0)
