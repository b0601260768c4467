"""What the Graph side needs to know of an account."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One account: the mailbox, and the application registration that opens it.

    Others build it from a row of `tblEmailAccountSettings`; nothing in it is secret.
    """

    account_id: int
    account_name: str
    """For people: it stands in every error."""
    tenant_id: str
    client_id: str
    user_id: str
    """The Entra object id of the user, or a user principal name (graph.md section 1)."""
    thumbprint: str
    """SHA-1 of the certificate, as the administrator pasted it; `certificates.normalise_thumbprint` reads it."""
    secure_certificate_access: bool = True
    """`bSecureCertificateAccess`: the certificate must chain to a trusted root."""

    def __str__(self) -> str:
        return f"account '{self.account_name}' (mailbox {self.user_id})"
