"""Changes of accounts and rules, as commands report them: actions, and values before and after."""

from collections.abc import Mapping
from typing import Any, Final

from console.output import Column, shown
from db.queries.history import Action, Change, Value
from phrases import Phrase

Changes = dict[str, dict[str, Value]]
"""The values `before` and `after` of each setting that differs."""

ACTIONS: Final[Mapping[str, Phrase]] = {
    "added": Phrase("added"),
    "changed": Phrase("changed"),
    "unchanged": Phrase("unchanged"),
    "enabled": Phrase("enabled"),
    "disabled": Phrase("disabled"),
    "moved": Phrase("moved"),
    "removed": Phrase("removed"),
    "taken_up": Phrase("taken up again"),
    "found": Phrase("found so"),
}
"""Display labels of the actions on an account or a rule."""


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """The settings that differ, a list as one text."""
    return {
        name: {"before": _plain(before.get(name)), "after": _plain(value)}
        for name, value in after.items()
        if _plain(before.get(name)) != _plain(value)
    }


def _plain(value: object) -> Value:
    if value is None or isinstance(value, bool | int):
        return value
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else shown(value)


def changes_by_name(differences: Mapping[str, tuple[Value, Value]], names: Mapping[str, str]) -> Changes:
    """The differences by column as those of settings; `names`: the name of each column's setting."""
    return {names.get(column, column): {"before": old, "after": new} for column, (old, new) in differences.items()}


def history_columns(subject: Column) -> list[Column]:
    """Columns of a history; `subject`: that of the account or rule."""
    return [
        Column("changed", Phrase("When"), whole=True),
        subject,
        Column("action", Phrase("What"), lambda action: ACTIONS.get(action, action), priority=1),
        Column("who", Phrase("Who"), lambda who: who or Phrase("another program")),
        Column("changes", Phrase("Settings"), changes_shown, lines=True, priority=3),
    ]


def import_columns(subject: Column) -> list[Column]:
    """Columns of what an import of a file did."""
    return [
        Column("place", Phrase("Where")),
        subject,
        Column("action", Phrase("Done"), lambda action: ACTIONS[action], priority=1),
        Column("changes", Phrase("Settings"), changes_shown, lines=True, priority=3),
    ]


def who_of(change: Change) -> str | None:
    """The author of a change; None: another program."""
    if change.author is not None:
        return f"{change.author.who}@{change.author.host}"
    is_ours = isinstance(change.action, Action) and change.action is not Action.FOUND
    return "mail-importer" if is_ours else None


def changes_shown(changes: Mapping[str, Mapping[str, Value]]) -> Phrase:
    """Format the differences, a line each; of a new account none: all of it is in the JSON."""
    is_new = "name" in changes and changes["name"]["before"] is None
    return Phrase.joined(*(_changed(name, each) for name, each in changes.items() if not is_new), by="\n")


def _changed(name: str, values: Mapping[str, Value]) -> Phrase:
    return Phrase("{name}: {before} → {after}", name=name, before=shown(values["before"]), after=shown(values["after"]))
