"""An application registration, which signs in with its certificate."""

from dataclasses import dataclass
from typing import Final

NO_CERTIFICATE: Final = "none"
"""The thumbprint of an account that names no certificate, since the identity of the host signs in."""


@dataclass(frozen=True, slots=True)
class Application:
    """The identity that `graph.token.TokenSource` signs in; nothing in it is secret.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
    """

    account_name: str
    """For the log."""
    used_for: str
    """For errors: the mailbox, database or queue that the token opens."""
    tenant_id: str
    client_id: str
    thumbprint: str
    """SHA-1 of the certificate, as the administrator pasted it; `certificates.normalise_thumbprint` parses it."""
    secure_certificate_access: bool = True
    """`bSecureCertificateAccess`: the certificate must chain to a trusted root."""
    next_thumbprint: str | None = None
    """The certificate to sign in with when Entra no longer accepts the other; as `thumbprint`."""

    def __str__(self) -> str:
        return self.used_for
