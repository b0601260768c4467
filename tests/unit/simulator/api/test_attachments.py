"""Attachments in Graph's form (docs/graph.md, section 7)."""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from simulator.content.contents import GeneratedContent
from simulator.content.mail import (
    Attachment,
    Mail,
    Person,
    contact_attachment,
    event_attachment,
    file_attachment,
    inline_attachment,
    item_attachment,
    reference_attachment,
)
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox

MessageUrl = Callable[..., URL]
MAIL = Mail(
    subject="Résultats",
    attachments=(
        file_attachment("résultats.csv", b"a;b\r\n1,5;2\r\n", "text/csv"),
        inline_attachment("image001.png", b"\x89PNG", "image/png", "image001@x"),
        item_attachment(Mail(subject="Original", body="Bonjour")),
        reference_attachment("archive.zip", "https://files.example/archive.zip"),
    ),
)


async def _get(graph: aiohttp.ClientSession, url: URL) -> tuple[int, dict[str, Any]]:
    async with graph.get(url) as response:
        return response.status, await response.json()


async def test_the_list_gives_the_selected_properties_and_the_type(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """No bytes; contentId cannot be selected on the list, for it belongs to the derived type."""
    sent = await sim.deliver(mailbox, MAIL)
    _, values = await _get(
        graph, message_url(sent.message_id, "/attachments?$select=id,name,contentType,size,isInline")
    )
    assert [item["@odata.type"] for item in values["value"]] == [
        "#microsoft.graph.fileAttachment",
        "#microsoft.graph.fileAttachment",
        "#microsoft.graph.itemAttachment",
        "#microsoft.graph.referenceAttachment",
    ]
    assert set(values["value"][0]) == {"@odata.type", "id", "name", "contentType", "size", "isInline"}
    assert [item["isInline"] for item in values["value"]] == [False, True, False, False]
    status, refused = await _get(graph, message_url(sent.message_id, "/attachments?$select=id,contentId"))
    assert (status, refused["error"]["code"]) == (400, "RequestBroker--ParseUri")


async def test_the_whole_list_holds_the_files(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """contentBytes and contentId of file attachments, no bytes of others."""
    sent = await sim.deliver(mailbox, MAIL)
    _, values = await _get(graph, message_url(sent.message_id, "/attachments"))
    table, picture, item, _ = values["value"]
    assert base64.b64decode(table["contentBytes"]) == b"a;b\r\n1,5;2\r\n"
    assert table["size"] != sim.ledger()[0].attachments[0].size, "the stated size is not the decoded length"
    assert (table["contentId"], picture["contentId"]) == (None, "image001@x")
    assert "contentBytes" not in item
    _, alone = await _get(graph, message_url(sent.message_id, f"/attachments/{quote(picture['id'], safe='')}"))
    assert base64.b64decode(alone["contentBytes"]) == b"\x89PNG"


async def test_raw_contents_are_what_the_ledger_says(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """A file's bytes, an item's MIME; 405 for a reference."""
    sent = await sim.deliver(mailbox, MAIL)
    (entry,) = sim.ledger()
    assert [attachment.kind for attachment in entry.attachments] == ["file", "file", "item", "reference"]
    for attachment in entry.attachments:
        url = message_url(sent.message_id, f"/attachments/{quote(attachment.attachment_id, safe='')}/$value")
        async with graph.get(url) as response:
            content = await response.read()
            if attachment.kind == "reference":
                assert response.status == 405
                continue
            assert response.status == 200
            assert hashlib.sha256(content).hexdigest() == attachment.sha256
            if attachment.kind == "item":
                assert message_from_bytes(content)["Subject"] == "Original"


async def test_items_are_mail_event_or_contact(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """MIME, iCalendar or vCard; a mail that is attached to an attached mail is in its MIME as a mail."""
    inner = Mail(subject="Inner", attachments=(file_attachment("deep.txt", b"deep"),))
    items = (
        item_attachment(Mail(subject="Outer", attachments=(item_attachment(inner),))),
        event_attachment("Prélèvement", datetime(2027, 3, 1, 8, 15, tzinfo=UTC)),
        contact_attachment(Person("Ana", "ana@example.com")),
    )
    sent = await sim.deliver(mailbox, Mail(attachments=items))
    contents = []
    for stored in sent.message.attachments:
        url = message_url(sent.message_id, f"/attachments/{quote(stored.attachment_id, safe='')}/$value")
        async with graph.get(url) as response:
            contents.append(await response.read())
    names = [part.get_filename() for part in message_from_bytes(contents[0]).walk()]
    assert names[-1] == "deep.txt"
    assert contents[1].startswith(b"BEGIN:VCALENDAR\r\n")
    assert contents[2].startswith(b"BEGIN:VCARD\r\n")


@pytest.mark.slow
async def test_a_large_attachment_is_streamed_without_being_held(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """Its bytes are generated while they are sent, the same each time; as JSON it would be too large for Graph."""
    content = GeneratedContent(60_000_001, seed=7)
    large = Attachment("orthophoto.tif", content, "image/tiff")
    sent = await sim.deliver(mailbox, Mail(attachments=(large,)))
    attachment_id = quote(sent.message.attachments[0].attachment_id, safe="")
    digest, size = hashlib.sha256(), 0
    async with graph.get(message_url(sent.message_id, f"/attachments/{attachment_id}/$value")) as response:
        assert response.content_length == content.size
        async for chunk in response.content.iter_chunked(1 << 18):
            digest.update(chunk)
            size += len(chunk)
    assert (size, digest.hexdigest()) == (content.size, sim.ledger()[0].attachments[0].sha256)
    for rest in ("/attachments", f"/attachments/{attachment_id}"):
        assert (await _get(graph, message_url(sent.message_id, rest)))[0] == 504


async def test_a_message_comes_as_mime(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """GET …/$value, attachments included."""
    sent = await sim.deliver(mailbox, MAIL)
    async with graph.get(message_url(sent.message_id, "/$value")) as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        parsed = message_from_bytes(await response.read())
    assert next(part.get_filename() for part in parsed.walk() if part.get_filename()) == "résultats.csv"
