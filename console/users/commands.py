"""`mail-importer console`: the users of the web console, and the link for a first look."""

import json
import secrets
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.audit import who
from console.confirmation import confirm
from console.invocation import Invocation, as_stored, example, pass_invocation
from console.option_checks import pasted_text
from console.output import Column, Listing, Report, failure, prints_data, shown, wrong_usage
from console.translation.help import Command, Group
from console.translation.language import translated
from console.web.passwords import MAX_LENGTH, Passwords, WeakPassword, require_strong
from console.web.rights import Role
from console.web.tokens import key_of, new_id
from console.wiring.host import host_name
from db.engine import run_reading, run_writing
from db.queries import console_activity, console_sessions, console_users
from db.queries.console_activity import ActivityKind
from db.queries.console_sessions import LINK, LOCAL
from phrases import Phrase

LINK_LIFE: Final = timedelta(minutes=15)
_MAX_LINE: Final = 8 * MAX_LENGTH
"""Bytes of a line with a password; more than any that is accepted."""
_ROLES: Final = tuple(each.value for each in Role)
_EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared with, not listened on


@click.group(name="console", cls=Group, epilog=example("mail-importer console open"))
def console() -> None:
    """Manage the users of the web console, and make a link for a first look.

    The web console itself is a role: mail-importer run console.
    """


@console.command("open", cls=Command, epilog=example("mail-importer console open"))
@prints_data
@pass_invocation
def open_(invocation: Invocation) -> Report:
    """Print a link that signs in to the web console as an administrator: once, within 15 minutes, on this host.

    The web console must run: mail-importer run console, or run all.
    """
    with invocation.gateway() as engine:
        link = run_writing(engine, lambda connection: make_link(connection, invocation))
    sentence = Phrase("Open within 15 minutes, in a browser on this host: {link}", link=link)
    return Report({"link": link, "valid_seconds": int(LINK_LIFE.total_seconds())}, [sentence])


def make_link(connection: Connection, invocation: Invocation, *, port: int | None = None) -> str:
    """A one-time link. `port`: of the web console, where it is not that of the settings."""
    settings, ticket = invocation.settings, new_id(secrets.token_bytes)
    detail, expires = json.dumps({"who": who()}), invocation.clock() + LINK_LIFE
    console_sessions.add_ticket(connection, key_of(ticket), kind=LINK, detail=detail, expires=expires)
    _note(connection, invocation, ActivityKind.LINK_MADE)
    host = "127.0.0.1" if settings.console_host in _EVERY_ADDRESS else settings.console_host
    scheme = "http" if settings.console_tls_cert is None else "https"
    address = f"[{host}]" if ":" in host else host
    return f"{scheme}://{address}:{port or settings.console_port}/sign-in/link/{ticket}"


@console.group(cls=Group, epilog=example("mail-importer console users list"))
def users() -> None:
    """Add, change and remove users that sign in to the web console with a password.

    They are of use with console_auth = "local". Roles: Viewer sees states; Operator also replays and imports;
    Administrator also changes accounts, rules and users; Reader, beside one of these, opens mail.
    """


def _rights(*, adding: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of roles and groups."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        role = click.option(
            "--role", "roles", multiple=True, required=adding, type=click.Choice(_ROLES, case_sensitive=False),
            help="A role of the user; may be repeated.",
        )  # fmt: skip
        group = click.option(
            "--group", "groups", multiple=True, metavar="NAME", callback=_groups,
            help="A group of the user, for accounts that show their mail to groups alone; may be repeated.",
        )  # fmt: skip
        return role(group(function))

    return add


def _groups(context: click.Context, parameter: click.Parameter, groups: tuple[str, ...]) -> tuple[str, ...]:
    check = pasted_text(200)
    return tuple(dict.fromkeys(filter(None, (check(context, parameter, each) for each in groups))))


def _name(context: click.Context, parameter: click.Parameter, text: str) -> str:
    return pasted_text(console_users.MAX_NAME_LENGTH)(context, parameter, text) or ""


