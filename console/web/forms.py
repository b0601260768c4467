"""Forms made of the options of commands: the same settings, texts and checks in a page as on the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

import click
from multidict import MultiMapping

from console.invocation import Invocation
from console.output import hearing
from console.settings import Settings
from console.translation.language import reason_of, speaking, translated_help
from phrases import Phrase

MAX_TEXT: int = 200_000
"""Characters of a field. What is longer is wrong, and never cut."""


@dataclass(slots=True)
class Field:
    """A field, as the template shows it.

    `kind`: text, lines (several entries, a line each), choice, choices (several of them), flag. `texts`: what is typed.
    `hints`: values that a text may have, among others. `error`: why it is wrong.
    """

    name: str
    option: str
    label: str
    help: str
    kind: str
    texts: tuple[str, ...]
    choices: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    metavar: str = ""
    required: bool = False
    error: str | None = None

    @property
    def text(self) -> str:
        """Typed entries, as one text."""
        return "\n".join(self.texts)

    @property
    def is_on(self) -> bool:
        """True if the flag is set."""
        return self.texts == ("on",)


@dataclass(slots=True)
class Form:
    """A form. `values`: by the names of the options, once `read` found no error. `warnings`: of checks that passed."""

    fields: list[Field]
    values: dict[str, Any] = field(default_factory=dict)
    warnings: list[Phrase] = field(default_factory=list)
    error: str | None = None
    """Reason for which the fields do not go together."""

    @property
    def is_valid(self) -> bool:
        """True if no field is wrong."""
        return self.error is None and not any(each.error for each in self.fields)

    def named(self, name: str) -> Field:
        """The field of that name."""
        return next(each for each in self.fields if each.name == name)

    def mark(self, name: str, error: str) -> None:
        """Show why that field is wrong, after what is said of it already."""
        for each in self.fields:
            if each.name == name:
                each.error = error if each.error is None else f"{each.error} {error}"
                return
        self.error = error if self.error is None else f"{self.error} {error}"

    def fail(self, error: Exception) -> None:
        """Show why the fields do not go together, as a command would."""
        self.error = str(error.message) if isinstance(error, click.ClickException) else reason_of(error)


def form_of(
    options: Sequence[click.Option],
    language: str,
    *,
    labels: Mapping[str, Phrase],
    texts: Mapping[str, Sequence[str]] | None = None,
) -> Form:
    """A form with these options' defaults, or with `texts` by the options' names where these are given."""
    with speaking(language):
        return Form([_field(each, labels, texts or {}) for each in options])


def typed(options: Sequence[click.Option], given: MultiMapping[Any]) -> dict[str, tuple[str, ...]]:
    """The texts of the fields as they were sent, by the options' names."""
    return {each.name or "": _texts(each, given) for each in options}


def read_form(
    options: Sequence[click.Option],
    given: MultiMapping[Any],
    language: str,
    *,
    labels: Mapping[str, Phrase],
    settings: Settings,
    clock: Callable[[], datetime],
) -> Form:
    """The form as it was sent, each field checked as its option; empty fields have their option's default."""
    form = form_of(options, language, labels=labels, texts=typed(options, given))
    context = click.Context(click.Command("form", params=list(options)), obj=Invocation(settings, clock=clock))
    with speaking(language), hearing() as heard:
        for option, shown in zip(options, form.fields, strict=True):
            try:
                form.values[shown.name] = _value(context, option, shown)
            except click.BadParameter as exc:
                shown.error = exc.message
    form.warnings = heard
    return form


def _field(option: click.Option, labels: Mapping[str, Phrase], texts: Mapping[str, Sequence[str]]) -> Field:
    name = option.name or ""
    value = _default(option)
    default = () if value is None else (str(value),)
    kind = "lines" if option.multiple else "text"
    if option.is_flag:
        kind, default = "flag", ("on",) if value else ()
    elif isinstance(option.type, click.Choice):
        kind = "choices" if option.multiple else "choice"
    label = labels.get(name)
    return Field(
        name,
        option.opts[0],
        option.opts[0] if label is None else translated_help(label),
        translated_help(option.help or ""),
        kind,
        tuple(texts.get(name, default)),
        tuple(option.type.choices) if isinstance(option.type, click.Choice) else (),
        metavar=option.metavar or "",
        required=option.required,
    )


def _default(option: click.Option) -> Any:  # noqa: ANN401  # of the option
    """The option's default; None: it has none, for which click has a mark of its own."""
    return None if isinstance(option.default, Enum) else option.default


def _texts(option: click.Option, given: MultiMapping[Any]) -> tuple[str, ...]:
    found = [each for each in given.getall(option.name or "", []) if isinstance(each, str)]
    if option.is_flag:
        return ("on",) if "on" in found else ()
    if option.multiple:
        return tuple(line.strip() for text in found for line in text.splitlines() if line.strip())
    return tuple(each for each in found if each.strip())


def _value(context: click.Context, option: click.Option, shown: Field) -> Any:  # noqa: ANN401  # of the option
    if option.is_flag:
        return shown.is_on
    if len(shown.text) > MAX_TEXT:
        too_long = Phrase("It has {count} characters; {longest} is the most.", count=len(shown.text), longest=MAX_TEXT)
        raise click.BadParameter(translated_help(too_long))
    if option.multiple:
        return option.process_value(context, list(shown.texts))
    if not shown.texts:
        if option.required:
            raise click.BadParameter(translated_help(Phrase("It is required.")))
        return option.process_value(context, _default(option))
    return option.process_value(context, shown.texts[0])
