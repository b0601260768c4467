"""Files that are saved into folders: claimed by a process, written, renamed and settled.

A claim lasts until `dtDue`. Before a process renames a file it records that the temporary one is whole, and in which
folder. From then on no other is written for it, and the temporary file proves what happened: while it is there, it was
not renamed; once it is not, it was. So a file is published once, whatever process dies when.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    update,
)

from db.keys import in_queries, rounded
from db.leases import over
from db.locking import by_row, skipping_locked
from db.outcomes import ContentState, FilePart, FileState
from db.queries import rule_matches
from db.queries.rule_matches import RETRIED_FOR
from db.tables import attachment, email_file, message, original
from phrases import Phrase
from phrases.storage import to_json
from rules.mail import AttachmentFacts

LEASE: Final = timedelta(minutes=2)
"""Time for which a file belongs to the process that claimed it."""
FOLDER_REPLACED: Final = "FolderReplaced"
"""`sReason` of a file that was being renamed in another folder than the one that is there now."""
MAX_WAIT: Final = timedelta(hours=1)
"""Maximum time until a file is tried again: one due further ahead was delayed by a wrong clock, and is due now."""
_NO_FOLDER: Final = "none"
"""`sFolderIdentity` of a file that was to be renamed in a folder that may be another one by now. No folder has it."""
MARKED_AT_ONCE: Final = 500
_MAX_NAMED: Final = 1000
"""SQL Server allows 2,100 parameters."""

_file, _row = email_file.c, message.c


@dataclass(frozen=True, slots=True)
class DueFolder:
    """A folder into which files are due."""

    key: str
    path: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file that this process has claimed. `token`: part of the name of its temporary file.

    `identity`: of the folder in which that is whole, and was to be renamed to the name in `target`; None: it is to be
    written. `stale`: the token of an earlier claim, whose temporary file may be left. `described`: the file that the
    metadata describes.
    """

    file_id: int
    message_id: int
    rule_id: int
    key: str
    part: str
    folder: str
    name: str = field(repr=False)
    position: int | None
    member: str | None = field(repr=False)
    member_number: int | None
    attempts: int
    retry_until: datetime
    token: str
    identity: str | None
    stale: str | None
    target: str | None = field(repr=False)
    described: int | None
    owner: str

    @property
    def recorded_token(self) -> str:
        """`sToken` of this claim: that of the earlier one, until `begin_anew`."""
        return self.token if self.stale is None else self.stale


@dataclass(frozen=True, slots=True)
class Whole:
    """A temporary file that is whole, and is renamed to `target` next."""

    file: Claimed
    identity: str
    target: str = field(repr=False)
    size: int | None = None
    sha256: str | None = None
    """None: it was recorded before."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that failed. `due`: time of the next; None: there is none."""

    file: Claimed
    reason: str
    detail: Phrase
    due: datetime | None


def due_folders(connection: Connection, *, now: datetime, without: Collection[str], limit: int) -> list[DueFolder]:
    """Folders with files that are due, but for those of these keys: of the `limit` files that are due longest.

    Of that many folders, where `without` names more than a statement can.
    """
    if len(without) > _MAX_NAMED:
        return _due_folders_beside(connection, set(without), now=now, limit=limit)
    oldest = select(_file.sFolderKey, _file.sFolder).where(_is_due(now)).order_by(_file.dtDue).limit(limit)
    if without:
        oldest = oldest.where(_file.sFolderKey.not_in(rounded(sorted(without))))
    return [DueFolder(key, path) for key, path in dict.fromkeys(map(tuple, connection.execute(oldest)))]


