"""`mail-importer accounts export` and `import`: many accounts as a file.

Each value of a file is checked by the option of `accounts add` that it stands for.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from sqlalchemy import Connection

from console.accounts import files
from console.accounts.options import account_options, name_option
from console.accounts.settings import TakenUp, added, change, settings_of
from console.audit import author
from console.bulk_entries import DesiredEntry, EntryCheck, missing_options, with_defaults
from console.bulk_files import Entry, UnreadableFile
from console.changes import Changes, changes_between, import_columns
from console.files import written
from console.invocation import Invocation, example, pass_invocation
from console.option_checks import has_attachments_word
from console.output import Column, Listing, failure, prints_data, tell, wrong_usage
from console.translation.help import Command
from console.translation.language import translated
from db.engine import run_reading, run_writing
from db.errors import AccountExists
from db.queries import accounts as table
from db.queries.dry_run import rolled_back
from db.queries.filters import Filters
from phrases import Phrase

_OWN_NAMES: Final = {"move_to_folder": "move_to"}
"""Settings whose option has another name."""


@dataclass(slots=True)
class _Row:
    """The outcome for one account of a file."""

    place: str
    name: str
    action: str
    changes: Changes
    taken_up: TakenUp | None = None


# --- Export ---


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer accounts export --output accounts.csv", "mail-importer accounts export --format toml"
    ),
)
@click.option("--format", "form", type=click.Choice(files.FORMATS), help="Else as the name of the file ends.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to; else standard output.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@pass_invocation
def export(invocation: Invocation, form: str | None, output: Path | None, force: bool) -> None:
    """Write all accounts to a file, which `accounts import` reads.

    No secret is in it: a thumbprint opens nothing without its key.
    """
    form = form or (None if output is None else files.format_of(output)) or "csv"
    with invocation.gateway() as engine:
        found = run_reading(engine, table.every)
    for account in found:
        if account.unreadable_because is not None:
            tell(account.unreadable_because)
    text = files.written([_exported(each) for each in found], form, names=_names_in_file())
    if output is None:
        click.echo(text.encode(), nl=False)
        return
    # The byte order mark lets spreadsheets detect UTF-8.
    with written(output, force=force) as file:
        file.write(text.encode("utf-8-sig" if form == "csv" else "utf-8"))
    tell(Phrase.counted("{n} account is in {path}.", "{n} accounts are in {path}.", n=len(found), path=output))


def _names_in_file() -> list[str]:
    settings = [
        _OWN_NAMES.get(each.name, each.name) for each in fields(table.AccountSettings) if each.name != "filters"
    ]
    return [*settings, "enabled", *(each.name for each in fields(Filters))]


def _exported(account: table.Account) -> dict[str, Any]:
    settings: dict[str, Any] = {_OWN_NAMES.get(name, name): value for name, value in asdict(account.settings).items()}
    filters: dict[str, Any] = settings.pop("filters")
    filters["has_attachments"] = has_attachments_word(filters["has_attachments"])
    return settings | {"enabled": account.enabled} | filters


# --- Import ---


@click.command(
    "import",
    cls=Command,
    epilog=example(
        "mail-importer accounts import accounts.csv --dry-run", "mail-importer accounts import accounts.toml"
    ),
)
@click.argument("file", type=click.File("rb"))
@click.option("--format", "form", type=click.Choice(files.FORMATS), help="Else as the name of the file ends.")
@click.option("--dry-run", is_flag=True, help="Report what would be done, and change nothing.")
@prints_data
@pass_invocation
def import_(invocation: Invocation, file: BinaryIO, form: str | None, dry_run: bool) -> Listing:
    """Add and change the accounts of a file: all of them, or none.

    FILE is CSV with a heading, or TOML with a table [[account]] for each, with the names that `accounts export` writes.
    In CSV the entries of a list, such as senders, are in one cell, a line each.

    An account of that name is changed, any other is added; as `accounts add` does, that takes up a removed account of
    the same mailbox and folder. Settings that the file does not name stay as they are. An
    empty cell removes an optional setting, such as a filter; any other empty cell is ignored.
    """
    accounts = EntryCheck(_options()).of(_read(file, form))
    rows: list[_Row] = []

    def work(connection: Connection) -> None:
        known = {each.settings.name.casefold(): each for each in table.every(connection)}
        rows[:] = [
            _carry_out(connection, desired, known.get(desired.name.casefold()), invocation.clock())
            for desired in accounts
        ]

    with invocation.gateway() as engine:
        if dry_run:
            rolled_back(engine, work)
            tell(Phrase("Nothing was changed: this was a dry run."))
        else:
            run_writing(engine, work)
    for each in rows:
        if each.taken_up is not None:
            tell(each.taken_up.sentence(each.name))
    return _listing(rows)


def _read(file: BinaryIO, form: str | None) -> list[Entry]:
    form = form or files.format_of(Path(file.name))
    if form is None:
        raise wrong_usage(Phrase("The name of the file shows no format. Add --format csv, or toml."))
    try:
        return files.read(file.read(), form)
    except UnreadableFile as exc:
        raise failure(Phrase("{path}: {reason}", path=file.name, reason=exc.args[0])) from exc


def _options() -> dict[str, click.Option]:
    """The options of `accounts add` that define an account."""
    name = name_option("--name", required=True, help="")
    return {str(each.name): each for each in (name, *account_options(adding=True))}


def _with_defaults(given: dict[str, Any]) -> dict[str, Any]:
    """All options of a new account."""
    options = _options()
    missing = missing_options(options, given)
    if missing:
        raise wrong_usage(Phrase("A new account needs {names} as well.", names=", ".join(missing)))
    return with_defaults(options, given)


def _carry_out(connection: Connection, desired: DesiredEntry, account: table.Account | None, now: datetime) -> _Row:
    """Add the account, or change the existing one."""
    name = desired.name if account is None else account.settings.name
    taken_up: TakenUp | None = None
    try:
        if account is None:
            settings = settings_of(_with_defaults({"name": name, **desired.given}), now)
            _, taken_up = added(
                connection,
                settings,
                since_given=desired.given.get("import_since") is not None,
                now=now,
                author=author(),
            )
        else:
            change(connection, name, desired.given, now=now, author=author())
        if desired.enabled is not None and desired.enabled != (account is None or account.enabled):
            table.set_enabled(connection, name, desired.enabled, now=now, author=author())
    except (AccountExists, click.UsageError) as exc:
        reason = exc.message if isinstance(exc, click.UsageError) else Phrase.of(exc)
        raise failure(
            Phrase(
                "Nothing was changed. {place}, account {name!r}: {reason}",
                place=desired.place,
                name=name,
                reason=reason,
            )
        ) from exc
    differences = changes_of(account, table.by_name(connection, name))
    action = "added" if account is None else "changed" if differences else "unchanged"
    if taken_up is not None:
        action = "taken_up"
    return _Row(translated(desired.place), name, action, differences, taken_up)


def changes_of(account: table.Account | None, now: table.Account) -> Changes:
    """Return what differs between an account, None if it is new, and its present state."""
    return changes_between({} if account is None else _exported(account), _exported(now))


def _listing(rows: Sequence[_Row]) -> Listing:
    columns = import_columns(Column("name", Phrase("Account"), priority=2))
    data = [
        {
            "place": each.place,
            "name": each.name,
            "action": each.action,
            "changes": each.changes,
        }
        for each in rows
    ]
    return Listing(columns, data, empty=Phrase("The file holds no account."))
