from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from graph.actions import MailActions
from graph.application import Application
from graph.client import GraphClient, open_session
from graph.errors import (
    AccessDenied,
    FolderNotFound,
    GraphError,
    GraphUnavailable,
    ItemDenied,
    ItemGone,
    MailboxNotFound,
    RequestRejected,
)
from graph.listing import FolderItem
from graph.mailbox import Mailbox
from graph.messages import MESSAGE_FIELDS, FolderPage, MailReader, folder_path
from simulator.content.mail import Mail, Person, file_attachment, reference_attachment
from simulator.simulator import Simulator
from tests.doubles.scripted_graph import Answer, Clock, Script, fail, make_mailbox, ok, raw


@pytest.fixture
def reader(client: GraphClient) -> MailReader:
    return MailReader(client)


async def test_a_message_is_asked_for_with_exactly_these_fields(
    reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok({"id": "AA/k=", "subject": None}))
    assert await reader.message(mailbox, "AA/k=") == {"id": "AA/k=", "subject": None}
    request = server.requests[0]
    assert request.raw_path.startswith(f"/v1.0/users/{mailbox.user_id}/messages/AA%2Fk%3D?$select={MESSAGE_FIELDS}&")
    assert request.query["$expand"] == (
        "singleValueExtendedProperties($filter=id eq 'Integer 0x0E08' or id eq 'Boolean 0x0E1B' "
        "or id eq 'String 0x5D01' or id eq 'String 0x5D02')"
    )


FOUND = ok({"id": "f", "displayName": "Inbox"})
GONE: list[tuple[list[Answer], type[GraphError], int]] = [
    ([fail(404, "ErrorItemNotFound")], ItemGone, 1),
    ([fail(404, "ResourceNotFound"), FOUND], ItemGone, 2),
    ([fail(404), FOUND], ItemGone, 2),
    ([fail(404, "ErrorInvalidUser"), FOUND], ItemGone, 2),
    ([fail(404, "ErrorInvalidUser"), fail(404, "ErrorItemNotFound")], MailboxNotFound, 2),
    ([fail(404, "MailboxNotEnabledForRESTAPI")], MailboxNotFound, 2),
    ([fail(404, "Request_ResourceNotFound")], MailboxNotFound, 2),
    ([fail(404, "x"), fail(403, "ErrorAccessDenied")], AccessDenied, 2),
    ([fail(403, "ErrorAccessDenied"), fail(403, "ErrorAccessDenied")], AccessDenied, 2),
    ([fail(403, "ErrorAccessDenied"), FOUND], ItemDenied, 2),
    ([fail(403, "ErrorItemNotFound"), FOUND], ItemDenied, 2),
    ([fail(403, "ErrorAccessDenied"), fail(404, "ErrorItemNotFound")], MailboxNotFound, 2),
]


