"""The facts of a stored message by which rules decide."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a `.zip`. `number`: its position there, from 0; `name`: as the archive has it, with its folders.

    `problem`: the reason for which it cannot be read, a word of `delivery.archives.Problem`; None: it can.
    """

    number: int
    name: str = field(repr=False)
    size: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AttachmentFacts:
    """A row of `tblEmailAttachment`. `name`: as sent; `safe_name`: as it can be written to any disk.

    `inline`: marked as part of the body, and with the content id by which one shows it.
    `state`: stored, linked, too_large, unreadable, gone; with `purged`, the bytes of a stored one were deleted since.
    `origin`: graph, item, tnef, smime; `parent`: position of the attachment from which it was unpacked.
    `members`: the files in it, if it is a `.zip` whose list was read; None: it was not read.
    """

    position: int
    kind: str
    name: str | None = field(repr=False)
    safe_name: str = field(repr=False)
    content_type: str | None
    size: int
    inline: bool
    state: str
    sha256: str | None
    origin: str = "graph"
    parent: int | None = None
    purged: bool = False
    members: Sequence[Member] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MailFacts:
    """A stored message. `senders`: addresses of from and, where it differs, sender; `recipients`: of to, cc and bcc.

    `message_id`: `nMessageID`, 0 for a mail that is in a file. `body_text`: as displayed. `has_html`: the body is HTML.
    `original_state`: of the stored original; None: it was not requested.
    """

    message_id: int
    account_id: int
    imported: datetime
    received: datetime | None
    senders: Sequence[str] = field(repr=False)
    recipients: Sequence[str] = field(repr=False)
    subject: str | None = field(repr=False)
    body_text: str | None = field(repr=False)
    has_html: bool = False
    attachments: Sequence[AttachmentFacts] = field(default=(), repr=False)
    original_state: str | None = None
