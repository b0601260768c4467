"""The steps of one request over the product's session, as aiohttp's signals, its sockets and its TLS report them."""

import asyncio
import contextlib
import socket
import ssl

import aiohttp

from graph.diagnostics.peers import TlsSession


class Steps:
    """The record of one request. It only watches: the connection is aiohttp's.

    Args:
        other_tls: the host name of a proxy that itself speaks TLS; its handshake is none with the host.
        handshake_only: end the connection when the handshake is done, so that nothing is sent over it.
    """

    def __init__(self, *, other_tls: str | None, handshake_only: bool) -> None:
        self._other_tls = other_tls
        self._handshake_only = handshake_only
        self._sockets: list[socket.socket] = []
        self.addresses: list[str] = []
        """Those to which a connection was tried: of the host, or of the proxy."""
        self.peer: str | None = None
        """The one that answered, once the connection to the host stands, through the proxy if there is one."""
        self.tls_begun = False
        self.tls: TlsSession | None = None
        self._sent_at = 0.0

    def trace(self) -> aiohttp.TraceConfig:
        """The signals of aiohttp, for the session."""
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._connected)
        trace.on_request_headers_sent.append(self._sent)
        return trace

    def open_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for one attempt to connect, as aiohttp makes it."""
        family, kind, protocol, _, name = address
        self.addresses.append(str(name[0]))
        made = socket.socket(family, kind, protocol)
        self._sockets.append(made)
        return made

    def seconds_since_sent(self) -> float:
        """The seconds since the request was sent."""
        return asyncio.get_running_loop().time() - self._sent_at

    def watch(self, context: ssl.SSLContext) -> None:
        """Have the handshakes of this context recorded here: aiohttp has no signal for them."""
        steps = self

        class Watched(ssl.SSLObject):
            def do_handshake(self) -> None:
                if steps._other_tls is not None and self.server_hostname == steps._other_tls:
                    super().do_handshake()
                    return
                steps._note_peer()
                steps.tls_begun = True
                super().do_handshake()
                steps.tls = TlsSession.of(self)
                if steps._handshake_only:
                    raise ssl.SSLError("nothing but the handshake was wanted")

        context.sslobject_class = Watched

    def _note_peer(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):  # not the one that connected: it is closed
                self.peer = str(each.getpeername()[0])

    async def _connected(self, *_: object) -> None:
        self._note_peer()

    async def _sent(self, *_: object) -> None:
        self._sent_at = asyncio.get_running_loop().time()
