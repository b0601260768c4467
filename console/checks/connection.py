"""Checks of the path to the sign-in service and to Graph: name, connection, TLS, and the clock of this machine."""

import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from console.checks.runner import Check, Finding, failed, not_needed, passed, warned
from graph.diagnostics import Host, clock_skew, handshake, is_foreign_issuer
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
    """The checks for the two services. `tls`: the trusted roots (`transport.tls_context`)."""

    def __init__(self, sign_in: Host, graph: Host, *, tls: ssl.SSLContext, clock: Callable[[], datetime]) -> None:
        self._sign_in = sign_in
        self._graph = graph
        self._tls = tls
        self._clock = clock

    def checks(self) -> list[Check]:
        """The checks, in order."""
        return [
            Check(
                SIGN_IN_REACHED,
                Phrase("The sign-in service can be reached"),
                partial(self._reach, self._sign_in),
                seconds=15,
            ),
            Check(
                GRAPH_REACHED,
                Phrase("Microsoft Graph can be reached"),
                partial(self._reach, self._graph),
                seconds=15,
            ),
            Check(
                SIGN_IN_TLS,
                Phrase("TLS with the sign-in service"),
                partial(self._encrypt, self._sign_in),
                (SIGN_IN_REACHED,),
                15,
            ),
            Check(
                GRAPH_TLS,
                Phrase("TLS with Microsoft Graph"),
                partial(self._encrypt, self._graph),
                (GRAPH_REACHED,),
                15,
            ),
            Check(CLOCK, Phrase("The clock of this machine is right"), self._compare_clocks, (SIGN_IN_TLS,), 15),
        ]

    async def _reach(self, host: Host) -> Finding:
        reached = await host.reach()
        facts = {
            "host": host.named.host,
            "port": host.named.port,
            "addresses": list(reached.addresses),
            "proxy": reached.proxy,
        }
        if reached.proxy is not None:
            return passed(Phrase("{host} through the proxy {proxy}", host=host.named, proxy=reached.proxy), facts)
        return passed(Phrase("{host} at {address}", host=host.named, address=reached.peer), facts)

    async def _encrypt(self, host: Host) -> Finding:
        if not host.encrypted:
            return not_needed(Phrase("plain HTTP, as the address in the settings says"))
        made = await handshake(host, self._tls)
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

    async def _compare_clocks(self) -> Finding:
        skew = await clock_skew(self._sign_in, self._tls, self._clock)
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
