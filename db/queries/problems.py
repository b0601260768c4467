"""Problems that need a person (`tblProblem`): one row for one cause, open until the cause is over.

A closed row stays as history, and the same cause opens another one. Every function takes the connection of a
transaction; see `db.engine`.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from db.keys import in_queries
from db.tables import problem
from longtext import cut
from phrases.storage import from_json, to_json

NO_ACCOUNT: Final = "no account"
"""The scope of a problem of what belongs to no known account; other problems without account are of many."""
_SEEN_AGAIN_AFTER: Final = timedelta(seconds=60)
"""`dtLastSeen` of a problem that does not change is written no more often."""
_SCOPE_LENGTH: Final = 450

_row = problem.c


class ProblemKind(StrEnum):
    """The kinds of problems; docs/problems.md describes each."""

    GRAPH_UNREACHABLE = "graph_unreachable"
    SIGN_IN_UNREACHABLE = "sign_in_unreachable"
    CREDENTIALS_UNREACHABLE = "credentials_unreachable"
    SIGN_IN_REFUSED = "sign_in_refused"
    CERTIFICATE_ENDS = "certificate_ends"
    CERTIFICATE_ENDED = "certificate_ended"
    CERTIFICATE_NOT_FOUND = "certificate_not_found"
    CERTIFICATE_KEY_UNREADABLE = "certificate_key_unreadable"
    CERTIFICATE_UNUSABLE = "certificate_unusable"
    CERTIFICATE_REPLACED = "certificate_replaced"
    """The next certificate is in use already, since the current one no longer works."""
    MAILBOX_REFUSED = "mailbox_refused"
    FOLDER_NOT_FOUND = "folder_not_found"
    SETTINGS_UNUSABLE = "settings_unusable"
    SUBSCRIPTION_FAILING = "subscription_failing"
    NOTIFICATIONS_MISSED = "notifications_missed"
    SWEEP_FAILING = "sweep_failing"
    DEAD_LETTERS = "dead_letters"
    MESSAGES_FAILING = "messages_failing"
    AFTER_IMPORT_FAILING = "after_import_failing"
    QUEUE_UNREACHABLE = "queue_unreachable"
    QUEUE_NOT_DRAINED = "queue_not_drained"
    DATABASE_TROUBLE = "database_trouble"
    NO_PROCESSOR = "no_processor"
    NO_MANAGER = "no_manager"
    PROCESS_LOST = "process_lost"
    WORKER_NOT_STARTED = "worker_not_started"
    """A process of a supervisor cannot be started again, while another one serves."""
    CLOCKS_APART = "clocks_apart"
    DISK_NEARLY_FULL = "disk_nearly_full"
    SCHEMA_OUTDATED = "schema_outdated"
    ALERT_FAILING = "alert_failing"
    NO_DELIVERY = "no_delivery"
    DELIVERY_LATE = "delivery_late"
    FOLDER_UNAVAILABLE = "folder_unavailable"
    FILES_FAILED = "files_failed"
    RULE_UNUSABLE = "rule_unusable"


class Severity(StrEnum):
    """`ERROR`: mail is not imported, or a file of it not saved, or will not be. `WARNING`: it is, and something will
    break or is incomplete."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """A cause, as found now. `text` and `remedy` are phrases, never of any mail.

    `scope`: what it is about beside the account, as a host or an application; it is part of the identity. `since`: its
    begin, as far as it is known. `count`: accounts, messages or processes concerned.
    """

    kind: ProblemKind
    severity: Severity
    text: str
    remedy: str
    account_id: int | None = None
    scope: str = ""
    since: datetime | None = None
    count: int = 1

    @property
    def key(self) -> str:
        """The identity of the cause, as hexadecimal digits."""
        account = "" if self.account_id is None else str(self.account_id)
        return hashlib.sha256(f"{self.kind} {account} {self.scope}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredProblem:
    """A problem as it was written; `kind` may be a word of a newer version.

    `first_seen`: the begin of its cause; `opened`: its first finding. `cleared` is None while it is open.
    """

    number: int
    kind: str
    severity: str
    account_id: int | None
    scope: str
    first_seen: datetime
    opened: datetime
    last_seen: datetime
    cleared: datetime | None
    count: int
    text: str
    remedy: str
    alerted: datetime | None
    key: str


@dataclass(frozen=True, slots=True)
class Changes:
    """The problems that a reconciliation opened and cleared."""

    opened: Sequence[Problem]
    cleared: Sequence[StoredProblem]


def open_problems(connection: Connection) -> list[StoredProblem]:
    """The problems that are open, the oldest first."""
    return _read(connection, _row.dtCleared.is_(None))


def ended(connection: Connection, *, since: datetime, limit: int) -> list[StoredProblem]:
    """Up to `limit` problems that were over then or later, the last first."""
    numbers = select(_row.nProblemID).where(_row.dtCleared >= since).order_by(_row.dtCleared.desc()).limit(limit)
    found = _read(connection, _row.nProblemID.in_(list(connection.scalars(numbers))))
    return sorted(found, key=lambda each: (each.cleared or since, each.number), reverse=True)


def unalerted_ends(connection: Connection, *, since: datetime) -> list[StoredProblem]:
    """The problems that were alerted, were cleared then or later, and whose end was not alerted; the oldest first."""
    ended = (_row.dtCleared >= since) & _row.dtAlerted.is_not(None) & _row.dtRecoveryAlerted.is_(None)
    return _read(connection, ended)


def mark_alerted(connection: Connection, found: StoredProblem, *, now: datetime) -> bool:
    """Note that the open problem is alerted now; False if another process noted it since it was read."""
    as_read = _row.dtAlerted.is_(None) if found.alerted is None else _row.dtAlerted == found.alerted
    mine = (_row.nProblemID == found.number) & (_row.nClosed == 0) & as_read
    return connection.execute(update(problem).where(mine).values(dtAlerted=now)).rowcount == 1


def mark_end_alerted(connection: Connection, found: StoredProblem, *, now: datetime) -> bool:
    """Note that the end of the problem is alerted now; False if another process noted it since it was read."""
    mine = (_row.nProblemID == found.number) & _row.dtRecoveryAlerted.is_(None)
    return connection.execute(update(problem).where(mine).values(dtRecoveryAlerted=now)).rowcount == 1


def reconcile(
    connection: Connection, found: Iterable[Problem], *, kept: Collection[ProblemKind] = (), now: datetime
) -> Changes:
    """Make the open problems those that were found: open, update and clear. One process at a time calls it.

    `kept`: kinds of which none is cleared now.
    """
    wanted = {each.key: each for each in found}
    stored = {each.key: each for each in open_problems(connection)}
    opened = [each for key, each in wanted.items() if key not in stored]
    cleared = [each for key, each in stored.items() if key not in wanted and each.kind not in kept]
    for each in opened:
        connection.execute(
            insert(problem).inline().values(_columns(each, now) | {"dtFirstSeen": each.since or now, "dtOpened": now})
        )
    for key in wanted.keys() & stored.keys():
        if _differs(stored[key], wanted[key], now):
            changed = update(problem).where(_row.nProblemID == stored[key].number)
            connection.execute(changed.values(_columns(wanted[key], now)))
    for gone in cleared:
        over = update(problem).where(_row.nProblemID == gone.number)
        connection.execute(over.values(nClosed=gone.number, dtCleared=now, dtLastSeen=now))
    return Changes(opened, cleared)


def delete_old(connection: Connection, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` problems that were cleared before that time; return their number."""
    old = select(_row.nProblemID).where(_row.dtCleared < before).order_by(_row.dtCleared).limit(limit)
    numbers = list(connection.scalars(old))
    for chunk in in_queries(numbers):
        connection.execute(delete(problem).where(_row.nProblemID.in_(chunk)))
    return len(numbers)


