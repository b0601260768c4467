"""Slots of one process, and the sharing of a mailbox's slots among processes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.mailbox import SlotKey
from graph.slots import MAX_AT_ONCE, LocalSlots, Slots, share_of

KEY, OTHER = ("client", "user"), ("client", "other")

names = st.sets(st.text("abcdef0123456789-", min_size=1, max_size=12), min_size=1, max_size=12)
keys = st.tuples(st.text(max_size=5), st.text(max_size=5))


def shares(key: SlotKey, processes: set[str]) -> dict[str, int]:
    return {each: share_of(key, each, processes) for each in processes}


@given(keys, names)
def test_shares_sum_to_what_graph_serves_and_are_even(key: SlotKey, processes: set[str]) -> None:
    found = shares(key, processes).values()
    assert sum(found) == MAX_AT_ONCE
    assert max(found) - min(found) <= 1


@given(keys, names, st.text("xyz", min_size=1, max_size=3))
def test_a_process_that_comes_or_goes_moves_only_its_own_slots(key: SlotKey, processes: set[str], one: str) -> None:
    """Seen the other way round, the processes that stay gain and never lose when one ends."""
    before, after = shares(key, processes), shares(key, processes | {one})
    assert all(after[each] <= before[each] for each in processes)


def test_mailboxes_are_spread_over_the_processes() -> None:
    """Each of eight processes has about half of 1,000 mailboxes: the same four do not have them all."""
    processes = {f"host-{number}" for number in range(8)}
    mine = [sum(share_of(("c", f"{box}"), each, processes) for box in range(1000)) for each in processes]
    assert all(400 < each < 600 for each in mine)


def test_a_process_that_is_not_known_has_no_share() -> None:
    assert share_of(KEY, "one", {"another"}) == 0


class Allowance:
    """A share that a test changes."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.failure: Exception | None = None

    def __call__(self, _key: SlotKey) -> int:
        if self.failure is not None:
            raise self.failure
        return self.calls


async def begun(slots: Slots, limit: int, key: SlotKey = KEY) -> list["asyncio.Task[None]"]:
    """Calls that acquire a slot, run until they would wait."""
    calls = [asyncio.create_task(slots.acquire(key)) for _ in range(limit)]
    await asyncio.sleep(0)
    return calls


async def test_no_more_calls_than_the_share_allows() -> None:
    slots = Slots(Allowance(3))
    calls = await begun(slots, 5) + await begun(slots, 5, OTHER)
    assert [each.done() for each in calls] == ([True] * 3 + [False] * 2) * 2
    for each in calls:
        each.cancel()


async def test_a_call_that_ends_lets_the_next_begin_in_order() -> None:
    slots = LocalSlots(1)
    first, second, third = await begun(slots, 3)
    slots.release(KEY)
    await asyncio.sleep(0)
    assert (first.done(), second.done(), third.done()) == (True, True, False)
    slots.release(KEY)
    await third
    slots.release(KEY)
    assert slots.mailboxes == 0


async def test_a_share_that_grows_is_used_and_one_that_shrinks_is_kept_to() -> None:
    allowance = Allowance(1)
    slots = Slots(allowance)
    calls = await begun(slots, 6)
    allowance.calls = 3
    slots.release(KEY)
    await asyncio.sleep(0)
    assert sum(each.done() for each in calls) == 4  # one has ended, three are under way
    allowance.calls = 1
    slots.release(KEY)
    slots.release(KEY)
    await asyncio.sleep(0)
    assert sum(each.done() for each in calls) == 4
    slots.release(KEY)
    await asyncio.sleep(0)
    assert sum(each.done() for each in calls) == 5
    for each in calls:
        each.cancel()


async def test_without_a_share_what_is_in_hand_still_ends_one_call_at_a_time() -> None:
    slots = Slots(Allowance(0))
    calls = await begun(slots, 3)
    assert [each.done() for each in calls] == [True, False, False]
    for each in calls:
        await asyncio.wait_for(each, 60)
        slots.release(KEY)


async def test_a_cancelled_wait_takes_nothing() -> None:
    slots = LocalSlots(1)
    first, second, third = await begun(slots, 3)
    second.cancel()
    slots.release(KEY)
    third_too = asyncio.gather(third, return_exceptions=True)
    await third_too
    assert third.exception() is None
    slots.release(KEY)
    assert slots.mailboxes == 0
    assert first.done()


async def test_a_wait_that_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    slots = LocalSlots(1)
    _, second, third = await begun(slots, 3)
    slots.release(KEY)  # the second's turn, which it has not seen yet
    second.cancel()
    await asyncio.wait_for(third, 60)


async def test_what_the_allowance_raises_ends_every_wait() -> None:
    """A process that others may take for dead begins no call, and its calls do not wait for ever."""
    allowance = Allowance(1)
    slots = Slots(allowance)
    first, *waiting = await begun(slots, 3)
    allowance.failure = OSError("away")
    with pytest.raises(OSError, match="away"):
        await slots.acquire(KEY)
    slots.release(KEY)
    assert [type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)] == [OSError] * 2
    assert slots.mailboxes == 0
    assert first.done()
