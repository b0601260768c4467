"""Several managers, managers that die, and failures that must not spread."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from db.engine import Database
from db.queries.schedule import SUBSCRIPTIONS
from simulator.calls import Operation
from simulator.faults import FaultKind
from subscriptions.scheduler import SchedulerLimits
from tests.databases import on_every_database
from tests.integration.manager_world import Office
from tests.waiting import until

pytestmark = on_every_database

MakeOffice = Callable[..., Awaitable[Office]]


async def test_two_managers_never_make_two_for_an_account(make_office: MakeOffice) -> None:
    """They share one database file, each with connections of its own, and a Graph that would allow two."""
    office = await make_office(refuse_duplicates=False)
    for number in range(12):
        await office.world.account_of(f"Station {number}")
    other = Database(office.world.fragile.engine())
    async with (
        office.receiving(),
        office.managing("one", reconciling=True),
        office.managing("two", reconciling=True, database=other),
    ):
        await until(lambda: office.in_step(12))
        office.world.clock.advance(minutes=6_700)
        await until(lambda: office.world.calls(Operation.UPDATE_SUBSCRIPTION) == 12)
        await until(lambda: office.in_step(12))
    await other.close()

    assert office.world.calls(Operation.CREATE_SUBSCRIPTION) == 12
    assert office.world.calls(Operation.DELETE_SUBSCRIPTION) == 0
    assert not await office.world.conditions()


async def test_a_killed_managers_accounts_are_served_after_its_lease(office: Office) -> None:
    """They are not before: it might still be at work."""
    await office.world.account_of("Nord")
    await office.make_due(1)
    claimed = await office.world.database.write(
        lambda c: SUBSCRIPTIONS.claim(c, [1], owner="killed", now=office.world.clock(), lease=timedelta(seconds=55))
    )
    assert len(claimed) == 1

    async with office.receiving(), office.managing("other"):
        office.world.clock.advance(seconds=30)
        await asyncio.sleep(0.2)  # several polls of the manager
        assert office.at_graph() == []
        office.world.clock.advance(seconds=31)
        await until(lambda: office.in_step(1))


async def test_a_receiver_that_does_not_answer_is_reported_and_tried_again(office: Office) -> None:
    """The waits grow; once it runs, the subscription is made and the condition gone."""
    _, account = await office.world.account_of("Nord")
    waits: list[float] = []
    async with office.managing():
        for attempt in range(1, 5):
            await until(lambda attempt=attempt: office.world.calls(Operation.CREATE_SUBSCRIPTION) == attempt)
            await until(lambda: _waits(office, account))
            (condition,) = await office.world.conditions()
            assert condition.role == "subscriptions"
            assert condition.reason == "EndpointNotValidated"
            assert office.url in condition.detail
            due = await office.due(account)
            waits.append((due - office.world.clock()).total_seconds())
            if attempt < 4:
                office.world.clock.advance(seconds=waits[-1] + 0.1)
        assert waits[0] < waits[1] < waits[2] < waits[3]
        assert 10 < waits[0] < 20
        async with office.receiving():
            office.world.clock.advance(seconds=waits[-1] + 0.1)
            await until(lambda: office.in_step(1))
            await until(lambda: _no_condition(office))


async def test_a_receiver_that_echoes_wrongly_is_reported(office: Office) -> None:
    """A login page in front sends 200 too, but without the token."""
    await office.world.account_of("Nord")
    office.world.fault(FaultKind.VALIDATION_WRONG_TOKEN)
    async with office.receiving(), office.managing():
        await until(office.world.conditions)
    (condition,) = await office.world.conditions()
    assert condition.reason == "EndpointNotValidated"
    assert office.at_graph() == []


async def test_an_account_without_its_certificate_does_not_delay_the_others(office: Office) -> None:
    """It has a condition of its own, with the remedy."""
    world = office.world
    bad = await world.add_account(world.new_mailbox("Sans"), thumbprint="AB" * 20)
    for number in range(4):
        await world.account_of(f"Station {number}")
    began = time.monotonic()
    async with office.receiving(), office.managing(limits=SchedulerLimits(tasks=2)):
        await until(lambda: office.in_step(4))
        assert time.monotonic() - began < 30
        await until(world.conditions)

    (condition,) = await world.conditions()
    assert (condition.account_id, condition.reason) == (bad, "CertificateNotFound")


async def test_a_mailbox_without_access_is_reported_and_served_once_access_is_given(office: Office) -> None:
    """The others have theirs meanwhile."""
    world = office.world
    closed, account = await world.account_of("Fermee")
    await world.account_of("Ouverte")
    world.application.denied.add(closed.user_id)
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        await until(lambda: _waits(office, account))
        (condition,) = await world.conditions()
        assert (condition.account_id, condition.reason) == (account, "AccessDenied")
        world.application.denied.clear()
        world.clock.advance(minutes=1)
        await until(lambda: office.in_step(2))
        await until(lambda: _no_condition(office))


async def test_a_short_outage_of_graph_is_not_reported(office: Office) -> None:
    """It passes by itself; the subscription is made a little later."""
    _, account = await office.world.account_of("Nord")
    number = office.world.fault(FaultKind.UNAVAILABLE, operation=Operation.CREATE_SUBSCRIPTION, status=504)
    async with office.receiving(), office.managing():
        await until(lambda: office.world.calls(Operation.CREATE_SUBSCRIPTION))
        await until(lambda: _waits(office, account))
        assert not await office.world.conditions()
        office.world.simulator.faults.remove(number)
        office.world.clock.advance(minutes=1)
        await until(lambda: office.in_step(1))


async def test_the_database_may_go_away_meanwhile(office: Office) -> None:
    """The manager waits for it, and goes on."""
    await office.world.account_of("Nord")

    def said(event: str) -> bool:
        return any(each["event"] == event for each in events)

    with structlog.testing.capture_logs() as events:
        async with office.receiving(), office.managing():
            await until(lambda: office.in_step(1))
            with office.world.fragile.gone():
                await until(lambda: said("manager_paused"))
            await until(lambda: said("manager_resumed"))
            await office.world.account_of("Sud")
            await until(lambda: office.in_step(2))


async def test_a_manager_stops_at_once_when_idle(office: Office) -> None:
    """It leaves no lease behind."""
    await office.world.account_of("Nord")
    async with office.receiving():
        async with office.managing():
            await until(lambda: office.in_step(1))
            began = time.monotonic()
        assert time.monotonic() - began < 4


async def test_a_manager_that_stops_in_the_middle_leaves_the_account_to_others(office: Office) -> None:
    """Due at once, its lease released; the next manager makes the subscription."""
    _, account = await office.world.account_of("Nord")
    office.world.fault(FaultKind.HANG, operation=Operation.CREATE_SUBSCRIPTION, count=1)
    async with office.receiving():
        async with office.managing(limits=SchedulerLimits(finish_seconds=0.2)):
            await until(lambda: office.world.calls(Operation.CREATE_SUBSCRIPTION))
            began = time.monotonic()
        assert time.monotonic() - began < 9
        assert await office.due(account) <= office.world.clock()
        async with office.managing("two"):
            await until(lambda: office.in_step(1))


async def _waits(office: Office, account: int) -> bool:
    return await office.due(account) > office.world.clock()


async def _no_condition(office: Office) -> bool:
    return not await office.world.conditions()
