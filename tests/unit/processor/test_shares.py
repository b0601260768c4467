"""How much of one mailbox a process works on."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from processor.shares import MailboxKey, Shares
from tests.clock import SettableClock

BUSY, OTHER = ("client", "busy"), ("client", "other")


class Room:
    """Gives room to all mailboxes but some."""

    def __init__(self) -> None:
        self.full: set[MailboxKey] = set()

    async def reserve(self, expected: Mapping[MailboxKey, int]) -> set[MailboxKey]:
        return self.full & set(expected)


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def shares(room: Room, settable_clock: SettableClock) -> Shares:
    return Shares(room, most_of_one=3, clock=settable_clock)


async def test_a_busy_mailbox_leaves_room_for_the_others(shares: Shares) -> None:
    await shares.reserve({BUSY: 10, OTHER: 1})
    assert [shares.begin(BUSY) for _ in range(3)] == [None] * 3
    assert shares.begin(BUSY) is not None
    assert shares.begin(OTHER) is None


async def test_what_there_is_no_room_for_comes_again_one_after_the_other(shares: Shares) -> None:
    """Not all at once, and none of it later than a minute."""
    await shares.reserve({BUSY: 10_000})
    waits = [wait for _ in range(10_000) if (wait := shares.begin(BUSY)) is not None]
    assert waits == sorted(waits)
    assert waits[0] <= timedelta(seconds=1)
    assert waits[0] < waits[100] < waits[1000]
    assert waits[-1] == timedelta(seconds=60)


async def test_the_slower_the_mailbox_the_longer_the_wait(shares: Shares, settable_clock: SettableClock) -> None:
    await shares.reserve({BUSY: 1})
    for _ in range(2):
        shares.begin(BUSY)
    for _ in range(30):
        shares.begin(BUSY)
        settable_clock.advance(timedelta(seconds=2))
        shares.end(BUSY)
    shares.begin(BUSY)
    waits = [shares.begin(BUSY) for _ in range(11)]
    assert waits[0] is not None
    assert waits[10] is not None
    assert waits[10] - waits[0] > timedelta(seconds=10)


async def test_a_mailbox_that_others_serve_is_left_to_them(shares: Shares, room: Room) -> None:
    room.full = {BUSY}
    await shares.reserve({BUSY: 2, OTHER: 1})
    assert shares.begin(BUSY) is not None
    assert shares.begin(OTHER) is None
    room.full = set()
    await shares.reserve({BUSY: 1})
    assert shares.begin(BUSY) is None


async def test_a_delivery_that_ends_makes_room(shares: Shares) -> None:
    await shares.reserve({BUSY: 4})
    for _ in range(3):
        shares.begin(BUSY)
    assert shares.begin(BUSY) is not None
    shares.end(BUSY)
    assert shares.begin(BUSY) is None
