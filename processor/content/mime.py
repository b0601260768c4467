"""The text and the attachments of a mail in MIME form (RFC 2045 to 2049). No I/O.

Parsed here, and not by Python's own parser: attached mail is to keep every byte, which that parser rewrites, and its
time for a line grows with the depth of the line's part. Parts inside of multiparts are only searched for on request,
and their headers are read as leniently as mail programs do (`mime_headers`, `transfer_encodings`).
"""

import mimetypes
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

from processor.content.mime_headers import Headers, split_headers
from processor.content.parts import BodyText, Part
from processor.content.transfer_encodings import NotDecodable, decode, encoding_name

MESSAGES: Final = frozenset({"message/rfc822", "message/global", "message/news"})
"""Content types of mail that is attached to mail (RFC 2046, 6532, 5537)."""

_MESSAGE: Final = "message/rfc822"
_BODIES: Final = frozenset({"text/plain", "text/html"})
_MAX_DEPTH: Final = 30
"""Multiparts in one another; a deeper one is one file."""
_LINE_BREAK: Final = re.compile(rb"\r\n|\r|\n|\Z")
# Headers of which at least one is in every mail, and none in other texts that begin like one.
_OF_MAIL: Final = frozenset(
    {b"from", b"to", b"subject", b"date", b"message-id", b"received", b"return-path", b"mime-version", b"sender"}
).union({b"content-type", b"content-transfer-encoding", b"content-disposition"})
# Names by Exchange for parts without one.
_USUAL_NAMES: Final = {
    "application/ms-tnef": "winmail.dat",
    "application/pkcs7-mime": "smime.p7m",
    "application/x-pkcs7-mime": "smime.p7m",
    "application/x-microsoft-rpmsg-message": "message.rpmsg",
    "message/delivery-status": "details.txt",
    "message/disposition-notification": "details.txt",
}


def pieces_in(mail: bytes) -> Iterator[Part | BodyText]:
    """The text of the mail and its attachments, in its order; attached mails are not opened.

    The text is the part that Exchange shows: HTML where there is a choice, else the first. Further texts are
    attachments; those that only repeat it in a poorer form are left out.
    """
    return _Walk().walk(_Part(mail, 0, len(mail)), 0)


def is_mail(content: bytes) -> bool:
    """Check whether the bytes begin with headers of a mail, or of a part of one."""
    headers, _ = split_headers(content, 0, len(content))
    return any(name in _OF_MAIL for name, _ in headers.fields)


def is_part(content: bytes) -> bool:
    """Check whether the bytes begin with headers that state their type."""
    headers, _ = split_headers(content, 0, len(content))
    return headers.get(b"content-type") is not None


@dataclass
class _Part:
    """A stretch of a mail: headers, and a body that may hold other parts."""

    data: bytes
    start: int
    end: int
    default_type: str = "text/plain"

    @cached_property
    def _split(self) -> tuple[Headers, int]:
        return split_headers(self.data, self.start, self.end)

    @property
    def headers(self) -> Headers:
        return self._split[0]

    @cached_property
    def kind(self) -> str:
        return self.headers.content_type(self.default_type)

    @cached_property
    def name(self) -> str | None:
        return self.headers.file_name()

    @property
    def is_attached(self) -> bool:
        return self.headers.disposition() == "attachment" or self.name is not None

    @property
    def is_body(self) -> bool:
        return self.kind in _BODIES and not self.is_attached

    @property
    def is_empty(self) -> bool:
        return self._split[1] >= self.end or not self.body().strip()

    def body(self) -> bytes:
        """The bytes below the headers, as they stand there."""
        return self.data[self._split[1] : self.end]

    @cached_property
    def encoding(self) -> str | None:
        return encoding_name((self.headers.get(b"content-transfer-encoding") or b"").decode("ascii", "replace"))

    def content(self) -> tuple[bytes, str | None]:
        """The decoded bytes, and a note on them."""
        try:
            return decode(self.body(), self.encoding), None
        except NotDecodable:
            return self.body(), f"It is not {self.encoding} as it says: these are the bytes as they were sent."

    def attached_mail(self) -> tuple[bytes, str | None]:
        """The mail that the part holds, also where it is encoded, which RFC 2046 forbids."""
        if self.encoding is None or (self.encoding == "base64" and is_mail(self.body())):
            return self.body(), None
        return self.content()

    def children(self) -> Iterator["_Part"]:
        """The parts of a multipart, in their order; none when it has no boundary or does not use it."""
        boundary = self.headers.boundary()
        if boundary is None:
            return
        found = _between(self.data, self._split[1], self.end, boundary, self._default_of_children)
        first = next(found, None)
        if first is None and self.encoding is not None:  # RFC 2045 forbids it
            content, _ = self.content()
            found = _between(content, 0, len(content), boundary, self._default_of_children)
        yield from found if first is None else chain([first], found)

    @property
    def _default_of_children(self) -> str:
        return _MESSAGE if self.kind == "multipart/digest" else "text/plain"


