"""The connection to a host: its name, TCP, and the proxy in between, if one is set."""

import asyncio
import base64
import contextlib
import errno
import re
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from graph.diagnostics.failures import Failure, HostUnreached
from phrases import Phrase
from threads import DaemonThreads

_PORTS: Final = {"http": 80, "https": 443}
_NO_WAY: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM}
)
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")
_MAX_ADDRESSES: Final = 4
_HEAD_BYTES: Final = 64 * 1024

_Address = tuple[int, Any]
"""Family, and the address to which a socket of it connects."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host with its port, as commonly written."""

    host: str
    port: int
    proxied: bool = False
    """It is the proxy for another host."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Connection:
    """An established connection. `addresses`: of the host, or of the proxy; `peer`: the one that answered."""

    addresses: Sequence[str]
    peer: str
    proxy: str | None
    """Without user and password."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An open connection to the host, through the proxy if there is one."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    reached: Connection


class Host:
    """One service of a URL.

    Args:
        url: its scheme, host and port are used.
        proxy: the URL of a proxy, possibly with user and password; None: direct.
        is_own: it is the notification address, which Microsoft has to reach; else a service of Microsoft.
        connect_seconds: for each address, and for the proxy's response.
        name_seconds: for DNS.
    """

    def __init__(
        self,
        url: str,
        *,
        proxy: str | None = None,
        is_own: bool = False,
        connect_seconds: float = 4.0,
        name_seconds: float = 5.0,
    ) -> None:
        parts = urlsplit(url)
        self.named = Endpoint(parts.hostname or "", parts.port or _PORTS[parts.scheme])
        self.encrypted = parts.scheme == "https"
        self.is_own = is_own
        self._proxy = None if proxy is None else _Proxy(proxy)
        self._connect_seconds = connect_seconds
        self._name_seconds = name_seconds
        self._look_ups = DaemonThreads("name look-up", limit=1)

    @property
    def proxy(self) -> str | None:
        """The proxy in use, without user and password."""
        return None if self._proxy is None else self._proxy.shown

    async def reach(self) -> Connection:
        """Connect, and close the connection.

        Raises:
            HostUnreached: by name, connection or proxy.
        """
        async with self.opened() as stream:
            return stream.reached

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Stream]:
        """Open a connection for the duration of the context; TLS with the host has not begun.

        Raises:
            HostUnreached: as `reach`.
        """
        first = self.named if self._proxy is None else self._proxy.named
        addresses = await self._resolved(first)
        connection = await self._connected(first, addresses)
        reader, writer = await asyncio.open_connection(sock=connection, limit=_HEAD_BYTES)
        try:
            if self._proxy is not None:
                await self._through(self._proxy, reader, writer)
            shown = [str(address[0]) for _, address in addresses]
            yield Stream(reader, writer, Connection(shown, str(connection.getpeername()[0]), self.proxy))
        finally:
            # Not `wait_closed`: after an aborted handshake the writer is never notified of the end.
            writer.transport.abort()
            await asyncio.sleep(0)

    async def _resolved(self, who: Endpoint) -> Sequence[_Address]:
        try:
            async with asyncio.timeout(self._name_seconds):
                found = await asyncio.get_running_loop().run_in_executor(
                    self._look_ups, partial(socket.getaddrinfo, who.host, who.port, type=socket.SOCK_STREAM)
                )
        except TimeoutError as reason:
            raise _name_server_silent(who) from reason
        except (socket.gaierror, UnicodeError) as reason:
            if isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_AGAIN:
                raise _name_server_silent(who) from reason
            raise _name_unknown(who) from reason
        return list(dict.fromkeys((family, address) for family, _, _, _, address in found))[:_MAX_ADDRESSES]

    async def _connected(self, who: Endpoint, addresses: Sequence[_Address]) -> socket.socket:
        """Connect to the first address that answers. In the error, a refusal takes precedence over a time-out."""
        reasons: list[OSError] = []
        for family, address in addresses:
            try:
                return await _connect(family, address, self._connect_seconds)
            except OSError as reason:
                reasons.append(reason)
        worst = min(reasons, key=_says_least)
        raise _not_connected(who, worst, self._connect_seconds) from worst

    async def _through(self, proxy: "_Proxy", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._connect_seconds):
                if proxy.encrypted:
                    await writer.start_tls(ssl.create_default_context(), server_hostname=proxy.named.host)
                writer.write(proxy.request(self.named))
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError as reason:
            raise _proxy_odd(proxy, Phrase("it gave no answer in time")) from reason
        except ssl.SSLError as reason:
            raise _proxy_odd(proxy, Phrase("TLS with it failed: {reason}", reason=reason.reason or "?")) from reason
        except (OSError, EOFError, asyncio.LimitOverrunError) as reason:
            raise _proxy_odd(proxy, Phrase("it hung up")) from reason
        found = _STATUS_LINE.match(head)
        if found is None:
            raise _proxy_odd(proxy, Phrase("its answer is not one of a proxy"))
        status = int(found[1])
        if status != HTTPStatus.OK:
            raise _proxy_refused(proxy, self.named, status)


