"""The claims of an access token, for display. They are not verified here: Graph does that."""

from collections.abc import Mapping
from typing import Any, Final

import jwt

_TOLD: Final = frozenset(
    {"aud", "iss", "tid", "appid", "app_displayname", "oid", "roles", "idtyp", "ver", "iat", "nbf", "exp"}
)


def claims_of(token: str) -> Mapping[str, Any]:
    """The claims an administrator may need; no signature. Empty when the token cannot be read: it may be opaque."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return {name: value for name, value in claims.items() if name in _TOLD}


def roles_in(claims: Mapping[str, Any]) -> frozenset[str]:
    """The application permissions in the token: none of RBAC for Applications (docs/graph.md, section 9)."""
    roles = claims.get("roles")
    return frozenset(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else frozenset()
