"""No mailbox gets in the way of the others, within a process and between processes.

Graph serves four calls of a mailbox at once, whatever waits. A process therefore works on no more deliveries of one
mailbox than keep those four busy, and on none of a mailbox that other processes serve with all four. What it cannot use
it hands back at once, uncounted, to come again about when there will be room for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

MailboxKey = tuple[str, str]

_FIRST_GUESS_SECONDS: Final = 0.02
_WEIGHT: Final = 0.2
_SHORTEST: Final = timedelta(seconds=0.2)
_ELSEWHERE: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(seconds=60)


class Reservations(Protocol):
    """Who gives out calls at once: `db.mailbox_calls.MailboxCalls`."""

    async def reserve(self, expected: Mapping[MailboxKey, int]) -> set[MailboxKey]:
        """Get room for so many calls to come; the mailboxes for which there is none now."""
        ...


@dataclass(slots=True)
class _Share:
    """What this process has of one mailbox."""

    in_work: int = 0
    ended: datetime | None = None
    seconds: float = _FIRST_GUESS_SECONDS
    """Between two deliveries done, while there were always some in work."""
    returns: datetime | None = None
    """When the last of those handed back comes again."""
    elsewhere: bool = False

    def is_of_use(self, now: datetime) -> bool:
        return bool(self.in_work) or (self.returns is not None and self.returns > now)


class Shares:
    """Decides which deliveries are worked on now."""

    def __init__(self, reservations: Reservations, *, most_of_one: int, clock: Callable[[], datetime]) -> None:
        """`most_of_one`: deliveries of one mailbox in work at a time."""
        self._reservations = reservations
        self._most_of_one = most_of_one
        self._clock = clock
        self._shares: dict[MailboxKey, _Share] = {}

    async def reserve(self, expected: Mapping[MailboxKey, int]) -> None:
        """Ask for room for the deliveries that came just now.

        Raises:
            DatabaseUnavailable
        """
        now = self._clock()
        self._shares = {key: share for key, share in self._shares.items() if key in expected or share.is_of_use(now)}
        elsewhere = await self._reservations.reserve(expected)
        for key in expected:
            self._shares.setdefault(key, _Share()).elsewhere = key in elsewhere

    def begin(self, key: MailboxKey) -> timedelta | None:
        """Count a delivery in; or how long it should stay away, when there is no room for it."""
        share = self._shares.setdefault(key, _Share())
        if share.in_work >= self._most_of_one or (share.elsewhere and not share.in_work):
            return self._away(share)
        share.in_work += 1
        return None

    def end(self, key: MailboxKey) -> None:
        """Count a delivery out that `begin` counted in."""
        share, now = self._shares[key], self._clock()
        if share.ended is not None:
            seconds = (now - share.ended).total_seconds()
            share.seconds += _WEIGHT * (min(max(seconds, 0.0), 10.0) - share.seconds)
        share.in_work -= 1
        share.ended = now if share.in_work else None

    def _away(self, share: _Share) -> timedelta:
        """A little before all that came earlier is done: too early costs a hand-back more, too late costs time."""
        now = self._clock()
        first = now + (_ELSEWHERE if share.elsewhere else _SHORTEST)
        after_the_last = (share.returns or now) + timedelta(seconds=0.8 * share.seconds)
        share.returns = min(max(first, after_the_last), now + _LONGEST)
        return share.returns - now
