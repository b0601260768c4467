"""`mail-importer delivery`: list the files of import rules."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.delivery.bulk import retry, skip
from console.invocation import (
    Invocation,
    account_names,
    as_stored,
    example,
    moment,
    pass_invocation,
    rule_names,
)
from console.output import Column, Listing, prints_data, shown, span, tell
from console.translation.help import Command, Group
from console.translation.labels import FILE_COLOURS, word
from db.engine import run_reading
from db.outcomes import FileState
from db.queries import accounts, file_log
from db.queries.file_log import FileCriteria, LoggedFile
from phrases import Phrase

_MAX_LISTED: Final = 1000


@click.group(cls=Group, epilog=example("mail-importer delivery list --state failed"))
def delivery() -> None:
    """List the files that import rules save, retry those that failed, and give files up.

    The rules themselves: mail-importer rules. The role that saves them: mail-importer run delivery.
    """


@delivery.command(
    "list",
    cls=Command,
    epilog=example(
        "mail-importer delivery list --state failed",
        "mail-importer delivery list --rule results --since 2h",
        "mail-importer delivery list --folder /srv/import/results --json",
    ),
)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(each) for each in FileState]),
    help="In this state; may be repeated.",
)
@click.option("--rule", metavar="NAME", callback=as_stored, shell_complete=rule_names, help="Only files of this rule.")
@click.option(
    "--account",
    metavar="NAME",
    callback=as_stored,
    shell_complete=account_names,
    help="Only files of the mail of this account.",
)
@click.option("--folder", metavar="DIR", callback=as_stored, help="Only files for this folder.")
@click.option(
    "--message",
    "message_id",
    metavar="ID",
    type=click.IntRange(1, 2**63 - 1),
    help="Only files of this message (nMessageID).",
)
@click.option(
    "--since",
    metavar="T",
    callback=moment,
    help="Selected by a rule at this time or later (2h, 3d, today, 29.11.2026, ISO 8601; UTC unless it has an offset).",
)
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_LISTED),
    default=50,
    show_default=True,
    help="List at most so many, newest first.",
)
@prints_data
@pass_invocation
def list_(
    invocation: Invocation,
    /,
    states: Sequence[str],
    rule: str | None,
    account: str | None,
    message_id: int | None,
    limit: int,
    **given: Any,  # noqa: ANN401  # the other criteria, by their names
) -> Listing:
    """List files, newest first by the time at which a rule selected them.

    States: pending, to be saved; saved; failed, not tried again; skipped, given up by an operator, or with the file
    that it describes. A pending file whose attempts failed has the reason, and waits for its folder or for its next
    attempt.

    A rule that was removed is named by its number, also for --rule. `delivery retry --id` takes the value of FILE.
    """

    def read(connection: Connection) -> list[LoggedFile]:
        criteria = FileCriteria(
            states=[FileState(each) for each in states] or None,
            rule_id=None if rule is None else file_log.rule_number(connection, rule),
            account_id=None if account is None else accounts.with_removed(connection, account).account_id,
            message_id=message_id,
            **given,
        )
        return file_log.page(connection, criteria, limit=limit + 1)

    with invocation.gateway() as engine:
        found = run_reading(engine, read)
    if len(found) > limit:
        del found[limit:]
        more = Phrase("These are the newest {limit}; there are more (--limit, --since).", limit=limit)
        click.get_current_context().call_on_close(lambda: tell(more))  # below the list
    now = invocation.clock()
    columns = [
        Column("file_id", Phrase("File"), right=True),
        Column("created", Phrase("Age"), lambda time: span(now - time), priority=2),
        Column("state", Phrase("State"), word, priority=6, colour=_colour),
        Column("rule", Phrase("Rule"), priority=4),
        Column("account", Phrase("Account"), priority=1),
        Column("name", Phrase("Name"), priority=5),
        Column("folder", Phrase("Folder"), priority=3),
        Column("attempts", Phrase("Attempts"), right=True),
    ]
    details = [
        Column("reason", Phrase("Reason"), _where_known),
        Column("detail", Phrase("Cause"), _where_known),
        Column("next_attempt", Phrase("Next attempt"), lambda time: _next(time, now)),
    ]
    return Listing(columns, [_row(each) for each in found], empty=Phrase("No file fits."), details=details)


delivery.add_command(retry)
delivery.add_command(skip)


def _colour(row: Mapping[str, Any]) -> str | None:
    if row["state"] == FileState.PENDING and row["attempts"]:
        return "yellow"
    return FILE_COLOURS.get(row["state"])


def _where_known(value: object) -> str:
    return "" if value is None else shown(value)


def _next(time: datetime | None, now: datetime) -> str:
    if time is None:
        return ""
    return Phrase("due") if time <= now else shown(time)


def _row(found: LoggedFile) -> dict[str, Any]:
    row = asdict(found)
    failing = found.state == FileState.PENDING and found.attempts > 0
    return {
        **{name: row[name] for name in ("file_id", "state", "message_id", "account_id", "rule_id")},
        "account": found.account or str(found.account_id),
        "rule": found.rule or str(found.rule_id),
        **{name: row[name] for name in ("part", "name", "folder", "target", "size", "attempts", "reason", "detail")},
        "next_attempt": found.due if failing else None,
        "retry_until": found.retry_until if failing else None,
        **{name: row[name] for name in ("created", "due", "saved", "run")},
    }
