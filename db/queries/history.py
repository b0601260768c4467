"""Changes of the accounts' settings: their author, time and result (`tblEmailAccountChange`).

Each row has all settings as of after the change, so that a change by a program that keeps no history is found by the
next comparison. `db.queries.rule_history` does the same for rules.

Every function takes the connection of a transaction; see `db.engine`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from db.columns import UnreadableTime
from db.tables import account_change, account_settings
from longtext import fitting

Value = str | int | bool | None
"""One setting's value; a time as ISO 8601 text."""

_HOST_LENGTH: Final = 100
_SHOWN_LENGTH: Final = 50
_WHO_LENGTH: Final = 200
_NO_SETTINGS: Final = frozenset({"nAccountID", "dtPurgedBefore", "dtRemoved"})
_row = account_change.c


class Action(StrEnum):
    """`sAction`. TAKEN_UP: a removed account was added again. FOUND: another program wrote the row, as was seen now."""

    ADDED = "added"
    CHANGED = "changed"
    ENABLED = "enabled"
    DISABLED = "disabled"
    MOVED = "moved"
    REMOVED = "removed"
    TAKEN_UP = "taken_up"
    FOUND = "found"


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a change: a user of an operating system on a host, or of the web console."""

    who: str
    host: str


@dataclass(frozen=True, slots=True)
class Change:
    """One row. `before` is None in the first row of an account or rule, else the result of the row before it.

    `number`: of the account or rule. `action`: an `Action`, or the word of another program or of a newer version.
    `author`: None for changes by mail-importer itself, and for those that were FOUND.
    """

    number: int
    changed: datetime
    action: str
    author: Author | None
    before: Mapping[str, Value] | None
    after: Mapping[str, Value]

    @property
    def differences(self) -> dict[str, tuple[Value, Value]]:
        """By column: the old and the new value, where they differ."""
        before = self.before or {}
        names = [*self.after, *(name for name in before if name not in self.after)]
        pairs = {name: (before.get(name), self.after.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def note(connection: Connection, account_id: int, action: Action, *, author: Author | None, now: datetime) -> None:
    """Record the account's settings, unless they equal the last record."""
    row = connection.execute(select(account_settings).where(account_settings.c.nAccountID == account_id)).one_or_none()
    if row is None:
        return
    text = settings_text({name: value for name, value in row._mapping.items() if name not in _NO_SETTINGS})  # noqa: SLF001  # public, as SQLAlchemy documents
    if text == _last(connection, account_id):
        return
    values = change_values(action, text, author=author, now=now)
    connection.execute(insert(account_change).inline().values(nAccountID=account_id, **values))


def settings_text(row: Mapping[str, Any]) -> str:
    """`sSettings`: the values by column, as JSON."""
    return json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False)


def change_values(action: Action, text: str, *, author: Author | None, now: datetime) -> dict[str, Any]:
    """A row of a history without its key."""
    return {
        "dtChanged": now,
        "sAction": action.value,
        "sWho": None if author is None else fitting(author.who, _WHO_LENGTH),
        "sHost": None if author is None else fitting(author.host, _HOST_LENGTH),
        "sSettings": text,
    }


def note_others(connection: Connection, account_ids: Iterable[int], *, now: datetime) -> None:
    """Record changes by others to these accounts since their last row."""
    for account_id in account_ids:
        note(connection, account_id, Action.FOUND, author=None, now=now)


def changes(connection: Connection) -> list[Change]:
    """All changes, oldest first."""
    statement = select(account_change).order_by(_row.nAccountID, _row.nChangeID)
    return changes_in((row.nAccountID, row) for row in connection.execute(statement))


def latest_changes(connection: Connection, account_id: int, *, limit: int) -> list[Change]:
    """The newest changes of one account, newest first."""
    newest = (
        select(account_change).where(_row.nAccountID == account_id).order_by(_row.nChangeID.desc()).limit(limit + 1)
    )
    # One more than are wanted: a change is the difference to the one before it.
    rows = connection.execute(newest).all()[::-1]
    return changes_in((row.nAccountID, row) for row in rows)[::-1][:limit]


def changes_in(rows: Iterable[tuple[int, Row[Any]]]) -> list[Change]:
    """The changes, oldest first, of rows with their keys that are in the order of both."""
    found: list[Change] = []
    last: dict[int, Mapping[str, Value]] = {}
    for number, row in rows:
        found.append(change_of(number, row, last.get(number)))
        last[number] = found[-1].after
    return sorted(found, key=lambda each: each.changed)


def change_of(number: int, row: Row[Any], before: Mapping[str, Value] | None) -> Change:
    """The change of one row; `before`: the settings in the row before it."""
    author = None if row.sWho is None else Author(row.sWho, row.sHost or "")
    return Change(number, row.dtChanged, _action_in(row.sAction), author, before, settings_in(row.sSettings))


def _action_in(word: object) -> str:
    """The `Action`; another program's word as text."""
    text = str(word)[:_SHOWN_LENGTH]
    return next((each for each in Action if each == text), text)


def settings_in(text: object) -> Mapping[str, Value]:
    """The settings by column; another program's text in their place."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return {"sSettings": str(text)[:_SHOWN_LENGTH]}
    return {name: _plain(value) for name, value in found.items()}


def _last(connection: Connection, account_id: int) -> str | None:
    return connection.scalar(
        select(_row.sSettings).where(_row.nAccountID == account_id).order_by(_row.nChangeID.desc()).limit(1)
    )


def _plain(value: Any) -> Value:  # noqa: ANN401  # any value of a column
    if isinstance(value, UnreadableTime):
        return value.stored
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