@pytest.mark.parametrize(("answers", "kind", "calls"), GONE)
async def test_only_the_mailbox_can_tell_what_a_404_or_403_means(
    answers: list[Answer], kind: type[GraphError], calls: int, reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    server.say(*answers)
    with pytest.raises(kind):
        await reader.message(mailbox, "m")
    assert len(server.requests) == calls


async def test_a_404_of_content_is_judged_too(reader: MailReader, server: Script, mailbox: Mailbox) -> None:
    server.say(fail(404, "x"))
    with pytest.raises(MailboxNotFound):
        async with reader.attachment_content(mailbox, "m", "a"):
            pytest.fail("no body to read")


async def test_pages_of_attachments_are_followed(reader: MailReader, server: Script, mailbox: Mailbox) -> None:
    server.say(
        ok({"value": [{"id": "1"}], "@odata.nextLink": f"{server.url}/v1.0/next?$skip=1"}), ok({"value": [{"id": "2"}]})
    )
    found = await reader.attachments(mailbox, "m", with_content=False)
    assert [item["id"] for item in found] == ["1", "2"]
    assert server.requests[0].query["$select"] == "id,name,contentType,size,isInline"
    assert server.requests[1].raw_path == "/v1.0/next?$skip=1"


async def test_pages_in_a_circle_end(reader: MailReader, server: Script, mailbox: Mailbox) -> None:
    server.say(ok({"value": [], "@odata.nextLink": f"{server.url}/v1.0/next"}))
    with pytest.raises(GraphUnavailable, match="circle"):
        await reader.attachments(mailbox, "m", with_content=True)


async def test_an_answer_that_is_no_object_is_transient(reader: MailReader, server: Script, mailbox: Mailbox) -> None:
    server.say(raw(body=b"[]"))
    with pytest.raises(GraphUnavailable):
        await reader.message(mailbox, "m")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": "blocked"},
        {"value": []},
        {"id": None, "subject": "x"},
        {"id": "AA/l=", "subject": "another's"},
        {"id": "aa/k=", "subject": "another's: ids have letter case"},
        {"id": "AA/k="},
        {"id": "AA/k=", "@odata.etag": "x"},
    ],
)
async def test_a_200_that_is_not_the_message_is_transient(
    body: object, reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    """It would be imported empty, or as another message."""
    server.say(ok(body))
    with pytest.raises(GraphUnavailable, match="Support"):
        await reader.message(mailbox, "AA/k=")


@pytest.mark.parametrize(
    ("asked", "answered"), [("A/k+w==", "A-k_w=="), ("A/k+w==", "A_k-w"), ("A-k_w", "A/k+w=="), ("x", "x")]
)
async def test_an_id_in_either_alphabet_is_the_same_id(
    asked: str, answered: str, reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    """Graph accepts ids in the form of Exchange's other interfaces, and responds with its own."""
    server.say(ok({"id": answered, "body": None}))
    assert (await reader.message(mailbox, asked))["id"] == answered
    server.answers[:] = [ok({"id": answered, "contentBytes": ""})]
    assert (await reader.attachment(mailbox, "m", asked))["id"] == answered


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": {}}, {"value": ["a.csv"]}, {"error": "blocked"}])
async def test_a_list_of_attachments_that_is_none_is_transient(
    body: object, reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    """A list counted as empty would import the message without its files."""
    server.say(ok(body))
    with pytest.raises(GraphUnavailable):
        await reader.attachments(mailbox, "m", with_content=True)


async def test_a_page_without_a_usable_link_is_transient(reader: MailReader, server: Script, mailbox: Mailbox) -> None:
    server.say(ok({"value": [], "@odata.nextLink": 7}))
    for asked in (
        reader.attachments(mailbox, "m", with_content=False),
        reader.folder_page(mailbox, "inbox"),
        reader.find(mailbox, "inbox", "<a@b>"),
    ):
        with pytest.raises(GraphUnavailable, match="no text"):
            await asked


async def test_another_attachment_than_the_one_asked_for_is_transient(
    reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok({"id": "b", "contentBytes": "QUJD"}))
    with pytest.raises(GraphUnavailable, match="another item"):
        await reader.attachment(mailbox, "m", "a")


@pytest.mark.parametrize("kind", ["text/html", "Application/JSON", "application/problem+json"])
async def test_a_page_of_a_proxy_is_not_the_content(
    kind: str, reader: MailReader, server: Script, mailbox: Mailbox, clock: Clock
) -> None:
    """It is noticed before a byte is read; requested again, and reported with the response."""
    server.say(raw(body=b"<html>blocked</html>", content_type=kind))
    for content in (reader.original(mailbox, "m"), reader.attachment_content(mailbox, "m", "a", may_be=["text/csv"])):
        server.requests.clear()
        with pytest.raises(GraphUnavailable, match="proxy") as caught:
            async with content:
                pytest.fail("no content to read")
        assert (caught.value.status, caught.value.code) == (200, "NotTheContent")
        assert len(server.requests) > 1
    assert clock.slept


async def test_a_file_that_is_html_is_its_content(reader: MailReader, server: Script, mailbox: Mailbox) -> None:
    server.say(raw(body=b"<html>report</html>", content_type="text/html"))
    async with reader.attachment_content(mailbox, "m", "a", may_be=["text/html"]) as chunks:
        assert b"".join([each async for each in chunks]) == b"<html>report</html>"


@pytest.mark.parametrize("body", [{}, {"id": ""}, {"displayName": "Inbox"}])
async def test_a_folder_without_id_is_no_proof_of_anything(
    body: object, reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok(body))
    with pytest.raises(GraphUnavailable, match="no id"):
        await reader.probe(mailbox)


@pytest.mark.parametrize("answer", [raw(status=200), ok({}), ok([]), raw(body=b"<html>", content_type="text/html")])
async def test_an_action_is_done_when_graph_gives_the_message(
    answer: Answer, client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    """Any other response came from an intermediary; if it counted as done, the action would never be."""
    actions = MailActions(client)
    server.say(ok({"id": "m"}))
    await actions.mark_read(mailbox, "m")
    await actions.move(mailbox, "m", "deleteditems")
    server.answers[:] = [answer]
    with pytest.raises(GraphUnavailable):
        await actions.mark_read(mailbox, "m")
    with pytest.raises(GraphUnavailable):
        await actions.move(mailbox, "m", "deleteditems")


async def test_a_message_that_was_changed_may_have_any_length(
    client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    """Graph answers with all of it, body included; it is changed once."""
    actions = MailActions(client)
    server.say(ok({"id": "m", "body": {"content": "x" * 17_000_000}}))
    await actions.mark_read(mailbox, "m")
    await actions.move(mailbox, "m", "deleteditems")
    assert len(server.requests) == 2


@pytest.mark.parametrize("folder", ["inbox", "Inbox", " INBOX "])
async def test_a_missing_inbox_is_a_missing_mailbox(
    folder: str, reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    server.say(fail(404, "ErrorItemNotFound", "Default folder Inbox not found"))
    with pytest.raises(MailboxNotFound, match="Support"):
        await reader.probe(mailbox, folder)
    assert server.requests[0].path.endswith("/mailFolders/inbox")


async def test_a_missing_folder_is_distinguished_from_a_missing_mailbox(
    reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    server.say(fail(400, "ErrorInvalidIdMalformed"), FOUND)
    with pytest.raises(FolderNotFound, match="'Rechnungen'"):
        await reader.probe(mailbox, "Rechnungen")
    server.answers[:] = [fail(404, "ErrorItemNotFound")]
    with pytest.raises(MailboxNotFound):
        await reader.probe(mailbox, "AAMk/=")


SINCE = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize("since", [None, SINCE, SINCE.replace(microsecond=5).astimezone(timezone(timedelta(hours=2)))])
async def test_a_folder_is_listed_newest_first(
    since: datetime | None, reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    """Ids and times only, a thousand at once; with `since` a filter on the sort property (else Graph returns 400)."""
    server.say(ok({"value": [{"id": "b", "receivedDateTime": "2027-03-01T08:15:00Z"}, {"id": "a"}, {}]}))
    page = await reader.folder_page(mailbox, "Inbox", since=since, link=None)
    assert page == FolderPage((FolderItem("b", SINCE), FolderItem("a", None)), None, unreadable=1)
    request = server.requests[0]
    assert request.path == f"/v1.0/users/{mailbox.user_id}/mailFolders/inbox/messages"
    options = {"$select": "id,receivedDateTime", "$orderby": "receivedDateTime desc", "$top": "1000"}
    if since is not None:
        options["$filter"] = "receivedDateTime ge 2027-03-01T08:15:00Z"
    assert dict(request.query) == options


async def test_pages_of_a_folder_are_asked_for_by_their_links(
    reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    """The links are used unchanged; pages that lead back to an earlier one are not followed for ever."""
    links = [f"{server.url}/v1.0/next?$skip={skip}&x=a%2Fb" for skip in (1000, 2000)]
    server.say(*(ok({"value": [], "@odata.nextLink": link}) for link in (*links, links[0])))
    pages = reader.folder_pages(mailbox, "inbox", since=SINCE)
    assert [await anext(pages) for _ in range(3)] == [FolderPage((), link) for link in (*links, links[0])]
    with pytest.raises(GraphUnavailable, match="circle"):
        await anext(pages)
    assert [request.raw_path for request in server.requests[1:]] == [
        f"/v1.0/next?$skip={skip}&x=a%2Fb" for skip in (1000, 2000)
    ]


FOLDER_FAULTS: list[tuple[list[Answer], type[GraphError]]] = [
    ([fail(404, "ErrorItemNotFound"), fail(404, "ErrorItemNotFound"), FOUND], FolderNotFound),
    ([fail(400, "ErrorInvalidIdMalformed"), fail(400, "ErrorInvalidIdMalformed"), FOUND], FolderNotFound),
    ([fail(404, "x")], MailboxNotFound),
    ([fail(404, "x"), FOUND], GraphUnavailable),
    ([fail(400, "InefficientFilter"), FOUND], RequestRejected),
    ([fail(405)], RequestRejected),
    ([raw(body=b"[]")], GraphUnavailable),
    ([ok({})], GraphUnavailable),
]


@pytest.mark.parametrize(("answers", "kind"), FOLDER_FAULTS)
async def test_a_folder_that_cannot_be_listed_is_never_a_message_that_is_gone(
    answers: list[Answer], kind: type[GraphError], reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    """Only folder and mailbox can show the meaning of a refusal, so they are queried."""
    server.say(*answers)
    with pytest.raises(kind) as caught:
        await reader.folder_page(mailbox, "AAMk=", since=None, link=None)
    assert type(caught.value) is kind


async def test_a_list_begins_at_a_moment_everybody_knows(reader: MailReader, server: Script, mailbox: Mailbox) -> None:
    """A time without zone is refused before a request to Graph."""
    with pytest.raises(ValueError, match="aware"):
        await reader.folder_page(mailbox, "inbox", since=SINCE.replace(tzinfo=None), link=None)
    assert not server.requests


async def test_the_folder_of_a_message_is_asked_for_alone(reader: MailReader, server: Script, mailbox: Mailbox) -> None:
    """The present folder of a message costs no body; a response without it is rejected."""
    server.say(ok({"id": "m/1", "parentFolderId": "AAMk="}), ok({"id": "m/1", "parentFolderId": None}))
    assert await reader.parent_folder(mailbox, "m/1") == "AAMk="
    assert server.requests[0].raw_path == f"/v1.0/users/{mailbox.user_id}/messages/m%2F1?$select=parentFolderId"
    with pytest.raises(GraphUnavailable, match="report the folder"):
        await reader.parent_folder(mailbox, "m/1")


@pytest.mark.parametrize(("answers", "kind", "calls"), GONE)
async def test_a_message_without_folder_is_gone_or_its_mailbox_is(
    answers: list[Answer], kind: type[GraphError], calls: int, reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    """The folder of a deleted message is judged as the message itself."""
    server.say(*answers)
    with pytest.raises(kind):
        await reader.parent_folder(mailbox, "m")
    assert len(server.requests) == calls


def test_ids_are_encoded_whole() -> None:
    odd = make_mailbox(user_id="o'neil@example.net")
    assert folder_path(odd, "A/b=") == "/users/o%27neil%40example.net/mailFolders/A%2Fb%3D"
    assert folder_path(odd, "SentItems").endswith("/mailFolders/sentitems")


async def test_a_letter_comes_whole_from_the_simulator(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    async with Simulator(tmp_path) as simulator:
        application = simulator.add_application()
        box = simulator.add_mailbox("support@example.net", "Support", application.tenant_id)
        files = (file_attachment("a.bin", data), reference_attachment("link", "https://files.example/x"))
        mail = Mail(subject="Grüße", body="Hello", to=(Person("S", "support@example.net"),), attachments=files)
        delivered = await simulator.deliver(box, mail)
        token, _ = simulator.tokens.issue(application, simulator.url)

        class Issued:
            async def token(self, application: Application) -> str:  # noqa: ARG002  # one for all
                return token

            async def fresh(self, application: Application, rejected: str) -> str:  # noqa: ARG002  # there is no other
                return token

            async def newer(self, application: Application, refused: str) -> None:
                """There is no other."""

        mailbox = make_mailbox(user_id=box.user_id)
        async with open_session(simulator.url, ca_bundle=simulator.ca_file) as session:
            reader = MailReader(GraphClient(session, Issued(), base_url=simulator.url))
            message = await reader.message(mailbox, delivered.message_id)
            listed = await reader.attachments(mailbox, delivered.message_id, with_content=False)
            whole = await reader.attachments(mailbox, delivered.message_id, with_content=True)
            file, link = listed
            async with reader.attachment_content(mailbox, delivered.message_id, file["id"]) as chunks:
                content = b"".join([chunk async for chunk in chunks])
            with pytest.raises(RequestRejected):
                async with reader.attachment_content(mailbox, delivered.message_id, link["id"]):
                    pytest.fail("a link has no content")
            one = await reader.attachment(mailbox, delivered.message_id, file["id"])
            received = datetime.fromisoformat(message["receivedDateTime"])
            inbox = await reader.folder_page(mailbox, "Inbox", since=received)
            later = await reader.folder_page(mailbox, "Inbox", since=received + timedelta(seconds=1))
            folder_id = await reader.parent_folder(mailbox, delivered.message_id)
            assert folder_id == (await reader.probe(mailbox, folder_id))["id"]
            assert simulator.remove_message(box, delivered.message_id)
            with pytest.raises(ItemGone):
                await reader.message(mailbox, delivered.message_id)
    assert message["subject"] == "Grüße"
    assert inbox == FolderPage((FolderItem(delivered.message_id, received),), None)
    assert later == FolderPage((), None)
    assert message["singleValueExtendedProperties"][0]["value"].isdecimal()
    assert "contentBytes" not in file
    assert whole[0]["contentBytes"] == one["contentBytes"]
    assert content == data


async def test_messages_are_found_by_their_internet_message_id(
    reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    """All of them are, over all pages; a quote in the id does not end the filter."""
    link = f"{server.url}/v1.0/next"
    server.say(ok({"value": [{"id": "a"}], "@odata.nextLink": link}), ok({"value": [{"id": "b"}]}))
    found = await reader.find(mailbox, "Inbox", "<o'brien+1@example.com>")
    assert [each.message_id for each in found] == ["a", "b"]
    request = server.requests[0]
    assert request.path == f"/v1.0/users/{mailbox.user_id}/mailFolders/inbox/messages"
    assert dict(request.query) == {
        "$select": "id,receivedDateTime",
        "$filter": "internetMessageId eq '<o''brien+1@example.com>'",
    }
    assert server.requests[1].path == "/v1.0/next"


@pytest.mark.parametrize(("answers", "kind"), FOLDER_FAULTS)
async def test_a_folder_that_cannot_be_searched_is_reported_as_one_that_cannot_be_listed(
    answers: list[Answer], kind: type[GraphError], reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    server.say(*answers)
    with pytest.raises(kind) as caught:
        await reader.find(mailbox, "AAMk=", "<a@b>")
    assert type(caught.value) is kind


async def test_the_immutable_id_of_a_message_is_asked_for_alone(
    reader: MailReader, server: Script, mailbox: Mailbox
) -> None:
    server.say(ok({"id": "immutable"}), ok({}), fail(404, "ErrorItemNotFound"))
    assert await reader.immutable_id(mailbox, "default/id") == "immutable"
    assert dict(server.requests[0].query) == {"$select": "id"}
    with pytest.raises(GraphUnavailable, match="report the id"):
        await reader.immutable_id(mailbox, "default/id")
    with pytest.raises(ItemGone):
        await reader.immutable_id(mailbox, "default/id")
