"""The user's own page: rights, sessions, password, tokens for the API."""

from datetime import timedelta
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from console.web.bearer import new_token
from console.web.pages.sign_in import signed_out
from console.web.passwords import WeakPassword, require_strong
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.tokens import key_of
from console.web.visit import Visit
from db.queries import console_sessions, console_users
from db.queries.console_activity import ActivityKind
from db.queries.console_sessions import LOCAL
from phrases import Phrase

_LIVES: Final = (30, 90, 365)
"""Days for which a token may be valid."""
_MAX_TOKENS: Final = 20
_MAX_NAME: Final = 100


async def show(visit: Visit) -> web.StreamResponse:
    """The page."""
    return await _page(visit)


async def _page(visit: Visit, *, error: str | None = None, token: str | None = None, status: int = 200) -> web.Response:
    user = visit.user

    def read(connection: Connection) -> tuple[list[console_sessions.StoredSession], list[console_users.Token]]:
        sessions = console_sessions.of_subject(connection, user.kind, user.subject)
        tokens = console_users.tokens(connection, int(user.subject)) if user.kind == LOCAL else []
        return sessions, tokens

    sessions, tokens = await visit.read(read)
    return visit.page(
        "me.html",
        status=status,
        sessions=sessions,
        this=key_of(user.session_id or ""),
        tokens=tokens,
        is_local=user.kind == LOCAL,
        error=error,
        token=token,
        lives=_LIVES,
        roles=sorted(each.value for each in user.roles),
    )


def _local_id(visit: Visit) -> int:
    if visit.user.kind != LOCAL:
        raise web.HTTPNotFound
    return int(visit.user.subject)


async def change_password(visit: Visit) -> web.StreamResponse:
    """Change the own password; all other sessions end."""
    user_id, passwords = _local_id(visit), visit.services.passwords
    limits = visit.services.sign_in_limits
    present, wanted = await visit.text("present"), await visit.text("wanted")
    if not await limits.begin(visit.user.name, visit.address):
        raise web.HTTPTooManyRequests
    user = await visit.read(lambda connection: console_users.by_id(connection, user_id))
    if user is None or not await passwords.matches(present, user.password_hash):
        return await _page(visit, error=Phrase("The present password is wrong."), status=400)
    await limits.succeeded(user.name, visit.address)
    try:
        require_strong(wanted, user.name)
    except WeakPassword as exc:
        return await _page(visit, error=Phrase.of(exc), status=400)
    hashed, now = await passwords.hashed(wanted), visit.now
    await visit.write(lambda connection: console_users.change_password(connection, user_id, hashed, now=now))
    await visit.services.sessions.end_all(visit.user, but_this=True)
    await visit.note(ActivityKind.PASSWORD_CHANGED, detail=user.name)
    return visit.redirect(
        "/me", Phrase("The password is changed. All other sessions are ended, and all tokens removed.")
    )


async def add_token(visit: Visit) -> web.StreamResponse:
    """Make a token; it is shown once."""
    user_id, name, life = _local_id(visit), (await visit.text("name")).strip(), await visit.text("life")
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        wrong = Phrase("Give the token a name of at most {most} characters.", most=_MAX_NAME)
        return await _page(visit, error=wrong, status=400)
    if life not in map(str, _LIVES):
        raise web.HTTPBadRequest
    if len(await visit.read(lambda connection: console_users.tokens(connection, user_id))) >= _MAX_TOKENS:
        wrong = Phrase("There are {most} tokens already. Remove one first.", most=_MAX_TOKENS)
        return await _page(visit, error=wrong, status=400)
    token, now = new_token(visit.services.random), visit.now
    await visit.write(
        lambda connection: console_users.add_token(
            connection, user_id, name, key_of(token), now=now, life=timedelta(days=int(life))
        )
    )
    await visit.note(ActivityKind.TOKEN_ADDED, detail=name)
    return await _page(visit, token=token)


async def remove_token(visit: Visit) -> web.StreamResponse:
    """Remove a token; programs that use it are refused from now on."""
    user_id, token_id = _local_id(visit), visit.number("token")
    if not await visit.write(lambda connection: console_users.remove_token(connection, user_id, token_id)):
        raise web.HTTPNotFound
    await visit.note(ActivityKind.TOKEN_REMOVED)
    return visit.redirect("/me", Phrase("The token is removed."))


async def sign_out_everywhere(visit: Visit) -> web.StreamResponse:
    """End all sessions of the user."""
    await visit.services.sessions.end_all(visit.user)
    await visit.note(ActivityKind.SIGNED_OUT_EVERYWHERE)
    return signed_out(visit)


ROUTES: Routes = (
    page("/me", show),
    action("/me/password", change_password, Role.VIEWER),
    action("/me/tokens", add_token, Role.VIEWER),
    action("/me/tokens/{token}/remove", remove_token, Role.VIEWER),
    action("/me/sign-out-everywhere", sign_out_everywhere, Role.VIEWER),
)
