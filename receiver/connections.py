"""The open connections: their limits, and the choice of the one to close for a new one."""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web
from prometheus_client import Counter

from receiver.throttled_log import ThrottledLog


def _no_proxy(address: str) -> bool:  # noqa: ARG001  # no address is one of a proxy
    return False


class ConnectionMetrics(Protocol):
    """The metrics of connections."""

    connections_refused: Counter
    connections_dropped: Counter


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The bounds on connections; times in seconds."""

    connections: int = 1000
    """Connections open at a time, handshakes included."""
    per_address: int = 256
    """Connections open at a time from one IPv4 address or one IPv6 /64 network; 0: no bound. Equal to the number that
    may wait for the queue (`IntakeLimits`): so it closes nothing that would have been accepted."""
    first_request_seconds: float = 10.0
    """Time from the connection to the headers of its first request, TLS handshake included."""
    keep_alive_seconds: float = 5.0
    """Time from a response to the next request, on a connection that delivered nothing genuine."""
    proven_keep_alive_seconds: float = 75.0
    """The same once a genuine notification arrived on it. Longer than nginx keeps an idle connection (60 s)."""
    is_proxy: Callable[[str], bool] = _no_proxy
    """True of an address that `per_address` does not bound: many clients are behind it."""

    @property
    def shortest_seconds(self) -> float:
        """The shortest of the times."""
        return min(self.first_request_seconds, self.keep_alive_seconds, self.proven_keep_alive_seconds)


@dataclass(eq=False, slots=True)
class Connection:
    """One connection, from its acceptance to its end."""

    address: str
    """The form used in the log: an IPv4 address, or an IPv6 network."""
    drop: Callable[[], None]
    """Abort it at once, in any state."""
    close: Callable[[], None]
    """Close it in good order."""
    changed: float
    """The time of its acceptance, or of the begin or answer of its last request, by the clock of the loop."""
    request: web.BaseRequest | None = field(default=None, repr=False)
    """The request being answered."""
    asked: bool = False
    """The headers of a request arrived."""
    proven: bool = False
    """A genuine notification arrived, or whatever else proves a client (`receiver.server.GENUINE`)."""

    @property
    def may_give_way(self) -> bool:
        """True unless a request has arrived whole and is being answered."""
        return self.request is None or not self.request.content.is_eof()


class Connections:
    """Admits connections within the limits; when there is no room, the one idle for longest is dropped.

    Connections that proved nothing are dropped first. So a flood of idle connections displaces itself, and a delivery,
    which takes a few round trips, succeeds.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        metrics: ConnectionMetrics,
        throttled: ThrottledLog,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._throttled = throttled
        self._monotonic = monotonic
        # Dicts as ordered sets, by `changed`.
        self._all: dict[Connection, None] = {}
        self._by_address: dict[str, dict[Connection, None]] = {}

    def admit(self, peer: object, *, drop: Callable[[], None], close: Callable[[], None]) -> Connection | None:
        """Return a new connection, after dropping another one if there was no room; None: no room could be made.

        Args:
            peer: the `peername` of the transport.
            drop, close: see `Connection`.
        """
        host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        address = network_of(host)
        of_address = self._by_address.get(address, {})
        bound = 0 if self._limits.is_proxy(host) else self._limits.per_address
        if bound and len(of_address) >= bound:
            room = self._make_room(of_address, address, bound)
        elif len(self._all) >= self._limits.connections:
            room = self._make_room(self._all, address, self._limits.connections)
        else:
            room = True
        if not room:
            self._metrics.connections_refused.inc()
            return None
        connection = Connection(address, drop, close, self._monotonic())
        self._all[connection] = None
        self._by_address.setdefault(address, {})[connection] = None
        return connection

    def begin(self, connection: Connection, request: web.BaseRequest) -> None:
        """Record that the headers of a request arrived."""
        connection.request = request
        connection.asked = True
        self._touch(connection)

    def end(self, connection: Connection, *, genuine: bool) -> None:
        """Record that the request was answered."""
        connection.request = None
        connection.proven |= genuine
        self._touch(connection)

    def remove(self, connection: Connection) -> None:
        """Remove a connection that ended. Safe to repeat."""
        self._all.pop(connection, None)
        of_address = self._by_address.get(connection.address, {})
        of_address.pop(connection, None)
        if not of_address:
            self._by_address.pop(connection.address, None)

    def close_idle(self, *, in_time: bool = True) -> None:
        """Close the connections whose time is over. To be called a few times within the shortest limit.

        Not `in_time`: all without a request in progress, at shutdown.
        """
        now = self._monotonic()
        for connection in list(self._all):
            over = not in_time or now - connection.changed >= self._idle_seconds(connection)
            if connection.request is None and over:
                self.remove(connection)
                connection.close()

    def _idle_seconds(self, connection: Connection) -> float:
        if not connection.asked:
            return self._limits.first_request_seconds
        return self._limits.proven_keep_alive_seconds if connection.proven else self._limits.keep_alive_seconds

    def _make_room(self, among: Iterable[Connection], newcomer: str, bound: int) -> bool:
        victim = next((each for each in among if not each.proven and each.may_give_way), None)
        if victim is None:
            victim = next((each for each in among if each.may_give_way), None)
        self._throttled.warning(
            "connections_limited",
            bound=bound,
            open=len(self._all),
            remote=newcomer,
            remote_open=len(self._by_address.get(newcomer, {})),
        )
        if victim is None:
            return False
        self._metrics.connections_dropped.inc()
        self.remove(victim)
        victim.drop()
        return True

    def _touch(self, connection: Connection) -> None:
        if connection in self._all:
            connection.changed = self._monotonic()
            self._all[connection] = self._all.pop(connection)
            of_address = self._by_address[connection.address]
            of_address[connection] = of_address.pop(connection)


def network_of(address: str) -> str:
    """One text for all addresses of a host: an IPv6 host has a /64 network to itself."""
    if ":" not in address:
        return address
    parsed = ipaddress.IPv6Address(address.partition("%")[0])
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))
