"""The text and the attachments in a `winmail.dat`, which Outlook makes of a mail for Exchange only (MS-OXTNEF). No I/O.

Read here because no maintained library does: tnefparse, of 2021, copies the rest of the file for every attribute, so
that a few crafted megabytes keep it busy for hours.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from processor.content import rtf
from processor.content.charsets import code_page_label, decoded
from processor.content.parts import BodyText, NotUnpacked, Part

CONTENT_TYPE: Final = "application/ms-tnef"
SIGNATURE: Final = b"\x78\x9f\x3e\x22"

_HEADER: Final = 6
_ATTRIBUTE: Final = struct.Struct("<BHHI")
_CHECKSUM: Final = 2
_LEVEL_MESSAGE: Final = 1
_LEVEL_ATTACHMENT: Final = 2
_LEVELS: Final = frozenset({_LEVEL_MESSAGE, _LEVEL_ATTACHMENT})
_DEFAULT_LABEL: Final = "cp1252"

_RENDERING: Final = 0x9002
_TITLE: Final = 0x8010
_DATA: Final = 0x800F
_PROPERTIES: Final = 0x9005
_CODE_PAGE: Final = 0x9007
_BODY: Final = 0x800C
_MESSAGE_PROPERTIES: Final = 0x9003
_OF_PROPERTIES: Final = frozenset({_PROPERTIES, _MESSAGE_PROPERTIES})

# Properties of an attachment (MS-OXPROPS).
_CONTENT: Final = 0x3701
_DISPLAY_NAME: Final = 0x3001
_SHORT_NAME: Final = 0x3704
_LONG_NAME: Final = 0x3707
_MIME_TYPE: Final = 0x370E
_CONTENT_ID: Final = 0x3712
_LOCATION: Final = 0x3713

# Properties of the message.
_PLAIN_BODY: Final = 0x1000
_RTF_BODY: Final = 0x1009
_HTML_BODY: Final = 0x1013
_BODY_CODE_PAGE: Final = 0x3FDE

_STATES_CHARSET: Final = re.compile(rb"charset\s*=", re.IGNORECASE)
_META_BYTES: Final = 1024

# Types of properties: bytes of those of fixed length, filled up to four; those that state their length.
_BYTES: Final = 0x102
_FIXED: Final = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_LONG: Final = 3
_OBJECT: Final = 0x0D
_TEXT: Final = 0x1E
_UNICODE: Final = 0x1F
_VARIABLE: Final = frozenset({_OBJECT, _TEXT, _UNICODE, _BYTES})
_SEVERAL: Final = 0x1000
_NAMED: Final = 0x8000
# An object begins with its interface: a mail is a TNEF stream again.
_INTERFACE_LENGTH: Final = 16
_INTERFACE_MESSAGE: Final = bytes.fromhex("0703020000000000c000000000000046")


@dataclass(frozen=True, slots=True)
class _Attribute:
    level: int
    name: int
    value: bytes = field(repr=False)


@dataclass(slots=True)
class _Properties:
    """Properties (MS-OXPROPS) by their numbers: the type of each, and its last value."""

    values: dict[int, tuple[int, bytes]] = field(default_factory=dict, repr=False)

    def read(self, data: bytes) -> None:
        """Add all properties of an attribute.

        Raises:
            NotUnpacked: they are damaged; those before are added.
        """
        reader = _Reader(data)
        for _ in range(reader.number()):
            tag = reader.number()
            kind, name = tag & 0xFFFF, tag >> 16
            if name >= _NAMED:
                _pass_over_name(reader)
            for value in _values(reader, kind):
                self.values[name] = (kind, value)

    def string(self, name: int, label: str) -> str | None:
        """A text; None where there is none, or an empty one."""
        kind, value = self.values.get(name, (0, b""))
        if kind not in {_TEXT, _UNICODE}:
            return None
        return _decoded(value, "utf-16-le" if kind == _UNICODE else label) or None

    def text(self, name: int, label: str) -> BodyText | None:
        """A body in plain text."""
        found = self.string(name, label)
        return (
            None
            if found is None or found.isspace()
            else BodyText(found.encode("utf-8", "replace"), "utf-8", is_html=False)
        )

    def html(self, label: str) -> BodyText | None:
        """The body in HTML, which is a text there, or bytes of a charset that a property names."""
        kind, value = self.values.get(_HTML_BODY, (0, b""))
        content = value.rstrip(b"\0")
        if not content:
            return None
        if kind == _UNICODE:
            return BodyText(value, "utf-16-le", is_html=True)
        page = self.number(_BODY_CODE_PAGE) if kind == _BYTES else None
        if page is not None:
            return BodyText(content, code_page_label(page), is_html=True)
        return BodyText(content, None if _STATES_CHARSET.search(content[:_META_BYTES]) else label, is_html=True)

    def number(self, name: int) -> int | None:
        """A whole number of 32 bits."""
        kind, value = self.values.get(name, (0, b""))
        return struct.unpack("<I", value)[0] if kind == _LONG else None

    def rich_text(self) -> BodyText | None:
        """The body in RTF, as the HTML or the text that was made into it."""
        _, value = self.values.get(_RTF_BODY, (0, b""))
        found = rtf.text_of(rtf.decompressed(value)) if value else None
        return None if found is None else BodyText(found.text.encode("utf-8", "replace"), "utf-8", found.is_html)


@dataclass(slots=True)
class _Found:
    """One attachment, as far as it is read."""

    title: str | None = None
    content: bytes | None = None
    is_mail: bool = False
    label: str = _DEFAULT_LABEL
    properties: _Properties = field(default_factory=_Properties)
    problem: str | None = None

    def take(self, attribute: _Attribute, label: str) -> None:
        """Add one of its attributes."""
        self.label = label
        if attribute.name == _TITLE:
            self.title = _decoded(attribute.value, label)
        elif attribute.name == _DATA:
            self.content = attribute.value
        elif attribute.name == _PROPERTIES:
            try:
                self.properties.read(attribute.value)
            except NotUnpacked as exc:
                self.problem = str(exc)
            self._take_content()

    def as_piece(self, content: bytes) -> Part:
        """The attachment with its names."""
        long_name, short_name, shown = (self._text(name) for name in (_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME))
        return Part(
            name=long_name or self.title or short_name or shown,
            content_type=CONTENT_TYPE if self.is_mail else self._text(_MIME_TYPE),
            content=content,
            content_id=self._text(_CONTENT_ID),
            content_location=self._text(_LOCATION),
        )

    def _take_content(self) -> None:
        kind, value = self.properties.values.get(_CONTENT, (0, None))
        if value is None:
            return
        self.is_mail = kind == _OBJECT and value.startswith(_INTERFACE_MESSAGE)
        self.content = value[_INTERFACE_LENGTH:] if kind == _OBJECT else value

    def _text(self, name: int) -> str | None:
        return self.properties.string(name, self.label)


def pieces_in(stream: bytes) -> Iterator[Part | BodyText]:
    """The text of the mail, and what is attached, in its order; an attached mail is a TNEF stream itself.

    Checksums are ignored: programs write wrong ones, and omit the last. Intact contents come first.

    Raises:
        NotUnpacked: this is no TNEF, or it is cut off or damaged.
    """
    if not stream.startswith(SIGNATURE):
        raise NotUnpacked("It is called TNEF and is none.")
    attributes, problem = _attributes(stream)
    label = _label(attributes)
    try:
        text = _text_of(attributes, label)
    except NotUnpacked as exc:
        problem = problem or str(exc)
    else:
        if text is not None:
            yield text
    for found in _attachments(attributes, label):
        problem = problem or found.problem
        if found.content is not None:
            yield found.as_piece(found.content)
        else:
            problem = problem or "An attachment in it has no contents: it is cut off, or stands for a file elsewhere."
    if problem is not None:
        raise NotUnpacked(problem)


def _attributes(stream: bytes) -> tuple[list[_Attribute], str | None]:
    """The intact attributes, in order, and the problem with the rest."""
    found: list[_Attribute] = []
    offset = _HEADER
    while offset + _ATTRIBUTE.size <= len(stream):
        level, name, _, length = _ATTRIBUTE.unpack_from(stream, offset)
        end = offset + _ATTRIBUTE.size + length
        if level not in _LEVELS or (end > len(stream) and name not in _OF_PROPERTIES):
            break
        found.append(_Attribute(level, name, stream[offset + _ATTRIBUTE.size : end]))
        if end > len(stream):  # the names may be among those that are whole
            break
        offset = end + _CHECKSUM
    if offset >= len(stream) >= _HEADER:
        return found, None
    return found, f"It is damaged or cut off: {max(len(stream) - offset, 0):,} bytes at its end cannot be read."


def _label(attributes: Sequence[_Attribute]) -> str:
    """The charset of texts that are not Unicode."""
    for each in attributes:
        if each.name == _CODE_PAGE and len(each.value) >= struct.calcsize("<I"):
            return code_page_label(struct.unpack_from("<I", each.value)[0])
    return _DEFAULT_LABEL


def _attachments(attributes: Sequence[_Attribute], label: str) -> Iterator[_Found]:
    found: _Found | None = None
    for each in attributes:
        if each.level != _LEVEL_ATTACHMENT:
            continue
        if each.name == _RENDERING or found is None:
            if found is not None:
                yield found
            found = _Found()
        found.take(each, label)
    if found is not None:
        yield found


def _text_of(attributes: Sequence[_Attribute], label: str) -> BodyText | None:
    """The text of the mail, in the richest form in which it is there."""
    plain: BodyText | None = None
    properties = _Properties()
    for each in attributes:
        if each.level != _LEVEL_MESSAGE:
            continue
        if each.name == _BODY:
            text = each.value.rstrip(b"\0")
            plain = BodyText(text, label, is_html=False) if text.strip() else None
        elif each.name == _MESSAGE_PROPERTIES:
            with suppress(NotUnpacked):  # those before the damage are there
                properties.read(each.value)
    return properties.html(label) or properties.text(_PLAIN_BODY, label) or plain or properties.rich_text()


class _Reader:
    """Reads the properties of an attachment."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def take(self, length: int) -> bytes:
        """The next bytes; their padding to a multiple of four is skipped."""
        end = self._offset + length
        if end > len(self._data):
            raise _damaged()
        taken = self._data[self._offset : end]
        self._offset = end + -length % 4
        return taken

    def number(self) -> int:
        found: int = struct.unpack("<I", self.take(4))[0]
        return found


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


def _decoded(value: bytes, label: str) -> str:
    return decoded(value, label).partition("\x00")[0]


def _damaged() -> NotUnpacked:
    return NotUnpacked("It is damaged: what it says of its own lengths does not fit.")
