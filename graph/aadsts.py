"""The meaning of the sign-in service's AADSTS numbers for an administrator.

For user-facing messages, and to identify the few transient ones: numbers and texts change, so there is always a default
(docs/graph.md, section 9; https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes).
"""

from collections.abc import Iterable
from typing import Final

from phrases import Phrase

TRANSIENT: Final = frozenset({90006, 90012, 90024, 90033})
CERTIFICATE: Final = frozenset({700027, 700030, 1000502, 7000214, 7000274, 7000277})
"""The certificate is unknown for the application, expired, revoked or invalid: another one may work."""

_CERTIFICATE: Final = Phrase(
    "The certificate is expired, revoked or invalid: make a new one with 'mail-importer certificates new', upload its "
    ".cer file to the application registration and set its thumbprint on the account."
)
_OTHER_CLOUD: Final = Phrase(
    "The tenant is in another national cloud: correct the setting cloud (global, usgov, dod, china)."
)
_WRONG_CREDENTIAL: Final = Phrase(
    "The sign-in service saw a client secret or no credential, which this product never sends: check the settings "
    "authority_url and HTTPS_PROXY."
)
_CONSENT: Final = Phrase(
    "Grant admin consent: Entra portal, App registrations, the application, API permissions, 'Grant admin consent' "
    "for Mail.Read (type Application)."
)
_SCOPE: Final = Phrase("The requested permission is unknown in this cloud: check that graph_url and authority_url fit.")
_ASSERTION: Final = Phrase(
    "The signed assertion was not accepted: check that the account's client id is that of the application to which "
    "the certificate was uploaded, and that authority_url is the sign-in service's own address."
)
_USER: Final = Phrase(
    "The answer speaks of a user sign-in, which this product never does: check that the client id belongs to an "
    "application registration."
)
_FEDERATION: Final = Phrase(
    "The application has no federated credential for this identity: add one with exactly this issuer, subject and "
    "audience (az ad app federated-credential create; docs/identity.md). A new one counts after some minutes."
)
_POLICY: Final = Phrase(
    "A Conditional Access or security policy of the tenant refuses this application: ask the tenant's administrator "
    "to allow the workload identity from this address."
)

_ADVICE: Final[dict[int, Phrase]] = {
    90002: Phrase("The tenant was not found: correct the tenant id of the account, or the setting cloud."),
    90038: _OTHER_CLOUD,
    900382: _OTHER_CLOUD,
    700016: Phrase(
        "The application is not in this tenant: correct the account's client id or tenant id, or have the tenant's "
        "administrator consent to the application."
    ),
    7000112: Phrase("The application is disabled: enable it in the Entra portal under Enterprise applications."),
    700027: Phrase(
        "Upload the .cer file of this certificate to the application registration (Entra portal, App registrations, "
        "Certificates & secrets), or set on the account the thumbprint of the one that is there; check there that it "
        "has not expired."
    ),
    700024: Phrase("The clock of this machine is wrong: set it, and keep it by time synchronisation."),
    1000502: _CERTIFICATE,
    7000214: _CERTIFICATE,
    7000277: _CERTIFICATE,
    7000274: _CERTIFICATE,
    700030: _CERTIFICATE,
    700021: _ASSERTION,
    700023: _ASSERTION,
    50027: _ASSERTION,
    70021: _FEDERATION,
    700211: _FEDERATION,
    700212: _FEDERATION,
    700213: _FEDERATION,
    7000215: _WRONG_CREDENTIAL,
    7000222: _WRONG_CREDENTIAL,
    7000218: _WRONG_CREDENTIAL,
    70011: _SCOPE,
    700022: _SCOPE,
    65001: _CONSENT,
    90094: _CONSENT,
    50034: _USER,
    50020: _USER,
    53003: _POLICY,
    530032: _POLICY,
}


def advice_for(aadsts: int | None) -> Phrase:
    """The remedy for an AADSTS number, for the administrator; accepts every number and None."""
    if aadsts is None:
        return Phrase("Check the tenant id and client id of the account, and the settings cloud and authority_url.")
    known = _ADVICE.get(aadsts)
    if known is not None:
        return known
    return Phrase(
        "Look the number up at https://login.microsoftonline.com/error?code={aadsts}; check tenant id, client id and "
        "certificate of the account.",
        aadsts=aadsts,
    )


def is_transient(codes: Iterable[int]) -> bool:
    """True if one of the numbers means that a retry may succeed."""
    return not TRANSIENT.isdisjoint(codes)
