"""The Entra sign-in service: discovery, keys, and tokens for applications (docs/graph.md, section 9).

Tokens for Graph and services of Azure are opaque to the application. Those for the API of an application of the tenant
(scope `api://CLIENT/.default`) are signed, of version 2.0, and name the app roles of the caller:
https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import jwt

from simulator.api.signin_errors import SignInError
from simulator.api.signing import TokenSigner
from simulator.api.tokens import AccessTokens
from simulator.api.user_signin import UserSignIn
from simulator.calls import Answer, Call, json_answer, json_bytes
from simulator.identifiers import Identifiers
from simulator.state.tenants import Application, Tenants, hex_thumbprint

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CLOCK_SKEW = timedelta(minutes=5)
_GRANTS = frozenset({"client_credentials", "authorization_code", "refresh_token"})
_API_TOKEN_LIFE = timedelta(hours=1)
_REQUIRED_THUMBPRINT = {"PS256": "x5t#S256", "RS256": "x5t"}


_AZURE = frozenset(
    {
        "https://database.windows.net",
        "https://database.usgovcloudapi.net",
        "https://database.chinacloudapi.cn",
        "https://servicebus.azure.net",
    }
)
"""Services of Azure that an application may sign in to, under the names that Microsoft documents."""


@dataclass(frozen=True, slots=True)
class _Assertion:
    token: str
    algorithm: str
    thumbprint: str
    claims: dict[str, Any]


class SignIn:
    """Answers discovery and token requests; `people` those of people's sign-in."""

    def __init__(
        self,
        tenants: Tenants,
        tokens: AccessTokens,
        signer: TokenSigner,
        people: UserSignIn,
        identifiers: Identifiers,
        clock: Callable[[], datetime],
    ) -> None:
        self._tenants = tenants
        self._tokens = tokens
        self._signer = signer
        self.people = people
        self._identifiers = identifiers
        self._clock = clock
        self._used: dict[str, float] = {}

    def discovery(self, tenant_id: str, call: Call) -> Answer:
        """Answer `GET /{tenant}/v2.0/.well-known/openid-configuration`; 400 `invalid_tenant` for an unknown tenant."""
        try:
            self._check_tenant(tenant_id, "invalid_tenant")
        except SignInError as exc:
            return self.refusal(exc, call)
        root = f"{call.base_url}/{tenant_id}"
        return json_answer(
            {
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "jwks_uri": f"{root}/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{root}/v2.0",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "end_session_endpoint": f"{root}/oauth2/v2.0/logout",
                "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
                "tenant_region_scope": "EU",
            },
        )

    def keys(self, tenant_id: str, call: Call) -> Answer:
        """Answer `GET /{tenant}/discovery/v2.0/keys`: the public keys of the tokens' signatures."""
        try:
            self._check_tenant(tenant_id, "invalid_tenant")
        except SignInError as exc:
            return self.refusal(exc, call)
        return json_answer(self._signer.key_set())

    def token(self, tenant_id: str, call: Call) -> Answer:
        """Answer `POST /{tenant}/oauth2/v2.0/token`: a token, or the error Entra gives."""
        try:
            form = _form(call)
            application = self._authenticate(tenant_id, call, form)
            issuer = f"{call.base_url}/{tenant_id}/v2.0"
            match form["grant_type"]:
                case "authorization_code":
                    values = self.people.redeem_code(application, form, issuer)
                case "refresh_token":
                    values = self.people.redeem_refresh_token(application, form, issuer)
                case _:
                    values = self._application_token(application, form, call, issuer)
        except SignInError as exc:
            return self.refusal(exc, call)
        answer = json_answer(values)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def refusal(self, error: SignInError, call: Call) -> Answer:
        """Return the answer Entra gives for an error."""
        now = self._clock().astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        trace = self._identifiers.guid()
        correlation = call.headers.get("client-request-id") or self._identifiers.guid()
        description = f"{error} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}"
        values = {
            "error": error.error,
            "error_description": description,
            "error_codes": [error.code],
            "timestamp": now,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{call.base_url}/error?code={error.code}",
        }
        return Answer(error.status, json_bytes(values), "application/json; charset=utf-8")

    def _application_token(
        self, application: Application, form: dict[str, str], call: Call, issuer: str
    ) -> dict[str, Any]:
        api = self._api(application.tenant_id, form.get("scope", ""))
        if api is None:
            audience = self._audience(form, call)
            access_token, lifetime = self._tokens.issue(application, audience, for_graph=audience not in _AZURE)
        else:
            lifetime = int(_API_TOKEN_LIFE.total_seconds())
            access_token = self._signer.sign(self._api_claims(application, api, issuer))
        return {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": access_token,
        }

    def _api(self, tenant_id: str, scope: str) -> Application | None:
        """Return the application of the tenant whose API the scope names, if it does."""
        resource = scope.removesuffix("/.default")
        return None if resource == scope else self._tenants.application(tenant_id, resource.removeprefix("api://"))

    def _api_claims(self, application: Application, api: Application, issuer: str) -> dict[str, Any]:
        now = int(self._clock().timestamp())
        claims: dict[str, Any] = {
            "aud": api.client_id,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + int(_API_TOKEN_LIFE.total_seconds()),
            "azp": application.client_id,
            "azpacr": "2",
            "oid": application.service_principal_id,
            "sub": application.service_principal_id,
            "tid": application.tenant_id,
            "uti": self._identifiers.guid(),
            "ver": "2.0",
        }
        roles = application.api_roles.get(api.client_id, ())
        return {**claims, "roles": list(roles)} if roles else claims

    def _authenticate(self, tenant_id: str, call: Call, form: dict[str, str]) -> Application:
        self._check_tenant(tenant_id, "invalid_request")
        if form.get("grant_type") not in _GRANTS:
            text = f"The app requested an unsupported grant type '{form.get('grant_type', '')}'."
            raise SignInError(70003, text, error="unsupported_grant_type", status=400)
        application = self._application(tenant_id, form)
        if form["grant_type"] == "client_credentials" and self._api(tenant_id, form.get("scope", "")) is None:
            self._audience(form, call)
        if not form.get("client_assertion") or form.get("client_assertion_type") != ASSERTION_TYPE:
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise SignInError(7000218, text)
        if _is_of_another_issuer(form["client_assertion"]):
            self._check_federation(form["client_assertion"], application)
            return application
        assertion = _read_assertion(form["client_assertion"])
        self._check_signature(assertion, application)
        self._check_claims(assertion.claims, application, f"{call.base_url}/{tenant_id}/oauth2/v2.0/token")
        return application

    def _check_tenant(self, tenant_id: str, error: str) -> None:
        if tenant_id not in self._tenants:
            text = (
                f"Tenant '{tenant_id}' not found. Check to make sure you have the correct tenant ID and are signing "
                "into the correct cloud. Check with your subscription administrator, this may happen if there are no "
                "active subscriptions for the tenant."
            )
            raise SignInError(90002, text, error=error, status=400)

    def _application(self, tenant_id: str, form: dict[str, str]) -> Application:
        client_id = form.get("client_id", "")
        application = self._tenants.application(tenant_id, client_id)
        if application is None:
            text = (
                f"Application with identifier '{client_id}' was not found in the directory '{tenant_id}'. This can "
                "happen if the application has not been installed by the administrator of the tenant or consented to "
                "by any user in the tenant. You may have sent your authentication request to the wrong tenant."
            )
            raise SignInError(700016, text, error="unauthorized_client", status=400)
        if not application.enabled:
            text = f"Application '{application.client_id}'({application.display_name}) is disabled."
            raise SignInError(7000112, text, error="unauthorized_client", status=400)
        return application

    def _audience(self, form: dict[str, str], call: Call) -> str:
        """Return the audience of the token: Graph here, or a service of Azure elsewhere."""
        scope = form.get("scope", "")
        port = call.base_url.rpartition(":")[2]
        if scope in {f"https://{host}:{port}/.default" for host in ("127.0.0.1", "localhost")}:
            return call.base_url
        resource = scope.removesuffix("/.default")
        if scope != resource and resource.startswith("https://127.0.0.1:"):
            return resource  # Graph here, through a relay
        if scope == resource or resource not in _AZURE:
            text = (
                f"The provided value for the input parameter 'scope' is not valid. The scope '{scope}' does not exist."
            )
            raise SignInError(70011, text, error="invalid_scope", status=400)
        return resource

    def _check_signature(self, assertion: _Assertion, application: Application) -> None:
        now = self._clock()
        for registered in application.registered_certificates():
            if assertion.thumbprint in {registered.x5t, registered.x5t_s256}:
                break
        else:
            raise _not_registered("The key was not found.", hex_thumbprint(assertion.thumbprint))
        certificate = registered.certificate
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise _not_registered("The key used is expired.", registered.thumbprint)
        try:
            # Times are checked by the simulator's clock, in `_check_claims`.
            jwt.decode(
                assertion.token,
                registered.public_key,
                algorithms=[assertion.algorithm],
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
            )
        except jwt.InvalidSignatureError as exc:
            raise _not_registered("The key found does not match the signature.", registered.thumbprint) from exc
        except jwt.InvalidTokenError as exc:
            raise _malformed() from exc

    def _check_federation(self, token: str, application: Application) -> None:
        """Accept the token of an issuer that a federated credential names: all three must be equal, in case as well."""
        claims = jwt.decode(token, options={"verify_signature": False})
        left = application.federated
        audience = claims.get("aud")
        named = audience[0] if isinstance(audience, list) and audience else audience
        for code, what, value in (
            (700211, "issuer", claims.get("iss")),
            (700213, "subject", claims.get("sub")),
            (700212, "audience", named),
        ):
            left = [each for each in left if getattr(each, what) == value]
            if not left:
                text = f"No matching federated identity record found for presented assertion {what} '{value}'."
                raise SignInError(code, text)
        try:
            jwt.decode(
                token,
                left[0].public_key,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
            )
        except jwt.InvalidTokenError as exc:
            raise SignInError(50013, "Assertion failed signature validation.") from exc
        self._check_times(claims)

    def _check_claims(self, claims: dict[str, Any], application: Application, token_url: str) -> None:
        client_id = application.client_id.lower()
        if any(str(claims.get(name, "")).lower() != client_id for name in ("iss", "sub")):
            raise SignInError(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
        if str(claims.get("aud", "")).lower() != token_url.lower():
            raise SignInError(700023, "Client assertion audience claim does not match Realm issuer.")
        self._check_times(claims)
        self._check_first_use(claims)

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._clock()
        not_before, expires = claims.get("nbf"), claims.get("exp")
        if not isinstance(expires, int | float) or not isinstance(not_before, int | float | None):
            raise _malformed()
        early = not_before is not None and now.timestamp() < not_before - _CLOCK_SKEW.total_seconds()
        if early or now.timestamp() > expires + _CLOCK_SKEW.total_seconds():
            expiry = datetime.fromtimestamp(expires, UTC)
            text = (
                f"Client assertion is not within its valid time range. Current time: {now:%Y-%m-%dT%H:%M:%S}Z, "
                f"expiry time of assertion {expiry:%Y-%m-%dT%H:%M:%S}Z."
            )
            raise SignInError(700024, text)

    def _check_first_use(self, claims: dict[str, Any]) -> None:
        now = self._clock().timestamp()
        self._used = {name: until for name, until in self._used.items() if until > now}
        identifier = claims.get("jti")
        if not isinstance(identifier, str) or not identifier:
            raise _malformed()
        if identifier in self._used:
            raise SignInError(50013, "Assertion failed validation. [Reason - The assertion was used before.]")
        self._used[identifier] = claims["exp"] + _CLOCK_SKEW.total_seconds()


def _form(call: Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}


def _is_of_another_issuer(token: str) -> bool:
    try:
        return str(jwt.decode(token, options={"verify_signature": False}).get("iss", "")).startswith("https://")
    except jwt.InvalidTokenError:
        return False


def _read_assertion(token: str) -> _Assertion:
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as exc:
        raise _malformed() from exc
    header, claims = parts["header"], parts["payload"]
    algorithm = str(header.get("alg", ""))
    thumbprint = header.get(_REQUIRED_THUMBPRINT.get(algorithm, ""))
    if not isinstance(thumbprint, str):
        text = "The assertion names no key that PS256 with 'x5t#S256' or RS256 with 'x5t' would name."
        raise SignInError(700027, text)
    # MSAL leaves the padding on, which a strict reader of RFC 7515 would not accept; Entra accepts both.
    return _Assertion(token, algorithm, thumbprint.rstrip("="), claims)


def _malformed() -> SignInError:
    return SignInError(50027, "JWT token is invalid or malformed.", status=400, error="invalid_request")


def _not_registered(reason: str, thumbprint: str) -> SignInError:
    text = (
        "The certificate with identifier used to sign the client assertion is not registered on application. "
        f"[Reason - {reason}, Thumbprint of key used by client: '{thumbprint}']"
    )
    return SignInError(700027, text)
