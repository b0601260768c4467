"""OpenTelemetry: off unless its variables ask for it, and never in the way."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from structlog.testing import capture_logs

from bus.errors import QueueUnavailable
from bus.notification import Notification
from bus.queue import Delivery, MessageId
from console.wiring import telemetry
from console.wiring.delivery_spans import DeliverySpans
from console.wiring.otlp import NotificationSpans, Telemetry
from db.outcomes import Outcome
from phrases import Phrase
from processor.settlement import Abandon, Complete, DeadLetter, InFlight
from tests.doubles.collector import collecting
from tests.waiting import until

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
NOW = datetime(2027, 3, 8, 9, 0, tzinfo=UTC)


def _telemetry_of(**environment: str) -> Telemetry | None:
    return telemetry.telemetry_of(environment, CollectorRegistry(), process="one", roles=("processor",))


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "mail"},
        {ENDPOINT: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
)
def test_it_is_off_unless_an_endpoint_is_named(environment: dict[str, str]) -> None:
    """The default of the specification would send to this host in any case."""
    assert _telemetry_of(**environment) is None


async def test_each_signal_is_chosen_by_its_variables() -> None:
    """Traces alone, or metrics alone."""
    traces = _telemetry_of(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:1/v1/traces")
    metrics = _telemetry_of(**{ENDPOINT: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"})
    assert traces is not None
    assert metrics is not None
    assert (traces.tracer is not None, traces.sends_metrics) == (True, False)
    assert (metrics.tracer is not None, metrics.sends_metrics) == (False, True)
    await traces.close()
    await metrics.close()


def test_off_it_is_not_loaded() -> None:
    """It would take memory and time of each start."""
    code = "import sys, console.wiring.roles; sys.exit(any(each.startswith('opentelemetry') for each in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_its_packages_the_log_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The roles run nevertheless."""
    monkeypatch.setitem(sys.modules, "console.wiring.otlp", None)
    with capture_logs() as logged:
        assert _telemetry_of(**{ENDPOINT: "http://127.0.0.1:4318"}) is None
    assert [(line["event"], "mail-importer[telemetry]" in line["detail"]) for line in logged] == [
        ("telemetry_not_installed", True)
    ]


@pytest.mark.slow
async def test_a_collector_that_hangs_keeps_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end waits two seconds at most."""
    hung = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    found = Telemetry({}, CollectorRegistry(), traces=True, metrics=True)
    assert found.tracer is not None
    found.tracer.start_span("pending").end()
    began = time.monotonic()
    await found.close()
    assert time.monotonic() - began < 9
    hung.set()
    server.close()
    await server.wait_closed()


@pytest.mark.slow
async def test_a_collector_that_hangs_keeps_no_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """A send under way at the end is not waited for."""
    asked, hung, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await hung.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
    registry = CollectorRegistry()
    Gauge("waiting", "Waiting.", registry=registry)
    found = Telemetry({}, registry, traces=False, metrics=True)
    sending = asyncio.create_task(found.send_metrics(stop))
    await until(asked.is_set, "the collector is asked")
    stop.set()
    try:
        await until(sending.done, "the sending ends")
    finally:
        hung.set()
        server.close()
        await server.wait_closed()
    await sending
    await found.close()


async def test_metrics_keep_name_labels_and_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus counts in each bucket what the lower ones have, OpenTelemetry does not."""
    registry, stop = CollectorRegistry(), asyncio.Event()
    Counter("calls", "Calls.", ["result"], registry=registry).labels("2xx").inc(3)
    Gauge("waiting", "Waiting.", registry=registry).set(7)
    seconds = Histogram("import_seconds", "Imports.", registry=registry, buckets=(1.0, 5.0))
    for value in (0.5, 0.6, 2.0, 60.0):
        seconds.observe(value)
    async with collecting() as collector:
        for name, setting in collector.environment.items():
            monkeypatch.setenv(name, setting)
        found = Telemetry({"mail_importer.roles": "processor"}, registry, traces=False, metrics=True)
        sending = asyncio.create_task(found.send_metrics(stop))
        await until(lambda: "import_seconds" in collector.metrics)
        stop.set()
        await sending
        await found.close()
    (calls,) = collector.metrics["calls"].sum.data_points
    assert calls.as_double == 3
    assert [(each.key, each.value.string_value) for each in calls.attributes] == [("result", "2xx")]
    assert collector.metrics["waiting"].gauge.data_points[0].as_double == 7
    (imports,) = collector.metrics["import_seconds"].histogram.data_points
    assert (list(imports.explicit_bounds), list(imports.bucket_counts)) == ([1.0, 5.0], [2, 1, 1])
    assert (imports.count, imports.sum) == (4, 63.1)


