"""Calls, and work, that many processes may do together in a span of time (`tblCallBudget`)."""

from datetime import datetime, timedelta

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


def claim(connection: Connection, work: str, *, now: datetime, interval: timedelta) -> bool:
    """Claim work that all processes together do once in `interval`; False if it was claimed less than that ago.

    A claim in the future was written by a wrong clock, and is ignored.
    """
    query = select(_row.nSlot).where(_row.sBudget == work)
    slot, last = slots(now, 1)
    known = connection.execute(locking(query, call_budget)).one_or_none()
    if known is None:
        connection.execute(insert(call_budget).values(sBudget=work, nSlot=slot, nUsed=1))
        return True
    if slot - interval.total_seconds() < known.nSlot <= last:
        return False
    connection.execute(update(call_budget).where(_row.sBudget == work).values(nSlot=slot, nUsed=1))
    return True


def release(connection: Connection, work: str) -> None:
    """End a claim: the work was not done."""
    connection.execute(update(call_budget).where(_row.sBudget == work).values(nSlot=0))
