"""Facts about rules and the files that they save, for the evaluation of problems: few statements, whatever the number.

What may be many is counted by an index alone, and up to a bound. Every function takes the connection of a transaction;
see `db.engine`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select

from db.columns import UnreadableTime
from db.keys import in_queries
from db.outcomes import FileState, RuleState
from db.queries import rules
from db.queries.files import FOLDER_REPLACED
from db.queries.rule_matches import folder_key
from db.queries.rules import StoredRule
from db.tables import account_settings, email_file, message
from phrases.storage import from_json

MAX_COUNTED: Final = 100_000
"""Messages that are not checked, and files that failed, are counted up to this number."""
FILE_REASONS: Final = frozenset(
    {"NameRefused", "NameTooLong", "NoFreeName", "FileRefused", "NoRoomForFile", FOLDER_REPLACED}
)
"""Reasons for which a single file is tried again, while its folder works."""
REFUSED_ATTEMPTS: Final = 3
"""Failed attempts, for such a reason, from which on a file needs an operator. What locks one is done with it sooner."""
LATE_AFTER: Final = timedelta(minutes=5)
"""A message that is not checked by then, or a file that is not attempted, is late."""
_RECENT: Final = timedelta(seconds=45)
"""A folder into which a file was saved since then works, whatever failed before."""
_MAX_FOLDERS: Final = 1000

_row, _file, _settings = message.c, email_file.c, account_settings.c


@dataclass(frozen=True, slots=True)
class WaitingFolder:
    """An import folder for which files wait.

    `waiting`: all of them; `due`: the time since which the oldest is due that was not attempted, and `attempted` of one
    that was; None: there is none. `works`: a file was saved there of late. `path` is empty where nothing failed and
    nothing is late. `reason`, `detail`: of the last failure that was the folder's; None: nothing failed, or files only.
    """

    key: str
    waiting: int
    due: datetime | None
    attempted: datetime | None
    failing: bool = False
    """True if an attempt failed at one of them."""
    works: bool = False
    path: str = ""
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class FailedFiles:
    """The files of a rule that failed, or that wait after failed attempts, and the reason of the newest."""

    rule_id: int
    files: int
    reason: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Rules, messages and files at one moment.

    `enabled`: rules against which mail is checked, those of removed accounts excluded; `names`: of all rules, by
    number. `unchecked`: messages that no rule was checked against, the first of them imported at `unchecked_since`.
    `refused`: the files that wait for a reason of their own, which an operator is to know.
    """

    enabled: Sequence[StoredRule] = ()
    names: tuple[tuple[int, str], ...] = ()
    unchecked: int = 0
    unchecked_since: datetime | None = None
    folders: Sequence[WaitingFolder] = ()
    failed: Sequence[FailedFiles] = ()
    refused: Sequence[FailedFiles] = ()

    @property
    def waiting(self) -> int:
        """Files that are to be saved."""
        return sum(each.waiting for each in self.folders)

    @property
    def failed_files(self) -> int:
        """Files that failed for good."""
        return sum(each.files for each in self.failed)

    @property
    def due_since(self) -> datetime | None:
        """The time since which the oldest file is due; None: none is."""
        return min((each for folder in self.folders for each in (folder.due, folder.attempted) if each), default=None)

    @property
    def is_used(self) -> bool:
        """True if a delivery has something to do."""
        return bool(self.enabled or self.folders)


def read(connection: Connection, *, now: datetime) -> Deliveries:
    """The facts at `now`."""
    stored = rules.every(connection)
    unchecked = _unchecked(connection)
    folders = _folders(connection, now=now)
    return Deliveries(
        enabled=_in_use(connection, stored),
        names=tuple((each.rule.rule_id, each.rule.name) for each in stored),
        unchecked=unchecked,
        unchecked_since=_unchecked_since(connection) if unchecked else None,
        folders=folders,
        failed=failed(connection),
        # No index has the reasons: looked at only if any attempt failed.
        refused=_refused(connection) if _may_be_refused(folders) else (),
    )


def _in_use(connection: Connection, stored: Sequence[StoredRule]) -> list[StoredRule]:
    enabled = [each for each in stored if each.rule.enabled]
    wanted = sorted({each.rule.account_id for each in enabled if each.rule.account_id is not None})
    there: set[int] = set()
    for chunk in in_queries(wanted):
        found = select(_settings.nAccountID).where(_settings.nAccountID.in_(chunk), _settings.dtRemoved.is_(None))
        there.update(connection.scalars(found))
    return [each for each in enabled if each.rule.account_id is None or each.rule.account_id in there]


def _unchecked(connection: Connection) -> int:
    some = select(_row.nMessageID).where(*_IS_UNCHECKED).limit(MAX_COUNTED).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def _unchecked_since(connection: Connection) -> datetime | None:
    first = select(_row.dtImported).where(*_IS_UNCHECKED).order_by(_row.nMessageID).limit(1)
    return _time(connection.scalar(first))


