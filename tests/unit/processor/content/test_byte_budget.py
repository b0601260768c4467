"""Reserved bytes are bounded over all mailboxes, and granted in the order of the requests."""

import asyncio

import pytest

from processor.content.byte_budget import ByteBudget


class Holder:
    """Holds a reservation until it is released."""

    def __init__(self, budget: ByteBudget, size: int, mailbox: object = None) -> None:
        self._mailbox = self if mailbox is None else mailbox
        self.has = asyncio.Event()
        self._release = asyncio.Event()
        self.task = asyncio.create_task(self._hold(budget, size))

    async def _hold(self, budget: ByteBudget, size: int) -> None:
        async with budget.reserved(size, mailbox=self._mailbox):
            self.has.set()
            await self._release.wait()

    async def release(self) -> None:
        self._release.set()
        await self.task


async def held_by(*holders: Holder) -> list[bool]:
    for _ in range(5):
        await asyncio.sleep(0)
    return [each.has.is_set() for each in holders]


async def test_no_more_than_the_capacity_is_held() -> None:
    """A small one does not overtake a large one, which would wait for ever."""
    budget = ByteBudget(10)
    first, large, small = Holder(budget, 6), Holder(budget, 8), Holder(budget, 1)
    assert await held_by(first, large, small) == [True, False, False]
    await first.release()
    assert await held_by(large, small) == [True, True]
    assert budget.held == 9
    await large.release()
    await small.release()
    assert budget.held == 0


async def test_one_larger_than_the_capacity_works_alone() -> None:
    budget = ByteBudget(10)
    huge, other = Holder(budget, 1_000), Holder(budget, 1)
    assert await held_by(huge, other) == [True, False]
    await huge.release()
    assert await held_by(other) == [True]
    await other.release()


async def test_one_that_stops_waiting_lets_the_others_on() -> None:
    budget = ByteBudget(10)
    first, large, small = Holder(budget, 6), Holder(budget, 8), Holder(budget, 1)
    await held_by(first)
    large.task.cancel()
    assert await held_by(small) == [True]
    with pytest.raises(asyncio.CancelledError):
        await large.task
    await first.release()
    await small.release()
    assert budget.held == 0


async def test_one_that_is_cancelled_as_it_is_granted_gives_back() -> None:
    budget = ByteBudget(10)
    first, second = Holder(budget, 10), Holder(budget, 10)
    await held_by(first)
    first.task.cancel()
    second.task.cancel()
    await asyncio.gather(first.task, second.task, return_exceptions=True)
    assert budget.held == 0


async def test_one_mailbox_holds_half_at_most_and_keeps_no_other_waiting() -> None:
    budget = ByteBudget(10)
    own = [Holder(budget, 3, "a") for _ in range(3)]
    other = Holder(budget, 5, "b")
    assert await held_by(*own, other) == [True, False, False, True]
    await own[0].release()
    assert await held_by(*own[1:]) == [True, False]
    for each in (own[1], own[2], other):
        await each.release()
    assert budget.held == 0


async def test_a_mail_without_attachments_waits_for_none() -> None:
    budget = ByteBudget(10)
    full, waiting, plain = Holder(budget, 10), Holder(budget, 5), Holder(budget, 0)
    assert await held_by(full, waiting, plain) == [True, False, True]
    for each in (full, waiting, plain):
        await each.release()
    assert budget.held == 0