def _due_folders_beside(
    connection: Connection, without: AbstractSet[str], *, now: datetime, limit: int
) -> list[DueFolder]:
    oldest = func.min(_file.dtDue)
    keys = select(_file.sFolderKey).where(_is_due(now)).group_by(_file.sFolderKey).order_by(oldest)
    found = list(islice((key for key in connection.scalars(keys).all() if key not in without), limit))
    paths: dict[str, str] = {}
    for chunk in in_queries(found):
        named = select(_file.sFolderKey, func.min(_file.sFolder)).where(_is_due(now), _file.sFolderKey.in_(chunk))
        paths.update({row[0]: row[1] for row in connection.execute(named.group_by(_file.sFolderKey))})
    return [DueFolder(key, paths[key]) for key in found if key in paths]


def claim(
    connection: Connection, folder_key: str, *, owner: str, token: str, now: datetime, limit: int
) -> list[Claimed]:
    """Claim up to `limit` due files of the folder, the longest due first: they are the caller's for LEASE.

    `token`: random, another one for each claim.
    """
    query: Select[Any] = (
        select(*_CLAIMED)
        .where(_is_due(now), _file.sFolderKey == folder_key)
        .order_by(_file.dtDue, _file.nFileID)
        .limit(limit)
    )
    rows = connection.execute(skipping_locked(query, email_file)).all()
    if rows:
        numbers = [row.nFileID for row in rows]
        # A temporary file that may be there keeps its name until it is deleted; see `begin_anew`.
        named = case((_file.sToken.is_(None), literal(token)), else_=_file.sToken)
        claimed = update(email_file).where(_file.nFileID.in_(numbers))
        connection.execute(by_row(claimed.values(dtDue=now + LEASE, sOwner=owner, sToken=named)))
    return [_claimed(row, owner, token) for row in rows]


def begin_anew(connection: Connection, stale: Iterable[Claimed]) -> set[int]:
    """Name the temporary files of these claims, after those of earlier ones were deleted; return the numbers of those
    that are this process's still.

    Not before: of a process that dies in between, no other would find them.
    """
    held: set[int] = set()
    for each in sorted(stale, key=lambda each: each.file_id):
        renamed = update(email_file).where(*_is_held(each)).values(sToken=each.token)
        if connection.execute(by_row(renamed)).rowcount:
            held.add(each.file_id)
    return held


def renew(connection: Connection, files: Iterable[Claimed], *, now: datetime) -> None:
    """Keep these files, which take long, for another LEASE."""
    for each in sorted(files, key=lambda each: each.file_id):
        connection.execute(by_row(update(email_file).where(*_is_held(each)).values(dtDue=now + LEASE)))


def release(connection: Connection, files: Iterable[Claimed], *, now: datetime, unwhole: Collection[int] = ()) -> None:
    """Make files due that were claimed and not finished.

    `unwhole`: the numbers of those that were written for this claim, and whose renaming has not begun: they are written
    anew, wherever the folder is then.
    """
    for each in sorted(files, key=lambda each: each.file_id):
        values: dict[str, Any] = {"dtDue": now, "sOwner": null()}
        if each.file_id in unwhole:
            values["sFolderIdentity"] = null()
        connection.execute(by_row(update(email_file).where(*_is_held(each)).values(values)))


def note_whole(connection: Connection, files: Iterable[Whole], *, now: datetime) -> set[int]:
    """Record that these may be renamed now; return the numbers of those that are this process's still.

    Also records another target of one that was to be renamed before.
    """
    held: set[int] = set()
    for each in sorted(files, key=lambda each: each.file.file_id):
        values = _named(each.file) | {"identity": each.identity, "target": each.target, "until": now + LEASE}
        if each.sha256 is None:
            changed = connection.execute(_TARGET, values)
        else:
            changed = connection.execute(_WHOLE, values | {"size": each.size, "digest": each.sha256})
        if changed.rowcount:
            held.add(each.file.file_id)
    return held


def note_unwhole(connection: Connection, claimed: Claimed) -> bool:
    """Record that a file is written anew, which was whole and cannot be renamed; return True if it is this process's.

    Before its temporary file is deleted: if that were not there, it would be taken for renamed.
    """
    values = {"sFolderIdentity": null()}
    return connection.execute(by_row(update(email_file).where(*_is_held(claimed)).values(values))).rowcount > 0


