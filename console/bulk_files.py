"""Files of many accounts or rules: a TOML table each, and what the other formats share with it."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import tomli_w

from phrases import Phrase

LIST_SEPARATOR: Final = "\n"
"""Separator of the texts in one cell."""


class UnreadableFile(Exception):
    """The file has the wrong format. Made of a phrase with place and reason."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One account or rule of a file. `place`: its position, for messages. A value is a text, or several."""

    place: Phrase
    values: Mapping[str, str | Sequence[str]]


def text_of(data: bytes) -> str:
    """The text of a file."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # the CSV of spreadsheets in Western Europe


def from_toml(text: str, table: str, *, place: Callable[[int, object], Phrase]) -> list[Entry]:
    """The tables `[[table]]` of the text. `place`: the position of one, by its number, from 1, and its name.

    Raises:
        UnreadableFile: there is anything else in it.
    """
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # also of a number that is too long
        raise UnreadableFile(Phrase("It is not TOML: {reason}.", reason=exc)) from exc
    tables = found.pop(table, [])
    if found or not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise UnreadableFile(Phrase("There is something else in it than tables [[{table}]].", table=table))
    return [_entry(place(number, each.get("name")), each) for number, each in enumerate(tables, start=1)]


def _entry(place: Phrase, table: Mapping[str, object]) -> Entry:
    for name, value in table.items():
        if isinstance(value, dict):
            raise UnreadableFile(Phrase("{place}: {name} is a table, where one value belongs.", place=place, name=name))
    return Entry(place, {name.lower(): plain(value) for name, value in table.items()})


def plain(value: object) -> str | Sequence[str]:
    """A value of TOML as an option takes it: a text, or several."""
    if isinstance(value, list):
        return [str(plain(each)) for each in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def as_toml(rows: Sequence[Mapping[str, Any]], table: str) -> str:
    """The text of tables `[[table]]`; values that are None are left out."""
    return tomli_w.dumps({table: [{name: value for name, value in row.items() if value is not None} for row in rows]})
