"""Messages, folders and attachments as the JSON Graph gives for them (docs/graph.md, section 7)."""

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from simulator.calls import GraphError, utc_text
from simulator.content.contents import read_all
from simulator.content.mail import AttachmentKind, Person, plain_text
from simulator.state.mailboxes import Folder, Message, StoredAttachment

EXTENDED_PROPERTIES = {
    "integer 0xe08": "Integer 0xe08",
    "boolean 0xe1b": "Boolean 0xe1b",
    "string 0x5d01": "String 0x5d01",
    "string 0x5d02": "String 0x5d02",
}
"""Properties that are kept, by name in lower case without leading zeros: PidTagMessageSize, PidTagHasAttachments,
PidTagSenderSmtpAddress and PidTagSentRepresentingSmtpAddress. The second counts inline attachments, too, unlike
`hasAttachments` [?]. One that a message does not have is left out of the answer."""
_HEADERS_SIZE = 2_048
_UNSAFE = re.compile(r"(?is)<(script|iframe|object|embed)\b.*?</\1\s*>")
_ATTACHMENT_PROPERTIES_SIZE = 178


@dataclass(frozen=True, slots=True)
class View:
    """Requested form of a message: selected properties (`None`: the usual ones), id format, extended properties.

    `as_text`: the body as text. `unsafe`: an HTML body as it was sent.
    """

    select: tuple[str, ...] | None = None
    immutable: bool = False
    as_text: bool = False
    extended: tuple[str, ...] = ()
    unsafe: bool = False


def check_message_properties(names: Iterable[str]) -> None:
    """Refuse names that are no property of a message.

    Raises:
        GraphError: 400 `RequestBroker--ParseUri` (docs/graph.md, sections 7 and 9).
    """
    for name in names:
        if name != "id" and name not in _MESSAGE_PROPERTIES:
            raise unknown_property(name, "Microsoft.OutlookServices.Message")


def unknown_property(name: str, type_name: str) -> GraphError:
    """Return the error for a `$select` of a property that the type lacks."""
    text = f"Could not find a property named '{name}' on type '{type_name}'."
    return GraphError(400, "RequestBroker--ParseUri", text)


def message_json(message: Message, view: View) -> dict[str, Any]:
    """Return a message without `@odata.context`."""
    names = _USUAL_PROPERTIES if view.select is None else view.select
    derived = {"@odata.type": message.mail.type_name} if message.mail.type_name else {}
    result: dict[str, Any] = {
        **derived,
        "@odata.etag": f'W/"{message.change_key}"',
        "id": message.identifier(immutable=view.immutable),
    }
    for name in names:
        if name != "id":
            result[name] = _MESSAGE_PROPERTIES[name](message, view)
    if view.extended:
        values = _extended_values(message)
        result["singleValueExtendedProperties"] = [
            {"id": EXTENDED_PROPERTIES[name], "value": value}
            for name in view.extended
            if (value := values[name]) is not None
        ]
    return result


def _extended_values(message: Message) -> dict[str, str | None]:
    mail = message.mail
    return {
        "integer 0xe08": str(message_size(message)),
        "boolean 0xe1b": str(bool(message.attachments)).lower(),
        "string 0x5d01": mail.sender.smtp_address if mail.sender else None,
        "string 0x5d02": mail.author.smtp_address if mail.author else None,
    }


def message_size(message: Message) -> int:
    """Return the approximate size of a message in Exchange: body and attachments, and something for the headers."""
    body = len(message.mail.body.encode("utf-8", "surrogatepass"))
    return _HEADERS_SIZE + body + sum(stored.attachment.size for stored in message.attachments)


def folder_json(folder: Folder) -> dict[str, Any]:
    """Return a mail folder."""
    return {
        "id": folder.folder_id,
        "displayName": folder.display_name,
        "parentFolderId": folder.parent.folder_id if folder.parent else "",
        "childFolderCount": 0,
        "unreadItemCount": sum(not message.is_read for message in folder.messages),
        "totalItemCount": len(folder.messages),
        "sizeInBytes": 0,
        "isHidden": False,
    }


