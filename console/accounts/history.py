"""`mail-importer accounts history`: changes of account settings, with author, time and values."""

from collections.abc import Sequence
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.changes import changes_by_name, history_columns, who_of
from console.invocation import Invocation, all_account_names, as_stored, example, pass_invocation
from console.output import Column, Listing, failure, prints_data
from console.translation.help import Command
from db.engine import run_writing
from db.queries import accounts as table
from db.queries import history
from db.queries.history import Action, Change, Value
from phrases import Phrase

_SETTINGS: Final = {
    "sAccountName": "name",
    "sAuthentication": "authentication",
    "sTenantID": "tenant_id",
    "sClientID": "client_id",
    "sUserID": "user_id",
    "sCertificateThumbprint": "thumbprint",
    "sNextCertificateThumbprint": "next_thumbprint",
    "bSecureCertificateAccess": "secure_certificate_access",
    "sFolder": "folder",
    "sAfterImport": "after_import",
    "sMoveToFolder": "move_to",
    "dtImportSince": "import_since",
    "bEnabled": "enabled",
    "sFilterSendersAllowed": "senders_allowed",
    "sFilterSendersDenied": "senders_denied",
    "sFilterSubjectsAllowed": "subjects_allowed",
    "sFilterSubjectsDenied": "subjects_denied",
    "bFilterHasAttachments": "has_attachments",
    "nFilterSizeLeast": "size_least",
    "nFilterSizeMost": "size_most",
    "sConsoleAccess": "console_access",
}
"""The setting's name, as options and files have it, by column."""


@click.command(
    "history",
    cls=Command,
    epilog=example("mail-importer accounts history laboratory", "mail-importer accounts history --json"),
)
@click.argument("name", required=False, callback=as_stored, shell_complete=all_account_names)
@prints_data
@pass_invocation
def show_history(invocation: Invocation, name: str | None) -> Listing:
    """Show the changes of account settings: operator, time and values.

    NAME is an account, also one that was removed; without it, all accounts. Changes that another program wrote into
    tblEmailAccountSettings are found by a running subscription manager, or by this command, and have the time of that.
    """
    now = invocation.clock()

    def read(connection: Connection) -> list[Change]:
        history.note_others(connection, [each.account_id for each in table.every(connection)], now=now)
        return history.changes(connection)

    with invocation.gateway() as engine:
        found = run_writing(engine, read)
    if name is not None:
        numbers = {each.number for each in found if name in _names(each)}
        if not numbers:
            raise failure(_nothing_of(name))
        found = [each for each in found if each.number in numbers]
    return history_listing(found, _nothing_of(name))


def history_listing(changes: Sequence[Change], empty: Phrase) -> Listing:
    """The view of these changes; `empty`: where there are none."""
    columns = history_columns(Column("account", Phrase("Account"), priority=2))
    return Listing(columns, [history_row(each) for each in changes], empty=empty)


def _nothing_of(name: str | None) -> Phrase:
    if name is None:
        return Phrase("There are no accounts, and there were none. Add one: mail-importer accounts add --help")
    return Phrase("There is no account named {name!r}, and there was none. See: mail-importer accounts list", name=name)


def _names(change: Change) -> set[Value]:
    return {settings.get("sAccountName") for settings in (change.before, change.after) if settings is not None}


def history_row(change: Change) -> dict[str, Any]:
    """The row of a change, as the command prints it."""
    removed = change.action is Action.REMOVED
    differences = {} if removed else change.differences
    # Removal frees the name; the former one identifies the account to the operator.
    named = change.before if removed and change.before is not None else change.after
    return {
        "changed": change.changed,
        "account_id": change.number,
        "account": named.get("sAccountName"),
        "action": str(change.action),
        "who": who_of(change),
        "changes": changes_by_name(differences, _SETTINGS),
    }
