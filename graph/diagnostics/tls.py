"""TLS with a host: its protocol, its certificate, and the time of its clock."""

import asyncio
import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from graph.diagnostics.failures import Failure, HostUnreached
from graph.diagnostics.host import Endpoint, Host, Stream
from phrases import Phrase

_VERSION_REFUSED: Final = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION"})
_NOT_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE"}
)
# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_NOT_YET_VALID, _EXPIRED, _HOSTNAME, _IP_ADDRESS = 9, 10, 62, 64
_SELF_SIGNED, _ISSUER_MISSING, _LEAF_UNVERIFIED = 18, 20, 21

_MICROSOFT: Final = (
    ".microsoft.com", ".microsoft.us", ".microsoftonline.com", ".microsoftonline.us", ".microsoftonline.cn",
    ".chinacloudapi.cn",
)  # fmt: skip
_ISSUERS_OF_MICROSOFT: Final = ("microsoft", "digicert", "baltimore", "globalsign", "entrust")
"""https://learn.microsoft.com/en-us/azure/security/fundamentals/azure-certificate-authority-details"""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Maximum seconds for a handshake, and for a response."""

    handshake: float = 5.0
    answer: float = 5.0


PATIENT: Final = Timeouts()


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate that a host presents."""

    subject: str
    issuer: str
    issuer_organization: str
    """Empty if the issuer names none."""
    not_after: datetime

    @property
    def issuer_name(self) -> str:
        """The display name of the issuer: its organization, else its distinguished name."""
        return self.issuer_organization or self.issuer


@dataclass(frozen=True, slots=True)
class TlsSession:
    """An established TLS session. `protocol`: for example `TLSv1.3`."""

    protocol: str
    cipher: str
    certificate: PeerCertificate


@dataclass(frozen=True, slots=True)
class Skew:
    """The time by which a host's clock is ahead of this machine's, plus or minus `uncertainty`."""

    ahead: timedelta
    uncertainty: timedelta
    round_trip: timedelta


async def handshake(host: Host, context: ssl.SSLContext, patience: Timeouts = PATIENT) -> TlsSession:
    """Perform a TLS handshake with the host.

    Raises:
        HostUnreached: no connection, or TLS with `context` fails; the reason is as precise as a second and third
            handshake can determine.
    """
    try:
        async with host.opened() as stream:
            return _encrypted(await _start(stream, host.named, context, patience))
    except (ssl.SSLError, OSError, EOFError) as reason:
        raise await _explained(host, reason, context, patience) from reason


async def clock_skew(
    host: Host, context: ssl.SSLContext, clock: Callable[[], datetime], patience: Timeouts = PATIENT
) -> Skew | None:
    """Return the skew of the host's clock from `clock` (aware), by the `Date` of a response; None when it has none.

    `Date` has whole seconds, truncated; its time within the round trip is not known.

    Raises:
        HostUnreached: no connection, no TLS, or no HTTP response.
    """
    try:
        async with host.opened() as stream:
            if host.encrypted:
                await _start(stream, host.named, context, patience)
            before = clock()
            head = await _head(stream, host.named, patience)
            after = clock()
    except (ssl.SSLError, OSError, EOFError) as reason:
        raise await _explained(host, reason, context, patience) from reason
    date = _date_in(head)
    if date is None:
        return None
    round_trip = after - before
    half_second = timedelta(seconds=0.5)
    return Skew(date + half_second - (before + round_trip / 2), half_second + round_trip / 2, round_trip)


def is_foreign_issuer(host: str, certificate: PeerCertificate) -> bool:
    """True if a Microsoft host presents a certificate not from one of Microsoft's issuers: TLS is inspected."""
    if not f".{host}".endswith(_MICROSOFT):
        return False
    issuer = certificate.issuer_name.lower()
    return not any(name in issuer for name in _ISSUERS_OF_MICROSOFT)


async def _start(stream: Stream, who: Endpoint, context: ssl.SSLContext, patience: Timeouts) -> ssl.SSLObject:
    try:
        async with asyncio.timeout(patience.handshake):
            await stream.writer.start_tls(context, server_hostname=who.host)
    except TimeoutError as reason:
        raise HostUnreached(
            Failure.TLS_FAILED,
            Phrase(
                "{who} takes the connection, but does not answer to TLS within {seconds:g} seconds.",
                who=who,
                seconds=patience.handshake,
            ),
            Phrase(
                "A firewall that inspects what it lets through holds it back: have {who} excepted from it.", who=who
            ),
        ) from reason
    found = stream.writer.get_extra_info("ssl_object")
    if not isinstance(found, ssl.SSLObject):
        raise ConnectionResetError("TLS ended as soon as it began")
    return found


def _encrypted(connection: ssl.SSLObject) -> TlsSession:
    cipher = connection.cipher()
    return TlsSession(connection.version() or "", cipher[0] if cipher else "", _shown(connection))


