"""Changes of import rules: their author, time and result (`tblEmailRuleChange`).

As `db.queries.history` of accounts, for many rules at once. A rule's place in the list changes with that of others: it
counts as a change where the rule itself was moved. Every function takes the connection of a transaction; see
`db.engine`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select

from db.keys import in_queries, rounded
from db.queries import history
from db.queries.history import Action, Author, Change, Value
from db.tables import email_rule_change

PLACE: Final = "nPosition"
"""The column of a rule's place in the list."""

_row = email_rule_change.c


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule, by column, after an action; of a removed one as it was. `author`: None for another program."""

    rule_id: int
    action: Action
    author: Author | None
    values: Mapping[str, Any]


def note(connection: Connection, states: Iterable[RuleState], *, now: datetime) -> None:
    """Record them."""
    rows = [
        {
            "nRuleID": each.rule_id,
            **history.change_values(each.action, history.settings_text(each.values), author=each.author, now=now),
        }
        for each in states
    ]
    if rows:
        connection.execute(insert(email_rule_change).inline(), rows)


def note_others(connection: Connection, rules: Mapping[int, Mapping[str, Any]], *, now: datetime) -> None:
    """Record what other programs did since the last rows; `rules`: all that there are."""
    last = _last(connection)
    found = [
        RuleState(number, Action.FOUND, None, values)
        for number, values in rules.items()
        if number not in last or _differs(last[number][1], values)
    ]
    gone = [
        RuleState(number, Action.REMOVED, None, values)
        for number, (action, values) in last.items()
        if number not in rules and action != Action.REMOVED
    ]
    note(connection, [*found, *gone], now=now)


def changes(connection: Connection, rule_id: int | None = None) -> list[Change]:
    """All changes, or those of a rule, oldest first."""
    statement = select(email_rule_change).order_by(_row.nRuleID, _row.nChangeID)
    if rule_id is not None:
        statement = statement.where(_row.nRuleID == rule_id)
    found = history.changes_in((row.nRuleID, row) for row in connection.execute(statement))
    return [in_its_place(each) for each in found]


def latest(connection: Connection, *, limit: int, rule_id: int | None = None) -> list[Change]:
    """The last changes, at most `limit`, or those of a rule, oldest first."""
    of = () if rule_id is None else (_row.nRuleID == rule_id,)
    newest = select(_row.nChangeID, _row.nRuleID).where(*of).order_by(_row.nChangeID.desc()).limit(limit)
    found = connection.execute(newest).all()
    if not found:
        return []
    first = found[-1].nChangeID
    rows = list(connection.execute(select(email_rule_change).where(*of, _row.nChangeID >= first)))
    rows += _last_before(connection, {row.nRuleID for row in found}, first)
    rows.sort(key=lambda row: (row.nRuleID, row.nChangeID))
    known = {row.nRuleID for row in rows if row.nChangeID < first}
    made: list[Change] = []
    for each in history.changes_in((row.nRuleID, row) for row in rows):
        if each.number in known:  # the first of each rule, which tells what the next one made different
            known.remove(each.number)
        else:
            made.append(in_its_place(each))
    return made


def _last_before(connection: Connection, rule_ids: Collection[int], change_id: int) -> list[Row[Any]]:
    """The last row of each of these rules before that change."""
    rows: list[Row[Any]] = []
    for chunk in in_queries(rule_ids):
        theirs = (_row.nRuleID.in_(rounded(list(chunk))), _row.nChangeID < change_id)
        numbers = select(func.max(_row.nChangeID)).where(*theirs).group_by(_row.nRuleID)
        rows += connection.execute(select(email_rule_change).where(_row.nChangeID.in_(numbers)))
    return rows


def in_its_place(change: Change) -> Change:
    """The change without the difference of the place, unless the rule itself was moved."""
    if change.action == Action.MOVED or change.before is None or PLACE not in change.after:
        return change
    return replace(change, before={**change.before, PLACE: change.after[PLACE]})


def _last(connection: Connection) -> dict[int, tuple[str, Mapping[str, Value]]]:
    """The last action and state of each rule that has a history."""
    latest = select(func.max(_row.nChangeID)).group_by(_row.nRuleID)
    rows = connection.execute(select(_row.nRuleID, _row.sAction, _row.sSettings).where(_row.nChangeID.in_(latest)))
    return {row.nRuleID: (row.sAction, history.settings_in(row.sSettings)) for row in rows}


def _differs(last: Mapping[str, Value], values: Mapping[str, Any]) -> bool:
    now = history.settings_in(history.settings_text(values))
    return any(last.get(name) != now.get(name) for name in {*last, *now} if name != PLACE)
