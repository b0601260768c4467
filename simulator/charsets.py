"""Text from bytes, by the labels that mails bear, as forgivingly as Exchange reads them."""

import codecs
from typing import Final

# Whoever writes the one on the left means the one on the right, which holds more.
_MEANT: Final = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso2022_jp": "iso2022_jp_ext",
}
_SAYS_NOTHING: Final = frozenset({"", "ascii"})
_OTHER_NAMES: Final = {"ks_c_5601-1987": "cp949", "x-sjis": "cp932", "x-gbk": "gb18030", "iso-8859-8-i": "iso8859-8"}


def decoded(data: bytes, label: str | None) -> str:
    """Return the text; U+FFFD stands for what the label has no character for.

    Without a label, with one that nobody knows, and with `us-ascii` where it is not true, it is UTF-8 if it can be, and
    Windows-1252 otherwise.
    """
    codec = _codec(label or "")
    if codec not in _SAYS_NOTHING:
        return data.decode(codec, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _codec(label: str) -> str:
    """Return the codec of a label, empty when it says nothing."""
    name = label.strip().strip("'\"").lower()
    try:
        found = codecs.lookup(_OTHER_NAMES.get(name, name))
    except (LookupError, ValueError):  # a NUL in it
        return ""
    # base64 and the like are codecs as well.
    return _MEANT.get(found.name, found.name) if _is_of_text(found) else ""


def _is_of_text(found: codecs.CodecInfo) -> bool:
    try:
        return isinstance(b"a".decode(found.name, "replace"), str)
    except LookupError:
        return False
