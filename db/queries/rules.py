"""The import rules: rows of `tblEmailRule`, which other programs write, too.

The meaning and validity of their conditions is up to `rules.compiled`. Every function takes the connection of a
transaction; see `db.engine`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, select, true, update

from db.errors import RuleExists, RuleNotFound
from db.locking import by_row, locked_rows
from db.queries import rule_history
from db.queries.entry_lists import lines, separated, stored
from db.queries.history import Action, Author
from db.queries.rows import RowReader
from db.queries.rule_history import PLACE, RuleState
from db.tables import email_rule, email_rule_change
from phrases import Phrase
from phrases.commands import quoted
from rules.rule import CONTAINERS, Container, Rule, SavedBody, SubjectKind
from rules.texts import comparable

_W = TypeVar("_W", bound=StrEnum)
_rule = email_rule.c
_RENUMBER: Final = update(email_rule).where(_rule.nRuleID == bindparam("number")).values(nPosition=bindparam("place"))


@dataclass(frozen=True, slots=True)
class StoredRule:
    """One rule as stored in the database."""

    rule: Rule
    unreadable: Mapping[str, Phrase] = field(default_factory=dict, hash=False)
    """By column, the fault of values that cannot be used; the rule lacks them, and must not be applied."""

    @property
    def unreadable_because(self) -> Phrase | None:
        """The fault of its row and the remedy; None when all of it can be read."""
        if not self.unreadable:
            return None
        return Phrase(
            "The row of rule {name!r} (number {number}) in tblEmailRule cannot be used: {why}. Correct it, or set all "
            "of it again: mail-importer rules update {argument}",
            name=self.rule.name,
            argument=quoted(self.rule.name),
            number=self.rule.rule_id,
            why=Phrase.joined(*self.unreadable.values(), by="; "),
        )


def every(connection: Connection) -> list[StoredRule]:
    """All rules, in the order of the list."""
    rows = connection.execute(select(email_rule).order_by(_rule.nPosition, _rule.nRuleID))
    return [_stored_rule(row._mapping) for row in rows]  # noqa: SLF001  # public, as SQLAlchemy documents


ChangeToken = tuple[int, int | None, int | None]
"""Differs after each change of rules by a command."""


def change_token(connection: Connection) -> ChangeToken:
    """The number of rules, the latest of them, and their latest change. Two short statements."""
    count, latest = connection.execute(select(func.count(), func.max(_rule.nRuleID))).one()
    return count, latest, connection.scalar(select(func.max(email_rule_change.c.nChangeID)))


def by_name(connection: Connection, name: str) -> StoredRule:
    """The rule of that name, in any letter case.

    Raises:
        RuleNotFound: there is none.
    """
    return named(every(connection), name)


def named(rules: list[StoredRule], name: str) -> StoredRule:
    """The rule of that name, in any letter case; of two that another program named so, that of this letter case.

    Raises:
        RuleNotFound: there is none.
    """
    found = [each for each in rules if is_same(each.rule.name, name)]
    if not found:
        raise RuleNotFound(Phrase("There is no rule named {name!r}. See: mail-importer rules list", name=name))
    return next((each for each in found if each.rule.name == name), found[0])


def is_same(one: str, other: str) -> bool:
    """True if a rule has both names: letter case does not count, whatever the database's key distinguishes."""
    return comparable(one) == comparable(other)


def needs_original(connection: Connection) -> set[int | None]:
    """The accounts for which an enabled rule saves the original; None: all of them."""
    statement = select(_rule.nAccountID).where(_rule.bEnabled == true(), _rule.bSaveOriginal == true()).distinct()
    # Another program may have written another type, which SQLite accepts; such a rule is not applied.
    return {each for each in connection.scalars(statement) if each is None or isinstance(each, int)}


@contextmanager
def editing(connection: Connection, *, now: datetime, author: Author | None = None) -> "Iterator[RuleEditor]":
    """Change rules: others read them meanwhile, and wait to write any. `author`: for their history.

    Changes by other programs since the last one are recorded first.
    """
    editor = RuleEditor(connection, now=now, author=author)
    yield editor
    editor.finish()


