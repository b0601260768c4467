"""Metrics and health of a process, on an address of their own: they show versions, certificates and error counts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from operatingsystem import ADDRESS_IN_USE
from operatingsystem.listening import listening_sockets
from threads import DaemonThreads

_BACKLOG: Final = 128
_FINISH_SECONDS: Final = 2.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class MetricsUnavailable(Exception):
    """The address cannot be listened on. The text is the system's reason."""


class ReadinessSource(Protocol):
    """A source of obstacles: `background.readiness.Readiness`, or that of several processes."""

    async def obstacles(self) -> dict[str, str]:
        """The obstacles of now, by reason, a fixed word; empty: ready."""
        ...


@asynccontextmanager
async def serving_metrics(
    registry: CollectorRegistry,
    readiness: ReadinessSource,
    host: str,
    port: int,
    *,
    is_alive: Callable[[], bool] = lambda: True,
) -> AsyncIterator[None]:
    """Answer `GET /metrics` with Prometheus text, `/health/live` and `/health/ready` with JSON, while in the context.

    `is_alive`: False where the process can only be restarted.

    An address in use is logged, and not served: several processes of one host have the same settings, and none of them
    may fail for its metrics.

    Raises:
        MetricsUnavailable: the address cannot be listened on, and is not in use.
    """

    # The text of 10,000 accounts takes some 0.4 s, for which the event loop cannot wait.
    threads = DaemonThreads("metrics", limit=1)

    async def show(_request: web.Request) -> web.Response:
        text = await asyncio.get_running_loop().run_in_executor(threads, generate_latest, registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def live(_request: web.Request) -> web.Response:
        if not is_alive():
            return web.json_response({"status": "unavailable"}, status=503)
        return web.json_response({"status": "ok"})

    application = web.Application()
    application.router.add_get("/metrics", show)
    application.router.add_get("/health/live", live)
    application.router.add_get("/health/ready", _ReadyPage(readiness).show)
    application.on_response_prepare.append(_hide_versions)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_FINISH_SECONDS)
    await runner.setup()
    try:
        try:
            async with AsyncExitStack() as opened:
                sockets = await listening_sockets(host, port, _BACKLOG)
                for each in sockets:
                    opened.enter_context(each)
                for each in sockets:
                    site = web.SockSite(runner, each)
                    await site.start()
                    opened.push_async_callback(site.stop)
                opened.pop_all()
        except OSError as exc:
            if exc.errno not in ADDRESS_IN_USE:
                raise MetricsUnavailable(exc.strerror or str(exc)) from exc
            log.warning(
                "metrics_not_served",
                host=host,
                port=port,
                error=exc.strerror,
                detail="Another process listens there, perhaps another role on this host. Give each process a "
                "metrics_port of its own, or 0.",
            )
        else:
            log.info("metrics_served", host=host, port=port)
        yield
    finally:
        await runner.cleanup()


class _ReadyPage:
    """The readiness of the process; a change is logged, with texts that the page does not have."""

    def __init__(self, readiness: ReadinessSource) -> None:
        self._readiness = readiness
        self._reasons: list[str] = []

    async def show(self, _request: web.Request) -> web.Response:
        obstacles = await self._readiness.obstacles()
        reasons = list(obstacles)
        if reasons != self._reasons and reasons:
            log.warning("process_not_ready", reasons=reasons, error=" ".join(obstacles.values()))
        elif reasons != self._reasons:
            log.info("process_ready")
        self._reasons = reasons
        if reasons:
            return web.json_response({"status": "unavailable", "reasons": reasons}, status=503)
        return web.json_response({"status": "ok"})


async def _hide_versions(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