def attachment_json(stored: StoredAttachment, modified: str, *, with_content: bool) -> dict[str, Any]:
    """Return an attachment of one of the three types; `with_content` includes a file's bytes."""
    attachment = stored.attachment
    result: dict[str, Any] = {
        "@odata.type": f"#microsoft.graph.{attachment.kind}Attachment",
        "id": stored.attachment_id,
        "lastModifiedDateTime": modified,
        "name": attachment.name,
        "contentType": attachment.content_type,
        # Not the decoded length, which a client has to measure (docs/graph.md, section 7).
        "size": attachment.size + _ATTACHMENT_PROPERTIES_SIZE,
        "isInline": attachment.is_inline,
    }
    if attachment.kind is AttachmentKind.FILE:
        result["contentId"] = attachment.content_id
        result["contentLocation"] = None
        if with_content and attachment.content:
            result["contentBytes"] = base64.b64encode(read_all(attachment.content)).decode()
    return result


def _recipient(person: Person | None) -> dict[str, Any] | None:
    if person is None:
        return None
    named = {"name": person.name}
    return {"emailAddress": named if person.address is None else {**named, "address": person.address}}


def _recipients(people: tuple[Person, ...]) -> list[dict[str, Any] | None]:
    return [_recipient(person) for person in people]


def _body(message: Message, view: View) -> dict[str, str]:
    mail = message.mail
    if mail.is_html and not view.as_text:
        return {"contentType": "html", "content": mail.body if view.unsafe else _UNSAFE.sub("", mail.body)}
    return {"contentType": "text", "content": plain_text(mail)}


def _preview(message: Message, _view: View) -> str:
    return plain_text(message.mail)[:255]


def _headers(message: Message, _view: View) -> list[dict[str, str]]:
    mail = message.mail
    usual = [("Message-ID", message.internet_message_id or ""), ("MIME-Version", "1.0")] if mail.raw is None else []
    return [{"name": name, "value": value} for name, value in (*usual, *mail.headers)]


_Property = Callable[[Message, View], Any]

_MESSAGE_PROPERTIES: dict[str, _Property] = {
    "createdDateTime": lambda m, _: utc_text(m.received),
    "lastModifiedDateTime": lambda m, _: utc_text(m.modified),
    "changeKey": lambda m, _: m.change_key,
    "categories": lambda m, _: list(m.mail.categories),
    "receivedDateTime": lambda m, _: utc_text(m.received),
    "sentDateTime": lambda m, _: utc_text(m.sent),
    "hasAttachments": lambda m, _: m.has_attachments,
    "internetMessageId": lambda m, _: m.internet_message_id,
    "subject": lambda m, _: m.mail.subject,
    "bodyPreview": _preview,
    "importance": lambda m, _: m.mail.importance,
    "parentFolderId": lambda m, _: m.folder.folder_id,
    "conversationId": lambda m, _: m.conversation_id,
    "conversationIndex": lambda m, _: base64.b64encode(m.conversation_id.encode()[-22:]).decode(),
    "isDeliveryReceiptRequested": lambda _m, _: None,
    "isReadReceiptRequested": lambda _m, _: False,
    "isRead": lambda m, _: m.is_read,
    "isDraft": lambda m, _: m.mail.is_draft,
    "webLink": lambda m, _: (
        f"https://outlook.office365.com/owa/?ItemID={m.default_id}&exvsurl=1&viewmodel=ReadMessageItem"
    ),
    "inferenceClassification": lambda _m, _: "focused",
    "body": _body,
    "sender": lambda m, _: _recipient(m.mail.sender),
    "from": lambda m, _: _recipient(m.mail.author),
    "toRecipients": lambda m, _: _recipients(m.mail.to),
    "ccRecipients": lambda m, _: _recipients(m.mail.cc),
    "bccRecipients": lambda m, _: _recipients(m.mail.bcc),
    "replyTo": lambda m, _: _recipients(m.mail.reply_to),
    "flag": lambda _m, _: {"flagStatus": "notFlagged"},
    "uniqueBody": _body,
    "internetMessageHeaders": _headers,
}
_ONLY_SELECTED = {"uniqueBody", "internetMessageHeaders"}
_USUAL_PROPERTIES = tuple(name for name in _MESSAGE_PROPERTIES if name not in _ONLY_SELECTED)
