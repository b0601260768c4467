"""Rounds of delta query, page by page."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graph.client import GraphClient, open_session
from graph.delta import DeltaReader
from graph.errors import FolderNotFound, GraphError, GraphUnavailable, MailboxNotFound, RequestRejected, SyncStateLost
from graph.mailbox import Mailbox
from graph.messages import FolderItem, MailReader
from simulator.faults import Fault, FaultKind
from simulator.letters import Letter
from simulator.simulator import Simulator
from tests.unit.graph.scripted import Answer, Script, fail, make_mailbox, ok

MORNING = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)
FOUND = ok({"id": "f", "displayName": "Inbox"})


@pytest.fixture
def reader(client: GraphClient) -> DeltaReader:
    return DeltaReader(client, page_size=50)


def page(*entries: dict[str, Any], **links: str) -> Answer:
    return ok({"value": list(entries), **{f"@odata.{name}": link for name, link in links.items()}})


async def test_a_round_begins_with_all_that_is_there(reader: DeltaReader, server: Script, mailbox: Mailbox) -> None:
    """Ids and times only, of what was created; no filter, with which Graph would end after 5,000 messages."""
    server.say(page({"id": "a", "receivedDateTime": "2027-03-01T08:15:00Z"}, nextLink=f"{server.url}/v1.0/next?x=1"))
    found = await reader.page(mailbox, "Inbox", None)
    assert (found.items, found.complete, found.unreadable) == ([FolderItem("a", MORNING)], False, 0)
    assert found.link == f"{server.url}/v1.0/next?x=1"
    (request,) = server.requests
    assert request.path == f"/v1.0/users/{mailbox.user_id}/mailFolders/inbox/messages/delta"
    assert dict(request.query) == {"$select": "id,receivedDateTime", "changeType": "created"}
    assert request.headers["Prefer"] == 'IdType="ImmutableId", odata.maxpagesize=50'


async def test_a_link_is_followed_as_it_stands(reader: DeltaReader, server: Script, mailbox: Mailbox) -> None:
    """With the same preferences; its page says whether the round is over."""
    server.say(page(deltaLink=f"{server.url}/v1.0/end?$deltatoken=y"))
    found = await reader.page(mailbox, "Inbox", f"{server.url}/v1.0/next?$skiptoken=a%2Bb")
    assert (found.items, found.link, found.complete) == ([], f"{server.url}/v1.0/end?$deltatoken=y", True)
    (request,) = server.requests
    assert request.raw_path == "/v1.0/next?$skiptoken=a%2Bb"
    assert request.headers["Prefer"] == 'IdType="ImmutableId", odata.maxpagesize=50'


async def test_the_last_word_on_a_message_counts(reader: DeltaReader, server: Script, mailbox: Mailbox) -> None:
    """What is gone again is left out, what came back is there, and what has no id is counted."""
    gone = {"@removed": {"reason": "deleted"}}
    server.say(
        page(
            {"id": "a"},
            {"id": "b"},
            {"id": "a", **gone},
            {"id": "c", **gone},
            {"id": "c", "receivedDateTime": "never"},
            {"id": "b"},
            {"id": 7},
            {},
            deltaLink=f"{server.url}/v1.0/end",
        )
    )
    found = await reader.page(mailbox, "Inbox", None)
    assert found.items == [FolderItem("c", None), FolderItem("b", None)]
    assert found.unreadable == 2


@pytest.mark.parametrize(
    "answer",
    [
        page({"id": "a"}),
        page(nextLink="https://x/a", deltaLink="https://x/b"),
        ok({"value": "none", "@odata.deltaLink": "https://x/b"}),
        ok([]),
    ],
    ids=["no link", "two links", "no list", "no object"],
)
async def test_an_answer_that_cannot_be_gone_on_from_is_tried_again(
    answer: Answer, reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """Nothing of it is used: the caller's link stays where it was."""
    server.say(answer)
    with pytest.raises(GraphUnavailable):
        await reader.page(mailbox, "Inbox", None)


