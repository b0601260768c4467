"""The failure of a request, from its error and the steps that it reached."""

import errno
import os
import socket
import ssl
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp

from graph.diagnostics.failures import Failure, HostUnreached
from graph.diagnostics.peers import Endpoint, PeerCertificate, Proxy, TlsSession
from graph.diagnostics.steps import Steps
from phrases import Phrase

_NO_WAY: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM}
)
_VERSION_REFUSED: Final = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION"})
_NOT_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE"}
)
# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_NOT_YET_VALID, _EXPIRED, _HOSTNAME, _IP_ADDRESS = 9, 10, 62, 64
_SELF_SIGNED, _ISSUER_MISSING, _LEAF_UNVERIFIED = 18, 20, 21

Again = Callable[[ssl.SSLContext], Awaitable[TlsSession | None]]
"""Performs another handshake with the host; None if it fails, too. Nothing is sent over its connection."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Maximum seconds to connect to an address, TLS included; for a response; for all of it."""

    connect: float = 5.0
    answer: float = 5.0
    total: float = 14.0


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a host. `is_own`: it is the notification address, which Microsoft has to reach."""

    named: Endpoint
    proxy: Proxy | None
    is_own: bool
    timeouts: Timeouts


async def explained(error: Exception, steps: Steps, route: Route, tls: ssl.SSLContext, again: Again) -> HostUnreached:
    """Convert the error of a request, which went as far as `steps`, to the failure that caused it."""
    if steps.tls is not None or (steps.peer is not None and not steps.tls_begun):
        return _no_answer(error, route)
    if steps.tls_begun:
        return await _tls_failed(error, route, tls, again)
    return _not_reached(error, steps, route)


# --- Causes without a connection ---


def _not_reached(error: Exception, steps: Steps, route: Route) -> HostUnreached:
    first = route.named if route.proxy is None else route.proxy.named
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        silent = error.os_error.errno == socket.EAI_AGAIN
        return _name_server_silent(first) if silent else _name_unknown(first)
    if isinstance(error, TimeoutError) and not steps.addresses:
        return _name_server_silent(first)
    if route.proxy is not None and not _is_of_tcp(error):
        return _proxy_failed(error, route.proxy, route.named)
    if isinstance(error, ValueError):
        return _name_unknown(first)
    return _unreached(first, *_connection_fault(first, _origin(error), route.timeouts.connect))


def _is_of_tcp(error: Exception) -> bool:
    """True if a TCP connection failed; a proxy that was reached and is of no use makes other errors."""
    if isinstance(error, aiohttp.ClientSSLError):
        return False
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def _origin(error: Exception) -> Exception:
    """The error that aiohttp converted."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error


def _name_unknown(who: Endpoint) -> HostUnreached:
    return _unreached(
        who,
        Failure.NAME_UNKNOWN,
        Phrase("DNS knows no host named {host}.", host=who.host),
        Phrase(
            "Check the spelling in the settings graph_url, authority_url, cloud or notification_url, and the DNS "
            "servers of this machine: nslookup {host}. Where only a proxy resolves names, set HTTPS_PROXY.",
            host=who.host,
        ),
    )


def _name_server_silent(who: Endpoint) -> HostUnreached:
    return _unreached(
        who,
        Failure.NAME_SERVER_SILENT,
        Phrase("No DNS server answers when asked for {host}.", host=who.host),
        Phrase(
            "Check the network and the DNS servers of this machine (on Linux /etc/resolv.conf, on Windows ipconfig "
            "/all). Where only a proxy resolves names, set HTTPS_PROXY."
        ),
    )


def _unreached(who: Endpoint, failure: Failure, summary: Phrase, advice: Phrase) -> HostUnreached:
    """The failure to reach the host, or the proxy in front of it."""
    if who.proxied:
        failure = Failure.PROXY_UNREACHED
        advice = Phrase("It is the proxy that HTTPS_PROXY names: check its address and port, and that it runs.")
    return HostUnreached(failure, summary, advice)


def _connection_fault(who: Endpoint, reason: Exception, seconds: float) -> tuple[Failure, Phrase, Phrase]:
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
    code = getattr(reason, "errno", None)
    text = getattr(reason, "strerror", None) if code is None else os.strerror(code)
    if code in _NO_WAY:
        return (
            Failure.NO_ROUTE,
            Phrase("There is no route from this machine to {who}: {reason}.", who=who, reason=text),
            Phrase(
                "Check network, gateway and firewall of this machine, or set HTTPS_PROXY where a proxy is the only way "
                "out."
            ),
        )
    return (
        Failure.FAILED,
        Phrase("The connection to {who} failed: {reason}.", who=who, reason=text or type(reason).__name__),
        Phrase("Check network and firewall between this machine and the host."),
    )


