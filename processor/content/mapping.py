"""Mapping of Graph's JSON to the records of the gateway database. No I/O.

Shapes: https://learn.microsoft.com/graph/api/resources/message (docs/graph.md, section 7). A value that Graph omits, or
sends in another shape than documented, becomes None, never an empty text.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from db.queries.filtered import FilteredMessage
from db.records import AttachmentRecord, HeaderRecord, MessageRecord, OriginalRecord, RecipientRecord
from db.tables import GRAPH_ID_LENGTH, INTERNET_ID_LENGTH, WORD_LENGTH
from longtext import LongText
from processor.content.addresses import is_smtp
from processor.content.extended import ATTACHED, SIZE, extended
from processor.content.texts import Texts
from processor.filters import Facts, LeftOut

Json = dict[str, Any]

_RECIPIENTS: Final = (("to", "toRecipients"), ("cc", "ccRecipients"), ("bcc", "bccRecipients"), ("replyTo", "replyTo"))
_KINDS: Final = {
    "#microsoft.graph.fileattachment": "file",
    "#microsoft.graph.itemattachment": "item",
    "#microsoft.graph.referenceattachment": "reference",
}
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}
# A scheme has no letter case: a body of CID: shows its pictures just as well.
_SHOWN_BY_ID: Final = re.compile("cid:", re.IGNORECASE)
LARGEST_SIZE: Final = 2**63 - 1
"""Bytes; more is no size, and no column holds it."""


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a message, and Graph's name of its type, `html` or `text`."""

    kind: str | None
    content: str | LongText | None = field(repr=False)


def body_of(message: Json, texts: Texts) -> Body:
    """The body as the database accepts it."""
    body = _object(message.get("body"))
    return Body(texts.take(body.get("contentType"), limit=WORD_LENGTH), texts.take_long(body.get("content")))


def message_record(
    account_id: int,
    graph_message_id: str,
    message: Json,
    attachments: Sequence[AttachmentRecord],
    *,
    correlation: str,
    texts: Texts,
    headers: Collection[str] | None = (),
    body: Body | None = None,
    body_text: str | LongText | None = None,
    after_import: str | None = None,
    original: OriginalRecord | None = None,
    has_placeholders: bool = False,
) -> MessageRecord:
    """The row of a message and all below it.

    `headers`: the internet headers that are kept, by name in lower case; None: all. `body`: as of `body_of`, which
    reads it otherwise. The rest goes into the record as it is.
    """
    text = texts.take
    sender = _address(message.get("sender"), texts) or (None, None)
    author = _address(message.get("from"), texts) or sender
    flag = _object(message.get("flag"))
    body = body or body_of(message, texts)
    return MessageRecord(
        account_id=account_id,
        graph_message_id=graph_message_id,
        internet_message_id=text(message.get("internetMessageId"), limit=INTERNET_ID_LENGTH),
        conversation_id=text(message.get("conversationId"), limit=GRAPH_ID_LENGTH),
        subject=text(message.get("subject")),
        from_name=author[0],
        from_address=author[1],
        sender_name=sender[0],
        sender_address=sender[1],
        sent=time(message.get("sentDateTime")),
        received=time(message.get("receivedDateTime")),
        importance=text(message.get("importance"), limit=WORD_LENGTH),
        body_type=body.kind,
        body=body.content,
        has_attachments=message.get("hasAttachments") is True,
        correlation=correlation,
        recipients=list(_recipients(message, texts)),
        attachments=attachments,
        created=time(message.get("createdDateTime")),
        categories=[each for each in map(text, _listed(message.get("categories"))) if each],
        flag_status=text(flag.get("flagStatus"), limit=WORD_LENGTH),
        conversation_index=text(message.get("conversationIndex")),
        read=_yes_or_no(message.get("isRead")),
        web_link=text(message.get("webLink")),
        parent_folder_id=text(message.get("parentFolderId"), limit=GRAPH_ID_LENGTH),
        change_key=text(message.get("changeKey")),
        size=size_of(message),
        headers=list(_headers(message, headers, texts)),
        body_text=body_text,
        after_import=after_import,
        original=original,
        has_placeholders=has_placeholders,
    )


