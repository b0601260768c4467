"""Records of messages: what is written of each, without any SQL. Light to load: worker processes that unpack use it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import IO, Final, Self, TypeGuard

from db.identity import DuplicateKey, Part, content_digest, message_digest, part_digest
from db.outcomes import SIZE_DIFFERS, WHOLE, ContentState
from longtext import LongText

_NAMED_LACKING: Final = 3
"""Missing attachments that are named each."""


@dataclass(frozen=True, slots=True)
class RecipientRecord:
    """One row of `tblEmailRecipient`. `kind`: to, cc, bcc, replyTo; `position` counts from 0 within the kind."""

    kind: str
    position: int
    name: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class AttachmentRecord:
    """One row of `tblEmailAttachment`. `kind`: file, item, reference.

    `content`: the bytes, or an open file at whose start `size` bytes can be read; None when there are none, and `state`
    (stored, linked, too_large, unreadable, gone) and `state_detail` give the reason; `size` is then Graph's value.
    `item_type`: message, event, contact. `parent_position`: of its source, if unpacked; `origin`: graph, item, tnef,
    smime. No column: `wrapped_text`, the text of the mail of which it is another form (signed mail, `winmail.dat`).
    """

    position: int
    graph_attachment_id: str | None
    kind: str
    file_name: str | None
    content_type: str | None
    size: int
    inline: bool
    content_id: str | None
    sha256: str | None
    content: bytes | IO[bytes] | None = field(repr=False)
    state: str = ContentState.STORED
    state_detail: str | None = None
    safe_file_name: str | None = None
    item_type: str | None = None
    link: str | None = field(default=None, repr=False)
    link_provider: str | None = None
    link_permission: str | None = None
    content_location: str | None = None
    parent_position: int | None = None
    origin: str = "graph"
    wrapped_text: str | LongText | None = field(default=None, repr=False)

    @property
    def is_confirmed(self) -> bool:
        """False where it may be a fragment; by its detail, so that its row tells it, too."""
        return is_whole(self.state_detail)

    def with_problem(self, problem: str) -> Self:
        """The same with this reason of not being unpacked; that it may be a fragment stays before it."""
        return replace(self, state_detail=problem if self.is_confirmed else f"{self.state_detail} {problem}")

    @property
    def is_listed(self) -> bool:
        """True if Graph listed it; if not, it was unpacked from one that Graph listed."""
        return self.parent_position is None

    @property
    def compared(self) -> Part:
        """The features that it shares with the attachment of a copy."""
        digest = part_digest(kind=self.kind, state=self.state, sha256=self.sha256, link=self.link)
        return Part(self.file_name, self.size, digest)


@dataclass(frozen=True, slots=True)
class OriginalRecord:
    """One row of `tblEmailOriginal`: the message as MIME, packed by `compression`.

    `content`: the packed bytes, or an open file at whose start `stored_size` of them can be read; None when there are
    none, and `state` (too_large, unreadable, gone) and `state_detail` give the reason. `size`, `sha256`: of the MIME.
    """

    state: str
    state_detail: str | None = None
    size: int | None = None
    sha256: str | None = None
    compression: str | None = None
    stored_size: int = 0
    content: bytes | IO[bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HeaderRecord:
    """One row of `tblEmailHeader`; rows are in the order of the mail."""

    name: str
    value: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One row of `tblEmailMessage` with everything below it. Times are aware UTC.

    `size`: bytes of the whole message, as Exchange counts them. `after_import`: the action in the mailbox after the
    commit: read, move, delete; None: nothing.
    """

    account_id: int
    graph_message_id: str
    internet_message_id: str | None
    conversation_id: str | None
    subject: str | None = field(repr=False)
    from_name: str | None = field(repr=False)
    from_address: str | None = field(repr=False)
    sent: datetime | None
    received: datetime | None
    importance: str | None
    body_type: str | None
    body: str | LongText | None = field(repr=False)
    has_attachments: bool
    correlation: str
    recipients: Sequence[RecipientRecord] = field(repr=False)
    attachments: Sequence[AttachmentRecord] = field(repr=False)
    sender_name: str | None = field(default=None, repr=False)
    sender_address: str | None = field(default=None, repr=False)
    created: datetime | None = None
    categories: Sequence[str] = field(default=(), repr=False)
    flag_status: str | None = None
    conversation_index: str | None = None
    body_text: str | LongText | None = field(default=None, repr=False)
    read: bool | None = None
    web_link: str | None = field(default=None, repr=False)
    parent_folder_id: str | None = None
    change_key: str | None = None
    size: int | None = None
    headers: Sequence[HeaderRecord] = field(default=(), repr=False)
    after_import: str | None = None
    original: OriginalRecord | None = None
    """None: it was not requested."""
    has_placeholders: bool = False
    """Defender has not released its attachments."""

    @property
    def message_digest(self) -> str:
        """The digest of all but the attachments, computed each time."""
        return message_digest(
            internet_message_id=self.internet_message_id,
            sent=self.sent,
            senders=(self.from_address, self.sender_address),
            subject=self.subject,
            body=self.body,
        )

    @property
    def features(self) -> DuplicateKey:
        """The features that its copies share; computed each time."""
        parts = (part.compared for part in self.attachments if part.is_listed)
        content = content_digest(self.message_digest, parts)
        return DuplicateKey(self.account_id, self.internet_message_id, self.received, content)

    @property
    def lacking(self) -> str | None:
        """A list of the listed parts that are not stored, for an operator; None: nothing is missing."""
        listed = [
            each for each in self.attachments if each.is_listed and (each.state not in WHOLE or not each.is_confirmed)
        ]
        found = [
            f"attachment {each.position + 1}: {each.state if each.is_confirmed else 'not all of it, perhaps'}"
            for each in listed[:_NAMED_LACKING]
        ]
        if len(listed) > _NAMED_LACKING:
            found.append(f"attachments: {len(listed)} in all")
        if self.original is not None and self.original.state != ContentState.STORED:
            found.append(f"original: {self.original.state}")
        return ", ".join(found) or None

    @property
    def key(self) -> tuple[int, str]:
        """The unique key of the message."""
        return (self.account_id, self.graph_message_id)

    @property
    def streams(self) -> bool:
        """True if some content or text is in a file because it is too large for memory."""
        parts = (*self.attachments, self.original)
        return bool(self.long_texts) or any(is_file(part.content) for part in parts if part is not None)

    @property
    def long_texts(self) -> dict[str, LongText]:
        """Its texts that are in files, by column."""
        texts = (("sBody", self.body), ("sBodyText", self.body_text))
        return {column: each for column, each in texts if isinstance(each, LongText)}


def is_whole(state_detail: str | None) -> bool:
    """False where a stored attachment with this detail may be a fragment."""
    return not (state_detail or "").startswith(SIZE_DIFFERS)


def is_file(content: bytes | IO[bytes] | None) -> TypeGuard[IO[bytes]]:
    """True of a content that is in a file."""
    return content is not None and not isinstance(content, bytes)