class _Proxy:
    """The proxy that HTTPS_PROXY names."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = SplitResult("", "", "", "", ""), None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise HostUnreached(
                Failure.PROXY_UNKNOWN,
                Phrase("The proxy that HTTPS_PROXY names is not an http:// or https:// address."),
                Phrase("Correct HTTPS_PROXY, for example http://proxy.example.com:3128; others are not supported."),
            )
        self.named = Endpoint(parts.hostname, port or _PORTS[parts.scheme], proxied=True)
        self.encrypted = parts.scheme == "https"
        self.shown = f"{parts.scheme}://{self.named}"
        self._user = None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"

    @property
    def has_credentials(self) -> bool:
        """True if a user is named."""
        return self._user is not None

    def request(self, target: Endpoint) -> bytes:
        """The request for a tunnel."""
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self._user is not None:
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(self._user.encode()).decode()}")
        return "\r\n".join([*lines, "", ""]).encode()


async def _connect(family: int, address: Any, seconds: float) -> socket.socket:  # noqa: ANN401  # by family
    with contextlib.ExitStack() as unless_connected:
        connection = unless_connected.enter_context(socket.socket(family, socket.SOCK_STREAM))
        connection.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(connection, address)
        unless_connected.pop_all()
    return connection


def _says_least(reason: OSError) -> int:
    """The rank of a reason: the most informative comes first."""
    if isinstance(reason, ConnectionRefusedError):
        return 0
    return 1 if isinstance(reason, TimeoutError) else 2


def _name_unknown(who: Endpoint) -> HostUnreached:
    return HostUnreached(
        Failure.PROXY_UNREACHED if who.proxied else Failure.NAME_UNKNOWN,
        Phrase("DNS knows no host named {host}.", host=who.host),
        _of_proxy(who)
        or Phrase(
            "Check the spelling in the settings graph_url, authority_url, cloud or notification_url, and the DNS "
            "servers of this machine: nslookup {host}. Where only a proxy resolves names, set HTTPS_PROXY.",
            host=who.host,
        ),
    )


def _name_server_silent(who: Endpoint) -> HostUnreached:
    return HostUnreached(
        Failure.PROXY_UNREACHED if who.proxied else Failure.NAME_SERVER_SILENT,
        Phrase("No DNS server answers when asked for {host}.", host=who.host),
        _of_proxy(who)
        or Phrase(
            "Check the network and the DNS servers of this machine (on Linux /etc/resolv.conf, on Windows ipconfig "
            "/all). Where only a proxy resolves names, set HTTPS_PROXY."
        ),
    )


def _not_connected(who: Endpoint, reason: OSError, seconds: float) -> HostUnreached:
    failure, summary, advice = _connection_fault(who, reason, seconds)
    if who.proxied:
        return HostUnreached(Failure.PROXY_UNREACHED, summary, _of_proxy(who) or advice)
    return HostUnreached(failure, summary, advice)


def _connection_fault(who: Endpoint, reason: OSError, seconds: float) -> tuple[Failure, Phrase, Phrase]:
    if isinstance(reason, ConnectionRefusedError):
        return (
            Failure.REFUSED,
            Phrase("{who} refuses the connection.", who=who),
            Phrase("Nothing listens there, or a firewall refuses: check the address, and allow outgoing TCP to it."),
        )
    if isinstance(reason, TimeoutError):
        return (
            Failure.SILENT,
            Phrase("{who} did not answer within {seconds:g} seconds.", who=who, seconds=seconds),
            Phrase(
                "A firewall drops the packets: allow outgoing TCP to {who}, or set HTTPS_PROXY where a proxy is the "
                "only way out.",
                who=who,
            ),
        )
    if reason.errno in _NO_WAY:
        return (
            Failure.NO_ROUTE,
            Phrase("There is no way from this machine to {who}: {reason}.", who=who, reason=reason.strerror),
            Phrase(
                "Check network, gateway and firewall of this machine, or set HTTPS_PROXY where a proxy is the only way "
                "out."
            ),
        )
    return (
        Failure.FAILED,
        Phrase("The connection to {who} failed: {reason}.", who=who, reason=reason.strerror or type(reason).__name__),
        Phrase("Check network and firewall between this machine and the host."),
    )


def _of_proxy(who: Endpoint) -> Phrase | None:
    if not who.proxied:
        return None
    return Phrase("It is the proxy that HTTPS_PROXY names: check its address and port, and that it runs.")


def _proxy_odd(proxy: _Proxy, problem: Phrase) -> HostUnreached:
    return HostUnreached(
        Failure.PROXY_FAILED,
        Phrase("The proxy {proxy} cannot be used: {problem}.", proxy=proxy.shown, problem=problem),
        Phrase("Check the address and port in HTTPS_PROXY."),
    )


def _proxy_refused(proxy: _Proxy, target: Endpoint, status: int) -> HostUnreached:
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and not proxy.has_credentials:
        return HostUnreached(
            Failure.PROXY_CREDENTIALS_MISSING,
            Phrase("The proxy {proxy} asks for a user and password (407).", proxy=proxy.shown),
            Phrase(
                "Put them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT, with %-codes for special characters; or "
                "have the proxy let this machine through without. Sign-in by NTLM or Kerberos is not supported."
            ),
        )
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return HostUnreached(
            Failure.PROXY_CREDENTIALS_REFUSED,
            Phrase("The proxy {proxy} does not take the user and password of HTTPS_PROXY (407).", proxy=proxy.shown),
            Phrase(
                "Correct them, with %-codes for special characters. A proxy that wants NTLM or Kerberos takes none: "
                "have it let this machine through without sign-in."
            ),
        )
    if status in {HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED, HTTPStatus.METHOD_NOT_ALLOWED}:
        return HostUnreached(
            Failure.PROXY_DENIES,
            Phrase(
                "The proxy {proxy} does not let us through to {target} ({status}).",
                proxy=proxy.shown,
                target=target,
                status=status,
            ),
            Phrase("Have {target} allowed on the proxy, by CONNECT and without inspection of TLS.", target=target),
        )
    return HostUnreached(
        Failure.PROXY_FAILED,
        Phrase("The proxy {proxy} cannot reach {target} ({status}).", proxy=proxy.shown, target=target, status=status),
        Phrase("Check on the proxy that it resolves and reaches {target}.", target=target),
    )
