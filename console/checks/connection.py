"""Checks of the path to the sign-in service and to Graph: name, connection, TLS, and the clock of this machine."""

import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from console.checks.runner import Check, Finding, failed, not_needed, passed, warned
from graph.diagnostics import Host, Visit, is_foreign_issuer
from phrases import Phrase

SIGN_IN_REACHED: Final = "sign_in_reached"
SIGN_IN_TLS: Final = "sign_in_tls"
GRAPH_REACHED: Final = "graph_reached"
GRAPH_TLS: Final = "graph_tls"
CLOCK: Final = "clock"

_TOLERANCE: Final = timedelta(minutes=5)
"""Clock skew that the sign-in service allows for an assertion."""
_NOTICEABLE: Final = timedelta(minutes=1)


class ConnectionChecks:
    """The checks for the two services, by one request to each. `tls`: the trusted roots (`transport.tls_context`)."""

    def __init__(self, sign_in_url: str, graph_url: str, *, tls: ssl.SSLContext, clock: Callable[[], datetime]) -> None:
        self._sign_in = _Service(sign_in_url, tls, clock)
        self._graph = _Service(graph_url, tls, clock)

    def checks(self) -> list[Check]:
        """The checks, in order."""
        return [
            Check(SIGN_IN_REACHED, Phrase("The sign-in service can be reached"), self._sign_in.reach, seconds=20),
            Check(GRAPH_REACHED, Phrase("Microsoft Graph can be reached"), self._graph.reach, seconds=20),
            Check(SIGN_IN_TLS, Phrase("TLS with the sign-in service"), self._sign_in.encrypt, (SIGN_IN_REACHED,)),
            Check(GRAPH_TLS, Phrase("TLS with Microsoft Graph"), self._graph.encrypt, (GRAPH_REACHED,)),
            Check(CLOCK, Phrase("The clock of this machine is right"), self._sign_in.compare_clocks, (SIGN_IN_TLS,)),
        ]


class _Service:
    """A service, and the one request to it, which the first check sends."""

    def __init__(self, url: str, tls: ssl.SSLContext, clock: Callable[[], datetime]) -> None:
        self._url = url
        self._tls = tls
        self._clock = clock
        self._visited: tuple[Host, Visit] | None = None

    async def _visit(self) -> tuple[Host, Visit]:
        if self._visited is None:
            host = Host(self._url)
            self._visited = host, await host.visit(self._tls, self._clock)
        return self._visited

    async def reach(self) -> Finding:
        host, visit = await self._visit()
        reached = visit.reached()
        facts = {
            "host": host.named.host,
            "port": host.named.port,
            "addresses": list(reached.addresses),
            "proxy": reached.proxy,
        }
        if reached.proxy is not None:
            return passed(Phrase("{host} through the proxy {proxy}", host=host.named, proxy=reached.proxy), facts)
        return passed(Phrase("{host} at {address}", host=host.named, address=reached.peer), facts)

    async def encrypt(self) -> Finding:
        host, visit = await self._visit()
        if not host.encrypted:
            return not_needed(Phrase("plain HTTP, as the address in the settings says"))
        made = visit.handshake()
        shown = made.certificate
        facts = {
            "protocol": made.protocol,
            "cipher": made.cipher,
            "subject": shown.subject,
            "issuer": shown.issuer,
            "not_after": shown.not_after,
        }
        sentence = Phrase("{protocol}, certificate by {issuer}", protocol=made.protocol, issuer=shown.issuer_name)
        if not is_foreign_issuer(host.named.host, shown):
            return passed(sentence, facts)
        return warned(
            "intercepted",
            Phrase(
                "The certificate of {host} was issued by {issuer}, not by Microsoft or DigiCert: a proxy or firewall "
                "inspects TLS, and reads tokens and mail.",
                host=host.named,
                issuer=shown.issuer_name,
            ),
            Phrase("Have {host} excepted from inspection, as Microsoft recommends.", host=host.named),
            facts,
            found=sentence,
        )

    async def compare_clocks(self) -> Finding:
        skew = (await self._visit())[1].answered()
        if skew is None:
            return passed(Phrase("the service does not report its time"))
        # This clock is behind where the service's is ahead.
        behind, at_least = skew.ahead, max(timedelta(0), abs(skew.ahead) - skew.uncertainty)
        seconds = round(abs(behind).total_seconds())
        facts = {
            "behind_seconds": round(behind.total_seconds(), 1),
            "round_trip_seconds": skew.round_trip.total_seconds(),
        }
        if at_least <= _NOTICEABLE:
            return passed(Phrase("within a minute of the service's"), facts)
        how_far = Phrase("{n} s behind", n=seconds) if behind > timedelta(0) else Phrase("{n} s ahead", n=seconds)
        judged: Callable[..., Finding] = failed if at_least > _TOLERANCE else warned
        return judged(
            "clockWrong",
            Phrase("The clock of this machine is {how_far}; the sign-in service allows 300 s.", how_far=how_far),
            Phrase(
                "Set the clock and keep it by time synchronisation (Windows: w32tm /resync; Linux: chrony or "
                "systemd-timesyncd), and check the time zone."
            ),
            facts,
        )
