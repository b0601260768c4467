"""Metrics of the calls of Graph that a process makes."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from graph.slots import Slots

_THROTTLED: Final = 429
_RESULTS: Final = {0: "unreachable", _THROTTLED: "throttled"}


class GraphMetrics:
    """The metrics of calls, in the given registry."""

    def __init__(self, registry: CollectorRegistry, slots: Slots) -> None:
        calls = Counter(
            "mail_importer_graph_calls",
            "Calls of Graph, retries included, by result: 2xx, 3xx, 4xx, 5xx, throttled (429), unreachable (no answer "
            "arrived).",
            ["result"],
            registry=registry,
        )
        results = ("2xx", "3xx", "4xx", "5xx", *_RESULTS.values())
        self._count = {result: calls.labels(result).inc for result in results}
        self._seconds = Histogram(
            "mail_importer_graph_call_seconds",
            "Time of a call of Graph, without waits for a slot.",
            registry=registry,
            buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
        )
        in_use = Gauge(
            "mail_importer_graph_slots_in_use",
            "Calls of Graph in progress that count toward the four of their mailbox.",
            registry=registry,
        )
        in_use.set_function(lambda: slots.in_use)
        waiting = Gauge(
            "mail_importer_graph_slots_waiting",
            "Calls of Graph that wait until their mailbox has a slot for this process.",
            registry=registry,
        )
        waiting.set_function(lambda: slots.waiting)

    def observe(self, _kind: str, status: int, seconds: float) -> None:
        """Count an attempt; see `graph.client.Observer`."""
        self._count[_RESULTS.get(status) or f"{status // 100}xx"]()
        self._seconds.observe(seconds)
