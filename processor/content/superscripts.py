"""Raised numbers in plain text: exponents and footnotes, which are not digits of the number before them. No I/O."""

import re
from typing import Final

_NUMBER: Final = re.compile(r"(?=.*[0-9])[0-9+\u2212\u2013=()n,. *-]{1,12}")
_RAISED: Final = str.maketrans("0123456789+-\u2212\u2013=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾ⁿ")


def raised(text: str) -> str | None:
    """The number in characters that are raised themselves: 10⁶ is not 106, nor 42¹⁾ 421. None: it is none."""
    return text.translate(_RAISED) if _NUMBER.fullmatch(text) else None
