"""The headers of a mail and of its parts (RFC 5322, 2047, 2231), read as leniently as mail programs do. No I/O.

Python's own parser of structured headers is stricter than senders are, and its time grows with the square of a header.
"""

import quopri
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from processor.content.charsets import codec_of, decoded
from processor.content.transfer_encodings import NotDecodable, decode_base64

_LINE: Final = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)")
_FIELD: Final = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")
# The line before the headers in a mailbox file, at times with the quoting of one.
_POSTMARK: Final = re.compile(rb">?From ")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# At most so many lines are searched for each that is no header: a mail may have nothing else.
_MORE_HEADERS: Final = re.compile(rb"(?:[^\r\n]++(?:\r\n|\r|\n)){0,40}?content-[a-z-]+[ \t]*:", re.IGNORECASE)
_MAX_READ_BYTES: Final = 64 * 1024
"""Bytes of one header; the longest names that senders write take a tenth of it."""

_SEGMENT: Final = re.compile(rb'(?:"(?:\\.|[^"\\])*"|\\.|[^;])+', re.DOTALL)
_PARAMETER: Final = re.compile(rb"\s*([^\s=]+)\s*=\s*(.*?)\s*\Z", re.DOTALL)
_LOOSE_PARAMETER: Final = re.compile(rb'(?:\A|[\s;,])([\w*-]+)\s*=\s*("(?:\\.|[^"\\])*"|[^\s;,"]+)', re.DOTALL)
_QUOTED: Final = re.compile(rb'"((?:\\.|[^"\\])*)"(?=[\s(])', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(rb'\\(["\\])')
_NUMBERED: Final = re.compile(r"(?P<name>[^*]*)(?:\*(?P<number>\d{1,4}))?(?P<encoded>\*)?")
_TYPE: Final = re.compile(rb'[\s"]*([!#-\'*-.0-:<-~]+)/([!#-\'*-.0-:<-~]+)')
_CHARSET: Final = re.compile(rb"([\x21-\x26\x28-\x7e]*)'([A-Za-z0-9-]*)'")
_MAYBE_CHARSET: Final = re.compile(rb"[A-Za-z][\w.:+-]*")
_SAYS_ASCII: Final = frozenset({b"", b"us-ascii", b"ascii"})
_WORD: Final = re.compile(rb"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
_LEFT_OVER: Final = re.compile(r"=\?[^?\s]+\?[bBqQ]\?|\ufffd")
_EXTENSION: Final = re.compile(r"\.[^.\s]{1,30}$")

_DEFAULT_TYPE: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class Headers:
    """Names in lower case and values in one line, in their order, as they stand there."""

    fields: tuple[tuple[bytes, bytes], ...] = field(repr=False)

    def get(self, name: bytes) -> bytes | None:
        """The first of that name, in lower case."""
        return next((value for key, value in self.fields if key == name), None)

    def text(self, name: bytes) -> str | None:
        """The first of that name, its encoded words decoded; None where there is none, or an empty one."""
        value = self.get(name)
        return None if value is None else readable(value[:_MAX_READ_BYTES]).strip() or None

    def content_type(self, default: str = _DEFAULT_TYPE) -> str:
        """`type/subtype` in lower case; of a malformed one text/plain (RFC 2045, section 5.2)."""
        value = self.get(b"content-type")
        if value is None:
            return default
        found = _TYPE.match(value)
        return _DEFAULT_TYPE if found is None else f"{found[1].decode()}/{found[2].decode()}".lower().rstrip('"')

    def type_parameter(self, name: str) -> str | None:
        """A parameter of the content type."""
        return _best(_values(self.get(b"content-type"), name))

    def boundary(self) -> bytes | None:
        """The text of the lines between the parts of a multipart; None where there is none."""
        return (self.type_parameter("boundary") or "").rstrip().encode() or None

    def disposition(self) -> str | None:
        """`inline`, `attachment` or any other word that stands there, in lower case."""
        value = self.get(b"content-disposition")
        if value is None:
            return None
        word = value.partition(b";")[0].strip().strip(b'"').lower().decode("ascii", "replace")
        return None if "=" in word else word or None

    def file_name(self) -> str | None:
        """The name under which the part was sent, the best of those given.

        Senders give several for programs of several ages: one whose characters were lost is only a stopgap.
        """
        named = [*_values(self.get(b"content-disposition"), "filename"), *_values(self.get(b"content-type"), "name")]
        return _best(named)


def split_headers(data: bytes, start: int, end: int) -> tuple[Headers, int]:
    """The headers that begin at `start`, and the place at which the body begins.

    A line that is no header ends them, as an empty one does, and belongs to the body; unless headers of a part follow:
    then it is passed over, or continues the header before it.
    """
    found: list[tuple[bytes, bytearray]] = []
    offset = begin = start + (len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK, start, end) else 0)
    while offset < end:
        line = _LINE.match(data, offset, end)
        if line is None:  # every text has a line
            break
        name = _FIELD.match(line[1])
        if not line[1]:
            offset = line.end()
            break
        if name is not None:
            found.append((name[1].lower(), bytearray(line[1][name.end() :])))
        elif line[1][:1] in b" \t" and found:
            found[-1][1].extend(b" " + line[1][1:])  # a tab stands there in place of a blank
        elif found and _MORE_HEADERS.match(data, line.end(), end):
            if found[-1][1].rstrip().endswith(b";"):
                found[-1][1].extend(b" " + line[1])
        elif not (offset == begin and _POSTMARK.match(line[1])):
            break
        offset = line.end()
    return Headers(tuple((name, bytes(value).strip()) for name, value in found)), offset


def readable(value: bytes) -> str:
    """The text with its encoded words decoded, also within quotes, within other words, and with bytes of 8 bits."""
    found: list[str] = []
    end = 0
    for start, end_of_run, run in _runs(value):
        found += [decoded(value[end:start], None), *(decoded(data, charset) for charset, data in run)]
        end = end_of_run
    return "".join(found) + decoded(value[end:], None)


def _runs(value: bytes) -> Iterator[tuple[int, int, list[tuple[str, bytes]]]]:
    """Encoded words with nothing but space between them, the bytes of neighbours of one charset joined."""
    start = end = 0
    run: list[tuple[str, bytes]] = []
    for word in _WORD.finditer(value):
        data = _word_bytes(word[2], word[3])
        if data is None:
            continue
        if run and value[end : word.start()].strip():
            yield start, end, run
            run = []
        if not run:
            start = word.start()
        end = word.end()
        charset = word[1].partition(b"*")[0].decode("ascii", "replace").lower()
        if run and run[-1][0] == charset:
            run[-1] = (charset, run[-1][1] + data)
        else:
            run.append((charset, data))
    if run:
        yield start, end, run


def _word_bytes(encoding: bytes, text: bytes) -> bytes | None:
    if encoding in b"qQ":
        return quopri.decodestring(text, header=True)
    try:
        return decode_base64(text)
    except NotDecodable:
        return None


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of a parameter; `extended`: in the form of RFC 2231."""

    text: str
    extended: bool = False


def _best(values: list[_Value]) -> str | None:
    given = [each for each in values if each.text]
    return min(given, key=_loss).text if given else None


def _loss(value: _Value) -> tuple[bool, ...]:
    """A larger result for a worse value: characters lost, extension lost, an older form, a rewriting to ASCII."""
    text = value.text
    return (
        _LEFT_OVER.search(text) is not None,
        _EXTENSION.search(text) is None,
        not value.extended,
        text.isascii(),
        "?" in text,
    )


def _values(header: bytes | None, name: str) -> list[_Value]:
    """Values of the parameter of that name, in its order, one in pieces joined."""
    return _values_among(_parameters(header or b""), name) or _values_among(_loose_parameters(header or b""), name)


def _values_among(parameters: Iterable[tuple[str, bytes]], name: str) -> list[_Value]:
    plain: list[_Value] = []
    pieces: dict[int, tuple[bytes, bool]] = {}
    for key, value in parameters:
        found = _NUMBERED.fullmatch(key)
        if found is None or found["name"] != name:
            continue
        if found["number"] is None and found["encoded"] is None:
            plain.append(_Value(readable(value).strip()))
        else:
            pieces.setdefault(int(found["number"] or 0), (value, found["encoded"] is not None))
    return [_Value(_joined([pieces[number] for number in sorted(pieces)]), extended=True), *plain] if pieces else plain


def _joined(pieces: list[tuple[bytes, bool]]) -> str:
    """The text of the pieces of one value (RFC 2231, section 4.1)."""
    first, first_is_encoded = pieces[0]
    charset = ""
    prefix = _CHARSET.match(first) if first_is_encoded else None
    if prefix is not None and _is_charset(*prefix.groups()):
        charset, first = prefix[1].decode(), first[prefix.end() :]
    whole = b"".join(
        unquote_to_bytes(value) if is_encoded else value
        for value, is_encoded in [(first, first_is_encoded), *pieces[1:]]
    )
    return (readable(whole) if _WORD.search(whole) else decoded(whole, charset)).strip()


def _is_charset(label: bytes, language: bytes) -> bool:
    """Check whether this is the beginning of a value in the form of RFC 2231, and not of a name with apostrophes."""
    if codec_of(label.decode()) or label.lower() in _SAYS_ASCII:
        return True
    return not language and _MAYBE_CHARSET.fullmatch(label) is not None


def _parameters(header: bytes) -> Iterator[tuple[str, bytes]]:
    for segment in _SEGMENT.finditer(header[:_MAX_READ_BYTES]):
        found = _PARAMETER.match(segment[0])
        if found is not None:
            yield found[1].decode("ascii", "replace").lower(), _unquoted(found[2])


def _loose_parameters(header: bytes) -> Iterator[tuple[str, bytes]]:
    """Parameters, also where the semicolon before one is missing."""
    for found in _LOOSE_PARAMETER.finditer(header[:_MAX_READ_BYTES]):
        yield found[1].decode("ascii", "replace").lower(), _unquoted(found[2])


def _unquoted(value: bytes) -> bytes:
    """The value without its quotes, also where one of them is missing; a blank in it needs none."""
    if value[:1] != b'"':
        return value
    closed = len(value) > 1 and value.endswith(b'"')
    whole = None if closed else _QUOTED.match(value)
    if whole is not None:  # a comment follows, or something without a semicolon
        return _QUOTED_PAIR.sub(rb"\1", whole[1])
    return _QUOTED_PAIR.sub(rb"\1", value[1:-1] if closed else value[1:])
