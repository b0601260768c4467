"""Limits the deliveries of one mailbox in flight, within a process and between processes.

Graph serves four calls of a mailbox at once, however many wait. The processes share these four; each works on no more
deliveries of a mailbox than keep its own share busy, and on none of a mailbox that is wholly the others'. Deliveries
that it cannot use it abandons at once, uncounted, to be delivered again about when there will be room for them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from db.leases import is_over
from db.queries.processes import PROCESSOR, KnownProcess
from graph.mailbox import SlotKey
from graph.slots import MAX_AT_ONCE, share_of

_FIRST_GUESS_SECONDS: Final = 0.02
_WEIGHT: Final = 0.2
_SHORTEST: Final = timedelta(seconds=0.2)
_MAX_WAIT: Final = timedelta(seconds=60)
_FORGET_FROM: Final = 1_000


class AliveProcesses(Protocol):
    """The processes that are alive: `db.heartbeat.Heartbeat`."""

    def alive(self) -> tuple[KnownProcess, ...]:
        """The same object until a process comes or goes.

        Raises:
            DatabaseUnavailable: this process may count as dead.
        """
        ...


class CallShare(Protocol):
    """The share of a mailbox's concurrent calls that is this process's: `ProcessShare`."""

    def of(self, key: SlotKey) -> int:
        """The number of calls now; 0: other processes have them all.

        Raises:
            DatabaseUnavailable: this process may count as dead to the others, and must begin no call.
        """
        ...

    def check(self) -> None:
        """Like `of`, for no mailbox.

        Raises:
            DatabaseUnavailable
        """
        ...


class ProcessShare:
    """The share that follows from the processors alive, without communication between them."""

    def __init__(self, processes: AliveProcesses, *, name: str) -> None:
        """`name`: of this process."""
        self._processes = processes
        self._name = name
        self._alive: tuple[KnownProcess, ...] = ()
        self._processors: tuple[str, ...] = ()
        self._known: dict[SlotKey, int] = {}

    def check(self) -> None:
        """See `CallShare.check`."""
        alive = self._processes.alive()
        if alive is not self._alive:
            self._alive = alive
            self._processors = tuple(each.process.name for each in alive if PROCESSOR in each.process.roles)
            self._known.clear()

    def of(self, key: SlotKey) -> int:
        """See `CallShare.of`."""
        self.check()
        share = self._known.get(key)
        if share is None:
            share = self._known[key] = share_of(key, self._name, self._processors)
        return share


@dataclass(slots=True)
class _Share:
    """This process's deliveries of one mailbox."""

    in_flight: int = 0
    ended: datetime | None = None
    seconds: float = _FIRST_GUESS_SECONDS
    """Time between two deliveries done, while there were always some in flight."""
    returns: datetime | None = None
    """Time at which the last of those abandoned comes again."""

    def is_of_use(self, now: datetime) -> bool:
        return bool(self.in_flight) or (self.returns is not None and not is_over(self.returns, now, longest=_MAX_WAIT))


class MailboxFairness:
    """Decides which deliveries are worked on now."""

    def __init__(self, calls: CallShare, *, max_per_mailbox: int, clock: Callable[[], datetime]) -> None:
        """`max_per_mailbox`: deliveries of one mailbox in flight with all of its calls; fewer with fewer calls."""
        self._calls = calls
        self._max_per_mailbox = max_per_mailbox
        self._clock = clock
        self._shares: dict[SlotKey, _Share] = {}
        self._forget_at = _FORGET_FROM

    def check(self) -> None:
        """Return if deliveries may be worked on at all.

        Raises:
            DatabaseUnavailable: this process may count as dead to the others; it receives no deliveries then.
        """
        self._calls.check()

    def try_acquire(self, key: SlotKey) -> timedelta | None:
        """Count a delivery in; when there is no room for it, return the time it should stay away.

        Raises:
            DatabaseUnavailable: see `check`.
        """
        calls = self._calls.of(key)
        share = self._shares.get(key)
        if share is None:
            self._forget()
            share = self._shares[key] = _Share()
        if calls == 0 or share.in_flight >= max(calls, self._max_per_mailbox * calls // MAX_AT_ONCE):
            return self._delay(share)
        share.in_flight += 1
        return None

    def release(self, key: SlotKey) -> None:
        """Count a delivery out that `try_acquire` counted in."""
        share, now = self._shares[key], self._clock()
        if share.ended is not None:
            seconds = (now - share.ended).total_seconds()
            share.seconds += _WEIGHT * (min(max(seconds, 0.0), 10.0) - share.seconds)
        share.in_flight -= 1
        share.ended = now if share.in_flight else None

    def _delay(self, share: _Share) -> timedelta:
        """The time until just before earlier ones are done: too early costs one more abandon, too late costs time."""
        now = self._clock()
        last = now if share.returns is None else min(share.returns, now + _MAX_WAIT)
        share.returns = min(max(now + _SHORTEST, last + timedelta(seconds=0.8 * share.seconds)), now + _MAX_WAIT)
        return share.returns - now

    def _forget(self) -> None:
        """Drop the entries of mailboxes without state, now and then."""
        if len(self._shares) < self._forget_at:
            return
        now = self._clock()
        self._shares = {key: share for key, share in self._shares.items() if share.is_of_use(now)}
        self._forget_at = max(_FORGET_FROM, 2 * len(self._shares))
