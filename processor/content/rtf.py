"""The text of a mail that Outlook packed as RTF: compressed (MS-OXRTFCP), with HTML or text made into it (MS-OXRTFEX).

Read here because no library does both: striprtf leaves HTML out, RTFDE comes under the LGPL. No I/O; time grows with
the length, and the output is at most nine times as long as the input.
"""

import re
import struct
from dataclasses import dataclass, field, replace
from typing import Final

from processor.content.charsets import code_page_label, decoded
from processor.content.parts import NotUnpacked
from processor.content.superscripts import raised

_HEADER: Final = struct.Struct("<IIII")
_COMPRESSED: Final = 0x75465A4C
_UNCOMPRESSED: Final = 0x414C454D
_DICTIONARY: Final = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_DICTIONARY_SIZE: Final = 4096
_SHORTEST_COPY: Final = 2

_TOKEN: Final = re.compile(
    r"\\(?P<word>[A-Za-z]{1,32})(?P<number>-?\d{1,10})? ?|\\'(?P<byte>[0-9A-Fa-f]{2})|\\(?P<symbol>[^A-Za-z'])"
    r"|(?P<brace>[{}])|[\r\n]+|(?P<text>[^\\{}\r\n]+)|\\",
    re.DOTALL,
)
_HIDDEN: Final = frozenset(
    {"fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer", "headerl", "headerr", "headerf"}
).union({"footerl", "footerr", "footerf", "mhtmltag", "fldinst", "listtable", "listoverridetable", "xmlnstbl"})
_CHARACTERS: Final = {
    "par": "\r\n",
    "line": "\r\n",
    "sect": "\r\n",
    "row": "\r\n",
    "cell": "\t",
    "tab": "\t",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "bullet": "•",
    "endash": "–",
    "emdash": "—",
}
_SYMBOLS: Final = {"\\": "\\", "{": "{", "}": "}", "~": "\u00a0", "_": "\u2011", "\r": "\r\n", "\n": "\r\n"}
_RAISING: Final = {"super": True, "nosupersub": False, "sub": False}
# The code pages of \fcharset.
_FONT_PAGES: Final = {0: 1252, 77: 10000, 128: 932, 129: 949, 130: 1361, 134: 936, 136: 950, 161: 1253, 162: 1254}
_MORE_FONT_PAGES: Final = {163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250}
_ANSI: Final = 1252


def decompressed(data: bytes) -> bytes:
    """The RTF in a PidTagRtfCompressed; as far as it goes, where it is cut off.

    Raises:
        NotUnpacked: it is no compressed RTF.
    """
    if len(data) < _HEADER.size:
        raise NotUnpacked("Its text is cut off.")
    _, size, form, _ = _HEADER.unpack_from(data)
    if form == _UNCOMPRESSED:
        return data[_HEADER.size : _HEADER.size + size]
    if form != _COMPRESSED:
        raise NotUnpacked("Its text is of an unknown form.")
    return _expanded(data[_HEADER.size :], size)


def _expanded(data: bytes, size: int) -> bytes:
    """Follow the tokens: a byte, or a reference to bytes among the last 4,096 written ones."""
    window = bytearray(_DICTIONARY.ljust(_DICTIONARY_SIZE, b"\0"))
    written, place, offset = bytearray(), len(_DICTIONARY), 0
    while offset < len(data) and len(written) < size:
        control = data[offset]
        offset += 1
        for bit in range(8):
            if not control >> bit & 1:
                piece = data[offset : offset + 1]
                offset += 1
            else:
                token = int.from_bytes(data[offset : offset + 2])
                offset += 2
                start = token >> 4
                if start == place or offset > len(data):  # the end
                    return bytes(written[:size])
                piece = _copied(window, start, place, (token & 0xF) + _SHORTEST_COPY)
            for byte in piece:
                window[place] = byte
                place = (place + 1) % _DICTIONARY_SIZE
            written += piece
    return bytes(written[:size])


