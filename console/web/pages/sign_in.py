"""Sign-in, by password, at Entra or by the one-time link, and sign-out."""

import json
from functools import partial
from typing import Final

import structlog
from aiohttp import web
from sqlalchemy import Connection

from console.setting_values import is_loopback
from console.settings import Settings
from console.translation.language import LANGUAGES
from console.web.entra import Flow
from console.web.entra_errors import EntraSignInError
from console.web.rights import known_roles
from console.web.routes import Routes, action, page
from console.web.sessions import LINK_ROLES, User
from console.web.tokens import key_of, sealed, unsealed
from console.web.visit import LANGUAGE_COOKIE, SESSION_COOKIE, VISITOR_COOKIE, Visit
from db.queries import console_activity, console_sessions, console_users
from db.queries.console_activity import ActivityKind
from db.queries.console_sessions import ENTRA, LINK, LOCAL
from db.queries.console_users import User as LocalUser
from phrases import Phrase

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

ENTRA_ANSWER: Final = "/sign-in/entra/answer"
FLOW_COOKIE: Final = "__Host-flow"
_FLOW_SECONDS: Final = 15 * 60
_LANGUAGE_SECONDS: Final = 365 * 24 * 3600
_MAX_ADDRESS: Final = 2000

_WRONG: Final = Phrase("The user name or the password is wrong.")
_TOO_MANY: Final = Phrase("Too many failed sign-ins. Try again in 15 minutes.")
_NO_ROLE: Final = Phrase("You have no role in this application. An administrator assigns one at Entra.")
_REMOTE: Final = Phrase(
    "Passwords are accepted from this host alone. Use Entra ID (console_auth), or set console_local_remote to true."
)
_LINK_OVER: Final = Phrase("The link is used or over. Make another one on this host: mail-importer console open")


def local_path(text: str | None) -> str:
    """The address within this console to go on to; any other one is the start page."""
    if not text or len(text) > _MAX_ADDRESS or not text.startswith("/") or "\\" in text or not text.isprintable():
        return "/"
    return "/" if text.startswith("//") else text


async def show(visit: Visit) -> web.StreamResponse:
    """The page to sign in; where nothing is configured, the page that says how."""
    return await _page(visit, local_path(visit.query.get("next")))


async def _page(visit: Visit, wanted: str, error: str | None = None, *, status: int = 200) -> web.Response:
    is_local = visit.services.settings.console_auth == "local"
    has_users = is_local and await visit.read(console_users.exists)
    return visit.page(
        "sign_in.html",
        status=status,
        wanted=wanted,
        error=error,
        is_local=is_local,
        has_users=has_users,
        may_use_password=_may_use_password(visit.services.settings, visit.address),
        remote=_REMOTE,
    )


def _may_use_password(settings: Settings, address: str) -> bool:
    return settings.console_local_remote or is_loopback(address)


async def with_password(visit: Visit) -> web.StreamResponse:
    """Sign in a user of the database."""
    settings, services = visit.services.settings, visit.services
    name, password = await visit.text("name"), await visit.text("password")
    wanted = local_path(await visit.text("next"))
    if settings.console_auth != "local":
        raise web.HTTPNotFound
    if not _may_use_password(settings, visit.address):
        return await _page(visit, wanted, _REMOTE, status=403)
    if not await services.sign_in_limits.begin(name, visit.address):
        return await _page(visit, wanted, _TOO_MANY, status=429)
    user = await visit.read(lambda connection: console_users.find(connection, name))
    if not await services.passwords.matches(password, None if user is None else user.password_hash) or user is None:
        await _note(visit, ActivityKind.SIGN_IN_FAILED, name)
        log.warning("console_sign_in_failed", kind=LOCAL, address=visit.address)
        return await _page(visit, wanted, _WRONG, status=401)
    await services.sign_in_limits.succeeded(name, visit.address)
    if services.passwords.needs_rehash(user.password_hash):
        await _rehash(visit, user, password)
    session = await services.sessions.begin(
        LOCAL,
        str(user.user_id),
        user.name,
        roles=known_roles(user.roles),
        groups=user.groups,
        address=visit.address,
        is_valid=partial(console_users.has_same_password, user=user),
    )
    return await _signed_in(visit, session, wanted)


async def _rehash(visit: Visit, user: LocalUser, password: str) -> None:
    made = await visit.services.passwords.hashed(password)
    await visit.write(lambda connection: console_users.upgrade_hash(connection, user.user_id, made))


async def at_entra(visit: Visit) -> web.StreamResponse:
    """Send the browser to Entra; the state of the sign-in goes with it, sealed with the browser's own secret."""
    entra = visit.services.entra
    if entra is None:
        raise web.HTTPNotFound
    try:
        flow = await entra.begin(visit.services.settings.console_address + ENTRA_ANSWER)
    except EntraSignInError as exc:
        log.warning("console_sign_in_failed", kind=ENTRA, error=str(exc))
        return await _page(visit, "/", visit.translated(exc), status=503)
    kept = json.dumps({"flow": flow.to_json(), "next": local_path(visit.query.get("next"))})
    answer = visit.redirect(flow.url)
    answer.set_cookie(
        FLOW_COOKIE,
        sealed(kept, visit.browser_id, visit.services.random),
        max_age=_FLOW_SECONDS,
        path="/",
        secure=True,
        httponly=True,
        samesite="Lax",
    )
    return answer


