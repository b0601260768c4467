"""`accounts add` and `accounts update`: the settings of an account."""

from dataclasses import fields
from typing import Any

import click
from click.core import ParameterSource
from sqlalchemy import Connection

from console.accounts.actions import missing_certificates
from console.accounts.bulk import changes_of
from console.accounts.options import account_options, name_option
from console.accounts.reports import done
from console.accounts.settings import added, change, settings_of
from console.audit import author
from console.changes import Changes
from console.checks.command import require_passed
from console.invocation import Invocation, account_names, as_stored, example, pass_invocation
from console.output import Report, prints_data, tell, wrong_usage
from console.translation.help import Command
from db.engine import run_writing
from db.queries import accounts as table
from db.queries.filters import Filters
from phrases import Phrase


@click.command(
    cls=Command,
    params=[
        name_option("--name", required=True, help="What the account is called here."),
        *account_options(adding=True),
    ],
    epilog=example(
        "mail-importer accounts add --name laboratory \\",
        "  --tenant-id 11111111-2222-3333-4444-555555555555 \\",
        "  --client-id 66666666-7777-8888-9999-aaaaaaaaaaaa \\",
        "  --user-id bbbbbbbb-cccc-dddd-eeee-ffffffffffff \\",
        "  --thumbprint 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B",
    ),
)
@click.option("--test", "tested", is_flag=True, help="Test it first as `accounts test` does; add it if nothing failed.")
@click.option("--allow-shared", is_flag=True, help="With --test: a shared mailbox passes.")
@prints_data
@pass_invocation
def add(
    invocation: Invocation,
    /,
    tested: bool,
    allow_shared: bool,
    **given: Any,  # noqa: ANN401  # the options, by click's names
) -> Report:
    """Add an account, enabled at once.

    A removed account of the same mailbox and folder is taken up again: it gets these settings, and keeps its number and
    its messages. Without --import-since it imports since the same time as before, so mail that arrived meanwhile, too.
    Nothing is imported twice, and what `db purge` deleted stays away.
    """
    if allow_shared and not tested:
        raise wrong_usage(Phrase("--allow-shared goes with --test."))
    settings = settings_of(given, invocation.clock())
    if tested:
        require_passed(invocation, settings, allow_shared=allow_shared)
    source = click.get_current_context().get_parameter_source("import_since")
    with invocation.gateway() as engine:
        number, taken_up = run_writing(
            engine,
            lambda connection: added(
                connection,
                settings,
                since_given=source is not ParameterSource.DEFAULT,
                now=invocation.clock(),
                author=author(),
            ),
        )
    _warn_of_missing_certificates(invocation, settings)
    if taken_up is None:
        sentence = Phrase("Account {name!r} is added and enabled.", name=settings.name)
        return done(number, settings.name, "added", sentence)
    return done(
        number,
        settings.name,
        "taken_up",
        taken_up.sentence(settings.name),
        taken_up=taken_up.name,
        messages=taken_up.messages,
        import_since=taken_up.import_since,
    )


@click.command(
    cls=Command,
    params=[
        name_option("--rename", metavar="NEW", help="What the account is to be called."),
        *account_options(adding=False),
    ],
    epilog=example(
        "mail-importer accounts update laboratory --folder Archive",
        "mail-importer accounts update laboratory \\",
        "  --next-thumbprint 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B",
    ),
)
@click.argument("name", callback=as_stored, shell_complete=account_names)
@click.option("--no-next-thumbprint", is_flag=True, help="Remove the next certificate.")
@click.option("--no-filters", is_flag=True, help="Of the filters, only those given here are in force.")
@click.option("--no-console-access", is_flag=True, help="Show the mail to all users of the web console.")
@prints_data
@pass_invocation
def update(
    invocation: Invocation,
    /,
    name: str,
    no_next_thumbprint: bool,
    no_filters: bool,
    no_console_access: bool,
    **given: Any,  # noqa: ANN401  # see `add`
) -> Report:
    """Change settings of an account; those not given stay.

    The running subscription manager and processors apply them within seconds. Filters apply to mail that is processed
    from then on; `mail-importer import` applies them again to what they left out before.
    """
    changes = _changes(given, no_next_thumbprint, no_filters, no_console_access)

    def work(connection: Connection) -> tuple[table.AccountSettings, Changes, table.Account]:
        before = table.by_name(connection, name)
        settings = change(connection, name, changes, now=invocation.clock(), author=author())
        account = table.by_name(connection, settings.name)
        return settings, changes_of(before, account), account

    with invocation.gateway() as engine:
        settings, changes, account = run_writing(engine, work)
    if account.unreadable_because is not None:
        tell(account.unreadable_because)
    _warn_of_missing_certificates(invocation, settings)
    sentence = Phrase(
        "Account {name!r} is changed. A running subscription manager applies it within seconds.", name=settings.name
    )
    return done(account.account_id, settings.name, "changed" if changes else "unchanged", sentence, changes=changes)


def _changes(
    given: dict[str, Any], no_next_thumbprint: bool, no_filters: bool, no_console_access: bool
) -> dict[str, Any]:
    """The settings to change, of the options that are given."""
    found = {key: value for key, value in given.items() if value not in {None, ()}}
    if no_next_thumbprint and "next_thumbprint" in found:
        raise wrong_usage(Phrase("--next-thumbprint and --no-next-thumbprint exclude each other."))
    if no_console_access and "console_access" in found:
        raise wrong_usage(Phrase("--console-access and --no-console-access exclude each other."))
    if not found and not (no_next_thumbprint or no_filters or no_console_access):
        raise wrong_usage(Phrase("Name the settings to change. See: mail-importer accounts update --help"))
    if no_next_thumbprint:
        found["next_thumbprint"] = None
    if no_console_access:
        found["console_access"] = ()
    if no_filters:
        found = {each.name: each.default for each in fields(Filters)} | found
    return found


def _warn_of_missing_certificates(invocation: Invocation, settings: table.AccountSettings) -> None:
    for each in missing_certificates(invocation.settings, settings):
        tell(each)
