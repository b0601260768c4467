"""Bearer tokens of the API: those that users made, and those of applications at Entra."""

from typing import Final

import structlog
from aiohttp import hdrs, web

from console.web.entra_errors import SignInRejected
from console.web.rights import known_roles
from console.web.services import Services
from console.web.sessions import User
from console.web.tokens import RandomBytes, key_of, new_id
from db.queries import console_users
from db.queries.console_sessions import ENTRA, LOCAL

PREFIX: Final = "mip_"
"""Begins the tokens of users, so that scanners for secrets find them."""
_MAX_LENGTH: Final = 16_384

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def new_token(random: RandomBytes) -> str:
    """A token for a user."""
    return PREFIX + new_id(random)


async def user_of_token(services: Services, request: web.Request, address: str) -> User | None:
    """The user of the request's token; None: it has none that is valid.

    Raises:
        DatabaseUnavailable, SignInUnavailable
    """
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _MAX_LENGTH:
        return None
    if not token.startswith(PREFIX):
        return await _of_application(services, token, address)
    if services.entra is not None:
        return None  # users have no passwords then, and no tokens made with them
    now = services.clock()
    found = await services.database.read(
        lambda connection: console_users.user_of_token(connection, key_of(token), now=now)
    )
    if found is None:
        return None
    return User(LOCAL, str(found.user_id), found.name, known_roles(found.roles), found.groups, address)


async def _of_application(services: Services, token: str, address: str) -> User | None:
    if services.entra is None:
        return None
    try:
        caller = await services.entra.verify_access_token(token)
    except SignInRejected as exc:
        log.info("console_token_rejected", reason=str(exc.reason), address=address)
        return None
    return User(ENTRA, caller.subject, caller.application_id, known_roles(caller.roles), (), address)
