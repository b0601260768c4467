"""The peers of a connection: host and proxy by name, and the TLS and certificate of a host."""

import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from graph.diagnostics.failures import Failure, HostUnreached
from phrases import Phrase

PORTS: Final = {"http": 80, "https": 443}

_MICROSOFT: Final = (
    ".microsoft.com", ".microsoft.us", ".microsoftonline.com", ".microsoftonline.us", ".microsoftonline.cn",
    ".chinacloudapi.cn",
)  # fmt: skip
_ISSUERS_OF_MICROSOFT: Final = ("microsoft", "digicert", "baltimore", "globalsign", "entrust")
"""https://learn.microsoft.com/en-us/azure/security/fundamentals/azure-certificate-authority-details"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host with its port, as commonly written."""

    host: str
    port: int
    proxied: bool = False
    """It is the proxy for another host."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Proxy:
    """The proxy that HTTPS_PROXY names.

    Raises:
        HostUnreached: `url` is no address of a proxy.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = SplitResult("", "", "", "", ""), None
        if parts.scheme not in PORTS or not parts.hostname:
            raise HostUnreached(
                Failure.PROXY_UNKNOWN,
                Phrase("The proxy that HTTPS_PROXY names is not an http:// or https:// address."),
                Phrase("Correct HTTPS_PROXY, for example http://proxy.example.com:3128; others are not supported."),
            )
        self.named = Endpoint(parts.hostname, port or PORTS[parts.scheme], proxied=True)
        self.encrypted = parts.scheme == "https"
        self.shown = f"{parts.scheme}://{self.named}"
        """Without user and password."""
        self.has_credentials = parts.username is not None


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

    @classmethod
    def of(cls, connection: ssl.SSLObject) -> "TlsSession":
        """Read it from a connection whose handshake is done.

        Raises:
            ssl.SSLError: the host presented no certificate that can be read.
        """
        cipher = connection.cipher()
        return cls(connection.version() or "", cipher[0] if cipher else "", _certificate_of(connection))


def is_foreign_issuer(host: str, certificate: PeerCertificate) -> bool:
    """True if a Microsoft host presents a certificate not from one of Microsoft's issuers: TLS is inspected."""
    if not f".{host}".endswith(_MICROSOFT):
        return False
    issuer = certificate.issuer_name.lower()
    return not any(name in issuer for name in _ISSUERS_OF_MICROSOFT)


def _certificate_of(connection: ssl.SSLObject) -> PeerCertificate:
    try:
        certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
        organization = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return PeerCertificate(
            certificate.subject.rfc4514_string(),
            certificate.issuer.rfc4514_string(),
            str(organization[0].value) if organization else "",
            certificate.not_valid_after_utc,
        )
    except (ValueError, x509.InvalidVersion) as reason:
        raise ssl.SSLError("the host presented no certificate that can be read") from reason
