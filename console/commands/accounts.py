"""`mail-importer accounts`: the mailboxes and how each fares."""

import asyncio
import functools
import re
import shlex
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any, Final, TypeVar

import click
from sqlalchemy import Connection

from console.commands import Invocation, as_stored, example, moment, pass_invocation
from console.commands.account_lists import export, importing, show_history
from console.commands.certificates import thumbprint_argument
from console.language import reason_of, said
from console.operators import audited, author
from console.output import Column, Listing, Record, prints_data, shown, span, tell
from console.settings import Settings, SettingsError
from console.signin import certificate_store
from db import accounts as table
from db import after_import, folders, missed, seen, subscriptions
from db.engine import Database, run_reading, run_writing
from db.filters import Filters
from phrases import Phrase
from processor.filters import BadFilter, MailFilter
from subscriptions.sweeps import SweepRules

Command = TypeVar("Command", bound=Callable[..., object])

_RETRIED_AT_ONCE: Final = 500
_ANY: Final = "any"
_HAS_ATTACHMENTS: Final = {"yes": True, "no": False, _ANY: None}
_SIZE: Final = re.compile(r"([0-9]{1,18})\s*(|b|kb|mb|gb)")
# As the limits of contents count them.
_SIZE_UNITS: Final = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_LARGEST: Final = 2**63 - 1
_LISTS: Final = {
    "senders_allowed": "--allow-sender",
    "senders_denied": "--deny-sender",
    "subjects_allowed": "--allow-subject",
    "subjects_denied": "--deny-subject",
}
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@click.group(epilog=example("mail-importer accounts list"))
def accounts() -> None:
    """Add, change, look at, switch and remove mailboxes.

    An account is a mailbox, and the application registration and certificate that open it.
    """