def _differs(stored: StoredProblem, found: Problem, now: datetime) -> bool:
    same = (stored.text, stored.remedy, stored.count, stored.severity) == (
        found.text,
        found.remedy,
        found.count,
        found.severity,
    )
    return not same or not stored.last_seen <= now < stored.last_seen + _SEEN_AGAIN_AFTER


def _columns(found: Problem, now: datetime) -> dict[str, Any]:
    return {
        "sKind": found.kind.value,
        "nAccountID": found.account_id,
        "sScope": cut(found.scope, _SCOPE_LENGTH),
        "sKey": found.key,
        "sSeverity": found.severity.value,
        "dtLastSeen": now,
        "nCount": found.count,
        "sText": found.text,
        "sTextPhrase": to_json(found.text),
        "sRemedy": found.remedy,
        "sRemedyPhrase": to_json(found.remedy),
    }


def _read(connection: Connection, condition: ColumnElement[bool]) -> list[StoredProblem]:
    rows = connection.execute(select(problem).where(condition).order_by(_row.dtFirstSeen, _row.nProblemID))
    return [
        StoredProblem(
            number=row.nProblemID,
            kind=row.sKind,
            severity=row.sSeverity,
            account_id=row.nAccountID,
            scope=row.sScope,
            first_seen=row.dtFirstSeen,
            opened=row.dtOpened,
            last_seen=row.dtLastSeen,
            cleared=row.dtCleared,
            count=row.nCount,
            text=from_json(row.sTextPhrase, row.sText) or "",
            remedy=from_json(row.sRemedyPhrase, row.sRemedy) or "",
            alerted=row.dtAlerted,
            key=row.sKey,
        )
        for row in rows
    ]
