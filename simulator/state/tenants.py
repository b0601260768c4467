"""Tenants, their applications, and the certificates registered for each."""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

DEFAULT_ROLES = ("Mail.Read", "Mail.ReadWrite")
_CERTIFICATE_SUFFIXES = {".cer", ".pem", ".crt"}


@dataclass(frozen=True)
class RegisteredCertificate:
    """A certificate's public part as the application registration holds it."""

    certificate: x509.Certificate
    public_key: rsa.RSAPublicKey
    x5t: str
    x5t_s256: str

    @property
    def thumbprint(self) -> str:
        """SHA-1 of the certificate in upper-case hex, as the portal shows it."""
        return hex_thumbprint(self.x5t)


@dataclass(frozen=True)
class FederatedCredential:
    """A federated credential of an application, and the key with which its issuer signs.

    https://learn.microsoft.com/graph/api/resources/federatedidentitycredential
    """

    issuer: str
    subject: str
    public_key: rsa.RSAPublicKey
    audience: str = "api://AzureADTokenExchange"


@dataclass(eq=False)
class Application:
    """One application registration with its service principal in one tenant.

    `roles` are the granted application permissions; they count from the next token on, as in Entra. `scoped` holds by
    user id what RBAC for Applications grants: no token shows it, and it counts at once. `denied` holds the user ids
    an access policy excludes, regardless of Entra. `uploads` is a folder whose certificates count as registered.

    For the sign-in of people: `redirect_uris` are the registered addresses; with `assignment_required` users without a
    role are refused. `api_roles` holds by client id the app roles that this application has in others' APIs.
    """

    tenant_id: str
    client_id: str
    service_principal_id: str
    display_name: str = "MonitorPro mail importer"
    roles: tuple[str, ...] = DEFAULT_ROLES
    enabled: bool = True
    scoped: dict[str, tuple[str, ...]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    uploads: Path | None = None
    redirect_uris: tuple[str, ...] = ()
    assignment_required: bool = False
    api_roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    certificates: list[RegisteredCertificate] = field(default_factory=list)
    federated: list[FederatedCredential] = field(default_factory=list)

    def registered_certificates(self) -> list[RegisteredCertificate]:
        """Return the registered certificates and those now lying in `uploads`."""
        return self.certificates + (_uploaded(self.uploads) if self.uploads else [])

    def may(self, user_id: str, roles: tuple[str, ...]) -> set[str]:
        """Return the roles in a mailbox, given those of the token: grants add up (docs/graph.md, section 9)."""
        granted = () if user_id in self.denied else roles
        return {*granted, *self.scoped.get(user_id, ())}


class Tenants:
    """All tenants and their applications; ids are compared without regard to case."""

    def __init__(self) -> None:
        self._applications: dict[str, dict[str, Application]] = {}

    def __contains__(self, tenant_id: str) -> bool:
        return tenant_id.lower() in self._applications

    def add_tenant(self, tenant_id: str) -> None:
        """Ensure that the tenant exists; a repeat does nothing."""
        self._applications.setdefault(tenant_id.lower(), {})

    def add(self, application: Application) -> None:
        """Register the application, and its tenant if need be."""
        self.add_tenant(application.tenant_id)
        self._applications[application.tenant_id.lower()][application.client_id.lower()] = application

    def application(self, tenant_id: str, client_id: str) -> Application | None:
        """Return the application of that tenant, if there is one."""
        return self._applications.get(tenant_id.lower(), {}).get(client_id.lower())

    def all(self) -> list[str]:
        """Return the ids of all tenants, in lower case."""
        return list(self._applications)

    def of_tenant(self, tenant_id: str) -> list[Application]:
        """Return the applications of that tenant."""
        return list(self._applications.get(tenant_id.lower(), {}).values())

    def register_certificate(self, tenant_id: str, client_id: str, data: bytes) -> str:
        """Upload a certificate's public part (DER or PEM) for the application; returns its SHA-1 thumbprint.

        Raises:
            ValueError: no such application, or not a certificate with an RSA key.
        """
        application = self._registered(tenant_id, client_id)
        registered = read_certificate(data)
        application.certificates.append(registered)
        return registered.thumbprint

    def unregister_certificate(self, tenant_id: str, client_id: str, thumbprint: str) -> None:
        """Remove an uploaded certificate; a repeat does nothing.

        Raises:
            ValueError: no such application.
        """
        application = self._registered(tenant_id, client_id)
        application.certificates = [each for each in application.certificates if each.thumbprint != thumbprint]

    def _registered(self, tenant_id: str, client_id: str) -> Application:
        application = self.application(tenant_id, client_id)
        if application is None:
            msg = f"tenant {tenant_id} has no application {client_id}"
            raise ValueError(msg)
        return application


def read_certificate(data: bytes) -> RegisteredCertificate:
    """Read a DER or PEM certificate.

    Raises:
        ValueError: it is none, or its key is not RSA, the only kind for PS256 and RS256 (docs/graph.md, section 9).
    """
    pem = b"-----BEGIN" in data
    certificate = x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
    public_key = certificate.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        msg = "the certificate's key is not RSA"
        raise ValueError(msg)  # noqa: TRY004 - the content is wrong, not the argument's type
    der = certificate.public_bytes(Encoding.DER)
    sha1 = hashlib.sha1(der, usedforsecurity=False).digest()
    return RegisteredCertificate(certificate, public_key, _base64url(sha1), _base64url(hashlib.sha256(der).digest()))


def hex_thumbprint(text: str) -> str:
    """Return a base64url thumbprint as upper-case hex; any other text is returned as it is."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex().upper()
    except binascii.Error:
        return text


def _uploaded(folder: Path) -> list[RegisteredCertificate]:
    found = []
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in _CERTIFICATE_SUFFIXES:
            try:
                found.append(read_certificate(path.read_bytes()))
            except (OSError, ValueError):
                continue  # half-copied, or something else: it is not registered
    return found


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