def _between(data: bytes, start: int, end: int, boundary: bytes, default_type: str) -> Iterator[_Part]:
    """Parts between lines of the boundary; the last one need not be closed, or another one may follow it."""
    line = re.compile(rb"--" + re.escape(boundary) + rb"(--)?[ \t]*(?=[\r\n]|\Z)")
    begin: int | None = None
    for found in line.finditer(data, start, end):
        if found.start() > start and data[found.start() - 1] not in b"\r\n":
            continue
        if begin is not None:
            yield _Part(data, begin, max(begin, _before_break(data, found.start())), default_type)
        if found[1] is not None:
            begin = None  # what follows is no part, unless another line of the boundary begins one
            continue
        ending = _LINE_BREAK.match(data, found.end(), end)
        begin = end if ending is None else ending.end()
    if begin is not None:
        yield _Part(data, begin, end, default_type)


def _before_break(data: bytes, end: int) -> int:
    """The end of the line whose break is the last thing before `end`."""
    if data[end - 2 : end] == b"\r\n":
        return end - 2
    return end - 1 if data[end - 1 : end] in (b"\r", b"\n") else end


class _Walk:
    """Walks the parts of one mail."""

    def __init__(self) -> None:
        self._has_body = False
        self._pieces = 0

    def walk(self, part: _Part, depth: int) -> Iterator[Part | BodyText]:
        """Yield what a part holds, and what the parts in it hold."""
        if part.kind in MESSAGES and not part.is_empty:
            yield self._attached_mail(part)
            return
        children = part.children() if part.kind.startswith("multipart/") and depth < _MAX_DEPTH else iter(())
        first = next(children, None)
        if first is not None:
            for child in _in_order(part, chain([first], children), depth):
                yield from self.walk(child, depth + 1)
        elif part.is_body and not self._has_body:
            self._has_body = True
            yield _body_text(part)
        elif not (part.kind.startswith("multipart/") and part.is_empty):
            yield self._file(part)

    def _attached_mail(self, part: _Part) -> Part:
        self._pieces += 1
        content, detail = part.attached_mail()
        subject = split_headers(content, 0, len(content))[0].text(b"subject")
        inline = part.headers.disposition() == "inline"
        return Part(part.name or subject, _MESSAGE, content, inline=inline, is_message=True, detail=detail)

    def _file(self, part: _Part) -> Part:
        self._pieces += 1
        content, detail = part.content()
        content_id = part.headers.text(b"content-id")
        return Part(
            name=part.name or _USUAL_NAMES.get(part.kind) or f"ATT{self._pieces:05}{_extension(part.kind)}",
            content_type=part.kind,
            content=content,
            inline=part.headers.disposition() == "inline",
            content_id=None if content_id is None else content_id.removeprefix("<").removesuffix(">"),
            content_location=part.headers.text(b"content-location"),
            detail=detail,
        )


def _in_order(part: _Part, children: Iterable[_Part], depth: int) -> Iterable[_Part]:
    """The parts of a multipart but for the poorer of alternatives, the one that the others belong to first."""
    if part.kind == "multipart/alternative":
        return _alternatives(list(children), depth)
    if part.kind == "multipart/related":
        return _root_first(part, list(children))
    return children


def _alternatives(children: list[_Part], depth: int) -> Iterable[_Part]:
    """The last that holds HTML, or else the last text, if possible not an empty one; of the others all that is no text
    of the mail."""
    best = [each for each in children if _holds_html(each, depth)]
    best = best or [each for each in children if each.is_body and not each.is_empty]
    best = best or [each for each in children if each.is_body]
    chosen = best[-1] if best else None
    return (each for each in children if each is chosen or not each.is_body)


def _holds_html(part: _Part, depth: int) -> bool:
    if depth >= _MAX_DEPTH or not part.kind.startswith("multipart/"):
        return part.kind == "text/html" and part.is_body and not part.is_empty
    return any(_holds_html(each, depth + 1) for each in part.children())


def _root_first(part: _Part, children: list[_Part]) -> Iterable[_Part]:
    wanted = part.headers.type_parameter("start")
    root = next((each for each in children if wanted and each.headers.text(b"content-id") == wanted), children[0])
    return chain([root], (each for each in children if each is not root))


def _body_text(part: _Part) -> BodyText:
    content, _ = part.content()
    return BodyText(content, part.headers.type_parameter("charset"), is_html=part.kind == "text/html")


def _extension(kind: str) -> str:
    return mimetypes.guess_extension(kind) or (".txt" if kind.startswith("text/") else ".dat")
