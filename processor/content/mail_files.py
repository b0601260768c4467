"""A mail that is in a file, as the facts by which import rules decide: no row of the database, and no account."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from db.records import AttachmentRecord
from longtext import LongText
from processor.content import mime
from processor.content.attachments import with_safe_names
from processor.content.isolated_unpacking import IsolatedUnpacker
from processor.content.mime_headers import Headers, split_headers
from processor.content.parts import BodyText
from processor.content.texts import Texts
from rules.mail import AttachmentFacts, MailFacts

_WRAPPED: Final = 0
"""The position of the mail itself, which is unpacked like an attached one."""
_MAX_HEADER: Final = 64 * 1024


class NotAMail(Exception):
    """The bytes do not begin with the headers of a mail."""


@dataclass(frozen=True, slots=True)
class MailFile:
    """The mail in a file: its facts, and its attachments with their contents.

    `detail`: the reason, in a sentence, for which it was not read, or only in part.
    """

    facts: MailFacts
    attachments: Sequence[AttachmentRecord] = field(repr=False)
    detail: str | None = None


async def read_mail(content: bytes, unpacker: IsolatedUnpacker, files: ExitStack, *, now: datetime) -> MailFile:
    """Read a mail as if it had been imported `now`; `files` closes, and so deletes, temporary files.

    Raises:
        NotAMail
    """
    if not mime.is_mail(content):
        raise NotAMail
    headers, _ = split_headers(content, 0, len(content))
    whole, *below = await unpacker.unpacked([_wrapped(content)], files, Texts(), mailbox="file")
    attachments = with_safe_names(_raised(below))
    text = whole.wrapped_text
    return MailFile(
        MailFacts(
            message_id=0,
            account_id=0,
            imported=now,
            received=_date(headers),
            senders=_addresses(headers, b"from", b"sender"),
            recipients=_addresses(headers, b"to", b"cc", b"bcc"),
            subject=headers.text(b"subject"),
            body_text=text.text() if isinstance(text, LongText) else text,
            has_html=_has_html(content),
            attachments=[_facts(each) for each in attachments],
            original_state="stored",
        ),
        attachments,
        whole.state_detail,
    )


def _wrapped(content: bytes) -> AttachmentRecord:
    # As if it had been signed: the text of such a mail is read, too.
    return AttachmentRecord(
        position=_WRAPPED,
        graph_attachment_id=None,
        kind="item",
        file_name=None,
        content_type=None,
        size=len(content),
        inline=False,
        content_id=None,
        sha256=None,
        content=content,
        item_type="message",
        origin="smime",
    )


def _raised(below: Sequence[AttachmentRecord]) -> list[AttachmentRecord]:
    """The rows without the mail above them, and with the origins that they have where it is not signed."""
    rows: list[AttachmentRecord] = []
    for each in below:
        parent = (each.parent_position or _WRAPPED) - 1
        if parent < 0:
            parent_position, origin = None, "graph"
        else:
            is_attached = rows[parent].item_type == "message" and rows[parent].origin != "smime"
            parent_position, origin = parent, "item" if is_attached else each.origin
        rows.append(replace(each, position=each.position - 1, parent_position=parent_position, origin=origin))
    return rows


def _facts(row: AttachmentRecord) -> AttachmentFacts:
    return AttachmentFacts(
        position=row.position,
        kind=row.kind,
        name=row.file_name,
        safe_name=row.safe_file_name or f"attachment-{row.position + 1}",
        content_type=row.content_type,
        size=row.size,
        inline=row.inline and bool(row.content_id),
        state=row.state,
        sha256=row.sha256,
        origin=row.origin,
        parent=row.parent_position,
    )


def _has_html(content: bytes) -> bool:
    body = next((each for each in mime.pieces_in(content) if isinstance(each, BodyText)), None)
    return body is not None and body.is_html


def _addresses(headers: Headers, *names: bytes) -> Sequence[str]:
    found = (address for name in names for address in _addresses_in(headers, name) if "@" in address)
    return tuple(dict.fromkeys(found))


def _addresses_in(headers: Headers, name: bytes) -> Iterator[str]:
    values = [value[:_MAX_HEADER].decode("utf-8", "replace") for key, value in headers.fields if key == name]
    try:
        named = getaddresses(values)
    except RecursionError:  # comments within comments, hundreds deep
        return
    for _, address in named:
        yield address


def _date(headers: Headers) -> datetime | None:
    try:
        found = parsedate_to_datetime(headers.text(b"date") or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return None if found.tzinfo is None else found
