"""The metrics of the installation, as the monitor finds it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bus.queue import AccountStatus, QueueStatus
from db.engine import Database, make_engine
from db.queries import accounts
from db.queries.accounts import AccountSettings
from db.queries.deliveries import Deliveries, FailedFiles, WaitingFolder
from db.queries.problems import Problem, ProblemKind, Severity
from db.queries.processes import KnownProcess, Process
from monitoring import metrics_observer
from monitoring.facts import Facts, StoredFacts
from monitoring.metrics import InstallationMetrics
from monitoring.metrics_observer import MetricsObserver
from phrases import Phrase

NOW = datetime(2027, 3, 8, 9, 0, tzinfo=UTC)
QUEUE = QueueStatus(
    [AccountStatus(1, active=2, locked=1, scheduled=3, dead=4, waiting_since=NOW - timedelta(seconds=90))]
)
DEAD_LETTERS = Problem(ProblemKind.DEAD_LETTERS, Severity.WARNING, Phrase("4 dead letters."), Phrase("Replay."), 1)


class _Desk:
    """An observer on a database with an account, at a settable time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.registry = CollectorRegistry()
        self.passed = 0.0
        self.hangs = False
        metrics = InstallationMetrics(self.registry, clock=lambda: NOW)
        self.observer = MetricsObserver(database, metrics, self._ends, monotonic=lambda: self.passed)

    async def _ends(self) -> Mapping[str, datetime]:
        if self.hangs:
            await asyncio.Event().wait()
        return {"AB12": NOW + timedelta(days=12)}

    async def add(self, name: str) -> None:
        settings = AccountSettings(
            name=name,
            tenant_id="9c41aaaa-0000-4000-8000-000000000001",
            client_id="c11e0000-0000-4000-8000-000000000001",
            user_id=f"{name}@example.com",
            thumbprint="AB" * 20,
            secure_certificate_access=False,
        )
        await self.database.write(partial(accounts.add, settings=settings, now=NOW))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"mail_importer_{name}", labels)


@pytest.fixture
async def desk(database_file: Path) -> AsyncIterator[_Desk]:
    database = Database(make_engine(f"sqlite:///{database_file}"))
    made = _Desk(database)
    await made.add("station")
    yield made
    await database.close()


def _facts(queue: QueueStatus | None = QUEUE, **stored: Any) -> Facts:  # noqa: ANN401  # any field
    processes = [
        KnownProcess(Process(name, "host", roles, "1", NOW), NOW, NOW)
        for name, roles in (("one", ("processor",)), ("two", ("processor",)), ("gone", ("receiver",)))
    ]
    return Facts(NOW, StoredFacts(accounts=1, processes=processes, **stored), {"one", "two"}, queue)


async def test_a_round_of_the_monitor_is_a_snapshot(desk: _Desk) -> None:
    """Queue, problems, processes and certificates; a role whose last process was killed has none."""
    await desk.observer.found(_facts(), [DEAD_LETTERS])
    of_account = {"account_id": "1", "account": "station"}
    assert desk.value("queue_messages", state="locked") == 1
    assert desk.value("queue_oldest_active_age_seconds") == 90
    assert desk.value("account_waiting_messages", **of_account) == 6
    assert desk.value("account_dead_letters", **of_account) == 4
    assert desk.value("problems", kind="dead_letters", severity="warning") == 1
    assert desk.value("certificate_days_left", thumbprint="AB12") == 12
    assert {role: desk.value("processes", role=role) for role in ("processor", "receiver", "subscriptions")} == {
        "processor": 2,
        "receiver": 0,
        "subscriptions": 0,
    }


async def test_a_delivery_counts_as_missing_once_rules_need_one(desk: _Desk) -> None:
    """Without rules, no message is one that was not checked."""
    await desk.observer.found(_facts(deliveries=Deliveries(unchecked=9)), [])
    assert desk.value("processes", role="delivery") is None
    assert desk.value("unchecked_messages") is None
    assert desk.value("delivery_files", state="pending") == 0
    folder = WaitingFolder("key", 3, due=NOW - timedelta(minutes=2), attempted=None)
    found = Deliveries(unchecked=9, folders=[folder], failed=[FailedFiles(1, 4, "FolderFull", None)])
    await desk.observer.found(_facts(deliveries=found), [])
    assert desk.value("processes", role="delivery") == 0
    assert desk.value("unchecked_messages") == 9
    assert [desk.value("delivery_files", state=state) for state in ("pending", "failed")] == [3, 4]
    assert desk.value("delivery_oldest_due_age_seconds") == 120


async def test_accounts_are_read_from_time_to_time(desk: _Desk) -> None:
    """A removed or disabled account has no series then."""
    await desk.observer.found(_facts(), [])
    await desk.add("another")
    await desk.database.write(lambda c: accounts.set_enabled(c, "station", False, now=NOW))
    await desk.observer.found(_facts(), [])
    assert desk.value("account_dead_letters", account_id="2", account="another") is None
    desk.passed += 61
    await desk.observer.found(_facts(), [])
    assert desk.value("account_dead_letters", account_id="2", account="another") == 0
    assert desk.value("account_dead_letters", account_id="1", account="station") is None


async def test_a_queue_that_cannot_be_read_has_no_depth(desk: _Desk) -> None:
    """0 would look as if nothing waited."""
    await desk.observer.found(_facts(queue=None), [])
    assert desk.value("queue_messages", state="active") is None
    assert desk.value("queue_oldest_active_age_seconds") is None


async def test_a_database_that_is_away_is_a_problem_in_the_metrics(desk: _Desk) -> None:
    """The last figures stay, and their time shows how old they are."""
    await desk.observer.database_failed(NOW, "refused")
    assert desk.value("problems", kind="database_trouble", severity="error") is None
    await desk.observer.found(_facts(), [DEAD_LETTERS])
    await desk.observer.database_failed(NOW, "refused")
    assert desk.value("problems", kind="database_trouble", severity="error") == 1
    assert desk.value("problems", kind="dead_letters", severity="warning") == 1


async def test_a_certificate_store_that_hangs_stops_nothing(desk: _Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is served."""
    monkeypatch.setattr(metrics_observer, "_STORE_SECONDS", 0.01)
    desk.hangs = True
    await desk.observer.found(_facts(), [])
    assert desk.value("queue_messages", state="dead") == 4
    assert desk.value("certificate_days_left", thumbprint="AB12") is None


async def test_without_the_lease_nothing_is_served(desk: _Desk) -> None:
    """Another process serves it."""
    await desk.observer.found(_facts(), [])
    await desk.observer.lost()
    assert desk.value("queue_messages", state="dead") is None