class RuleEditor:
    """The rules within one transaction that changes them; see `editing`."""

    def __init__(self, connection: Connection, *, now: datetime, author: Author | None) -> None:
        self._connection, self._now, self._author = connection, now, author
        rows = locked_rows(connection, email_rule)
        self._values: dict[int, dict[str, Any]] = {row.nRuleID: dict(row._mapping) for row in rows}  # noqa: SLF001  # see `every`
        rule_history.note_others(connection, self._values, now=now)
        self._stored = {number: _stored_rule(values) for number, values in self._values.items()}
        self._names: dict[str, list[int]] = {}
        for number, each in self._stored.items():
            self._names.setdefault(comparable(each.rule.name), []).append(number)
        self._order = sorted(self._stored, key=lambda number: (self._stored[number].rule.position, number))
        self._notes: list[RuleState] = []

    def every(self) -> list[StoredRule]:
        """All rules, in the order of the list."""
        return [self._stored[number] for number in self._order]

    def find(self, name: str) -> StoredRule | None:
        """The rule of that name, in any letter case; None: there is none."""
        found = [self._stored[number] for number in self._names.get(comparable(name), ())]
        return named(found, name) if found else None

    def by_name(self, name: str) -> StoredRule:
        """The rule of that name, in any letter case.

        Raises:
            RuleNotFound: there is none.
        """
        return self.find(name) or named([], name)

    def add(self, rule: Rule, *, position: int | None = None) -> StoredRule:
        """Add a rule at this place of the list, or at its end. It is active from now on.

        Raises:
            RuleExists: the name is taken.
        """
        self._refuse_same_name(rule)
        values = {
            "bEnabled": rule.enabled,
            PLACE: len(self._order) + 1,
            "dtActiveSince": self._now,
            **_columns(rule),
        }
        # Inline, see db.queries.messages: this table may have triggers, too.
        self._connection.execute(insert(email_rule).inline().values(**values))
        number: int = self._connection.scalars(
            select(_rule.nRuleID).where(_rule.sName == rule.name).order_by(_rule.nRuleID.desc()).limit(1)
        ).one()
        self._names.setdefault(comparable(rule.name), []).append(number)
        self._values[number] = {name: number if name == "nRuleID" else values[name] for name in _rule.keys()}  # noqa: SIM118  # no mapping
        self._order.insert(len(self._order) if position is None else min(position - 1, len(self._order)), number)
        return self._noted(number, Action.ADDED)

    def change(self, name: str, rule: Rule) -> StoredRule:
        """Make the rule of that name like this one, but for `enabled`, `position` and `active_since`.

        Raises:
            RuleNotFound: there is none of that name.
            RuleExists: the new name is taken.
        """
        before = self.by_name(name)
        number = before.rule.rule_id
        if rule.name != before.rule.name:
            self._refuse_same_name(rule, but=number)
        old = _columns(before.rule)
        # Unreadable values that were not replaced stay until they are corrected.
        values = {column: value for column, value in _columns(rule).items() if value != old[column]}
        if not values:
            return before
        self._names[comparable(before.rule.name)].remove(number)
        self._names.setdefault(comparable(rule.name), []).append(number)
        return self._written(number, values, Action.CHANGED)

    def set_enabled(self, name: str, enabled: bool) -> StoredRule:
        """Enable the rule of that name, active from now on, or disable it.

        Raises:
            RuleNotFound: there is none of that name.
        """
        number = self.by_name(name).rule.rule_id
        if self._values[number]["bEnabled"] is enabled:
            return self._stored[number]
        if enabled:
            return self._written(number, {"bEnabled": True, "dtActiveSince": self._now}, Action.ENABLED)
        return self._written(number, {"bEnabled": False}, Action.DISABLED)

    def remove(self, name: str) -> StoredRule:
        """Remove the rule of that name. The files that it saved, and their rows, stay.

        Raises:
            RuleNotFound: there is none of that name.
        """
        removed = self.by_name(name)
        number = removed.rule.rule_id
        self._connection.execute(by_row(delete(email_rule)).where(_rule.nRuleID == number))
        self._order.remove(number)
        self._names[comparable(removed.rule.name)].remove(number)
        self._note(number, Action.REMOVED)
        del self._stored[number]
        return removed

    def move(self, places: Mapping[str, int]) -> None:
        """Give the rules of these names these places, from 1; beyond the end: at the end.

        Raises:
            RuleNotFound: there is none of one of the names.
        """
        wanted = sorted((place, self.by_name(name).rule.rule_id) for name, place in places.items())
        before = {number: place for place, number in enumerate(self._order)}
        moved = {number for _, number in wanted}
        self._order = [number for number in self._order if number not in moved]
        for place, number in wanted:
            self._order.insert(min(place - 1, len(self._order)), number)
        for place, number in enumerate(self._order):
            if number in moved and before[number] != place:
                self._note(number, Action.MOVED)

    def finish(self) -> None:
        """Write the places in the list, and the history."""
        places = {number: place for place, number in enumerate(self._order, start=1)}
        shifted = [
            {"number": number, "place": place}
            for number, place in places.items()
            if self._values[number][PLACE] != place
        ]
        if shifted:
            self._connection.execute(by_row(_RENUMBER), shifted)
        rule_history.note(self._connection, self._placed(places), now=self._now)

    def _placed(self, places: Mapping[int, int]) -> Iterator[RuleState]:
        for each in self._notes:
            place = places.get(each.rule_id, each.values[PLACE])
            yield RuleState(each.rule_id, each.action, each.author, {**each.values, PLACE: place})

    def _written(self, number: int, values: Mapping[str, Any], action: Action) -> StoredRule:
        self._connection.execute(by_row(update(email_rule)).where(_rule.nRuleID == number).values(**values))
        self._values[number].update(values)
        return self._noted(number, action)

    def _noted(self, number: int, action: Action) -> StoredRule:
        self._note(number, action)
        self._stored[number] = _stored_rule(self._values[number])
        return self._stored[number]

    def _note(self, number: int, action: Action) -> None:
        self._notes.append(RuleState(number, action, self._author, dict(self._values[number])))

    def _refuse_same_name(self, rule: Rule, *, but: int | None = None) -> None:
        others = [number for number in self._names.get(comparable(rule.name), ()) if number != but]
        if others:
            raise RuleExists(
                Phrase(
                    "A rule named {name!r} exists already. Choose another name, or remove that one.",
                    name=self._stored[others[0]].rule.name,
                )
            )


