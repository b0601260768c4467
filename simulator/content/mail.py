"""A mail as its sender wrote it, for delivery into a mailbox."""

import hashlib
import html
import re
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime
from enum import StrEnum

from simulator.content.contents import Content, HeldContent, read_all

_DIRECTORY = "/O=EXCHANGELABS/OU=EXCHANGE ADMINISTRATIVE GROUP (FYDIBOHF23SPDLT)/CN=RECIPIENTS"
_TAGS = re.compile(r"<[^>]+>")
_BREAKS = re.compile(r"(?i)<br\s*/?>|</p>|</div>|</tr>|</li>")
_INVISIBLE = re.compile(r"(?is)<(head|style|script)\b.*?</\1>")


class AttachmentKind(StrEnum):
    """The three derived types of attachment (docs/graph.md, section 7)."""

    FILE = "file"
    ITEM = "item"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Person:
    """A name and an address: Graph's `emailAddress`, in which the address may be missing (docs/graph.md, section 7).

    `address` may be the name that Exchange's directory has for a member of its own organisation; `smtp` is then the
    address that Exchange keeps beside it, if any.
    """

    name: str
    address: str | None
    smtp: str | None = None

    @property
    def smtp_address(self) -> str | None:
        """The SMTP address, as in Exchange's properties."""
        return self.smtp or (self.address if self.address and "@" in self.address else None)


@dataclass(frozen=True)
class Attachment:
    """One attachment; `content`: a file's bytes, an item's MIME, iCalendar or vCard; nothing for a reference."""

    name: str
    content: Content | None
    content_type: str | None = "application/octet-stream"
    kind: AttachmentKind = AttachmentKind.FILE
    is_inline: bool = False
    content_id: str | None = None
    source_url: str | None = None

    @property
    def size(self) -> int:
        """Size as Graph states it."""
        return self.content.size if self.content else 0


def by_directory_name(person: Person, *, keeps_smtp: bool = True) -> Person:
    """Return a member of Exchange's own organisation by its name there: X.500, in its directory.

    `keeps_smtp`: the properties of sent mail hold the SMTP address.
    """
    local = (person.smtp_address or person.name).partition("@")[0].upper()
    number = hashlib.md5(local.encode(), usedforsecurity=False).hexdigest().upper()
    name = f"{_DIRECTORY}/CN={number}-{local}"
    return Person(person.name, name, person.smtp_address if keeps_smtp else None)


def file_attachment(name: str, data: bytes, content_type: str = "application/octet-stream") -> Attachment:
    """Return an ordinary file."""
    return Attachment(name, HeldContent(data), content_type)


def inline_attachment(name: str, data: bytes, content_type: str, content_id: str) -> Attachment:
    """Return a picture the HTML body shows as `cid:CONTENT_ID`."""
    return Attachment(name, HeldContent(data), content_type, is_inline=True, content_id=content_id)


def item_attachment(mail: "Mail") -> Attachment:
    """Return another mail, attached as an item."""
    return item_of(mail.subject or "", mime(mail))


def item_of(name: str, data: bytes) -> Attachment:
    """Return an attached item: a mail as MIME, an event as iCalendar, a contact as vCard (docs/graph.md, section 7)."""
    return Attachment(name, HeldContent(data), None, AttachmentKind.ITEM)


def event_attachment(name: str, starts: datetime) -> Attachment:
    """Return an event, attached as an item."""
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//mail-importer//simulator//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{name.encode().hex()}@simulator",
        f"DTSTAMP:{starts:%Y%m%dT%H%M%SZ}",
        f"DTSTART:{starts:%Y%m%dT%H%M%SZ}",
        f"SUMMARY:{name}",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return item_of(name, _lines(lines))


def contact_attachment(person: Person) -> Attachment:
    """Return a contact, attached as an item."""
    lines = ("BEGIN:VCARD", "VERSION:3.0", f"FN:{person.name}", f"EMAIL:{person.address or ''}", "END:VCARD")
    return item_of(person.name, _lines(lines))


def reference_attachment(name: str, url: str) -> Attachment:
    """Return a link to a cloud file."""
    return Attachment(name, None, None, AttachmentKind.REFERENCE, source_url=url)


@dataclass(frozen=True)
class Mail:
    """A mail; `sent` must be aware.

    Delivery fills in a missing `sent`, `conversation_id` and, except for a draft, `internet_message_id`; a missing
    `subject` or `sender` stays null. `type_name`: the `@odata.type` of a mail of a derived type. `raw`: the mail in
    wire format, if it came so; `headers` are then all of its own.
    """

    subject: str | None = "No subject"
    sender: Person | None = Person("Sender", "sender@example.net")
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    bcc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    body: str = ""
    is_html: bool = False
    importance: str = "normal"
    sent: datetime | None = None
    internet_message_id: str | None = None
    conversation_id: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    categories: tuple[str, ...] = ()
    from_: Person | None = None
    is_draft: bool = False
    type_name: str | None = None
    raw: bytes | None = field(default=None, repr=False)

    @property
    def author(self) -> Person | None:
        """The mailbox in `from`: differs from `sender` when a delegate sent it (docs/graph.md, section 7)."""
        return self.from_ or self.sender


def plain_text(mail: Mail) -> str:
    """Return the body as text."""
    if not mail.is_html:
        return mail.body
    visible = _BREAKS.sub("\n", _INVISIBLE.sub("", mail.body))
    return html.unescape(_TAGS.sub("", visible)).strip()


def mime(mail: Mail) -> bytes:
    """Return the mail as MIME, attachments included: all of it in memory."""
    if mail.raw is not None:
        return mail.raw
    message = EmailMessage()
    message["Subject"] = mail.subject or ""
    if mail.author:
        message["From"] = _address(mail.author)
    if mail.to:
        message["To"] = ", ".join(_address(person) for person in mail.to)
    if mail.cc:
        message["Cc"] = ", ".join(_address(person) for person in mail.cc)
    if mail.sent:
        message["Date"] = format_datetime(mail.sent)
    if mail.internet_message_id:
        message["Message-ID"] = mail.internet_message_id
    message.set_content(mail.body, subtype="html" if mail.is_html else "plain")
    for attachment in mail.attachments:
        _attach(message, attachment)
    if message.is_multipart():
        # A random boundary would give the same seed different bytes; this one differs from those of mails inside.
        size = sum(attachment.size for attachment in mail.attachments)
        message.set_boundary(f"=_{len(mail.body)}_{len(mail.attachments)}_{size}_mail_importer_simulator")
    return message.as_bytes()


def _lines(lines: tuple[str, ...]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    if attachment.content is None:
        return
    if attachment.kind is AttachmentKind.ITEM and not read_all(attachment.content).startswith(b"BEGIN:"):
        message.add_attachment(message_from_bytes(read_all(attachment.content), policy=default))
        return
    main, _, sub = (attachment.content_type or "application/octet-stream").partition("/")
    if main in {"text", "message", "multipart"}:
        main, sub = "application", "octet-stream"
    message.add_attachment(
        read_all(attachment.content),
        maintype=main,
        subtype=sub or "octet-stream",
        filename=attachment.name,
        disposition="inline" if attachment.is_inline else "attachment",
        cid=f"<{attachment.content_id}>" if attachment.content_id else None,
    )


def _address(person: Person) -> str:
    return f'"{person.name}" <{person.smtp_address or "unknown@invalid.example"}>'
