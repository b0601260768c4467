"""The listener: connections within limits, encrypted or plain, and the requests on them."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final, Protocol

from aiohttp import hdrs, web

from operatingsystem import deepen_backlog
from operatingsystem.listening import listening_sockets
from operatingsystem.shared_listening import serve_shared
from receiver.connections import Connection, ConnectionLimits, ConnectionMetrics, Connections
from receiver.throttled_log import ThrottledLog

_HEADER_BYTES: Final = 8190
_BACKLOG: Final = 1024
_ACCEPTED_AT_ONCE: Final = 64
_FINISH_SECONDS: Final = 2.0
_SWEEPS_IN_SHORTEST_TIME: Final = 4
_MAX_SWEEP_SECONDS: Final = 1.0

GENUINE: Final = web.RequestKey("genuine", bool)
"""The request key under which the handler records that the client proved itself: that a genuine item was delivered."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Server(Protocol):
    """The part of `asyncio.Server` that is used here; Windows has one of its own for a shared socket."""

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """The sockets."""
        ...

    def close(self) -> None:
        """Accept no more connections."""
        ...


class ServerTls(Protocol):
    """The server's side of TLS: `receiver.tls.ServerCertificate`."""

    @property
    def context(self) -> ssl.SSLContext:
        """The context for connections from now on."""


def _without_routes(handler: Handler) -> web.Server:
    return web.Server(handler, request_factory=partial(_Request, loop=asyncio.get_running_loop()))


