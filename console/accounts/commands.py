"""`mail-importer accounts`: the mailboxes and their state."""

import functools
from dataclasses import fields
from typing import Any, Final

import click
from click.core import ParameterSource
from sqlalchemy import Connection

from console.accounts import views
from console.accounts.bulk import changes_of, export, import_
from console.accounts.folders import folders
from console.accounts.history import show_history
from console.accounts.options import account_options, name_option
from console.accounts.settings import added, change, settings_of
from console.audit import audited, author
from console.changes import Changes
from console.checks.command import require_passed, test
from console.confirmation import confirm
from console.installation import overview_of
from console.invocation import Invocation, account_names, all_account_names, as_stored, example, pass_invocation
from console.loop import run_async
from console.output import Listing, Record, Report, prints_data, tell, wrong_usage
from console.settings import SettingsError
from console.translation.help import Group
from console.wiring.certificate_store import certificate_store
from db.engine import run_reading, run_writing
from db.queries import accounts as table
from db.queries import after_import
from db.queries.filters import Filters
from phrases import Phrase

_RETRIED_AT_ONCE: Final = 500


@click.group(cls=Group, epilog=example("mail-importer accounts list"))
def accounts() -> None:
    """Add, change, show, enable, disable and remove accounts.

    An account is a mailbox, and the application registration and certificate that open it.
    """


