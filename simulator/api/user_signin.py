"""Sign-in of people: the authorization code flow with PKCE, ID tokens, refresh tokens, and the end of a session.

Sources, all below https://learn.microsoft.com/entra/identity-platform/:

- v2-oauth2-auth-code-flow: the two requests, their errors, codes of 10 minutes. A refresh token is not revoked by its
  use; each use gives another one.
- id-token-claims-reference: the claims, and `_claim_names` in place of more than 200 groups.
- v2-protocols-oidc: signing out; the address to return to must be a registered one.
- howto-add-app-roles-in-apps: `roles` holds the values of the assigned app roles.
- reference-error-codes: the AADSTS numbers.

There are no passwords: the page lists the users of the tenant. `login_hint` with `prompt=none` stands for a user who is
signed in already. PKCE is optional at Entra, and required here: the product must use it.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from simulator.api.signin_errors import SignInError
from simulator.api.signing import TokenSigner
from simulator.calls import Answer, Call
from simulator.state.tenants import Application, Tenants
from simulator.state.users import User, Users

_CODE_LIFE = timedelta(minutes=10)
_TOKEN_LIFE = timedelta(hours=1)
_REFRESH_LIFE = timedelta(days=90)
_MAX_GROUPS = 200
_HTML = "text/html; charset=utf-8"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
</head><body><main><h1>{title}</h1>{content}</main></body></html>
"""


@dataclass(slots=True)
class _Code:
    """A code given out; `used` once it was redeemed."""

    client_id: str
    user: User
    redirect_uri: str
    challenge: str
    nonce: str | None
    expires: datetime
    used: bool = False


@dataclass(frozen=True, slots=True)
class _RefreshToken:
    client_id: str
    user: User
    sessions: int
    expires: datetime


