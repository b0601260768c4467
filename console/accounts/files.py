"""Many accounts in one file, as CSV or TOML: its syntax, not its meaning.

CSV as spreadsheets write it: comma, semicolon or tab, a heading of the settings' names, UTF-8 or Windows-1252. TOML: a
table `[[account]]` each.
"""

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import tomli_w

from phrases import Phrase

FORMATS: Final = ("csv", "toml")
_DELIMITERS: Final = ",;\t"
_TABLE: Final = "account"
LIST_SEPARATOR: Final = "\n"
"""Separator of the texts in one cell."""


class UnreadableFile(Exception):
    """The file has the wrong format. Made of a phrase with place and reason."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One account of a file. `place`: its position, for messages. A value is a text, or several."""

    place: Phrase
    values: Mapping[str, str | Sequence[str]]


def format_of(path: Path) -> str | None:
    """Return the one of FORMATS that a file name indicates; None: neither."""
    suffix = path.suffix.lower().removeprefix(".")
    return suffix if suffix in FORMATS else None


def read(data: bytes, form: str) -> list[Entry]:
    """Return the accounts in the file.

    Raises:
        UnreadableFile: it is no such file.
    """
    text = _text(data)
    return _from_csv(text) if form == "csv" else _from_toml(text)


def written(rows: Sequence[Mapping[str, Any]], form: str, *, names: Sequence[str]) -> str:
    """Serialise accounts to text. Values: text, bool, a time, several texts; None is left out, or an empty cell.

    `names`: the heading of a CSV, which without any rows is a form to fill in.
    """
    return _as_csv(rows, names) if form == "csv" else _as_toml(rows)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # the CSV of spreadsheets in Western Europe


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


def _from_toml(text: str) -> list[Entry]:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise UnreadableFile(Phrase("It is not TOML: {reason}.", reason=exc)) from exc
    tables = found.pop(_TABLE, [])
    if found or not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise UnreadableFile(Phrase("There is something else in it than tables [[account]]."))
    return [
        Entry(
            Phrase("account {number}", number=number),
            {str(name).lower(): _plain(value) for name, value in table.items()},
        )
        for number, table in enumerate(tables, start=1)
    ]


def _plain(value: object) -> str | Sequence[str]:
    if isinstance(value, list):
        return [str(_plain(each)) for each in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


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
    return str(_plain(value))


def _as_toml(rows: Sequence[Mapping[str, Any]]) -> str:
    return tomli_w.dumps({_TABLE: [{name: value for name, value in row.items() if value is not None} for row in rows]})
