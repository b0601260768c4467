"""Text from bytes, by the labels of mails, as leniently as Exchange reads them."""

import codecs
import re
from typing import Final

# A label on the left is used for the charset on the right, which holds more.
_MEANT: Final = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "cp950",
}
_SAYS_NOTHING: Final = frozenset({"", "ascii"})
_OTHER_NAMES: Final = {"ks_c_5601-1987": "cp949", "x-sjis": "cp932", "x-gbk": "gb18030", "iso-8859-8-i": "iso8859-8"}
_NUMBERED: Final = re.compile(r"\A(?:windows|x-cp|cp|ibm)[-_]?(?=\d)")
_MARKS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_JAPANESE: Final = "iso2022_jp"
_ESCAPE: Final = re.compile(rb"\x1b(\([BJI]|\$[@B]|\$\(D)|(?=[\r\n])")
_ROW_AND_CELL: Final = re.compile(rb"[\x21-\x7e]{2}")


def decoded(data: bytes, label: str | None) -> str:
    """Return the text; U+FFFD stands for bytes without a character in the charset of the label.

    Without a label, with an unknown one, and with `us-ascii` where it is not true, it is UTF-8 if it can be, and
    Windows-1252 otherwise.
    """
    for mark, codec in _MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace")
    codec = _codec(label or "")
    if codec == _JAPANESE:
        return _japanese(data)
    if codec not in _SAYS_NOTHING:
        return data.decode(codec, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _codec(label: str) -> str:
    """Return the codec of a label, empty when it is uninformative."""
    name = _NUMBERED.sub("cp", label.strip().strip("'\"").lower())
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


def _japanese(data: bytes) -> str:
    """Return the text of ISO-2022-JP as Windows reads it (code page 50220): with the characters of NEC and IBM."""
    found = []
    shift, start = b"", 0
    for escape in _ESCAPE.finditer(data):
        found.append(_shifted(data[start : escape.start()], shift))
        shift, start = escape[1] or b"", escape.end()
    return "".join(found) + _shifted(data[start:], shift)


def _shifted(data: bytes, shift: bytes) -> str:
    if shift == b"(I":
        return bytes(byte | 0x80 for byte in data).decode("cp932", "replace")
    if shift == b"$(D":
        return (b"\x1b$(D" + data + b"\x1b(B").decode("iso2022_jp_ext", "replace")
    if shift.startswith(b"$"):
        data = _ROW_AND_CELL.sub(lambda pair: _code_page_932(*pair[0]), data)
    return data.decode("cp932", "replace")


def _code_page_932(row: int, cell: int) -> bytes:
    first, second = (row - 0x21 >> 1) + 0x81, cell + (0x1F if row & 1 else 0x7E)
    return bytes((first + 0x40 * (first > 0x9F), second + (row & 1 and second > 0x7E)))
