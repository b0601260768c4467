"""Reading and changing messages by the rules of Graph (docs/graph.md, section 7)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from simulator.content.mail import Mail, Person, inline_attachment
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox, MailboxState
from simulator.state.tenants import Application

MessageUrl = Callable[..., URL]
DEFAULT_IDS = {"Prefer": "x=y"}


async def _get(graph: aiohttp.ClientSession, url: URL | str, **headers: str) -> tuple[int, dict[str, Any]]:
    async with graph.get(url, headers=headers or None) as response:
        return response.status, await response.json()


async def test_only_the_selected_properties_come(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """The id, the etag and the context always come, too."""
    sent = await sim.deliver(mailbox, Mail(subject="Résultats 💧", sender=Person("Hélène", "h@labo.example")))
    status, values = await _get(graph, message_url(sent.message_id, "?$select=subject,from,isRead"))
    assert status == 200
    assert set(values) == {"@odata.context", "@odata.etag", "id", "subject", "from", "isRead"}
    assert values["id"] == sent.message_id
    assert values["subject"] == "Résultats 💧"
    assert values["from"] == {"emailAddress": {"name": "Hélène", "address": "h@labo.example"}}


async def test_properties_that_come_only_when_selected(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """uniqueBody and internetMessageHeaders."""
    sent = await sim.deliver(mailbox, Mail())
    _, usual = await _get(graph, message_url(sent.message_id))
    assert {"subject", "body", "receivedDateTime", "conversationId", "toRecipients"} <= set(usual)
    assert not {"uniqueBody", "internetMessageHeaders"} & set(usual)
    _, more = await _get(graph, message_url(sent.message_id, "?$select=uniqueBody,internetMessageHeaders"))
    assert {"name": "Message-ID", "value": sent.internet_message_id} in more["internetMessageHeaders"]


@pytest.mark.parametrize(
    "query", ["?$select=subjekt", "?$select=meetingMessageType", "?$expand=nothing", "?$fields=id"]
)
async def test_what_graph_cannot_parse_is_refused(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl, query: str
) -> None:
    """400 RequestBroker--ParseUri, with the ids of the request in the error and in the headers."""
    sent = await sim.deliver(mailbox, Mail())
    headers = {"client-request-id": "my-own"}
    async with graph.get(message_url(sent.message_id, query), headers=headers) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (400, "RequestBroker--ParseUri")
        assert response.headers["client-request-id"] == error["innerError"]["client-request-id"] == "my-own"
        assert response.headers["request-id"] == error["innerError"]["request-id"]


async def test_ids_that_differ_in_case_are_two_messages(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """Ids are case-sensitive."""
    await sim.deliver(mailbox, Mail(subject="upper"), immutable_id="AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AbC=")
    await sim.deliver(mailbox, Mail(subject="lower"), immutable_id="AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0Abc=")
    _, upper = await _get(graph, message_url("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AbC="))
    _, lower = await _get(graph, message_url("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0Abc="))
    assert (upper["subject"], lower["subject"]) == ("upper", "lower")


async def test_an_id_with_a_slash_must_be_percent_encoded(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """Some ids made here have one; unencoded it gives RequestBroker--ParseUri."""
    delivered = [await sim.deliver(mailbox, Mail()) for _ in range(40)]
    assert {len(message.message_id) for message in delivered} == {152}
    sent = next(message for message in delivered if "/" in message.message_id)
    assert "+" in sent.message_id
    assert (await _get(graph, message_url(sent.message_id)))[0] == 200
    bare = URL(f"{sim.url}/v1.0/users/{mailbox.user_id}/messages/{sent.message_id}", encoded=True)
    status, values = await _get(graph, bare)
    assert (status, values["error"]["code"]) == (400, "RequestBroker--ParseUri")


async def test_the_default_id_changes_on_a_move_and_the_immutable_one_stays(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """The Prefer header of the request selects the one given; both are accepted."""
    sent = await sim.deliver(mailbox, Mail())
    async with graph.get(message_url(sent.message_id, "?$select=id")) as response:
        assert response.headers["Preference-Applied"] == 'IdType="ImmutableId"'
    _, before = await _get(graph, message_url(sent.message_id, "?$select=id"), **DEFAULT_IDS)
    assert before["id"] == sent.default_id != sent.message_id
    async with graph.post(message_url(sent.message_id, "/move"), json={"destinationId": "archive"}) as response:
        assert response.status == 201
        assert (await response.json())["id"] == sent.message_id
    status, values = await _get(graph, message_url(sent.default_id))
    assert (status, values["error"]["code"]) == (404, "ErrorItemNotFound")
    _, after = await _get(graph, message_url(sent.message_id, "?$select=id"), **DEFAULT_IDS)
    assert after["id"] != before["id"]


async def test_a_message_is_reached_through_its_folder_in_both_styles(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox
) -> None:
    """mailFolders/inbox and mailFolders('Inbox'); not through a folder it is not in."""
    sent = await sim.deliver(mailbox, Mail(), immutable_id="AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AAA==")
    user = f"/v1.0/users/{mailbox.user_id}"
    for path in (
        "mailFolders/inbox/messages/{}",
        "mailFolders('Inbox')/messages/{}",
        "mailFolders/INBOX/messages('{}')",
    ):
        assert (await _get(graph, f"{user}/{path.format(sent.message_id)}"))[0] == 200
    assert (await _get(graph, f"/v1.0/users/{mailbox.address}/messages/{sent.message_id}"))[0] == 200
    assert (await _get(graph, f"{user}/mailFolders/archive/messages/{sent.message_id}"))[0] == 404


async def test_gone_and_malformed_ids(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """404 ErrorItemNotFound for a deleted message, 400 ErrorInvalidIdMalformed for an id that never was one."""
    sent = await sim.deliver(mailbox, Mail())
    async with graph.post(message_url(sent.message_id, "/permanentDelete")) as response:
        assert response.status == 204
    status, values = await _get(graph, message_url(sent.message_id))
    assert (status, values["error"]["code"]) == (404, "ErrorItemNotFound")
    status, values = await _get(graph, message_url("what is this?"))
    assert (status, values["error"]["code"]) == (400, "ErrorInvalidIdMalformed")


async def test_bodies_come_as_text_when_preferred(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """The size of a message comes by the extended property, as a string."""
    mail = Mail(body="<style>p {}</style><p>Étang &amp; rivière</p>", is_html=True)
    sent = await sim.deliver(mailbox, mail)
    _, values = await _get(graph, message_url(sent.message_id, "?$select=body,bodyPreview"))
    assert values["body"] == {"contentType": "html", "content": mail.body}
    assert values["bodyPreview"] == "Étang & rivière"
    prefer = 'IdType="ImmutableId", outlook.body-content-type="text"'
    expand = "$expand=singleValueExtendedProperties($filter=id%20eq%20'Integer%200x0E08')"
    _, values = await _get(graph, message_url(sent.message_id, f"?$select=body&{expand}"), Prefer=prefer)
    assert values["body"] == {"contentType": "text", "content": "Étang & rivière"}
    (size,) = values["singleValueExtendedProperties"]
    assert int(size["value"]) > len(mail.body)


async def test_has_attachments_is_false_when_all_are_inline(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """See docs/graph.md, section 7."""
    sent = await sim.deliver(mailbox, Mail(attachments=(inline_attachment("a.png", b"x", "image/png", "a@b"),)))
    expand = "$expand=singleValueExtendedProperties($filter=id%20eq%20'Boolean%200x0E1B')"
    _, values = await _get(graph, message_url(sent.message_id, f"?$select=hasAttachments&{expand}"))
    assert values["hasAttachments"] is False
    assert values["singleValueExtendedProperties"] == [{"id": "Boolean 0xe1b", "value": "true"}]


async def test_a_message_is_marked_read(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """PATCH returns 200 with the message; later reads see it."""
    sent = await sim.deliver(mailbox, Mail())
    assert (await _get(graph, message_url(sent.message_id)))[1]["isRead"] is False
    async with graph.patch(message_url(sent.message_id), json={"isRead": True}) as response:
        assert response.status == 200
    assert (await _get(graph, message_url(sent.message_id)))[1]["isRead"] is True


async def test_a_folder_is_probed(graph: aiohttp.ClientSession, mailbox: Mailbox) -> None:
    """It is probed by well-known name in any case, or by id."""
    _, values = await _get(graph, f"/v1.0/users/{mailbox.user_id}/mailFolders/InBox?$select=id,displayName")
    assert set(values) == {"@odata.context", "id", "displayName"}
    status, same = await _get(graph, f"/v1.0/users/{mailbox.user_id}/mailFolders/{values['id']}")
    assert (status, same["displayName"]) == (200, "Inbox")


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_a_folder_is_listed_page_by_page(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, now: list[datetime], direction: str
) -> None:
    """Ordered by receivedDateTime, from a moment on, following nextLink to the end."""
    moments = [now[0] + timedelta(minutes=minute) for minute in range(25)]
    shuffled = Random(1).sample(moments, len(moments))
    for moment in shuffled:
        await sim.deliver(mailbox, Mail(subject=moment.isoformat()), received=moment)
    since = moments[5].strftime("%Y-%m-%dT%H:%M:%SZ")
    url = (
        f"{sim.url}/v1.0/users/{mailbox.user_id}/mailFolders/inbox/messages?$top=7&$select=subject"
        f"&$orderby=receivedDateTime {direction}&$filter=receivedDateTime ge {since}"
    )
    subjects: list[str] = []
    pages = 0
    next_url: str | None = url
    while next_url:
        status, values = await _get(graph, next_url)
        assert status == 200
        subjects += [message["subject"] for message in values["value"]]
        next_url = values.get("@odata.nextLink")
        pages += 1
    expected = [moment.isoformat() for moment in moments[5:]]
    assert subjects == (expected if direction == "asc" else expected[::-1])
    assert pages == 3


async def test_messages_are_found_by_their_internet_message_id(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox
) -> None:
    """It is compared whole; a quote in it is doubled, and any other filter is undocumented."""
    for number, name in enumerate(["<o'brien and 1@x>", "<o'brien and 1@x>", "<other@x>"]):
        await sim.deliver(mailbox, Mail(subject=f"{number}", internet_message_id=name))
    url = f"{sim.url}/v1.0/users/{mailbox.user_id}/mailFolders/inbox/messages?$select=subject&$filter="
    status, values = await _get(graph, url + quote("internetMessageId eq '<o''brien and 1@x>'"))
    assert (status, {each["subject"] for each in values["value"]}) == (200, {"0", "1"})
    status, values = await _get(graph, url + quote("internetMessageId eq 'other@x'"))
    assert (status, values["value"]) == (200, [])
    for wrong in ("internetMessageId eq '<o'brien@x>'", "internetMessageId eq <a@x>", "subject eq 'x'"):
        status, _ = await _get(graph, url + quote(wrong))
        assert status == 400


async def test_a_list_has_ten_messages_unless_asked_otherwise(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox
) -> None:
    """$top is 1 to 1,000."""
    for _ in range(12):
        await sim.deliver(mailbox, Mail())
    url = f"/v1.0/users/{mailbox.user_id}/messages"
    assert len((await _get(graph, url))[1]["value"]) == 10
    assert len((await _get(graph, f"{url}?$top=1000"))[1]["value"]) == 12
    for top in ("0", "1001", "x"):
        assert (await _get(graph, f"{url}?$top={top}"))[0] == 400


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (MailboxState.NO_SUCH_USER, "Request_ResourceNotFound"),
        (MailboxState.INVALID_USER, "ErrorInvalidUser"),
        (MailboxState.NOT_ENABLED, "MailboxNotEnabledForRESTAPI"),
        (MailboxState.NOT_HOSTED, "MailboxNotHostedInExchangeOnline"),
        (MailboxState.NO_INBOX, "ErrorItemNotFound"),
    ],
)
async def test_what_is_no_usable_mailbox_gives_its_own_404(
    graph: aiohttp.ClientSession, mailbox: Mailbox, state: MailboxState, code: str
) -> None:
    """The different codes one tenant gave (docs/graph.md, section 9)."""
    mailbox.state = state
    status, values = await _get(graph, f"/v1.0/users/{mailbox.user_id}/mailFolders/inbox")
    assert (status, values["error"]["code"]) == (404, code)


async def test_unknown_users_and_other_tenants_mailboxes_are_not_found(
    sim: Simulator, graph: aiohttp.ClientSession
) -> None:
    """A tenant's application sees nothing of another tenant."""
    other = sim.add_application(tenant_id="11111111-2222-4333-8444-555555555555")
    stranger = sim.add_mailbox("x@other.example", tenant_id=other.tenant_id)
    for user in ("00000000-0000-4000-8000-000000000000", stranger.user_id):
        status, values = await _get(graph, f"/v1.0/users/{user}/mailFolders/inbox")
        assert (status, values["error"]["code"]) == (404, "Request_ResourceNotFound")