def filtered_record(
    account_id: int, graph_message_id: str, message: Json, why: LeftOut, *, seen: datetime
) -> FilteredMessage:
    """The row of a message that is not imported."""
    texts = Texts()
    author = author_of(message, texts)
    return FilteredMessage(
        account_id=account_id,
        graph_message_id=graph_message_id,
        internet_message_id=texts.take(message.get("internetMessageId"), limit=INTERNET_ID_LENGTH),
        from_address=author[1],
        received=time(message.get("receivedDateTime")),
        size=size_of(message),
        reason=why.reason,
        rule=why.rule,
        seen=seen,
    )


def author_of(message: Json, texts: Texts) -> tuple[str | None, str | None]:
    """Displayed name and address of `from`; where it is missing, of `sender`."""
    return _address(message.get("from"), texts) or _address(message.get("sender"), texts) or (None, None)


def _headers(message: Json, kept: Collection[str] | None, texts: Texts) -> Iterable[HeaderRecord]:
    for each in _listed(message.get("internetMessageHeaders")):
        name = texts.take(each.get("name")) if isinstance(each, dict) else None
        if name and (kept is None or name.lower() in kept):
            yield HeaderRecord(name, texts.take(each.get("value")))


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _yes_or_no(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def has_attachments(message: Json) -> bool | None:
    """True if files are attached; None: only their list shows it (`files_among`).

    `hasAttachments` is false where all of them are inline, as some programs mark files, too. Exchange's own property
    counts those as well, and pictures that the body shows; where Graph does not give it, nothing is known.
    """
    if message.get("hasAttachments") is True:
        return True
    attached = _TRUTHS.get(str(extended(message, ATTACHED)).strip().lower())
    if attached is False and message.get("hasAttachments") is False and not _shows_attached(message):
        return False
    return None


def files_among(attachments: Sequence[AttachmentRecord], message: Json) -> bool | None:
    """Check whether any of these is more than a picture that the body shows; None: a long body may show them all."""
    shown = [_is_shown(each, message) for each in attachments if each.is_listed]
    if False in shown:
        return True
    return None if None in shown else False


def _is_shown(attachment: AttachmentRecord, message: Json) -> bool | None:
    shown = attachment.content_id
    if not shown or not attachment.inline or not (attachment.content_type or "").lower().startswith("image/"):
        return False
    content = _object(message.get("body")).get("content")
    if isinstance(content, LongText):
        return None
    return isinstance(content, str) and f"cid:{shown}".lower() in content.lower()


def _shows_attached(message: Json) -> bool:
    content = _object(message.get("body")).get("content")
    # A long one may: an unneeded list costs less than reading it.
    return isinstance(content, LongText) or (isinstance(content, str) and _SHOWN_BY_ID.search(content) is not None)


def facts_of(message: Json) -> Facts:
    """Facts for the filters."""
    texts = Texts()
    addresses = [_address(message.get(name), texts) for name in ("from", "sender")]
    found = [each[1] for each in addresses if each is not None]
    return Facts(
        senders=[each if is_smtp(each) else None for each in found] or [None],
        subject=texts.take(message.get("subject")),
        has_attachments=has_attachments(message),
        size=size_of(message),
    )


def size_of(message: Json) -> int | None:
    """Bytes of the whole message, from the extended property 0x0E08; None when Graph does not state it."""
    size = _whole_number(extended(message, SIZE))
    return size if size is not None and 0 <= size <= LARGEST_SIZE else None


def kind_of(attachment: Json) -> str | None:
    """`file`, `item` or `reference`; None for a type this program does not know."""
    return _KINDS.get(str(attachment.get("@odata.type")).lower())


def time(value: object) -> datetime | None:
    """An aware UTC time from Graph's ISO 8601 (up to seven fraction digits, any offset); None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is UTC:  # as Graph sends it
            return moment
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _recipients(message: Json, texts: Texts) -> Iterable[RecipientRecord]:
    for kind, key in _RECIPIENTS:
        for position, entry in enumerate(_listed(message.get(key))):
            name, address = _address(entry, texts) or (None, None)
            yield RecipientRecord(kind, position, name, address)


def _address(entry: object, texts: Texts) -> tuple[str | None, str | None] | None:
    found = _object(entry).get("emailAddress")
    if not isinstance(found, dict):
        return None
    return texts.take(found.get("name")), texts.take(found.get("address"))


def _whole_number(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None
