"""Lists in the texts of problems."""

from collections.abc import Iterable
from typing import Final

FEW: Final = 10
"""Causes up to which each is a problem of its own."""
_SHOWN: Final = 5


def listed(names: Iterable[str]) -> str:
    """The first names in the order of the alphabet, in one line."""
    known = sorted(names)
    return ", ".join(known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
