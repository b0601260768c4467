"""Services that processes cannot reach now (`tblServiceOutage`), one row for each process and service.

A process writes its own rows only. Those of a process that was killed count for nothing, and are deleted with it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from availability import Outage
from db.keys import in_queries
from db.tables import process, service_outage
from phrases.storage import from_json, to_json

_row = service_outage.c


@dataclass(frozen=True, slots=True)
class KnownOutage:
    """An outage that a process found. `service` may be a word of a newer version; `why` is a phrase."""

    process: str
    host: str
    service: str
    since: datetime
    seen: datetime
    accounts: int
    why: str


def note(connection: Connection, owner: str, outages: Sequence[Outage]) -> None:
    """Make the rows of a process those of its outages."""
    delete_of(connection, owner, but={each.service.value for each in outages})
    for each in outages:
        values: dict[str, Any] = {
            "dtSince": each.since,
            "dtSeen": each.seen,
            "nAccounts": each.accounts,
            "sDetail": each.why,
            "sDetailPhrase": to_json(each.why),
        }
        mine = (_row.sProcess == owner) & (_row.sService == each.service.value)
        if not connection.execute(update(service_outage).where(mine).values(values)).rowcount:
            connection.execute(insert(service_outage).values(sProcess=owner, sService=each.service.value, **values))


def delete_of(connection: Connection, owner: str, *, but: Collection[str] = ()) -> None:
    """Delete the rows of a process, except for those services."""
    mine = _row.sProcess == owner
    if but:
        mine &= _row.sService.not_in(sorted(but))
    connection.execute(delete(service_outage).where(mine))


def every(connection: Connection) -> list[KnownOutage]:
    """The outages that processes with a row found, the oldest first."""
    rows = connection.execute(
        select(service_outage, process.c.sHost)
        .join(process, process.c.sProcess == _row.sProcess)
        .order_by(_row.dtSince, _row.sProcess)
    )
    return [
        KnownOutage(
            row.sProcess,
            row.sHost,
            row.sService,
            row.dtSince,
            row.dtSeen,
            row.nAccounts,
            from_json(row.sDetailPhrase, row.sDetail) or "",
        )
        for row in rows
    ]


def delete_orphans(connection: Connection) -> None:
    """Delete the rows of processes that have none of their own any more."""
    known = select(process.c.sProcess)
    orphans = connection.scalars(select(_row.sProcess).where(_row.sProcess.not_in(known)).distinct()).all()
    for chunk in in_queries(sorted(orphans)):
        connection.execute(delete(service_outage).where(_row.sProcess.in_(chunk)))
