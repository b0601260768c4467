"""Alerts on their way: written once, sent once, tried again, given up."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select
from structlog.testing import capture_logs

from alerts.alerter import Alerter
from alerts.errors import SendFailed
from alerts.notices import AlertPolicy, SharedCauses
from alerts.text import Writer
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.queries import accounts, alerts, installation, problems
from db.queries.accounts import AccountSettings, Condition
from db.queries.alerts import Alert, FailingTarget
from db.queries.problems import Problem, ProblemKind, Severity
from db.tables import alert as alert_table
from monitoring.evaluation import evaluate, shared_causes
from monitoring.facts import Facts, StoredFacts
from phrases import Phrase
from tests.databases import Gateway, on_every_database
from tests.doubles.clock import SettableClock
from tests.unit.alerts.problems import HOUR, MINUTE, found
from tests.waiting import until

pytestmark = on_every_database
DAY = timedelta(days=1)
OUTAGE = found()


@dataclass
class Place:
    """A target in memory: fails with `failure`, if it has one, and does not answer while `open` is cleared."""

    name: str
    failure: str | None = None
    sent: list[str] = field(default_factory=list)
    attempts: int = 0
    open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.open.set()

    @property
    def fingerprint(self) -> str:
        return f"fingerprint of {self.name}"

    def send(self, title: str, body: str) -> None:
        self.attempts += 1
        self.open.wait(20)
        if self.failure is not None:
            raise SendFailed(self.failure)
        assert body
        self.sent.append(title)


class Desk:
    """An alerter, its database, and the problems that an evaluation finds."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = SettableClock()
        self.first, self.second = Place("first"), Place("second")
        self.targets: list[Place] = [self.first, self.second]
        self.alerter = self.started()

    def started(self, targets: Sequence[Place] | None = None, **facts: Any) -> Alerter:  # noqa: ANN401  # of Alerter
        """An alerter of another process, or of this one after a restart."""
        arguments: dict[str, Any] = {
            "policy": AlertPolicy(),
            "clock": self.clock,
            "shared_causes": lambda _connection, _accounts: {},
            **facts,
        }
        writer = Writer(str, "host")
        return Alerter(arguments.pop("database", self.database), targets or self.targets, writer=writer, **arguments)

    async def find(self, *problem: Problem) -> None:
        """Let the evaluation find these problems, and no others."""
        await self.database.write(lambda c: problems.reconcile(c, problem, now=self.clock()))

    async def work(self, alerter: Alerter | None = None) -> None:
        """One round, and the end of what it began."""
        alerter = alerter or self.alerter
        await alerter.work(self.clock())
        await settled(alerter)

    async def rows(self) -> list[Alert]:
        return await self.database.read(lambda c: alerts.latest(c, limit=100))

    async def failing(self) -> list[FailingTarget]:
        return await self.database.read(alerts.failing)

    async def states(self) -> list[tuple[str, str, int]]:
        return sorted((each.target, each.state, each.attempts) for each in await self.rows())


async def settled(alerter: Alerter) -> None:
    while alerter._sending:
        await asyncio.wait(alerter._sending.values(), timeout=25)
        await asyncio.sleep(0)


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    made = Desk(database)
    yield made
    for each in made.targets:
        each.open.set()
    await made.alerter.close()


TITLE = "mail-importer: Microsoft Graph cannot be reached from host-1: connection refused."


async def test_a_problem_and_its_end_are_sent_once_to_each_target(desk: Desk) -> None:
    await desk.find(OUTAGE)
    await desk.work()
    assert await desk.rows() == []
    desk.clock.advance(2 * MINUTE)
    for _ in range(3):
        await desk.work()
    assert desk.first.sent == desk.second.sent == [TITLE]
    await desk.find()
    for _ in range(3):
        await desk.work()
    assert desk.first.sent == desk.second.sent == [TITLE, TITLE.replace(": ", ": resolved: ", 1)]
    assert {each.state for each in await desk.rows()} == {"sent"}
    assert {each.ended for each in await desk.rows()} == {desk.clock()}


async def test_a_short_outage_is_told_to_no_target(desk: Desk) -> None:
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE - timedelta(seconds=1))
    await desk.work()
    await desk.find()
    desk.clock.advance(HOUR)
    await desk.work()
    assert await desk.rows() == []


