"""`accounts enable`, `disable`, `remove` and `retry-actions`."""

from dataclasses import asdict

import click
from sqlalchemy import Connection

from console.accounts.actions import (
    Retried,
    removal,
    removal_question,
    removed_sentence,
    retried,
    retried_sentences,
    switched_sentence,
)
from console.accounts.reports import done
from console.audit import author
from console.confirmation import confirm
from console.invocation import Invocation, account_names, as_stored, example, pass_invocation
from console.loop import run_async
from console.output import Report, prints_data
from console.translation.help import Command
from db.engine import run_reading, run_writing
from db.queries import accounts as table
from phrases import Phrase


@click.command("retry-actions", cls=Command, epilog=example("mail-importer accounts retry-actions laboratory"))
@click.argument("name", callback=as_stored, shell_complete=account_names)
@click.option(
    "--even-incomplete", is_flag=True, help="Also with messages of which an attachment or the original is not stored."
)
@prints_data
@pass_invocation
def retry_actions(invocation: Invocation, name: str, even_incomplete: bool) -> Report:
    """Retry actions of --after-import that failed.

    The running processors mark, move or delete the messages whose action failed for good, as if they had just been
    imported; nothing is imported again. mail-importer trace shows the reason of each. Actions other than the present
    --after-import of the account are left out.

    Messages of which something is not in the database are left alone in the mailbox, which may still have it: import
    them again (mail-importer import NAME --id ID --force), and the action follows.
    """

    async def work() -> Retried:
        async with invocation.database() as database:
            return await retried(database, name, even_incomplete=even_incomplete, clock=invocation.clock, by=author())

    result = run_async(work())
    facts = {"name": name, "action": "retry-actions", **asdict(result)}
    return Report(facts, retried_sentences(name, result))


@click.command(cls=Command, epilog=example("mail-importer accounts enable laboratory"))
@click.argument("name", callback=as_stored, shell_complete=account_names)
@prints_data
@pass_invocation
def enable(invocation: Invocation, name: str) -> Report:
    """Enable an account.

    The running subscription manager creates its subscription at once.
    """
    return _switched(invocation, name, enabled=True)


@click.command(cls=Command, epilog=example("mail-importer accounts disable laboratory"))
@click.argument("name", callback=as_stored, shell_complete=account_names)
@prints_data
@pass_invocation
def disable(invocation: Invocation, name: str) -> Report:
    """Disable an account.

    The running subscription manager deletes its subscription; its settings and messages stay.
    """
    return _switched(invocation, name, enabled=False)


def _switched(invocation: Invocation, name: str, *, enabled: bool) -> Report:
    def work(connection: Connection) -> table.Account:
        table.set_enabled(connection, name, enabled, now=invocation.clock(), author=author())
        return table.by_name(connection, name)

    with invocation.gateway() as engine:
        account = run_writing(engine, work)
    return done(
        account.account_id, name, "enabled" if enabled else "disabled", switched_sentence(name, enabled=enabled)
    )


@click.command(cls=Command, epilog=example("mail-importer accounts remove laboratory"))
@click.argument("name", callback=as_stored, shell_complete=account_names)
@click.option("--yes", is_flag=True, help="Do not prompt.")
@prints_data
@pass_invocation
def remove(invocation: Invocation, name: str, yes: bool) -> Report:
    """Remove an account; its messages stay.

    Prompts first. The running subscription manager deletes its subscription at Microsoft Graph. Its row stays, marked
    as removed, and `accounts add` of the same mailbox and folder takes it up again; its name is free at once.
    """

    def read(connection: Connection) -> tuple[table.Account, int]:
        account = table.by_name(connection, name)
        return account, table.imported_count(connection, account.account_id)

    with invocation.gateway() as engine:
        account, messages = run_reading(engine, read)
        confirm(Phrase.joined(*removal(messages), removal_question(account), by="\n"), yes=yes)
        present = run_writing(
            engine, lambda connection: table.mark_removed(connection, name, now=invocation.clock(), author=author())
        )
    sentence = removed_sentence(name, present, messages)
    return done(account.account_id, name, "removed", sentence, present_name=present, messages=messages)