LOST = [
    fail(410, "SyncStateNotFound"),
    fail(410),
    fail(400, "syncStateNotFound"),
    fail(404, "SyncStateNotFound"),
    fail(400, "ResyncRequired"),
    fail(400, "ErrorInvalidSyncStateData"),
    fail(404, "ErrorItemNotFound"),
]


@pytest.mark.parametrize("answer", LOST)
async def test_a_link_that_is_no_longer_good_is_told(
    answer: Answer, reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """However Graph says so."""
    server.say(answer, FOUND)
    with pytest.raises(SyncStateLost):
        await reader.page(mailbox, "Inbox", f"{server.url}/v1.0/old")


async def test_a_link_to_another_service_is_no_longer_good(
    reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """It gets no token of ours."""
    with pytest.raises(SyncStateLost, match="another service"):
        await reader.page(mailbox, "Inbox", "https://elsewhere.example/v1.0/delta")
    assert server.requests == []


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([fail(404, "ErrorItemNotFound"), fail(404, "ErrorItemNotFound"), FOUND], FolderNotFound),
        ([fail(404, "ErrorItemNotFound"), fail(404), fail(404)], MailboxNotFound),
        ([fail(400, "ErrorInvalidIdMalformed")], RequestRejected),
    ],
)
async def test_a_round_that_cannot_begin_says_what_is_missing(
    answers: list[Answer], kind: type[GraphError], reader: DeltaReader, server: Script, mailbox: Mailbox
) -> None:
    """Folder or mailbox; an administrator has to act."""
    server.say(*answers)
    with pytest.raises(kind):
        await reader.page(mailbox, "Results", None)


async def test_rounds_of_the_simulator(tmp_path: Path) -> None:
    """All that is there, then what is new; read by what signs in for real."""
    async with Simulator(tmp_path) as simulator:
        application = simulator.add_application()
        box = simulator.add_mailbox("support@example.net", "Support", application.tenant_id)
        token, _ = simulator.tokens.issue(application, "graph")

        class Tokens:
            async def token(self, mailbox: Mailbox) -> str:  # noqa: ARG002 (one for all)
                return token

            async def fresh(self, mailbox: Mailbox, rejected: str) -> str:
                raise NotImplementedError

        mailbox = make_mailbox(tenant_id=application.tenant_id, user_id=box.user_id)
        async with open_session(simulator.url, ca_bundle=simulator.ca_file) as session:
            client = GraphClient(session, Tokens(), base_url=simulator.url)
            reader, mail = DeltaReader(client, page_size=2), MailReader(client)
            sent = [(await simulator.deliver(box, Letter(subject=f"{n}"))).message_id for n in range(5)]
            link, found, pages = None, [], 0
            while True:
                got = await reader.page(mailbox, "Inbox", link)
                link, pages = got.link, pages + 1
                found += [each.message_id for each in got.items]
                if got.complete:
                    break
            assert (found, pages) == (sent, 3)
            new = await simulator.deliver(box, Letter(subject="new"), notify=False)
            simulator.remove_message(box, sent[0])
            simulator.move_message(box, sent[1], "archive")
            got = await reader.page(mailbox, "Inbox", link)
            assert [each.message_id for each in got.items] == [new.message_id]
            simulator.faults.add(Fault(FaultKind.SYNC_STATE_LOST, count=1))
            with pytest.raises(SyncStateLost) as lost:
                await reader.page(mailbox, "Inbox", got.link)
            assert lost.value.location == f"{simulator.url}/v1.0/users/{box.user_id}/mailFolders/inbox/messages/delta"
            listed = await mail.folder_page(mailbox, "Inbox")
            assert {each.message_id for each in listed.items} == {*sent[2:], new.message_id}
            assert listed.link is None
            archive = (await mail.probe(mailbox, "Archive"))["id"]
            assert await mail.parent_folder(mailbox, sent[1]) == archive
