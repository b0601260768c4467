"""Text from bytes, by the labels and code pages that mails name. No I/O.

Labels mean what they mean to Windows and to browsers (https://encoding.spec.whatwg.org), which is more than Python's
codecs of the same names hold: ISO 8859-1 is Windows-1252, GB 2312 is GB 18030, ISO-2022-JP has the rows of NEC and IBM.
"""

import codecs
import re
from collections.abc import Callable
from typing import Final

_SUPERSETS: Final = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "cp950",
}
_ALIASES: Final = {
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-gbk": "gb18030",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "x-mac-roman": "mac_roman",
    "x-euc-jp": "euc_jp",
    "unicode-1-1-utf-7": "utf-7",
    "gb_2312": "gb18030",
    "gb_2312-80": "gb18030",
    "csgb2312": "gb18030",
    "cn-big5": "cp950",
    "koi": "koi8-r",
    "koi8": "koi8-r",
    "ks_c_5601-1989": "cp949",
    "ksc_5601": "cp949",
    "iso-8859-6-i": "iso8859-6",
    "iso-8859-6-e": "iso8859-6",
    "dos-874": "cp874",
    "mac": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-ce": "mac_latin2",
}
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WINDOWS: Final = re.compile(r"(?:windows|x-cp|cp|ibm|x-windows)[-_]?(\d{3,5})")
_UNINFORMATIVE: Final = "ascii"
# Text codecs of Python that are no charsets of text.
_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"}
)
# https://learn.microsoft.com/windows/win32/intl/code-page-identifiers: those that are not called cp… here.
_CODE_PAGES: Final = {
    936: "gb18030",
    1200: "utf-16-le",
    1201: "utf-16-be",
    10000: "mac_roman",
    20127: "ascii",
    20866: "koi8-r",
    20932: "euc_jp",
    20936: "gb18030",
    21866: "koi8-u",
    38598: "iso8859-8",
    50220: "iso-2022-jp",
    50221: "iso-2022-jp",
    50222: "iso-2022-jp",
    50225: "iso2022_kr",
    51932: "euc_jp",
    51936: "gb18030",
    51949: "cp949",
    52936: "hz",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}
_FIRST_ISO_8859: Final = 28590

_JIS_ESCAPE: Final = re.compile(rb"\x1b(\([BHIJ]|\$[@B]|\$\([@BD])|[\r\n]+")
_JIS_WIDE: Final = frozenset({b"$@", b"$B", b"$(@", b"$(B"})
_JIS_SUPPLEMENT: Final = b"$(D"
_JIS_KATAKANA: Final = b"(I"
_JIS_PAIR: Final = re.compile(rb"[\x21-\x7e\xa1-\xfe]{2}")
_EUC_PAIR: Final = re.compile(rb"\x8e[\xa1-\xdf]|[\xa1-\xfe]{2}")
_HIGH: Final = bytes(byte | 0x80 for byte in range(256))


def decoded(data: bytes, label: str | None) -> str:
    """The text; U+FFFD stands for bytes without a character in the charset of the label.

    Without a label, with an unknown one, and with `us-ascii` where it is not true, the text is UTF-8 if it can be, and
    Windows-1252 otherwise; so is one that is called UTF-8 and has no character of it beyond ASCII. A byte order mark
    overrides the label (https://encoding.spec.whatwg.org, section 6).
    """
    for mark, named in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(named, "replace")
    codec = codec_of(label)
    if codec is None:
        return _unlabelled(data)
    special = _SPECIAL.get(codec)
    return special(data) if special is not None else data.decode(codec, "replace")


def codec_of(label: str | None) -> str | None:
    """Python's name for the charset of a label; None for an unknown one, and for ASCII."""
    name = (label or "").strip().strip("'\"").lower()
    if "iso-2022-jp" in name:
        return "iso2022_jp"
    name = _ALIASES.get(name, name)
    numbered = _WINDOWS.fullmatch(name)
    try:
        found = codecs.lookup(f"cp{numbered[1]}" if numbered else name)
    except (LookupError, ValueError):  # ValueError: a NUL in it
        return None
    if found.name == _UNINFORMATIVE or not _is_of_text(found.name):
        return None
    return _SUPERSETS.get(found.name, found.name)


def code_page_label(number: int) -> str:
    """The label of a Windows code page; Windows-1252 for an unknown one."""
    if _FIRST_ISO_8859 < number <= _FIRST_ISO_8859 + 16:
        return f"iso8859-{number - _FIRST_ISO_8859}"
    label = _CODE_PAGES.get(number, f"cp{number}")
    return label if codec_of(label) is not None else "cp1252"


def _is_of_text(name: str) -> bool:
    if name.replace("_", "-") in _NO_CHARSETS:
        return False
    try:
        return isinstance(b"a".decode(name, "replace"), str)
    except (LookupError, ValueError):  # base64 and the like are codecs as well
        return False


def _unlabelled(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _utf_8(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    if "\ufffd" in text and text.replace("\ufffd", "").isascii():
        return data.decode("cp1252", "replace")
    return text


def _utf_7(data: bytes) -> str:
    """Without the halves of characters that this coding may hold."""
    return data.decode("utf-7", "replace").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _iso_2022_jp(data: bytes) -> str:
    """Code page 50220: also half-width katakana, and the rows that only Windows has."""
    found: list[str] = []
    charset, start = b"(B", 0
    for mark in _JIS_ESCAPE.finditer(data):
        found.append(_jis(data[start : mark.start()], charset))
        if mark[1] is None:  # each line begins in ASCII
            charset, start = b"(B", mark.start()
        else:
            charset, start = mark[1], mark.end()
    return "".join(found) + _jis(data[start:], charset)


def _jis(data: bytes, charset: bytes) -> str:
    if charset in _JIS_WIDE:
        data = _JIS_PAIR.sub(lambda pair: _shifted(pair[0]), data)
    elif charset == _JIS_SUPPLEMENT:
        return _JIS_PAIR.sub(lambda pair: b"\x8f" + pair[0].translate(_HIGH), data).decode("euc_jp", "replace")
    elif charset == _JIS_KATAKANA:
        data = data.translate(_HIGH)
    return data.decode("cp932", "replace")


def _euc_jp(data: bytes) -> str:
    try:
        return data.decode("euc_jp")
    except UnicodeDecodeError:
        return _EUC_PAIR.sub(_shifted_euc, data).decode("cp932", "replace")


def _shifted_euc(found: re.Match[bytes]) -> bytes:
    return found[0][1:] if found[0].startswith(b"\x8e") else _shifted(found[0])


def _shifted(pair: bytes) -> bytes:
    """The bytes of code page 932 for the row and cell of JIS X 0208."""
    row, cell = pair[0] & 0x7F, pair[1] & 0x7F
    lead = (row - 0x21) // 2 + 0x81
    if lead > 0x9F:  # half-width katakana lie between
        lead += 0x40
    if row % 2 == 0:
        return bytes((lead, cell + 0x7E))
    return bytes((lead, cell + 0x1F + (cell >= 0x60)))  # 0x7F is left out


_SPECIAL: Final[dict[str, Callable[[bytes], str]]] = {
    "iso2022_jp": _iso_2022_jp,
    "euc_jp": _euc_jp,
    "utf-8": _utf_8,
    "utf-7": _utf_7,
}
