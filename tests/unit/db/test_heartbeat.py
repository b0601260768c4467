"""A row for each process, on every database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

import background
from db import heartbeat as heartbeat_module
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.heartbeat import LEASE, Heartbeat
from db.queries import processes
from db.queries.processes import Process
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.doubles.outages import fragile


class Monotonic:
    """Time that passes only when a test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Hosts:
    """Processes that share the database."""

    def __init__(self, database: Database, clock: SettableClock) -> None:
        self.database = database
        self.clock = clock
        self.monotonic = Monotonic()
        self._stacks: dict[Heartbeat, AsyncExitStack] = {}

    def process(self, name: str) -> Process:
        return Process(name, "host", ("processor",), "1.0", self.clock())

    async def start(self, name: str) -> Heartbeat:
        stack = AsyncExitStack()
        heartbeat = Heartbeat(self.database, self.process(name), clock=self.clock, monotonic=self.monotonic)
        await stack.enter_async_context(heartbeat.kept())
        self._stacks[heartbeat] = stack
        return heartbeat

    async def stop(self, heartbeat: Heartbeat) -> None:
        await self._stacks.pop(heartbeat).aclose()

    async def kill(self, heartbeat: Heartbeat) -> None:
        """Leave its row as it was."""
        rows = {each.process: each for each in await self.database.read(processes.every)}
        row = rows[heartbeat.process]
        await self.stop(heartbeat)
        await self.database.write(lambda c: processes.beat(c, row.process, now=row.heartbeat, until=row.lease_until))

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        self.monotonic.now += seconds

    async def close(self) -> None:
        for stack in self._stacks.values():
            await stack.aclose()


@pytest.fixture
async def hosts(
    database: Database, settable_clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Hosts]:
    """Hosts whose heartbeats look when the test has them look."""
    monkeypatch.setattr(heartbeat_module, "_READ_SECONDS", 3600.0)
    made = Hosts(database, settable_clock)
    yield made
    await made.close()


def names(heartbeat: Heartbeat) -> list[str]:
    return [each.process.name for each in heartbeat.alive()]


async def test_processes_see_each_other_and_what_they_are(hosts: Hosts) -> None:
    first = await hosts.start("first")
    assert names(first) == ["first"]
    second = await hosts.start("second")
    assert names(second) == ["first", "second"]
    await first._read_rows()
    assert names(first) == ["first", "second"]
    assert second.alive()[1].process == hosts.process("second")


async def test_a_process_that_stops_is_gone_at_once(hosts: Hosts) -> None:
    first, second = await hosts.start("first"), await hosts.start("second")
    await hosts.stop(first)
    await second._read_rows()
    assert names(second) == ["second"]


async def test_a_process_that_was_killed_counts_until_its_lease_ends(hosts: Hosts) -> None:
    first, second = await hosts.start("first"), await hosts.start("second")
    await hosts.kill(first)
    hosts.pass_time(LEASE.total_seconds() - 1)
    await second._read_rows()
    assert names(second) == ["first", "second"]
    hosts.pass_time(2)
    await second._read_rows()
    assert names(second) == ["second"]


async def test_a_lease_of_a_clock_that_was_ahead_counts_as_ended(hosts: Hosts) -> None:
    """A host that was three hours ahead when it was killed keeps nothing for three hours."""
    hosts.clock.advance(timedelta(hours=3))
    wrong = await hosts.start("wrong")
    await hosts.kill(wrong)
    hosts.clock.advance(timedelta(hours=-3))
    assert names(await hosts.start("right")) == ["right"]


async def test_a_process_lives_on_when_its_clock_is_set_back(hosts: Hosts) -> None:
    first, second = await hosts.start("first"), await hosts.start("second")
    hosts.clock.advance(timedelta(hours=-3))
    hosts.monotonic.now += 5
    for each in (first, second, first):
        await each._read_rows()
    assert names(first) == names(second) == ["first", "second"]


async def test_hosts_whose_clocks_differ_by_hours_share_all_the_same(hosts: Hosts) -> None:
    """Neither takes the other for dead, nor removes its row: changes of the row count."""
    right = await hosts.start("right")
    ahead = SettableClock()
    ahead.advance(timedelta(hours=3))
    wrong = Heartbeat(hosts.database, hosts.process("wrong"), clock=ahead, monotonic=hosts.monotonic)
    async with wrong.kept():
        for _ in range(30):
            hosts.pass_time(4)
            ahead.advance(timedelta(seconds=4))
            for each in (right, wrong):
                await each._read_rows()
        await right._read_rows()
        assert names(right) == names(wrong) == ["right", "wrong"]
        hosts.pass_time(LEASE.total_seconds())
        await right._read_rows()
        assert names(right) == ["right"]  # it has not changed for as long as a lease