def note_saved(connection: Connection, files: Collection[Claimed], *, now: datetime) -> set[int]:
    """Record that these are published; return the numbers of those that were not before.

    Whatever process does it: the temporary file is gone, which another one may have found as well.
    """
    rule_matches.lock(connection, (each.message_id for each in files))
    saved: set[int] = set()
    for each in sorted(files, key=lambda each: each.file_id):
        if connection.execute(_SAVED, {"number": each.file_id, "turn": each.recorded_token, "now": now}).rowcount:
            saved.add(each.file_id)
    _wake(connection, saved, now=now)
    rule_matches.refresh(connection, {each.message_id for each in files})
    return saved


def note_failed(connection: Connection, attempts: Sequence[Failed]) -> None:
    """Record attempts that failed; with the last one of a file, what describes it is skipped."""
    rule_matches.lock(connection, (each.file.message_id for each in attempts))
    ended: list[int] = []
    for each in sorted(attempts, key=lambda each: each.file.file_id):
        values: dict[str, Any] = {
            "sState": FileState.FAILED.value if each.due is None else FileState.PENDING.value,
            "nAttempts": _file.nAttempts + 1,
            "sReason": each.reason,
            "sDetail": each.detail,
            "sDetailPhrase": to_json(each.detail),
            "dtDue": each.due,
            "sOwner": null(),
        }
        changed = connection.execute(by_row(update(email_file).where(*_is_held(each.file)).values(values)))
        if changed.rowcount and each.due is None:
            ended.append(each.file.file_id)
    _skip_described(connection, ended)
    rule_matches.refresh(connection, {each.file.message_id for each in attempts})


def mark_folder(connection: Connection, folder_key: str, *, reason: str, detail: Phrase, now: datetime) -> int:
    """Record of files that are due in this folder that nothing can be saved there now; return their number.

    They stay due: another host may reach the folder. Up to 500, the longest due first, so that few rows are locked at
    a time; call it until it returns fewer.
    """
    is_late = _file.dtRetryUntil <= now
    is_new = or_(_file.sReason.is_(None), _file.sReason != reason, is_late)
    query = (
        select(_file.nFileID, _file.nMessageID)
        .where(_is_due(now), _file.sFolderKey == folder_key, is_new)
        .order_by(_file.dtDue, _file.nFileID)
        .limit(MARKED_AT_ONCE)
    )
    found = connection.execute(query).all()
    values = {
        "sState": case((is_late, FileState.FAILED.value), else_=FileState.PENDING.value),
        "nAttempts": _file.nAttempts + 1,
        "sReason": reason,
        "sDetail": detail,
        "sDetailPhrase": to_json(detail),
        "dtDue": case((is_late, null()), else_=_file.dtDue),
    }
    for chunk in in_queries(sorted({row.nMessageID for row in found})):
        rule_matches.lock(connection, chunk)
        theirs = (_file.nMessageID.in_(chunk), _file.sFolderKey == folder_key)
        connection.execute(by_row(update(email_file).where(*theirs, _is_due(now), is_new).values(values)))
        failed = select(_file.nFileID).where(
            *theirs, _file.sState == FileState.FAILED.value, _file.sPart != FilePart.METADATA.value
        )
        _skip_described(connection, connection.scalars(failed).all())
        rule_matches.refresh(connection, chunk)
    return len(found)


def was_retried(connection: Connection, folder_key: str, *, since: datetime, now: datetime) -> bool:
    """True if an operator retries files of a folder whose files were marked at that time: only such one is older."""
    found = select(literal(1)).where(
        _is_due(now), _file.sFolderKey == folder_key, _file.nAttempts == 0, _file.dtCreated < since
    )
    return connection.scalar(found.limit(1)) is not None


