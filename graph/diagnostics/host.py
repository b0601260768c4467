"""A request to a host over the product's own session, and the steps that it reached."""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from graph.diagnostics.explanation import Route, Timeouts, explained
from graph.diagnostics.failures import HostUnreached
from graph.diagnostics.peers import PORTS, Endpoint, Proxy, TlsSession
from graph.diagnostics.steps import Steps
from graph.transport import proxy_for, session_for

PATIENT: Final = Timeouts()
_FAULTS: Final = (aiohttp.ClientError, OSError, ValueError)
"""The errors of a request; a ValueError: of a name that is none."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An established connection. `addresses`: of the host, or of the proxy; `peer`: the one that answered."""

    addresses: Sequence[str]
    peer: str
    proxy: str | None
    """Without user and password."""


@dataclass(frozen=True, slots=True)
class Skew:
    """The time by which a host's clock is ahead of this machine's, plus or minus `uncertainty`."""

    ahead: timedelta
    uncertainty: timedelta
    round_trip: timedelta


@dataclass(frozen=True, slots=True)
class Visit:
    """The steps that one request reached: each is None, or `failure` says why it is not."""

    connection: Connection | None
    tls: TlsSession | None
    skew: Skew | None
    failure: HostUnreached | None

    def reached(self) -> Connection:
        """The connection.

        Raises:
            HostUnreached: by name, connection or proxy.
        """
        if self.connection is None:
            raise self.failure or AssertionError("a step is missing without a reason")
        return self.connection

    def handshake(self) -> TlsSession:
        """The TLS session.

        Raises:
            HostUnreached: no connection, or TLS failed.
        """
        if self.tls is None:
            raise self.failure or AssertionError("a step is missing without a reason")
        return self.tls

    def answered(self) -> Skew | None:
        """The skew of the host's clock, by the `Date` of its response; None when it has none.

        Raises:
            HostUnreached: no connection, no TLS, or no HTTP response.
        """
        if self.failure is not None:
            raise self.failure
        return self.skew


class Host:
    """One service of a URL.

    Args:
        url: its scheme, host and port are used.
        is_own: it is the notification address, which Microsoft has to reach; else a service of Microsoft.
        timeouts: of a request.

    Raises:
        HostUnreached: HTTPS_PROXY is no address of a proxy.
    """

    def __init__(self, url: str, *, is_own: bool = False, timeouts: Timeouts = PATIENT) -> None:
        parts = urlsplit(url)
        self.named = Endpoint(parts.hostname or "", parts.port or PORTS[parts.scheme])
        self.encrypted = parts.scheme == "https"
        self._url = url
        self._root = URL(url).with_path("/").with_query(None)
        proxy = proxy_for(url)
        self._proxy = None if proxy is None else Proxy(proxy)
        self._timeouts = timeouts
        self._is_own = is_own

    async def visit(self, tls: ssl.SSLContext, clock: Callable[[], datetime]) -> Visit:
        """Send one `HEAD /`, without a token, as the product sends its requests; a failure is in the result.

        `clock`: aware time, to compare that of the host with.
        """
        steps = self._steps()
        skew, failure = None, None
        try:
            async with self._exchange("HEAD", self._root, tls, steps) as response:
                skew = _skew(steps.seconds_since_sent(), clock(), response.headers.get("Date"))
        except HostUnreached as error:
            failure = error
        reached = None
        if steps.peer is not None:
            proxy = None if self._proxy is None else self._proxy.shown
            reached = Connection(list(dict.fromkeys(steps.addresses)), steps.peer, proxy)
        return Visit(reached, steps.tls, skew, failure)

    async def handshake(self, tls: ssl.SSLContext) -> TlsSession:
        """Perform a TLS handshake, and send nothing.

        Raises:
            HostUnreached: no connection, or TLS with `tls` failed; the reason is as precise as a second and third
                handshake can determine.
        """
        steps, error = await self._handshake(tls)
        if steps.tls is None:
            raise await self._failure(error, steps, tls) from self._cause(error)
        return steps.tls

    @asynccontextmanager
    async def exchange(
        self, method: str, url: URL, tls: ssl.SSLContext, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request to the host, and open its response for the duration of the context.

        Raises:
            HostUnreached: no response came, or not its whole body.
        """
        async with self._exchange(method, url, tls, self._steps(), headers) as response:
            yield response

    def _steps(self, *, handshake_only: bool = False) -> Steps:
        proxy = self._proxy
        other_tls = proxy.named.host if proxy is not None and proxy.encrypted else None
        return Steps(other_tls=other_tls, handshake_only=handshake_only)

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        url: URL,
        tls: ssl.SSLContext,
        steps: Steps,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._sent(method, url, tls, steps, headers) as response:
                yield response
        except _FAULTS as error:
            raise await self._failure(error, steps, tls) from self._cause(error)

    @asynccontextmanager
    async def _sent(
        self, method: str, url: URL, tls: ssl.SSLContext, steps: Steps, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        limits = self._timeouts
        timeout = aiohttp.ClientTimeout(total=limits.total, sock_connect=limits.connect, sock_read=limits.answer)
        steps.watch(tls)
        async with (
            session_for(self._url, tls, timeout, trace=[steps.trace()], socket_factory=steps.open_socket) as session,
            session.request(method, url, headers=headers, allow_redirects=False) as response,
        ):
            yield response

    async def _handshake(self, tls: ssl.SSLContext) -> tuple[Steps, Exception]:
        """The steps of a request that is given up when its handshake is done, and the error that ended it."""
        steps = self._steps(handshake_only=True)
        try:
            async with self._sent("HEAD", self._root, tls, steps, {}):
                raise AssertionError("a request was sent where a handshake was wanted")
        except _FAULTS as error:
            return steps, error

    async def _failure(self, error: Exception, steps: Steps, tls: ssl.SSLContext) -> HostUnreached:
        async def again(context: ssl.SSLContext) -> TlsSession | None:
            return (await self._handshake(context))[0].tls

        route = Route(self.named, self._proxy, self._is_own, self._timeouts)
        return await explained(error, steps, route, tls, again)

    def _cause(self, error: Exception) -> Exception | None:
        # aiohttp's errors about a proxy contain its URL, and with it perhaps a password.
        return error if self._proxy is None else None


def _skew(seconds: float, answered: datetime, date: str | None) -> Skew | None:
    """The skew, from a `Date` in whole seconds, truncated; its time within the round trip is not known."""
    try:
        there = None if date is None else parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    if there is None:
        return None
    there = there if there.tzinfo else there.replace(tzinfo=UTC)
    round_trip, half_second = timedelta(seconds=seconds), timedelta(seconds=0.5)
    return Skew(there + half_second - (answered - round_trip / 2), half_second + round_trip / 2, round_trip)
