"""The parts of a rule as options of `rules add` and `update`, each checked by itself."""

from collections.abc import Callable
from typing import Any

import click

from console.option_checks import HAS_ATTACHMENTS, pasted_text, size, visible
from console.output import wrong_value
from console.rules.settings import NOTHING
from phrases import Phrase
from rules.rule import CONTAINERS, SavedBody


def name_option(option: str, *, metavar: str | None = None, help: str) -> click.Option:  # noqa: A002  # click's word
    """The option that names a rule."""
    return click.Option([option], metavar=metavar, callback=pasted_text(200), help=help)


def rule_options(*, adding: bool) -> list[click.Option]:
    """One option per part but the name: `add` requires the folder and has defaults, `update` changes those given."""
    return [
        click.Option(
            ["--folder"],
            required=adding,
            callback=pasted_text(1000),
            metavar="DIR",
            help="Save files into this folder: an absolute path of the host that delivers, below one of its "
            "delivery_roots.",
        ),
        click.Option(["--account"], callback=pasted_text(200), help="Check mail of this account only."),
        *_condition_options(),
        *_saving_options(adding=adding),
        click.Option(
            ["--position"],
            type=click.IntRange(min=1),
            help="Place in the list, from 1 (default of a new rule: the end).",
        ),
    ]


def _condition_options() -> list[click.Option]:
    return [
        _texts(
            ["--sender", "senders"],
            "ADDR",
            "Fit mail of this sender: an address, a domain (example.com), or all domains below it (*.example.com); may "
            "be repeated.",
        ),
        _texts(
            ["--recipient", "recipients"],
            "ADDR",
            "Fit mail to this recipient (to, cc, bcc), in the same form; * before the @ stands for anything; may be "
            "repeated.",
        ),
        _texts(["--subject", "subjects"], "TEXT", "Fit mail whose subject contains this; may be repeated."),
        _texts(["--subject-is", "subject_is"], "TEXT", "Fit mail whose subject is this; may be repeated."),
        _texts(
            ["--subject-matches", "subject_matches"],
            "REGEX",
            "Fit mail whose subject matches this regular expression of RE2; may be repeated.",
        ),
        _texts(
            ["--body", "body_words"],
            "WORDS",
            "Fit mail whose body has these words in this order; words in double quotes follow each other; may be "
            "repeated, for a choice.",
        ),
        _texts(
            ["--attachment", "attachment_names"],
            "PATTERN",
            "Fit mail with an attachment of such a name (*.csv), and save those alone; may be repeated.",
        ),
        click.Option(
            ["--size-least"],
            metavar="SIZE|any",
            callback=size,
            help="Fit attachments of this size or more: 500kB, 10MB.",
        ),
        click.Option(["--size-most"], metavar="SIZE|any", callback=size, help="Fit attachments of this size or less."),
        click.Option(
            ["--has-attachments"],
            type=click.Choice(tuple(HAS_ATTACHMENTS)),
            help="Fit mail with attachments only, or mail without.",
        ),
    ]


def _saving_options(*, adding: bool) -> list[click.Option]:
    def switch(name: str, help: str, *, default: bool) -> click.Option:  # noqa: A002  # click's word
        flag: dict[str, Any] = {"default": default, "show_default": True} if adding else {"default": None}
        return click.Option([f"--{name}/--no-{name}"], help=help, **flag)

    return [
        click.Option(
            ["--file-name"],
            metavar="TEMPLATE",
            callback=pasted_text(400),
            help="Template of the names of saved files; default: the name of the attachment.",
        ),
        switch("save-attachments", "Save the attachments that fit.", default=True),
        click.Option(
            ["--unpack"],
            type=click.Choice([*(each.value for each in CONTAINERS), NOTHING]),
            multiple=True,
            callback=_containers,
            help="Consider the contents of attached mail (item), winmail.dat (tnef), signed mail (smime) or .zip "
            "like attachments; may be repeated.",
        ),
        click.Option(
            ["--save-body"],
            type=click.Choice([*(each.value for each in SavedBody), NOTHING]),
            help="Save the body as text, as HTML where it is, or both.",
        ),
        switch("save-original", "Save the whole mail as .eml.", default=False),
        switch("save-metadata", "Save a .json beside each file, after it.", default=False),
    ]


def _texts(names: list[str], metavar: str, help: str) -> click.Option:  # noqa: A002  # click's word
    return click.Option(names, metavar=metavar, multiple=True, callback=_each(visible), help=help)


def _each(
    check: Callable[[str], str],
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[str, ...]]:
    def checked(_context: click.Context, _parameter: click.Parameter, entries: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(check, entries)))

    return checked


def _containers(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    """Parse containers; `none` stands alone."""
    if NOTHING in words and set(words) != {NOTHING}:
        raise wrong_value(Phrase("{word} excludes the others.", word=NOTHING))
    return tuple(dict.fromkeys(words))
