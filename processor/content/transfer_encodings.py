"""Content-Transfer-Encoding (RFC 2045, section 6), read as leniently as mail programs do. No I/O."""

import base64
import binascii
import quopri
import re
from typing import Final

_COMMENT: Final = re.compile(r"\([^()]*\)")
_KNOWN: Final = re.compile(
    r"\b(?:(?P<base64>base[-_ ]?64)|(?P<quoted_printable>quoted[-_ ]?printable|qp)|(?P<uuencode>uue(?:ncode)?))\b"
)
_OUTSIDE_BASE64: Final = re.sub(rb"[A-Za-z0-9+/=]", b"", bytes(range(256)))
_BASE64_RUN: Final = re.compile(rb"[A-Za-z0-9+/]+")
_WHITE: Final = b" \t\r\n\x00\x0b\x0c"
_BLANK_WITHIN: Final = re.compile(rb"[A-Za-z0-9+/][ \t]+(?=[A-Za-z0-9+/])")
# RFC 2045, section 6.7 (3): blanks that were added on the way count for nothing.
_SOFT_BREAK: Final = re.compile(rb"=[ \t]+(?=\r?\n|\Z)")
_MAYBE_END: Final = re.compile(rb"(?:=[ \t]*(?:\r\n|\r|\n)|\r\n\r\n|\n\n|\r\r)\s*(?=\S)")
_SAMPLE: Final = 200
# Above the first share of stray characters only text is accepted, above the second nothing.
_SUSPICIOUS: Final = 1 / 20
_NO_BASE64: Final = 1 / 4
_MAX_PADDINGS: Final = 10_000
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UU_BEGIN: Final = re.compile(rb"(?:\A|(?<=[\r\n]))begin [0-7]{3,4} [^\r\n]*(?:\r\n|\r|\n)")
_UU_END: Final = b"end"


class NotDecodable(ValueError):
    """The bytes are not of the encoding that is stated."""


def encoding_name(value: str) -> str | None:
    """`base64`, `quoted-printable` or `uuencode` of a header's value; None for content that is not encoded.

    Blanks, comments, quotes, letter case and missing hyphens make no difference.
    """
    known = _KNOWN.search(_COMMENT.sub("", value.lower()))
    return None if known is None or known.lastgroup is None else known.lastgroup.replace("_", "-")


def decode(data: bytes, encoding: str | None) -> bytes:
    """The decoded content.

    Raises:
        NotDecodable: nothing sensible comes out.
    """
    if encoding == "base64":
        return decode_base64(data)
    if encoding == "quoted-printable":
        return quopri.decodestring(_SOFT_BREAK.sub(b"=", data))
    if encoding == "uuencode":
        return _decode_uu(data)
    return data


def decode_base64(data: bytes) -> bytes:
    """The content of base64; stray characters, missing and early padding, and a note below it are ignored.

    Raises:
        NotDecodable: so much of it is no base64 that it is something else.
    """
    dense, kept, strays = _sifted(data)
    if strays and (shorter := _without_note(data)) is not data:
        dense, kept, strays = _sifted(shorter)
    if strays > _NO_BASE64 or kept.count(b"=") > _MAX_PADDINGS:
        raise NotDecodable
    content = b"".join(map(_decode_chunk, _padded_chunks(kept)))
    if (dense and not content) or (strays > _SUSPICIOUS and not _is_text(content)):
        raise NotDecodable
    return content


def _sifted(data: bytes) -> tuple[bytes, bytes, float]:
    """The data without white space, those of them that are base64, and the share of stray characters."""
    dense = data.translate(None, _WHITE)
    kept = dense.translate(None, _OUTSIDE_BASE64)
    blanks = len(_BLANK_WITHIN.findall(data)) if b" " in data or b"\t" in data else 0
    return dense, kept, (len(dense) - len(kept) + blanks) / max(len(dense), 1)


def _without_note(data: bytes) -> bytes:
    """The data without a text that a gateway put below them, whose letters would become bytes of the file."""
    for end in _MAYBE_END.finditer(data.rstrip()):  # something follows each run of blanks: none is searched twice
        if _is_odd(data[end.end() : end.end() + _SAMPLE]):
            before = data[max(0, end.start() - _SAMPLE) : end.start()]
            if before.strip() and not _is_odd(before):
                return data[: end.end()]
    return data


def _is_odd(sample: bytes) -> bool:
    return _sifted(sample)[2] > _SUSPICIOUS


def _is_text(content: bytes) -> bool:
    try:
        return _CONTROL.search(content.decode()) is None
    except UnicodeDecodeError:
        return False


def _padded_chunks(data: bytes) -> list[bytes]:
    """Stretches that padding ends: several encoded texts may stand one after the other."""
    if b"=" not in data:
        return [data]
    chunks: list[bytes] = []
    open_chunk: list[bytes] = []
    length = 0
    for run in _BASE64_RUN.finditer(data):
        open_chunk.append(run[0])
        length += len(run[0])
        if run.end() < len(data) and length % 4 in {2, 3}:  # padding follows; elsewhere a `=` is a stray one
            chunks.append(b"".join(open_chunk))
            open_chunk, length = [], 0
    return [*chunks, b"".join(open_chunk)]


def _decode_chunk(chunk: bytes) -> bytes:
    whole = chunk[:-1] if len(chunk) % 4 == 1 else chunk  # six bits are no byte
    return base64.b64decode(whole + b"=" * (-len(whole) % 4))


def _decode_uu(data: bytes) -> bytes:
    begin = _UU_BEGIN.search(data)
    found: list[bytes] = []
    for line in data[begin.end() if begin else 0 :].splitlines():
        if line.strip() == _UU_END:
            break
        try:
            found.append(_decode_uu_line(line))
        except binascii.Error as exc:
            raise NotDecodable from exc
    return b"".join(found)


def _decode_uu_line(line: bytes) -> bytes:
    if not line:
        return b""
    # Some encoders write more than the length states (as Python's own decoder once did).
    length = ((line[0] - 32) & 63) * 4 // 3 + 2
    return binascii.a2b_uu(line[: length + 1])
