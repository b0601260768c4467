"""The receiver, put together from the settings."""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from socket import socket
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from background.readiness import Readiness
from bus.queue import NotificationSender
from console.settings import Settings
from console.wiring.clock import utc_now
from graph.client_state import ClientStateKeys
from receiver.app import Receiver, Spans
from receiver.body import BodyLimits
from receiver.connections import ConnectionLimits
from receiver.metrics import ReceiverMetrics
from receiver.server import Listener
from receiver.throttled_log import ThrottledLog

if TYPE_CHECKING:
    from receiver.tls import ServerCertificate

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def start_receiver(
    settings: Settings,
    queue: NotificationSender,
    keys: ClientStateKeys,
    registry: CollectorRegistry,
    readiness: Readiness,
    resources: AsyncExitStack,
    spans: Spans | None = None,
    listening: Sequence[socket] = (),
) -> "tuple[int, ServerCertificate | None]":
    """Start the receiver, which `resources` stop; its port, and its certificate unless it speaks plain HTTP.

    `listening`: sockets that it shares with other processes; none: it listens as the settings say.

    Raises:
        OSError, ssl.SSLError: it cannot listen as the settings say.
    """
    metrics = ReceiverMetrics(registry)
    certificate = _certificate(settings, metrics)
    throttled = ThrottledLog(time.monotonic)
    receiver = Receiver(
        queue,
        account_of=keys.verify,
        clock=utc_now,
        metrics=metrics,
        throttled=throttled,
        readiness=readiness,
        body_limits=BodyLimits(body_bytes=settings.receiver_body_limit_mb * 1024 * 1024),
        spans=spans,
    )
    listener = Listener(
        receiver.answer,
        host=settings.receiver_host,
        port=settings.receiver_port,
        tls=certificate,
        limits=ConnectionLimits(per_address=settings.receiver_connections_per_address),
        metrics=metrics,
        throttled=throttled,
        listening=listening,
    )
    port = await listener.start()
    resources.push_async_callback(listener.stop)
    log.info("receiver_listening", host=settings.receiver_host, port=port)
    return port, certificate


def _certificate(settings: Settings, metrics: ReceiverMetrics) -> "ServerCertificate | None":
    """The certificate of the settings. What reads certificates is loaded where there is one: not behind a proxy."""
    if settings.receiver_tls_cert is None:
        return None
    from console.wiring.server_certificate import certificate_source  # noqa: PLC0415  # see above
    from receiver.tls import ServerCertificate  # noqa: PLC0415  # see above

    source = certificate_source(settings, "receiver")
    return None if source is None else ServerCertificate(source, clock=utc_now, expires=metrics.certificate_expires)
