"""A collector of OpenTelemetry, to which processes send spans and metrics by OTLP over HTTP."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    """A span, with the roles of its process."""

    trace: bytes
    span: bytes
    parent: bytes
    name: str
    roles: str
    begin: int
    end: int
    attributes: dict[str, str]


@dataclass(slots=True)
class Collector:
    """What came."""

    port: int = 0
    spans: list[CollectedSpan] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)
    """The last of each name."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that is to send here."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }

    async def take_traces(self, request: web.Request) -> web.Response:
        found = ExportTraceServiceRequest()
        found.ParseFromString(await _body(request))
        for resource in found.resource_spans:
            about = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    CollectedSpan(
                        each.trace_id,
                        each.span_id,
                        each.parent_span_id,
                        each.name,
                        about["mail_importer.roles"],
                        each.start_time_unix_nano,
                        each.end_time_unix_nano,
                        {one.key: one.value.string_value for one in each.attributes},
                    )
                    for each in scope.spans
                ]
        return web.Response()

    async def take_metrics(self, request: web.Request) -> web.Response:
        found = ExportMetricsServiceRequest()
        found.ParseFromString(await _body(request))
        for resource in found.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics.update({each.name: each for each in scope.metrics})
        return web.Response()


async def _body(request: web.Request) -> bytes:
    body = await request.read()
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector at a free port of this host."""
    collector = Collector()
    application = web.Application()
    application.router.add_post("/v1/traces", collector.take_traces)
    application.router.add_post("/v1/metrics", collector.take_metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.port = runner.addresses[0][1]
    try:
        yield collector
    finally:
        await runner.cleanup()
