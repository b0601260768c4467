"""`mail-importer accounts`: the mailboxes and how each fares."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.commands import Invocation, as_stored, example, pass_invocation
from console.commands.certificates import certificate_store, thumbprint_argument
from console.output import Column, Listing, Record, prints_data, shown, span, tell
from console.settings import SettingsError
from db import accounts as table
from db import subscriptions
from db.engine import run_reading, run_writing

_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@click.group(epilog=example("mail-importer accounts list"))
def accounts() -> None:
    """Add, look at, switch and remove mailboxes.

    An account is a mailbox, and the application registration and certificate that open it.
    """


def _text(longest: int) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """A check for text that people paste: cut of blanks and invisible characters at both ends, not empty."""

    def check(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
        if text is None:
            return None
        bare = _bare(text)
        if not bare:
            raise click.BadParameter("It is empty.")
        if len(bare) > longest:
            raise click.BadParameter(f"It has {len(bare)} characters; {longest} is the most.")
        if not bare.isprintable():
            raise click.BadParameter("It holds a character that cannot be seen, such as a line break.")
        return bare

    return check


def _bare(text: str) -> str:
    visible = [place for place, sign in enumerate(text) if sign.isprintable() and not sign.isspace()]
    return text[visible[0] : visible[-1] + 1] if visible else ""


def _guid(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    bare = _bare(text).lower().removeprefix("{").removesuffix("}")
    if not _GUID.fullmatch(bare):
        raise click.BadParameter(
            f"{text!r} is not an id such as 11111111-2222-3333-4444-555555555555. The overview page of the application "
            "registration shows it."
        )
    return bare


def _user(context: click.Context, parameter: click.Parameter, text: str) -> str:
    bare = _text(320)(context, parameter, text) or ""
    if _GUID.fullmatch(bare.lower()):
        return bare.lower()
    tell(
        f"Warning: the user id {bare!r} is not an object id. A name or address works until the user is renamed; the "
        "object id on the user's page in the Entra portal stays."
    )
    return bare


@accounts.command(
    epilog=example(
        "mail-importer accounts add --name laboratory \\",
        "  --tenant-id 11111111-2222-3333-4444-555555555555 \\",
        "  --client-id 66666666-7777-8888-9999-aaaaaaaaaaaa \\",
        "  --user-id bbbbbbbb-cccc-dddd-eeee-ffffffffffff \\",
        "  --thumbprint 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B",
    )
)
@click.option("--name", required=True, callback=_text(200), help="What the account is called here.")
@click.option("--tenant-id", required=True, callback=_guid, help="Directory (tenant) id.")
@click.option("--client-id", required=True, callback=_guid, help="Application (client) id of the registration.")
@click.option("--user-id", required=True, callback=_user, help="Object id of the user whose mailbox it is.")
@click.option("--thumbprint", required=True, callback=thumbprint_argument, help="SHA-1 thumbprint, as copied.")
@click.option(
    "--secure-certificate-access/--no-secure-certificate-access",
    default=True,
    show_default=True,
    help="Whether the certificate must chain to a trusted root; a self-signed one does not.",
)
@click.option("--folder", default="Inbox", show_default=True, callback=_text(450), help="The folder to import from.")
@click.option(
    "--after-import",
    type=click.Choice(table.AFTER_IMPORT),
    default="none",
    show_default=True,
    help="What becomes of a message in the mailbox once it is imported.",
)
@click.option("--move-to", metavar="FOLDER", callback=_text(450), help="Where --after-import move puts it.")
@pass_invocation
def add(
    invocation: Invocation,
    name: str,
    tenant_id: str,
    client_id: str,
    user_id: str,
    thumbprint: str,
    secure_certificate_access: bool,
    folder: str,
    after_import: str,
    move_to: str | None,
) -> None:
    """Add an account, enabled at once."""
    if (after_import == "move") != (move_to is not None):
        raise click.UsageError("--after-import move and --move-to FOLDER go together.")
    if tenant_id == client_id:
        raise click.UsageError("--tenant-id and --client-id are the same; one of them was pasted twice.")
    settings = table.AccountSettings(
        name=name,
        tenant_id=tenant_id,
        client_id=client_id,
        user_id=user_id,
        thumbprint=thumbprint,
        secure_certificate_access=secure_certificate_access,
        folder=folder,
        after_import=after_import,
        move_to_folder=move_to,
    )
    with invocation.gateway() as engine:
        run_writing(engine, lambda connection: table.add(connection, settings, now=invocation.clock()))
    tell(f"Account {name!r} is added and enabled.")
    _warn_of_missing_certificate(invocation, thumbprint)


def _warn_of_missing_certificate(invocation: Invocation, thumbprint: str) -> None:
    try:
        entries = certificate_store(invocation).list()
    except SettingsError:
        return  # a store this version cannot read; the role that must read it says so
    if any(entry.certificate is not None and entry.certificate.thumbprint == thumbprint for entry in entries):
        return
    tell(
        f"Warning: the certificate store of this host, {invocation.settings.certificate_store}, holds no certificate "
        f"{thumbprint}. See: mail-importer certificates list"
    )


@accounts.command("list", epilog=example("mail-importer accounts list", "mail-importer accounts list --json"))
@prints_data
@pass_invocation
def list_accounts(invocation: Invocation) -> Listing:
    """List the accounts and how each fares."""
    with invocation.gateway() as engine:
        rows = run_reading(engine, lambda connection: _rows(connection, table.every(connection)))
    now = invocation.clock()
    columns = [
        Column("name", "Account"),
        Column("user_id", "Mailbox"),
        Column("enabled", "Enabled"),
        Column("subscription", "Subscription", lambda held: _subscription(held, now)),
        Column("imported", "Imported", right=True),
        Column("conditions", "Trouble", lambda all_: ", ".join(f"{each['role']}: {each['reason']}" for each in all_)),
    ]
    return Listing(columns, rows, empty="There are no accounts. Add one: mail-importer accounts add --help")


@accounts.command(epilog=example("mail-importer accounts show laboratory"))
@click.argument("name", callback=as_stored)
@prints_data
@pass_invocation
def show(invocation: Invocation, name: str) -> Record:
    """Show all there is to know of an account."""
    with invocation.gateway() as engine:
        rows = run_reading(engine, lambda connection: _rows(connection, [table.by_name(connection, name)]))
    now = invocation.clock()
    columns = [
        Column("name", "Account"),
        Column("account_id", "Number"),
        Column("enabled", "Enabled"),
        Column("tenant_id", "Tenant id"),
        Column("client_id", "Client id"),
        Column("user_id", "Mailbox"),
        Column("thumbprint", "Certificate"),
        Column("secure_certificate_access", "Trusted root needed"),
        Column("folder", "Folder"),
        Column("after_import", "After import"),
        Column("move_to_folder", "Move to"),
        Column("subscription", "Subscription", lambda held: _subscription(held, now)),
        Column("imported", "Imported"),
        Column("conditions", "Trouble", _conditions),
    ]
    return Record(columns, rows[0])


def _rows(connection: Connection, found: list[table.Account]) -> list[dict[str, Any]]:
    held = subscriptions.held(connection)
    counts = table.imported_counts(connection)
    troubles: dict[int, list[dict[str, Any]]] = {}
    for each in table.conditions(connection):
        troubles.setdefault(each.account_id, []).append(
            {
                "role": each.role,
                "reason": each.reason,
                "detail": each.detail,
                "since": each.since,
                "next_attempt": each.next_attempt,
            }
        )
    return [
        {
            "account_id": account.account_id,
            "name": account.settings.name,
            "enabled": account.enabled,
            "tenant_id": account.settings.tenant_id,
            "client_id": account.settings.client_id,
            "user_id": account.settings.user_id,
            "thumbprint": account.settings.thumbprint,
            "secure_certificate_access": account.settings.secure_certificate_access,
            "folder": account.settings.folder,
            "after_import": account.settings.after_import,
            "move_to_folder": account.settings.move_to_folder,
            "subscription": _held(held.get(account.account_id)),
            "imported": counts.get(account.account_id, 0),
            "conditions": troubles.get(account.account_id, []),
        }
        for account in found
    ]


def _held(subscription: subscriptions.HeldSubscription | None) -> dict[str, Any] | None:
    if subscription is None:
        return None
    return {"id": subscription.subscription_id, "state": subscription.state, "expires": subscription.expires}


def _subscription(held: dict[str, Any] | None, now: datetime) -> str:
    if held is None:
        return "none"
    if held["expires"] <= now:
        return f"expired {span(now - held['expires'])} ago"
    state = "" if held["state"] == "active" else f"{held['state']}, "
    return f"{state}{span(held['expires'] - now)} left"


def _conditions(conditions: list[dict[str, Any]]) -> str:
    if not conditions:
        return "none"
    return " ".join(
        f"{each['role']}: {each['reason']} since {shown(each['since'])}: {each['detail']} "
        f"Tried again at {shown(each['next_attempt'])}."
        for each in conditions
    )


@accounts.command(epilog=example("mail-importer accounts enable laboratory"))
@click.argument("name", callback=as_stored)
@pass_invocation
def enable(invocation: Invocation, name: str) -> None:
    """Switch an account on.

    The running subscription manager makes its subscription at once.
    """
    _switch(invocation, name, True)
    tell(f"Account {name!r} is enabled.")


@accounts.command(epilog=example("mail-importer accounts disable laboratory"))
@click.argument("name", callback=as_stored)
@pass_invocation
def disable(invocation: Invocation, name: str) -> None:
    """Switch an account off.

    The running subscription manager deletes its subscription; its settings and messages stay.
    """
    _switch(invocation, name, False)
    tell(f"Account {name!r} is disabled.")


def _switch(invocation: Invocation, name: str, enabled: bool) -> None:
    with invocation.gateway() as engine:
        run_writing(engine, lambda connection: table.set_enabled(connection, name, enabled, now=invocation.clock()))


@accounts.command(epilog=example("mail-importer accounts remove laboratory"))
@click.argument("name", callback=as_stored)
@pass_invocation
def remove(invocation: Invocation, name: str) -> None:
    """Remove an account; its messages stay.

    The running subscription manager deletes its subscription at Microsoft Graph.
    """
    with invocation.gateway() as engine:
        run_writing(engine, lambda connection: table.mark_removed(connection, name, now=invocation.clock()))
    tell(f"Account {name!r} is removed. The messages it imported stay in the database.")
