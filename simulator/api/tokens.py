"""Access tokens: issued by the sign-in service, checked by Graph."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from simulator.calls import GraphError, json_bytes
from simulator.state.tenants import Application


@dataclass(frozen=True, slots=True)
class Grant:
    """The grant behind an access token."""

    application: Application
    roles: tuple[str, ...]
    expires: datetime


class AccessTokens:
    """The tokens issued. They look like Entra's (three parts, with `roles`), but only this class can check them."""

    def __init__(self, random: Random, clock: Callable[[], datetime], lifetime: timedelta) -> None:
        self.lifetime = lifetime
        self.issued = 0
        self._random = random
        self._clock = clock
        self._grants: dict[str, Grant] = {}

    def issue(self, application: Application, audience: str, *, for_graph: bool = True) -> tuple[str, int]:
        """Issue a token; returns it with its lifetime in seconds. Graph accepts only those that are for it."""
        now = self._clock()
        self._grants = {token: grant for token, grant in self._grants.items() if grant.expires > now}
        expires = now + self.lifetime
        claims = {
            "aud": audience,
            "appid": application.client_id,
            "tid": application.tenant_id,
            "oid": application.service_principal_id,
            "roles": list(application.roles),
            "iat": int(now.timestamp()),
            "exp": int(expires.timestamp()),
        }
        parts = (json_bytes({"typ": "JWT", "alg": "RS256"}), json_bytes(claims), self._random.randbytes(256))
        token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        if for_graph:
            self._grants[token] = Grant(application, application.roles, expires)
        self.issued += 1
        return token, int(self.lifetime.total_seconds())

    def check(self, authorization: str) -> Grant:
        """Return the grant of an `Authorization` header.

        Raises:
            GraphError: 401 `InvalidAuthenticationToken` (docs/graph.md, section 9).
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("Access token is empty.")
        grant = self._grants.get(token)
        if grant is None:
            raise unauthenticated("Access token validation failure. Invalid audience or signature.")
        if grant.expires <= self._clock():
            raise unauthenticated("Lifetime validation failed, the token is expired.")
        return grant

    def revoke_all(self) -> None:
        """Make every token issued so far invalid."""
        self._grants.clear()


def unauthenticated(text: str) -> GraphError:
    """Return the error for a call without a valid token."""
    return GraphError(401, "InvalidAuthenticationToken", text, {"WWW-Authenticate": 'Bearer realm=""'})
