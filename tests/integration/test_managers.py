"""Many accounts, several managers, failing tenants, certificates that expire."""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import pytest
import structlog
from sqlalchemy import Connection, event, literal_column, select, update

from db.engine import Database
from db.queries import accounts, folders, trace
from db.queries.schedule import FOLDERS, SUBSCRIPTIONS
from db.queries.trace import TraceRow
from db.tables import account_settings, message_trace
from graph.certificates import make_self_signed, write_pair
from graph.client import GraphClient, open_session
from graph.subscriptions import CallKind, GraphSubscription, SubscriptionClient
from simulator.calls import Operation
from simulator.faults import FaultKind
from subscriptions import scheduler
from subscriptions.rate_limiter import RateLimiter
from subscriptions.scheduler import SchedulerLimits
from tests.databases import on_every_database
from tests.integration.manager_world import Office
from tests.integration.world import Clock, World
from tests.waiting import until

pytestmark = on_every_database

MakeOffice = Callable[..., Awaitable[Office]]

T = TypeVar("T")


class _Writes(Database):
    """A database that tells how many of its transactions are under way."""

    under_way = 0

    async def write(self, work: Callable[[Connection], T]) -> T:
        self.under_way += 1
        try:
            return await super().write(work)
        finally:
            self.under_way -= 1


class _Polls:
    """Calls that poll until they may be made."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def sleep(self, _seconds: float) -> None:
        self._waiting.append(asyncio.get_running_loop().create_future())
        await self._waiting[-1]

    async def all_wait(self, databases: Sequence[_Writes], *, least: int) -> bool:
        """Every call polls, `least` of them, or waits behind one that does: none is being granted."""
        for _ in range(10):  # a lock is handed over in one turn of the event loop or two
            if any(each.under_way for each in databases):
                return False
            await asyncio.sleep(0)
        return len(self._waiting) >= least

    def end(self) -> None:
        for each in self._waiting:
            each.set_result(None)
        self._waiting.clear()


async def test_managers_together_stay_within_graphs_limits(world: World) -> None:
    """Graph counts any 20 seconds: 500 calls of an application in a tenant, 25 lists; three quarters are used."""
    mailbox = world.opened(world.new_mailbox("Nord"))
    start = datetime(2027, 3, 1, tzinfo=UTC)
    now = [start]
    taken: dict[CallKind, list[datetime]] = {CallKind.CHANGE: [], CallKind.LIST: []}
    polls = _Polls()

    async def work(budget: RateLimiter, kind: CallKind) -> None:
        while True:
            await budget.acquire(mailbox, kind)
            taken[kind].append(now[0])

    databases = [_Writes(world.fragile.engine()) for _ in range(3)]
    budgets = [RateLimiter(each, clock=lambda: now[0], sleep=polls.sleep) for each in databases]
    tasks = [asyncio.create_task(work(each, kind)) for each in budgets for kind in CallKind for _ in range(4)]
    for _ in range(45):
        await until(lambda: polls.all_wait(databases, least=6))  # a call of each manager and kind
        now[0] += timedelta(seconds=1)
        polls.end()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for database in databases:
        await database.close()

    for kind, limit in ((CallKind.CHANGE, 500), (CallKind.LIST, 25)):
        windows = [
            sum(begin <= moment < begin + timedelta(seconds=20) for moment in taken[kind])
            for begin in (start + timedelta(seconds=seconds) for seconds in range(25))
        ]
        assert max(windows) <= limit
        assert min(windows) >= limit * 3 / 4


async def test_a_tenant_that_does_not_answer_delays_no_other(office: Office) -> None:
    """Its accounts occupy few of the turns, however long they wait for a response."""
    world = office.world
    ill = world.simulator.add_application(tenant_id="99999999-0000-4000-8000-000000000009")
    pem = world.certificate.public_pem.encode()
    world.simulator.register_certificate(ill.tenant_id, ill.client_id, pem)
    for number in range(40):
        box = world.simulator.add_mailbox(f"ill{number}@riviere.example", f"Ill {number}", ill.tenant_id)
        await world.add_account(box, tenant_id=ill.tenant_id, client_id=ill.client_id)
        world.fault(FaultKind.HANG, operation=Operation.DELTA_MESSAGES, mailbox=box.user_id)
    async with office.managing(webhooks=False, limits=SchedulerLimits(tasks=20)):
        await until(lambda: world.calls(Operation.DELTA_MESSAGES) == 16)
        began = time.monotonic()
        well = [(await world.account_of(f"Well {number}"))[1] for number in range(10)]
        await until(lambda: _are_swept(office, well))
        assert time.monotonic() - began < 25
        assert world.calls(Operation.DELTA_MESSAGES) == 26


async def _are_swept(office: Office, account_ids: list[int]) -> bool:
    swept = await office.world.database.read(folders.swept)
    return all(swept.get(each) for each in account_ids)


async def test_work_of_a_look_does_not_grow_with_the_accounts_that_are_not_due(make_office: MakeOffice) -> None:
    """Fifty accounts at rest cost as many statements as one."""
    office = await make_office()
    world = office.world
    counts: dict[int, float] = {}
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(world.database.engine, "before_cursor_execute", count)
    async with office.receiving(), office.managing(sweeping=timedelta(hours=10)):
        for goal in (1, 50):
            for number in range(len(await office.held()), goal):
                await world.account_of(f"Station {number}")
            await until(lambda goal=goal: office.in_step(goal))
            await until(office.at_rest)
            statements.clear()
            await until(lambda: _looks(statements) >= 12)
            counts[goal] = len(statements) / _looks(statements)
    assert counts[50] <= counts[1] * 1.5


def _looks(statements: list[str]) -> int:
    """Count the manager's polls for due folders."""
    return sum("tblFolderSync" in each for each in statements)