@accounts.command(
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
        return _done(number, settings.name, "added", sentence)
    return _done(
        number,
        settings.name,
        "taken_up",
        taken_up.sentence(settings.name),
        taken_up=taken_up.name,
        messages=taken_up.messages,
        import_since=taken_up.import_since,
    )


def _done(account_id: int, name: str, action: str, sentence: Phrase, **facts: object) -> Report:
    return Report({"account_id": account_id, "name": name, "action": action, **facts}, [sentence])


@accounts.command(
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
    return _done(account.account_id, settings.name, "changed" if changes else "unchanged", sentence, changes=changes)


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
    try:
        entries = certificate_store(invocation.settings).list()
    except SettingsError:
        return  # a store this version cannot read; the role that must read it reports this
    there = {entry.certificate.thumbprint for entry in entries if entry.certificate is not None}
    for thumbprint in filter(None, (settings.thumbprint, settings.next_thumbprint)):
        if thumbprint not in there:
            tell(
                Phrase(
                    "Warning: the certificate store of this host, {certificate_store}, holds no certificate "
                    "{thumbprint}. See: mail-importer certificates list",
                    certificate_store=invocation.settings.certificate_store,
                    thumbprint=thumbprint,
                )
            )


@accounts.command("list", epilog=example("mail-importer accounts list", "mail-importer accounts list --json"))
@click.option("--removed", is_flag=True, help="Those that were removed, with the number of their messages.")
@prints_data
@pass_invocation
def list_accounts(invocation: Invocation, removed: bool) -> Listing:
    """List the accounts and their state."""
    if removed:
        with invocation.gateway() as engine:
            rows = run_reading(engine, views.removed_rows)
        return Listing(views.removed_columns(), rows, empty=Phrase("No account was removed."))
    settings, overview = invocation.settings, overview_of(invocation)
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


@accounts.command(epilog=example("mail-importer accounts show laboratory"))
@click.argument("name", callback=as_stored, shell_complete=all_account_names)
@prints_data
@pass_invocation
def show(invocation: Invocation, name: str) -> Record:
    """Show all details of an account, also of one that was removed, by its present name."""
    settings, overview = invocation.settings, overview_of(invocation)
    with invocation.gateway() as engine:
        rows = run_reading(
            engine,
            lambda connection: views.rows(connection, [table.with_removed(connection, name)], settings, overview),
        )
    now = invocation.clock()
    return Record(views.record_columns(settings, now), rows[0])


@accounts.command("retry-actions", epilog=example("mail-importer accounts retry-actions laboratory"))
@click.argument("name", callback=as_stored, shell_complete=account_names)
@click.option(
    "--even-incomplete", is_flag=True, help="Also with messages of which an attachment or the original is not stored."
)
@prints_data
@pass_invocation
def retry_actions(invocation: Invocation, name: str, even_incomplete: bool) -> Report:
    """Retry actions of --after-import that failed.

    The running processors mark, move or delete the messages whose action failed for good, as if they had just been
    imported; nothing is imported again. mail-importer trace shows the reason of each.

    Messages of which something is not in the database are left alone in the mailbox, which may still have it: import
    them again (mail-importer import NAME --id ID --force), and the action follows.
    """
    done, incomplete = run_async(_retried(invocation, name, even_incomplete))
    sentences = [
        Phrase.counted(
            "{n} action of account {name!r} is due again. A running processor takes it up within seconds.",
            "{n} actions of account {name!r} are due again. A running processor performs them within seconds.",
            n=done,
            name=name,
        )
    ]
    if incomplete:
        sentences.append(
            Phrase.counted(
                "{n} message is not all in the database and was left out. Import it anew, or add --even-incomplete.",
                "{n} messages are not all in the database and were left out. Import them again, or add "
                "--even-incomplete.",
                n=incomplete,
            )
        )
    facts = {"name": name, "action": "retry-actions", "actions": done, "incomplete": incomplete}
    return Report(facts, sentences)


async def _retried(invocation: Invocation, name: str, even_incomplete: bool) -> tuple[int, int]:
    """Return the number of actions that are due again, and of those left out because their messages are incomplete."""
    now = invocation.clock()
    retried, last = 0, 0
    async with invocation.database() as database:
        account_id = (await database.read(lambda connection: table.by_name(connection, name))).account_id
        selection = f"{name} --even-incomplete" if even_incomplete else name
        async with audited(
            database, action="retry-actions", selection=selection, done=lambda: retried, clock=invocation.clock
        ):
            while True:
                again = functools.partial(
                    after_import.retry_failed,
                    account_id=account_id,
                    after=last,
                    now=now,
                    limit=_RETRIED_AT_ONCE,
                    even_incomplete=even_incomplete,
                )
                numbers = await database.write(again)
                if not numbers:
                    break
                retried, last = retried + len(numbers), numbers[-1]
        incomplete = await database.read(lambda connection: after_import.count_incomplete(connection, account_id))
    return retried, incomplete


@accounts.command(epilog=example("mail-importer accounts enable laboratory"))
@click.argument("name", callback=as_stored, shell_complete=account_names)
@prints_data
@pass_invocation
def enable(invocation: Invocation, name: str) -> Report:
    """Enable an account.

    The running subscription manager creates its subscription at once.
    """
    return _switched(invocation, name, True, Phrase("Account {name!r} is enabled.", name=name))


@accounts.command(epilog=example("mail-importer accounts disable laboratory"))
@click.argument("name", callback=as_stored, shell_complete=account_names)
@prints_data
@pass_invocation
def disable(invocation: Invocation, name: str) -> Report:
    """Disable an account.

    The running subscription manager deletes its subscription; its settings and messages stay.
    """
    return _switched(invocation, name, False, Phrase("Account {name!r} is disabled.", name=name))


def _switched(invocation: Invocation, name: str, enabled: bool, sentence: Phrase) -> Report:
    def work(connection: Connection) -> table.Account:
        table.set_enabled(connection, name, enabled, now=invocation.clock(), author=author())
        return table.by_name(connection, name)

    with invocation.gateway() as engine:
        account = run_writing(engine, work)
    return _done(account.account_id, name, "enabled" if enabled else "disabled", sentence)


@accounts.command(epilog=example("mail-importer accounts remove laboratory"))
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
        confirm(Phrase.joined(*_removal(account, messages), by="\n"), yes=yes)
        present = run_writing(
            engine, lambda connection: table.mark_removed(connection, name, now=invocation.clock(), author=author())
        )
    sentence = Phrase.counted(
        "Account {name!r} is removed; it is called {present!r} now. The {n} message that it imported stays in the "
        "database.",
        "Account {name!r} is removed; it is called {present!r} now. The {n} messages that it imported stay in the "
        "database.",
        n=messages,
        name=name,
        present=present,
    )
    return _done(account.account_id, name, "removed", sentence, present_name=present, messages=messages)


def _removal(account: table.Account, messages: int) -> list[Phrase]:
    """The effects of the removal, a line each, and the question."""
    return [
        Phrase("Its subscription at Microsoft Graph is deleted, and its mail is no longer imported."),
        Phrase("What of it waits in the queue is dropped; its dead letters stay, and are no problem any more."),
        Phrase.counted(
            "The {n} message that it imported stays in the database, and so do the files saved of it.",
            "The {n} messages that it imported stay in the database, and so do the files saved of them.",
            n=messages,
        ),
        Phrase("Its row stays, marked as removed: adding the same mailbox and folder again takes it up."),
        Phrase(
            "Remove the account {name!r} ({user_id})?", name=account.settings.name, user_id=account.settings.user_id
        ),
    ]


accounts.add_command(test)
accounts.add_command(folders)
accounts.add_command(export)
accounts.add_command(import_)
accounts.add_command(show_history)