async def test_an_application_needs_the_mailbox_and_the_permission(
    sim: Simulator, graph: aiohttp.ClientSession, application: Application, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """403 ErrorAccessDenied when a policy excludes the mailbox, or to change mail with Mail.Read only."""
    sent = await sim.deliver(mailbox, Mail())
    application.roles = ("Mail.Read",)
    token, _ = sim.tokens.issue(application, sim.url)
    headers = {"Authorization": f"Bearer {token}"}
    async with graph.patch(message_url(sent.message_id), json={"isRead": True}, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, "ErrorAccessDenied")
    assert (await _get(graph, message_url(sent.message_id), **headers))[0] == 200
    application.denied.add(mailbox.user_id)
    status, values = await _get(graph, message_url(sent.message_id))
    assert (status, values["error"]["code"]) == (403, "ErrorAccessDenied")


async def test_rbac_for_applications_opens_a_mailbox_without_a_word_in_the_token(
    sim: Simulator, graph: aiohttp.ClientSession, application: Application, mailbox: Mailbox
) -> None:
    """Grants add up with those of Entra, and count at once (docs/graph.md, section 9)."""
    other = sim.add_mailbox("director@riviere.example", "Director", application.tenant_id)
    application.roles = ()
    token, _ = sim.tokens.issue(application, sim.url)
    headers = {"Authorization": f"Bearer {token}"}
    assert (await _get(graph, f"/v1.0/users/{mailbox.user_id}/mailFolders/inbox", **headers))[0] == 403
    application.scoped = {mailbox.user_id: ("Mail.Read",)}
    assert (await _get(graph, f"/v1.0/users/{mailbox.user_id}/mailFolders/inbox", **headers))[0] == 200
    assert (await _get(graph, f"/v1.0/users/{other.user_id}/mailFolders/inbox", **headers))[0] == 403


async def test_the_server_is_reached_as_localhost_too(sim: Simulator, graph: aiohttp.ClientSession) -> None:
    """The certificate covers both names, and links name the host of the request."""
    port = URL(sim.url).port
    assert (await _get(graph, f"https://localhost:{port}/v1.0/subscriptions", Host=f"localhost:{port}"))[0] == 200


async def test_several_prefer_headers_count_together(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """They may be two lines, or one with a comma."""
    sent = await sim.deliver(mailbox, Mail(body="<p>x</p>", is_html=True))
    headers = [("Prefer", 'outlook.body-content-type="text"'), ("Prefer", 'IdType="ImmutableId"')]
    async with graph.get(message_url(sent.message_id), headers=CIMultiDict(headers)) as response:
        values = await response.json()
    assert (values["id"], values["body"]["contentType"]) == (sent.message_id, "text")


async def test_drafts_and_odd_senders_lack_what_others_have(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """No internetMessageId, no subject, no address, no from: a reader must be ready (docs/graph.md, section 7)."""
    draft = await sim.deliver(mailbox, Mail(subject=None, sender=None, to=(Person("Liste", None),), is_draft=True))
    _, values = await _get(graph, message_url(draft.message_id))
    assert (values["internetMessageId"], values["subject"], values["from"]) == (None, None, None)
    assert values["toRecipients"] == [{"emailAddress": {"name": "Liste"}}]
    assert values["isDraft"] is True


async def test_a_delegate_is_the_sender_and_not_the_author(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """`from` differs from `sender`."""
    mail = Mail(sender=Person("Delegate", "d@x.example"), from_=Person("Principal", "p@x.example"))
    _, values = await _get(graph, message_url((await sim.deliver(mailbox, mail)).message_id))
    assert values["sender"]["emailAddress"]["name"] == "Delegate"
    assert values["from"]["emailAddress"]["name"] == "Principal"


async def test_the_purpose_of_a_mailbox_needs_its_own_permission(
    sim: Simulator, graph: aiohttp.ClientSession, application: Application, mailbox: Mailbox
) -> None:
    """403 without MailboxSettings.Read (docs/graph.md, section 9)."""
    url = f"/v1.0/users/{mailbox.user_id}/mailboxSettings/userPurpose"
    assert (await _get(graph, url))[0] == 403
    application.roles = ("Mail.Read", "MailboxSettings.Read")
    mailbox.purpose = "shared"
    token, _ = sim.tokens.issue(application, sim.url)
    status, values = await _get(graph, url, Authorization=f"Bearer {token}")
    assert (status, values["value"]) == (200, "shared")