def folder_of(connection: Connection, path: str, *, now: datetime) -> WaitingFolder | None:
    """The folder, if files wait for it."""
    return next(iter(_folders(connection, now=now, key=folder_key(path))), None)


def _folders(connection: Connection, *, now: datetime, key: str | None = None) -> list[WaitingFolder]:
    """The folders for which most files wait. No condition on the time: it would have SQLite sort what it finds.

    `key`: of the one that is looked for.
    """
    counted = func.count()
    grouped = (
        select(
            _file.sFolderKey,
            counted.label("nWaiting"),
            func.min(case((_file.nAttempts == 0, _file.dtDue))).label("dtDue"),
            func.min(case((_file.nAttempts > 0, _file.dtDue))).label("dtAttempted"),
        )
        .where(_file.sState == FileState.PENDING.value, *(() if key is None else (_file.sFolderKey == key,)))
        .group_by(_file.sFolderKey)
        .order_by(counted.desc(), _file.sFolderKey)
        .limit(_MAX_FOLDERS)
    )
    rows = connection.execute(grouped).all()
    if not rows:
        return []
    recent = select(_file.sFolderKey).where(_file.dtSaved > now - _RECENT).distinct()
    working = set(connection.scalars(recent))
    return [_described(connection, _folder(row, working, now), late=now - LATE_AFTER) for row in rows]


def _folder(row: Row[Any], working: Collection[str], now: datetime) -> WaitingFolder:
    due, attempted = _time(row.dtDue), _time(row.dtAttempted)
    return WaitingFolder(
        row.sFolderKey,
        row.nWaiting,
        due if due is not None and due <= now else None,
        attempted if attempted is not None and attempted <= now else None,
        failing=attempted is not None,
        works=row.sFolderKey in working,
    )


def _described(connection: Connection, folder: WaitingFolder, *, late: datetime) -> WaitingFolder:
    """With its path and the last reason, where something is wrong."""
    if folder.works:
        return folder
    theirs = (_file.sState == FileState.PENDING.value, _file.sFolderKey == folder.key)
    failing = (_file.nAttempts > 0, _file.sReason.not_in(FILE_REASONS))
    columns = (_file.sFolder, _file.sReason, _file.sDetail, _file.sDetailPhrase)
    if folder.failing:
        last = connection.execute(
            select(*columns).where(*theirs, *failing).order_by(_file.dtDue.desc()).limit(1)
        ).one_or_none()
        if last is not None:
            detail = from_json(last.sDetailPhrase, last.sDetail)
            return replace(folder, path=str(last.sFolder), reason=last.sReason, detail=detail)
    if folder.due is not None and folder.due <= late:
        path = connection.scalar(select(_file.sFolder).where(*theirs).limit(1))
        return replace(folder, path=str(path))
    return folder


def failed(connection: Connection) -> list[FailedFiles]:
    """The files of each rule that failed, the most first."""
    return _by_rule(connection, _file.sState == FileState.FAILED.value)


def _may_be_refused(folders: Sequence[WaitingFolder]) -> bool:
    return len(folders) == _MAX_FOLDERS or any(each.failing for each in folders)


def _refused(connection: Connection) -> list[FailedFiles]:
    often = and_(_file.nAttempts >= REFUSED_ATTEMPTS, _file.sReason.in_(sorted(FILE_REASONS)))
    return _by_rule(
        connection,
        _file.sState == FileState.PENDING.value,
        _file.nAttempts > 0,
        or_(_file.sReason == FOLDER_REPLACED, often),
    )


def _by_rule(connection: Connection, *conditions: ColumnElement[bool]) -> list[FailedFiles]:
    some = select(_file.nRuleID, _file.nFileID).where(*conditions).limit(MAX_COUNTED).subquery()
    grouped = select(some.c.nRuleID, func.count().label("nFiles"), func.max(some.c.nFileID).label("nNewest"))
    rows = connection.execute(grouped.group_by(some.c.nRuleID)).all()
    reasons = {}
    for chunk in in_queries([row.nNewest for row in rows]):
        columns = (_file.nFileID, _file.sReason, _file.sDetail, _file.sDetailPhrase)
        for each in connection.execute(select(*columns).where(_file.nFileID.in_(chunk))):
            reasons[each.nFileID] = (each.sReason, from_json(each.sDetailPhrase, each.sDetail))
    found = [FailedFiles(row.nRuleID, row.nFiles, *reasons.get(row.nNewest, (None, None))) for row in rows]
    return sorted(found, key=lambda each: (-each.files, each.rule_id))


def _time(value: object) -> datetime | None:
    return value if isinstance(value, datetime) and not isinstance(value, UnreadableTime) else None


_IS_UNCHECKED: Final = (_row.sRuleState == RuleState.WHITE.value, _row.nRulesMatched.is_(None))
