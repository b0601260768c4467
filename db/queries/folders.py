"""Progress of catch-up in the folder of each account (`tblFolderSync`); for due times see `db.queries.schedule`."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, or_, select, update

from db.keys import of_accounts
from db.queries.schedule import FOLDERS, Lease
from db.tables import folder_sync

_row = folder_sync.c

_ANEW: Final = ""
"""In place of a folder, from `start_anew` until a turn that began later records its progress."""


@dataclass(frozen=True, slots=True)
class FolderState:
    """The position of delta query for an account.

    `link`: a delta link, or a next link in the middle of a round; None: from the start. `full_pass`: the round goes
    through the whole folder. `gap`: notifications are known to be missing, so the round's finds are no surprise.
    """

    link: str | None
    full_pass: bool
    gap: bool
    swept: datetime | None


def state(connection: Connection, account_id: int, *, resource: str) -> FolderState:
    """The position in that folder; the start when the stored one is of another."""
    row = connection.execute(select(folder_sync).where(_row.nAccountID == account_id)).one_or_none()
    if row is None or row.sResource != resource:
        return FolderState(link=None, full_pass=True, gap=True, swept=None)
    return FolderState(link=row.sLink, full_pass=row.bFullPass, gap=row.bGap, swept=row.dtSwept)


def swept(connection: Connection, account_ids: Collection[int] | None = None) -> dict[int, datetime | None]:
    """The time of the last complete pass through the folder of each account (None: of all)."""
    statement = of_accounts(select(_row.nAccountID, _row.dtSwept), _row.nAccountID, account_ids)
    return {row.nAccountID: row.dtSwept for row in connection.execute(statement)}


def advance(
    connection: Connection, lease: Lease, *, resource: str, link: str | None, full_pass: bool, now: datetime
) -> bool:
    """Record the next position; all before it is queued or imported. False when the lease was lost.

    `link` None: from the start, in a full pass. Also False when the turn began before a `start_anew`: it must end.
    """
    if not FOLDERS.holds(connection, lease, now=now):
        return False
    still_its = or_(_row.sResource.is_(None), _row.sResource != _ANEW, _row.nRequests == lease.requests)
    changed = connection.execute(
        update(folder_sync)
        .where(_row.nAccountID == lease.account_id, still_its)
        .values(sResource=resource, sLink=link, bFullPass=full_pass)
    )
    return bool(changed.rowcount)


def finish(connection: Connection, lease: Lease, *, resource: str, link: str, now: datetime) -> bool:
    """Record the end of a round, and the link for the next. False when the lease was lost.

    A gap that was recorded since the turn began stays: the round may have passed it already.
    """
    if not advance(connection, lease, resource=resource, link=link, full_pass=False, now=now):
        return False
    connection.execute(update(folder_sync).where(_row.nAccountID == lease.account_id).values(dtSwept=now))
    connection.execute(
        update(folder_sync)
        .where(_row.nAccountID == lease.account_id, _row.nRequests == lease.requests)
        .values(bGap=False)
    )
    return True


def note_gap(connection: Connection, account_id: int, *, now: datetime) -> None:
    """Record that earlier notifications are missing: request catch-up of the folder at once."""
    FOLDERS.request(connection, account_id, now=now)
    connection.execute(update(folder_sync).where(_row.nAccountID == account_id).values(bGap=True))


def start_anew(connection: Connection, account_id: int, *, now: datetime) -> None:
    """Request a full pass: the account imports messages that it left out before.

    A turn under way uses its initial settings, and may be past messages wanted now: it can record nothing more.
    """
    note_gap(connection, account_id, now=now)
    connection.execute(
        update(folder_sync).where(_row.nAccountID == account_id).values(sResource=_ANEW, sLink=None, bFullPass=True)
    )
