"""Lists of an application's subscriptions, also when one takes longer than a turn of an account may."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from graph.errors import GraphUnavailable
from graph.mailbox import Mailbox
from graph.subscriptions import GraphSubscription
from phrases import Phrase
from subscriptions.listing_cache import ListIncomplete, SubscriptionListCache
from tests.doubles.clock import SettableClock

NOW = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)
MAILBOX = Mailbox(1, "a", "t", "c", "u", "00" * 20)


class Graph:
    """Lists `pages` pages of one subscription, each `seconds` after the other."""

    def __init__(self, pages: int, seconds: float = 0.0) -> None:
        self.clock = SettableClock()
        self.cache = SubscriptionListCache(self, clock=self.clock)
        self.pages = pages
        self.seconds = seconds
        self.lists = 0
        self.reads = 0
        self.failing = False

    def listing(self, _mailbox: Mailbox) -> "Pages":
        self.lists += 1
        return Pages(self)

    async def turn(self, *, fresh: bool = False) -> int | None:
        """The number listed; None if it is not complete in this turn."""
        try:
            return len(await self.cache.get(MAILBOX, fresh=fresh))
        except ListIncomplete:
            return None


class Pages:
    """A list under way."""

    def __init__(self, graph: Graph) -> None:
        self.complete = False
        self._graph = graph
        self._left = graph.pages

    async def read(self) -> list[GraphSubscription]:
        await asyncio.sleep(0)
        if self._graph.failing:
            raise GraphUnavailable(Phrase("down"))
        self._graph.clock.advance(timedelta(seconds=self._graph.seconds))
        self._graph.reads += 1
        self._left -= 1
        self.complete = self._left == 0
        return [GraphSubscription(f"s-{self._left}", "r", "created", "u", None, NOW + timedelta(days=3))]


async def test_a_list_serves_all_accounts_for_a_minute() -> None:
    graph = Graph(pages=3)
    assert [await graph.turn() for _ in range(3)] == [3, 3, 3]
    assert graph.lists == 1
    assert await graph.turn(fresh=True) == 3
    assert graph.lists == 2
    graph.clock.advance(timedelta(seconds=61))
    assert await graph.turn() == 3
    assert graph.lists == 3


async def test_a_list_that_takes_longer_than_a_turn_is_continued_by_the_next_ones() -> None:
    """Begun anew in each turn it would never end, and the account would never get its subscription."""
    graph = Graph(pages=100, seconds=1)
    found = [await graph.turn() for _ in range(6)]
    assert found == [None, None, None, None, 100, 100]
    assert (graph.lists, graph.reads) == (1, 100)
    graph.clock.advance(timedelta(seconds=90))
    assert await graph.turn() == 100  # as long as it took, it is the newest there can be
    graph.clock.advance(timedelta(seconds=20))
    assert await graph.turn() is None
    assert graph.lists == 2


async def test_other_accounts_do_not_wait_for_a_long_list() -> None:
    """Their turns would end by their time limit, and count as failed."""
    graph = Graph(pages=100, seconds=1)
    assert await graph.turn() is None
    turns = [asyncio.create_task(graph.turn()) for _ in range(3)]
    assert await asyncio.gather(*turns) == [None, None, None]
    assert graph.reads == 40


async def test_a_turn_that_was_cancelled_loses_no_page() -> None:
    graph = Graph(pages=5)
    turn = asyncio.create_task(graph.turn())
    while graph.reads < 2:  # noqa: ASYNC110  # a count of the double
        await asyncio.sleep(0)
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    assert await graph.turn() == 5
    assert (graph.lists, graph.reads) == (1, 5)


async def test_a_list_that_failed_is_begun_anew() -> None:
    """Its link may be the reason."""
    graph = Graph(pages=30, seconds=1)
    assert await graph.turn() is None
    graph.failing = True
    with pytest.raises(GraphUnavailable):
        await graph.turn()
    graph.failing = False
    assert [await graph.turn(), await graph.turn()] == [None, 30]
    assert graph.lists == 2
