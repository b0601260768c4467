"""Four calls of a mailbox at once, over all processes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from db.engine import Database
from db.mailbox_calls import MailboxCalls
from db.tables import mailbox_call

KEY = ("client", "user")
OTHER = ("client", "other")


class Clock:
    """The time of day, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Hosts:
    """Processes that share the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self._stacks: dict[MailboxCalls, AsyncExitStack] = {}

    async def start(self) -> MailboxCalls:
        stack = AsyncExitStack()
        calls = MailboxCalls(self.database, owner=f"host-{len(self._stacks)}", clock=self.clock)
        await stack.enter_async_context(calls.kept())
        self._stacks[calls] = stack
        return calls

    async def stop(self, calls: MailboxCalls) -> None:
        await self._stacks[calls].aclose()

    async def close(self) -> None:
        for stack in self._stacks.values():
            await stack.aclose()

    async def rows(self) -> int:
        count = select(func.count()).select_from(mailbox_call)
        return await self.database.read(lambda connection: connection.scalar(count)) or 0


@pytest.fixture
async def hosts(database: Database) -> AsyncIterator[Hosts]:
    made = Hosts(database, Clock())
    yield made
    await made.close()


async def taken(calls: MailboxCalls, most: int, key: tuple[str, str] = KEY) -> int:
    """How many calls may begin once the process has asked the database; they are all under way then."""
    for count in range(most):
        wanting = asyncio.create_task(calls.take(key))
        await asyncio.sleep(0)
        for _ in range(2):  # the first round may have been planned before we asked
            if not wanting.done():
                await calls._go_round()
                await asyncio.sleep(0)
        if not wanting.done():
            wanting.cancel()
            await asyncio.wait([wanting])
            return count
        await wanting
    return most


async def test_four_calls_and_no_more_over_two_processes(hosts: Hosts) -> None:
    """However they come to be divided."""
    first, second = await hosts.start(), await hosts.start()
    begun = sum(await asyncio.gather(taken(first, 4), taken(second, 4)))
    # Two who ask in the same moment may both draw back; who asks again gets what is left.
    begun += await taken(first, 4 - begun)
    assert begun == 4
    assert await taken(second, 1) == 0


async def test_mailboxes_do_not_count_together(hosts: Hosts) -> None:
    calls = await hosts.start()
    assert await taken(calls, 5) == 4
    assert await taken(calls, 5, OTHER) == 4


async def test_a_call_that_ends_makes_room(hosts: Hosts) -> None:
    calls = await hosts.start()
    assert await taken(calls, 5) == 4
    waiting = asyncio.create_task(calls.take(KEY))
    await asyncio.sleep(0)
    calls.give_back(KEY)
    await asyncio.wait_for(waiting, 5)


async def test_a_cancelled_wait_takes_nothing(hosts: Hosts) -> None:
    calls = await hosts.start()
    assert await taken(calls, 4) == 4
    waiting = asyncio.create_task(calls.take(KEY))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    calls.give_back(KEY)
    assert await taken(calls, 2) == 1


async def test_who_asks_is_given_a_slot_by_who_has_several(hosts: Hosts) -> None:
    """A process that is busy for ever does not keep another one out for ever."""
    busy, asking = await hosts.start(), await hosts.start()
    assert await taken(busy, 4) == 4
    assert await asking.reserve({KEY: 1}) == {KEY}
    wanting = asyncio.create_task(asking.take(KEY))
    again: list[asyncio.Task[None]] = []
    async with asyncio.timeout(10):
        while not wanting.done():
            busy.give_back(KEY)
            again.append(asyncio.create_task(busy.take(KEY)))
            await asyncio.sleep(0.02)
    for task in again:
        task.cancel()
    await asyncio.gather(*again, return_exceptions=True)


async def test_slots_of_a_process_that_died_are_free_after_their_lease(hosts: Hosts) -> None:
    """It gives nothing back; time does."""
    dead, alive = MailboxCalls(hosts.database, owner="dead", clock=hosts.clock), await hosts.start()
    assert await dead.reserve({KEY: 4}) == set()
    assert await alive.reserve({KEY: 1}) == {KEY}
    hosts.clock.ahead += timedelta(seconds=21)
    assert await alive.reserve({KEY: 4}) == set()
    assert await taken(alive, 4) == 4


async def test_a_share_is_given_back_when_the_process_ends(hosts: Hosts) -> None:
    first = await hosts.start()
    assert await taken(first, 4) == 4
    await hosts.stop(first)
    second = await hosts.start()
    assert await taken(second, 4) == 4


async def test_idle_mailboxes_leave_nothing_in_the_table(hosts: Hosts) -> None:
    calls = await hosts.start()
    await calls.take(KEY)
    calls.give_back(KEY)
    hosts.clock.ahead += timedelta(seconds=3)
    await until(lambda: _is_empty(hosts))


async def _is_empty(hosts: Hosts) -> bool:
    return not await hosts.rows()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110  # what changes the table sets no event here
            await asyncio.sleep(0.02)


async def test_a_lease_is_renewed_while_it_is_used(hosts: Hosts) -> None:
    calls, other = await hosts.start(), await hosts.start()
    assert await taken(calls, 4) == 4

    async def renewed(since: datetime) -> bool:
        least = await hosts.database.read(lambda c: c.scalar(select(func.min(mailbox_call.c.dtLeaseUntil))))
        return least is not None and least > since + timedelta(seconds=15)

    for _ in range(3):
        hosts.clock.ahead += timedelta(seconds=11)
        now = hosts.clock()
        await until(lambda now=now: renewed(now))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    assert await other.reserve({KEY: 1}) == {KEY}
