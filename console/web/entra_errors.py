"""Errors of people's sign-in through Entra ID, and the meaning of AADSTS numbers for those people.

EntraSignInError              `summary`, `advice`
├── SignInRejected            this answer or token is not accepted: `reason`
├── SignInEnded               the session may not continue: sign in again
├── SignInUnavailable         the sign-in service cannot be reached: retry
└── SignInMisconfigured       certificate, application registration or settings: an administrator must act

Numbers and texts of AADSTS change: they serve messages only (docs/graph.md, section 9).
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, NoReturn

from graph import aadsts
from graph.responses import sanitize
from phrases import Phrase

_TOO_MANY_REQUESTS: Final = 429
_AADSTS: Final = re.compile(r"AADSTS(\d{4,10})\b")
_OVERLOADED: Final = frozenset({"temporarily_unavailable", "server_error"})
_OF_THE_APPLICATION: Final = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_tenant",
        "invalid_scope",
        "invalid_resource",
        "unsupported_response_type",
    }
)
"""OAuth errors that no person can cause."""


class RejectionReason(StrEnum):
    """The reason for which an answer or a token is not accepted; the words are for logs and tests."""

    STATE = "state"
    """The answer belongs to no sign-in, or to another one."""
    TOO_LATE = "tooLate"
    """The answer came more than 15 minutes after the beginning."""
    DENIED = "denied"
    """Entra refused the person, or the person cancelled."""
    CODE = "code"
    """Entra does not accept the code: used, expired, or of another sign-in."""
    MALFORMED = "malformed"
    """The token, or a claim of it, is missing or cannot be read."""
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "notYetValid"
    NONCE = "nonce"
    TENANT = "tenant"
    NOT_AN_APPLICATION = "notAnApplication"
    """The token is a person's, or an ID token."""


class EntraSignInError(Exception):
    """A sign-in failed. The text has cause and remedy, and no token.

    Attributes:
        summary: the failure.
        advice: the remedy. The text of the error is both, a phrase.
        aadsts: the number after AADSTS, None without one.
    """

    def __init__(self, summary: Phrase, *, advice: Phrase, aadsts: int | None = None) -> None:
        super().__init__(Phrase.joined(summary, advice))
        self.summary = summary
        self.advice = advice
        self.aadsts = aadsts


class SignInRejected(EntraSignInError):
    """The answer or token is not accepted.

    Attributes:
        reason: for the log.
    """

    def __init__(self, summary: Phrase, *, advice: Phrase, reason: RejectionReason, aadsts: int | None = None) -> None:
        super().__init__(summary, advice=advice, aadsts=aadsts)
        self.reason = reason


class SignInEnded(EntraSignInError):
    """Entra refuses to renew: the user is disabled or no longer assigned, or the session was revoked or is too old."""


class SignInUnavailable(EntraSignInError):
    """The sign-in service does not answer, or is overloaded. Retry."""


class SignInMisconfigured(EntraSignInError):
    """The console itself cannot sign people in until an administrator acts."""


_CERTIFICATE: Final = Phrase(
    "Upload the .cer file of the certificate console_thumbprint to the console's application registration (Entra "
    "portal, App registrations, Certificates & secrets), and check there that it has not expired."
)
_CONSENT: Final = Phrase(
    "Grant admin consent: Entra portal, App registrations, the console's application, API permissions, 'Grant admin "
    "consent' for openid, profile and offline_access (type Delegated)."
)
_IDS: Final = Phrase("Correct the settings console_tenant_id and console_client_id.")
_AGAIN: Final = Phrase("Sign in again.")
_REDIRECT: Final = Phrase(
    "Add the console's address to the redirect URIs (type Web) of its application registration, exactly as "
    "console_url gives it."
)
_POLICY: Final = Phrase(
    "A Conditional Access policy of the tenant requires more: sign in again as it asks, or ask the tenant's "
    "administrator."
)

_ADVICE: Final[dict[int, Phrase]] = {
    50105: Phrase(
        "Ask an administrator to assign you, or a group that you are a direct member of, to a role of the console: "
        "Entra portal, Enterprise applications, the console, Users and groups."
    ),
    50057: Phrase("The account is disabled: ask an administrator of the tenant."),
    50034: Phrase("The account is not in this tenant: sign in with another one."),
    50020: Phrase("The account is not in this tenant: sign in with another one."),
    50058: _AGAIN,
    50173: Phrase("The session was revoked, or the password changed: sign in again."),
    700082: Phrase("The last sign-in was too long ago: sign in again."),
    70008: Phrase("The answer came too late: sign in again, and complete it within ten minutes."),
    54005: Phrase("The answer was used already: sign in again, and do not reload the page that it leads to."),
    501481: Phrase("The answer belongs to another sign-in: sign in again."),
    65004: Phrase("The sign-in was cancelled: sign in again, and accept."),
    65001: _CONSENT,
    90094: _CONSENT,
    50011: _REDIRECT,
    500112: _REDIRECT,
    50076: _POLICY,
    50079: _POLICY,
    53003: _POLICY,
    90002: _IDS,
    700016: _IDS,
    7000112: Phrase("The console's application is disabled: enable it in the Entra portal, Enterprise applications."),
    700024: Phrase("The clock of this machine is wrong: set it, and keep it by time synchronisation."),
    **dict.fromkeys(aadsts.CERTIFICATE, _CERTIFICATE),
}


def advice_for(number: int | None) -> Phrase:
    """The remedy for an AADSTS number, for the person who signs in; accepts every number and None."""
    if number is None:
        return Phrase("Sign in again; if this persists, look into the sign-in logs of the Entra portal.")
    known = _ADVICE.get(number)
    if known is not None:
        return known
    return Phrase("Look the number up at https://login.microsoftonline.com/error?code={aadsts}.", aadsts=number)


def refuse(
    answer: Mapping[str, Any], status: int | None, refused: Callable[[Phrase, int | None], EntraSignInError]
) -> NoReturn:
    """Raise the error for a refusal, which is the service's, the console's, or as `refused` makes it.

    `answer`: with OAuth's `error`; `status`: of HTTP, None for an answer that a browser brought.
    """
    listed = answer.get("error_codes")
    codes = [code for code in listed if isinstance(code, int)] if isinstance(listed, list) else []
    number = codes[0] if codes else _number_in(str(answer.get("error_description") or ""))
    error = answer.get("error")
    error = error if isinstance(error, str) else None
    crowded = status is not None and (status == _TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR)
    if aadsts.is_transient(codes) or error in _OVERLOADED or crowded or not error:
        raise overloaded(status)
    detail = sanitize(answer.get("error_description") or error, 200)
    reply = Phrase.verbatim(detail.rstrip(".")) if detail else Phrase("no reason given")
    if error in _OF_THE_APPLICATION or number in aadsts.CERTIFICATE:
        raise SignInMisconfigured(
            Phrase("Entra refused the console itself: {reply}.", reply=reply), advice=advice_for(number), aadsts=number
        )
    raise refused(reply, number)


def overloaded(status: int | None) -> SignInUnavailable:
    """Return the error for an answer that is none of the sign-in service's own, or says that it is overloaded."""
    if status is None:
        summary = Phrase("The sign-in service cannot serve at present.")
    else:
        summary = Phrase("The sign-in service gave no usable answer (status {status}).", status=status)
    return SignInUnavailable(
        summary,
        advice=Phrase("This passes by itself; if it persists, check for a proxy between."),
    )


def _number_in(description: str) -> int | None:
    found = _AADSTS.search(description[:1000])
    return int(found[1]) if found else None
