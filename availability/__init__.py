"""Services that this process needs and that answer now, or not: Microsoft Graph, the sign-in service, the queue.

The components that call a service report each failure to reach it, and each answer. A failure alone is no outage, as
every call is repeated: an outage is a series of them, with no answer between.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

_LEAST_FAILURES: Final = 3
_LEAST_SECONDS: Final = 8.0
_OVER_SECONDS: Final = 900.0
"""A series without a failure for so long is over: what is not called any more has no answers."""
_MAX_REMEMBERED: Final = 200_000
"""Accounts that are counted; of more, no more are."""


class Service(StrEnum):
    """The services, as `tblServiceOutage` names them."""

    GRAPH = "graph"
    SIGN_IN = "signin"
    CREDENTIALS = "credentials"
    """The source of signatures or tokens: a certificate store behind a network, or an identity of the host."""
    QUEUE = "queue"
    LOOP = "loop"
    """The process itself: one of its main loops is stuck (`background.pulse`)."""
    WORKER = "worker"
    """Another process of this one's supervisor: it cannot be started again (`console.supervision`)."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A service that does not answer. `since`: the first failure after its last answer; `seen`: the last failure.

    `accounts`: number of accounts whose calls failed; 0 where calls are of none. `why`: the last cause, a phrase.
    """

    service: Service
    since: datetime
    seen: datetime
    accounts: int
    why: str


@dataclass(slots=True)
class _Series:
    """Failures of a service since its last answer; the times in seconds are of the monotonic clock."""

    since: datetime
    began: float
    seen: datetime
    last: float
    why: str
    failures: int = 1
    accounts: set[int] = field(default_factory=set)


class Availability:
    """The answers and failures of each service; for one event loop."""

    def __init__(self, *, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._failing: dict[Service, _Series] = {}
        self._answered_at: dict[Service, float] = {}

    def answered(self, service: Service) -> None:
        """Record an answer, of any kind: it ends the outage."""
        self._answered_at[service] = self._monotonic()
        if self._failing:
            self._failing.pop(service, None)

    def failed(self, service: Service, why: str, *, account_id: int | None = None) -> None:
        """Record a failure to reach the service. `why`: a phrase for an operator."""
        now, moment = self._clock(), self._monotonic()
        series = self._failing.get(service)
        if series is None or moment - series.last >= _OVER_SECONDS:
            series = self._failing[service] = _Series(now, moment, now, moment, why, failures=0)
        series.seen, series.last, series.why = now, moment, why
        series.failures += 1
        if account_id is not None and len(series.accounts) < _MAX_REMEMBERED:
            series.accounts.add(account_id)

    def is_failing(self, service: Service) -> bool:
        """True from the first failure to the next answer."""
        return service in self._current()

    def silence(self, service: Service) -> timedelta:
        """The time since its last answer; the longest there is before the first one."""
        answered = self._answered_at.get(service)
        return timedelta.max if answered is None else timedelta(seconds=self._monotonic() - answered)

    def outages(self) -> list[Outage]:
        """The services that are out now."""
        return [
            Outage(service, each.since, each.seen, len(each.accounts), each.why)
            for service, each in self._current().items()
            if each.failures >= _LEAST_FAILURES and each.last - each.began >= _LEAST_SECONDS
        ]

    def _current(self) -> dict[Service, _Series]:
        """The series that are not over."""
        moment = self._monotonic()
        return {service: each for service, each in self._failing.items() if moment - each.last < _OVER_SECONDS}