class Listener:
    """Serves one handler on one address.

    aiohttp's low-level server, without its router and middleware: a few fixed paths need neither, and at thousands of
    requests a second they cost a tenth of the throughput (bench/receiver.py).

    A connection is accepted plain and encrypted afterwards (`loop.start_tls`): so its address is known before the
    handshake, a handshake counts and ends like any other connection, and each gets the certificate current then.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        host: str,
        port: int,
        tls: ServerTls | None,
        limits: ConnectionLimits,
        metrics: ConnectionMetrics,
        throttled: ThrottledLog,
        http: Callable[[Handler], web.Server] = _without_routes,
        listening: Sequence[socket.socket] = (),
    ) -> None:
        """`http`: makes aiohttp's server of a handler. `listening`: sockets on which other processes accept, too; none:
        one of its own, at `host` and `port`.
        """
        self._listening = listening
        self._handler = handler
        self._host = host
        self._port = port
        self._tls = tls
        self._limits = limits
        self._metrics = metrics
        self._throttled = throttled
        self._make_http = http
        self._http: web.Server | None = None
        self._servers: Sequence[Server] = []
        self._connections: Connections | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; return the port (chosen by the system when 0 was given).

        Raises:
            OSError: the address is in use or not one of this host.
        """
        loop = asyncio.get_running_loop()
        self._http = self._make_http(self._handle)
        self._connections = Connections(self._limits, self._metrics, self._throttled, monotonic=loop.time)
        self._servers = await self._serve()
        self._sweep_once()
        port: int = self._servers[0].sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Accept no new connections, let the requests in progress finish, close."""
        for server in self._servers:
            server.close()
        if self._sweep is not None:
            self._sweep.cancel()
        for handshake in self._handshakes:
            handshake.cancel()
        if self._connections is not None:
            self._connections.close_idle(in_time=False)
        if self._http is not None:
            self._http.pre_shutdown()
            await self._http.shutdown(_FINISH_SECONDS)
        self._throttled.flush(at_end=True)

    async def _serve(self) -> "Sequence[Server]":
        def connection() -> _PendingConnection:
            return _PendingConnection(self._accept, self._enter, self._leave)

        loop = asyncio.get_running_loop()
        with ExitStack() as opened:
            sockets = self._listening or await listening_sockets(self._host, self._port, _BACKLOG)
            for each in sockets:
                opened.enter_context(each)
            servers: list[Server] = []
            for each in sockets:
                server: Server = (
                    await serve_shared(each, connection, _ACCEPTED_AT_ONCE)
                    if self._listening
                    else await loop.create_server(connection, sock=each, backlog=_ACCEPTED_AT_ONCE)
                )
                opened.callback(server.close)
                servers.append(server)
                # asyncio listens again: it has one number for the kernel's queue and for the connections accepted
                # before any is read. Accepted by the thousand, they would displace each other before their data was
                # examined. Windows keeps the number that was given first, and asyncio accepts one at a time there.
                deepen_backlog(each, _BACKLOG)
            opened.pop_all()
            return servers

    def _accept(self, arrival: "_PendingConnection", transport: asyncio.Transport) -> None:
        assert self._connections is not None  # noqa: S101  # made before the socket listens
        arrival.connection = self._connections.admit(
            transport.get_extra_info("peername"), drop=transport.abort, close=transport.abort
        )
        if arrival.connection is None:
            transport.abort()
        elif self._tls is None:
            arrival.ready(transport)
        else:
            transport.pause_reading()
            handshake = asyncio.create_task(self._encrypt(arrival, transport, self._tls.context))
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)

    async def _encrypt(
        self, arrival: "_PendingConnection", transport: asyncio.Transport, context: ssl.SSLContext
    ) -> None:
        encrypted: asyncio.Transport | None = None
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                transport,
                arrival,
                context,
                server_side=True,
                ssl_handshake_timeout=self._limits.first_request_seconds,
                ssl_shutdown_timeout=self._limits.first_request_seconds,
            )
        except OSError:  # no TLS, no acceptable one, too slow, or gone
            pass
        finally:
            # None also if the connection was lost without an error: then start_tls returns None.
            if encrypted is None:
                transport.abort()
                self._leave(arrival)
        if encrypted is not None:
            arrival.ready(encrypted)

    def _enter(self, arrival: "_PendingConnection", transport: asyncio.Transport, data: bytes) -> None:
        assert self._http is not None  # noqa: S101  # made before the socket listens
        assert arrival.connection is not None  # noqa: S101  # nothing is read unless admitted
        handler = _Handler(self._http, arrival.connection, self._limits.proven_keep_alive_seconds, self._leave)

        def close() -> None:
            # A client that reads nothing, or ignores the TLS shutdown, could keep it open without limit.
            if transport.is_closing() or transport.get_write_buffer_size():
                transport.abort()
            else:
                handler.force_close()

        arrival.connection.close = close
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(data)

    def _leave(self, leaving: "_PendingConnection | _Handler") -> None:
        if self._connections is not None and leaving.connection is not None:
            self._connections.remove(leaving.connection)

    def _sweep_once(self) -> None:
        """Close idle connections, and log the events that were only counted; repeats itself."""
        seconds = min(_MAX_SWEEP_SECONDS, self._limits.shortest_seconds / _SWEEPS_IN_SHORTEST_TIME)
        self._sweep = asyncio.get_running_loop().call_later(seconds, self._sweep_once)
        if self._connections is not None:
            self._connections.close_idle()
        self._throttled.flush()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connections, protocol = self._connections, request.protocol
        assert connections is not None  # noqa: S101  # made before the socket listens
        assert isinstance(protocol, _Handler)  # noqa: S101  # there are no others
        connections.begin(protocol.connection, request)
        try:
            return await self._handler(request)
        finally:
            connections.end(protocol.connection, genuine=GENUINE in request)


class _PendingConnection(asyncio.Protocol):
    """A connection that has sent nothing yet.

    aiohttp's handler, with its parser and its task, is created at the first byte: idle connections are cheap to accept,
    and to drop.
    """

    def __init__(
        self,
        accept: Callable[["_PendingConnection", asyncio.Transport], None],
        enter: Callable[["_PendingConnection", asyncio.Transport, bytes], None],
        leave: Callable[["_PendingConnection"], None],
    ) -> None:
        self._accept = accept
        self._enter = enter
        self._leave = leave
        self._transport: asyncio.Transport | None = None
        self._early = bytearray()
        self._lost = False
        self.connection: Connection | None = None
        """None: not admitted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # create_server guarantees a stream's
        self._accept(self, transport)

    def ready(self, transport: asyncio.Transport) -> None:
        """Treat data as the client's HTTP from now on, including data received since the end of the handshake."""
        if self._lost:
            return
        self._transport = transport
        if self.connection is not None:
            self.connection.close = transport.close
        if self._early:
            self._enter(self, transport, bytes(self._early))

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            self._early += data
        else:
            self._enter(self, self._transport, data)

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002  # the signature is asyncio's
        self._lost = True
        self._leave(self)


class _Handler(web.RequestHandler):
    """aiohttp's side of a connection; reports its end."""

    __slots__ = ("_leave", "connection")

    def __init__(
        self,
        http: web.Server,
        connection: Connection,
        keep_alive_seconds: float,
        leave: Callable[["_Handler"], None],
    ) -> None:
        super().__init__(
            http,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own runner passes None, too
            keepalive_timeout=keep_alive_seconds,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            # Neither Graph nor browsers compress. A mebibyte of a stranger's can decompress to a gibibyte, and aiohttp
            # decompresses all of it even after it was refused.
            auto_decompress=False,
        )
        self.connection = connection
        self._leave = leave

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._leave(self)


class _Request(web.BaseRequest):
    """A request whose answers do not name the versions of Python and aiohttp, as aiohttp's `Server` header does."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        # The hook of aiohttp's signal on_response_prepare; the signal is not sent for responses to invalid HTTP.
        response.headers.pop(hdrs.SERVER, None)
