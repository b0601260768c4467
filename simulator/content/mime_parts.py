"""The parts of a mail (RFC 2045 to 2049), sorted as in Exchange: one body, and attachments."""

import mimetypes
import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import SMTP
from typing import Final

from simulator.content.charsets import decoded
from simulator.content.contents import HeldContent
from simulator.content.mail import Attachment, AttachmentKind, item_of
from simulator.content.mime_headers import Part, Tolerant, file_name, header_text
from simulator.content.transfer_encodings import encoding, plain

_BLANK_IN_HEADER: Final = re.compile(rb"^(content-[a-z-]{1,40})[ \t]+:", re.IGNORECASE | re.MULTILINE)
_META_CHARSET: Final = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_META_BYTES: Final = 1024
_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")
_TOLERANT: Final = Tolerant()
# Unchanged: nothing is folded again.
_AS_IT_STANDS: Final = SMTP.clone(refold_source="none")
_SMIME: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_USUAL_NAMES: Final = {
    "application/ms-tnef": "winmail.dat",
    "application/pkcs7-mime": "smime.p7m",
    "application/x-pkcs7-mime": "smime.p7m",
    "application/x-microsoft-rpmsg-message": "message.rpmsg",
    "message/delivery-status": "details.txt",
    "message/disposition-notification": "details.txt",
}
_MEETINGS: Final = {
    "REQUEST": "#microsoft.graph.eventMessageRequest",
    "REPLY": "#microsoft.graph.eventMessageResponse",
    "COUNTER": "#microsoft.graph.eventMessageResponse",
    "CANCEL": "#microsoft.graph.eventMessage",
}


@dataclass
class Sorted:
    """The parts found. `type_name`: the derived type of a meeting mail (docs/graph.md, section 7)."""

    body: str | None = None
    is_html: bool = False
    attachments: list[Attachment] = field(default_factory=list)
    type_name: str | None = None


def parse(raw: bytes, *, headers_only: bool = False) -> Part:
    """Return the parts of a mail, or all of it as one part below its headers; any bytes give a result."""
    # Python takes a header with a blank before its colon for the beginning of the body.
    return BytesParser(policy=_TOLERANT).parsebytes(_BLANK_IN_HEADER.sub(rb"\1:", raw), headersonly=headers_only)


def taken_apart(raw: bytes) -> tuple[Part, Sorted]:
    """Return the mail, and its contents; one with too many parts in one another is one part as a whole."""
    try:
        mail = parse(raw)
        return mail, _sorted_parts(mail, raw)
    except RecursionError:
        mail = parse(raw, headers_only=True)
        return mail, _sorted_parts(mail, raw)


def _sorted_parts(mail: Part, raw: bytes) -> Sorted:
    """Return body and attachments of a mail; every part is in one of them, but for the poorer of alternatives."""
    found = Sorted()
    if _kind(mail) == "multipart/signed" and "pkcs7" in str(mail.get_param("protocol", "")):
        # Exchange keeps the whole, so that the signature can be verified, and shows the body that is inside.
        content = HeldContent(_entity(mail, raw))
        found.attachments.append(Attachment("smime.p7m", content, "multipart/signed"))
        inside = Sorted()
        _walk(mail, inside)
        found.body, found.is_html = inside.body, inside.is_html
    else:
        _walk(mail, found)
    return found