def _text(longest: int) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """A check for text that people paste: cut of blanks and invisible characters at both ends, not empty."""

    def check(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
        if text is None:
            return None
        bare = _bare(text)
        if not bare:
            raise click.BadParameter("It is empty.")
        if len(bare) > longest:
            raise click.BadParameter(f"It has {len(bare)} characters; {longest} is the most.")
        if not bare.isprintable():
            raise click.BadParameter("It holds a character that cannot be seen, such as a line break.")
        return bare

    return check


def _bare(text: str) -> str:
    visible = [place for place, sign in enumerate(text) if sign.isprintable() and not sign.isspace()]
    return text[visible[0] : visible[-1] + 1] if visible else ""


def _guid(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    bare = _bare(text).lower().removeprefix("{").removesuffix("}")
    if not _GUID.fullmatch(bare):
        raise click.BadParameter(
            f"{text!r} is not an id such as 11111111-2222-3333-4444-555555555555. The overview page of the application "
            "registration shows it."
        )
    return bare


def _user(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    bare = _text(320)(context, parameter, text) or ""
    if _GUID.fullmatch(bare.lower()):
        return bare.lower()
    tell(
        f"Warning: the user id {bare!r} is not an object id. A name or address works until the user is renamed; the "
        "object id on the user's page in the Entra portal stays."
    )
    return bare


def _since(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | str | None:
    """`now` stays a word: only the command knows what time it is."""
    if text is None or text.strip().lower() == "now":
        return text and "now"
    found = table.EVERYTHING if text.strip().lower() == "all" else moment(_context, _parameter, text)
    return found and max(found, table.EVERYTHING)


def _checked(
    filters_of: Callable[[tuple[str, ...]], Filters],
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[str, ...]]:
    """A check for entries of a list of filters, each as the processor reads it."""

    def check(_context: click.Context, _parameter: click.Parameter, entries: tuple[str, ...]) -> tuple[str, ...]:
        bare = tuple(_bare(each) for each in entries)
        for each in bare:
            if not each.isprintable():
                raise click.BadParameter(
                    said(Phrase("It holds a character that cannot be seen, such as a line break."))
                )
            if not each:
                raise click.BadParameter(said(Phrase("It is empty.")))
        try:
            MailFilter(filters_of(bare))
        except BadFilter as exc:
            raise click.BadParameter(reason_of(exc)) from exc
        return tuple(dict.fromkeys(bare))

    return check


def _size(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | str | None:
    """`any` stays a word; else bytes."""
    if text is None or text.strip().lower() == _ANY:
        return text and _ANY
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None or int(found[1]) * _SIZE_UNITS[found[2] or ""] > _LARGEST:
        raise click.BadParameter(said(Phrase("{text!r} is no size such as 500kB, 10MB or 1048576.", text=text)))
    return int(found[1]) * _SIZE_UNITS[found[2] or ""]


def _filter_options() -> list[Callable[[Command], Command]]:
    """Which mail is imported; the same for `add` and `update`."""
    return [
        click.option(
            "--allow-sender",
            "senders_allowed",
            metavar="ENTRY",
            multiple=True,
            callback=_checked(lambda entries: Filters(senders_allowed=entries)),
            help="Import mail of these senders only: an address, a domain (example.com), or all domains below it "
            "(*.example.com); may be repeated.",
        ),
        click.option(
            "--deny-sender",
            "senders_denied",
            metavar="ENTRY",
            multiple=True,
            callback=_checked(lambda entries: Filters(senders_denied=entries)),
            help="Import no mail of these senders, whatever allows it; may be repeated.",
        ),
        click.option(
            "--allow-subject",
            "subjects_allowed",
            metavar="TEXT",
            multiple=True,
            callback=_checked(lambda entries: Filters(subjects_allowed=entries)),
            help="Import only mail with this in its subject, in any letter case, * standing for anything; may be "
            "repeated.",
        ),
        click.option(
            "--deny-subject",
            "subjects_denied",
            metavar="TEXT",
            multiple=True,
            callback=_checked(lambda entries: Filters(subjects_denied=entries)),
            help="Import no mail with this in its subject; may be repeated.",
        ),
        click.option(
            "--has-attachments",
            type=click.Choice(tuple(_HAS_ATTACHMENTS)),
            help="Import only mail with attachments, or only mail without; inline pictures alone are none.",
        ),
        click.option(
            "--size-least",
            metavar="SIZE|any",
            callback=_size,
            help="Import only mail of this size or more: 500kB, 10MB.",
        ),
        click.option("--size-most", metavar="SIZE|any", callback=_size, help="Import only mail of this size or less."),
    ]


def _filters(given: dict[str, Any], before: Filters) -> Filters:
    """Take the filters out of what was given; those that were not stay as before."""
    names = {each.name for each in fields(Filters)}
    changes = {name: given.pop(name) for name in names & given.keys()}
    for name in ("size_least", "size_most"):
        if changes.get(name) == _ANY:
            changes[name] = None
    if changes.get("has_attachments") is not None:
        changes["has_attachments"] = _HAS_ATTACHMENTS[changes["has_attachments"]]
    return replace(before, **changes)


def _account_options(*, adding: bool) -> Callable[[Command], Command]:
    """The settings of an account as options: `add` needs some and has defaults, `update` changes what is given."""

    def default(value: object) -> dict[str, Any]:
        return {"default": value, "show_default": True} if adding else {}

    options = [
        click.option("--tenant-id", required=adding, callback=_guid, help="Directory (tenant) id."),
        click.option(
            "--client-id", required=adding, callback=_guid, help="Application (client) id of the registration."
        ),
        click.option("--user-id", required=adding, callback=_user, help="Object id of the user whose mailbox it is."),
        click.option(
            "--thumbprint", required=adding, callback=thumbprint_argument, help="SHA-1 thumbprint, as copied."
        ),
        click.option(
            "--next-thumbprint",
            callback=thumbprint_argument,
            help="Of the certificate that takes over when Entra no longer takes the current one.",
        ),
        click.option(
            "--secure-certificate-access/--no-secure-certificate-access",
            help="Whether the certificate must chain to a trusted root; a self-signed one does not.",
            **({"default": True, "show_default": True} if adding else {"default": None}),
        ),
        click.option("--folder", callback=_text(450), help="The folder to import from.", **default("Inbox")),
        click.option(
            "--after-import",
            type=click.Choice(table.AFTER_IMPORT),
            help="What becomes of a message in the mailbox once it is imported.",
            **default("none"),
        ),
        click.option(
            "--move-to",
            metavar="FOLDER",
            callback=_text(450),
            help="Where --after-import move puts it: a well-known name such as archive, the id of a folder, or a path "
            "such as Inbox/Imported/2026, which is made where it is missing.",
        ),
        click.option(
            "--import-since",
            metavar="now|all|DATE",
            callback=_since,
            help="Import what the mailbox received since then (ISO 8601; UTC unless it says otherwise).",
            **default("now"),
        ),
        *_filter_options(),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@accounts.command(
    epilog=example(
        "mail-importer accounts add --name laboratory \\",
        "  --tenant-id 11111111-2222-3333-4444-555555555555 \\",
        "  --client-id 66666666-7777-8888-9999-aaaaaaaaaaaa \\",
        "  --user-id bbbbbbbb-cccc-dddd-eeee-ffffffffffff \\",
        "  --thumbprint 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B",
    )
)
@click.option("--name", required=True, callback=_text(200), help="What the account is called here.")
@_account_options(adding=True)
@pass_invocation
def add(invocation: Invocation, /, **given: Any) -> None:  # noqa: ANN401  # the options, as click names them
    """Add an account, enabled at once."""
    settings = _settings_of(given, invocation.clock())
    with invocation.gateway() as engine:
        run_writing(engine, lambda connection: table.add(connection, settings, now=invocation.clock(), author=author()))
    tell(f"Account {settings.name!r} is added and enabled.")
    _warn_of_missing_certificates(invocation, settings)


def _settings_of(given: dict[str, Any], now: datetime) -> table.AccountSettings:
    """The settings that all options of `add` together mean, in which they fit each other."""
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


@accounts.command(
    epilog=example(
        "mail-importer accounts update laboratory --folder Archive",
        "mail-importer accounts update laboratory \\",
        "  --next-thumbprint 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B",
    )
)
@click.argument("name", callback=as_stored)
@click.option("--rename", metavar="NEW", callback=_text(200), help="What the account is to be called.")
@_account_options(adding=False)
@click.option("--no-next-thumbprint", is_flag=True, help="There is no next certificate any more.")
@click.option("--no-filters", is_flag=True, help="Of the filters, only those given here are in force.")
@pass_invocation
def update(
    invocation: Invocation,
    /,
    name: str,
    no_next_thumbprint: bool,
    no_filters: bool,
    **given: Any,  # noqa: ANN401  # as in `add`
) -> None:
    """Change settings of an account; those not given stay.

    The running subscription manager and processors take them up within seconds. Filters hold for mail that is looked at
    from then on: what they left out before is looked at again by `mail-importer import`.
    """
    given = {key: value for key, value in given.items() if value not in {None, ()}}
    if no_next_thumbprint and "next_thumbprint" in given:
        raise click.UsageError("--next-thumbprint and --no-next-thumbprint exclude each other.")
    if not given and not no_next_thumbprint and not no_filters:
        raise click.UsageError("Say what to change. See: mail-importer accounts update --help")
    if no_next_thumbprint:
        given["next_thumbprint"] = None
    if no_filters:
        given = {each.name: each.default for each in fields(Filters)} | given
    with invocation.gateway() as engine:
        settings = run_writing(engine, lambda connection: _change(connection, name, given, invocation.clock()))
    tell(f"Account {settings.name!r} is changed. A running subscription manager takes it up within seconds.")
    _warn_of_missing_certificates(invocation, settings)


def _change(connection: Connection, name: str, given: dict[str, Any], now: datetime) -> table.AccountSettings:
    """Give the account what was given, and keep the rest; what it is then."""
    account = table.by_name(connection, name)
    before = account.settings
    changes = dict(given)
    changes["filters"] = _filters(changes, before.filters)
    if "rename" in changes:
        changes["name"] = changes.pop("rename")
    if "move_to" in changes:
        changes["move_to_folder"] = changes.pop("move_to")
    elif changes.get("after_import", "move") != "move":
        changes["move_to_folder"] = None
    if changes.get("import_since") is not None:
        changes["import_since"] = _import_since(changes["import_since"], now)
    if changes.get("thumbprint") == before.next_thumbprint:
        changes.setdefault("next_thumbprint", None)  # it is the current one now
    after = replace(before, **changes)
    _check(after)
    if after == before:
        return before
    table.change(connection, name, after, now=now, author=author())
    if after.import_since and before.import_since and after.import_since < before.import_since:
        folders.start_anew(connection, account.account_id, now=now)
    return after


def _import_since(given: datetime | str, now: datetime) -> datetime:
    if isinstance(given, str):
        return now
    if given > now:
        raise click.UsageError("--import-since is in the future; mail that arrives before would never be imported.")
    return given


def _check(settings: table.AccountSettings) -> None:
    if (settings.after_import == "move") != (settings.move_to_folder is not None):
        raise click.UsageError("--after-import move and --move-to FOLDER go together.")
    if settings.tenant_id == settings.client_id:
        raise click.UsageError("--tenant-id and --client-id are the same; one of them was pasted twice.")
    if settings.thumbprint == settings.next_thumbprint:
        raise click.UsageError("--thumbprint and --next-thumbprint are the same; the next certificate is another one.")
    try:
        MailFilter(settings.filters)
    except BadFilter as exc:
        raise click.UsageError(reason_of(exc)) from exc


def _warn_of_missing_certificates(invocation: Invocation, settings: table.AccountSettings) -> None:
    try:
        entries = certificate_store(invocation.settings).list()
    except SettingsError:
        return  # a store this version cannot read; the role that must read it says so
    there = {entry.certificate.thumbprint for entry in entries if entry.certificate is not None}
    for thumbprint in filter(None, (settings.thumbprint, settings.next_thumbprint)):
        if thumbprint not in there:
            tell(
                f"Warning: the certificate store of this host, {invocation.settings.certificate_store}, holds no "
                f"certificate {thumbprint}. See: mail-importer certificates list"
            )


@accounts.command("list", epilog=example("mail-importer accounts list", "mail-importer accounts list --json"))
@prints_data
@pass_invocation
def list_accounts(invocation: Invocation) -> Listing:
    """List the accounts and how each fares."""
    settings = invocation.settings
    with invocation.gateway() as engine:
        rows = run_reading(engine, lambda connection: _rows(connection, table.every(connection), settings))
    now = invocation.clock()
    columns = [
        Column("name", "Account"),
        Column("user_id", "Mailbox"),
        Column("enabled", "Enabled"),
        Column("subscription", "Subscription", lambda held: _subscription(held, settings, now)),
        Column("swept", "Swept", lambda time: _ago(time, now)),
        Column("imported", "Imported", right=True),
        *([Column("actions", "Left to do", _actions_in_short)] if any(_has_actions(each) for each in rows) else []),
        Column("conditions", "Trouble", lambda all_: ", ".join(f"{each['role']}: {each['reason']}" for each in all_)),
    ]
    return Listing(columns, rows, empty="There are no accounts. Add one: mail-importer accounts add --help")


@accounts.command(epilog=example("mail-importer accounts show laboratory"))
@click.argument("name", callback=as_stored)
@prints_data
@pass_invocation
def show(invocation: Invocation, name: str) -> Record:
    """Show all there is to know of an account."""
    settings = invocation.settings
    with invocation.gateway() as engine:
        rows = run_reading(engine, lambda connection: _rows(connection, [table.by_name(connection, name)], settings))
    now = invocation.clock()
    columns = [
        Column("name", "Account"),
        Column("account_id", "Number"),
        Column("enabled", "Enabled"),
        Column("tenant_id", "Tenant id"),
        Column("client_id", "Client id"),
        Column("user_id", "Mailbox"),
        Column("thumbprint", "Certificate"),
        Column("secure_certificate_access", "Trusted root needed"),
        Column("folder", "Folder"),
        Column("after_import", "After import"),
        Column("move_to_folder", "Move to"),
        Column("next_thumbprint", "Next certificate"),
        Column("import_since", "Imports since", _import_since_shown),
        Column("filters", "Imports only", _filters_shown),
        Column("webhook", "Webhook", lambda url: url or f"none (no notification_url): works on {_alone(settings)}"),
        Column("subscription", "Subscription", lambda held: _subscription(held, settings, now)),
        Column("swept", "Last sweep", lambda time: "never" if time is None else f"{shown(time)}, {_ago(time, now)}"),
        Column("missed_notifications", "Missed notifications", _missed),
        Column("imported", "Imported"),
        Column("seen", "Left out by filters"),
        Column("actions", "Left to do", _actions),
        Column("conditions", "Trouble", _conditions),
    ]
    return Record(columns, rows[0])


def _sweep_seconds(settings: Settings) -> int | None:
    """How often a folder is looked into without a reason; None: never."""
    pause = SweepRules.of_settings(settings.sweep_interval, settings.notification_url).pause()
    return None if pause is None else int(pause.total_seconds())


def _rows(connection: Connection, found: list[table.Account], settings: Settings) -> list[dict[str, Any]]:
    held = subscriptions.held(connection)
    counts = table.imported_counts(connection)
    left_out = seen.counts(connection)
    swept = folders.swept(connection)
    silence = missed.summaries(connection)
    actions = after_import.counts(connection)
    troubles: dict[int, list[dict[str, Any]]] = {}
    for each in table.conditions(connection):
        troubles.setdefault(each.account_id, []).append(
            {
                "role": each.role,
                "reason": each.reason,
                "detail": each.detail,
                "since": each.since,
                "next_attempt": each.next_attempt,
            }
        )
    return [
        {
            "account_id": account.account_id,
            "name": account.settings.name,
            "enabled": account.enabled,
            "tenant_id": account.settings.tenant_id,
            "client_id": account.settings.client_id,
            "user_id": account.settings.user_id,
            "thumbprint": account.settings.thumbprint,
            "secure_certificate_access": account.settings.secure_certificate_access,
            "folder": account.settings.folder,
            "after_import": account.settings.after_import,
            "move_to_folder": account.settings.move_to_folder,
            "next_thumbprint": account.settings.next_thumbprint,
            "import_since": account.settings.import_since,
            "filters": asdict(account.settings.filters),
            "webhook": _webhook(held.get(account.account_id), settings),
            "subscription": _held(held.get(account.account_id)),
            "sweep_seconds": _sweep_seconds(settings),
            "swept": swept.get(account.account_id),
            "missed_notifications": _silence(silence.get(account.account_id)),
            "imported": counts.get(account.account_id, 0),
            "seen": left_out.get(account.account_id, 0),
            "actions": asdict(actions.get(account.account_id, after_import.Counts())),
            "conditions": troubles.get(account.account_id, []),
        }
        for account in found
    ]


def _held(subscription: subscriptions.HeldSubscription | None) -> dict[str, Any] | None:
    if subscription is None:
        return None
    return {"id": subscription.subscription_id, "state": subscription.state, "expires": subscription.expires}


def _silence(summary: missed.MissedSummary | None) -> dict[str, Any]:
    if summary is None:
        return {"count": 0, "latest": None}
    return {"count": summary.count, "latest": summary.latest}


def _missed(summary: dict[str, Any]) -> str:
    if not summary["count"]:
        return "none"
    return f"{summary['count']} in 90 days, of mail received until {shown(summary['latest'])}"


def _has_actions(row: dict[str, Any]) -> bool:
    return any(row["actions"].values())


def _actions_in_short(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _actions(counts: dict[str, int]) -> str:
    if not any(counts.values()):
        return "nothing"
    again = " Try them again: mail-importer accounts retry-actions NAME" if counts["failed"] else ""
    return f"{counts['pending']} messages, {counts['failed']} failed.{again}"


def _webhook(held: subscriptions.HeldSubscription | None, settings: Settings) -> str | None:
    """Where Graph notifies, or is to. What is in the database is true also where this host has other settings."""
    if held is not None:
        return held.notification_url
    return None if settings.notification_url is None else f"{settings.notification_url}/notifications"


def _alone(settings: Settings) -> str:
    return f"sweeps alone, every {_sweep_seconds(settings)} s"


def _import_since_shown(since: datetime | None) -> str:
    if since is None:
        return "not decided yet: a subscription manager does it"
    return "always" if since == table.EVERYTHING else shown(since)


def _filters_shown(filters: dict[str, Any]) -> str:
    """As the options that made them."""
    words: list[str] = []
    for name, option in _LISTS.items():
        for entry in filters[name]:
            words += [option, entry]
    has_attachments = next(
        (word for word, meant in _HAS_ATTACHMENTS.items() if meant is not None and meant is filters["has_attachments"]),
        None,
    )
    for option, value in (
        ("--has-attachments", has_attachments),
        ("--size-least", filters["size_least"]),
        ("--size-most", filters["size_most"]),
    ):
        words += [] if value is None else [option, str(value)]
    return shlex.join(words) if words else Phrase("whatever comes")


def _ago(time: datetime | None, now: datetime) -> str:
    return "never" if time is None else f"{span(now - time)} ago"


def _subscription(held: dict[str, Any] | None, settings: Settings, now: datetime) -> str:
    if held is None:
        return "none" if settings.notification_url is not None else _alone(settings)
    if held["expires"] <= now:
        return f"expired {span(now - held['expires'])} ago"
    state = "" if held["state"] == "active" else f"{held['state']}, "
    return f"{state}{span(held['expires'] - now)} left"


def _conditions(conditions: list[dict[str, Any]]) -> str:
    if not conditions:
        return "none"
    return " ".join(
        f"{each['role']}: {each['reason']} since {shown(each['since'])}: {each['detail']} "
        f"Looked at again at {shown(each['next_attempt'])}."
        for each in conditions
    )


@accounts.command("retry-actions", epilog=example("mail-importer accounts retry-actions laboratory"))
@click.argument("name", callback=as_stored)
@pass_invocation
def retry_actions(invocation: Invocation, name: str) -> None:
    """Try again what --after-import says and could not be done.

    Messages of which it failed for good are marked, moved or deleted by the running processors, as if they had just
    been imported; nothing is imported again. Each tells its reason in mail-importer trace.
    """
    done = asyncio.run(_retried(invocation, name))
    tell(f"{done} actions of account {name!r} are due again. A running processor takes them up within seconds.")


async def _retried(invocation: Invocation, name: str) -> int:
    now = invocation.clock()
    with invocation.gateway() as engine:
        account_id = run_reading(engine, lambda connection: table.by_name(connection, name).account_id)
        database = Database(engine)
        try:
            async with audited(database, action="retry-actions", selection=name, clock=invocation.clock) as audit:
                last: int | None = 0
                while last is not None:
                    again = functools.partial(
                        after_import.retry_failed, account_id=account_id, after=last, now=now, most=_RETRIED_AT_ONCE
                    )
                    numbers = await database.write(again)
                    audit.messages += len(numbers)
                    last = numbers[-1] if numbers else None
        finally:
            await database.close()
        return audit.messages


@accounts.command(epilog=example("mail-importer accounts enable laboratory"))
@click.argument("name", callback=as_stored)
@pass_invocation
def enable(invocation: Invocation, name: str) -> None:
    """Switch an account on.

    The running subscription manager makes its subscription at once.
    """
    _switch(invocation, name, True)
    tell(f"Account {name!r} is enabled.")


@accounts.command(epilog=example("mail-importer accounts disable laboratory"))
@click.argument("name", callback=as_stored)
@pass_invocation
def disable(invocation: Invocation, name: str) -> None:
    """Switch an account off.

    The running subscription manager deletes its subscription; its settings and messages stay.
    """
    _switch(invocation, name, False)
    tell(f"Account {name!r} is disabled.")


def _switch(invocation: Invocation, name: str, enabled: bool) -> None:
    with invocation.gateway() as engine:
        run_writing(
            engine,
            lambda connection: table.set_enabled(connection, name, enabled, now=invocation.clock(), author=author()),
        )


@accounts.command(epilog=example("mail-importer accounts remove laboratory"))
@click.argument("name", callback=as_stored)
@pass_invocation
def remove(invocation: Invocation, name: str) -> None:
    """Remove an account; its messages stay.

    The running subscription manager deletes its subscription at Microsoft Graph.
    """
    with invocation.gateway() as engine:
        run_writing(
            engine, lambda connection: table.mark_removed(connection, name, now=invocation.clock(), author=author())
        )
    tell(f"Account {name!r} is removed. The messages it imported stay in the database.")


accounts.add_command(export)
accounts.add_command(importing(add, _settings_of, _change))
accounts.add_command(show_history)
