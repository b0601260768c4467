"""`accounts list` and `accounts show`: the accounts and their state."""

import click

from console.accounts import views
from console.installation import overview_of
from console.invocation import Invocation, all_account_names, as_stored, example, pass_invocation
from console.output import Listing, Record, prints_data, tell
from console.translation.help import Command
from db.engine import run_reading
from db.queries import accounts as table
from phrases import Phrase


@click.command("list", cls=Command, epilog=example("mail-importer accounts list", "mail-importer accounts list --json"))
@click.option("--removed", is_flag=True, help="Those that were removed, with the number of their messages.")
@prints_data
@pass_invocation
def list_accounts(invocation: Invocation, removed: bool) -> Listing:
    """List the accounts and their state."""
    if removed:
        with invocation.gateway() as engine:
            rows = run_reading(
                engine, lambda connection: views.removed_rows(connection, table.every_removed(connection))
            )
        return Listing(views.removed_columns(), rows, empty=Phrase("No account was removed."))
    settings, overview = invocation.settings, overview_of(invocation, with_certificates=False)
    with invocation.gateway() as engine:
        rows = run_reading(
            engine, lambda connection: views.rows(connection, table.every(connection), settings, overview)
        )
    now = invocation.clock()
    shared = [each for each in overview.problems if each.account_id is None]
    for each in shared:
        tell(Phrase.verbatim(each.text))
    if shared:
        tell(Phrase("More: {command}", command="mail-importer status"))
    return Listing(
        views.list_columns(rows, settings, now),
        rows,
        empty=Phrase("There are no accounts. Add one: mail-importer accounts add --help"),
    )


@click.command(cls=Command, epilog=example("mail-importer accounts show laboratory"))
@click.argument("name", callback=as_stored, shell_complete=all_account_names)
@prints_data
@pass_invocation
def show(invocation: Invocation, name: str) -> Record:
    """Show all details of an account, also of one that was removed, by its present name."""
    settings, overview = invocation.settings, overview_of(invocation, with_certificates=False)
    with invocation.gateway() as engine:
        rows = run_reading(
            engine,
            lambda connection: views.rows(connection, [table.with_removed(connection, name)], settings, overview),
        )
    now = invocation.clock()
    return Record(views.record_columns(settings, now), rows[0])
