"""Metrics that every process has, whatever its roles."""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from background.pulse import Pulse
from db.engine import Database
from db.heartbeat import Heartbeat


def add_process_metrics(
    registry: CollectorRegistry,
    *,
    version: str,
    roles: Sequence[str],
    pulse: Pulse,
    database: Database | None,
    heartbeat: Heartbeat | None,
) -> None:
    """Add the metrics of this process. `database`, `heartbeat`: None where it has none."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(_Loops(pulse))
    about = Gauge(
        "mail_importer_process_info",
        "1, with the version and the roles of the process.",
        ["version", "roles"],
        registry=registry,
    )
    about.labels(version, " ".join(roles)).set(1)
    if database is not None:
        _add_database_metrics(registry, database)
    if heartbeat is not None:
        late = Gauge(
            "mail_importer_heartbeat_late",
            "1 while the heartbeat of the process could not be written in time, so that it begins nothing; else 0.",
            registry=registry,
        )
        late.set_function(lambda: heartbeat.is_late)


def _add_database_metrics(registry: CollectorRegistry, database: Database) -> None:
    in_use = Gauge(
        "mail_importer_database_connections_in_use",
        "Connections to the gateway database that transactions use now.",
        registry=registry,
    )
    in_use.set_function(lambda: database.connections_in_use)
    waiting = Gauge(
        "mail_importer_database_transactions_waiting",
        "Transactions that wait for a connection to the gateway database.",
        registry=registry,
    )
    waiting.set_function(lambda: database.transactions_waiting)


class _Loops(Collector):
    """The pulse, as metrics."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def describe(self) -> Iterator[Metric]:
        yield from self._families({}, [])

    def collect(self) -> Iterator[Metric]:
        yield from self._families(self._pulse.ages(), self._pulse.stuck())

    @staticmethod
    def _families(ages: dict[str, float], stuck: Sequence[str]) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            "mail_importer_loop_age_seconds",
            "Time since the last round of each main loop of the process, waits on purpose excluded.",
            labels=["loop"],
        )
        for loop, seconds in ages.items():
            age.add_metric([loop], seconds)
        yield age
        yield GaugeMetricFamily(
            "mail_importer_loops_stuck", "Main loops without a round for more than 30 s.", value=len(stuck)
        )
