"""Many accounts in one file, as CSV or TOML: its syntax, not its meaning.

CSV as spreadsheets write it: comma, semicolon or tab, a heading of the settings' names, UTF-8 or Windows-1252. TOML: a
table `[[account]]` each.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from console.bulk_files import LIST_SEPARATOR, Entry, UnreadableFile, as_toml, from_toml, plain, text_of
from phrases import Phrase

FORMATS: Final = ("csv", "toml")
_DELIMITERS: Final = ",;\t"
_TABLE: Final = "account"


def format_of(path: Path) -> str | None:
    """Return the one of FORMATS that a file name indicates; None: neither."""
    suffix = path.suffix.lower().removeprefix(".")
    return suffix if suffix in FORMATS else None


def read(data: bytes, form: str) -> list[Entry]:
    """Return the accounts in the file.

    Raises:
        UnreadableFile: it is no such file.
    """
    text = text_of(data)
    return _from_csv(text) if form == "csv" else from_toml(text, _TABLE, place=_place)


def _place(number: int, _name: object) -> Phrase:
    return Phrase("account {number}", number=number)


def written(rows: Sequence[Mapping[str, Any]], form: str, *, names: Sequence[str]) -> str:
    """Serialise accounts to text. Values: text, bool, a time, several texts; None is left out, or an empty cell.

    `names`: the heading of a CSV, which without any rows is a form to fill in.
    """
    return _as_csv(rows, names) if form == "csv" else as_toml(rows, _TABLE)


def _from_csv(text: str) -> list[Entry]:
    heading = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    entries: list[Entry] = []
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        _check_heading(names)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(names):
                raise UnreadableFile(
                    Phrase(
                        "Line {line} has {n} cells, the heading {m}.", line=reader.line_num, n=len(cells), m=len(names)
                    )
                )
            filled = [*cells, *[""] * (len(names) - len(cells))]
            entries.append(Entry(Phrase("line {line}", line=reader.line_num), dict(zip(names, filled, strict=True))))
    except csv.Error as exc:
        raise UnreadableFile(Phrase("Line {line} is not CSV: {reason}.", line=reader.line_num, reason=exc)) from exc
    return entries


def _check_heading(names: Sequence[str]) -> None:
    if "name" not in names:
        raise UnreadableFile(
            Phrase("The first line is no heading with a column 'name'. See: mail-importer accounts export --format csv")
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UnreadableFile(Phrase("The heading has a column twice: {names}.", names=", ".join(twice)))


def _as_csv(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])
    return file.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return LIST_SEPARATOR.join(str(each) for each in value)
    return str(plain(value))