async def test_a_process_whose_row_was_removed_counts_itself_and_writes_it_again(hosts: Hosts) -> None:
    one = await hosts.start("one")
    await hosts.database.write(lambda c: processes.remove(c, ["one"]))
    await one._read_rows()
    assert names(one) == ["one"]
    hosts.pass_time(4)
    await one._read_rows()
    assert [each.process.name for each in await hosts.database.read(processes.every)] == ["one"]


async def test_rows_of_the_long_dead_are_removed(hosts: Hosts) -> None:
    await hosts.kill(await hosts.start("dead"))
    alive = await hosts.start("alive")
    hosts.pass_time(3700)
    await alive._read_rows()
    assert [each.process.name for each in await hosts.database.read(processes.every)] == ["alive"]


async def test_many_processes_that_start_together_do_not_stand_in_each_others_way(hosts: Hosts) -> None:
    started = await asyncio.gather(*(hosts.start(f"host-{number:02}") for number in range(12)))
    await asyncio.gather(*(each._read_rows() for each in started))
    assert {tuple(names(each)) for each in started} == {tuple(f"host-{number:02}" for number in range(12))}


async def test_a_look_is_two_statements_at_most(hosts: Hosts) -> None:
    """None of them delays a message: their number grows with time alone."""
    heartbeat = await hosts.start("one")
    said: list[str] = []
    event.listen(
        hosts.database.engine,
        "before_cursor_execute",
        lambda *seen: said.append(seen[2].split()[0]),
    )
    hosts.pass_time(1)
    await heartbeat._read_rows()
    assert [each for each in said if each != "BEGIN"] == ["SELECT"]
    hosts.pass_time(4)
    await heartbeat._read_rows()
    assert [each for each in said if each != "BEGIN"] == ["SELECT", "UPDATE", "SELECT"]


async def test_a_process_that_cannot_write_begins_nothing_before_others_take_over(
    gateway: Gateway, hosts: Hosts
) -> None:
    troubled = fragile(gateway)
    database = Database(troubled.engine())
    heartbeat = Heartbeat(database, hosts.process("cut-off"), clock=hosts.clock, monotonic=hosts.monotonic)
    async with heartbeat.kept():
        assert names(heartbeat) == ["cut-off"]
        hosts.pass_time(5)
        with troubled.gone(), pytest.raises(DatabaseUnavailable):
            await heartbeat._read_rows()
        assert names(heartbeat) == ["cut-off"]  # a short outage stops nothing
        hosts.pass_time(LEASE.total_seconds() - 6)
        with pytest.raises(DatabaseUnavailable):
            heartbeat.alive()
        other = await hosts.start("other")
        assert names(other) == ["cut-off", "other"]  # not yet taken over
        await heartbeat._read_rows()
        assert names(heartbeat) == ["cut-off", "other"]
    await database.close()
    troubled.close()


@pytest.fixture
def quick(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  # it sets the same first
    """Make polls and restarts immediate."""
    monkeypatch.setattr(heartbeat_module, "_READ_SECONDS", 0.01)
    monkeypatch.setattr(background, "_FIRST_PAUSE_SECONDS", 0.01)


@pytest.mark.usefixtures("quick")
async def test_a_heartbeat_that_fails_unexpectedly_is_reported_and_tried_again(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No work begins, like with the database away; the log has the reason, and once it passes all goes on."""
    heartbeat = await hosts.start("one")
    right = processes.beat

    def poisoned(*_: object, **__: object) -> None:
        raise IntegrityError("INSERT INTO tblProcess", None, Exception("23505"))

    monkeypatch.setattr(processes, "beat", poisoned)
    with structlog.testing.capture_logs() as logged:
        hosts.pass_time(LEASE.total_seconds())
        async with asyncio.timeout(60):
            while sum(each["event"] == "background_task_failed" for each in logged) < 2:  # noqa: ASYNC110  # a log
                await asyncio.sleep(0.01)
    assert heartbeat.is_late
    with pytest.raises(DatabaseUnavailable, match="heartbeat"):
        heartbeat.alive()
    monkeypatch.setattr(processes, "beat", right)
    async with asyncio.timeout(60):
        while heartbeat.is_late:  # noqa: ASYNC110  # the database sets no event
            await asyncio.sleep(0.01)
    assert names(heartbeat) == ["one"]


async def test_a_heartbeat_that_never_worked_ends_the_process(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(*_: object, **__: object) -> None:
        raise IntegrityError("INSERT INTO tblProcess", None, Exception("23505"))

    monkeypatch.setattr(processes, "beat", poisoned)
    with pytest.raises(IntegrityError):
        await hosts.start("one")
