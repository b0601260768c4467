"""The monitor: one process has it, problems open and clear, and another one goes on when it ends."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from availability import Availability, Service
from background.pulse import Pulse
from bus.errors import QueueUnavailable
from bus.queue import AccountStatus, QueueStatus
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.heartbeat import Heartbeat
from db.queries import accounts, named_leases, outages, problems
from db.queries.accounts import AccountSettings, Condition
from db.queries.problems import Problem
from db.queries.processes import Process
from db.tables import lease
from monitoring.facts import Facts
from monitoring.monitor import LEASE, Monitor, MonitorLimits
from monitoring.outages import OutageLimits, OutageWatch
from phrases import Phrase
from tests.databases import Gateway, on_every_database
from tests.doubles.clock import SettableClock
from tests.doubles.outages import fragile
from tests.waiting import PATIENCE_SECONDS

pytestmark = on_every_database


class Queue:
    """A queue in a state that the test sets."""

    def __init__(self) -> None:
        self.state: QueueStatus | QueueUnavailable = QueueStatus([])
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = asyncio.Event()

    async def status(self) -> QueueStatus:
        self.asked.set()
        await self.answers.wait()
        if isinstance(self.state, QueueUnavailable):
            raise self.state
        return self.state


class Observer:
    """Records what it is called with."""

    def __init__(self) -> None:
        self.kinds: list[list[str]] = []
        self.failures: list[tuple[datetime, str]] = []
        self.losses = 0
        self.error: Exception | None = None

    async def found(self, _facts: Facts, found: Collection[Problem]) -> None:
        if self.error is not None:
            raise self.error
        self.kinds.append(sorted(each.kind for each in found))

    async def database_failed(self, since: datetime, why: str) -> None:
        self.failures.append((since, why))

    async def lost(self) -> None:
        self.losses += 1


_LIMITS: Final = MonitorLimits(every_seconds=0.02, queue_every_seconds=0.0, database_seconds=PATIENCE_SECONDS)


class Site:
    """Processes with a monitor each."""

    def __init__(self, database: Database, clock: SettableClock, stack: AsyncExitStack) -> None:
        self.database = database
        self.clock = clock
        self.stack = stack
        self.queue = Queue()
        self.first = Observer()
        self.observers: dict[str, Observer] = {}

    async def monitor(self, name: str, *roles: str, database: Database | None = None) -> Monitor:
        process = Process(name, name, roles or ("processor", "subscriptions"), "1", self.clock())
        mine = database or self.database
        heartbeat = await self.stack.enter_async_context(Heartbeat(mine, process, clock=self.clock).kept())
        self.observers[name] = Observer()
        return Monitor(
            mine,
            self.queue,
            heartbeat,
            [self.first, self.observers[name]],
            clock=self.clock,
            disk=lambda: None,
            limits=_LIMITS,
        )

    async def leader(self) -> str | None:
        return await self.database.read(lambda c: c.scalar(select(lease.c.sOwner)))

    async def open_kinds(self) -> list[str]:
        return sorted(each.kind for each in await self.database.read(problems.open_problems))

    async def refuse_a_mailbox(self) -> int:
        settings = AccountSettings("station", "tenant", "client", "user", "AB" * 20)
        number = await self.database.write(lambda c: accounts.add(c, settings, now=self.clock()))
        denied = Condition(number, "processor", "AccessDenied", Phrase("Refused."), self.clock(), self.clock())
        await self.database.write(lambda c: accounts.set_condition(c, denied))
        return number


@pytest.fixture
async def site(database: Database, settable_clock: SettableClock) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        yield Site(database, settable_clock, stack)


async def test_a_problem_is_opened_and_cleared_with_its_cause(site: Site) -> None:
    monitor = await site.monitor("one")
    await monitor.round()
    assert await site.open_kinds() == []
    number = await site.refuse_a_mailbox()
    await monitor.round()
    assert await site.open_kinds() == ["mailbox_refused"]
    await site.database.write(lambda c: accounts.clear_condition(c, number, "processor"))
    await monitor.round()
    assert await site.open_kinds() == []
    assert site.observers["one"].kinds == [[], ["mailbox_refused"], []]


async def test_a_queue_that_does_not_answer_is_a_problem(site: Site) -> None:
    monitor = await site.monitor("one")
    site.queue.state = QueueUnavailable(Phrase("The broker refused."))
    await monitor.round()
    assert await site.open_kinds() == ["queue_unreachable"]
    site.queue.state = QueueStatus([AccountStatus(None, dead=1)])
    await monitor.round()
    assert await site.open_kinds() == ["dead_letters"]


async def test_a_problem_that_cannot_be_seen_now_stays_open(site: Site) -> None:
    """Dead letters are still there while the queue cannot be asked."""
    monitor = await site.monitor("one")
    site.queue.state = QueueStatus([AccountStatus(None, dead=1)])
    await monitor.round()
    site.queue.state = QueueUnavailable(Phrase("The broker refused."))
    await monitor.round()
    assert await site.open_kinds() == ["dead_letters", "queue_unreachable"]
    site.queue.state = QueueStatus([])
    await monitor.round()
    assert await site.open_kinds() == []


async def test_one_of_several_processes_has_it_and_another_continues_when_that_stops(site: Site) -> None:
    first, second = await site.monitor("first"), await site.monitor("second")
    await first.round()
    await second.round()
    assert (await site.leader(), site.observers["second"].kinds) == ("first", [])
    stop = asyncio.Event()
    stop.set()
    await first.run(stop)
    await second.round()
    assert await site.leader() == "second"


async def test_another_process_continues_when_its_lease_ended(site: Site) -> None:
    first, second = await site.monitor("first"), await site.monitor("second")
    await first.round()
    site.clock.advance(LEASE + timedelta(seconds=1))
    await second.round()
    assert await site.leader() == "second"
    await first.round()
    assert site.observers["first"].losses == 1


async def test_a_processor_has_it_only_while_no_manager_is_alive(site: Site) -> None:
    """And gives it up at once when one comes."""
    processor = await site.monitor("processor", "processor")
    await processor.round()
    assert await site.leader() == "processor"
    manager = await site.monitor("manager", "subscriptions")
    async with asyncio.timeout(60):
        while await site.leader() != "manager":
            await processor.round()
            await manager.round()
    assert site.observers["processor"].losses == 1


async def test_the_database_that_fails_is_reported_by_the_process_that_has_the_lease(
    site: Site, gateway: Gateway
) -> None:
    """From its memory: nothing can be written."""
    troubled = fragile(gateway)
    database = Database(troubled.engine())
    site.stack.callback(troubled.close)
    site.stack.push_async_callback(database.close)
    monitor = await site.monitor("one", database=database)
    await monitor.round()
    with troubled.gone():
        for _ in range(2):
            await monitor.round()
    (first, why), (again, _) = site.observers["one"].failures
    assert first == again
    assert why
    await monitor.round()
    assert site.observers["one"].kinds[-1] == site.observers["one"].kinds[0]


async def test_a_database_that_hangs_is_reported_before_its_statements_end(site: Site) -> None:
    """As one behind a firewall that forgot the connections: a statement is given up after a minute."""
    monitor = await site.monitor("one")
    await monitor.round()
    with site.database.engine.begin() as other:
        named_leases.acquire(other, named_leases.MONITOR, "one", now=site.clock(), length=LEASE)
        monitor._limits = replace(_LIMITS, database_seconds=0.5)
        began = time.monotonic()
        await monitor.round()
        assert time.monotonic() - began < 30
        monitor._limits = _LIMITS
    ((_, why),) = site.observers["one"].failures
    assert why.startswith("The gateway database did not answer within 0.5 seconds.")
    await monitor.round()
    assert len(site.observers["one"].kinds) == 2


async def test_an_observer_that_fails_holds_up_neither_the_others_nor_the_monitor(site: Site) -> None:
    """Alerts go out although metrics fail, and the other way round."""
    monitor = await site.monitor("one")
    site.first.error = ValueError("odd")
    await site.refuse_a_mailbox()
    with capture_logs() as logs:
        await monitor.round()
    assert site.observers["one"].kinds == [["mailbox_refused"]]
    assert [each["task"] for each in logs if each["event"] == "background_task_failed"] == ["observer of the monitor"]
    site.first.error = DatabaseUnavailable(Phrase("It is gone."))
    await monitor.round()
    assert (len(site.observers["one"].kinds), len(site.observers["one"].failures)) == (2, 1)


async def test_a_queue_that_hangs_does_not_hold_up_the_end_of_the_process(site: Site) -> None:
    """And what acts on problems ends with the monitor, so that another process may begin."""
    monitor = await site.monitor("one")
    await monitor.round()
    site.queue.answers.clear()
    site.queue.asked.clear()
    stop = asyncio.Event()
    running = asyncio.create_task(monitor.run(stop))
    await asyncio.wait_for(site.queue.asked.wait(), 10)
    stop.set()
    await asyncio.wait_for(running, 60)
    assert (await site.leader(), site.observers["one"].losses) == (None, 1)


async def test_an_outage_is_found_by_probes_and_ends_with_an_answer(site: Site) -> None:
    """A process that makes no calls asks by itself."""
    process = Process("one", "host", ("subscriptions",), "1", site.clock())
    await site.stack.enter_async_context(Heartbeat(site.database, process, clock=site.clock).kept())
    moment = 0.0
    availability = Availability(clock=site.clock, monotonic=lambda: moment)
    answers = asyncio.Event()

    async def probe() -> None:
        nonlocal moment
        moment += 5
        if answers.is_set():
            availability.answered(Service.GRAPH)
        else:
            availability.failed(Service.GRAPH, Phrase("refused"))

    limits = OutageLimits(every_seconds=0.01, probed_after=timedelta(0))
    watch = OutageWatch(
        site.database, "one", availability, {Service.GRAPH: probe}, pulse=Pulse(), clock=site.clock, limits=limits
    )
    stop = asyncio.Event()
    running = asyncio.create_task(watch.run(stop))
    async with asyncio.timeout(60):
        while [each.why for each in await site.database.read(outages.every)] != ["refused"]:  # noqa: ASYNC110  # the database sets no event
            await asyncio.sleep(0.01)
        answers.set()
        while await site.database.read(outages.every):  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)
    stop.set()
    await running


async def test_a_service_that_hangs_is_out_like_one_that_refuses(site: Site) -> None:
    """A firewall that drops everything: the probe is cut off before its own bounds are over."""
    process = Process("one", "host", ("subscriptions",), "1", site.clock())
    await site.stack.enter_async_context(Heartbeat(site.database, process, clock=site.clock).kept())
    moments = itertools.count(0, 5)
    availability = Availability(clock=site.clock, monotonic=lambda: next(moments))

    async def probe() -> None:
        await asyncio.Event().wait()

    limits = OutageLimits(every_seconds=0.01, probed_after=timedelta(0), probe_seconds=0.01)
    watch = OutageWatch(
        site.database, "one", availability, {Service.GRAPH: probe}, pulse=Pulse(), clock=site.clock, limits=limits
    )
    stop = asyncio.Event()
    running = asyncio.create_task(watch.run(stop))
    async with asyncio.timeout(60):
        while [each.why for each in await site.database.read(outages.every)] != ["it does not answer"]:  # noqa: ASYNC110  # the database sets no event
            await asyncio.sleep(0.01)
    stop.set()
    await running


async def test_a_process_that_hangs_is_a_problem_although_its_heart_beats(site: Site) -> None:
    monitor = await site.monitor("one")
    moment = 0.0
    availability, pulse = Availability(clock=site.clock), Pulse(monotonic=lambda: moment)
    watch = OutageWatch(
        site.database, "one", availability, {}, pulse=pulse, clock=site.clock, limits=OutageLimits(every_seconds=0.01)
    )
    pulse.beat("manager")
    moment = 45.0
    stop = asyncio.Event()
    running = asyncio.create_task(watch.run(stop))
    async with asyncio.timeout(60):
        while await site.open_kinds() != ["process_lost"]:
            await monitor.round()
        opened = (await site.database.read(problems.open_problems))[0]
        assert (opened.severity, opened.first_seen) == ("error", site.clock() - timedelta(seconds=45))
        pulse.beat("manager")
        while await site.open_kinds():
            await monitor.round()
    stop.set()
    await running


async def test_a_watch_of_outages_ends_though_a_probe_hangs(site: Site) -> None:
    """A stop has ten seconds for all; a service that hangs may not take them."""
    begun = asyncio.Event()

    async def probe() -> None:
        begun.set()
        await asyncio.Event().wait()

    watch = OutageWatch(
        site.database,
        "one",
        Availability(clock=site.clock),
        {Service.GRAPH: probe},
        pulse=Pulse(),
        clock=site.clock,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(watch.run(stop))
    async with asyncio.timeout(60):
        await begun.wait()
    stop.set()
    async with asyncio.timeout(60):
        await running
