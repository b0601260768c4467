"""Group commit: calls that arrive while a write is under way share the next one."""

import asyncio
from collections.abc import Sequence

import pytest

from groupcommit import GroupCommit, GroupCommitClosed


class Writes:
    """A write that waits to be released; it doubles numbers, and fails when it meets one that is negative."""

    def __init__(self, at_once: int = 1) -> None:
        self.groups: list[list[int]] = []
        self.at_once = at_once
        self.under_way = 0
        self._gate = asyncio.Event()

    async def __call__(self, items: list[int]) -> Sequence[int]:
        self.groups.append(items)
        self.under_way += 1
        assert self.under_way <= self.at_once, "too many writes at a time"
        try:
            await self._gate.wait()
            if min(items) < 0:
                raise ValueError(str(min(items)))
            return [2 * item for item in items]
        finally:
            self.under_way -= 1

    def go_on(self) -> None:
        self._gate.set()


async def begin(group: GroupCommit[int, int], *submits: list[int]) -> list["asyncio.Task[Sequence[int]]"]:
    """Submit, and return when the first write is under way."""
    tasks = []
    for items in submits:
        tasks.append(asyncio.create_task(group.submit(items)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


async def test_concurrent_submits_share_a_write() -> None:
    """Items that arrive while a write is under way go in one next write, in order, each result to its caller."""
    writes = Writes()
    group = GroupCommit(writes, max_items=1000)
    tasks = await begin(group, *[[number, number + 1] for number in range(100)])
    writes.go_on()
    assert await asyncio.gather(*tasks) == [[2 * number, 2 * number + 2] for number in range(100)]
    assert [len(items) for items in writes.groups] == [2, 198]


async def test_idle_group_writes_at_once() -> None:
    """No submit waits for others: one alone is written alone."""
    writes = Writes()
    writes.go_on()
    group = GroupCommit(writes, max_items=10)
    assert await group.submit([1]) == [2]
    assert await group.submit([2]) == [4]
    assert writes.groups == [[1], [2]]


async def test_empty_submit_writes_nothing() -> None:
    """Nothing to write is no write."""
    writes = Writes()
    assert await GroupCommit(writes, max_items=10).submit([]) == []
    assert writes.groups == []


async def test_error_reaches_its_group_only() -> None:
    """Every caller of the group that failed gets the error; the groups before and after are unaffected."""
    writes = Writes()
    group = GroupCommit(writes, max_items=4)
    tasks = await begin(group, [1], [2, 3], [-1, 4], [5], [6])
    writes.go_on()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert writes.groups == [[1], [2, 3, -1, 4], [5, 6]]
    assert [results[0], results[3], results[4]] == [[2], [10], [12]]
    assert [str(results[1]), str(results[2])] == ["-1", "-1"]
    assert all(isinstance(result, ValueError) for result in results[1:3])


async def test_group_goes_on_after_an_error() -> None:
    """A write that failed spoils nothing for later ones."""
    writes = Writes()
    writes.go_on()
    group = GroupCommit(writes, max_items=4)
    with pytest.raises(ValueError, match="-1"):
        await group.submit([-1])
    assert await group.submit([1]) == [2]


async def test_groups_stay_within_most_items() -> None:
    """No submit is cut in two, and no group grows over the maximum, except by one submit that is larger alone."""
    writes = Writes()
    group = GroupCommit(writes, max_items=3)
    tasks = await begin(group, [0], [1, 1], [2, 2], [3], [4, 4, 4, 4, 4], [5])
    writes.go_on()
    await asyncio.gather(*tasks)
    assert writes.groups == [[0], [1, 1], [2, 2, 3], [4, 4, 4, 4, 4], [5]]


@pytest.mark.parametrize("cancelled", range(4))
async def test_cancelled_caller_harms_no_other(cancelled: int) -> None:
    """A caller is cancelled, in the write under way or in the next: the others get their results."""
    writes = Writes()
    group = GroupCommit(writes, max_items=10)
    tasks = await begin(group, [0], [1], [2], [3])
    tasks[cancelled].cancel()
    await asyncio.sleep(0)
    writes.go_on()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results.pop(cancelled), asyncio.CancelledError)
    assert results == [[2 * number] for number in range(4) if number != cancelled]
    assert await group.submit([9]) == [18]


async def test_cancelled_before_its_write_takes_its_items_back() -> None:
    """Items without a waiting caller are not written, if their write has not begun."""
    writes = Writes()
    group = GroupCommit(writes, max_items=10)
    tasks = await begin(group, [0], [1], [2])
    tasks[1].cancel()
    await asyncio.sleep(0)
    writes.go_on()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert writes.groups == [[0], [2]]


async def test_close_waits_for_what_was_submitted() -> None:
    """Closing returns when all is written, and refuses what comes later."""
    writes = Writes()
    group = GroupCommit(writes, max_items=2)
    tasks = await begin(group, [1], [2, 2], [3, 3])
    closing = asyncio.create_task(group.close())
    await asyncio.sleep(0)
    assert not closing.done()
    with pytest.raises(GroupCommitClosed):
        await group.submit([4])
    writes.go_on()
    await closing
    assert all(task.done() for task in tasks)
    assert writes.groups == [[1], [2, 2], [3, 3]]
    await group.close()


async def test_second_write_begins_when_it_is_worth_it() -> None:
    """Beside a write under way another begins when a quarter of a group waits, and no third one."""
    writes = Writes(at_once=2)
    group = GroupCommit(writes, max_items=8, at_once=2)
    tasks = await begin(group, *[[number] for number in range(10)])
    assert writes.groups == [[0], [1, 2]]
    writes.go_on()
    assert await asyncio.gather(*tasks) == [[2 * number] for number in range(10)]
    await group.close()
    assert sorted(item for items in writes.groups for item in items) == list(range(10))
    assert len(writes.groups) == 3


async def test_error_of_one_write_leaves_the_other_alone() -> None:
    """Of two writes under way the callers of one get the error, those of the other their results."""
    writes = Writes(at_once=2)
    group = GroupCommit(writes, max_items=8, at_once=2)
    tasks = await begin(group, [1], [-2], [3], [4])
    writes.go_on()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [results[0], results[3]] == [[2], [8]]
    assert all(isinstance(result, ValueError) for result in results[1:3])


async def test_submits_of_one_moment_share_a_group_again() -> None:
    """Callers that submit again as soon as they have their results are written together again."""
    writes = Writes()
    group = GroupCommit(writes, max_items=8)

    async def work(number: int) -> None:
        for _ in range(3):
            await group.submit([number])

    workers = [asyncio.create_task(work(number)) for number in range(8)]
    await asyncio.sleep(0)
    writes.go_on()
    await asyncio.gather(*workers)
    assert [len(items) for items in writes.groups] == [8, 8, 8]