def retry(connection: Connection, numbers: Collection[int], *, now: datetime) -> int:
    """Make files due that failed, were given up, or wait after a failed attempt; return their number.

    One that was being renamed when it ended is renamed if its temporary file is there, and else left to an operator,
    who looks for it: only at its next retry it is written again. One without bytes in the database is left alone: its
    message has to be imported again.
    """
    was_looked_for = _file.sReason == FOLDER_REPLACED
    # Meanwhile its temporary file may have been deleted, which no longer shows that it was renamed.
    ended = and_(
        _file.sState.in_([FileState.FAILED.value, FileState.SKIPPED.value]), _file.sFolderIdentity.is_not(None)
    )
    identity = case(
        (was_looked_for, null()),
        (ended, literal(_NO_FOLDER, _file.sFolderIdentity.type)),
        else_=_file.sFolderIdentity,
    )
    data = email_file.alias()
    of_data = data.c.nFileID == _file.nDataFileID
    saved, waiting = (
        exists(select(literal(1)).where(of_data, data.c.sState == state.value)).correlate(email_file)
        for state in (FileState.SAVED, FileState.PENDING)
    )
    is_data = _file.nDataFileID.is_(None)
    waits = and_(_file.nDataFileID.is_not(None), not_(saved))
    values = {
        "sState": FileState.PENDING.value,
        "dtDue": case((waits, null()), else_=literal(now, _file.dtDue.type)),
        "dtRetryUntil": now + RETRIED_FOR,
        "nAttempts": 0,
        **_NO_REASON,
        "sFolderIdentity": identity,
    }
    changed = 0
    for chunk, messages in _with_messages(connection, numbers):
        # First those with data, and what describes them; what describes others only if it has anything to wait for.
        again = update(email_file).where(_file.nFileID.in_(chunk), _CAN_RETRY)
        changed += connection.execute(by_row(again.where(is_data).values(values))).rowcount
        skipped = (_file.nDataFileID.in_(chunk), _file.sState == FileState.SKIPPED.value, waiting)
        connection.execute(by_row(update(email_file).where(*skipped).values(values)))
        described = again.where(_file.nDataFileID.is_not(None), or_(saved, waiting))
        changed += connection.execute(by_row(described.values(values))).rowcount
        rule_matches.refresh(connection, messages)
    return changed


def skip(connection: Connection, numbers: Collection[int], *, now: datetime) -> int:
    """Give up files that failed or wait; return their number. One that is being renamed is left alone.

    The temporary file of one that was to be renamed stays in its folder, for a retry: see `retry`.
    """
    is_free = or_(_file.sOwner.is_(None), over(_file.dtDue, now, longest=MAX_WAIT))
    given_up = or_(
        _file.sState == FileState.FAILED.value,
        and_(
            _file.sState == FileState.PENDING.value,
            or_(
                _file.sFolderIdentity.is_(None),
                _file.sReason == FOLDER_REPLACED,
                and_(_file.nAttempts > 0, is_free),
            ),
        ),
    )
    changed = 0
    for chunk, messages in _with_messages(connection, numbers):
        found = update(email_file).where(_file.nFileID.in_(chunk), given_up)
        changed += connection.execute(by_row(found.values(sState=FileState.SKIPPED.value, dtDue=null()))).rowcount
        there = select(_file.nFileID).where(_file.nFileID.in_(chunk), _file.sState == FileState.SKIPPED.value)
        _skip_described(connection, connection.scalars(there).all())
        rule_matches.refresh(connection, messages)
    return changed


def _with_messages(connection: Connection, numbers: Collection[int]) -> Iterator[tuple[Sequence[int], set[int]]]:
    """The files of these numbers, in chunks, each with its messages, which are locked."""
    for chunk in in_queries(sorted(numbers)):
        messages = set(connection.scalars(select(_file.nMessageID).where(_file.nFileID.in_(chunk))))
        rule_matches.lock(connection, messages)
        yield chunk, messages


