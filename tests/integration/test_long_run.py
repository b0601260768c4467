"""Simulated weeks of random events at webhooks: in the end every message is imported, exactly once."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from bus.database import adapter as queue_module
from db.queries import accounts, subscriptions
from db.queries.schedule import SUBSCRIPTIONS
from graph.certificates import Certificate
from processor.process_pool import ProcessPool
from simulator.api.notifications import LifecycleEvent
from simulator.calls import Operation
from simulator.content.mail import Mail
from simulator.faults import Fault, FaultKind
from simulator.state.mailboxes import Mailbox
from tests.databases import Databases, Gateway
from tests.doubles.transports import close_transports
from tests.integration.manager_world import Office
from tests.integration.world import Clock, open_world
from tests.waiting import until

MAILBOXES: Final = 3
SWEEP: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Step:
    """An event: one of the functions below, and its arguments."""

    what: Callable[..., Coroutine[Any, Any, None]]
    given: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"{self.what.__name__}{self.given}"


class Weeks:
    """A world in which events happen, and the expected contents of the database."""

    def __init__(self, office: Office, mailboxes: list[Mailbox], accounts: list[int]) -> None:
        self.office = office
        self.world = office.world
        self.mailboxes = mailboxes
        self.accounts = accounts
        self.sent: list[str] = []
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(
            self.office.managing(f"m{self.world.clock().timestamp()}", reconciling=True, sweeping=SWEEP)
        )
        await self._stack.enter_async_context(self.world.processing())

    async def stop(self) -> None:
        await self._stack.aclose()

    async def settle(self) -> None:
        """Run all due work; failed work waits for its time."""
        await self.world.simulator.settled()
        await until(self._is_settled, seconds=60, pause=0.03)  # each look costs as much as the work that it waits for

    async def _is_settled(self) -> bool:
        status = await self.world.queue.status()
        return not (status.active or status.locked) and await self.office.at_rest()


async def advance(weeks: Weeks, minutes: int) -> None:
    weeks.world.clock.advance(minutes=minutes)
    await weeks.settle()


async def deliver(weeks: Weeks, mailbox: int, count: int, notify: bool) -> None:
    for _ in range(count):
        mail = Mail(subject=f"{len(weeks.sent)}")
        sent = await weeks.world.simulator.deliver(weeks.mailboxes[mailbox], mail, notify=notify)
        weeks.sent.append(sent.message_id)


async def trouble(weeks: Weeks, kinds: frozenset[FaultKind]) -> None:
    """Faults from now on; no kind: none."""
    calls = (Operation.CREATE_SUBSCRIPTION, Operation.UPDATE_SUBSCRIPTION, Operation.DELTA_MESSAGES)
    faults: list[Fault] = []
    for kind in kinds:
        if kind is FaultKind.UNAVAILABLE:
            faults += [Fault(kind, probability=0.5, operation=each, status=503, retry_after=900) for each in calls]
        else:
            faults.append(Fault(kind, probability=0.5, seconds=0.05, status=410))
    weeks.world.simulator.faults.replace(faults)


async def lifecycle(weeks: Weeks, event: LifecycleEvent) -> None:
    for subscription in weeks.office.at_graph():
        weeks.world.simulator.send_lifecycle(subscription, event)
    await weeks.world.simulator.settled()


async def lose(weeks: Weeks, mailbox: int) -> None:
    """Delete a subscription at Graph without a notification."""
    for subscription in weeks.office.at_graph(weeks.mailboxes[mailbox]):
        weeks.world.simulator.subscriptions.remove(subscription)


async def restart(weeks: Weeks) -> None:
    await weeks.stop()
    await weeks.start()


async def deny(weeks: Weeks, mailbox: int) -> None:
    weeks.world.application.denied.add(weeks.mailboxes[mailbox].user_id)


async def allow(weeks: Weeks) -> None:
    weeks.world.application.denied.clear()


_FAULTS = (
    FaultKind.NOTIFICATION_LOST,
    FaultKind.NOTIFICATION_DUPLICATED,
    FaultKind.NOTIFICATION_REORDERED,
    FaultKind.NOTIFICATION_DELAYED,
    FaultKind.SYNC_STATE_LOST,
    FaultKind.DELTA_REPLAYED,
    FaultKind.DELTA_EMPTY_PAGE,
    FaultKind.DELTA_DELAYED,
    FaultKind.UNAVAILABLE,
)


def _steps() -> st.SearchStrategy[Step]:
    mailbox = st.integers(0, MAILBOXES - 1)
    given: dict[Callable[..., Coroutine[Any, Any, None]], st.SearchStrategy[Any]] = {
        deliver: st.tuples(mailbox, st.integers(1, 4), st.booleans()),
        advance: st.tuples(st.sampled_from([1, 4, 10, 16, 60, 600, 1440, 4320])),
        trouble: st.tuples(st.frozensets(st.sampled_from(_FAULTS), max_size=4)),
        lifecycle: st.tuples(st.sampled_from(LifecycleEvent)),
        lose: st.tuples(mailbox),
        deny: st.tuples(mailbox),
        allow: st.just(()),
        restart: st.just(()),
    }
    return st.one_of(*(st.builds(Step, st.just(what), facts) for what, facts in given.items()))


@pytest.fixture
def live_through(
    databases: Databases, certificate: Certificate, processes: ProcessPool
) -> Callable[[list[Step]], None]:
    """Build a world for each call; the failures that hypothesis prints hold no key."""

    def live(steps: list[Step]) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            databases.migrated(Path(folder)) as gateway,
            asyncio.Runner() as runner,
        ):
            runner.run(_live_through(Path(folder), gateway, certificate, processes, steps))
            close_transports(runner)

    return live


@pytest.mark.slow
@settings(max_examples=20, suppress_health_check=list(HealthCheck), print_blob=True)
@given(steps=st.lists(_steps(), min_size=10, max_size=25))
@pytest.mark.timeout(600)
def test_whatever_happens_every_message_is_imported_once(
    live_through: Callable[[list[Step]], None], steps: list[Step]
) -> None:
    """Every subscription lives, or its account shows the reason."""
    live_through(steps)


async def _live_through(
    folder: Path, gateway: Gateway, certificate: Certificate, processes: ProcessPool, steps: list[Step]
) -> None:
    async with AsyncExitStack() as stack:
        world = await open_world(stack, folder, gateway, certificate, processes, Clock(), one_clock=True)
        office = Office(world)
        made = [await world.account_of(f"Station {number}") for number in range(MAILBOXES)]
        weeks = Weeks(office, [mailbox for mailbox, _ in made], [account for _, account in made])
        await stack.enter_async_context(office.receiving())
        await weeks.start()
        stack.push_async_callback(weeks.stop)
        await weeks.settle()
        for step in steps:
            await step.what(weeks, *step.given)
            await _says_why(weeks)
        await trouble(weeks, frozenset())
        await allow(weeks)
        for _ in range(8):
            await advance(weeks, 17)
        assert await world.imported_ids() == sorted(weeks.sent)
        assert not await world.dead_letters()
        assert await office.in_step(MAILBOXES)
        assert {each.role for each in await world.conditions()} <= {"notifications"}
        _never_both_within_ten_minutes(weeks)


async def _says_why(weeks: Weeks) -> None:
    """An account without a subscription is being processed, or shows its reason."""
    soon = weeks.world.clock() + timedelta(minutes=16)

    def look(connection: Connection) -> list[int]:
        held = subscriptions.held(connection)
        troubled = {each.account_id for each in accounts.conditions(connection) if each.role == "subscriptions"}
        row = SUBSCRIPTIONS.table.c
        seen_to = set(connection.scalars(select(row.nAccountID).where(row.dtDue <= soon)))
        return [each for each in weeks.accounts if not (each in held or each in troubled or each in seen_to)]

    assert await weeks.world.database.read(look) == []


def _never_both_within_ten_minutes(weeks: Weeks) -> None:
    simulator = weeks.world.simulator
    assert simulator.reauthorized == {}
    for times in simulator.renewed.values():
        for earlier, later in pairwise(times):
            assert later - earlier >= timedelta(minutes=10)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer notices a moved clock only at its next poll."""
    monkeypatch.setattr(queue_module, "POLL_SECONDS", 0.03)
