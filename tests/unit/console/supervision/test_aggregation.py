"""The metrics of several processes as those of one."""

import re
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from console.supervision.aggregation import GAUGES, cumulative, merged
from tests.paths import ROOT


def _source(count: int, *, gauge: float = 0, expires: float = 0) -> list[Metric]:
    registry = CollectorRegistry()
    Counter("mail_importer_files", "Files.", ["outcome"], registry=registry).labels(f"of {count}").inc(count)
    Histogram("mail_importer_import_seconds", "Seconds.", buckets=(1, 5), registry=registry).observe(count)
    Gauge("mail_importer_receiver_waiting", "Requests.", registry=registry).set(gauge)
    Gauge("mail_importer_unchecked_messages", "Messages.", registry=registry).set(gauge)
    Gauge("mail_importer_certificate_expires_timestamp_seconds", "End.", registry=registry).set(expires)
    return list(registry.collect())


class _Fixed(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def describe(self) -> Sequence[Metric]:
        return []

    def collect(self) -> Sequence[Metric]:
        return self._families


def _page(*sources: Sequence[Metric]) -> dict[str, str]:
    registry = CollectorRegistry()
    registry.register(_Fixed(merged(sources)))
    lines = generate_latest(registry).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#") and "_created" not in line)


def test_counters_and_histograms_are_summed_by_their_labels() -> None:
    page = _page(_source(2), _source(4), _source(2))
    assert page['mail_importer_files_total{outcome="of 2"}'] == "4.0"
    assert page['mail_importer_files_total{outcome="of 4"}'] == "4.0"
    assert page['mail_importer_import_seconds_bucket{le="1.0"}'] == "0.0"
    assert page['mail_importer_import_seconds_bucket{le="5.0"}'] == "3.0"
    assert page["mail_importer_import_seconds_sum"] == "8.0"
    assert page["mail_importer_import_seconds_count"] == "3.0"


def test_a_gauge_is_summed_where_each_process_has_its_own_and_otherwise_the_greatest() -> None:
    page = _page(_source(1, gauge=3), _source(1, gauge=4))
    assert page["mail_importer_receiver_waiting"] == "7.0"
    assert page["mail_importer_unchecked_messages"] == "4.0"


def test_of_certificates_the_first_end_counts_and_none_is_no_end() -> None:
    name = "mail_importer_certificate_expires_timestamp_seconds"
    assert _page(_source(1, expires=70), _source(1, expires=50), _source(1))[name] == "50.0"
    assert _page(_source(1), _source(1))[name] == "0.0"


def test_of_a_process_that_is_gone_only_what_it_counted_stays() -> None:
    page = _page(cumulative(_source(2, gauge=3)), _source(2, gauge=4))
    assert page['mail_importer_files_total{outcome="of 2"}'] == "4.0"
    assert page["mail_importer_receiver_waiting"] == "4.0"


def test_rules_are_of_gauges_that_exist() -> None:
    documented = set(
        re.findall(r"^\| `(\w+)` \| gauge ", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.MULTILINE)
    )
    assert {name for name in GAUGES if name.startswith("mail_importer_")} <= documented