def _wake(connection: Connection, saved: Collection[int], *, now: datetime) -> None:
    """Make due what describes these files."""
    for chunk in in_queries(sorted(saved)):
        described = (_file.nDataFileID.in_(chunk), _file.sState == FileState.PENDING.value, _file.dtDue.is_(None))
        connection.execute(by_row(update(email_file).where(*described).values(dtDue=now)))


def _skip_described(connection: Connection, numbers: Collection[int]) -> None:
    for chunk in in_queries(sorted(numbers)):
        described = (_file.nDataFileID.in_(chunk), _file.sState == FileState.PENDING.value)
        connection.execute(
            by_row(update(email_file).where(*described).values(sState=FileState.SKIPPED.value, dtDue=null()))
        )


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a file, in a row with `biContent`: `table`, and its number there.

    `size`, `sha256`: of the bytes in that row; None: not known. `compression`: of them; None: none.
    """

    table: str
    number: int
    size: int
    sha256: str | None
    compression: str | None = None


def attachment_source(connection: Connection, message_id: int, position: int) -> Source | None:
    """The bytes of an attachment; None: there are none."""
    part = attachment.c
    statement = select(part.nAttachmentID, part.nSize, part.sSHA256).where(
        part.nMessageID == message_id,
        part.nPosition == position,
        part.sState == "stored",
        or_(part.biContent.is_not(None), part.nSize == 0),
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else Source(attachment.name, row[0], row[1], row[2])


def find_attachment(
    connection: Connection, message_id: int, position: int, *, is_it: Callable[[AttachmentFacts], bool]
) -> Source | None:
    """The bytes of the attachment that `is_it` is true of: at this position, or at another one; None: there are none.

    `is_it` gets only what tells attachments apart.
    """
    row = _attachment_row(connection, message_id, position, is_it)
    if row is None or row.sState != ContentState.STORED or not row.nHasBytes:
        return None
    return Source(attachment.name, row.nAttachmentID, row.nSize, row.sSHA256)


def attachment_name(
    connection: Connection, message_id: int, position: int, *, is_it: Callable[[AttachmentFacts], bool]
) -> str | None:
    """The name, as sent, of the attachment that `find_attachment` finds, whether its bytes are there or not."""
    row = _attachment_row(connection, message_id, position, is_it)
    return None if row is None else row.sFileName


def _attachment_row(
    connection: Connection, message_id: int, position: int, is_it: Callable[[AttachmentFacts], bool]
) -> Row[Any] | None:
    chosen = {"message_id": message_id, "position": position}
    for statement in (_PART_AT, _PARTS):
        for row in connection.execute(statement, chosen).all():
            if is_it(_facts_of(row)):
                return row
    return None


def _facts_of(row: Row[Any]) -> AttachmentFacts:
    return AttachmentFacts(
        position=row.nPosition,
        kind=row.sKind,
        name=row.sFileName,
        safe_name="",
        content_type=row.sContentType,
        size=row.nSize,
        inline=False,
        state=row.sState,
        sha256=row.sSHA256,
    )


def original_source(connection: Connection, message_id: int) -> Source | None:
    """The bytes of the original; None: there are none."""
    mime = original.c
    statement = select(mime.nStoredSize, mime.sCompression).where(
        mime.nMessageID == message_id, mime.biContent.is_not(None)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else Source(original.name, message_id, row[0], None, compression=row[1])


def target_of(connection: Connection, file_id: int) -> str | None:
    """The path under which a file was saved; None: it was not."""
    found: str | None = connection.scalar(
        select(_file.sTargetPath).where(_file.nFileID == file_id, _file.sState == FileState.SAVED.value)
    )
    return found


def body_of(connection: Connection, message_id: int, part: FilePart) -> str | None:
    """The body as text, or as HTML; None: there is none."""
    column = _row.sBodyText if part is FilePart.TEXT else _row.sBody
    found: str | None = connection.scalar(select(column).where(_row.nMessageID == message_id))
    return found


def _is_due(now: datetime) -> ColumnElement[bool]:
    return and_(_file.sState == FileState.PENDING.value, over(_file.dtDue, now, longest=MAX_WAIT))


def _is_held(claimed: Claimed) -> tuple[ColumnElement[bool], ...]:
    """True of the file while it is of this claim."""
    return (
        _file.nFileID == claimed.file_id,
        _file.sState == FileState.PENDING.value,
        _file.sOwner == claimed.owner,
        _file.sToken == claimed.recorded_token,
    )


def _claimed(row: Row[Any], owner: str, token: str) -> Claimed:
    is_whole = row.sFolderIdentity is not None
    return Claimed(
        file_id=row.nFileID,
        message_id=row.nMessageID,
        rule_id=row.nRuleID,
        key=row.sKey,
        part=row.sPart,
        folder=row.sFolder,
        name=row.sFileName,
        position=row.nPosition,
        member=row.sMember,
        member_number=row.nMember,
        attempts=row.nAttempts,
        retry_until=row.dtRetryUntil,
        token=row.sToken if is_whole else token,
        identity=row.sFolderIdentity,
        stale=None if is_whole else row.sToken,
        target=row.sTargetPath,
        described=row.nDataFileID,
        owner=owner,
    )


def _named(claimed: Claimed) -> dict[str, Any]:
    """The parameters of `_IS_HELD`."""
    return {"number": claimed.file_id, "process": claimed.owner, "turn": claimed.recorded_token}


_NO_REASON: Final = {"sReason": null(), "sDetail": null(), "sDetailPhrase": null()}
# Built once: see `db.keys.listed`.
_IS_HELD: Final = (
    _file.nFileID == bindparam("number"),
    _file.sState == FileState.PENDING.value,
    _file.sOwner == bindparam("process"),
    _file.sToken == bindparam("turn"),
)
_TARGETED: Final = (
    update(email_file)
    .where(*_IS_HELD)
    .values(sFolderIdentity=bindparam("identity"), sTargetPath=bindparam("target"), dtDue=bindparam("until"))
)
_TARGET: Final = by_row(_TARGETED)
_WHOLE: Final = by_row(_TARGETED.values(nSize=bindparam("size"), sSHA256=bindparam("digest")))
_SAVED: Final = by_row(
    update(email_file)
    .where(
        _file.nFileID == bindparam("number"),
        _file.sState == FileState.PENDING.value,
        _file.sToken == bindparam("turn"),
        _file.sFolderIdentity.is_not(None),
    )
    .values(sState=FileState.SAVED.value, dtSaved=bindparam("now"), dtDue=null(), **_NO_REASON)
)
_PARTS: Final[Select[Any]] = (
    select(
        attachment.c.nAttachmentID,
        attachment.c.nPosition,
        attachment.c.sKind,
        attachment.c.sFileName,
        attachment.c.sContentType,
        attachment.c.nSize,
        attachment.c.sState,
        attachment.c.sSHA256,
        case((or_(attachment.c.biContent.is_not(None), attachment.c.nSize == 0), 1), else_=0).label("nHasBytes"),
    )
    .where(attachment.c.nMessageID == bindparam("message_id"))
    .order_by(attachment.c.nPosition)
)
_PART_AT: Final = _PARTS.where(attachment.c.nPosition == bindparam("position"))
_CLAIMED: Final = (
    _file.nFileID,
    _file.nMessageID,
    _file.nRuleID,
    _file.sKey,
    _file.sPart,
    _file.sFolder,
    _file.sFileName,
    _file.nPosition,
    _file.sMember,
    _file.nMember,
    _file.nAttempts,
    _file.dtRetryUntil,
    _file.sToken,
    _file.sFolderIdentity,
    _file.sTargetPath,
    _file.nDataFileID,
)
_CAN_RETRY: Final = or_(
    and_(_file.sState == FileState.FAILED.value, _file.nAttempts > 0),
    _file.sState == FileState.SKIPPED.value,
    and_(_file.sState == FileState.PENDING.value, _file.nAttempts > 0),
)
