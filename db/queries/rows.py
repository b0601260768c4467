"""Rows that other programs write, too: a value may be of another type than its column, which SQLite accepts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from db.columns import UnreadableTime
from phrases import Phrase


class RowReader:
    """Reads the values of a row by column. `faults`: by column, the fault of a value that cannot be used."""

    def __init__(self, row: RowMapping | Mapping[str, Any]) -> None:
        self.row = row
        self.faults: dict[str, Phrase] = {}

    def text(self, name: str) -> str:
        """A required text; empty when it is missing."""
        self._require(name)
        return self.text_or_none(name) or ""

    def text_or_none(self, name: str) -> str | None:
        """A text, or none."""
        value = self.row[name]
        if value is None or isinstance(value, str):
            return value
        self.refuse(name, value, Phrase("text"))
        return None

    def number(self, name: str) -> int | None:
        """A whole number, or none."""
        value = self.row[name]
        if value is None or isinstance(value, int):
            return value
        self.refuse(name, value, Phrase("a whole number"))
        return None

    def flag(self, name: str) -> bool:
        """A Boolean; true when it is missing."""
        self._require(name)
        return self.row[name] is None or bool(self.row[name])

    def flag_or_none(self, name: str) -> bool | None:
        """A Boolean, or none."""
        value = self.row[name]
        return None if value is None else bool(value)

    def time(self, name: str) -> datetime | None:
        """A time, or none."""
        value: datetime | None = self.row[name]
        if not isinstance(value, UnreadableTime):
            return value
        self.refuse(name, value.stored, Phrase("a time"))
        return None

    def refuse(self, name: str, value: object, wanted: Phrase) -> None:
        """Note that the value is not what is `wanted`."""
        self.faults[name] = Phrase(
            "{column} holds {value!r}, which is not {wanted}", column=name, value=str(value)[:50], wanted=wanted
        )

    def _require(self, name: str) -> None:
        if self.row[name] is None:
            self.faults[name] = Phrase("{column} is NULL", column=name)
