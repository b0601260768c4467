"""Metrics of the installation as a whole, in the process that has the monitor's lease."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MAX_LABELLED: Final = 1000
"""Accounts up to which each has series of its own."""

AccountLabels = Literal["auto", "all", "none"]
"""Each account has series of its own if there are MAX_LABELLED at most, always, or never; otherwise all share one."""

_LABELS: Final = ("account_id", "account")


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """The state of an account. `waiting`: messages in the queue that are no dead letters. None: never, or none."""

    account_id: int
    name: str
    waiting: int = 0
    dead_letters: int = 0
    last_import: datetime | None = None
    last_sweep: datetime | None = None
    subscription_expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class InstallationSnapshot:
    """The state of the installation at `taken`.

    `queue`: messages by state (active, locked, scheduled, dead), those that the queue reports; none: it could not be
    read. `waiting_since`: the time since which the oldest active message could have been received. `problems`: open
    ones by kind and severity. `certificates`: their ends, by thumbprint. `processes`: those alive, by role.
    `unchecked`: messages that no rule was checked against; None: there are no rules. `files`: by state (pending,
    failed); `file_due_since`: the time since which the oldest is due.
    """

    taken: datetime
    accounts: Sequence[AccountSnapshot] = ()
    queue: Mapping[str, int] = field(default_factory=dict)
    waiting_since: datetime | None = None
    problems: Mapping[tuple[str, str], int] = field(default_factory=dict)
    certificates: Mapping[str, datetime] = field(default_factory=dict)
    processes: Mapping[str, int] = field(default_factory=dict)
    unchecked: int | None = None
    files: Mapping[str, int] = field(default_factory=dict)
    file_due_since: datetime | None = None


class InstallationMetrics(Collector):
    """Serves the last snapshot: a series whose account, problem or certificate is gone is gone with it.

    Ages are those of the scrape, so they grow where no newer snapshot comes.
    """

    def __init__(
        self, registry: CollectorRegistry, *, accounts: AccountLabels = "auto", clock: Callable[[], datetime]
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._snapshot: InstallationSnapshot | None = None
        registry.register(self)

    def update(self, snapshot: InstallationSnapshot) -> None:
        """Serve this snapshot from now on."""
        self._snapshot = snapshot

    def clear(self) -> None:
        """Serve none: another process does."""
        self._snapshot = None

    def describe(self) -> Iterator[Metric]:
        """The families that `collect` may have."""
        return self._families(InstallationSnapshot(self._clock()))

    def collect(self) -> Iterator[Metric]:
        """The families of the snapshot, if there is one."""
        return iter(()) if self._snapshot is None else self._families(self._snapshot)

    def _families(self, snapshot: InstallationSnapshot) -> Iterator[Metric]:
        yield _gauge(
            "mail_importer_monitor_updated_timestamp_seconds",
            "When the figures of the installation were read last.",
            [],
            [((), snapshot.taken.timestamp())],
        )
        yield _gauge(
            "mail_importer_processes",
            "Processes alive that have the role.",
            ["role"],
            [((role,), count) for role, count in snapshot.processes.items()],
        )
        yield _gauge(
            "mail_importer_problems",
            "Open problems by kind and severity (warning, error).",
            ["kind", "severity"],
            [(labels, count) for labels, count in snapshot.problems.items()],
        )
        yield _gauge(
            "mail_importer_queue_messages",
            "Messages in the queue by state: active, locked, scheduled, dead.",
            ["state"],
            [((state,), count) for state, count in snapshot.queue.items()],
        )
        yield self._oldest(snapshot)
        yield from self._of_files(snapshot)
        yield self._days_left(snapshot)
        yield from self._of_accounts(snapshot.accounts)

    def _oldest(self, snapshot: InstallationSnapshot) -> Metric:
        return _gauge(
            "mail_importer_queue_oldest_active_age_seconds",
            "Time for which the oldest active message could have been received; 0: there is none.",
            [],
            [((), self._age(snapshot.waiting_since))] if snapshot.queue else [],
        )

    def _of_files(self, snapshot: InstallationSnapshot) -> Iterator[Metric]:
        yield _gauge(
            "mail_importer_unchecked_messages",
            "Messages that were not checked against the import rules; counted up to 100,000.",
            [],
            [] if snapshot.unchecked is None else [((), snapshot.unchecked)],
        )
        yield _gauge(
            "mail_importer_delivery_files",
            "Files that are to be saved (pending), and that could not be (failed; counted up to 100,000).",
            ["state"],
            [((state,), count) for state, count in snapshot.files.items()],
        )
        yield _gauge(
            "mail_importer_delivery_oldest_due_age_seconds",
            "Time for which the oldest file is due that is to be saved; 0: there is none.",
            [],
            [((), self._age(snapshot.file_due_since))] if snapshot.files else [],
        )

    def _age(self, since: datetime | None) -> float:
        return 0.0 if since is None else max(0.0, (self._clock() - since).total_seconds())

    def _days_left(self, snapshot: InstallationSnapshot) -> Metric:
        now = self._clock()
        return _gauge(
            "mail_importer_certificate_days_left",
            "Days until the certificate ends; below 0: it ended.",
            ["thumbprint"],
            [((thumbprint,), (end - now).total_seconds() / 86400) for thumbprint, end in snapshot.certificates.items()],
        )

    def _of_accounts(self, accounts: Sequence[AccountSnapshot]) -> Iterator[Metric]:
        labelled = self._accounts == "all" or (self._accounts == "auto" and len(accounts) <= MAX_LABELLED)

        def family(
            name: str,
            text: str,
            value: Callable[[AccountSnapshot], float | None],
            together: Callable[[Iterable[float]], float],
        ) -> Metric:
            found = [(each, number) for each in accounts if (number := value(each)) is not None]
            if labelled:
                rows = [((str(each.account_id), each.name), number) for each, number in found]
                return _gauge(name, text, _LABELS, rows)
            return _gauge(name, text, [], [((), together(number for _, number in found))] if found else [])

        yield family(
            "mail_importer_account_waiting_messages",
            "Messages of the account in the queue, dead letters excluded; without labels: of all accounts.",
            lambda each: each.waiting,
            sum,
        )
        yield family(
            "mail_importer_account_dead_letters",
            "Dead letters of the account that exist; without labels: of all accounts.",
            lambda each: each.dead_letters,
            sum,
        )
        yield family(
            "mail_importer_account_last_import_timestamp_seconds",
            "When a message of the account was imported last; without labels: of any account.",
            lambda each: _seconds(each.last_import),
            max,
        )
        yield family(
            "mail_importer_account_last_sweep_timestamp_seconds",
            "When the account's folder was swept last; without labels: of the account that waits longest.",
            lambda each: _seconds(each.last_sweep),
            min,
        )
        yield family(
            "mail_importer_account_subscription_expires_timestamp_seconds",
            "When the account's subscription ends at Graph; without labels: the first that ends.",
            lambda each: _seconds(each.subscription_expires),
            min,
        )


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _gauge(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family
