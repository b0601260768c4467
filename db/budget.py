"""Calls that many processes may make together in a span of time (`tblCallBudget`)."""

from sqlalchemy import Connection, insert, select, update

from db.locking import locking
from db.tables import call_budget

_row = call_budget.c


def reserve(connection: Connection, budget: str, *, slot: int, wanted: int, most: int) -> int:
    """Take up to `wanted` calls of a slot that has `most`; how many there were, 0 when it is used up.

    Slots are numbered in the order of time; a slot that is over has none left.
    """
    look = select(_row.nSlot, _row.nUsed).where(_row.sBudget == budget)
    known = connection.execute(locking(look, call_budget)).one_or_none()
    if known is None:
        connection.execute(insert(call_budget).values(sBudget=budget, nSlot=slot, nUsed=min(wanted, most)))
        return min(wanted, most)
    if known.nSlot > slot:
        return 0
    used = known.nUsed if known.nSlot == slot else 0
    granted = max(0, min(wanted, most - used))
    if granted:
        connection.execute(update(call_budget).where(_row.sBudget == budget).values(nSlot=slot, nUsed=used + granted))
    return granted
