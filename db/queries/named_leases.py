"""Leases of work that only one process of the installation does at a time (`tblLease`)."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, or_, select, update

from db.leases import over
from db.tables import lease as table

MONITOR: Final = "monitor"
"""The evaluation of problems, and the alerts of them."""

_row = table.c


def acquire(connection: Connection, name: str, owner: str, *, now: datetime, length: timedelta) -> bool:
    """Acquire or renew the lease; False while another process has it. `length`: `db.leases.MAX_LEASE` at most."""
    until = now + length
    mine = (_row.sName == name) & or_(_row.sOwner == owner, over(_row.dtLeaseUntil, now))
    if connection.execute(update(table).where(mine).values(sOwner=owner, dtLeaseUntil=until)).rowcount:
        return True
    if connection.scalar(select(_row.sName).where(_row.sName == name)) is not None:
        return False
    # Two that insert at once: the key lets one in, and the other's transaction is tried again, see `db.engine`.
    connection.execute(insert(table).values(sName=name, sOwner=owner, dtLeaseUntil=until))
    return True


def release(connection: Connection, name: str, owner: str) -> None:
    """End the lease, if the owner has it."""
    connection.execute(delete(table).where(_row.sName == name, _row.sOwner == owner))
