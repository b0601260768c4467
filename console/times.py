"""Times as operators write them, in UTC unless they have an offset. No I/O."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

_AGO: Final = re.compile(r"([0-9]{1,6}) ?([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# Day first: no form of ISO 8601 has these separators.
_DATE: Final = re.compile(r"(\d{1,2})([./])(\d{1,2})\2(\d{4})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)


def parse_time(text: str, now: datetime) -> datetime:
    """Parse a time before `now` (2h, today), ISO 8601, or a date with the day first (29.11.2026 14:30); aware UTC.

    Raises:
        ValueError, OverflowError: it is none.
    """
    word = text.strip().lower()
    if ago := _AGO.fullmatch(word):
        return now.astimezone(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    if word in {"today", "yesterday"}:
        midnight = datetime.combine(now.astimezone(UTC), time(), UTC)
        return midnight - timedelta(days=word == "yesterday")
    if date := _DATE.fullmatch(text.strip()):
        day, month, year, hour, minute, second = (int(date[group] or 0) for group in (1, 3, 4, 5, 6, 7))
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    found = datetime.fromisoformat(text.strip())
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