def _columns(rule: Rule) -> dict[str, Any]:
    """The columns of what an administrator wrote."""
    return {
        "sName": rule.name,
        "nAccountID": rule.account_id,
        "sSenders": stored(rule.senders),
        "sRecipients": stored(rule.recipients),
        "sSubjectKind": None if rule.subject_kind is None else rule.subject_kind.value,
        "sSubject": stored(rule.subjects),
        "sBodyWords": stored(rule.body_words),
        "sAttachmentNames": stored(rule.attachment_names),
        "nAttachmentSizeLeast": rule.size_least,
        "nAttachmentSizeMost": rule.size_most,
        "bHasAttachments": rule.has_attachments,
        "sFolder": rule.folder,
        "sFileName": rule.file_name,
        "bSaveAttachments": rule.save_attachments,
        "sUnpack": " ".join(each.value for each in CONTAINERS if each in rule.unpack) or None,
        "sSaveBody": None if rule.save_body is None else rule.save_body.value,
        "bSaveOriginal": rule.save_original,
        "bSaveMetadata": rule.save_metadata,
    }


def _stored_rule(row: RowMapping | Mapping[str, Any]) -> StoredRule:
    reading = RowReader(row)
    number: int = row["nRuleID"]
    rule = Rule(
        name=reading.text("sName") or f"({number})",
        folder=reading.text("sFolder"),
        rule_id=number,
        enabled=reading.flag("bEnabled"),
        account_id=reading.number("nAccountID"),
        position=reading.number(PLACE) or 0,
        senders=separated(reading.text_or_none("sSenders")),
        recipients=separated(reading.text_or_none("sRecipients")),
        subject_kind=_word(reading, "sSubjectKind", SubjectKind),
        subjects=lines(reading.text_or_none("sSubject")),
        body_words=lines(reading.text_or_none("sBodyWords")),
        attachment_names=lines(reading.text_or_none("sAttachmentNames")),
        size_least=reading.number("nAttachmentSizeLeast"),
        size_most=reading.number("nAttachmentSizeMost"),
        has_attachments=reading.flag_or_none("bHasAttachments"),
        file_name=reading.text_or_none("sFileName"),
        save_attachments=reading.flag("bSaveAttachments"),
        unpack=_containers(reading),
        save_body=_word(reading, "sSaveBody", SavedBody),
        save_original=reading.flag("bSaveOriginal"),
        save_metadata=reading.flag("bSaveMetadata"),
        active_since=reading.time("dtActiveSince"),
    )
    _refuse_blank_lists(reading, rule)
    return StoredRule(rule, reading.faults)


def _refuse_blank_lists(reading: RowReader, rule: Rule) -> None:
    """Note texts that have no entry: without one, more mail would fit than their author meant."""
    for name, entries in (
        ("sSenders", rule.senders),
        ("sRecipients", rule.recipients),
        ("sSubject", rule.subjects),
        ("sBodyWords", rule.body_words),
        ("sAttachmentNames", rule.attachment_names),
    ):
        text = reading.text_or_none(name)
        if text and not entries:
            reading.refuse(name, text, Phrase("a list with an entry"))


def _word(reading: RowReader, name: str, words: type[_W]) -> _W | None:
    text = reading.text_or_none(name)
    if not text:
        return None
    found = next((each for each in words if each == text.strip().lower()), None)
    if found is None:
        reading.refuse(name, text, _one_of(words))
    return found


def _containers(reading: RowReader) -> frozenset[Container]:
    names = [name.lower() for name in separated(reading.text_or_none("sUnpack"))]
    if any(name not in CONTAINERS for name in names):
        reading.refuse("sUnpack", " ".join(names), _one_of(Container))
        return frozenset()
    return frozenset(each for each in Container if each in names)


def _one_of(words: type[StrEnum]) -> Phrase:
    return Phrase("one of {words}", words=", ".join(words))
