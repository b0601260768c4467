"""Stored times in the future: ends of leases, due times. Limits to their validity, for every table that has some.

Such a time was written by a clock that may have been wrong: one that was hours ahead before it was corrected (a host
that boots, a virtual machine that wakes up) would delay work for as long. So a time further ahead than the longest
that is ever written counts as over: the lease has ended, the work is due. Hosts' clocks may differ by less than
CLOCK_TOLERANCE.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, or_

CLOCK_TOLERANCE: Final = timedelta(minutes=1)
"""Far more than hosts with NTP differ, far less than would do harm."""

MAX_LEASE: Final = timedelta(minutes=5)
"""Maximum of all leases: of accounts' turns, of processes, of actions after an import."""


def is_over(at: datetime, now: datetime, *, longest: timedelta = MAX_LEASE) -> bool:
    """True from `at` on, and while it is further ahead than `longest`, the longest time that is ever set."""
    return not now < at <= now + longest + CLOCK_TOLERANCE


def age(since: datetime, now: datetime) -> timedelta:
    """The time since then; of a future moment, the maximum: it was written by a wrong clock."""
    return now - since if since <= now + CLOCK_TOLERANCE else timedelta.max


def over(column: ColumnElement[Any], now: datetime, *, longest: timedelta = MAX_LEASE) -> ColumnElement[bool]:
    """`is_over` of a column. Two ranges of one index; where many rows lie between them, see `bus.database.adapter`."""
    return or_(column <= now, beyond(column, now, longest=longest))


def beyond(column: ColumnElement[Any], now: datetime, *, longest: timedelta) -> ColumnElement[bool]:
    """True of a time that no correct clock has set. One range of an index."""
    return column > now + longest + CLOCK_TOLERANCE
