"""Metrics of the installation."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from monitoring.metrics import (
    MAX_LABELLED,
    AccountLabels,
    AccountSnapshot,
    InstallationMetrics,
    InstallationSnapshot,
)

NOW = datetime(2027, 3, 8, 9, 0, tzinfo=UTC)


def _account(number: int) -> AccountSnapshot:
    return AccountSnapshot(
        number,
        f"station {number}",
        waiting=number,
        dead_letters=1,
        last_import=NOW - timedelta(minutes=number),
        last_sweep=NOW - timedelta(hours=number),
        subscription_expires=NOW + timedelta(days=number),
    )


class _Served:
    """The metrics, at a settable time."""

    def __init__(self, accounts: AccountLabels = "auto") -> None:
        self.now = NOW
        self.registry = CollectorRegistry()
        self.metrics = InstallationMetrics(self.registry, accounts=accounts, clock=lambda: self.now)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"mail_importer_{name}", labels)

    @property
    def series_of_accounts(self) -> int:
        return sum(line.startswith("mail_importer_account_") for line in self.text.splitlines())

    @property
    def text(self) -> str:
        return generate_latest(self.registry).decode()


def test_the_snapshot_is_served() -> None:
    """Queue, problems, processes and certificates; ages and remaining days are those of the scrape."""
    served = _Served()
    served.metrics.update(
        InstallationSnapshot(
            NOW,
            queue={"active": 7, "dead": 2},
            waiting_since=NOW - timedelta(seconds=90),
            problems={("graph_unreachable", "error"): 1},
            certificates={"AB12": NOW + timedelta(days=3)},
            processes={"processor": 2, "subscriptions": 0},
        )
    )
    assert served.value("queue_messages", state="active") == 7
    assert served.value("queue_messages", state="locked") is None
    assert served.value("problems", kind="graph_unreachable", severity="error") == 1
    assert served.value("processes", role="subscriptions") == 0
    assert served.value("monitor_updated_timestamp_seconds") == NOW.timestamp()
    served.now += timedelta(days=1)
    assert served.value("queue_oldest_active_age_seconds") == 86400 + 90
    assert served.value("certificate_days_left", thumbprint="AB12") == 2


def test_an_account_has_series_by_number_and_name() -> None:
    """An account without an import has none of it: 0 would be the year 1970."""
    served = _Served()
    served.metrics.update(InstallationSnapshot(NOW, [_account(1), AccountSnapshot(2, "station 2")]))
    of_first = {"account_id": "1", "account": "station 1"}
    assert served.value("account_waiting_messages", **of_first) == 1
    assert served.value("account_dead_letters", **of_first) == 1
    assert served.value("account_last_import_timestamp_seconds", **of_first) == NOW.timestamp() - 60
    assert served.value("account_dead_letters", account_id="2", account="station 2") == 0
    assert served.value("account_last_import_timestamp_seconds", account_id="2", account="station 2") is None


def test_series_of_gone_accounts_disappear() -> None:
    """Otherwise an alert on a removed account would never end."""
    served = _Served()
    served.metrics.update(InstallationSnapshot(NOW, [_account(1), _account(2)]))
    served.metrics.update(InstallationSnapshot(NOW, [_account(2)]))
    assert "station 1" not in served.text
    assert "station 2" in served.text


def test_without_the_lease_there_are_none() -> None:
    """Another process serves them; both would count twice."""
    served = _Served()
    assert served.text == ""
    served.metrics.update(InstallationSnapshot(NOW, [_account(1)]))
    assert served.text
    served.metrics.clear()
    assert served.text == ""


@pytest.mark.parametrize(
    ("accounts", "count", "labelled"),
    [
        ("auto", MAX_LABELLED, True),
        ("auto", MAX_LABELLED + 1, False),
        ("all", MAX_LABELLED + 1, True),
        ("none", 2, False),
    ],
)
def test_many_accounts_share_one_series(accounts: AccountLabels, count: int, labelled: bool) -> None:
    """Unless the setting requires series of each."""
    served = _Served(accounts)
    served.metrics.update(InstallationSnapshot(NOW, [_account(number) for number in range(1, count + 1)]))
    assert served.series_of_accounts == (5 * count if labelled else 5)


def test_the_shared_series_shows_what_an_alert_needs() -> None:
    """Sums of messages; the last import of any account, the oldest sweep, the first subscription that ends."""
    served = _Served("none")
    served.metrics.update(InstallationSnapshot(NOW, [_account(1), _account(3), AccountSnapshot(4, "new")]))
    assert served.value("account_waiting_messages") == 4
    assert served.value("account_dead_letters") == 2
    assert served.value("account_last_import_timestamp_seconds") == (NOW - timedelta(minutes=1)).timestamp()
    assert served.value("account_last_sweep_timestamp_seconds") == (NOW - timedelta(hours=3)).timestamp()
    assert served.value("account_subscription_expires_timestamp_seconds") == (NOW + timedelta(days=1)).timestamp()


def test_the_figures_of_rules_and_files_are_served() -> None:
    served = _Served()
    served.metrics.update(InstallationSnapshot(NOW))
    assert served.value("unchecked_messages") is None
    assert served.value("delivery_oldest_due_age_seconds") is None
    due = NOW - timedelta(minutes=1)
    served.metrics.update(InstallationSnapshot(NOW, unchecked=3, files={"pending": 2, "failed": 1}, file_due_since=due))
    assert served.value("unchecked_messages") == 3
    assert served.value("delivery_files", state="pending") == 2
    assert served.value("delivery_files", state="failed") == 1
    served.now += timedelta(minutes=1)
    assert served.value("delivery_oldest_due_age_seconds") == 120
    served.metrics.update(InstallationSnapshot(NOW, files={"pending": 0, "failed": 0}))
    assert served.value("delivery_oldest_due_age_seconds") == 0
