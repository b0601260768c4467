"""Results of the check of messages against import rules: the files to save, and the state of each message.

A message is checked once, whatever number of processes look for work: the first that records a result wins. It is
checked again when it is imported anew, and a file that is known from before is not written a second time.

Every function takes the connection of a transaction; see `db.engine`.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    update,
)

from db.keys import in_queries, listed, rounded
from db.locking import by_row, locking
from db.outcomes import FileState, RuleState
from db.tables import email_file, message
from phrases import Phrase
from phrases.storage import to_json

RETRIED_FOR: Final = timedelta(days=7)
"""Time for which a file that cannot be saved is tried again."""
UNCHECKED: Final[dict[str, Any]] = {"sRuleState": RuleState.WHITE.value, "nRulesMatched": null()}
"""Columns of a message that is to be checked against the rules."""

_row, _file = message.c, email_file.c

NOT_STORED: Final = "NotStored"
"""`sReason` of a file whose bytes were not in the database when it was to be saved: purged, or replaced."""
LACKS_BYTES: Final = and_(
    _file.sState == FileState.FAILED.value, or_(_file.nAttempts == 0, _file.sReason == NOT_STORED)
)
"""True of a file that the database lacks the bytes of, as its check or an attempt found. Another import may bring
them."""


@dataclass(frozen=True, slots=True)
class FileToSave:
    """A file that a rule selects. `key`: the part of the message, see `sKey`; `describes`: the key of its data file.

    `reason`, `detail`: why it cannot be saved, whatever is tried; None: it can.
    """

    rule_id: int
    key: str
    part: str
    folder: str
    name: str = field(repr=False)
    position: int | None = None
    member: str | None = field(default=None, repr=False)
    member_number: int | None = None
    size: int | None = None
    describes: str | None = None
    reason: str | None = None
    detail: Phrase | None = None


@dataclass(frozen=True, slots=True)
class Matches:
    """The result of the check of one message. `rules`: number of those that matched."""

    message_id: int
    rules: int
    files: Sequence[FileToSave] = field(default=(), repr=False)


def folder_key(folder: str) -> str:
    """`sFolderKey` of a folder."""
    return hashlib.sha256(folder.encode("utf-8", "surrogatepass")).hexdigest()


def note(connection: Connection, found: Sequence[Matches], *, now: datetime) -> set[int]:
    """Record the results of messages that are unchecked still; return the numbers of these messages."""
    noted: set[int] = set()
    for each in sorted(found, key=lambda each: each.message_id):
        # It locks the row: of two processes, the second finds the result of the first.
        claimed = connection.execute(_CHECKED, {"number": each.message_id, "rules": each.rules})
        if claimed.rowcount:
            noted.add(each.message_id)
            _forget_replaced(connection, each, LACKS_BYTES)
            _add(connection, each, run=0, now=now)
    refresh(connection, noted)
    return noted


def none_matches(connection: Connection, numbers: Collection[int]) -> None:
    """Record that no rule matched these messages, of those that are unchecked still."""
    values = {"sRuleState": RuleState.AMBER.value, "nRulesMatched": 0}
    for chunk in in_queries(sorted(numbers)):
        connection.execute(by_row(update(message).where(_row.nMessageID.in_(chunk), *_IS_UNCHECKED).values(values)))


def apply(connection: Connection, found: Matches, *, now: datetime, again: bool) -> int:
    """Add the files of rules that an operator applies to a message; return the number of those that are new.

    What was saved before is not saved again, unless `again`. A message that is unchecked remains so: other rules may
    match it.
    """
    lock(connection, [found.message_id])
    run = 0
    theirs = _file.nRuleID.in_({each.rule_id for each in found.files})
    if again and found.files:
        last = select(func.max(_file.nRun)).where(_file.nMessageID == found.message_id, theirs)
        latest: int | None = connection.scalar(last)
        run = 0 if latest is None else latest + 1
    else:
        _forget_replaced(connection, found, and_(LACKS_BYTES, theirs))
    added = _add(connection, found, run=run, now=now)
    checked = (_row.nMessageID == found.message_id, _row.nRulesMatched.is_not(None))
    connection.execute(by_row(update(message).where(*checked).values(nRulesMatched=_matched(literal(found.rules)))))
    refresh(connection, [found.message_id])
    return added


def lock(connection: Connection, numbers: Iterable[int]) -> None:
    """Lock these messages, in one order for all: files of one message are settled one after the other."""
    for chunk in in_queries(sorted(set(numbers))):
        statement = select(_row.nMessageID).where(_row.nMessageID.in_(chunk)).order_by(_row.nMessageID)
        connection.execute(locking(statement, message)).all()


def refresh(connection: Connection, numbers: Collection[int]) -> None:
    """Bring the states of these checked messages, which are locked, and their numbers of rules to their files."""
    for chunk in in_queries(sorted(numbers)):
        connection.execute(_REFRESH, {"numbers": rounded(list(chunk))})


def _add(connection: Connection, found: Matches, *, run: int, now: datetime) -> int:
    """Insert the files that are not there yet: first those with data, then those that describe them."""
    if not found.files:
        return 0
    known = _known(connection, found.message_id, run)
    new = [each for each in found.files if (each.rule_id, each.key) not in known]
    data = [each for each in new if each.describes is None]
    _insert(connection, [_values(found.message_id, each, run=run, now=now) for each in data])
    described = [each for each in new if each.describes is not None]
    if described:
        numbers = _known(connection, found.message_id, run)
        rows = []
        for each in described:
            of = numbers.get((each.rule_id, each.describes or ""))
            if of is not None:
                rows.append(_values(found.message_id, each, run=run, now=now) | _describing(*of, now=now))
        _insert(connection, rows)
    return len(new)


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(_INSERT, rows)


def _known(connection: Connection, message_id: int, run: int) -> dict[tuple[int, str], tuple[int, str]]:
    """The number and state of each file of the message, by rule and key."""
    statement = select(_file.nRuleID, _file.sKey, _file.nFileID, _file.sState).where(
        _file.nMessageID == message_id, _file.nRun == run
    )
    return {(rule, key): (number, state) for rule, key, number, state in connection.execute(statement)}


def _forget_replaced(connection: Connection, found: Matches, lacking: ColumnElement[bool]) -> None:
    """Delete files of parts that the message does not have any more, and have those tried again that it has again.

    `lacking`: true of files without bytes. Of a rule that matches, also what is not whole yet is not selected any more.
    One that is whole is saved as it was.
    """
    replaced = and_(
        _file.nRuleID.in_({each.rule_id for each in found.files}),
        _file.sState == FileState.PENDING.value,
        _file.sFolderIdentity.is_(None),
    )
    statement = select(_file.nFileID, _file.nRuleID, _file.sKey, _file.sState, _file.nRun).where(
        _file.nMessageID == found.message_id, or_(lacking, replaced)
    )
    wanted = {(each.rule_id, each.key): each.reason is None for each in found.files}
    rows = connection.execute(statement).all()
    gone = [
        row.nFileID
        for row in rows
        if (row.nRuleID, row.sKey) not in wanted
        # It is added again, due at once, and so is what describes it.
        or (row.sState == FileState.FAILED and row.nRun == 0 and wanted[row.nRuleID, row.sKey])
    ]
    for chunk in in_queries(gone):
        connection.execute(delete(email_file).where(or_(_file.nFileID.in_(chunk), _file.nDataFileID.in_(chunk))))


def _values(message_id: int, each: FileToSave, *, run: int, now: datetime) -> dict[str, Any]:
    fails = each.reason is not None
    return {
        "nMessageID": message_id,
        "nRuleID": each.rule_id,
        "nRun": run,
        "sKey": each.key,
        "sPart": each.part,
        "nPosition": each.position,
        "sMember": each.member,
        "nMember": each.member_number,
        "nDataFileID": None,
        "sFolder": each.folder,
        "sFolderKey": folder_key(each.folder),
        "sFileName": each.name,
        "sState": FileState.FAILED.value if fails else FileState.PENDING.value,
        "sReason": each.reason,
        "sDetail": each.detail,
        "sDetailPhrase": to_json(each.detail),
        "nSize": each.size,
        "dtCreated": now,
        "dtDue": None if fails else now,
        "dtRetryUntil": now + RETRIED_FOR,
    }


def _describing(number: int, state: str, *, now: datetime) -> dict[str, Any]:
    """The columns of a file with metadata: it waits for its data, and is skipped with it."""
    waits = state == FileState.PENDING
    is_there = state == FileState.SAVED
    return {
        "nDataFileID": number,
        "sState": FileState.PENDING.value if waits or is_there else FileState.SKIPPED.value,
        "dtDue": now if is_there else None,
    }


def _matched(rules: ColumnElement[int]) -> ColumnElement[int]:
    """The number of rules that matched a message: these, or all of which it has files, if they are more: other rules
    may have been applied to it, or have matched it before it was imported again."""
    by_files = (
        select(func.count(_file.nRuleID.distinct()))
        .where(_file.nMessageID == _row.nMessageID)
        .correlate(message)
        .scalar_subquery()
    )
    return case((by_files > rules, by_files), else_=rules)


_IS_UNCHECKED: Final = (_row.sRuleState == RuleState.WHITE.value, _row.nRulesMatched.is_(None))
_INSERT: Final = insert(email_file).inline()
_CHECKED: Final = by_row(
    update(message)
    .where(_row.nMessageID == bindparam("number"), *_IS_UNCHECKED)
    .values(nRulesMatched=bindparam("rules"))
)
_HAS: Final = {
    name: exists(select(literal(1)).where(_file.nMessageID == _row.nMessageID, condition).correlate(message))
    for name, condition in (
        (
            "trouble",
            or_(
                _file.sState == FileState.FAILED.value,
                and_(_file.sState == FileState.PENDING.value, _file.nAttempts > 0),
            ),
        ),
        ("work", _file.sState == FileState.PENDING.value),
        ("files", true()),
    )
}
_REFRESH: Final = by_row(
    update(message)
    .where(_row.nMessageID.in_(listed("numbers", _row.nMessageID)), _row.nRulesMatched.is_not(None))
    .values(
        sRuleState=case(
            (_HAS["trouble"], RuleState.RED.value),
            (_HAS["work"], RuleState.WHITE.value),
            (or_(_row.nRulesMatched > 0, _HAS["files"]), RuleState.GREEN.value),
            else_=RuleState.AMBER.value,
        ),
        nRulesMatched=_matched(_row.nRulesMatched),
    )
)
