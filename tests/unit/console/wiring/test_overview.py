"""The overview for many viewers: made once for all, recent, and there when nothing answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from bus.database.adapter import DatabaseQueue
from bus.queue import Message, MessageId, QueuedMessage
from console.settings import Settings
from console.wiring.overview import OverviewCache, OverviewReader, Snapshot, SnapshotLimits
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.queries.installation import AccountTotals
from db.queries.problems import ProblemKind
from db.tables import account_settings, message
from monitoring.facts import Facts, StoredFacts
from monitoring.overview import Overview, Verdict
from phrases import Phrase
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.unit.db.queries.test_failures import account

SECONDS: Final = 10.0
QUICK: Final = SnapshotLimits(fresh_seconds=0.01, idle_seconds=60, gather_seconds=SECONDS)


class Source:
    """Makes snapshots, each with the number of its making as that of the accounts."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.made = 0
        self.at_once = 0
        self.most_at_once = 0
        self.error: DatabaseUnavailable | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Snapshot:
        self.made += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            facts = Facts(self.clock(), StoredFacts(), alive=(), queue=None)
            return Snapshot(Overview(facts, (), (), (), {}, (), AccountTotals(self.made)))
        finally:
            self.at_once -= 1


@asynccontextmanager
async def running(source: Source, limits: SnapshotLimits = QUICK) -> AsyncIterator[OverviewCache]:
    cache, stop = OverviewCache(source, clock=source.clock, limits=limits), asyncio.Event()
    task = asyncio.create_task(cache.run(stop))
    try:
        yield cache
    finally:
        stop.set()
        async with asyncio.timeout(SECONDS):
            await task


async def until(cache: OverviewCache, fits: Callable[[Snapshot], bool]) -> Snapshot:
    async with asyncio.timeout(SECONDS):
        while not fits(found := await cache.get()):  # noqa: ASYNC110  # as a viewer does
            await asyncio.sleep(0.005)
    return found


async def test_all_viewers_share_one_overview_that_stays_recent() -> None:
    source = Source()
    source.gate.clear()
    async with running(source) as cache:
        waiting = [asyncio.create_task(cache.get()) for _ in range(50)]
        await asyncio.sleep(0)
        source.gate.set()
        first = await asyncio.gather(*waiting)
        assert {each.overview.totals.in_use for each in first} == {1}
        await until(cache, lambda found: found.overview.totals.in_use >= 3)
    assert source.most_at_once == 1


async def test_nothing_is_made_while_nobody_looks() -> None:
    source = Source()
    async with running(source) as cache:
        await cache.get()
        await until(cache, lambda _: source.made >= 2)
        made = source.made
        await asyncio.sleep(0.1)  # ten times the age at which a viewer has it made again
        assert source.made <= made + 1


async def test_a_failure_is_shown_beside_the_last_overview() -> None:
    """And is gone with the next success."""
    source = Source()
    async with running(source) as cache:
        await cache.get()
        source.error = DatabaseUnavailable(Phrase("The server is gone."))
        failed = await until(cache, lambda found: found.failure is not None)
        assert failed.failure is not None
        assert failed.failure.kind is ProblemKind.DATABASE_TROUBLE
        assert failed.failure.text == "The server is gone."
        assert failed.overview.totals.in_use > 0
        source.error = None
        await until(cache, lambda found: found.failure is None)


async def test_without_any_success_the_reason_is_the_overview() -> None:
    source = Source()
    source.error = DatabaseUnavailable(Phrase("The server is gone."))
    async with running(source) as cache:
        found = await cache.get()
        assert found.overview.verdict is Verdict.DOWN
        assert [each.text for each in found.overview.problems] == ["The server is gone."]


async def test_a_database_that_hangs_is_reported_in_time_and_holds_up_no_end() -> None:
    source = Source()
    source.gate.clear()
    async with running(source, SnapshotLimits(fresh_seconds=0.01, idle_seconds=60, gather_seconds=0.05)) as cache:
        found = await cache.get()
        assert found.overview.verdict is Verdict.DOWN
        assert found.failure is not None
        assert "did not answer within 0.05 seconds" in found.failure.text


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
async def test_a_snapshot_of_a_gateway(gateway: Gateway, database: Database) -> None:
    """It has the totals and the mail of the last day; the accounts are left out."""
    clock = SettableClock()
    mail = {"nAccountID": 1, "bHasAttachments": False, "dtReceived": clock()}
    rows = [{**mail, "sGraphMessageID": f"{place}", "dtImported": clock() - timedelta(hours=place)} for place in (0, 2)]
    await database.write(lambda connection: connection.execute(insert(account_settings), [account(1), account(2)]))
    await database.write(lambda connection: connection.execute(insert(message), rows))
    queue = DatabaseQueue(database, clock=clock)
    reader = OverviewReader(Settings(database_url=SecretStr(gateway.url)), database, queue, clock=clock)
    found = await reader.snapshot()
    assert found.overview.totals == AccountTotals(in_use=2, enabled=2)
    assert found.overview.last_imported == clock()
    assert found.overview.accounts == ()
    assert [each.messages for each in found.hours[-4:]] == [0, 1, 0, 1]
    assert found.overview.facts.now == clock()
    whole = await reader.read()
    assert [each.name for each in whole.accounts] == ["account 1", "account 2"]
    assert [each.kind for each in whole.problems] == [each.kind for each in found.overview.problems]
    await queue.close()


class _WithoutReasons(DatabaseQueue):
    """A queue that is counted in time, and whose dead letters are not read in time, as of Service Bus."""

    async def peek(self, **_: object) -> list[QueuedMessage]:
        raise TimeoutError


async def test_a_queue_whose_reasons_take_too_long_is_not_reported_as_unreachable(
    gateway: Gateway, database: Database
) -> None:
    clock = SettableClock()
    queue = _WithoutReasons(database, clock=clock)
    await queue.put([Message(MessageId("m"), "body")])
    (delivery,) = await queue.receive(1, wait=timedelta(seconds=SECONDS))
    await queue.dead_letter(delivery, reason="Broken", description="")
    found = await OverviewReader(Settings(database_url=SecretStr(gateway.url)), database, queue, clock=clock).read()
    assert [each.kind for each in found.problems] == [ProblemKind.DEAD_LETTERS]
    assert found.dead_letter_reasons == ()
    assert found.verdict is Verdict.DEGRADED
    await queue.close()
