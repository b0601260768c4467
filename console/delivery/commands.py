"""`mail-importer delivery`: list the files of import rules."""

from collections.abc import Sequence
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.delivery.views import file_columns, file_details, file_row
from console.invocation import (
    Invocation,
    account_names,
    as_stored,
    example,
    moment,
    pass_invocation,
    rule_names,
)
from console.lazy_commands import LazyCommand, LazyGroup
from console.output import Listing, prints_data, tell
from console.translation.help import Command
from db.engine import run_reading
from db.outcomes import FileState
from db.queries import accounts, file_log
from db.queries.file_log import FileCriteria, LoggedFile
from phrases import Phrase

_MAX_LISTED: Final = 1000


@click.group(
    cls=LazyGroup,
    lazy={
        "retry": LazyCommand("console.delivery.bulk:retry"),
        "skip": LazyCommand("console.delivery.bulk:skip"),
    },
    epilog=example("mail-importer delivery list --state failed"),
)
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
    rows = [file_row(each) for each in found]
    return Listing(file_columns(now), rows, empty=Phrase("No file fits."), details=file_details(now))
