"""Bounds of a process's work on one mailbox."""

from datetime import UTC, datetime, timedelta

import pytest

from db.errors import DatabaseUnavailable
from db.queries.processes import PROCESSOR, KnownProcess, Process
from graph.mailbox import SlotKey
from phrases import Phrase
from processor.mailbox_fairness import MailboxFairness, ProcessShare
from tests.doubles.clock import SettableClock

BUSY, OTHER = ("client", "busy"), ("client", "other")


class Room:
    """All calls of all mailboxes, except for some."""

    def __init__(self) -> None:
        self.calls: dict[SlotKey, int] = {}
        self.away = False

    def of(self, key: SlotKey) -> int:
        self.check()
        return self.calls.get(key, 4)

    def check(self) -> None:
        if self.away:
            raise DatabaseUnavailable(Phrase("away"))


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def shares(room: Room, settable_clock: SettableClock) -> MailboxFairness:
    return MailboxFairness(room, max_per_mailbox=8, clock=settable_clock)


def begun(shares: MailboxFairness, limit: int, key: SlotKey = BUSY) -> int:
    """Count the deliveries in progress."""
    return [shares.try_acquire(key) for _ in range(limit)].count(None)


async def test_a_busy_mailbox_leaves_room_for_the_others(shares: MailboxFairness) -> None:
    assert begun(shares, 100) == 8
    assert shares.try_acquire(OTHER) is None


@pytest.mark.parametrize(("calls", "deliveries"), [(4, 8), (2, 4), (1, 2), (0, 0)])
async def test_the_smaller_the_share_the_fewer_deliveries(
    shares: MailboxFairness, room: Room, calls: int, deliveries: int
) -> None:
    """Otherwise they would wait here for a call while other processes have some to spare."""
    room.calls = {BUSY: calls}
    assert begun(shares, 100) == deliveries


async def test_what_there_is_no_room_for_comes_again_one_after_the_other(shares: MailboxFairness) -> None:
    """They do not come all at once, and none of them later than a minute."""
    waits = [wait for _ in range(10_000) if (wait := shares.try_acquire(BUSY)) is not None]
    assert waits == sorted(waits)
    assert waits[0] <= timedelta(seconds=1)
    assert waits[0] < waits[100] < waits[1000]
    assert waits[-1] == timedelta(seconds=60)


async def test_the_slower_the_mailbox_the_longer_the_wait(
    shares: MailboxFairness, settable_clock: SettableClock
) -> None:
    for _ in range(7):
        shares.try_acquire(BUSY)
    for _ in range(30):
        shares.try_acquire(BUSY)
        settable_clock.advance(timedelta(seconds=2))
        shares.release(BUSY)
    shares.try_acquire(BUSY)
    waits = [shares.try_acquire(BUSY) for _ in range(11)]
    assert waits[0] is not None
    assert waits[10] is not None
    assert waits[10] - waits[0] > timedelta(seconds=10)


async def test_a_mailbox_that_others_serve_is_left_to_them(shares: MailboxFairness, room: Room) -> None:
    room.calls = {BUSY: 0}
    wait = shares.try_acquire(BUSY)
    assert wait is not None
    assert wait < timedelta(seconds=1)  # another process is there for it
    assert shares.try_acquire(OTHER) is None
    room.calls = {}
    assert shares.try_acquire(BUSY) is None


async def test_a_process_that_may_count_as_dead_begins_nothing(shares: MailboxFairness, room: Room) -> None:
    room.away = True
    with pytest.raises(DatabaseUnavailable):
        shares.check()
    with pytest.raises(DatabaseUnavailable):
        shares.try_acquire(BUSY)


async def test_a_clock_that_is_set_back_parks_nothing(shares: MailboxFairness, settable_clock: SettableClock) -> None:
    for _ in range(9):
        shares.try_acquire(BUSY)
    settable_clock.advance(-timedelta(hours=3))
    wait = shares.try_acquire(BUSY)
    assert wait is not None
    assert wait <= timedelta(seconds=60)


class Alive:
    """The processes of a test, and their roles."""

    def __init__(self, *names: str, roles: tuple[str, ...] = (PROCESSOR,)) -> None:
        self._now = datetime(2026, 11, 29, tzinfo=UTC)
        self._known = tuple(self._process(each, roles) for each in names)

    def _process(self, name: str, roles: tuple[str, ...]) -> KnownProcess:
        return KnownProcess(Process(name, "host", roles, "1", self._now), self._now, self._now)

    def alive(self) -> tuple[KnownProcess, ...]:
        return self._known

    def join(self, name: str, *roles: str) -> None:
        self._known += (self._process(name, roles),)


def test_a_share_follows_from_who_is_alive() -> None:
    processes = Alive("one")
    share = ProcessShare(processes, name="one")
    assert share.of(BUSY) == 4
    processes.join("two", "receiver", PROCESSOR)
    assert share.of(BUSY) == 2
    assert ProcessShare(processes, name="two").of(BUSY) == 2


def test_managers_take_nothing_from_processors() -> None:
    processes = Alive("one")
    share = ProcessShare(processes, name="one")
    processes.join("manager", "subscriptions")
    assert share.of(BUSY) == 4


async def test_a_delivery_that_ends_makes_room(shares: MailboxFairness) -> None:
    for _ in range(8):
        shares.try_acquire(BUSY)
    assert shares.try_acquire(BUSY) is not None
    shares.release(BUSY)
    assert shares.try_acquire(BUSY) is None
