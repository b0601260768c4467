"""Texts too long for memory: UTF-8 in a temporary file, read and written piece by piece.

A mail body may have 100 MB, and Python takes up to four bytes for each of its characters as soon as one is an emoji.
"""

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final

LONG: Final = 256 * 1024
"""Bytes of UTF-8 from which on a text is long."""
PIECE_BYTES: Final = 64 * 1024
"""Bytes of a long text in memory at a time: less than a thread processes before another one is scheduled."""


def storable(text: str) -> tuple[str, int]:
    """The text with U+FFFD in place of lone surrogates and NUL, which no database accepts; and their number."""
    if is_storable(text):
        return text, 0
    # Through UTF-16, so that a pair that arrived as two escapes becomes one character again.
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "\ufffd")
    return whole, whole.count("\ufffd") - text.count("\ufffd")


def is_storable(text: str) -> bool:
    """Check for a text that `storable` leaves as it is."""
    # Some hundred times as fast as a search by a regular expression, which is slow for a set of characters.
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return "\x00" not in text


@dataclass(frozen=True, slots=True)
class LongTextFacts:
    """Facts of a long text that are known without reading it.

    `size`: bytes of its UTF-8. `characters`: code points. `sha256`: of the UTF-8, in hexadecimal. `replaced`: number of
    invalid characters, now U+FFFD.
    """

    size: int
    characters: int
    sha256: str
    replaced: int


@dataclass(frozen=True, slots=True)
class LongText:
    """A text in an open file, of characters that every database accepts. Read by one thread at a time."""

    file: IO[bytes] = field(repr=False)
    facts: LongTextFacts

    def blocks(self, limit: int = PIECE_BYTES) -> Iterator[bytes]:
        """The UTF-8, in blocks of `limit` bytes, from its beginning."""
        self.file.seek(0)
        while block := self.file.read(limit):
            yield block

    def pieces(self, limit: int = PIECE_BYTES) -> Iterator[str]:
        """The text, in pieces of about `limit` bytes of UTF-8, from its beginning."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        for block in self.blocks(limit):
            yield decoder.decode(block)

    def text(self) -> str:
        """The whole text, in memory."""
        return "".join(self.pieces())


class LongTextWriter:
    """Writes a long text into a file, piece by piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = self._characters = self._replaced = 0

    def write(self, text: str) -> None:
        """Add a piece, which must not end with half a character. Blocks: not for the event loop."""
        whole, replaced = storable(text)
        encoded = whole.encode()
        self._digest.update(encoded)
        self._file.write(encoded)
        self._size += len(encoded)
        self._characters += len(whole)
        self._replaced += replaced

    def finish(self) -> LongText:
        """Return the text; nothing may be added any more."""
        self._file.flush()
        facts = LongTextFacts(self._size, self._characters, self._digest.hexdigest(), self._replaced)
        return LongText(self._file, facts)


def cut(text: str, length: int) -> str:
    """The part of a text that fits a column of that length in UTF-16 code units, as SQL Server counts."""
    if 2 * len(text) <= length:  # no character takes more than two
        return text
    whole = text.encode("utf-16-le")
    return text if len(whole) <= 2 * length else whole[: 2 * length].decode("utf-16-le", "ignore")


def fitting(text: str | None, length: int | None = None) -> str | None:
    """The text as a column of that length accepts it: foreign text must not keep other rows from being written."""
    if text is None:
        return None
    whole, _ = storable(text)
    return whole if length is None else cut(whole, length)
