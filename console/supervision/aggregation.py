"""The metrics of several processes as those of one.

Not by the multiprocess mode of the Prometheus client: it has neither collectors nor gauges that are computed when they
are read, of which most gauges here are; and its files stay on the disk.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from prometheus_client.metrics_core import Metric

Combine = Callable[[float, float], float]

_CUMULATIVE: Final = frozenset({"counter", "histogram", "summary"})


def _added(one: float, other: float) -> float:
    return one + other


def _earliest(one: float, other: float) -> float:
    """The earlier of two times, of which 0 is none."""
    return min(one or other, other or one)


GAUGES: Final[Mapping[str, Combine]] = {
    # What each process has for itself.
    "process_virtual_memory_bytes": _added,
    "process_resident_memory_bytes": _added,
    "process_open_fds": _added,
    "process_max_fds": min,
    "process_start_time_seconds": min,
    "mail_importer_loops_stuck": _added,
    "mail_importer_database_connections_in_use": _added,
    "mail_importer_database_transactions_waiting": _added,
    "mail_importer_receiver_waiting": _added,
    "mail_importer_deliveries_in_hand": _added,
    "mail_importer_graph_slots_in_use": _added,
    "mail_importer_graph_slots_waiting": _added,
    "mail_importer_folders_hanging": _added,
    # Times of certificates, which each process has loaded.
    "mail_importer_receiver_certificate_expires_timestamp_seconds": _earliest,
    "mail_importer_console_certificate_expires_timestamp_seconds": _earliest,
    "mail_importer_certificate_expires_timestamp_seconds": _earliest,
}
"""The combination of a gauge of two processes; of any other the greater one: it is of something that they share, such
as a figure of the installation, an account that is held or the age of a loop."""


def merged(sources: Iterable[Sequence[Metric]]) -> list[Metric]:
    """One family of each name. Counters and histograms are summed; gauges as `GAUGES` says."""
    families: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for family in (each for source in sources for each in source):
        families.setdefault(family.name, Metric(family.name, family.documentation, family.type, family.unit))
        found = values.setdefault(family.name, {})
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            known = found.get(key)
            found[key] = sample.value if known is None else _combine(family, sample.name)(known, sample.value)
    for name, family in families.items():
        for (sample_name, labels), value in values[name].items():
            family.add_sample(sample_name, dict(labels), value)
    return list(families.values())


def cumulative(families: Iterable[Metric]) -> list[Metric]:
    """The counters and histograms: what stays counted once their process is gone."""
    return [each for each in families if each.type in _CUMULATIVE]


def _combine(family: Metric, sample: str) -> Combine:
    if family.type in _CUMULATIVE:
        return min if sample.endswith("_created") else _added
    return GAUGES.get(family.name, max)