async def test_a_killed_managers_accounts_are_served_within_a_minute(office: Office) -> None:
    """Both duties are; the other manager waits for the lease to end, and not longer."""
    _, account = await office.world.account_of("Nord")
    now = office.world.clock()
    await office.world.database.write(lambda c: FOLDERS.seed(c, account, due=now))
    for schedule in (SUBSCRIPTIONS, FOLDERS):
        claimed = await office.world.database.write(
            lambda c, schedule=schedule: schedule.claim(c, [account], owner="killed", now=now, lease=scheduler._LEASE)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        )
        assert len(claimed) == 1
    async with office.receiving(), office.managing("other"):
        office.world.clock.advance(seconds=58)
        await until(lambda: office.in_step(1))
        await until(lambda: office.world.calls(Operation.DELTA_MESSAGES))


async def test_several_managers_renew_each_account_once(make_office: MakeOffice) -> None:
    """Over weeks, two of them on one database: one call a renewal, spread over time, no 429, none lapses."""
    office = await make_office()
    world = office.world
    for number in range(12):
        await world.account_of(f"Station {number}")
    other = Database(world.fragile.engine())
    async with office.receiving(), office.managing("one"), office.managing("two", database=other):
        await until(lambda: office.in_step(12))
        for _ in range(21 * 4):
            world.clock.advance(hours=6)
            await until(office.at_rest)
            assert await office.in_step(12)
    await other.close()
    renewals = [len(each) for each in world.simulator.renewed.values()]
    assert len(renewals) == 12
    assert all(4 <= each <= 5 for each in renewals), renewals
    assert world.calls(Operation.CREATE_SUBSCRIPTION) == 12
    assert world.simulator.statistics()["throttled_subscription_calls"] == 0
    first = {each[0] for each in world.simulator.renewed.values()}
    assert max(first) - min(first) > timedelta(hours=5)


# Certificates.


async def test_a_certificate_that_ends_is_reported_a_month_before(office: Office, clock: Clock) -> None:
    """It is reported in log, metrics and on every account that has it; no more once the next one is there."""
    world = office.world
    short = make_self_signed("short", now=datetime.now(UTC), key_bits=2048, days=40)
    write_pair(short, world.store, "short")
    world.simulator.register_certificate(
        world.application.tenant_id, world.application.client_id, short.public_pem.encode()
    )
    mailboxes = [world.new_mailbox(name) for name in ("Nord", "Sud")]
    for mailbox in mailboxes:
        await world.add_account(mailbox, thumbprint=short.thumbprint)
    await world.account_of("Est")
    with structlog.testing.capture_logs() as events:
        async with office.receiving(), office.managing():
            await until(lambda: office.in_step(3))
            assert not await world.conditions()
            clock.advance(days=11)
            await until(lambda: _reasons(office, 2))
            conditions = await _certificate_conditions(office)
            assert {each.reason for each in conditions} == {"CertificateExpires"}
            assert "--next-thumbprint" in conditions[0].detail
            await world.database.write(_give_next(world.certificate.thumbprint, clock()))
            await until(lambda: _reasons_after_waiting(office, 0))
    reported = [each for each in events if each["event"] == "certificate_needs_attention"]
    assert [(each["reason"], each["accounts"]) for each in reported] == [("CertificateExpires", 2)]
    ends = office.registry.get_sample_value(
        "mail_importer_certificate_expires_timestamp_seconds", {"thumbprint": short.thumbprint}
    )
    assert ends == pytest.approx(short.not_after.timestamp())


def _give_next(thumbprint: str, now: datetime) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        for each in accounts.every(connection):
            if each.settings.thumbprint != thumbprint:
                settings = replace(each.settings, next_thumbprint=thumbprint)
                accounts.change(connection, each.settings.name, settings, now=now)

    return work


