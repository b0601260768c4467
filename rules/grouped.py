"""Expressions of many rules, searched for together: most mail fits none of a group, which one search says. No I/O."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rules.patterns import BadPattern, compiled

_GROUP: Final = 32
"""About as many groups as rules in each, for a thousand rules."""
_MAX_MEMORY: Final = 8 * 1024 * 1024


class GroupedExpressions:
    """Expressions of RE2 by the place of their rule. What is found is a superset: the rules decide."""

    def __init__(self, entries: Sequence[tuple[int, str]]) -> None:
        """`entries`: places with expressions that are known to compile."""
        self._groups = list(_groups(entries))

    def __bool__(self) -> bool:
        return bool(self._groups)

    def places(self, text: bytes) -> Iterator[int]:
        """Places of rules of which an expression may be found in the text."""
        for expression, places in self._groups:
            if expression is None or expression.search(text) is not None:
                yield from places


def _groups(entries: Sequence[tuple[int, str]]) -> Iterator[tuple[Any, Sequence[int]]]:
    for start in range(0, len(entries), _GROUP):
        group = entries[start : start + _GROUP]
        yield _together([each for _, each in group]), [place for place, _ in group]


def _together(expressions: Sequence[str]) -> Any:  # noqa: ANN401  # re2 has no types
    """One expression for all; None where there is none: they take too much memory, or share the name of a group."""
    if any("\\Q" in each for each in expressions):
        return None  # it may have no end, and then takes what follows for text
    try:
        return compiled("|".join(f"(?:{each})" for each in expressions), max_memory=_MAX_MEMORY)
    except BadPattern:
        return None
