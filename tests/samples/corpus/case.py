"""A mail in wire format, and beside it, written by hand, the expected contents of the database."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

LABOR = ("Labor", "labor@example.com")
SENT = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)

Named = tuple[str | None, str | None]


@dataclass(frozen=True)
class Row:
    """A row of `tblEmailAttachment`. `name`: as sent; `safe`: for a disk, where that differs."""

    name: str | None
    content: bytes = field(repr=False)
    content_type: str | None = "application/octet-stream"
    safe: str | None = None
    kind: str = "file"
    inline: bool = False
    content_id: str | None = None
    item_type: str | None = None
    parent: int | None = None
    origin: str = "graph"
    detail: str | None = None


@dataclass(frozen=True)
class Case:
    """One mail. Defaults are those of `mail`."""

    name: str
    raw: bytes = field(repr=False)
    subject: str | None = "Befund"
    author: Named = LABOR
    sender: Named = LABOR
    recipients: tuple[tuple[str, str | None, str | None], ...] = (("to", "Eau", "eau@riviere.example"),)
    sent: datetime | None = SENT
    importance: str = "normal"
    body: str = "Bonjour\r\n"
    body_type: str = "text"
    body_text: str | None = None
    """Set if the body is HTML, or inside of an attachment."""
    rows: tuple[Row, ...] = ()
    only_inline: bool = False
    type_name: str | None = None


def wire(text: str | bytes) -> bytes:
    """Return the mail with CRLF line ends; a mail that has them stays unchanged."""
    return _encoded(text).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def mail(name: str, rest: str | bytes, *, subject: str | bytes = "Befund", **headers: str | bytes) -> bytes:
    """A mail with the usual headers, or others in their place; `rest`: more headers, an empty line, a body."""
    usual: dict[str, str | bytes] = {
        "From": "Labor <labor@example.com>",
        "To": "Eau <eau@riviere.example>",
        "Date": "Mon, 1 Mar 2027 09:15:00 +0100",
        "Message-ID": f"<{name}@example.com>",
        "Subject": subject,
        "MIME-Version": "1.0",
    }
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    lines = [key.encode() + b": " + _encoded(value) + b"\n" for key, value in {**usual, **given}.items()]
    return wire(b"".join(lines) + _encoded(rest))


def text_mail(name: str, body: bytes, charset: str | None) -> bytes:
    """A mail of one text, its bytes unchanged."""
    kind = b"Content-Type: text/plain" + (f"; charset={charset}".encode() if charset else b"")
    return mail(name, kind + b"\nContent-Transfer-Encoding: 8bit\n\n" + body)


def multipart(kind: str, *parts: str | bytes) -> bytes:
    """Header and body of a `multipart/…` whose parts begin with their headers."""
    boundary = f"=_{kind.partition(';')[0]}_{sum(map(len, parts))}".encode()
    head = b"Content-Type: multipart/" + kind.encode() + b'; boundary="' + boundary + b'"\n\n'
    return (
        head
        + b"".join(b"--" + boundary + b"\n" + _encoded(part) + b"\n" for part in parts)
        + b"--"
        + boundary
        + b"--\n"
    )


def _encoded(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


BONJOUR = "Content-Type: text/plain; charset=utf-8\n\nBonjour"