async def _reasons(office: Office, count: int) -> bool:
    return len(await _certificate_conditions(office)) == count


async def _certificate_conditions(office: Office) -> list[accounts.Condition]:
    # Others may join them: msal has a clock of its own, which these days do not advance.
    return [each for each in await office.world.conditions() if each.role == "certificate"]


async def _reasons_after_waiting(office: Office, count: int) -> bool:
    office.world.clock.advance(minutes=1)
    await until(office.at_rest)
    return await _reasons(office, count)


async def test_an_account_that_fell_back_on_its_next_certificate_is_reported(office: Office) -> None:
    """It works on; the administrator makes the next one the current one."""
    world = office.world
    mailbox = world.new_mailbox("Nord")
    current = make_self_signed("current", now=datetime.now(UTC), key_bits=2048)
    write_pair(current, world.store, "current")
    await world.add_account(mailbox, thumbprint=current.thumbprint, next_thumbprint=world.certificate.thumbprint)
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        await until(lambda: _reasons_after_waiting(office, 1))
        (condition,) = await _certificate_conditions(office)
        assert condition.reason == "NextCertificateInUse"
        assert world.certificate.thumbprint in condition.detail


async def test_a_graph_that_hangs_is_reported_after_a_while(
    make_office: MakeOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported later, since most of it passes by itself; with the time of the next attempt."""
    monkeypatch.setattr(scheduler, "_TASK_SECONDS", 1.0)
    office = await make_office()
    world = office.world
    _, account = await world.account_of("Nord")
    world.fault(FaultKind.HANG, operation=Operation.CREATE_SUBSCRIPTION)
    with structlog.testing.capture_logs() as events:
        async with office.managing(limits=SchedulerLimits(finish_seconds=0.5)):
            await until(lambda: _reported_in_time(office, account))
    assert [each["event"] for each in events].count("turn_postponed") >= 3
    assert world.calls(Operation.CREATE_SUBSCRIPTION)
    (condition,) = await world.conditions()
    assert (condition.role, condition.reason) == ("subscriptions", "TookTooLong")
    assert condition.next_attempt > condition.since


async def _reported_in_time(office: Office, account: int) -> bool:
    """Advance the clock to the next attempt for as long as nothing is reported."""
    reported = await office.world.conditions()
    if not reported and await _waits(office, account):
        office.world.clock.advance(minutes=2)
    return bool(reported)


async def _waits(office: Office, account: int) -> bool:
    return await office.due(account) > office.world.clock()


# The trace.


async def test_a_manager_forgets_old_traces(office: Office) -> None:
    """Consumers that import messages need not."""
    now = office.world.clock()
    old = TraceRow(1, "old", "host", now, now - timedelta(days=91), "imported")
    young = TraceRow(1, "young", "host", now, now - timedelta(days=89), "imported")
    await office.world.database.write(lambda connection: trace.add(connection, [old, young]))
    async with office.managing():
        await until(lambda: _traced(office, ["young"]))


async def _traced(office: Office, wanted: list[str]) -> bool:
    found = await office.world.database.read(lambda c: list(c.scalars(select(message_trace.c.sGraphMessageID))))
    return found == wanted


async def test_a_wait_of_a_day_is_reported_and_not_waited(make_office: MakeOffice) -> None:
    """A fault of seconds that requests a day: reported at once, and retried within ten minutes."""
    office = await make_office()
    world = office.world
    _, account = await world.account_of("Nord")
    number = world.fault(FaultKind.UNAVAILABLE, status=503, retry_after=86_400.0)
    async with office.receiving(), office.managing():
        await until(world.conditions)
        assert "86400 seconds" in (await world.conditions())[0].detail
        world.simulator.faults.remove(number)
        await until(lambda: _waits(office, account))
        world.clock.advance(minutes=10, seconds=5)
        await until(lambda: office.in_step(1))


async def test_a_machine_without_room_pauses_the_manager(
    make_office: MakeOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No account is at fault, and none reports a failure; the manager resumes automatically."""
    office = await make_office()
    world = office.world
    await world.account_of("Nord")
    create = SubscriptionClient.create
    lacking = True

    async def without_handles(*args: Any, **options: Any) -> GraphSubscription:  # noqa: ANN401  # passed through
        if lacking:
            raise OSError(errno.EMFILE, "Too many open files")
        return await create(*args, **options)

    monkeypatch.setattr(SubscriptionClient, "create", without_handles)
    with structlog.testing.capture_logs() as events:
        async with office.receiving(), office.managing():
            await until(lambda: any(each["event"] == "manager_paused" for each in events))
            assert not await world.conditions()
            lacking = False
            world.clock.advance(minutes=1)
            await until(lambda: office.in_step(1))
    (paused, *_) = [each for each in events if each["event"] == "manager_paused"]
    assert "LimitNOFILE" in paused["error"]
    assert "turn_failed" not in {each["event"] for each in events}


_NO_TIME: Final = {"sqlite": "gestern", "postgresql": "infinity"}


async def test_an_account_whose_row_cannot_be_read_waits_alone(make_office: MakeOffice) -> None:
    """The others are served; its failure is logged once for each duty, without a traceback."""
    office = await make_office()
    world = office.world
    no_time = _NO_TIME.get(world.database.engine.dialect.name)
    if no_time is None:
        pytest.skip("a column of SQL Server holds nothing but times that Python knows")
    _, bad = await world.account_of("Abimee")
    await world.account_of("Ouverte")
    spoil = update(account_settings).where(account_settings.c.nAccountID == bad)
    await world.database.write(lambda c: c.execute(spoil.values(dtPurgedBefore=literal_column(f"'{no_time}'"))))
    with structlog.testing.capture_logs() as events:
        async with office.receiving(), office.managing():
            await until(lambda: office.in_step(1))
            await until(world.conditions)
    (condition,) = await world.conditions()
    assert (condition.account_id, condition.reason) == (bad, "AccountUnusable")
    assert f"dtPurgedBefore holds '{no_time}'" in condition.detail
    assert "turn_failed" not in {each["event"] for each in events}


@pytest.mark.parametrize("column", ["sTenantID", "sClientID", "sCertificateThumbprint", "sNextCertificateThumbprint"])
async def test_an_account_whose_ids_are_no_text_waits_alone(make_office: MakeOffice, column: str) -> None:
    """Sign-ins, certificates and subscriptions of the others are maintained; its own subscription stays."""
    office = await make_office()
    world = office.world
    if world.database.engine.dialect.name != "sqlite":
        pytest.skip("a column for text of this database holds nothing else")
    _, bad = await world.account_of("Abimee")
    _, good = await world.account_of("Ouverte")
    table = account_settings.c
    async with office.receiving():
        async with office.managing():
            await until(lambda: office.in_step(2))
        kept, lost = [(await office.held())[each].subscription_id for each in (bad, good)]
        spoil = update(account_settings).where(table.nAccountID == bad).values({column: literal_column("x'ff'")})
        await world.database.write(lambda c: c.execute(spoil))
        world.simulator.subscriptions.remove(next(each for each in office.at_graph() if each.subscription_id == lost))
        with structlog.testing.capture_logs() as events:
            async with office.managing("two", reconciling=True):
                await until(lambda: _replaced(office, good, lost))
                await until(world.conditions)
                await until(office.at_rest)
                # The next comparison finds this change, and nothing new in the row that cannot be read.
                move = update(account_settings).where(table.nAccountID == good).values(sFolder="archive")
                await world.database.write(lambda c: c.execute(move))
                found = _count(events, "account_changes_found")
                world.clock.advance(seconds=6)
                await until(lambda: _count(events, "account_changes_found") > found)
                await until(lambda: office.in_step(2))

    assert (await office.held())[bad].subscription_id == kept
    conditions = await world.conditions()
    assert {(each.account_id, each.reason) for each in conditions} == {(bad, "AccountUnusable")}
    assert all(f"{column} holds" in each.detail for each in conditions)
    assert [each["count"] for each in events if each["event"] == "account_changes_found"][found:] == [1]
    assert not {"turn_failed", "manager_paused"} & {each["event"] for each in events}


async def _replaced(office: Office, account: int, lost: str) -> bool:
    held = (await office.held()).get(account)
    return held is not None and held.subscription_id != lost and await office.in_step(2)


def _count(events: Sequence[MutableMapping[str, Any]], name: str) -> int:
    return sum(each["event"] == name for each in events)


async def test_a_refused_connection_is_reported_as_that(
    make_office: MakeOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds where the turn's own time ends before the call gives up, too: nothing was too slow."""
    monkeypatch.setattr(scheduler, "_TASK_SECONDS", 1.0)
    office = await make_office()
    world = office.world
    _, account = await world.account_of("Nord")
    nowhere = "https://127.0.0.1:9"
    async with open_session(nowhere) as session:
        client = GraphClient(session, world.services.tokens, base_url=nowhere)
        world.services = replace(world.services, client=client)
        async with office.managing(limits=SchedulerLimits(finish_seconds=0.5)):
            for _ in range(4):
                await until(lambda: _waits(office, account))
                if await world.conditions():
                    break
                world.clock.advance(minutes=5)
            await until(world.conditions)
    (condition,) = await world.conditions()
    assert condition.reason == "GraphUnavailable"
    assert "no connection" in condition.detail
    assert "slow" not in condition.detail