class UserSignIn:
    """Answers the sign-in page, and redeems codes and refresh tokens of applications that have authenticated."""

    def __init__(
        self,
        tenants: Tenants,
        users: Users,
        signer: TokenSigner,
        clock: Callable[[], datetime],
    ) -> None:
        self._tenants = tenants
        self._users = users
        self._signer = signer
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._refresh_tokens: dict[str, _RefreshToken] = {}

    def authorize(self, tenant_id: str, call: Call) -> Answer:
        """Answer `GET …/authorize`: the page, or a redirect with code or error.

        An error about the application or its address is shown here: it must not redirect to where it was told to.
        """
        query = dict(parse_qsl(call.query))
        try:
            application = self._addressed(tenant_id, query)
        except SignInError as exc:
            return _page("Sorry, but we’re having trouble signing you in.", f"<p>{escape(str(exc))}</p>", exc.status)
        try:
            _check_request(query)
            return self._signed_in(application, query)
        except SignInError as exc:
            return _redirect(query, {"error": exc.error, "error_description": str(exc)})

    def sign_out(self, tenant_id: str, call: Call) -> Answer:
        """Answer `GET …/logout`: back to the application if the address is registered, else a page."""
        target = dict(parse_qsl(call.query)).get("post_logout_redirect_uri", "")
        if any(target in each.redirect_uris for each in self._tenants.of_tenant(tenant_id)):
            return Answer(302, headers={"Location": target})
        return _page("You signed out of your account", "<p>It’s a good idea to close all browser windows.</p>")

    def redeem_code(self, application: Application, form: dict[str, str], issuer: str) -> dict[str, Any]:
        """Return the tokens for a code.

        Raises:
            SignInError: the code is unknown, used, expired, another application's, or without its verifier.
        """
        code = self._codes.get(form.get("code", ""))
        if code is None or code.client_id != application.client_id or code.user.tenant_id != application.tenant_id:
            raise _refused(70000, "The provided authorization code or refresh token is malformed or invalid.")
        if code.used:
            text = (
                "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing "
                "refresh token."
            )
            raise _refused(54005, text)
        if code.expires <= self._clock():
            raise _refused(70008, "The provided authorization code or refresh token has expired due to inactivity.")
        if form.get("redirect_uri") != code.redirect_uri:
            text = "Reply address did not match because of case sensitivity or another difference."
            raise _refused(500112, text)
        if _challenge(form.get("code_verifier", "")) != code.challenge:
            text = "The Code_Verifier does not match the code_challenge supplied in the authorization request."
            raise _refused(501481, text)
        code.used = True
        _check_allowed(application, code.user)
        return self._tokens(application, code.user, issuer, code.nonce)

    def redeem_refresh_token(self, application: Application, form: dict[str, str], issuer: str) -> dict[str, Any]:
        """Return new tokens, with the rights that the user has now.

        Raises:
            SignInError: the token is unknown, expired or revoked, or the user may no longer sign in.
        """
        held = self._refresh_tokens.get(form.get("refresh_token", ""))
        if held is None or held.client_id != application.client_id:
            raise _refused(70000, "The provided authorization code or refresh token is malformed or invalid.")
        if held.expires <= self._clock():
            raise _refused(700082, "The refresh token has expired due to inactivity.")
        if self._users.find(held.user.tenant_id, held.user.object_id) is None:
            text = f"The user account does not exist in the {application.tenant_id} directory."
            raise _refused(50034, text)
        if held.sessions != held.user.sessions:
            text = "The provided grant has expired due to it being revoked, a fresh auth token is needed."
            raise _refused(50173, text)
        _check_allowed(application, held.user)
        return self._tokens(application, held.user, issuer, None)

    def _addressed(self, tenant_id: str, query: dict[str, str]) -> Application:
        client_id = query.get("client_id", "")
        application = self._tenants.application(tenant_id, client_id)
        if application is None:
            text = f"Application with identifier '{client_id}' was not found in the directory '{tenant_id}'."
            raise SignInError(700016, text, error="unauthorized_client", status=400)
        redirect_uri = query.get("redirect_uri", "")
        if redirect_uri not in application.redirect_uris:
            text = (
                f"The redirect URI '{redirect_uri}' specified in the request does not match the redirect URIs "
                f"configured for the application '{client_id}'."
            )
            raise SignInError(50011, text, error="invalid_request", status=400)
        return application

    def _signed_in(self, application: Application, query: dict[str, str]) -> Answer:
        if query.get("simulator_cancelled"):
            text = "User declined to consent to access the app."
            raise SignInError(65004, text, error="access_denied", status=400)
        hint = query.get("login_hint")
        silent = query.get("prompt") == "none"
        user = self._users.find(application.tenant_id, hint) if silent and hint else None
        if user is None and silent:
            text = "A silent sign-in request was sent but no user is signed in."
            raise SignInError(50058, text, error="login_required", status=400)
        if user is None:
            return self._choice(application, query)
        _check_allowed(application, user, "access_denied")
        return _redirect(query, {"code": self._code(application, user, query)})

    def _choice(self, application: Application, query: dict[str, str]) -> Answer:
        kept = {name: value for name, value in query.items() if name not in {"login_hint", "prompt"}}
        hidden = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in kept.items())
        quiet = '<input type="hidden" name="prompt" value="none">'
        buttons = "".join(
            f'<p><button name="login_hint" value="{escape(user.username)}">{escape(user.name)} '
            f"({escape(user.username)})</button></p>"
            for user in self._users.of_tenant(application.tenant_id)
        )
        cancel = '<p><button name="simulator_cancelled" value="1">Cancel</button></p>'
        name = escape(application.display_name)
        content = f"<p>Sign in to {name}</p><form>{hidden}{quiet}{buttons}</form><form>{hidden}{cancel}</form>"
        return _page("Pick an account", content)

    def _code(self, application: Application, user: User, query: dict[str, str]) -> str:
        now = self._clock()
        # Used codes are kept until they expire, to be told from unknown ones.
        self._codes = {text: code for text, code in self._codes.items() if code.expires > now - _CODE_LIFE}
        text = f"1.{secrets.token_urlsafe(96)}"
        self._codes[text] = _Code(
            client_id=application.client_id,
            user=user,
            redirect_uri=query["redirect_uri"],
            challenge=query["code_challenge"],
            nonce=query.get("nonce"),
            expires=now + _CODE_LIFE,
        )
        return text

    def _tokens(self, application: Application, user: User, issuer: str, nonce: str | None) -> dict[str, Any]:
        now = self._clock()
        self._refresh_tokens = {text: token for text, token in self._refresh_tokens.items() if token.expires > now}
        refresh_token = f"1.{secrets.token_urlsafe(192)}"
        self._refresh_tokens[refresh_token] = _RefreshToken(
            application.client_id, user, user.sessions, now + _REFRESH_LIFE
        )
        lifetime = int(_TOKEN_LIFE.total_seconds())
        return {
            "token_type": "Bearer",
            "scope": "openid profile email",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": secrets.token_urlsafe(192),  # for Graph, and opaque to the application
            "refresh_token": refresh_token,
            "id_token": self._signer.sign(self._claims(application, user, issuer, nonce)),
        }

    def _claims(self, application: Application, user: User, issuer: str, nonce: str | None) -> dict[str, Any]:
        now = int(self._clock().timestamp())
        pair = f"{application.client_id} {user.object_id}".encode()
        claims: dict[str, Any] = {
            "aud": application.client_id,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + int(_TOKEN_LIFE.total_seconds()),
            "name": user.name,
            "oid": user.object_id,
            "preferred_username": user.username,
            "sub": base64.urlsafe_b64encode(hashlib.sha256(pair).digest()).rstrip(b"=").decode(),
            "tid": user.tenant_id,
            "uti": secrets.token_urlsafe(16),
            "ver": "2.0",
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if user.roles:
            claims["roles"] = list(user.roles)
        if len(user.groups) > _MAX_GROUPS:
            endpoint = f"https://graph.microsoft.com/v1.0/users/{user.object_id}/getMemberObjects"
            claims["_claim_names"] = {"groups": "src1"}
            claims["_claim_sources"] = {"src1": {"endpoint": endpoint}}
        elif user.groups:
            claims["groups"] = list(user.groups)
        return claims


def _check_request(query: dict[str, str]) -> None:
    """Check the parameters; the errors go to the application."""
    if query.get("response_type") != "code":
        text = f"response_type '{query.get('response_type', '')}' is not supported for the application."
        raise SignInError(700054, text, error="unsupported_response_type", status=400)
    for name in ("scope", "state", "nonce", "code_challenge"):
        if not query.get(name):
            text = f"The request body must contain the following parameter: '{name}'."
            raise SignInError(900144, text, error="invalid_request", status=400)
    if "openid" not in query["scope"].split():
        text = "The provided value for the input parameter 'scope' is not valid: 'openid' is missing."
        raise SignInError(70011, text, error="invalid_scope", status=400)
    if query.get("code_challenge_method") != "S256" or len(query["code_challenge"]) != len(_challenge("")):
        text = "Invalid size or method of Code_Challenge parameter."
        raise SignInError(501491, text, error="invalid_request", status=400)


def _check_allowed(application: Application, user: User, error: str = "invalid_grant") -> None:
    if not user.enabled:
        raise SignInError(50057, "The user account is disabled.", error=error, status=400)
    if application.assignment_required and not user.roles:
        text = (
            f"Your administrator has configured the application {application.display_name} "
            f"('{application.client_id}') to block users unless they are specifically granted ('assigned') access to "
            f"the application. The signed in user '{user.username}' is blocked because they are not a direct member of "
            "a group with access, nor had access directly assigned by an administrator."
        )
        raise SignInError(50105, text, error=error, status=400)


def _refused(code: int, text: str) -> SignInError:
    return SignInError(code, text, error="invalid_grant", status=400)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _redirect(query: dict[str, str], values: dict[str, str]) -> Answer:
    returned = {**values, **({"state": query["state"]} if "state" in query else {})}
    joint = "&" if "?" in query["redirect_uri"] else "?"
    return Answer(302, headers={"Location": f"{query['redirect_uri']}{joint}{urlencode(returned)}"})


def _page(title: str, content: str, status: int = 200) -> Answer:
    body = _PAGE.format(title=escape(title), content=content).encode()
    return Answer(status, body, _HTML, {"Cache-Control": "no-store"})
