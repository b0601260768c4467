"""The facts of an account that `graph` needs."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from graph.application import Application
from phrases import Phrase

SlotKey = tuple[str, str]
"""The pair by which Graph counts: application and user."""

_REMEMBERED: Final = 256


class AccountFacts(Protocol):
    """The columns of an account that open its mailbox, as read from the database."""

    @property
    def name(self) -> str:
        """`sAccountName`."""

    @property
    def tenant_id(self) -> str:
        """`sTenantID`."""

    @property
    def client_id(self) -> str:
        """`sClientID`."""

    @property
    def user_id(self) -> str:
        """`sUserID`."""

    @property
    def thumbprint(self) -> str:
        """`sCertificateThumbprint`."""

    @property
    def secure_certificate_access(self) -> bool:
        """`bSecureCertificateAccess`."""

    @property
    def next_thumbprint(self) -> str | None:
        """`sNextCertificateThumbprint`."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One account: the mailbox, and the application registration that opens it.

    Callers build it from a row of `tblEmailAccountSettings`; nothing in it is secret.
    """

    account_id: int
    account_name: str
    """For display: it is in every error."""
    tenant_id: str
    client_id: str
    user_id: str
    """The Entra object id of the user, or a user principal name (docs/graph.md, section 1)."""
    thumbprint: str
    """SHA-1 of the certificate, as the administrator pasted it; `certificates.normalise_thumbprint` parses it."""
    secure_certificate_access: bool = True
    """`bSecureCertificateAccess`: the certificate must chain to a trusted root."""
    next_thumbprint: str | None = None
    """The certificate to sign in with when Entra no longer accepts the other; as `thumbprint`."""
    counted_as: SlotKey = field(init=False, repr=False, compare=False)
    """The key by which Graph counts concurrent calls: application and user, for all folders."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "counted_as", (self.client_id.lower(), self.user_id.lower()))

    @classmethod
    def of(cls, account_id: int, facts: AccountFacts) -> "Mailbox":
        """Build the mailbox of an account."""
        return cls(
            account_id=account_id,
            account_name=facts.name,
            tenant_id=facts.tenant_id,
            client_id=facts.client_id,
            user_id=facts.user_id,
            thumbprint=facts.thumbprint,
            secure_certificate_access=facts.secure_certificate_access,
            next_thumbprint=facts.next_thumbprint,
        )

    @property
    def application(self) -> Application:
        """The application registration that opens the mailbox."""
        return _application_of(self)

    def __str__(self) -> str:
        return Phrase("account '{account}' (mailbox {user_id})", account=self.account_name, user_id=self.user_id)


@lru_cache(maxsize=_REMEMBERED)
def _application_of(mailbox: Mailbox) -> Application:
    """Remembered, since each call of Graph needs it, and its texts take longer than the token."""
    return Application(
        account_name=mailbox.account_name,
        used_for=str(mailbox),
        tenant_id=mailbox.tenant_id,
        client_id=mailbox.client_id,
        thumbprint=mailbox.thumbprint,
        secure_certificate_access=mailbox.secure_certificate_access,
        next_thumbprint=mailbox.next_thumbprint,
    )
