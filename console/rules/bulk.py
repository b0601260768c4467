"""`mail-importer rules export` and `import`: many rules as a TOML file.

Each value of a file is checked by the option of `rules add` that it stands for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from sqlalchemy import Connection

from console.audit import author
from console.bulk_entries import DesiredEntry, EntryCheck, missing_options, nothing_changed, with_defaults
from console.bulk_files import Entry, UnreadableFile, as_toml, from_toml, plain, text_of
from console.changes import Changes, changes_between, import_columns
from console.files import written
from console.invocation import Invocation, as_stored_each, example, pass_invocation, rule_names
from console.output import Column, Listing, failure, prints_data, tell
from console.rules.options import name_option, rule_options
from console.rules.reports import folder_sentences
from console.rules.settings import AccountNames, changed, exported, problems_of
from console.translation.help import Command
from console.translation.language import translated
from db.engine import run_reading, run_writing
from db.errors import AccountNotFound
from db.queries import rules as table
from db.queries.dry_run import rolled_back
from db.queries.history import Author
from db.queries.rules import RuleEditor, StoredRule
from phrases import Phrase
from rules.rule import Rule
from rules.texts import comparable

_TABLE: Final = "rule"


# --- Export ---


@click.command(
    cls=Command,
    epilog=example("mail-importer rules export --output rules.toml", "mail-importer rules export results"),
)
@click.argument("names", nargs=-1, callback=as_stored_each, shell_complete=rule_names)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to; else standard output.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@pass_invocation
def export(invocation: Invocation, names: tuple[str, ...], output: Path | None, force: bool) -> None:
    """Write rules to a TOML file, which `rules import` reads.

    NAMES are the rules; without any, all of them. Rules whose row cannot be used are left out and named.
    """

    with invocation.gateway() as engine:
        found = run_reading(engine, partial(exported_rules, names=names))
    if output is None:
        click.echo(found.text.encode(), nl=False)
    else:
        with written(output, force=force) as file:
            file.write(found.text.encode())
        tell(Phrase.counted("{n} rule is in {path}.", "{n} rules are in {path}.", n=found.rules, path=output))
    if found.left_out:
        raise failure(Phrase.joined(Phrase("Not all rules were written."), *found.left_out, by="\n  "))


@dataclass(frozen=True, slots=True)
class ExportedRules:
    """The text of a file of rules, and their number. `left_out`: why others cannot be written."""

    text: str
    rules: int
    left_out: Sequence[Phrase]


def exported_rules(connection: Connection, names: Sequence[str] = ()) -> ExportedRules:
    """The rules of these names as a file, or all of them.

    Raises:
        RuleNotFound
    """
    every, accounts = table.every(connection), AccountNames(connection)
    found = [table.named(every, name) for name in dict.fromkeys(names)] if names else every
    usable = [each.rule for each in found if not each.unreadable]
    text = as_toml([exported(each, accounts.name_of) for each in usable], _TABLE)
    left_out = [each.unreadable_because for each in found if each.unreadable_because is not None]
    return ExportedRules(text, len(usable), left_out)


# --- Import ---


@click.command(
    "import",
    cls=Command,
    epilog=example("mail-importer rules import rules.toml --dry-run", "mail-importer rules import rules.toml"),
)
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Report what would be done, and change nothing.")
@prints_data
@pass_invocation
def import_(invocation: Invocation, file: BinaryIO, dry_run: bool) -> Listing:
    """Add and change the rules of a file: all of them, or none.

    FILE is TOML with a table [[rule]] for each, with the names that `rules export` writes.

    A rule of that name, in any letter case, is changed, any other is added at the end of the list, or at its position.
    Parts that the file does not name stay as they are; an empty text or list removes a part that a rule can do without.
    """
    settings = invocation.settings
    importing = RuleImport(
        desired_rules(file.read(), file.name), settings.delivery_folders, now=invocation.clock(), author=author()
    )
    with invocation.gateway() as engine:
        if dry_run:
            rolled_back(engine, importing.work)
            tell(Phrase("Nothing was changed: this was a dry run."))
        else:
            run_writing(engine, importing.work)
    for sentence in folder_sentences(settings):
        tell(sentence)
    return importing.listing()


def desired_rules(content: bytes, name: str) -> list[DesiredEntry]:
    """The rules of a file of that name, each value checked.

    Raises:
        click.ClickException: with all that is wrong.
    """
    try:
        entries = from_toml(text_of(content), _TABLE, place=_place)
    except UnreadableFile as exc:
        raise failure(Phrase("{path}: {reason}", path=name, reason=exc.args[0])) from exc
    return EntryCheck(_options(), same=comparable).of(entries)


def desired_rule(name: str, values: Mapping[str, object]) -> list[DesiredEntry]:
    """One rule, its values by the names that a file has, each checked.

    Raises:
        click.ClickException: with all that is wrong.
    """
    texts = {each: plain(value) for each, value in values.items()}
    entry = Entry(Phrase("rule {name!r}", name=name), {"name": name, **texts})
    return EntryCheck(_options(), same=comparable).of([entry])


def _place(number: int, name: object) -> Phrase:
    if isinstance(name, str) and name:
        return Phrase("rule {number} ({name!r})", number=number, name=name)
    return Phrase("rule {number}", number=number)


def _options() -> dict[str, click.Option]:
    """The options of `rules add` that define a rule, and its name."""
    name = name_option("--name", help="")
    name.required = True
    return {str(each.name): each for each in (name, *rule_options(adding=True))}


@dataclass(slots=True)
class _Row:
    """The outcome for one rule of a file."""

    place: str
    name: str
    before: dict[str, Any]
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> Changes:
        return changes_between(self.before, self.after)

    @property
    def action(self) -> str:
        return "added" if not self.before else "changed" if self.changes else "unchanged"


class RuleImport:
    """The import of the rules of a file, in a transaction that may be repeated. `roots`: as in `problems_of`."""

    def __init__(self, desired: Sequence[DesiredEntry], roots: Sequence[str], *, now: datetime, author: Author) -> None:
        self._desired = desired
        self._now = now
        self._author = author
        self._options = _options()
        self._roots = roots
        self._rows: list[_Row] = []

    def work(self, connection: Connection) -> None:
        """Add and change the rules.

        Raises:
            click.ClickException: with all that is wrong.
        """
        names = AccountNames(connection)
        self._rows = []
        problems: list[Phrase] = []
        with table.editing(connection, now=self._now, author=self._author) as editor:
            places = _places(editor)
            for desired in self._desired:
                problems += self._carry_out(editor, desired, names, places)
            if problems:
                raise nothing_changed(problems)
            editor.move({each.name: each.given["position"] for each in self._desired if each.given.get("position")})
            places = _places(editor)
            for row, desired in zip(self._rows, self._desired, strict=True):
                row.after = _facts(editor.by_name(row.name), desired, names, places)

    def _carry_out(
        self, editor: RuleEditor, desired: DesiredEntry, names: AccountNames, places: dict[int, int]
    ) -> list[Phrase]:
        """Add or change one rule; return what is wrong with it instead."""
        known = editor.find(desired.name)
        rule, problems = self._built(desired, known, names)
        if rule is None or problems:
            return [Phrase("{place}: {problem}", place=desired.place, problem=each) for each in problems]
        row = _Row(translated(desired.place), rule.name, {} if known is None else _facts(known, desired, names, places))
        self._rows.append(row)
        if known is None:
            editor.add(replace(rule, enabled=desired.enabled is not False))
            return []
        editor.change(known.rule.name, rule)
        if desired.enabled is not None:
            editor.set_enabled(rule.name, desired.enabled)
        return []

    def _built(
        self, desired: DesiredEntry, known: StoredRule | None, names: AccountNames
    ) -> tuple[Rule | None, list[Phrase]]:
        given = dict(desired.given)
        if known is None:
            missing = missing_options(self._options, {"name": desired.name, **given})
            if missing:
                return None, [Phrase("A new rule needs {names} as well.", names=", ".join(missing))]
            given = with_defaults(self._options, given)
        before = Rule(desired.name, "") if known is None else known.rule
        given.pop("name", None)
        try:
            rule = changed(before, given, names)
        except AccountNotFound as exc:
            return None, [Phrase("{name}: {reason}", name="account", reason=exc)]
        except click.UsageError as exc:
            return None, [Phrase.of(exc.message)]
        return rule, [
            Phrase("{name}: {reason}", name=option, reason=reason) for option, reason in problems_of(rule, self._roots)
        ]

    def listing(self) -> Listing:
        """Result of the import."""
        data = [
            {"place": each.place, "name": each.name, "action": each.action, "changes": each.changes}
            for each in self._rows
        ]
        columns = import_columns(Column("name", Phrase("Rule"), priority=2))
        return Listing(columns, data, empty=Phrase("The file holds no rule."))


def _places(editor: RuleEditor) -> dict[int, int]:
    return {each.rule.rule_id: place for place, each in enumerate(editor.every(), start=1)}


def _facts(stored: StoredRule, desired: DesiredEntry, names: AccountNames, places: dict[int, int]) -> dict[str, Any]:
    facts = exported(stored.rule, names.name_of)
    return facts | {"position": places[stored.rule.rule_id]} if desired.given.get("position") else facts