@users.command(cls=Command, epilog=example("mail-importer console users add marie --role Operator --role Reader"))
@click.argument("name", callback=_name)
@_rights(adding=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, instead of prompting.")
@prints_data
@pass_invocation
def add(
    invocation: Invocation, name: str, roles: tuple[str, ...], groups: tuple[str, ...], password_stdin: bool
) -> Report:
    """Add a user, and prompt for a password.

    A password has at least 12 characters; several words are easier to remember than symbols.
    """
    with invocation.gateway() as engine:
        hashed = Passwords().hash(_password(name, from_stdin=password_stdin))

        def work(connection: Connection) -> None:
            console_users.add(
                connection, name, password_hash=hashed, roles=roles, groups=groups, now=invocation.clock()
            )
            _note(connection, invocation, ActivityKind.USER_ADDED, _shown(name, roles))

        run_writing(engine, work)
    return _done(name, "added", Phrase("User {name!r} is added.", name=console_users.name_of(name)))


@users.command(cls=Command, epilog=example("mail-importer console users update marie --role Administrator"))
@click.argument("name", callback=as_stored)
@_rights(adding=False)
@click.option("--no-groups", is_flag=True, help="The user is in no group, but those given here.")
@prints_data
@pass_invocation
def update(
    invocation: Invocation, name: str, roles: tuple[str, ...], groups: tuple[str, ...], no_groups: bool
) -> Report:
    """Give a user other roles or groups; what is not given stays. Open sessions follow within five minutes."""
    if not (roles or groups or no_groups):
        raise wrong_usage(Phrase("Name the roles or groups. See: mail-importer console users update --help"))

    def work(connection: Connection) -> None:
        user = console_users.by_name(connection, name)
        present = roles or tuple(user.roles)
        console_users.change_rights(
            connection, name, roles=present, groups=groups if groups or no_groups else user.groups
        )
        _note(connection, invocation, ActivityKind.USER_CHANGED, _shown(name, present))

    with invocation.gateway() as engine:
        run_writing(engine, work)
    return _done(name, "changed", Phrase("User {name!r} is changed.", name=console_users.name_of(name)))


@users.command(cls=Command, epilog=example("mail-importer console users password marie"))
@click.argument("name", callback=as_stored)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, instead of prompting.")
@prints_data
@pass_invocation
def password(invocation: Invocation, name: str, password_stdin: bool) -> Report:
    """Give a user another password, and end all sessions of that user."""
    with invocation.gateway() as engine:
        user = run_reading(engine, lambda connection: console_users.by_name(connection, name))
        hashed = Passwords().hash(_password(user.name, from_stdin=password_stdin))

        def work(connection: Connection) -> None:
            console_users.change_password(connection, user.user_id, hashed, now=invocation.clock())
            console_sessions.end_all(connection, LOCAL, str(user.user_id))
            _note(connection, invocation, ActivityKind.PASSWORD_CHANGED, user.name)

        run_writing(engine, work)
    return _done(user.name, "password changed", Phrase("User {name!r} has another password.", name=user.name))


@users.command(cls=Command, epilog=example("mail-importer console users remove marie"))
@click.argument("name", callback=as_stored)
@click.option("--yes", is_flag=True, help="Do not prompt.")
@prints_data
@pass_invocation
def remove(invocation: Invocation, name: str, yes: bool) -> Report:
    """Remove a user with its sessions and tokens. The record of its activity stays."""
    with invocation.gateway() as engine:
        user = run_reading(engine, lambda connection: console_users.by_name(connection, name))
        confirm(Phrase("Remove the user {name!r}?", name=user.name), yes=yes)

        def work(connection: Connection) -> None:
            console_users.remove(connection, user.user_id)
            console_sessions.end_all(connection, LOCAL, str(user.user_id))
            _note(connection, invocation, ActivityKind.USER_REMOVED, user.name)

        run_writing(engine, work)
    return _done(user.name, "removed", Phrase("User {name!r} is removed.", name=user.name))


@users.command("list", cls=Command, epilog=example("mail-importer console users list"))
@prints_data
@pass_invocation
def list_(invocation: Invocation) -> Listing:
    """List the users that sign in with a password."""
    with invocation.gateway() as engine:
        found = run_reading(engine, console_users.every)
    columns = [
        Column("name", Phrase("User")),
        Column("roles", Phrase("Roles"), ", ".join, priority=2),
        Column("groups", Phrase("Groups"), lambda groups: ", ".join(groups) or shown(None), priority=1),
        Column("created", Phrase("Added")),
        Column("password_changed", Phrase("Password changed")),
    ]
    rows = [
        {
            "name": each.name,
            "roles": sorted(each.roles),
            "groups": list(each.groups),
            "created": each.created,
            "password_changed": each.password_changed,
        }
        for each in found
    ]
    return Listing(columns, rows, empty=Phrase("There are no users. Add one: mail-importer console users add --help"))


def _password(name: str, *, from_stdin: bool) -> str:
    """The password, typed twice or from standard input.

    Raises:
        click.ClickException: it is refused.
    """
    if from_stdin:
        given = _first_line()
    else:
        given = click.prompt(
            translated(Phrase("Password")),
            hide_input=True,
            confirmation_prompt=translated(Phrase("Password, once more")),
            err=True,
        )
    try:
        require_strong(given, name)
    except WeakPassword as exc:
        raise failure(Phrase.of(exc)) from exc
    return given


def _first_line() -> str:
    """The first line of standard input: UTF-8, as browsers send passwords, and not what the locale takes it for.

    Raises:
        click.ClickException: it is not.
    """
    line = sys.stdin.buffer.readline(_MAX_LINE)
    try:
        text = line.decode("utf-8-sig")  # editors of Windows write a byte order mark
    except UnicodeDecodeError as exc:
        raise failure(Phrase("The password is not UTF-8 text.")) from exc
    return text.rstrip("\r\n")


def _note(connection: Connection, invocation: Invocation, action: ActivityKind, detail: str | None = None) -> None:
    console_activity.note(connection, action, who=who(), address=host_name(), now=invocation.clock(), detail=detail)


def _shown(name: str, roles: tuple[str, ...]) -> str:
    return f"{console_users.name_of(name)}: {', '.join(sorted(roles))}"


def _done(name: str, action: str, sentence: Phrase) -> Report:
    return Report({"name": console_users.name_of(name), "action": action}, [sentence])
