"""The activity of all users, newest first, merged from the tables that record it: bounded reads of each.

`tblConsoleActivity`, `tblQueueAudit`, `tblEmailAccountChange`, `tblEmailRuleChange`. A page continues in each table
below the last number that was shown: by the primary key, so that no table needs an index on its time. Every function
takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, Connection, Row, Select, Table, select

from db.queries import audit, history, rule_history
from db.queries.audit import AuditEntry
from db.queries.console_activity import Activity
from db.queries.history import Change
from db.tables import account_change, console_activity, email_rule_change, queue_audit


class Source(StrEnum):
    """A table. CONSOLE: of the web console. OPERATIONS: on many messages or files. ACCOUNTS, RULES: their changes."""

    CONSOLE = "console"
    OPERATIONS = "operations"
    ACCOUNTS = "accounts"
    RULES = "rules"


Position = Mapping[Source, int]
"""In each source, the number below which the page begins; a source that is not named begins with its newest row."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A selection of the activity: what matches all that is given. `actions`: of the source CONSOLE; None: all."""

    sources: Collection[Source] = frozenset(Source)
    actions: Collection[str] | None = None
    who: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `who`: None where no user did it. `fact`: an `Activity`, `AuditEntry` or `Change`, by its source."""

    source: Source
    number: int
    at: datetime
    who: str | None
    where: str | None
    fact: Activity | AuditEntry | Change = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first. `next`: the position of the next page; None: there is none."""

    entries: Sequence[Entry]
    next: Position | None


def page(connection: Connection, wanted: Wanted, *, below: Position, limit: int) -> Page:
    """Up to `limit` entries below a position."""
    waiting = {each: _read(connection, wanted, each, below.get(each), limit + 1) for each in wanted.sources}
    entries: list[Entry] = []
    position = dict(below)
    while len(entries) < limit and (heads := [rows[0] for rows in waiting.values() if rows]):
        newest = max(heads, key=lambda each: (each.at, each.source))
        waiting[newest.source].pop(0)
        entries.append(newest)
        position[newest.source] = newest.number
    return Page(entries, position if any(waiting.values()) else None)


@dataclass(frozen=True, slots=True)
class _Place:
    """Reading of a source. `of`: the column of the account or rule, in a history."""

    table: Table
    number: Column[Any]
    at: Column[Any]
    who: Column[Any]
    made: Callable[[Row[Any]], Entry]
    of: Column[Any] | None = None


def _read(connection: Connection, wanted: Wanted, source: Source, below: int | None, limit: int) -> list[Entry]:
    place = _PLACES[source]
    if source is Source.CONSOLE and wanted.actions is not None and not wanted.actions:
        return []
    statement = _columns(place).order_by(place.number.desc()).limit(limit)
    for condition in _conditions(wanted, source, place, below):
        statement = statement.where(condition)
    return [place.made(row) for row in connection.execute(statement)]


def _columns(place: _Place) -> Select[Any]:
    """The rows, those of a history with the settings before each."""
    if place.of is None:
        return select(place.table)
    earlier = place.table.alias("earlier")
    before = (
        select(earlier.c.sSettings)
        .where(earlier.c[place.of.name] == place.of, earlier.c[place.number.name] < place.number)
        .order_by(earlier.c[place.number.name].desc())
        .limit(1)
        .scalar_subquery()
    )
    return select(place.table, before.label("sBefore"))


def _conditions(wanted: Wanted, source: Source, place: _Place, below: int | None) -> Iterator[Any]:
    if below is not None:
        yield place.number < below
    if wanted.who is not None:
        yield place.who == wanted.who
    if wanted.since is not None:
        yield place.at >= wanted.since
    if wanted.until is not None:
        yield place.at < wanted.until
    if source is Source.CONSOLE and wanted.actions is not None:
        yield console_activity.c.sAction.in_(sorted(wanted.actions))


def _activity(row: Row[Any]) -> Entry:
    found = Activity(*tuple(row))
    return Entry(Source.CONSOLE, found.activity_id, found.at, found.who, found.address, found)


def _operation(row: Row[Any]) -> Entry:
    found = audit.of_row(row)
    return Entry(Source.OPERATIONS, found.audit_id, found.started, found.who, found.host, found)


def _account_change(row: Row[Any]) -> Entry:
    return _change(Source.ACCOUNTS, row, history.change_of(row.nAccountID, row, _before(row)))


def _rule_change(row: Row[Any]) -> Entry:
    change = rule_history.in_its_place(history.change_of(row.nRuleID, row, _before(row)))
    return _change(Source.RULES, row, change)


def _before(row: Row[Any]) -> Mapping[str, Any] | None:
    return None if row.sBefore is None else history.settings_in(row.sBefore)


def _change(source: Source, row: Row[Any], change: Change) -> Entry:
    author = change.author
    who, where = (None, None) if author is None else (author.who, author.host)
    return Entry(source, row.nChangeID, change.changed, who, where, change)


def _history_place(table: Table, of: Column[Any], made: Callable[[Row[Any]], Entry]) -> _Place:
    return _Place(table, table.c.nChangeID, table.c.dtChanged, table.c.sWho, made, of)


_PLACES: Final[Mapping[Source, _Place]] = {
    Source.CONSOLE: _Place(
        console_activity,
        console_activity.c.nActivityID,
        console_activity.c.dtAt,
        console_activity.c.sWho,
        _activity,
    ),
    Source.OPERATIONS: _Place(
        queue_audit, queue_audit.c.nAuditID, queue_audit.c.dtStarted, queue_audit.c.sWho, _operation
    ),
    Source.ACCOUNTS: _history_place(account_change, account_change.c.nAccountID, _account_change),
    Source.RULES: _history_place(email_rule_change, email_rule_change.c.nRuleID, _rule_change),
}
