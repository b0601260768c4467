"""Calls that many processes may make together in a span of time (`tblCallBudget`)."""

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from db.leases import CLOCK_TOLERANCE
from db.locking import locking
from db.tables import call_budget

_row = call_budget.c


def slots(now: datetime, seconds: float) -> tuple[int, int]:
    """The slot of `now`, of slots that last so many seconds, and the furthest that another host's clock may be in."""
    return int(now.timestamp() // seconds), int((now + CLOCK_TOLERANCE).timestamp() // seconds)


def reserve(connection: Connection, budget: str, *, slot: int, last: int, wanted: int, limit: int) -> int:
    """Reserve up to `wanted` calls of a slot that has `limit`; return their number, 0 when it is used up.

    `slot` and `last` as from `slots`. A slot that is over has none left; one after `last` was written by a wrong clock,
    and is ignored.
    """
    query = select(_row.nSlot, _row.nUsed).where(_row.sBudget == budget)
    known = connection.execute(locking(query, call_budget)).one_or_none()
    if known is None:
        connection.execute(insert(call_budget).values(sBudget=budget, nSlot=slot, nUsed=min(wanted, limit)))
        return min(wanted, limit)
    if slot < known.nSlot <= last:
        return 0
    used = known.nUsed if known.nSlot == slot else 0
    granted = max(0, min(wanted, limit - used))
    if granted:
        connection.execute(update(call_budget).where(_row.sBudget == budget).values(nSlot=slot, nUsed=used + granted))
    return granted
