"""Intervals between sweeps of a folder. No I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from db.queries.schedule import NEVER

_WITHOUT_WEBHOOK: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SweepSchedule:
    """`interval`: between two sweeps of an account, None: only when there is a reason to. `webhooks`: there are any.

    `max_waiting`: with more messages than this to be received, a long pass pauses, so that mail which arrives now
    does not wait behind all that arrived before.
    """

    interval: timedelta | None
    webhooks: bool
    max_waiting: int = 5_000

    @classmethod
    def of_settings(
        cls, sweep_interval: int, notification_url: str | None, *, max_waiting: int = 5_000
    ) -> "SweepSchedule":
        """The schedule from the settings of these names; `sweep_interval` in seconds, 0: none."""
        interval = timedelta(seconds=sweep_interval) if sweep_interval else None
        return cls(interval=interval, webhooks=notification_url is not None, max_waiting=max_waiting)

    def first_due(self, now: datetime) -> datetime:
        """The first sweep of an account; with webhooks its new subscription requests one earlier."""
        if not self.webhooks:
            return now
        return NEVER if self.interval is None else now + self.interval

    def next_interval(self) -> timedelta | None:
        """The interval from a sweep to the next one; None: not by the clock."""
        if self.webhooks:
            return self.interval
        return _WITHOUT_WEBHOOK if self.interval is None else min(self.interval, _WITHOUT_WEBHOOK)