def _entity(mail: Part, raw: bytes) -> bytes:
    """Return the mail without the headers that are not of its content, its body byte for byte."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in mail.raw_items() if name.lower().startswith("content-"))
    body = _END_OF_HEADERS.split(raw, maxsplit=1)[-1]
    return headers.encode("ascii", "surrogateescape") + b"\r\n" + body


def _walk(part: Part, found: Sorted, *, related: bool = False) -> None:
    kind, children = _kind(part), _children(part)
    if kind == "multipart/alternative" and children:
        _walk_alternatives(children, found)
    elif kind == "multipart/related" and children:
        root = _root(part, children)
        for child in (root, *(each for each in children if each is not root)):
            _walk(child, found, related=child is not root)
    elif kind.startswith("multipart/") and children:
        for child in children:
            _walk(child, found)
    elif kind == "message/rfc822" and children:
        found.attachments.append(_item(part, children[0]))
    elif not (_took_meeting(part, kind, found) or _took_body(part, kind, found)):
        found.attachments.append(_file(part, kind, len(found.attachments) + 1, related=related))


def _walk_alternatives(children: Sequence[Part], found: Sorted) -> None:
    """Walk the last that holds HTML, or else the last text; of the others only those that are no text."""
    with_html = [each for each in children if _holds_html(each)]
    texts = [each for each in children if _kind(each) == "text/plain" and not _is_attached(each)]
    best = with_html or texts
    chosen = best[-1] if best else None
    for child in children:
        if child is chosen or not _is_text(child):
            _walk(child, found)


def _is_text(part: Part) -> bool:
    """Check whether it is a form of the text, and no file."""
    kind = _kind(part)
    return kind.startswith("text/") and kind != "text/calendar" and not _is_attached(part)


def _holds_html(part: Part) -> bool:
    return not _is_attached(part) and (_kind(part) == "text/html" or any(map(_holds_html, _children(part))))


def _root(part: Part, children: Sequence[Part]) -> Part:
    wanted = str(part.get_param("start", ""))
    return next((each for each in children if wanted and each["content-id"] == wanted), children[0])


def _took_meeting(part: Part, kind: str, found: Sorted) -> bool:
    method = str(part.get_param("method", "")).upper()
    if kind != "text/calendar" or method not in _MEETINGS or _is_attached(part):
        return False
    found.type_name = _MEETINGS[method]
    return True


def _took_body(part: Part, kind: str, found: Sorted) -> bool:
    if kind not in {"text/plain", "text/html"} or found.body is not None or _is_attached(part):
        return False
    content, charset = _content(part), part.get_content_charset()
    found.is_html = kind == "text/html"
    if found.is_html and not charset:
        stated = _META_CHARSET.search(content, 0, _META_BYTES)
        charset = None if stated is None else stated[1].decode()
    found.body = decoded(content, charset)
    return True


def _item(part: Part, mail: Part) -> Attachment:
    raw = _bytes(mail)
    if encoding(part["content-transfer-encoding"]) in {"base64", "quotedprintable"}:
        # RFC 2046 forbids it, but it occurs: the parser took the encoded text for the mail's.
        raw = plain(raw, part["content-transfer-encoding"])
        mail = parse(raw)
    return item_of(header_text(mail, "subject") or file_name(part) or "", raw)


def _file(part: Part, kind: str, number: int, *, related: bool) -> Attachment:
    content_id = header_text(part, "content-id")
    disposition = part.get_content_disposition()
    return Attachment(
        name=file_name(part) or _USUAL_NAMES.get(kind) or f"ATT{number:05}{_extension(kind)}",
        content=HeldContent(_content(part)),
        content_type=kind,
        kind=AttachmentKind.FILE,
        is_inline=disposition == "inline" or (related and bool(content_id) and disposition != "attachment"),
        content_id=content_id.removeprefix("<").removesuffix(">") if content_id else None,
    )


def _extension(kind: str) -> str:
    return mimetypes.guess_extension(kind) or (".txt" if kind.startswith("text/") else ".dat")


def _kind(part: Part) -> str:
    return part.get_content_type()


def _children(part: Part) -> list[Part]:
    return [each for each in part.get_payload() if isinstance(each, Message)] if part.is_multipart() else []


def _is_attached(part: Part) -> bool:
    return part.get_content_disposition() == "attachment" or file_name(part) is not None


def _content(part: Part) -> bytes:
    if not part.is_multipart():
        return plain(_payload(part), part["content-transfer-encoding"])
    # A delivery report is made of blocks of headers, an empty line after each, but for the last.
    return b"".join(map(_bytes, _children(part))).removesuffix(b"\r\n")


def _payload(part: Part) -> bytes:
    """Return the bytes as they stand there, regardless of the headers."""
    bare = copy(part)
    del bare["content-type"], bare["content-transfer-encoding"]
    payload = bare.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _bytes(part: Part) -> bytes:
    try:
        return part.as_bytes(policy=_AS_IT_STANDS)
    except UnicodeEncodeError:  # its boundary is no ASCII
        return part.as_string(policy=_AS_IT_STANDS).encode("utf-8", "surrogateescape")
