"""The metrics page of several processes."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from console.supervision.aggregation import merged
from console.supervision.supervisor import Supervisor

_ANSWER_SECONDS: Final = 8.0
"""Less than the ten for which a scrape of Prometheus waits."""


class AllMetrics(Collector):
    """The metrics of all workers and of this process, as those of one. Collected on another thread than the loop's."""

    def __init__(self, supervisor: Supervisor, loop: asyncio.AbstractEventLoop) -> None:
        self._supervisor = supervisor
        self._loop = loop
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)
        PlatformCollector(registry=self._own)
        self._own.register(WorkerMetrics(supervisor))

    def describe(self) -> Sequence[Metric]:
        """None: they depend on the workers."""
        return []

    def collect(self) -> Sequence[Metric]:
        """Ask the workers, and wait for them."""
        asking = asyncio.run_coroutine_threadsafe(self._supervisor.metrics(_ANSWER_SECONDS), self._loop)
        return merged([list(self._own.collect()), *asking.result(2 * _ANSWER_SECONDS)])


class WorkerMetrics(Collector):
    """The metrics of a supervisor itself."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def describe(self) -> Iterator[Metric]:
        """The families."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The families with the figures of now."""
        workers = GaugeMetricFamily(
            "mail_importer_workers",
            "Processes of a supervisor by state: starting, ready, waiting (to be restarted), failing (as well, after a "
            "start that failed).",
            labels=["state"],
        )
        for state, number in self._supervisor.states().items():
            workers.add_metric([state], number)
        yield workers
        # Those of a worker whose event loop is stuck it cannot report itself; the sum has both.
        yield GaugeMetricFamily(
            "mail_importer_loops_stuck",
            "Main loops without a round for more than 30 s.",
            value=len(self._supervisor.silent()),
        )
        yield CounterMetricFamily(
            "mail_importer_worker_restarts",
            "Processes of a supervisor that ended and were started again.",
            value=self._supervisor.restarts,
        )
