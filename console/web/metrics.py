"""The metrics of the web console."""

from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class ConsoleMetrics:
    """The metrics, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "mail_importer_console_answers", "Answers of the web console.", ["route", "code"], registry=registry
        )
        self._seconds = Histogram(
            "mail_importer_console_answer_seconds",
            "Time from the request's headers to the answer of the web console.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.connections_refused = Counter(
            "mail_importer_console_connections_refused",
            "Connections to the web console closed at once because too many were open.",
            registry=registry,
        )
        self.connections_dropped = Counter(
            "mail_importer_console_connections_dropped",
            "Idle connections to the web console closed early, to make room for new ones.",
            registry=registry,
        )
        self.certificate_expires = Gauge(
            "mail_importer_console_certificate_expires_timestamp_seconds",
            "When the certificate that the web console shows ends; 0: it shows none.",
            registry=registry,
        )

    def observe(self, request: web.Request, status: int, seconds: float) -> None:
        """Count an answer, by its route: an address may hold names."""
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        self._answers.labels(route, str(status)).inc()
        self._seconds.observe(seconds)