async def test_the_end_at_an_account_is_alerted_while_many_of_another_application_go_on(desk: Desk) -> None:
    """And not while it goes on in one problem with many of its own application."""

    def refuse(connection: Connection, client: str, numbers: range) -> None:
        now = desk.clock()
        for number in numbers:
            made = AccountSettings(f"account {number}", "tenant", client, f"{number}@example.com", "AB" * 20)
            added = accounts.add(connection, made, now=now)
            refused = Condition(added, "sweep", "AccessDenied", f"{client} is refused.", now, now)
            accounts.set_condition(connection, refused)

    async def alerted() -> list[str]:
        """The titles that were sent in two rounds of monitor and alerter."""
        before = len(desk.first.sent)
        for _ in range(2):
            conditions = await desk.database.read(installation.conditions)
            await desk.find(*evaluate(Facts(desk.clock(), StoredFacts(conditions=conditions), (), None)))
            desk.clock.advance(3 * MINUTE)
            await desk.work()
        return desk.first.sent[before:]

    def shared(connection: Connection, numbers: Collection[int]) -> SharedCauses:
        return shared_causes(installation.conditions_of(connection, numbers))

    desk.alerter = desk.started(shared_causes=shared)
    await desk.database.write(lambda c: refuse(c, "first", range(1, 2)))
    assert await alerted() == ["mail-importer: first is refused."]
    many = "12 accounts are concerned, among them"
    await desk.database.write(lambda c: refuse(c, "other", range(2, 14)))
    assert await alerted() == [f"mail-importer: {many} 'account 2': other is refused."]
    await desk.database.write(lambda c: refuse(c, "first", range(14, 25)))
    assert await alerted() == [f"mail-importer: {many} 'account 1': first is refused."]
    await desk.database.write(lambda c: accounts.clear_condition(c, 1, "sweep"))
    assert await alerted() == ["mail-importer: resolved: first is refused."]


async def test_a_lasting_problem_is_told_again_after_its_hours(desk: Desk) -> None:
    await desk.find(OUTAGE)
    desk.clock.advance(HOUR)
    await desk.work()
    desk.clock.advance(23 * HOUR)
    await desk.work()
    assert len(desk.first.sent) == 1
    desk.clock.advance(HOUR)
    await desk.work()
    assert len(desk.first.sent) == 2


async def test_a_warning_that_becomes_an_error_is_told_once(desk: Desk) -> None:
    """Not only with the reminder, a day later; and not again while it goes up and down."""
    warning = replace(OUTAGE, severity=Severity.WARNING)
    for problem, sent in [(warning, 1), (OUTAGE, 2), (warning, 2), (OUTAGE, 2)]:
        await desk.find(problem)
        desk.clock.advance(2 * MINUTE)
        for _ in range(2):
            await desk.work()
        assert len(desk.first.sent) == sent
    last = (await desk.rows())[0]
    assert last.body.startswith("New problem (error)")
    await desk.find()
    await desk.work()
    assert desk.first.sent[2:] == [TITLE.replace(": ", ": resolved: ", 1)]


async def test_what_another_process_alerted_as_an_error_is_not_told_again(desk: Desk) -> None:
    await desk.find(replace(OUTAGE, severity=Severity.WARNING))
    desk.clock.advance(2 * MINUTE)
    await desk.work()
    await desk.work()
    desk.alerter.leave()
    await desk.find(OUTAGE)
    await desk.work()
    await desk.work()
    assert len(desk.first.sent) == 1


async def test_many_problems_are_one_message(desk: Desk) -> None:
    await desk.find(*(found(ProblemKind.MAILBOX_REFUSED, account_id=number) for number in range(1, 31)))
    desk.clock.advance(2 * MINUTE)
    await desk.work()
    assert desk.first.sent == ["mail-importer: 30 problems"]


async def test_a_failing_target_is_tried_in_growing_pauses_then_given_up_and_holds_up_no_other(desk: Desk) -> None:
    desk.first.failure = "connection refused"
    await desk.find(replace(OUTAGE, severity=Severity.WARNING))
    desk.clock.advance(2 * MINUTE)
    tried: list[int] = []
    begin = desk.clock()
    with capture_logs() as logs:
        while desk.clock() < begin + DAY + HOUR:
            before = desk.first.attempts
            await desk.work()
            if desk.first.attempts > before and len(tried) < 9:
                tried.append(round((desk.clock() - begin) / MINUTE))
            desk.clock.advance(MINUTE if len(tried) < 9 else 10 * MINUTE)
    assert tried == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert desk.second.sent[0] == TITLE
    [given_up] = [each for each in await desk.rows() if each.target == "first" and each.state == "expired"]
    assert given_up.reason == "connection refused"
    assert given_up.attempts > 20
    assert given_up.ended is not None
    assert {"alert_failed", "alert_expired", "alert_sent"} <= {each["event"] for each in logs}


