"""`mail-importer accounts export` and `import`: many accounts as a file; and `history`: what became of their settings.

Each value of a file is checked as the option of `accounts add` that it stands for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from sqlalchemy import Connection

from console import account_files
from console.account_files import LIST_SEPARATOR, Entry, UnreadableFile
from console.commands import Invocation, account_names, as_stored, example, pass_invocation
from console.language import said
from console.operators import author
from console.output import Column, Listing, failure, prints_data, shown, tell, wrong_usage
from console.speaking import Command
from db import accounts as table
from db import history
from db.engine import run_reading, run_writing
from db.errors import AccountExists
from db.filters import Filters
from db.history import Action, Change, Value
from phrases import Phrase

_NO_SETTINGS: Final = frozenset({"tested"})
"""Options of `accounts add` that say what to do, not what an account is."""
_OWN_NAMES: Final = {"move_to_folder": "move_to"}
"""Settings whose option has another name."""
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
}
"""Columns by the name that a person knows the setting by."""

SettingsOf = Callable[[dict[str, Any], datetime], table.AccountSettings]
"""Makes settings of options, or raises click.UsageError."""
ChangeTo = Callable[[Connection, str, dict[str, Any], datetime], table.AccountSettings]
"""Gives the account of that name what is given, and keeps the rest; raises the same."""


class _Rollback(Exception):
    """A dry run is at its end: nothing of it is kept."""


@dataclass(slots=True)
class _Row:
    """What became of one account of a file."""

    place: str
    name: str
    action: str
    differences: dict[str, tuple[Value, Value]]


# --- Export ---


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer accounts export --output accounts.csv", "mail-importer accounts export --format toml"
    ),
)
@click.option("--format", "form", type=click.Choice(account_files.FORMATS), help="Else as the name of the file ends.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to; else standard output.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@pass_invocation
def export(invocation: Invocation, form: str | None, output: Path | None, force: bool) -> None:
    """Write all accounts to a file, which `accounts import` reads.

    No secret is in it: a thumbprint opens nothing without its key.
    """
    form = form or (None if output is None else account_files.format_of(output)) or "csv"
    with invocation.gateway() as engine:
        found = run_reading(engine, table.every)
    text = account_files.written([_exported(each) for each in found], form, names=_names_in_file())
    if output is None:
        click.echo(text.encode(), nl=False)
        return
    try:
        # With a mark, by which spreadsheets know UTF-8.
        with output.open("w" if force else "x", encoding="utf-8-sig" if form == "csv" else "utf-8", newline="") as file:
            file.write(text)
    except FileExistsError as exc:
        raise failure(
            Phrase("There is a file {path} already. Choose another name, or add --force.", path=output)
        ) from exc
    except OSError as exc:
        raise failure(Phrase("{path} cannot be written: {reason}.", path=output, reason=exc.strerror)) from exc
    tell(Phrase.counted("{n} account is in {path}.", "{n} accounts are in {path}.", n=len(found), path=output))


def _names_in_file() -> list[str]:
    settings = [
        _OWN_NAMES.get(each.name, each.name) for each in fields(table.AccountSettings) if each.name != "filters"
    ]
    return [*settings, "enabled", *(each.name for each in fields(Filters))]


def _exported(account: table.Account) -> dict[str, Any]:
    settings: dict[str, Any] = {_OWN_NAMES.get(name, name): value for name, value in asdict(account.settings).items()}
    filters: dict[str, Any] = settings.pop("filters")
    if filters["has_attachments"] is not None:
        filters["has_attachments"] = "yes" if filters["has_attachments"] else "no"
    return settings | {"enabled": account.enabled} | filters


# --- Import ---


def importing(add: click.Command, settings_of: SettingsOf, change: ChangeTo) -> click.Command:
    """The command `import`; `add`: the one whose options say what an account is."""

    @click.command(
        "import",
        cls=Command,
        epilog=example(
            "mail-importer accounts import accounts.csv --dry-run", "mail-importer accounts import accounts.toml"
        ),
    )
    @click.argument("file", type=click.File("rb"))
    @click.option(
        "--format", "form", type=click.Choice(account_files.FORMATS), help="Else as the name of the file ends."
    )
    @click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
    @prints_data
    @pass_invocation
    def import_(invocation: Invocation, file: BinaryIO, form: str | None, dry_run: bool) -> Listing:
        """Add and change many accounts, as a file says: all of them, or none.

        FILE is CSV with a heading, or TOML with a table [[account]] for each, with the names that `accounts export`
        writes. In CSV the entries of a list, such as senders, stand in one cell, a line each.

        An account of that name is changed, any other is added. Settings that the file does not name stay as they are.
        An empty cell means what `accounts add` takes when the option is not given.
        """
        entries = _read(file, form)
        now = invocation.clock()
        orders = _Orders(add).of(entries)
        with invocation.gateway() as engine:
            rows: list[_Row] = []

            def completed(given: dict[str, Any]) -> table.AccountSettings:
                return settings_of(_with_defaults(add, given), now)

            def work(connection: Connection) -> None:
                rows[:] = [_carry_out(connection, order, completed, change, now) for order in orders]
                if dry_run:
                    raise _Rollback

            try:
                run_writing(engine, work)
            except _Rollback:
                tell(Phrase("Nothing was changed: this was a dry run."))
        return _told(rows)

    return import_


def _read(file: BinaryIO, form: str | None) -> list[Entry]:
    form = form or account_files.format_of(Path(file.name))
    if form is None:
        raise wrong_usage(Phrase("The name of the file does not tell its format. Add --format csv, or toml."))
    try:
        return account_files.read(file.read(), form)
    except UnreadableFile as exc:
        raise failure(Phrase("{path}: {reason}", path=file.name, reason=exc.args[0])) from exc


@dataclass(frozen=True, slots=True)
class _Order:
    """One account as it is to be. `given`: the options that the file names; `enabled`: None when it does not say."""

    place: Phrase
    name: str
    given: dict[str, Any]
    enabled: bool | None


class _Orders:
    """Checks what a file says, by the options of `accounts add`, and collects all that is wrong with it."""

    def __init__(self, add: click.Command) -> None:
        self._options = _options(add)
        self._context = click.Context(add)
        self._defaults = _defaults(add)
        self._problems: list[Phrase] = []

    def of(self, entries: Sequence[Entry]) -> list[_Order]:
        """What is to be done.

        Raises:
            click.ClickException: with all that is wrong.
        """
        with self._context:
            orders = [order for each in entries if (order := self._order(each)) is not None]
        self._check_names(orders)
        if self._problems:
            raise failure(Phrase.joined(Phrase("Nothing was changed."), *self._problems, by="\n  "))
        return orders

    def _order(self, entry: Entry) -> _Order | None:
        before = len(self._problems)
        unknown = sorted(name for name in entry.values if name not in {*self._options, "enabled"})
        if unknown:
            self._problem(entry, Phrase("there is no setting {names}.", names=", ".join(unknown)))
        given = {name: self._value(entry, name) for name in entry.values if name in self._options}
        enabled = self._enabled(entry)
        if "name" not in entry.values:
            self._problem(entry, Phrase("it has no name."))
        if len(self._problems) > before:
            return None
        return _Order(entry.place, given.pop("name"), given, enabled)

    def _value(self, entry: Entry, name: str) -> Any:  # noqa: ANN401  # whatever the option gives
        option, text = self._options[name], entry.values[name]
        value: object = text
        if isinstance(text, str):
            value = [each for each in text.split(LIST_SEPARATOR) if each] if option.multiple else text or None
        if not value:
            if option.required:
                self._problem(entry, Phrase("{name} is empty.", name=name))
            return self._defaults[name]
        try:
            return option.process_value(self._context, value)
        except click.BadParameter as exc:
            self._problem(entry, Phrase("{name}: {reason}", name=name, reason=exc.message))
        return None

    def _enabled(self, entry: Entry) -> bool | None:
        text = entry.values.get("enabled")
        if text is None:
            return None
        try:
            return bool(click.BOOL.convert(text or "true", None, self._context))
        except click.BadParameter as exc:
            self._problem(entry, Phrase("{name}: {reason}", name="enabled", reason=exc.message))
        return None

    def _check_names(self, orders: Sequence[_Order]) -> None:
        first: dict[str, _Order] = {}
        for order in orders:
            other = first.setdefault(order.name.casefold(), order)
            if other is not order:
                self._problems.append(
                    Phrase(
                        "{place}: the name {name!r} stands in {other}, too.",
                        place=order.place,
                        name=order.name,
                        other=other.place,
                    )
                )

    def _problem(self, entry: Entry, problem: Phrase) -> None:
        self._problems.append(Phrase("{place}: {problem}", place=entry.place, problem=problem))


def _options(add: click.Command) -> dict[str, click.Option]:
    options = (each for each in add.params if isinstance(each, click.Option))
    return {each.name: each for each in options if each.name and each.name not in _NO_SETTINGS}


def _defaults(add: click.Command) -> dict[str, Any]:
    """What the options are that nobody gives."""
    # Resilient: it does not mind that some are required.
    with add.make_context("add", [], resilient_parsing=True) as context:
        return {name: value for name, value in context.params.items() if name in _options(add)}


def _with_defaults(add: click.Command, given: dict[str, Any]) -> dict[str, Any]:
    """All options of a new account."""
    options = _options(add)
    missing = [name for name, option in options.items() if option.required and name not in given]
    if missing:
        raise wrong_usage(Phrase("A new account needs {names} as well.", names=", ".join(missing)))
    return _defaults(add) | given


def _carry_out(
    connection: Connection,
    order: _Order,
    completed: Callable[[dict[str, Any]], table.AccountSettings],
    change: ChangeTo,
    now: datetime,
) -> _Row:
    same = [each for each in table.every(connection) if each.settings.name.casefold() == order.name.casefold()]
    account = same[0] if same else None
    name = order.name if account is None else account.settings.name
    try:
        if account is None:
            table.add(connection, completed({"name": name, **order.given}), now=now, author=author())
        else:
            change(connection, name, order.given, now)
        if order.enabled is not None and order.enabled != (account is None or account.enabled):
            table.set_enabled(connection, name, order.enabled, now=now, author=author())
    except (AccountExists, click.UsageError) as exc:
        reason = exc.message if isinstance(exc, click.UsageError) else Phrase.of(exc)
        raise failure(
            Phrase(
                "Nothing was changed. {place}, account {name!r}: {reason}", place=order.place, name=name, reason=reason
            )
        ) from exc
    before = {} if account is None else _by_setting(account)
    after = _by_setting(table.by_name(connection, name))
    differences = {key: (before.get(key), value) for key, value in after.items() if before.get(key) != value}
    action = "added" if account is None else "changed" if differences else "unchanged"
    return _Row(said(order.place), name, action, differences)


def _by_setting(account: table.Account) -> dict[str, Value]:
    return {
        name: value if value is None or isinstance(value, bool | int) else _in_short(value)
        for name, value in _exported(account).items()
    }


def _in_short(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else shown(value)


def _told(rows: Sequence[_Row]) -> Listing:
    columns = [
        Column("place", Phrase("Where")),
        Column("name", Phrase("Account")),
        Column("action", Phrase("Done"), lambda action: _ACTIONS[action]),
        Column("changes", Phrase("Settings"), _short),
    ]
    data = [
        {
            "place": each.place,
            "name": each.name,
            "action": each.action,
            "changes": {name: {"before": old, "after": new} for name, (old, new) in each.differences.items()},
        }
        for each in rows
    ]
    return Listing(columns, data, empty=Phrase("The file holds no account."))


# --- History ---

_ACTIONS: Final[Mapping[str, Phrase]] = {
    "added": Phrase("added"),
    "changed": Phrase("changed"),
    "unchanged": Phrase("unchanged"),
    "enabled": Phrase("enabled"),
    "disabled": Phrase("disabled"),
    "removed": Phrase("removed"),
    "found": Phrase("found so"),
}


@click.command(
    "history",
    cls=Command,
    epilog=example("mail-importer accounts history laboratory", "mail-importer accounts history --json"),
)
@click.argument("name", required=False, callback=as_stored, shell_complete=account_names)
@prints_data
@pass_invocation
def show_history(invocation: Invocation, name: str | None) -> Listing:
    """Show who changed the settings of accounts, when, and to what.

    NAME is an account, also one that was removed; without it, all accounts. What another program wrote into
    tblEmailAccountSettings is found by a running subscription manager, or by this command, and has the time of that.
    """
    now = invocation.clock()

    def look(connection: Connection) -> list[Change]:
        history.note_others(connection, [each.account_id for each in table.every(connection)], now=now)
        return history.changes(connection)

    with invocation.gateway() as engine:
        found = run_writing(engine, look)
    if name is not None:
        numbers = {each.account_id for each in found if name in _names(each)}
        found = [each for each in found if each.account_id in numbers]
    columns = [
        Column("changed", Phrase("When")),
        Column("account", Phrase("Account")),
        Column("action", Phrase("What"), lambda action: _ACTIONS[action]),
        Column("who", Phrase("Who"), lambda who: who or Phrase("another program")),
        Column("changes", Phrase("Settings"), _short),
    ]
    return Listing(columns, [_history_row(each) for each in found], empty=_nothing_of(name))


def _nothing_of(name: str | None) -> Phrase:
    if name is None:
        return Phrase("There are no accounts, and there were none. Add one: mail-importer accounts add --help")
    return Phrase("There is no account named {name!r}, and there was none. See: mail-importer accounts list", name=name)


def _names(change: Change) -> set[Value]:
    return {settings.get("sAccountName") for settings in (change.before, change.after) if settings is not None}


def _history_row(change: Change) -> dict[str, Any]:
    removed = change.action is Action.REMOVED
    differences = {} if removed else change.differences
    # Removing gives the name free; who reads this knows the account by the one it had.
    named = change.before if removed and change.before is not None else change.after
    return {
        "changed": change.changed,
        "account_id": change.account_id,
        "account": named.get("sAccountName"),
        "action": change.action.value,
        "who": _who(change),
        "changes": {
            _SETTINGS.get(column, column): {"before": old, "after": new} for column, (old, new) in differences.items()
        },
    }


def _who(change: Change) -> str | None:
    if change.author is not None:
        return f"{change.author.who}@{change.author.host}"
    return None if change.action is Action.FOUND else "mail-importer"


def _short(changes: Mapping[str, Mapping[str, Value]]) -> Phrase:
    """What is different now, a line each; of a new account nothing: all of it is in the JSON."""
    is_new = "name" in changes and changes["name"]["before"] is None
    return Phrase.joined(*(_change(name, each) for name, each in changes.items() if not is_new), by="\n")


def _change(name: str, values: Mapping[str, Value]) -> Phrase:
    return Phrase("{name}: {before} → {after}", name=name, before=shown(values["before"]), after=shown(values["after"]))
