"""Texts of Graph's JSON and of unpacked mail, as the database accepts them."""

from longtext import LONG, LongText, cut, is_storable, storable


class Texts:
    """Reads texts from Graph's JSON, and counts characters that no database accepts, and texts that were too long."""

    def __init__(self) -> None:
        self.replaced = 0
        self.shortened = 0

    def take(self, value: object, *, limit: int | None = None) -> str | None:
        """The text with U+FFFD in place of each lone surrogate and NUL; None for a value that is no text.

        `limit`: the length of its column, as `longtext.cut` counts; the rest is cut off.
        """
        if isinstance(value, str):
            whole = value
            if not is_storable(value):
                whole, replaced = storable(value)
                self.replaced += replaced
            if limit is None:
                return whole
        elif isinstance(value, LongText):
            self.replaced += value.facts.replaced
            whole = value.text()
        else:
            return None
        fitting = whole if limit is None else cut(whole, limit)
        self.shortened += fitting != whole
        return fitting

    def take_long(self, value: object) -> str | LongText | None:
        """Like `take`, but a text of more than `longtext.LONG` characters stays in its file."""
        if not isinstance(value, LongText) or value.facts.characters <= LONG:
            return self.take(value)
        self.replaced += value.facts.replaced
        return value
