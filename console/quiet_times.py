"""Quiet times of alerts: `22:00-06:00; sat,sun`."""

import re
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from typing import Final, Self

from phrases import Phrase

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENTRY: Final = re.compile(
    r"(?P<days>[a-z]{3}(?:\s*,\s*[a-z]{3})*)?\s*(?:(?P<begin>\d\d?:\d\d)\s*-\s*(?P<end>\d\d?:\d\d))?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Span:
    """A daily span of some days of the week. `end` not after `begin`: it ends on the next day."""

    days: frozenset[int]
    begin: time
    end: time

    def covers(self, local: datetime) -> bool:
        at, day = local.time(), local.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= at < self.end
        return (day in self.days and at >= self.begin) or ((day - 1) % len(_DAYS) in self.days and at < self.end)


@dataclass(frozen=True, slots=True)
class QuietTimes:
    """Spans in which nothing but errors is sent."""

    spans: tuple[_Span, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse entries separated by `;`: days, or a span of time, or both; a span past midnight is of its first day.

        Raises:
            ValueError: it is of another form.
        """
        return cls(tuple(map(_span, text.split(";"))))

    def covers(self, moment: datetime, zone: tzinfo | None = None) -> bool:
        """Return True if this aware time is in one of them. `zone`: None is the one of this host."""
        local = moment.astimezone(zone)
        return any(each.covers(local) for each in self.spans)


def _span(text: str) -> _Span:
    found = _ENTRY.fullmatch(text.strip())
    days, begin, end = (found["days"], found["begin"], found["end"]) if found else (None, None, None)
    named = [each.strip().lower() for each in days.split(",")] if days else [*_DAYS]
    if not (days or begin) or not set(named) <= set(_DAYS):
        raise _no_times()
    try:
        return _Span(frozenset(map(_DAYS.index, named)), _time(begin or "0:00"), _time(end or "0:00"))
    except ValueError as exc:
        raise _no_times() from exc


def _time(text: str) -> time:
    hour, minute = map(int, text.split(":"))
    return time(0) if (hour, minute) == (24, 0) else time(hour, minute)


def _no_times() -> ValueError:
    return ValueError(Phrase("is no list of times such as 22:00-06:00; sat,sun"))
