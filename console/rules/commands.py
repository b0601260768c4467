"""`mail-importer rules`: the import rules."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, TypeVar

import click
from sqlalchemy import Connection

from console.audit import author
from console.confirmation import confirm
from console.invocation import Invocation, as_stored, as_stored_each, example, pass_invocation, rule_names
from console.lazy_commands import LazyCommand, LazyGroup
from console.option_checks import pasted_text
from console.output import Listing, Record, Report, prints_data, tell, wrong_usage
from console.rules import views
from console.rules.editing import Edit, added, edited, moved, updated
from console.rules.options import name_option, rule_options
from console.rules.reports import (
    added_sentence,
    changed_sentence,
    enabled_sentence,
    folder_sentences,
    moved_sentence,
    removed_sentence,
    rule_sentences,
)
from console.rules.settings import CONDITIONS, AccountNames
from db.engine import run_reading, run_writing
from db.queries import rules as table
from phrases import Phrase
from rules.rule import Rule

T = TypeVar("T")
_EMPTYING: Final = {"account": "--all-accounts", "file_name": "--no-file-name"}
"""The options that empty others."""


@click.group(
    "rules",
    cls=LazyGroup,
    lazy={
        "apply": LazyCommand("console.rules.apply:apply"),
        "export": LazyCommand("console.rules.bulk:export"),
        "history": LazyCommand("console.rules.history:show_history"),
        "import": LazyCommand("console.rules.bulk:import_"),
        "test": LazyCommand("console.rules.test:test"),
    },
    epilog=example("mail-importer rules list"),
)
def rules_group() -> None:
    """Add, change, show, enable, disable, order and remove import rules.

    A rule saves files of the mail that fits it into a folder. All mail is checked against all enabled rules; a running
    delivery role does it.
    """


@rules_group.command(
    params=rule_options(adding=True),
    epilog=example(
        "mail-importer rules add results --folder /srv/import/results \\",
        "  --sender laboratory.example --subject Results --attachment '*.csv'",
        "mail-importer rules add copies --folder /srv/import/copies \\",
        "  --file-name '{received:%Y%m%d-%H%M%S}_{sender_domain}_{name}'",
    ),
)
@click.argument("name", callback=pasted_text(200))
@click.option("--disabled", is_flag=True, help="Add it without having it applied.")
@prints_data
@pass_invocation
def add(
    invocation: Invocation,
    /,
    name: str,
    disabled: bool,
    **given: Any,  # noqa: ANN401  # the options, by click's names
) -> Report:
    """Add a rule, enabled at once: mail imported from now on is checked.

    All conditions must hold; of the entries of one option, one must. A rule without any fits all mail.
    """

    roots = invocation.settings.delivery_folders
    rule = _edited(
        invocation, lambda editor, names: added(editor, names, name, given, enabled=not disabled, roots=roots)
    ).rule
    sentences = [added_sentence(rule), *rule_sentences(rule), *folder_sentences(invocation.settings)]
    return Report(_facts(rule, "added"), sentences)


def _edited(invocation: Invocation, work: Edit[T]) -> T:
    """Change rules in one transaction."""
    transaction = partial(edited, work=work, now=invocation.clock(), author=author())
    with invocation.gateway() as engine:
        return run_writing(engine, transaction)


def _facts(rule: Rule, action: str, **facts: object) -> dict[str, object]:
    return {"rule_id": rule.rule_id, "name": rule.name, "action": action, **facts}


@rules_group.command(
    params=[
        name_option("--rename", metavar="NEW", help="What the rule is to be called."),
        *rule_options(adding=False),
    ],
    epilog=example(
        "mail-importer rules update results --attachment '*.csv' --size-most 5MB",
        "mail-importer rules update results --no-conditions --sender example.com",
    ),
)
@click.argument("name", callback=as_stored, shell_complete=rule_names)
@click.option("--all-accounts", is_flag=True, help="Check the mail of all accounts.")
@click.option("--no-conditions", is_flag=True, help="Of the conditions, only those given here hold.")
@click.option("--no-file-name", is_flag=True, help="Save files under the names of the attachments.")
@prints_data
@pass_invocation
def update(
    invocation: Invocation,
    /,
    name: str,
    all_accounts: bool,
    no_conditions: bool,
    no_file_name: bool,
    **given: Any,  # noqa: ANN401  # see `add`
) -> Report:
    """Change parts of a rule; those not given stay.

    The entries of an option replace those of before. A running delivery role applies the rule to mail that it checks
    from then on; for other mail see `rules apply`.
    """
    given = {key: value for key, value in given.items() if value not in {None, ()}}
    _refuse_both(given, account=all_accounts, file_name=no_file_name)
    given |= _emptied(all_accounts=all_accounts, no_file_name=no_file_name)
    if no_conditions:
        given = {**CONDITIONS, **given}
    if not given:
        raise wrong_usage(Phrase("Name the parts to change. See: mail-importer rules update --help"))
    roots = invocation.settings.delivery_folders
    after, changes = _edited(invocation, lambda editor, names: updated(editor, names, name, given, roots=roots))
    if after.unreadable_because is not None:
        tell(after.unreadable_because)
    facts = _facts(after.rule, "changed" if changes else "unchanged", changes=changes)
    folder = folder_sentences(invocation.settings) if "folder" in given else []
    return Report(facts, [changed_sentence(after.rule), *rule_sentences(after.rule), *folder])


def _refuse_both(given: Mapping[str, Any], **emptied: bool) -> None:
    for name, is_emptied in emptied.items():
        if is_emptied and name in given:
            raise wrong_usage(
                Phrase(
                    "{option} and {other} exclude each other.",
                    option=f"--{name.replace('_', '-')}",
                    other=_EMPTYING[name],
                )
            )


def _emptied(*, all_accounts: bool, no_file_name: bool) -> dict[str, None]:
    return {name: None for name, is_emptied in (("account", all_accounts), ("file_name", no_file_name)) if is_emptied}


@rules_group.command("list", epilog=example("mail-importer rules list", "mail-importer rules list --json"))
@prints_data
@pass_invocation
def list_rules(invocation: Invocation) -> Listing:
    """List the rules, in their order.

    All enabled rules are checked; the order is that of the list alone.
    """

    with invocation.gateway() as engine:
        rows = run_reading(engine, views.rows)
    empty = Phrase("There are no rules. Add one: mail-importer rules add --help")
    return Listing(views.LIST_COLUMNS, rows, empty=empty, details=views.LIST_DETAILS)


@rules_group.command(epilog=example("mail-importer rules show results"))
@click.argument("name", callback=as_stored, shell_complete=rule_names)
@prints_data
@pass_invocation
def show(invocation: Invocation, name: str) -> Record:
    """Show all parts of a rule."""
    with invocation.gateway() as engine:
        row = run_reading(
            engine, lambda connection: views.row(table.by_name(connection, name), AccountNames(connection))
        )
    return Record(views.record_columns(), row)


@rules_group.command(epilog=example("mail-importer rules enable results"))
@click.argument("names", nargs=-1, required=True, callback=as_stored_each, shell_complete=rule_names)
@prints_data
@pass_invocation
def enable(invocation: Invocation, names: tuple[str, ...]) -> Report:
    """Enable rules: all of NAMES, or none.

    Mail imported from now on is checked; for mail imported while a rule was disabled see `rules apply`.
    """
    found = _edited(invocation, lambda editor, _: [editor.set_enabled(name, True) for name in names])
    problems = [each for each in map(views.problem_of, found) if each is not None]
    sentences = [enabled_sentence(each.rule) for each in found]
    return Report([_facts(each.rule, "enabled") for each in found], [*sentences, *problems])


@rules_group.command(epilog=example("mail-importer rules disable results"))
@click.argument("names", nargs=-1, required=True, callback=as_stored_each, shell_complete=rule_names)
@prints_data
@pass_invocation
def disable(invocation: Invocation, names: tuple[str, ...]) -> Report:
    """Disable rules: all of NAMES, or none.

    Mail is no longer checked against them. Files that they selected before are still saved.
    """
    found = _edited(invocation, lambda editor, _: [editor.set_enabled(name, False) for name in names])
    sentences = [enabled_sentence(each.rule) for each in found]
    return Report([_facts(each.rule, "disabled") for each in found], sentences)


@rules_group.command(epilog=example("mail-importer rules remove results"))
@click.argument("names", nargs=-1, required=True, callback=as_stored_each, shell_complete=rule_names)
@click.option("--yes", is_flag=True, help="Do not prompt.")
@prints_data
@pass_invocation
def remove(invocation: Invocation, names: tuple[str, ...], yes: bool) -> Report:
    """Remove rules: all of NAMES, or none; the files that they saved stay.

    Prompts first. The history keeps the removed rules.
    """

    def read(connection: Connection) -> list[str]:
        every = table.every(connection)
        return list(dict.fromkeys(table.named(every, name).rule.name for name in names))

    with invocation.gateway() as engine:
        exact = run_reading(engine, read)
    confirm(
        Phrase(
            "Remove the rules {names}? Mail is no longer checked against them then; the files that they saved stay.",
            names=", ".join(map(repr, exact)),
        ),
        yes=yes,
    )
    found = _edited(invocation, lambda editor, _: [editor.remove(name) for name in exact])
    sentences = [removed_sentence(each.rule) for each in found]
    return Report([_facts(each.rule, "removed") for each in found], sentences)


@rules_group.command(epilog=example("mail-importer rules move results 1"))
@click.argument("name", callback=as_stored, shell_complete=rule_names)
@click.argument("position", type=click.IntRange(min=1))
@prints_data
@pass_invocation
def move(invocation: Invocation, name: str, position: int) -> Report:
    """Move a rule to another place of the list, from 1; beyond the end, to the end."""
    rule, place = _edited(invocation, lambda editor, _: moved(editor, name, position))
    return Report(_facts(rule, "moved", position=place), [moved_sentence(rule, place)])
