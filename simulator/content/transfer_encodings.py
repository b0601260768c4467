"""Content-Transfer-Encoding (RFC 2045, section 6), read as leniently as Exchange does."""

import binascii
import quopri
import re
from typing import Final

_COMMENT: Final = re.compile(r"\([^()]*\)")
_NO_LETTER_OR_DIGIT: Final = re.compile(r"[^a-z0-9]")
_NO_BASE64: Final = re.sub(rb"[A-Za-z0-9+/=]", b"", bytes(range(256)))
_PADDED: Final = re.compile(rb"([^=]+)=*")
_SOFT_BREAK: Final = re.compile(rb"=[ \t]+(?=\r?\n|\Z)")
# Below the padding, or an empty line: words with blanks between them, or the dashes above a signature.
_NOTE: Final = re.compile(
    rb"(?<=[A-Za-z0-9+/=])(?:(?<==)[ \t]*\r?\n|\r?\n\r?\n)\s*(?=--|[^\r\n]*[A-Za-z][,.:;]? +[A-Za-z])"
)
_UUENCODED: Final = re.compile(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n(.*?)^end\b", re.DOTALL | re.MULTILINE)


def encoding(label: str | None) -> str:
    """Return `base64`, `quotedprintable`, `uuencode` or any other stated, without blanks, hyphens and comments."""
    found = _NO_LETTER_OR_DIGIT.sub("", _COMMENT.sub("", (label or "").lower()).partition(";")[0])
    return "uuencode" if found in {"uue", "xuue", "xuuencode"} else found


def plain(data: bytes, label: str | None) -> bytes:
    """Return the decoded content; bytes that cannot be decoded stay as they are."""
    match encoding(label):
        case "base64":
            found = base64_bytes(data)
            return data if found is None else found
        case "quotedprintable":
            return quopri.decodestring(_SOFT_BREAK.sub(b"=", data))
        case "uuencode":
            return _uudecoded(data)
    return data


def base64_bytes(data: bytes) -> bytes | None:
    """Return the bytes; stray characters and a note below are ignored, `None` when nothing is left."""
    kept = _NOTE.split(data, maxsplit=1)[0].translate(None, _NO_BASE64)
    found = b"".join(_whole(each[1]) for each in _PADDED.finditer(kept))
    return found if found or not data.strip() else None


def _whole(characters: bytes) -> bytes:
    whole = characters[: -1 if len(characters) % 4 == 1 else None]
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def _uudecoded(data: bytes) -> bytes:
    found = _UUENCODED.search(data)
    try:
        return b"".join(map(binascii.a2b_uu, (found[1] if found else data).splitlines()))
    except binascii.Error:
        return data