async def test_later_alerts_wait_behind_one_that_fails_and_go_when_the_target_is_back(desk: Desk) -> None:
    desk.first.failure = "busy"
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    await desk.work()
    another = found(ProblemKind.NO_PROCESSOR)
    await desk.find(OUTAGE, another)
    desk.clock.advance(2 * MINUTE)
    await desk.work()
    await desk.work()
    assert desk.first.attempts == 2
    desk.first.failure = None
    desk.clock.advance(2 * MINUTE)
    await desk.work()
    assert desk.first.sent == desk.second.sent == [TITLE, TITLE]


async def test_a_target_that_hangs_holds_up_neither_the_others_nor_the_round(desk: Desk) -> None:
    desk.first.open.clear()
    desk.alerter = desk.started(send_seconds=0.2)
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    await asyncio.wait_for(desk.alerter.work(desk.clock()), 5)
    await until(lambda: len(desk.second.sent) == 1)
    await settled(desk.alerter)
    [waiting] = [each for each in await desk.rows() if each.target == "first"]
    assert (waiting.state, waiting.attempts, waiting.reason) == ("pending", 1, "no answer within 0.2 s")


async def test_a_restart_between_write_and_send_loses_nothing(desk: Desk) -> None:
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    await desk.database.write(partial(desk.alerter._write, now=desk.clock()))
    assert desk.first.sent == []
    restarted = desk.started()
    for _ in range(2):
        await desk.work(restarted)
    assert desk.first.sent == desk.second.sent == [TITLE]


async def test_a_death_in_the_middle_of_a_send_repeats_it_after_two_minutes(desk: Desk) -> None:
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    await desk.database.write(partial(desk.alerter._write, now=desk.clock()))
    claiming = partial(alerts.claim_next, fingerprint=desk.first.fingerprint, now=desk.clock())
    assert await desk.database.write(partial(claiming, until=desk.clock() + 2 * MINUTE)) is not None
    restarted = desk.started()
    await desk.work(restarted)
    assert (desk.first.sent, desk.second.sent) == ([], [TITLE])
    desk.clock.advance(2 * MINUTE)
    await desk.work(restarted)
    assert desk.first.sent == [TITLE]


async def test_two_processes_at_a_time_send_no_alert_twice(desk: Desk, gateway: Gateway) -> None:
    """Each has connections of its own, as it happens when one lost the lease and does not know it yet."""
    databases = [Database(gateway.engine()) for _ in range(3)]
    others = [desk.started(database=each) for each in databases]
    for found_now in ([OUTAGE], []):
        await desk.find(*found_now)
        desk.clock.advance(2 * MINUTE)
        for _ in range(3):
            await asyncio.gather(*(desk.work(each) for each in others))
    assert len(desk.first.sent) == len(desk.second.sent) == 2
    assert len(await desk.rows()) == 4
    for each in databases:
        await each.close()