def _shown(connection: ssl.SSLObject) -> PeerCertificate:
    der = connection.getpeercert(binary_form=True)
    if der is None:
        raise ConnectionResetError("the host showed no certificate")
    try:
        certificate = x509.load_der_x509_certificate(der)
        organization = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return PeerCertificate(
            certificate.subject.rfc4514_string(),
            certificate.issuer.rfc4514_string(),
            str(organization[0].value) if organization else "",
            certificate.not_valid_after_utc,
        )
    except (ValueError, x509.InvalidVersion) as reason:
        raise ConnectionResetError("the host showed a certificate that cannot be read") from reason


async def _head(stream: Stream, who: Endpoint, patience: Timeouts) -> bytes:
    stream.writer.write(
        f"HEAD / HTTP/1.1\r\nHost: {who}\r\nUser-Agent: mail-importer\r\nConnection: close\r\n\r\n".encode()
    )
    try:
        async with asyncio.timeout(patience.answer):
            return await stream.reader.readuntil(b"\r\n\r\n")
    except TimeoutError as reason:
        raise HostUnreached(
            Failure.HTTP_TIMED_OUT,
            Phrase(
                "{who} takes the connection, but gives no answer within {seconds:g} seconds.",
                who=who,
                seconds=patience.answer,
            ),
            Phrase("Try again later; if it persists, check for a proxy or firewall that holds responses back."),
        ) from reason
    except (EOFError, asyncio.LimitOverrunError) as reason:
        raise HostUnreached(
            Failure.NO_HTTP,
            Phrase("{who} does not answer by HTTP.", who=who),
            Phrase("Check the address in the settings, and what stands between."),
        ) from reason


def _date_in(head: bytes) -> datetime | None:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "date":
            try:
                moment = parsedate_to_datetime(value.strip())
            except (ValueError, TypeError):
                return None
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


# --- Causes of a failed handshake ---


async def _explained(host: Host, reason: BaseException, context: ssl.SSLContext, patience: Timeouts) -> HostUnreached:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _not_trusted(host, reason, await _shown_anyway(host, patience))
    word = getattr(reason, "reason", None) or ""
    if word in _VERSION_REFUSED:
        return await _wrong_version(host, context, patience)
    if word in _NOT_TLS:
        return HostUnreached(
            Failure.TLS_NOT_SPOKEN,
            Phrase("{who} does not speak TLS.", who=host.named),
            Phrase(
                "Check the address: the port may be one of plain HTTP. A firewall or portal that answers in the host's "
                "place does so, too."
            ),
        )
    if isinstance(reason, (ConnectionError, EOFError, ssl.SSLEOFError)):
        return HostUnreached(
            Failure.CLOSED,
            Phrase("{who} takes the connection and closes it when TLS begins.", who=host.named),
            Phrase("A firewall that judges by the host's name does this: have {who} allowed on it.", who=host.named),
        )
    return HostUnreached(
        Failure.TLS_FAILED,
        Phrase("TLS with {who} failed: {reason}.", who=host.named, reason=word or type(reason).__name__),
        Phrase("Check what stands between this machine and the host, and which ciphers it takes."),
    )


async def _wrong_version(host: Host, context: ssl.SSLContext, patience: Timeouts) -> HostUnreached:
    if context.maximum_version == ssl.TLSVersion.TLSv1_2 and await _version(host, _anything(), patience) == "TLSv1.3":
        return HostUnreached(
            Failure.TLS_TOO_NEW,
            Phrase("{who} takes TLS 1.3 only; Microsoft Graph delivers by TLS 1.2.", who=host.named),
            Phrase("Have the TLS proxy in front of the receiver accept TLS 1.2 as well."),
        )
    found = await _version(host, _anything(), patience)
    spoken = {"TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1"}.get(found or "", "TLS 1.1 or older")
    return HostUnreached(
        Failure.TLS_TOO_OLD,
        Phrase("{who} offers {spoken} only; TLS 1.2 or newer is needed.", who=host.named, spoken=spoken),
        Phrase(
            "Microsoft's own services speak TLS 1.2 and 1.3: look for a proxy or firewall between that ends TLS and is "
            "outdated. Where it is a server of your own, switch TLS 1.2 on there."
        ),
    )


async def _version(host: Host, context: ssl.SSLContext, patience: Timeouts) -> str | None:
    try:
        async with host.opened() as stream:
            return (await _start(stream, host.named, context, patience)).version()
    except (ssl.SSLError, OSError, EOFError, HostUnreached):
        return None


async def _shown_anyway(host: Host, patience: Timeouts) -> PeerCertificate | None:
    """The certificate that was not trusted. Nothing is sent over this connection."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with host.opened() as stream:
            return _shown(await _start(stream, host.named, context, patience))
    except (ssl.SSLError, OSError, EOFError, HostUnreached):
        return None


def _anything() -> ssl.SSLContext:
    """A context that accepts every version that this machine's OpenSSL supports, to find the one a host offers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # only naming them enables them
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


def _not_trusted(host: Host, reason: ssl.SSLCertVerificationError, shown: PeerCertificate | None) -> HostUnreached:
    who = host.named
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
    return _untrusted_own(who, code, issuer) if host.is_own else _intercepted(who, issuer, problem)


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
        Phrase("Order one of a public authority for the notification address: Microsoft takes no other."),
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
