"""The pictures of a mail that are shown: small inline ones, as `data:` addresses. Others would tell that it is read."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote

from sqlalchemy import Engine

from db.queries.contents import ContentDiffers, pieces_of
from db.queries.exports import Attachment
from db.tables import attachment

PICTURE_BYTES: Final = 256 * 1024
"""Bytes of the largest picture that is shown."""
ALL_PICTURES_BYTES: Final = 2 * 1024 * 1024
"""Bytes of all pictures of a mail, one that is shown twice counted twice."""

_MOST_READ: Final = 100
_EMBEDDED: Final = re.compile(r"data:image/[a-z.+-]+;base64,([A-Za-z0-9+/=\s]+)", re.IGNORECASE)
# By their first bytes: what the sender states is not trusted. SVG is a document, and never shown.
_KINDS: Final = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "gif": re.compile(rb"GIF8[79]a"),
    "webp": re.compile(rb"RIFF.{4}WEBPVP8", re.DOTALL),
    "bmp": re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL),
}


class MailPictures:
    """The pictures of one mail. `read` returns the content for a Content-ID; None: there is none, or it is large."""

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        self._read = read
        self._left = ALL_PICTURES_BYTES
        self._known: dict[str, bytes | None] = {}

    def address(self, source: str) -> str | None:
        """The `data:` address to show for the source of a picture, a `cid:` or `data:` one; None: it is not shown."""
        content = self._content(source.strip())
        if content is None or len(content) > min(PICTURE_BYTES, self._left):
            return None
        for kind, beginning in _KINDS.items():
            if beginning.match(content):
                self._left -= len(content)
                return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
        return None

    def _content(self, source: str) -> bytes | None:
        if source[:4].lower() == "cid:":
            return self._attached(unquote(source[4:]).strip("<> "))
        # In base64 four letters are three bytes; there may be line breaks.
        embedded = _EMBEDDED.fullmatch(source) if len(source) < PICTURE_BYTES * 3 // 2 else None
        if embedded is None:
            return None
        try:
            return base64.b64decode("".join(embedded[1].split()), validate=True)
        except binascii.Error:
            return None

    def _attached(self, content_id: str) -> bytes | None:
        if content_id not in self._known:
            if len(self._known) >= _MOST_READ:
                return None
            self._known[content_id] = self._read(content_id)
        return self._known[content_id]


def inline_contents(engine: Engine, parts: Iterable[Attachment]) -> Callable[[str], bytes | None]:
    """A reader for `MailPictures` of the attachments of a message (`db.queries.exports.attachments_of`).

    It raises DatabaseUnavailable.
    """
    known: dict[str, Attachment] = {}
    for each in parts:
        content_id = (each.facts["content_id"] or "").strip("<> ")
        if content_id and each.size is not None and 0 < each.size <= PICTURE_BYTES:
            known.setdefault(content_id, each)

    def read(content_id: str) -> bytes | None:
        part = known.get(content_id)
        if part is None or part.size is None:
            return None
        try:
            return b"".join(pieces_of(engine, attachment, part.number, size=part.size))
        except ContentDiffers:  # purged or replaced meanwhile
            return None

    return read
