"""The role `console`: from settings to a listening web console."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp import web

import background
from console.setting_values import networks_in
from console.settings import Settings
from console.web.alert_targets import AlertTargets
from console.web.application import application_of
from console.web.entra import EntraSignIn
from console.web.events import Streams
from console.web.jobs import Jobs
from console.web.limits import SignInLimits
from console.web.metrics import ConsoleMetrics
from console.web.passwords import Passwords
from console.web.rendering import Templates
from console.web.security import Addresses, add_headers, host_in
from console.web.services import Services
from console.web.sessions import SessionLimits, Sessions
from console.web.upkeep import keep_up
from console.wiring.calls import USUAL, CallContext
from console.wiring.certificate_store import certificate_store, naming
from console.wiring.clock import utc_now
from console.wiring.database import open_engine
from console.wiring.overview import OverviewCache, OverviewReader
from console.wiring.queue import open_queue
from console.wiring.roles import ConsoleContext
from db.engine import Database
from receiver.connections import ConnectionLimits
from receiver.server import Handler, Listener, ServerTls
from receiver.throttled_log import ThrottledLog
from threads import DaemonThreads

if TYPE_CHECKING:
    from receiver.tls import ServerCertificate

_POOL: Final = 4
_STATEMENT_SECONDS: Final = 10
_LOGIN_SECONDS: Final = 5
_COUNTING_SECONDS: Final = 1.5
_TRIALS: Final = 2
_BLOCKING_CALLS: Final = 4
_REQUEST_BYTES: Final = 1024 * 1024
_CONNECTIONS: Final = 500
_CONNECTIONS_PER_ADDRESS: Final = 64
_KEEPALIVE_SECONDS: Final = 75.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def start_console(settings: Settings, context: ConsoleContext, resources: AsyncExitStack) -> int:
    """Start the web console, which `resources` stop; return its port.

    Raises:
        OSError, ssl.SSLError: it cannot listen as the settings say.
        SettingsError: the sign-in at Entra cannot be used as configured.
    """
    metrics = ConsoleMetrics(context.registry)
    services = await resources.enter_async_context(opened_services(settings, context.stop))
    certificate = _certificate(settings, metrics)
    if certificate is not None:
        _in_background(certificate.watch(context.stop, context.reload), "console certificate", resources)
    start_background(services, resources)
    port = await serve(services, metrics, resources, certificate)
    log.info("console_listening", host=settings.console_host, port=port, url=services.settings.console_address)
    return port


def start_background(services: Services, resources: AsyncExitStack) -> None:
    """Start the tasks that pages rely on, which `resources` stop."""
    stop = services.stop
    _in_background(keep_up(services, stop), "console upkeep", resources)
    overview = background.restarted(lambda: services.overview.run(stop), name="console overview")
    _in_background(overview, "console overview", resources)


async def serve(
    services: Services, metrics: ConsoleMetrics, resources: AsyncExitStack, tls: ServerTls | None = None
) -> int:
    """Serve the console's application, which `resources` stop; return its port.

    By the listener of the receiver: strangers may open neither all file handles of the process nor all connections.

    Raises:
        OSError
    """
    runner = web.AppRunner(application_of(services, metrics))
    await runner.setup()
    resources.push_async_callback(runner.cleanup)
    assert runner.server is not None  # noqa: S101  # `setup` makes it
    loop = asyncio.get_running_loop()
    listener = Listener(
        runner.server.request_handler,
        host=services.settings.console_host,
        port=services.settings.console_port,
        tls=tls,
        limits=ConnectionLimits(
            connections=_CONNECTIONS,
            per_address=_CONNECTIONS_PER_ADDRESS,
            keep_alive_seconds=_KEEPALIVE_SECONDS,
            is_proxy=services.addresses.is_proxy,
        ),
        metrics=metrics,
        throttled=ThrottledLog(loop.time, role="console"),
        http=_http,
    )
    port = await listener.start()
    resources.push_async_callback(listener.stop)
    return port


@asynccontextmanager
async def opened_services(
    settings: Settings, stop: asyncio.Event, *, calls: CallContext = USUAL, passwords: Passwords | None = None
) -> AsyncIterator[Services]:
    """The services of one process, on connections of its own, so that no page takes one from an import.

    `calls`: time, chance and bounds of calls of Graph; its clock is that of the console. `passwords`: None is the usual
    hashing.

    Raises:
        SettingsError
    """
    own = settings.model_copy(
        update={
            "database_pool_size": min(_POOL, settings.database_pool_size),
            "database_statement_timeout": min(_STATEMENT_SECONDS, settings.database_statement_timeout),
            "database_login_timeout": min(_LOGIN_SECONDS, settings.database_login_timeout),
        }
    )
    clock, random = calls.clock, secrets.token_bytes
    database = Database(open_engine(own))
    entra = _user_sign_in(settings, clock) if settings.console_auth == "entra" else None
    jobs = Jobs(clock=clock, random=random)
    limits = SessionLimits(
        timedelta(minutes=settings.console_idle_minutes), timedelta(hours=settings.console_session_hours)
    )
    try:
        async with open_queue(own, database, clock=clock, counting_seconds=_COUNTING_SECONDS) as queue:
            yield Services(
                settings=own,
                given=settings,
                database=database,
                queue=queue,
                clock=clock,
                random=random,
                calls=calls,
                addresses=_addresses(settings),
                templates=Templates(),
                sessions=Sessions(database, limits=limits, clock=clock, random=random, entra=entra),
                sign_in_limits=SignInLimits(database, clock=clock),
                passwords=passwords or Passwords(),
                entra=entra,
                jobs=jobs,
                streams=Streams(stop),
                overview=OverviewCache(OverviewReader(settings, database, queue, clock=clock).snapshot, clock=clock),
                alert_targets=AlertTargets(settings),
                trials=asyncio.Semaphore(_TRIALS),
                threads=DaemonThreads("console call", limit=_BLOCKING_CALLS),
                stop=stop,
            )
            await jobs.close()
    finally:
        await database.close()


def _certificate(settings: Settings, metrics: ConsoleMetrics) -> "ServerCertificate | None":
    """The certificate of the settings. What reads those of listeners is loaded where there is one."""
    if settings.console_tls_cert is None:
        return None
    from console.wiring.server_certificate import certificate_source  # noqa: PLC0415  # see above
    from receiver.tls import ServerCertificate  # noqa: PLC0415  # see above

    source = certificate_source(settings, "console")
    if source is None:
        return None
    return ServerCertificate(source, clock=utc_now, expires=metrics.certificate_expires, role="console")


def _user_sign_in(settings: Settings, clock: Callable[[], datetime]) -> EntraSignIn:
    with naming("console_tenant_id, console_client_id, ca_bundle"):
        return EntraSignIn(
            certificate_store(settings),
            authority_url=settings.authority_url,
            tenant_id=settings.console_tenant_id or "",
            client_id=settings.console_client_id or "",
            thumbprint=settings.console_thumbprint or "",
            ca_bundle=settings.ca_bundle,
            now=clock,
        )


def _addresses(settings: Settings) -> Addresses:
    names = {settings.console_host.lower()}
    if settings.console_url is not None:
        names.add(host_in(settings.console_url.partition("://")[2]))
    return Addresses(settings.console_address, frozenset(names), networks_in(settings.console_proxies or ""))


class _Request(web.Request):
    """A request of which every answer has the headers, that of aiohttp to invalid HTTP as well."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        # The application's signal is not sent for responses to invalid HTTP.
        await super()._prepare_hook(response)
        add_headers(response, is_secure=self.secure)


def _http(handler: Handler) -> web.Server:
    """The server of aiohttp: a request whose client is gone is not continued."""
    factory = partial(_Request, loop=asyncio.get_running_loop(), client_max_size=_REQUEST_BYTES)
    return web.Server(handler, request_factory=factory, handler_cancellation=True)


def _in_background(work: Coroutine[Any, Any, None], name: str, resources: AsyncExitStack) -> None:
    task = background.start(work, name=name)
    resources.push_async_callback(lambda: background.cancel(task, within=1.0))