async def test_the_result_is_noted_when_the_database_is_away_for_a_moment(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.alerter._NOTE_AGAIN_SECONDS", 0.01)
    desk.first.open.clear()
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    flaky = FlakyDatabase(desk.database)
    alerter = desk.started(targets=[desk.first], database=flaky)
    await alerter.work(desk.clock())
    await until(lambda: desk.first.attempts == 1)
    flaky.is_away = True
    desk.first.open.set()
    await until(lambda: flaky.refused > 3)
    flaky.is_away = False
    await settled(alerter)
    assert await desk.states() == [("first", "sent", 0)]
    assert desk.first.attempts == 1


class FlakyDatabase:
    """The gateway database behind a switch."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_away = False
        self.refused = 0

    async def read(self, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401  # of any work
        return await self._guarded(self._database.read, work)

    async def write(self, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401  # of any work
        return await self._guarded(self._database.write, work)

    async def _guarded(self, call: Callable[..., Awaitable[Any]], work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401  # of any work
        if self.is_away:
            self.refused += 1
            raise DatabaseUnavailable(Phrase("away"))
        return await call(work)


async def test_alerts_to_a_target_that_left_the_settings_expire(desk: Desk) -> None:
    desk.first.failure = "gone for good"
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    await desk.work()
    remaining = desk.started(targets=[desk.second])
    await desk.work(remaining)
    assert await desk.states() == [("first", "expired", 1), ("second", "sent", 0)]


async def test_a_failing_target_that_left_the_settings_is_failing_no_more(desk: Desk) -> None:
    desk.first.failure = "gone for good"
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    for minutes in (1, 2, 2000):
        await desk.work()
        desk.clock.advance(minutes * MINUTE)
    await desk.work()
    assert [each.target for each in await desk.failing()] == ["first"]
    await desk.work(desk.started(targets=[desk.second]))
    assert await desk.failing() == []


async def test_a_target_that_fails_three_times_is_failing_until_something_is_sent_to_it(desk: Desk) -> None:
    desk.first.failure = "connection refused"
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    created = desk.clock()
    for _ in range(2):
        await desk.work()
        desk.clock.advance(2 * MINUTE)
    assert await desk.failing() == []
    await desk.work()
    [failing] = await desk.failing()
    assert (failing.target, failing.attempts, failing.reason, failing.since) == (
        "first",
        3,
        "connection refused",
        created,
    )
    # Given up, it is still failing.
    desk.clock.advance(2 * DAY)
    await desk.work()
    [failing] = await desk.failing()
    assert (failing.target, failing.last) == ("first", desk.clock() + MINUTE)
    desk.first.failure = None
    await desk.find()
    desk.clock.advance(HOUR)
    await desk.work()
    assert await desk.failing() == []


async def test_old_alerts_are_deleted_after_90_days(desk: Desk) -> None:
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    await desk.work()
    await desk.find()
    await desk.work()
    desk.clock.advance(91 * DAY)
    await desk.work()
    assert await desk.rows() == []


async def test_an_outage_of_the_database_is_told_from_memory_once_and_its_end(desk: Desk) -> None:
    since = desk.clock()
    trouble = Phrase("The gateway database cannot be reached: {why}", why="refused")
    desk.second.failure = "busy"
    for _ in range(60):
        desk.alerter.database_trouble(since, trouble)
        await settled(desk.alerter)
        desk.clock.advance(timedelta(seconds=10))
        if desk.clock() < since + 2 * MINUTE:
            assert desk.first.attempts == desk.second.attempts == 0
    assert desk.first.sent == ["mail-importer: The gateway database cannot be reached: refused"]
    assert desk.second.attempts == 4
    desk.second.failure = None
    await desk.alerter.database_back()
    # The monitor notes it as a problem now, which is not told a second time.
    await desk.find(found(ProblemKind.DATABASE_TROUBLE, since=since))
    await desk.work()
    await desk.find()
    await desk.work()
    assert desk.first.sent[1:] == ["mail-importer: resolved: The gateway database is available again."]
    assert desk.second.sent == []
    # The next one is told again.
    desk.clock.advance(DAY)
    later = desk.clock()
    desk.clock.advance(2 * MINUTE)
    desk.alerter.database_trouble(later, trouble)
    await settled(desk.alerter)
    assert len(desk.first.sent) == 3


async def test_a_short_outage_of_the_database_is_told_to_no_target(desk: Desk) -> None:
    since = desk.clock()
    desk.clock.advance(MINUTE)
    desk.alerter.database_trouble(since, Phrase("gone"))
    await desk.alerter.database_back()
    desk.clock.advance(HOUR)
    await desk.work()
    assert desk.first.attempts == 0
    assert await desk.rows() == []


async def test_what_is_being_sent_at_the_end_is_finished_or_stays(desk: Desk) -> None:
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    await desk.alerter.work(desk.clock())
    await desk.alerter.close()
    assert await desk.states() == [("first", "sent", 0), ("second", "sent", 0)]


async def test_a_row_that_was_deleted_meanwhile_is_no_error(desk: Desk) -> None:
    desk.first.open.clear()
    await desk.find(OUTAGE)
    desk.clock.advance(2 * MINUTE)
    await desk.alerter.work(desk.clock())
    await until(lambda: desk.first.attempts == 1)
    await desk.database.write(lambda c: c.execute(delete(alert_table)))
    desk.first.open.set()
    with capture_logs() as logs:
        await settled(desk.alerter)
    assert "background_task_failed" not in {each["event"] for each in logs}
    assert await desk.database.read(lambda c: c.execute(select(alert_table)).all()) == []
