"""Lists in one column, as other programs write them, too: of entries without blanks, or of lines."""

import re
from collections.abc import Iterable
from typing import Final

_BETWEEN: Final = re.compile(r"[\s,;]+")


def separated(text: str | None) -> tuple[str, ...]:
    """Entries that hold no blank: an entry a line, or separated by commas, semicolons or blanks."""
    return tuple(filter(None, _BETWEEN.split(text or "")))


def lines(text: str | None) -> tuple[str, ...]:
    """An entry a line; blanks around it do not count."""
    return tuple(filter(None, (line.strip() for line in (text or "").splitlines())))


def stored(entries: Iterable[str]) -> str | None:
    """The text of a list, an entry a line; None of an empty one."""
    return "\n".join(entries) or None
