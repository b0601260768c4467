"""The attachments in a `winmail.dat`, which Outlook makes of a mail for Exchange only (MS-OXTNEF). No I/O.

Read here because no kept library does: tnefparse, of 2021, copies the rest of the file for every attribute, so that a
few megabytes made for the purpose keep it busy for hours.
"""

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from processor.pieces import NotUnpacked, Piece

CONTENT_TYPE: Final = "application/ms-tnef"
SIGNATURE: Final = b"\x78\x9f\x3e\x22"

_HEADER: Final = 6
_ATTRIBUTE: Final = struct.Struct("<BHHI")
_CHECKSUM: Final = 2
_LEVEL_ATTACHMENT: Final = 2

_RENDERING: Final = 0x9002
_TITLE: Final = 0x8010
_DATA: Final = 0x800F
_PROPERTIES: Final = 0x9005
_CODE_PAGE: Final = 0x9007

# Properties of an attachment (MS-OXPROPS).
_CONTENT: Final = 0x3701
_DISPLAY_NAME: Final = 0x3001
_SHORT_NAME: Final = 0x3704
_LONG_NAME: Final = 0x3707
_MIME_TYPE: Final = 0x370E
_CONTENT_ID: Final = 0x3712
_LOCATION: Final = 0x3713

# Types of properties: bytes of those of fixed length, filled up to four; those that tell their length.
_FIXED: Final = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_OBJECT: Final = 0x0D
_TEXT: Final = 0x1E
_UNICODE: Final = 0x1F
_VARIABLE: Final = frozenset({_OBJECT, _TEXT, _UNICODE, 0x102})
_SEVERAL: Final = 0x1000
_NAMED: Final = 0x8000
# Before an object stands the interface it is of: a mail is a TNEF stream again.
_INTERFACE_LENGTH: Final = 16
_INTERFACE_MESSAGE: Final = bytes.fromhex("0703020000000000c000000000000046")


@dataclass(slots=True)
class _Found:
    title: str | None = None
    content: bytes = b""
    is_mail: bool = False
    texts: dict[int, str] = field(default_factory=dict)

    def take(self, name: int, value: bytes, encoding: str) -> None:
        """An attribute of the attachment."""
        if name == _TITLE:
            self.title = _text(value, encoding)
        elif name == _DATA:
            self.content = value
        elif name == _PROPERTIES:
            _read_properties(value, encoding, self)

    def as_piece(self) -> Piece:
        texts = self.texts
        name = texts.get(_LONG_NAME) or self.title or texts.get(_SHORT_NAME) or texts.get(_DISPLAY_NAME)
        return Piece(
            name=name or None,
            content_type=CONTENT_TYPE if self.is_mail else texts.get(_MIME_TYPE) or None,
            content=self.content,
            content_id=texts.get(_CONTENT_ID) or None,
            content_location=texts.get(_LOCATION) or None,
        )


def attachments_in(stream: bytes) -> Iterator[Piece]:
    """What is attached, in its order; an attached mail is a TNEF stream itself.

    Raises:
        NotUnpacked: this is no TNEF, or it is cut off or damaged.
    """
    if not stream.startswith(SIGNATURE):
        raise NotUnpacked("It is called TNEF and is none.")
    encoding, found = "cp1252", None
    for level, name, value in _attributes(stream):
        if name == _CODE_PAGE and len(value) >= struct.calcsize("<I"):
            encoding = _codec(struct.unpack_from("<I", value)[0])
        if level != _LEVEL_ATTACHMENT:
            continue
        if name == _RENDERING or found is None:
            if found is not None:
                yield found.as_piece()
            found = _Found()
        found.take(name, value, encoding)
    if found is not None:
        yield found.as_piece()


def _attributes(stream: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = _HEADER
    if len(stream) < _HEADER:
        raise _damaged()
    while offset < len(stream):
        if offset + _ATTRIBUTE.size > len(stream):
            raise _damaged()
        level, name, _, length = _ATTRIBUTE.unpack_from(stream, offset)
        offset += _ATTRIBUTE.size
        if offset + length + _CHECKSUM > len(stream):
            raise _damaged()
        yield level, name, stream[offset : offset + length]
        offset += length + _CHECKSUM


class _Reader:
    """Goes through the properties of an attachment."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def take(self, length: int) -> bytes:
        """The next bytes, and what fills them up to a multiple of four."""
        end = self._offset + length
        if end > len(self._data):
            raise _damaged()
        taken = self._data[self._offset : end]
        self._offset = end + -length % 4
        return taken

    def number(self) -> int:
        found: int = struct.unpack("<I", self.take(4))[0]
        return found


def _read_properties(data: bytes, encoding: str, found: _Found) -> None:
    reader = _Reader(data)
    for _ in range(reader.number()):
        tag = reader.number()
        kind, name = tag & 0xFFFF, tag >> 16
        if name >= _NAMED:
            _pass_over_name(reader)
        for value in _values(reader, kind):
            _take_property(name, kind, value, encoding, found)


def _pass_over_name(reader: _Reader) -> None:
    reader.take(16)
    if reader.number():
        reader.take(reader.number())
    else:
        reader.number()


def _values(reader: _Reader, kind: int) -> Iterator[bytes]:
    single = kind & ~_SEVERAL
    if single in _VARIABLE:
        for _ in range(reader.number()):
            yield reader.take(reader.number())
    elif single in _FIXED:
        for _ in range(reader.number() if kind & _SEVERAL else 1):
            yield reader.take(_FIXED[single])
    else:
        raise _damaged()


def _take_property(name: int, kind: int, value: bytes, encoding: str, found: _Found) -> None:
    if name == _CONTENT and kind == _OBJECT:
        found.is_mail = value.startswith(_INTERFACE_MESSAGE)
        found.content = value[_INTERFACE_LENGTH:]
    elif name == _CONTENT:
        found.content = value
    elif kind == _UNICODE:
        found.texts[name] = _text(value, "utf-16-le")
    elif kind == _TEXT:
        found.texts[name] = _text(value, encoding)


def _text(value: bytes, encoding: str) -> str:
    return value.decode(encoding, "replace").partition("\x00")[0]


def _codec(number: int) -> str:
    try:
        return codecs.lookup("utf-8" if number == 65001 else f"cp{number}").name  # Windows' number for it
    except LookupError:
        return "cp1252"


def _damaged() -> NotUnpacked:
    return NotUnpacked("It is damaged: what it says of its own lengths does not fit.")
