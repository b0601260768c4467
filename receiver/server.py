"""The listener: TLS, and limits on what a connection may cost before it has said anything useful."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from receiver.metrics import ReceiverMetrics

_HEADER_BYTES: Final = 8190
_BACKLOG: Final = 1024
_FINISH_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Connections open at a time, and seconds: for the TLS handshake, then for the headers of the first request; and
    until a connection that was answered is closed unless the next request is complete."""

    connections: int = 1000
    first_request_seconds: float = 10.0
    keep_alive_seconds: float = 75.0


class Listener:
    """Serves one handler on one address.

    aiohttp's low-level server, without its router and middleware: six fixed paths need neither, and at thousands of
    requests a second they cost a tenth of it (bench/receiver.py).
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        limits: ConnectionLimits,
        metrics: ReceiverMetrics,
    ) -> None:
        self._handler = handler
        self._host = host
        self._port = port
        self._tls = tls
        self._limits = limits
        self._metrics = metrics
        self._arriving: set[asyncio.BaseProtocol] = set()
        self._silent: set[asyncio.BaseProtocol] = set()
        self._http: web.Server | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; the port (which the system chose when 0 was asked for).

        Raises:
            OSError: the address is taken or not ours.
        """
        self._http = web.Server(
            self._handle,
            access_log=None,
            keepalive_timeout=self._limits.keep_alive_seconds,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            # Graph never compresses. Unpacked, a mebibyte of anyone's can be a gibibyte, and aiohttp unpacks all of it
            # even after we have refused it.
            auto_decompress=False,
        )
        self._server = await asyncio.get_running_loop().create_server(
            self._connect,
            self._host,
            self._port,
            ssl=self._tls,
            ssl_handshake_timeout=self._limits.first_request_seconds if self._tls is not None else None,
            backlog=_BACKLOG,
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Take no new connections, let the requests under way finish, close."""
        if self._server is not None:
            self._server.close()
        if self._http is not None:
            self._http.pre_shutdown()
            await self._http.shutdown(_FINISH_SECONDS)

    def _connect(self) -> asyncio.BaseProtocol:
        # aiohttp counts a connection only once it is made: after others that arrive in the same moment, and after its
        # TLS handshake.
        if self._http is None or len(self._http.connections) + len(self._arriving) >= self._limits.connections:
            self._metrics.connections_refused.inc()
            return _Refusal()
        door = _Door(self._enter)
        self._arriving.add(door)
        # Nothing tells us that a handshake failed; it is over when its time is.
        asyncio.get_running_loop().call_later(self._limits.first_request_seconds, self._arriving.discard, door)
        return door

    def _enter(self, door: "_Door", transport: asyncio.Transport) -> None:
        self._arriving.discard(door)
        if self._http is None:
            transport.close()
            return
        protocol = self._http()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        # aiohttp waits for ever for the headers of a first request.
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(self._limits.first_request_seconds, self._drop_if_silent, protocol)

    def _drop_if_silent(self, protocol: web.RequestHandler) -> None:
        if protocol in self._silent:
            self._silent.discard(protocol)
            protocol.force_close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        return await self._handler(request)


class _Door(asyncio.Protocol):
    """Stands for a connection until it is made."""

    def __init__(self, enter: "Callable[[_Door, asyncio.Transport], None]") -> None:
        self._enter = enter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # a stream's, by what create_server promises
        self._enter(self, transport)


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer: Graph needs 1.2, an endpoint with 1.3 alone failed its validation (graph.md, section 3).

    Raises:
        OSError, ssl.SSLError: a file cannot be read, or the two do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
