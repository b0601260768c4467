"""The trace does not grow for ever, and is never deleted in one long transaction."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event, func, select

from db.engine import Database
from db.queries import trace
from db.queries.trace import TraceRow
from db.tables import message_trace
from subscriptions.retention import TraceRetention
from tests.doubles.clock import SettableClock

DAY = timedelta(days=1)


async def test_what_is_too_old_goes_in_small_transactions_with_pauses(
    database: Database, settable_clock: SettableClock
) -> None:
    """Rows that ended within the time stay."""
    now = settable_clock()
    rows = [TraceRow(1, f"m{number}", "host", now, now - number * DAY, "imported") for number in range(100)]
    await database.write(lambda connection: trace.add(connection, rows))
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    largest: list[int] = []

    @event.listens_for(database.engine, "after_cursor_execute")
    def note(_connection: object, cursor: Any, statement: str, *_: object) -> None:  # noqa: ANN401  # the driver's own
        if statement.startswith("DELETE"):
            largest.append(cursor.rowcount)

    retention = TraceRetention(database, kept=89 * DAY, clock=settable_clock, rows_at_a_time=4, sleep=sleep)

    assert await retention.work() == timedelta(hours=1)

    left = await database.read(lambda c: c.scalar(select(func.count()).select_from(message_trace)))
    assert left == 90
    assert largest == [4, 4, 2]
    assert len(pauses) == 2
    assert await retention.work() == timedelta(hours=1)
    assert len(pauses) == 2