# Spans.


@pytest.fixture
def spans() -> Iterator[tuple[Tracer, InMemorySpanExporter]]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("test"), exporter
    provider.shutdown()


def _work(traceparent: str | None) -> InFlight:
    work = InFlight(Delivery(MessageId("m"), "", 2, NOW, 1, NOW - timedelta(seconds=9), None), NOW)
    work.notification = Notification(7, "s", "created", "m", None, NOW, "thread", traceparent=traceparent)
    work.progress.subject = "Results of well 7"
    work.progress.fetched = NOW + timedelta(seconds=1)
    return work


def test_the_trace_travels_in_the_queue_message() -> None:
    """Without a trace the document is as it was; a program that knows no traces reads both."""
    plain = Notification(7, "s", "created", "m", None, NOW, "thread")
    traced = Notification(7, "s", "created", "m", None, NOW, "thread", traceparent="00-ab-cd-01")
    assert "traceparent" not in json.loads(plain.to_message().body)
    assert Notification.from_json(traced.to_message().body) == traced
    assert plain.to_message().message_id == traced.to_message().message_id


def test_a_delivery_belongs_to_the_trace_of_its_notification(spans: tuple[Tracer, InMemorySpanExporter]) -> None:
    """Its spans have ids and outcomes, and nothing of the mail."""
    tracer, exporter = spans
    with NotificationSpans(tracer)(1) as traceparent:
        pass
    DeliverySpans(tracer).settled(_work(traceparent), Complete(Outcome.IMPORTED))
    found = {each.name: each for each in exporter.get_finished_spans()}
    assert len({each.context.trace_id for each in found.values() if each.context}) == 1
    assert set(found) == {
        "accept notifications",
        "wait in the queue",
        "import message",
        "fetch from Microsoft Graph",
        "write and settle",
    }
    assert dict(found["import message"].attributes or {}) == {
        "mail_importer.outcome": "imported",
        "mail_importer.attempt": 1,
        "mail_importer.account_id": 7,
        "mail_importer.correlation": "thread",
        "mail_importer.source": "graph",
    }


@pytest.mark.parametrize("traceparent", [None, "garbled", "00-zz-zz-zz"])
def test_a_delivery_without_a_trace_begins_one(
    spans: tuple[Tracer, InMemorySpanExporter], traceparent: str | None
) -> None:
    """Swept messages have none, and another program may write anything."""
    tracer, exporter = spans
    DeliverySpans(tracer).settled(_work(traceparent), DeadLetter("NotJson", Phrase("It is no JSON.")))
    (found,) = [each for each in exporter.get_finished_spans() if each.parent is None]
    assert found.name == "import message"
    assert (found.status.status_code, found.status.description) == (StatusCode.ERROR, "NotJson")


def test_a_delivery_that_only_waits_makes_no_span(spans: tuple[Tracer, InMemorySpanExporter]) -> None:
    """It comes back every few seconds, as long as its account is held."""
    tracer, exporter = spans
    DeliverySpans(tracer).settled(_work(None), Abandon(Outcome.WAITING, timedelta(seconds=5)))
    assert exporter.get_finished_spans() == ()


def test_a_failed_put_is_an_error_without_its_text(spans: tuple[Tracer, InMemorySpanExporter]) -> None:
    """The text may name a host or a file."""
    tracer, exporter = spans
    with pytest.raises(QueueUnavailable), NotificationSpans(tracer)(1):
        raise QueueUnavailable(Phrase("No route to db.example."))
    (found,) = exporter.get_finished_spans()
    assert (found.status.status_code, found.status.description) == (StatusCode.ERROR, "QueueUnavailable")
    assert not found.events