async def entra_answer(visit: Visit) -> web.StreamResponse:
    """Complete the sign-in that this browser began at Entra."""
    entra, cookie = visit.services.entra, visit.request.cookies.get(FLOW_COOKIE)
    if entra is None:
        raise web.HTTPNotFound
    opened = None if cookie is None else unsealed(cookie, visit.browser_id)
    if opened is None:
        return await _page(
            visit, "/", Phrase("This browser began no sign-in, or did so too long ago. Sign in again."), status=400
        )
    kept = json.loads(opened)
    try:
        found = await entra.complete(Flow.from_json(kept["flow"]), dict(visit.query), now=visit.now)
    except EntraSignInError as exc:
        log.warning("console_sign_in_failed", kind=ENTRA, address=visit.address, error=str(exc))
        answer = await _page(visit, kept["next"], visit.translated(exc), status=401)
        answer.del_cookie(FLOW_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        return answer
    roles = known_roles(found.roles)
    if not roles:
        await _note(visit, ActivityKind.SIGN_IN_FAILED, found.name)
        answer = await _page(visit, kept["next"], _NO_ROLE, status=403)
        answer.del_cookie(FLOW_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        return answer
    session = await visit.services.sessions.begin(
        ENTRA,
        found.subject,
        found.username or found.name,
        roles=roles,
        groups=tuple(sorted(found.groups)),
        address=visit.address,
        refresh_token=found.refresh_token,
    )
    signed_in = await _signed_in(visit, session, kept["next"])
    signed_in.del_cookie(FLOW_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
    return signed_in


async def out_of_entra(visit: Visit) -> web.StreamResponse:
    """End the session at Entra as well: the sign-out of this console leaves that to the user."""
    entra = visit.services.entra
    if entra is None:
        raise web.HTTPNotFound
    return visit.redirect(entra.sign_out_url(f"{visit.services.settings.console_address}/sign-in"))


async def show_link(visit: Visit) -> web.StreamResponse:
    """The page of a one-time link: it is used by the button, so that no preview of it uses it up."""
    key, now = key_of(visit.part("ticket")), visit.now
    detail = await visit.read(lambda connection: console_sessions.ticket(connection, key, kind=LINK, now=now))
    if detail is None or not is_loopback(visit.address):
        return await _page(visit, "/", _LINK_OVER, status=410)
    return visit.page("sign_in_link.html", who=json.loads(detail).get("who", ""))


async def use_link(visit: Visit) -> web.StreamResponse:
    """Sign in by a one-time link, from this host."""
    if not is_loopback(visit.address):
        return await _page(visit, "/", _LINK_OVER, status=410)
    key, now = key_of(visit.part("ticket")), visit.now
    detail = await visit.write(lambda connection: console_sessions.use_ticket(connection, key, kind=LINK, now=now))
    if detail is None:
        return await _page(visit, "/", _LINK_OVER, status=410)
    who = str(json.loads(detail).get("who", ""))
    session = await visit.services.sessions.begin(LINK, key, who, roles=LINK_ROLES, groups=(), address=visit.address)
    return await _signed_in(visit, session, "/")


async def _signed_in(visit: Visit, user: User | None, wanted: str) -> web.Response:
    if user is None:  # removed, or given another password, in this moment
        return await _page(visit, wanted, _WRONG, status=401)
    await _note(visit, ActivityKind.SIGNED_IN, user.name, detail=user.kind)
    log.info("console_signed_in", kind=user.kind, user=user.name, address=visit.address)
    answer = visit.redirect(wanted)
    visit.set_cookie(answer, SESSION_COOKIE, user.session_id or "")
    answer.del_cookie(VISITOR_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
    visit.user_or_none = user
    return answer


async def _note(visit: Visit, kind: ActivityKind, who: str, detail: str | None = None) -> None:
    now, address = visit.now, visit.address

    def note(connection: Connection) -> None:
        console_activity.note(connection, kind, who=who, address=address, now=now, detail=detail)

    await visit.write(note)


async def sign_out(visit: Visit) -> web.StreamResponse:
    """End this session."""
    if visit.user_or_none is not None:
        await visit.services.sessions.end(visit.user)
        await visit.note(ActivityKind.SIGNED_OUT)
    return signed_out(visit)


def signed_out(visit: Visit) -> web.Response:
    """The answer that has the browser forget the session."""
    answer = visit.redirect("/sign-in")
    answer.del_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


async def choose_language(visit: Visit) -> web.StreamResponse:
    """Show the console in another language, in this browser."""
    chosen = await visit.text("language")
    answer = visit.redirect(local_path(await visit.text("next")))
    if chosen in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, chosen, max_age=_LANGUAGE_SECONDS, path="/", samesite="Lax")
    return answer


ROUTES: Routes = (
    page("/sign-in", show, needs=None),
    action("/sign-in", with_password, needs=None),
    page("/sign-in/entra", at_entra, needs=None),
    page(ENTRA_ANSWER, entra_answer, needs=None),
    page("/sign-in/entra/out", out_of_entra, needs=None),
    page("/sign-in/link/{ticket}", show_link, needs=None),
    action("/sign-in/link/{ticket}", use_link, needs=None),
    action("/sign-out", sign_out, needs=None),
    action("/language", choose_language, needs=None),
)
