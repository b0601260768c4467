"""Texts in which `*` stands for anything."""


class Wildcard:
    """A text in which `*` stands for anything, or nothing."""

    def __init__(self, text: str) -> None:
        self._first, *others = text.split("*")
        self._last = others.pop() if others else None
        self._between = others

    def fits(self, text: str) -> bool:
        """Check whether the whole text fits, in time that grows with the text alone."""
        if self._last is None:
            return text == self._first
        end = len(text) - len(self._last)
        place = len(self._first)
        if end < place or not text.startswith(self._first) or not text.endswith(self._last):
            return False
        for part in self._between:
            found = text.find(part, place, end)
            if found < 0:
                return False
            place = found + len(part)
        return True
