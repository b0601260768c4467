"""The processes that work on this database (`tblProcess`): one row each, kept alive by a lease.

A remaining row whose lease is over is of a process that was killed. Every process writes its own row only, by its
key: no two of them wait for each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from db.keys import in_queries
from db.leases import is_over
from db.tables import process as table

RECEIVER: Final = "receiver"
PROCESSOR: Final = "processor"
SUBSCRIPTIONS: Final = "subscriptions"
"""The role of a subscription manager."""
DELIVERY: Final = "delivery"
"""The role that saves files into folders."""
CONSOLE: Final = "console"
"""The role of the web console; this and those before it are the words of `tblProcess`."""

_row = table.c


@dataclass(frozen=True, slots=True)
class Process:
    """A process, as it registers itself. `name`: unique among all processes ever; at most 100 characters."""

    name: str
    host: str
    roles: tuple[str, ...]
    version: str
    started: datetime


@dataclass(frozen=True, slots=True)
class KnownProcess:
    """A process that has a row. `heartbeat`: time of its last write; `lease_until`: it counts as alive until then."""

    process: Process
    heartbeat: datetime
    lease_until: datetime

    def is_alive(self, now: datetime) -> bool:
        """True while its lease runs."""
        return not is_over(self.lease_until, now)


def beat(connection: Connection, process: Process, *, now: datetime, until: datetime) -> None:
    """Record that the process is alive, and counts as such `until` then."""
    mine = update(table).where(_row.sProcess == process.name).values(dtHeartbeat=now, dtLeaseUntil=until)
    if connection.execute(mine).rowcount:
        return
    connection.execute(
        insert(table).values(
            sProcess=process.name,
            sHost=process.host,
            sRoles=" ".join(process.roles),
            sVersion=process.version,
            dtStarted=process.started,
            dtHeartbeat=now,
            dtLeaseUntil=until,
        )
    )


def every(connection: Connection) -> list[KnownProcess]:
    """All processes that have a row, by name."""
    return [
        KnownProcess(
            Process(row.sProcess, row.sHost, tuple(row.sRoles.split()), row.sVersion, row.dtStarted),
            row.dtHeartbeat,
            row.dtLeaseUntil,
        )
        for row in connection.execute(select(table).order_by(_row.sProcess))
    ]


def remove(connection: Connection, names: Sequence[str]) -> None:
    """Delete the rows of processes that ended."""
    for chunk in in_queries(sorted(names)):
        connection.execute(delete(table).where(_row.sProcess.in_(chunk)))
