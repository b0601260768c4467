"""Rows as CSV for spreadsheets: RFC 4180 in UTF-8 with the mark by which Excel detects it, and no cell is a formula.

Mail writes what is in the cells; a spreadsheet calculates, calls programs and loads addresses from cells that begin as
formulas (https://owasp.org/www-community/attacks/CSV_Injection). Those get an apostrophe in front.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

CONTENT_TYPE: Final = "text/csv; charset=utf-8; header=present"

_PIECE_CHARACTERS: Final = 64 * 1024
# With the signs' wide forms, and behind quotation marks and spaces, which spreadsheets ignore.
_FORMULA: Final = r"[\s\"']*[=+\-@＝＋－＠]"
_BEGINS: Final = re.compile(rf"[\t\r\n]|{_FORMULA}")
# Spreadsheets of many languages begin a cell there, whatever the quotation marks.
_BEHIND: Final = re.compile(rf"(?<=[;\t\r\n])(?={_FORMULA})")


def csv_pieces(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The file, in pieces of some 64 KiB, made as the rows come."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    yield codecs.BOM_UTF8
    writer.writerow(cell(each) for each in heading)
    for row in rows:
        if buffer.tell() >= _PIECE_CHARACTERS:
            yield _taken(buffer)
        writer.writerow(cell(each) for each in row)
    yield _taken(buffer)


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Further rows of the file."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow(cell(each) for each in row)
    return _taken(buffer)


def cell(value: object) -> str:
    """The text of a cell: times in ISO 8601 (UTC), numbers as they are, nothing for None, no text a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("\0", "\ufffd")
    safe = _BEHIND.sub("'", text)
    return f"'{safe}" if _BEGINS.match(text) else safe


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode(errors="replace")