def _proxy_failed(error: Exception, proxy: Proxy, target: Endpoint) -> HostUnreached:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_refused(proxy, target, error.status)
    if isinstance(error, TimeoutError):
        return _proxy_odd(proxy, Phrase("it gave no answer in time"))
    if isinstance(error, aiohttp.ClientSSLError):
        reason = getattr(_origin(error), "reason", None) or "?"
        return _proxy_odd(proxy, Phrase("TLS with it failed: {reason}", reason=reason))
    if isinstance(error, aiohttp.ClientResponseError):
        return _proxy_odd(proxy, Phrase("its answer is not one of a proxy"))
    return _proxy_odd(proxy, Phrase("it hung up"))


def _proxy_odd(proxy: Proxy, problem: Phrase) -> HostUnreached:
    return HostUnreached(
        Failure.PROXY_FAILED,
        Phrase("The proxy {proxy} cannot be used: {problem}.", proxy=proxy.shown, problem=problem),
        Phrase("Check the address and port in HTTPS_PROXY."),
    )


def _proxy_refused(proxy: Proxy, target: Endpoint, status: int) -> HostUnreached:
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and not proxy.has_credentials:
        return HostUnreached(
            Failure.PROXY_CREDENTIALS_MISSING,
            Phrase("The proxy {proxy} requires a user and password (407).", proxy=proxy.shown),
            Phrase(
                "Put them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT, with %-codes for special characters; or "
                "have the proxy let this machine through without. Sign-in by NTLM or Kerberos is not supported."
            ),
        )
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return HostUnreached(
            Failure.PROXY_CREDENTIALS_REFUSED,
            Phrase("The proxy {proxy} does not accept the user and password of HTTPS_PROXY (407).", proxy=proxy.shown),
            Phrase(
                "Correct them, with %-codes for special characters. A proxy that requires NTLM or Kerberos accepts "
                "none: have it let this machine through without sign-in."
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


# --- Causes behind the connection ---


def _no_answer(error: Exception, route: Route) -> HostUnreached:
    if isinstance(error, TimeoutError):
        return HostUnreached(
            Failure.HTTP_TIMED_OUT,
            Phrase(
                "{who} accepts the connection, but gives no answer within {seconds:g} seconds.",
                who=route.named,
                seconds=route.timeouts.answer,
            ),
            Phrase("Try again later; if it persists, check for a proxy or firewall that holds responses back."),
        )
    return HostUnreached(
        Failure.NO_HTTP,
        Phrase("{who} does not answer by HTTP.", who=route.named),
        Phrase("Check the address in the settings, and what stands between."),
    )


async def _tls_failed(error: Exception, route: Route, tls: ssl.SSLContext, again: Again) -> HostUnreached:
    who, reason = route.named, _origin(error)
    if isinstance(reason, TimeoutError):
        return HostUnreached(
            Failure.TLS_FAILED,
            Phrase(
                "{who} accepts the connection, but does not answer to TLS within {seconds:g} seconds.",
                who=who,
                seconds=route.timeouts.connect,
            ),
            Phrase(
                "A firewall that inspects what it lets through holds it back: have {who} excepted from it.", who=who
            ),
        )
    if isinstance(reason, ssl.SSLCertVerificationError):
        made = await again(_trusting_all())
        return _not_trusted(route, reason, None if made is None else made.certificate)
    word = getattr(reason, "reason", None) or ""
    if word in _VERSION_REFUSED:
        return await _wrong_version(who, tls, again)
    if word in _NOT_TLS:
        return HostUnreached(
            Failure.TLS_NOT_SPOKEN,
            Phrase("{who} does not speak TLS.", who=who),
            Phrase(
                "Check the address: the port may be one of plain HTTP. A firewall or portal that answers in the host's "
                "place does so, too."
            ),
        )
    if isinstance(reason, (ConnectionError, aiohttp.ServerDisconnectedError, ssl.SSLEOFError)):
        return HostUnreached(
            Failure.CLOSED,
            Phrase("{who} accepts the connection and closes it when TLS begins.", who=who),
            Phrase("A firewall that judges by the host's name does this: have {who} allowed on it.", who=who),
        )
    return HostUnreached(
        Failure.TLS_FAILED,
        Phrase("TLS with {who} failed: {reason}.", who=who, reason=word or type(reason).__name__),
        Phrase("Check what stands between this machine and the host, and which ciphers it takes."),
    )


async def _wrong_version(who: Endpoint, tls: ssl.SSLContext, again: Again) -> HostUnreached:
    made = await again(_taking_anything())
    found = "" if made is None else made.protocol
    if tls.maximum_version == ssl.TLSVersion.TLSv1_2 and found == "TLSv1.3":
        return HostUnreached(
            Failure.TLS_TOO_NEW,
            Phrase("{who} accepts TLS 1.3 only; Microsoft Graph delivers by TLS 1.2.", who=who),
            Phrase("Have the TLS proxy in front of the receiver accept TLS 1.2 as well."),
        )
    spoken = {"TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1"}.get(found, "TLS 1.1 or older")
    return HostUnreached(
        Failure.TLS_TOO_OLD,
        Phrase("{who} offers {spoken} only; TLS 1.2 or newer is needed.", who=who, spoken=spoken),
        Phrase(
            "Microsoft's own services speak TLS 1.2 and 1.3: find the proxy or firewall between that ends TLS and is "
            "outdated. Where it is a server of your own, switch TLS 1.2 on there."
        ),
    )


def _trusting_all() -> ssl.SSLContext:
    """A context to see the certificate that was not trusted."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _taking_anything() -> ssl.SSLContext:
    """A context that accepts every version that this machine's OpenSSL supports, to find the one a host offers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # only naming them enables them
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


def _not_trusted(route: Route, reason: ssl.SSLCertVerificationError, shown: PeerCertificate | None) -> HostUnreached:
    who = route.named
    issuer = shown.issuer_name if shown is not None else "?"
    code = reason.verify_code
    if code in {_HOSTNAME, _IP_ADDRESS}:
        return HostUnreached(
            Failure.WRONG_NAME,
            Phrase(
                "{who} presents a certificate of another host: {subject}, issued by {issuer}.",
                who=who,
                issuer=issuer,
                subject=shown.subject if shown is not None else "?",
            ),
            Phrase("Check the address; a portal or proxy that answers in the host's place does this, too."),
        )
    if code in {_EXPIRED, _NOT_YET_VALID}:
        return HostUnreached(
            Failure.EXPIRED if code == _EXPIRED else Failure.NOT_YET_VALID,
            Phrase("The certificate of {who} is out of date by the clock of this machine.", who=who),
            Phrase("Check the clock of this machine first; then have the certificate renewed."),
        )
    problem = Phrase.verbatim(reason.verify_message)
    return _untrusted_own(who, code, issuer) if route.is_own else _intercepted(who, issuer, problem)


def _untrusted_own(who: Endpoint, code: int, issuer: str) -> HostUnreached:
    """The error for the notification address, whose certificate Microsoft must trust."""
    if code == _SELF_SIGNED:
        return HostUnreached(
            Failure.SELF_SIGNED,
            Phrase("{who} shows a self-signed certificate, which Microsoft does not take.", who=who),
            Phrase("Order one of a public authority for the notification address."),
        )
    if code in {_ISSUER_MISSING, _LEAF_UNVERIFIED}:
        return HostUnreached(
            Failure.CHAIN_INCOMPLETE,
            Phrase(
                "The certificate of {who} was issued by {issuer}, whose own certificate the server does not send: the "
                "chain is incomplete.",
                who=who,
                issuer=issuer,
            ),
            Phrase(
                "Have the server send the certificates between its own and the root as well (nginx and the like: "
                "fullchain.pem in the place of cert.pem)."
            ),
        )
    return HostUnreached(
        Failure.NOT_TRUSTED,
        Phrase(
            "The certificate of {who} was issued by {issuer}, which is no public authority.", who=who, issuer=issuer
        ),
        Phrase("Order one of a public authority for the notification address: Microsoft accepts no other."),
    )


def _intercepted(who: Endpoint, issuer: str, problem: Phrase) -> HostUnreached:
    return HostUnreached(
        Failure.INTERCEPTED,
        Phrase(
            "{who} shows a certificate issued by {issuer}, whom this machine does not trust ({problem}).",
            who=who,
            issuer=issuer,
            problem=problem,
        ),
        Phrase(
            "A proxy or firewall inspects TLS: put the root it signs with into the setting ca_bundle (a PEM file), or "
            "have the host excepted from inspection."
        ),
    )
