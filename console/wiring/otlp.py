"""Traces and metrics by OTLP over HTTP; OpenTelemetry's own variables configure them.

One trace goes from the notification to the commit: its context travels in the queue message, so it crosses hosts.
Spans have ids and outcomes, never anything of a mail.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

import background
from threads import DaemonThreads

_SCOPE: Final = "mail-importer"
_INTERVAL_VARIABLE: Final = "OTEL_METRIC_EXPORT_INTERVAL"
_INTERVAL_MILLISECONDS: Final = 60_000
_CLOSE_SECONDS: Final = 2.0
_CONTEXT: Final = TraceContextTextMapPropagator()


class Telemetry:
    """The traces and metrics of this process, sent until `close`."""

    def __init__(self, about: Mapping[str, str], registry: CollectorRegistry, *, traces: bool, metrics: bool) -> None:
        self._resource = Resource.create(dict(about)).merge(OTELResourceDetector().detect())
        self._registry = registry
        self._provider = TracerProvider(resource=self._resource, shutdown_on_exit=False) if traces else None
        if self._provider is not None:
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._exporter = OTLPMetricExporter() if metrics else None
        self._threads = DaemonThreads("telemetry", limit=1)
        self._began = time.time_ns()

    @property
    def tracer(self) -> Tracer | None:
        """The source of spans; None: no traces are wanted."""
        return None if self._provider is None else self._provider.get_tracer(_SCOPE)

    @property
    def sends_metrics(self) -> bool:
        """True where metrics are wanted."""
        return self._exporter is not None

    async def send_metrics(self, stop: asyncio.Event) -> None:
        """Send all metrics from time to time until `stop` is set."""
        seconds = int(os.environ.get(_INTERVAL_VARIABLE) or _INTERVAL_MILLISECONDS) / 1000
        await background.restarted(lambda: self._send_repeatedly(seconds, stop), name="telemetry")

    async def close(self) -> None:
        """Send what is pending, within two seconds: a collector that is away must not keep the process."""
        closing = [] if self._provider is None else [self._provider.shutdown]
        if self._exporter is not None:
            closing.append(self._exporter.shutdown)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                for each in closing:
                    await loop.run_in_executor(self._threads, each)
        except TimeoutError:
            return

    async def _send_repeatedly(self, seconds: float, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await asyncio.wait([stopping], timeout=seconds)
                if not stop.is_set():
                    await background.unless(stopping, self._send_once())
        finally:
            stopping.cancel()

    async def _send_once(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._send)

    def _send(self) -> None:
        if self._exporter is not None:
            now = time.time_ns()
            metrics = [found for each in self._registry.collect() for found in _converted(each, self._began, now)]
            scope = ScopeMetrics(InstrumentationScope(_SCOPE), metrics, "")
            self._exporter.export(MetricsData([ResourceMetrics(self._resource, [scope], "")]))


class NotificationSpans:
    """The spans of the receiver, with which traces begin."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def __call__(self, items: int) -> Iterator[str | None]:
        """A span around the put of that many items; its `traceparent`, for the queue messages."""
        with self._tracer.start_as_current_span(
            "accept notifications",
            kind=SpanKind.PRODUCER,
            attributes={"messaging.batch.message_count": items},
            record_exception=False,  # its text may name a host or a file
            set_status_on_exception=False,
        ) as span:
            carrier: dict[str, str] = {}
            _CONTEXT.inject(carrier)
            try:
                yield carrier.get("traceparent")
            except Exception as exc:
                span.set_status(Status(StatusCode.ERROR, type(exc).__name__))
                raise


def _converted(family: Family, began: int, now: int) -> Iterator[Metric]:
    """A family of Prometheus in the form of OpenTelemetry; counters and histograms count since the process began."""
    if family.type == "histogram":
        points = [_histogram(labels, samples, began, now) for labels, samples in _by_labels(family.samples)]
        data: Sum | Gauge | Histogram = Histogram(points, AggregationTemporality.CUMULATIVE)
    else:
        counts = family.type == "counter"
        numbers = [
            NumberDataPoint(dict(each.labels), began, now, each.value)
            for each in family.samples
            if not counts or each.name.endswith("_total")
        ]
        data = Sum(numbers, AggregationTemporality.CUMULATIVE, is_monotonic=True) if counts else Gauge(numbers)
    if data.data_points:
        yield Metric(family.name, family.documentation, "s" if family.name.endswith("_seconds") else "", data)


def _by_labels(samples: Iterable[Sample]) -> Iterator[tuple[dict[str, str], list[Sample]]]:
    groups: defaultdict[tuple[tuple[str, str], ...], list[Sample]] = defaultdict(list)
    for each in samples:
        groups[tuple(sorted((name, value) for name, value in each.labels.items() if name != "le"))].append(each)
    for labels, group in groups.items():
        yield dict(labels), group


def _histogram(labels: dict[str, str], samples: list[Sample], began: int, now: int) -> HistogramDataPoint:
    """One series; Prometheus counts in each bucket what the lower ones have, too."""
    buckets = sorted((float(each.labels["le"]), int(each.value)) for each in samples if "le" in each.labels)
    counts = [count - before for (_, count), (_, before) in zip(buckets, [(0.0, 0), *buckets], strict=False)]
    total = next(each.value for each in samples if each.name.endswith("_sum"))
    return HistogramDataPoint(
        labels,
        began,
        now,
        buckets[-1][1],
        total,
        counts,
        [bound for bound, _ in buckets[:-1]],
        min=None,  # type: ignore[arg-type]  # optional in the protocol; Prometheus does not keep them
        max=None,  # type: ignore[arg-type]  # see above
    )
