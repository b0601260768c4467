"""The entries of a file of accounts or rules: each value is checked by the option that it stands for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from console.bulk_files import LIST_SEPARATOR, Entry
from console.output import failure
from phrases import Phrase


@dataclass(frozen=True, slots=True)
class DesiredEntry:
    """One desired account or rule.

    `given`: the options that the file names; `enabled`: None where the file does not set it.
    """

    place: Phrase
    name: str
    given: dict[str, Any]
    enabled: bool | None


class EntryCheck:
    """Checks the content of a file by options of a command, and collects all errors. `same`: equal for equal names."""

    def __init__(self, options: Mapping[str, click.Option], *, same: Callable[[str], str] = str.casefold) -> None:
        self._options = options
        self._same = same
        self._context = click.Context(click.Command("add"), parent=click.get_current_context(silent=True))
        self._defaults = _defaults(options)
        self._problems: list[Phrase] = []

    def of(self, entries: Sequence[Entry]) -> list[DesiredEntry]:
        """Return the desired accounts or rules.

        Raises:
            click.ClickException: with all errors.
        """
        with self._context:
            found = [desired for each in entries if (desired := self._desired(each)) is not None]
        self._check_names(found)
        if self._problems:
            raise nothing_changed(self._problems)
        return found

    def _desired(self, entry: Entry) -> DesiredEntry | None:
        before = len(self._problems)
        unknown = sorted(name for name in entry.values if name not in {*self._options, "enabled"})
        if unknown:
            self._problem(entry, Phrase("there is no setting {names}.", names=", ".join(unknown)))
        given = {name: self._value(entry, name) for name in entry.values if self._is_given(entry, name)}
        enabled = self._enabled(entry)
        if "name" not in entry.values:
            self._problem(entry, Phrase("it has no name."))
        if len(self._problems) > before:
            return None
        return DesiredEntry(entry.place, given.pop("name"), given, enabled)

    def _is_given(self, entry: Entry, name: str) -> bool:
        """True if the file sets the option: an empty value does where it is not required."""
        option = self._options.get(name)
        if option is None:
            return False
        return bool(entry.values[name]) or option.required or self._defaults[name] in {None, ()}

    def _value(self, entry: Entry, name: str) -> Any:  # noqa: ANN401  # depends on the option
        option, value = self._options[name], entry.values[name]
        if not value:
            if option.required:
                self._problem(entry, Phrase("{name} is empty.", name=name))
            return self._defaults[name]
        if option.multiple and isinstance(value, str):
            value = [each for each in value.split(LIST_SEPARATOR) if each]
        if not isinstance(value, str) and not option.multiple:
            self._problem(entry, Phrase("{name} is a list, where one value belongs.", name=name))
            return None
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

    def _check_names(self, found: Sequence[DesiredEntry]) -> None:
        first: dict[str, DesiredEntry] = {}
        for desired in found:
            other = first.setdefault(self._same(desired.name), desired)
            if other is not desired:
                self._problems.append(
                    Phrase(
                        "{place}: the name {name!r} is in {other}, too.",
                        place=desired.place,
                        name=desired.name,
                        other=other.place,
                    )
                )

    def _problem(self, entry: Entry, problem: Phrase) -> None:
        self._problems.append(Phrase("{place}: {problem}", place=entry.place, problem=problem))


def nothing_changed(problems: Sequence[Phrase]) -> click.ClickException:
    """The error for a file with these problems."""
    return failure(Phrase.joined(Phrase("Nothing was changed."), *problems, by="\n  "))


def _defaults(options: Mapping[str, click.Option]) -> dict[str, Any]:
    """The values of options that are not given."""
    command = click.Command("add", params=list(options.values()))
    # Resilient parsing accepts missing required options.
    with command.make_context("add", [], resilient_parsing=True) as context:
        return dict(context.params)


def missing_options(options: Mapping[str, click.Option], given: Mapping[str, Any]) -> list[str]:
    """The required options that a new entry lacks."""
    return [name for name, option in options.items() if option.required and name not in given]


def with_defaults(options: Mapping[str, click.Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a new entry."""
    return _defaults(options) | dict(given)
