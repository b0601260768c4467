"""The settings of an account as options of `accounts add` and `update`, each checked by itself."""

import re
from datetime import datetime
from typing import Any, Final

import click

from console.accounts.settings import LISTS
from console.invocation import moment
from console.option_checks import HAS_ATTACHMENTS, bare_text, pasted_text, size, visible
from console.output import tell, wrong_value
from console.thumbprints import thumbprint_argument
from db.outcomes import ActionKind
from db.queries import accounts as table
from db.queries.filters import Filters
from phrases import Phrase
from processor.filters import BadFilter, MailFilter

_MAX_GROUP: Final = 200
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def name_option(option: str, *, required: bool = False, metavar: str | None = None, help: str) -> click.Option:  # noqa: A002  # click's word
    """The option that names an account."""
    return click.Option([option], required=required, metavar=metavar, callback=pasted_text(200), help=help)


def account_options(*, adding: bool) -> list[click.Option]:
    """One option per setting but the name: `add` requires some and has defaults, `update` changes those given."""

    def default(value: object) -> dict[str, Any]:
        return {"default": value, "show_default": True} if adding else {"default": None}

    return [
        click.Option(["--tenant-id"], required=adding, callback=_guid, help="Directory (tenant) id."),
        click.Option(
            ["--client-id"], required=adding, callback=_guid, help="Application (client) id of the registration."
        ),
        click.Option(["--user-id"], required=adding, callback=_user, help="Object id of the user whose mailbox it is."),
        click.Option(
            ["--thumbprint"],
            required=adding,
            callback=thumbprint_argument,
            help="SHA-1 thumbprint, as copied; none: the identity of the host signs in (graph_credential).",
        ),
        click.Option(
            ["--next-thumbprint"],
            callback=thumbprint_argument,
            help="Of the certificate that replaces the current one when Entra no longer accepts it.",
        ),
        click.Option(
            ["--secure-certificate-access/--no-secure-certificate-access"],
            help="Whether the certificate must chain to a trusted root; a self-signed one does not.",
            **default(True),
        ),
        click.Option(
            ["--folder"],
            callback=pasted_text(450),
            help="The folder to import from: a well-known name such as inbox, a path such as Inbox/Results as the "
            "mailbox shows it in its language, or an id; 'accounts folders' lists them.",
            **default("Inbox"),
        ),
        click.Option(
            ["--after-import"],
            type=click.Choice([each.value for each in ActionKind]),
            help="What becomes of a message in the mailbox once it is imported.",
            **default("none"),
        ),
        click.Option(
            ["--move-to"],
            metavar="FOLDER",
            callback=pasted_text(450),
            help="Where --after-import move puts it: a well-known name such as archive, the id of a folder, or a path "
            "such as Inbox/Imported/2026, which is created where it is missing.",
        ),
        click.Option(
            ["--import-since"],
            metavar="now|all|DATE",
            callback=_since,
            help="Import what the mailbox received since then "
            "(2h, 3d, today, 29.11.2026, ISO 8601; UTC unless it has an offset).",
            **default("now"),
        ),
        *_filter_options(),
        click.Option(
            ["--console-access"],
            metavar="GROUP",
            multiple=True,
            callback=_groups,
            help="Show the mail in the web console to members of this group only: the object id of a group in Entra, "
            "or a group of 'console users'; may be repeated. Without any, all its users see it.",
        ),
    ]


def _filter_options() -> list[click.Option]:
    return [
        _list_option(
            "senders_allowed",
            "ENTRY",
            "Import mail of these senders only: an address, a domain (example.com), or all domains below it "
            "(*.example.com); may be repeated.",
        ),
        _list_option(
            "senders_denied", "ENTRY", "Import no mail of these senders, whatever allows it; may be repeated."
        ),
        _list_option(
            "subjects_allowed",
            "TEXT",
            "Import only mail with this in its subject, in any letter case, * standing for anything; may be repeated.",
        ),
        _list_option("subjects_denied", "TEXT", "Import no mail with this in its subject; may be repeated."),
        click.Option(
            ["--has-attachments"],
            type=click.Choice(tuple(HAS_ATTACHMENTS)),
            help="Import only mail with attachments, or only mail without; inline pictures alone are none.",
        ),
        click.Option(
            ["--size-least"],
            metavar="SIZE|any",
            callback=size,
            help="Import only mail of this size or more: 500kB, 10MB.",
        ),
        click.Option(["--size-most"], metavar="SIZE|any", callback=size, help="Import only mail of this size or less."),
    ]


def _list_option(name: str, metavar: str, help: str) -> click.Option:  # noqa: A002  # click's word
    def check(_context: click.Context, _parameter: click.Parameter, entries: tuple[str, ...]) -> tuple[str, ...]:
        """Check entries of a list, each as the processor parses it."""
        bare = tuple(map(visible, entries))
        only: dict[str, Any] = {name: bare}
        try:
            MailFilter(Filters(**only))
        except BadFilter as exc:
            raise wrong_value(Phrase.of(exc)) from exc
        return tuple(dict.fromkeys(bare))

    return click.Option([LISTS[name], name], metavar=metavar, multiple=True, callback=check, help=help)


def _guid(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    bare = bare_text(text).lower().removeprefix("{").removesuffix("}")
    if not _GUID.fullmatch(bare):
        raise wrong_value(
            Phrase(
                "{text!r} is not an id such as 11111111-2222-3333-4444-555555555555. The overview page of the "
                "application registration shows it.",
                text=text,
            )
        )
    return bare


def _user(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    bare = pasted_text(320)(context, parameter, text) or ""
    if _GUID.fullmatch(bare.lower()):
        return bare.lower()
    tell(
        Phrase(
            "Warning: the user id {bare!r} is not an object id. A name or address works until the user is renamed; "
            "the object id on the user's page in the Entra portal stays.",
            bare=bare,
        )
    )
    return bare


def _groups(_context: click.Context, _parameter: click.Parameter, entries: tuple[str, ...]) -> tuple[str, ...]:
    bare = tuple(map(visible, entries))
    longest = max(map(len, bare), default=0)
    if longest > _MAX_GROUP:
        raise wrong_value(
            Phrase("It has {count} characters; {longest} is the most.", count=longest, longest=_MAX_GROUP)
        )
    return tuple({each.casefold(): each for each in reversed(bare)}.values())[::-1]


def _since(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | str | None:
    """Parse a time; `now` stays a word: only the command has a clock."""
    if text is None or text.strip().lower() == "now":
        return text and "now"
    found = table.EVERYTHING if text.strip().lower() == "all" else moment(_context, _parameter, text)
    return found and max(found, table.EVERYTHING)
