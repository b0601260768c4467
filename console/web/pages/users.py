"""Users that sign in with a password, for administrators."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from console.option_checks import bare_text
from console.web.passwords import WeakPassword, require_strong
from console.web.rights import Role, known_roles
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.errors import UserExists
from db.queries import console_sessions, console_users
from db.queries.console_activity import ActivityKind
from db.queries.console_sessions import LOCAL
from db.queries.entry_lists import lines
from phrases import Phrase

_DUTIES: Final[Mapping[Role, Phrase]] = {
    Role.VIEWER: Phrase("sees states, the e-mail log, mailboxes, rules and problems"),
    Role.OPERATOR: Phrase("also tests mailboxes, replays, imports and applies rules"),
    Role.ADMINISTRATOR: Phrase("also changes accounts, rules and users"),
    Role.READER: Phrase("beside one of these: opens bodies and attachments; each opening is recorded"),
}


class _NoAdministrator(Exception):
    """The change would leave no administrator. The text is a Phrase."""


async def show(visit: Visit) -> web.StreamResponse:
    """The users, and the form for another one."""
    return await _page(visit)


async def _page(
    visit: Visit, *, error: str | None = None, typed: dict[str, Any] | None = None, status: int = 200
) -> web.Response:
    users = await visit.read(console_users.every)
    blank = {"name": "", "roles": (Role.VIEWER,), "groups": ""}
    return visit.page(
        "users.html", status=status, users=users, roles=tuple(Role), duties=_DUTIES, error=error, typed=typed or blank
    )


async def add(visit: Visit) -> web.StreamResponse:
    """Add a user."""
    name, password = bare_text(await visit.text("name")), await visit.text("password")
    roles, groups = await _rights(visit)
    typed = {"name": name, "roles": roles, "groups": "\n".join(groups)}
    if not name or len(name) > console_users.MAX_NAME_LENGTH or not name.isprintable():
        return await _page(visit, error=Phrase("Give the user a name."), typed=typed, status=400)
    if not roles:
        return await _page(visit, error=Phrase("Give the user a role."), typed=typed, status=400)
    try:
        require_strong(password, name)
        hashed, now = await visit.services.passwords.hashed(password), visit.now
        await visit.write(
            lambda connection: console_users.add(
                connection, name, password_hash=hashed, roles=_words(roles), groups=groups, now=now
            )
        )
    except (WeakPassword, UserExists) as exc:
        return await _page(visit, error=Phrase.of(exc), typed=typed, status=400)
    await visit.note(ActivityKind.USER_ADDED, detail=_shown(name, roles))
    return visit.redirect("/users", Phrase("User {name!r} is added.", name=console_users.name_of(name)))


async def change(visit: Visit) -> web.StreamResponse:
    """Give a user other roles and groups."""
    name = visit.part("name")
    roles, groups = await _rights(visit)
    if not roles:
        return await _page(visit, error=Phrase("Give the user a role."), status=400)

    def work(connection: Connection) -> None:
        with _administrated(connection):
            console_users.change_rights(connection, name, roles=_words(roles), groups=groups)

    try:
        await visit.write(work)
    except _NoAdministrator as exc:
        return await _page(visit, error=Phrase.of(exc), status=400)
    await visit.note(ActivityKind.USER_CHANGED, detail=_shown(name, roles))
    return visit.redirect("/users", Phrase("User {name!r} is changed.", name=console_users.name_of(name)))


async def confirm_removal(visit: Visit) -> web.StreamResponse:
    """The question before a removal."""
    user = await visit.read(lambda connection: console_users.by_name(connection, visit.part("name")))
    return visit.page("user_remove.html", removed=user)


async def remove(visit: Visit) -> web.StreamResponse:
    """Remove a user with its sessions and tokens."""

    def work(connection: Connection) -> str:
        user = console_users.by_name(connection, visit.part("name"))
        with _administrated(connection):
            console_users.remove(connection, user.user_id)
        console_sessions.end_all(connection, LOCAL, str(user.user_id))
        return user.name

    try:
        name = await visit.write(work)
    except _NoAdministrator as exc:
        return await _page(visit, error=Phrase.of(exc), status=400)
    await visit.note(ActivityKind.USER_REMOVED, detail=name)
    return visit.redirect("/users", Phrase("User {name!r} is removed.", name=name))


@contextmanager
def _administrated(connection: Connection) -> Iterator[None]:
    """Refuse a change, in the transaction, that leaves no administrator.

    Raises:
        _NoAdministrator
    """
    had_one = _has_administrator(connection)
    yield
    if had_one and not _has_administrator(connection):
        raise _NoAdministrator(Phrase("The last administrator stays: give another user that role first."))


def _has_administrator(connection: Connection) -> bool:
    return any(Role.ADMINISTRATOR in known_roles(each.roles) for each in console_users.every(connection))


async def _rights(visit: Visit) -> tuple[frozenset[Role], tuple[str, ...]]:
    form = await visit.form()
    words = [each for each in form.getall("role", []) if isinstance(each, str)]
    return known_roles(words), lines(await visit.text("groups"))


def _words(roles: frozenset[Role]) -> Sequence[str]:
    return [each.value for each in roles]


def _shown(name: str, roles: frozenset[Role]) -> str:
    return f"{console_users.name_of(name)}: {', '.join(sorted(_words(roles)))}"


ROUTES: Routes = (
    page("/users", show, Role.ADMINISTRATOR),
    action("/users", add, Role.ADMINISTRATOR),
    action("/users/{name}", change, Role.ADMINISTRATOR),
    page("/users/{name}/remove", confirm_removal, Role.ADMINISTRATOR),
    action("/users/{name}/remove", remove, Role.ADMINISTRATOR),
)
