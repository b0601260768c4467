"""Search for a part of a text."""

import re
from typing import Any, Final

from sqlalchemy import ColumnElement, func

# SQL Server reads [ as the beginning of a set of characters.
_WILDCARDS: Final = re.compile(r"[\\%_\[]")


def contains(column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """True where the text contains that part, in any letter case; no character of it is a wildcard."""
    escaped = _WILDCARDS.sub(r"\\\g<0>", part.lower())
    return func.lower(column).like(f"%{escaped}%", escape="\\")
