"""Builds consistent settings of an account from values of an administrator, given as options or in a file."""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from console.option_checks import has_attachments_word, without_words
from console.output import wrong_usage
from db.outcomes import ActionKind
from db.queries import accounts as table
from db.queries import folders
from db.queries.filters import Filters
from db.queries.history import Author
from phrases import Phrase
from phrases.commands import joined
from processor.filters import BadFilter, MailFilter

LISTS: Final = {
    "senders_allowed": "--allow-sender",
    "senders_denied": "--deny-sender",
    "subjects_allowed": "--allow-subject",
    "subjects_denied": "--deny-subject",
}
"""The option of each filter list."""


def settings_of(given: dict[str, Any], now: datetime) -> table.AccountSettings:
    """Build the settings from all options of `accounts add` together.

    Raises:
        click.UsageError: they do not go together.
    """
    own = dict(given)
    move_to, import_since = own.pop("move_to"), own.pop("import_since")
    settings = table.AccountSettings(
        filters=_filters(own, Filters()),
        move_to_folder=move_to,
        import_since=_import_since(import_since, now),
        **own,
    )
    _check(settings)
    return settings


@dataclass(frozen=True, slots=True)
class TakenUp:
    """A removed account that was taken up again. `name`: as it was called while removed; `messages`: their number."""

    name: str
    messages: int
    import_since: datetime | None

    def sentence(self, name: str) -> Phrase:
        """The report; `name`: of the account from now on."""
        done = Phrase.counted(
            "Account {name!r} takes up the removed account {removed!r} with its {n} message, and is enabled.",
            "Account {name!r} takes up the removed account {removed!r} with its {n} messages, and is enabled.",
            n=self.messages,
            name=name,
            removed=self.name,
        )
        if self.import_since is None or self.import_since == table.EVERYTHING:
            return Phrase.joined(done, Phrase("Mail that arrived meanwhile is imported; nothing is imported twice."))
        since = Phrase(
            "Mail received since {since:%Y-%m-%d %H:%M} UTC is imported, as far as it is not yet; nothing is imported "
            "twice.",
            since=self.import_since,
        )
        return Phrase.joined(done, since)


def added(
    connection: Connection, settings: table.AccountSettings, *, since_given: bool, now: datetime, author: Author
) -> tuple[int, TakenUp | None]:
    """Add the account; return its number, and the removed one that it takes up, if any.

    `since_given`: the start of imports is the operator's; otherwise that of a removed account stays.

    Raises:
        AccountExists
    """
    removed = table.removed_like(connection, settings)
    if removed is not None and not since_given:
        settings = replace(settings, import_since=None)
    number = table.add(connection, settings, now=now, author=author)
    if removed is None:
        return number, None
    since = table.by_name(connection, settings.name).settings.import_since
    return number, TakenUp(removed.settings.name, table.imported_count(connection, number), since)


def change(
    connection: Connection, name: str, given: dict[str, Any], *, now: datetime, author: Author
) -> table.AccountSettings:
    """Apply `given`, by option name, to the account of that name, and keep the rest; return its settings.

    Raises:
        AccountNotFound, AccountExists
        click.UsageError: they do not go together.
    """
    account = table.by_name(connection, name)
    before = account.settings
    after = changed(before, given, now)
    if after == before:
        return before
    table.change(connection, name, after, now=now, author=author)
    if after.import_since and before.import_since and after.import_since < before.import_since:
        folders.start_anew(connection, account.account_id, now=now)
    return after


def changed(before: table.AccountSettings, given: dict[str, Any], now: datetime) -> table.AccountSettings:
    """The settings with `given`, by option name, in place of what they were.

    Raises:
        click.UsageError: they do not go together.
    """
    changes = dict(given)
    changes["filters"] = _filters(changes, before.filters)
    if "rename" in changes:
        changes["name"] = changes.pop("rename")
    if "move_to" in changes:
        changes["move_to_folder"] = changes.pop("move_to")
    elif changes.get("after_import", ActionKind.MOVE) != ActionKind.MOVE:
        changes["move_to_folder"] = None
    if changes.get("import_since") is not None:
        changes["import_since"] = _import_since(changes["import_since"], now)
    if changes.get("thumbprint") == before.next_thumbprint:
        changes.setdefault("next_thumbprint", None)  # it is the current one now
    after = replace(before, **changes)
    _check(after)
    return after


def _import_since(given: datetime | str, now: datetime) -> datetime:
    if isinstance(given, str):
        return now
    if given > now:
        raise wrong_usage(Phrase("--import-since is in the future; mail that arrives before would never be imported."))
    return given


def _check(settings: table.AccountSettings) -> None:
    if (settings.after_import == ActionKind.MOVE) != (settings.move_to_folder is not None):
        raise wrong_usage(Phrase("--after-import move and --move-to FOLDER go together."))
    if settings.tenant_id == settings.client_id:
        raise wrong_usage(Phrase("--tenant-id and --client-id are the same; one of them was pasted twice."))
    if settings.thumbprint == settings.next_thumbprint:
        raise wrong_usage(
            Phrase("--thumbprint and --next-thumbprint are the same; the next certificate is another one.")
        )
    try:
        MailFilter(settings.filters)
    except BadFilter as exc:
        raise wrong_usage(Phrase.of(exc)) from exc


def _filters(given: dict[str, Any], before: Filters) -> Filters:
    """Remove the filters from `given` and return them; those not given stay as before."""
    names = {each.name for each in fields(Filters)}
    changes = {name: given.pop(name) for name in names & given.keys()}
    return replace(before, **without_words(changes))


def filters_shown(filters: dict[str, Any]) -> str:
    """Format filters as the options that set them."""
    words = [word for name, option in LISTS.items() for entry in filters[name] for word in (option, entry)]
    for option, value in (
        ("--has-attachments", has_attachments_word(filters["has_attachments"])),
        ("--size-least", filters["size_least"]),
        ("--size-most", filters["size_most"]),
    ):
        words += [] if value is None else [option, str(value)]
    return joined(words) if words else Phrase("whatever comes")
