"""Sign-in of people to the console through Entra ID, and verification of the tokens of applications that call the API.

OpenID Connect: the authorization code flow with PKCE, the console proving itself by a certificate, as accounts do
(https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow). `entra_exchange` talks with Entra
through msal, which verifies no ID token; `entra_tokens` does. docs/console-sign-in.md is the guide for the
administrator who registers the console.
"""

import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from yarl import URL

from console.web.entra_errors import (
    EntraSignInError,
    RejectionReason,
    SignInEnded,
    SignInRejected,
    advice_for,
    refuse,
)
from console.web.entra_exchange import EntraExchange
from console.web.entra_tokens import CLOCK_SKEW_SECONDS, InvalidToken, TokenVerifier
from graph.responses import sanitize
from graph.token import Certificates
from phrases import Phrase

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

ROLES: Final = frozenset({"Viewer", "Operator", "Administrator", "Reader"})
"""The values of the console's app roles."""
_FLOW_LIFE: Final = timedelta(minutes=15)
_MAX_FLOW_TEXT: Final = 4096
_MAX_CODE: Final = 8192
_MAX_REFRESH_TOKEN: Final = 16 * 1024
_MAX_NAME: Final = 256
_MAX_ITEMS: Final = 1000
_MAX_UNKNOWN_ROLES: Final = 100


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that has begun; the caller keeps it on the server, for one use, and redirects to `url`."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    """The form in which the ID token repeats it."""
    msal_nonce: str = field(repr=False)
    """The value from which msal derives the nonce."""
    code_verifier: str = field(repr=False)
    redirect_uri: str
    created: datetime

    def to_json(self) -> str:
        """Return the flow as text, for a store; without the address, which is used once.

        Raises:
            ValueError: it is longer than any flow of this class.
        """
        values = {**asdict(self), "created": self.created.isoformat()}
        del values["url"]
        text = json.dumps(values, separators=(",", ":"))
        if len(text) > _MAX_FLOW_TEXT:
            msg = "the flow is too long"
            raise ValueError(msg)
        return text

    @classmethod
    def from_json(cls, text: str) -> "Flow":
        """Return the flow of a text of `to_json`; its address is empty.

        Raises:
            ValueError: it is none.
        """
        try:
            values = json.loads(text[: _MAX_FLOW_TEXT + 1])
            return cls(url="", **{**values, "created": datetime.fromisoformat(values["created"])})
        except (TypeError, KeyError) as reason:
            msg = "not a flow"
            raise ValueError(msg) from reason


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """A person, with the rights that Entra gave at the time of the answer."""

    subject: str
    """The object id (`oid`), which never changes and is not used again."""
    tenant_id: str
    name: str
    """For display only; so is `username`."""
    username: str
    roles: frozenset[str]
    """Of `ROLES`."""
    groups: frozenset[str]
    """Object ids; empty when they are not known, or when the registration emits none."""
    groups_known: bool
    """False if there are too many groups for a token: rights that depend on a group are not given then."""
    refresh_token: str | None = field(repr=False)
    """For the next `refresh`; None if Entra gave none."""


@dataclass(frozen=True, slots=True)
class ApplicationCaller:
    """An application that calls the API with a token of its own, without a person."""

    application_id: str
    subject: str
    """The object id of its service principal."""
    tenant_id: str
    roles: frozenset[str]
    """Of `ROLES`."""
    expires: datetime


class EntraSignIn:
    """Sign-in for one application registration of one tenant.

    Args:
        certificates: the source of the console's certificate, by thumbprint.
        authority_url: for example `https://login.microsoftonline.com`; https only.
        tenant_id: a GUID; so is `client_id`.
        thumbprint: SHA-1 of the certificate.
        ca_bundle: PEM file of extra roots.
        connect_seconds: maximum for one connection to the sign-in service.
        read_seconds: maximum for one response.
        monotonic: seconds, for what is kept of the sign-in service.
        now: aware time, for certificates, assertions and tokens.

    Raises:
        ValueError: an id is no GUID, or `ca_bundle` cannot be read.
    """

    def __init__(
        self,
        certificates: Certificates,
        *,
        authority_url: str,
        tenant_id: str,
        client_id: str,
        thumbprint: str,
        ca_bundle: Path | None = None,
        connect_seconds: float = 10.0,
        read_seconds: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tenant_id = _guid("console_tenant_id", tenant_id)
        self._client_id = _guid("console_client_id", client_id)
        self._exchange = EntraExchange(
            certificates,
            authority_url=authority_url.rstrip("/"),
            tenant_id=self._tenant_id,
            client_id=self._client_id,
            thumbprint=thumbprint,
            ca_bundle=ca_bundle,
            connect_seconds=connect_seconds,
            read_seconds=read_seconds,
            monotonic=monotonic,
            now=now,
        )
        self._now = now
        self._unknown_roles: set[str] = set()
        self._verifier = TokenVerifier(
            issuer=f"{self._exchange.root}/v2.0",
            audience=self._client_id,
            fetch_keys=self._exchange.key_set,
            monotonic=monotonic,
        )

    def __repr__(self) -> str:
        return f"EntraSignIn({self._exchange.root!r}, client_id={self._client_id!r})"

    async def begin(self, redirect_uri: str, *, prompt: str | None = None) -> Flow:
        """Begin a sign-in that ends at `redirect_uri`, one of the registered ones.

        `prompt`: of OpenID Connect, for example `select_account`. The certificate is read already here, so that no user
        signs in at Entra in vain.

        Raises:
            SignInMisconfigured, SignInUnavailable: see there.
        """
        begun = await self._exchange.call(
            lambda client: client.initiate_auth_code_flow(
                [], redirect_uri=redirect_uri, prompt=prompt, response_mode="form_post"
            ),
            _denied,
        )
        # By GET: a browser sends no cookie that is SameSite=Lax with a form from another site. msal warns of anything
        # but a form, since a code in an address stays in the history; this one is used by then, and needs its verifier.
        url = URL(str(begun["auth_uri"])).update_query(response_mode="query")
        return Flow(
            url=str(url),
            state=str(begun["state"]),
            nonce=url.query["nonce"],
            msal_nonce=str(begun["nonce"]),
            code_verifier=str(begun["code_verifier"]),
            redirect_uri=redirect_uri,
            created=self._now(),
        )

    async def complete(self, flow: Flow, query: Mapping[str, str], *, now: datetime) -> SignedInUser:
        """Complete a sign-in with the query of the answer. The caller ensures that a flow is used once.

        Raises:
            SignInRejected: the answer does not belong to the flow, came too late, is an error, or is forged.
            SignInMisconfigured, SignInUnavailable: see there.
        """
        _check_answer(flow, query, now)
        code = query.get("code", "")
        if not code or len(code) > _MAX_CODE:
            raise _rejected(RejectionReason.MALFORMED, Phrase("it has no code"))
        begun = {
            "state": flow.state,
            "redirect_uri": flow.redirect_uri,
            "scope": ["openid", "profile", "offline_access"],
            "nonce": flow.msal_nonce,
            "code_verifier": flow.code_verifier,
        }
        answer = await self._exchange.call(
            lambda client: client.acquire_token_by_auth_code_flow(dict(begun), {"state": flow.state, "code": code}),
            _code_refused,
        )
        return await self._user(answer, now, nonce=flow.nonce)

    async def refresh(self, refresh_token: str) -> SignedInUser:
        """Return the user again, with the rights of now and another refresh token; the caller compares the subject.

        Raises:
            SignInEnded: Entra refuses; the session must end.
            SignInRejected: the answer is forged; the session must end.
            SignInMisconfigured, SignInUnavailable: see there; no rights are known until it succeeds.
        """
        if not refresh_token or len(refresh_token) > _MAX_REFRESH_TOKEN:
            raise SignInEnded(Phrase("The session cannot be renewed."), advice=Phrase("Sign in again."))
        answer = await self._exchange.call(
            lambda client: client.acquire_token_by_refresh_token(refresh_token, []), _session_ended
        )
        return await self._user(answer, self._now(), nonce=None)

    def sign_out_url(self, post_logout_redirect_uri: str) -> str:
        """Return the address that ends the session at Entra, and then leads to a registered address of the console.

        https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc#send-a-sign-out-request
        """
        query = urlencode({"post_logout_redirect_uri": post_logout_redirect_uri})
        return f"{self._exchange.root}/oauth2/v2.0/logout?{query}"

    async def verify_access_token(self, token: str) -> ApplicationCaller:
        """Return the application that a bearer token of Entra stands for.

        Its version must be 2.0 (`requestedAccessTokenVersion` of the registration), its audience the console's client
        id. Tokens of people (`scp`) and ID tokens are refused: only an application's own token has `azp`, and `sub`
        equal to `oid` or `idtyp` = `app`.

        Raises:
            SignInRejected: the token is not accepted.
            SignInUnavailable: the keys of the sign-in service cannot be read.
        """
        claims = await self._claims(token, self._now())
        client = claims.get("azp")
        app_only = claims["idtyp"] == "app" if "idtyp" in claims else claims["sub"] == claims["oid"]
        if not isinstance(client, str) or "scp" in claims or not app_only:
            raise _rejected(
                RejectionReason.NOT_AN_APPLICATION,
                Phrase("it is not the token of an application itself"),
                Phrase(
                    "Request it with client credentials for the scope api://{client}/.default.", client=self._client_id
                ),
            )
        return ApplicationCaller(
            application_id=_shown(client),
            subject=_subject(claims),
            tenant_id=self._tenant_id,
            roles=self._roles(claims),
            expires=datetime.fromtimestamp(claims["exp"], UTC),
        )

    async def _user(self, answer: Mapping[str, Any], now: datetime, *, nonce: str | None) -> SignedInUser:
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _rejected(RejectionReason.MALFORMED, Phrase("it has no ID token"))
        claims = await self._claims(token, now)
        if nonce is not None and not _same(nonce, claims.get("nonce")):
            raise _rejected(RejectionReason.NONCE, Phrase("it belongs to another sign-in (nonce)"))
        refresh_token = answer.get("refresh_token")
        names = claims.get("_claim_names")
        overage = "hasgroups" in claims or (isinstance(names, dict) and "groups" in names)
        return SignedInUser(
            subject=_subject(claims),
            tenant_id=self._tenant_id,
            name=_shown(claims.get("name")),
            username=_shown(claims.get("preferred_username")),
            roles=self._roles(claims),
            groups=frozenset() if overage else _words(claims.get("groups")),
            groups_known=not overage,
            refresh_token=refresh_token if isinstance(refresh_token, str) else None,
        )

    async def _claims(self, token: str, now: datetime) -> dict[str, Any]:
        """Return the claims of a token of this tenant, verified."""
        try:
            claims = await self._verifier.claims(token, now=now)
        except InvalidToken as invalid:
            raise _rejected(invalid.reason, invalid.why) from invalid
        if claims["tid"] != self._tenant_id:
            raise _rejected(RejectionReason.TENANT, Phrase("it is of another tenant"))
        return claims

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[str]:
        given = _words(claims.get("roles"))
        for unknown in sorted(given - ROLES - self._unknown_roles)[: _MAX_UNKNOWN_ROLES - len(self._unknown_roles)]:
            self._unknown_roles.add(unknown)
            log.warning("entra_role_unknown", role=sanitize(unknown, 100), known=sorted(ROLES))
        return given & ROLES


def _guid(setting: str, text: str) -> str:
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError as reason:
        raise ValueError(Phrase("{setting}: is not a GUID", setting=setting)) from reason


def _same(expected: str, given: object) -> bool:
    """Compare in constant time."""
    return isinstance(given, str) and hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _check_answer(flow: Flow, query: Mapping[str, str], now: datetime) -> None:
    """Check what needs no request: state, age, and an error in place of a code."""
    if not _same(flow.state, query.get("state")):
        raise _rejected(RejectionReason.STATE, Phrase("it belongs to another sign-in, or to none (state)"))
    if not -timedelta(seconds=CLOCK_SKEW_SECONDS) <= now - flow.created <= _FLOW_LIFE:
        raise _rejected(RejectionReason.TOO_LATE, Phrase("it came more than 15 minutes after the beginning"))
    if query.get("error"):
        refuse(query, None, _denied)


def _code_refused(reply: Phrase, number: int | None) -> EntraSignInError:
    return SignInRejected(
        Phrase("Entra does not accept this sign-in: {reply}.", reply=reply),
        advice=advice_for(number),
        reason=RejectionReason.CODE,
        aadsts=number,
    )


def _denied(reply: Phrase, number: int | None) -> EntraSignInError:
    return SignInRejected(
        Phrase("Entra did not sign you in: {reply}.", reply=reply),
        advice=advice_for(number),
        reason=RejectionReason.DENIED,
        aadsts=number,
    )


def _session_ended(reply: Phrase, number: int | None) -> EntraSignInError:
    return SignInEnded(
        Phrase("Entra does not renew the session: {reply}.", reply=reply), advice=advice_for(number), aadsts=number
    )


def _rejected(reason: RejectionReason, why: Phrase, advice: Phrase | None = None) -> SignInRejected:
    usual = Phrase(
        "Sign in again; if this persists, check the clock of the console's host and the settings console_tenant_id, "
        "console_client_id and authority_url."
    )
    return SignInRejected(
        Phrase("The answer or token of the sign-in service is not accepted: {why}.", why=why),
        advice=advice or usual,
        reason=reason,
    )


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["oid"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_NAME:
        raise _rejected(RejectionReason.MALFORMED, Phrase("its object id cannot be read"))
    return subject


def _shown(value: object) -> str:
    """Return a name as a line that fits a page and a table."""
    return sanitize(value, _MAX_NAME)


def _words(value: object) -> frozenset[str]:
    items = value[:_MAX_ITEMS] if isinstance(value, list) else []
    return frozenset(item for item in items if isinstance(item, str) and len(item) <= _MAX_NAME)
