"""`mail-importer rules history`: changes of rules, with author, time and values."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.changes import changes_by_name, history_columns, who_of
from console.invocation import Invocation, as_stored, example, pass_invocation, rule_names
from console.output import Column, Listing, failure, prints_data
from console.translation.help import Command
from db.engine import run_writing
from db.queries import rule_history, rules
from db.queries.history import Action, Change
from phrases import Phrase

_PARTS: Final[Mapping[str, str]] = {
    "nRuleID": "rule_id",
    "sName": "name",
    "bEnabled": "enabled",
    "nAccountID": "account_id",
    "nPosition": "position",
    "sSenders": "senders",
    "sRecipients": "recipients",
    "sSubjectKind": "subject_kind",
    "sSubject": "subjects",
    "sBodyWords": "body_words",
    "sAttachmentNames": "attachment_names",
    "nAttachmentSizeLeast": "size_least",
    "nAttachmentSizeMost": "size_most",
    "bHasAttachments": "has_attachments",
    "sFolder": "folder",
    "sFileName": "file_name",
    "bSaveAttachments": "save_attachments",
    "sUnpack": "unpack",
    "sSaveBody": "save_body",
    "bSaveOriginal": "save_original",
    "bSaveMetadata": "save_metadata",
    "dtActiveSince": "active_since",
}
"""The name of each part of a rule, by column."""


@click.command(
    "history",
    cls=Command,
    epilog=example("mail-importer rules history results", "mail-importer rules history --json"),
)
@click.argument("name", required=False, callback=as_stored, shell_complete=rule_names)
@prints_data
@pass_invocation
def show_history(invocation: Invocation, name: str | None) -> Listing:
    """Show the changes of rules: operator, time and values.

    NAME is a rule, also one that was removed; without it, all rules. Changes that another program wrote into
    tblEmailRule are found by this command, or by the next one that changes a rule, and have the time of that. A
    position is a change where the rule itself was moved, not where others were.
    """
    now = invocation.clock()

    def read(connection: Connection) -> list[Change]:
        with rules.editing(connection, now=now):  # which records changes of other programs
            pass
        return rule_history.changes(connection)

    with invocation.gateway() as engine:
        found = run_writing(engine, read)
    if name is not None:
        numbers = {each.number for each in found if _is_named(each, name)}
        if not numbers:
            raise failure(_nothing_of(name))
        found = [each for each in found if each.number in numbers]
    return listing(found, empty=_nothing_of(name))


def listing(found: Sequence[Change], *, empty: Phrase) -> Listing:
    """The changes."""
    columns = history_columns(Column("rule", Phrase("Rule"), priority=2))
    return Listing(columns, [history_row(each) for each in found], empty=empty)


def _nothing_of(name: str | None) -> Phrase:
    if name is None:
        return Phrase("There are no rules, and there were none. Add one: mail-importer rules add --help")
    return Phrase("There is no rule named {name!r}, and there was none. See: mail-importer rules list", name=name)


def _is_named(change: Change, name: str) -> bool:
    names = (rule.get("sName") for rule in (change.before, change.after) if rule is not None)
    return any(isinstance(each, str) and rules.is_same(each, name) for each in names)


def history_row(change: Change) -> dict[str, Any]:
    """The row of a change, as the command prints it."""
    return {
        "changed": change.changed,
        "rule_id": change.number,
        "rule": change.after.get("sName"),
        "action": str(change.action),
        "who": None if change.author is None else who_of(change),
        "changes": {} if change.action == Action.REMOVED else changes_by_name(change.differences, _PARTS),
    }