def _copied(window: bytearray, start: int, place: int, length: int) -> bytes:
    """Bytes of the window, of which the last may be those that are being written."""
    behind = (place - start) % _DICTIONARY_SIZE
    first = bytes(window[(start + number) % _DICTIONARY_SIZE] for number in range(min(length, behind)))
    return (first * (length // len(first) + 1))[:length]


@dataclass(frozen=True, slots=True)
class RichText:
    """The HTML or the text that was made into RTF, or the text of what was written as RTF."""

    text: str
    is_html: bool


def text_of(content: bytes) -> RichText | None:
    """The visible text of RTF; None where there is none."""
    found = _Reading()
    source = content.decode("latin-1")
    place = 0
    while place < len(source):
        token = _TOKEN.match(source, place)
        if token is None:  # every character begins a token
            break
        place = token.end() + found.take(token)
    text = found.text()
    return RichText(text, found.is_html) if text.strip() else None


@dataclass(frozen=True, slots=True)
class _Group:
    """The state until the next closing brace. `skipped`: characters that stand for the last \\u."""

    is_hidden: bool = False
    is_tag: bool = False
    is_twin: bool = False
    is_font_table: bool = False
    font: int | None = None
    is_raised: bool = False
    skipped: int = 1


@dataclass(slots=True)
class _Reading:
    """RTF, token by token."""

    is_html: bool = False
    _group: _Group = field(default_factory=_Group)
    _outer: list[_Group] = field(default_factory=list)
    _page: int = _ANSI
    _fonts: dict[int | None, int] = field(default_factory=dict)
    _written: list[str] = field(default_factory=list)
    _pending: bytearray = field(default_factory=bytearray)
    _to_skip: int = 0
    _is_optional: bool = False

    def take(self, token: re.Match[str]) -> int:
        """Process a token; return the number of characters after it that are no RTF."""
        kind = token.lastgroup
        is_optional, self._is_optional = self._is_optional, False
        if kind == "brace":
            self._take_brace(token["brace"])
        elif kind in {"word", "number"}:
            return self._take_word(token["word"], token["number"], is_optional=is_optional)
        elif kind == "byte":
            self._write_bytes(bytes((int(token["byte"], 16),)))
        elif kind == "text":
            self._write_bytes(token["text"].encode("latin-1"))
        elif token["symbol"] == "*":
            self._is_optional = True
        elif token["symbol"] is not None:
            self._write(_SYMBOLS.get(token["symbol"], ""))
        return 0

    def text(self) -> str:
        """All that was written."""
        self._flush()
        # A character above U+FFFF stands there as two halves.
        whole = "".join(self._written)
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _take_brace(self, brace: str) -> None:
        self._flush()
        self._to_skip = 0
        if brace == "{":
            self._outer.append(self._group)
        elif self._outer:
            self._group = self._outer.pop()

    def _take_word(self, word: str, digits: str | None, *, is_optional: bool) -> int:
        number = None if digits is None else int(digits)
        if word == "bin":
            return max(number or 0, 0)
        if word == "u" and number is not None:
            self._flush()
            self._write(chr(number & 0xFFFF))
            self._to_skip = self._group.skipped
        elif word in _CHARACTERS:
            self._write(_CHARACTERS[word])
        else:
            self._flush()
            self._take_property(word, number, is_optional=is_optional)
        return 0

    def _take_property(self, word: str, number: int | None, *, is_optional: bool) -> None:
        group = self._group
        if word == "htmltag" and not group.is_hidden:
            self._group = replace(group, is_tag=True)
        elif word in _HIDDEN or is_optional:
            self._group = replace(group, is_hidden=True, is_font_table=word == "fonttbl")
        elif word == "fromhtml":
            self.is_html = number != 0
        elif word == "htmlrtf":
            self._group = replace(group, is_twin=number != 0)
        elif word == "ansicpg" and number:
            self._page = number
        elif word in _RAISING:
            self._group = replace(group, is_raised=_RAISING[word] and number != 0)
        elif word in {"f", "fcharset", "plain"}:
            self._take_font(word, number)
        elif word == "uc" and number is not None:
            self._group = replace(group, skipped=max(number, 0))

    def _take_font(self, word: str, number: int | None) -> None:
        if word != "fcharset":
            is_plain = word == "plain"
            is_raised = self._group.is_raised and not is_plain
            self._group = replace(self._group, font=None if is_plain else number, is_raised=is_raised)
        elif self._group.is_font_table:
            page = {**_FONT_PAGES, **_MORE_FONT_PAGES}.get(number or 0)
            # 0 is the charset of the document.
            if page is not None and number:
                self._fonts[self._group.font] = page

    @property
    def _is_shown(self) -> bool:
        group = self._group
        return not group.is_hidden and not (self.is_html and group.is_twin and not group.is_tag)

    def _write(self, text: str) -> None:
        self._flush()
        if self._to_skip:
            self._to_skip -= 1
        elif self._is_shown:
            self._written.append(text)

    def _write_bytes(self, data: bytes) -> None:
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        if self._is_shown:
            self._pending += data[skipped:]

    def _flush(self) -> None:
        if self._pending:
            page = self._page if self._group.is_tag else self._fonts.get(self._group.font, self._page)
            text = decoded(bytes(self._pending), code_page_label(page))
            self._written.append((self._group.is_raised and not self.is_html and raised(text)) or text)
            self._pending.clear()
