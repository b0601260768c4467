"""The trace does not grow for ever, and is never deleted in one long transaction."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, insert, select

from bus.notification import Notification
from db.engine import Database
from db.queries import failures, trace
from db.queries.failures import Failure
from db.queries.trace import TraceRow
from db.tables import account_settings, failure, message, message_trace, queue_message
from subscriptions.retention import TraceRetention
from tests.doubles.clock import SettableClock
from tests.unit.db.queries.test_failures import account

DAY = timedelta(days=1)
# Ids of Exchange differ near their end.
DEAD = f"{'A' * 60}-dead-EWg0AAAA"
DEAD_FORMER = f"{'A' * 60}-former-EWg0AAA="


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


@pytest.mark.parametrize("queue_is_table", [True, False])
async def test_no_failure_stays_for_ever(
    database: Database, settable_clock: SettableClock, queue_is_table: bool
) -> None:
    """What waits for an operator in the queue of this database stays; without it, only what is recent."""
    now = settable_clock()

    def prepare(connection: Connection) -> None:
        connection.execute(insert(account_settings).values(account(1)))
        found = [
            Failure(1, name, 1, now - 90 * DAY, None, None, None) for name in (DEAD, DEAD_FORMER, *map(str, range(9)))
        ]
        found += [Failure(1, name, 1, now, None, None, None) for name in ("recent", "imported")]
        failures.settle(connection, {each.key: each for each in found})
        connection.execute(
            insert(message).values(nAccountID=1, sGraphMessageID="imported", bHasAttachments=False, dtImported=now)
        )
        queued = {"sState": "dead", "sBody": "", "dtEnqueued": now, "dtVisible": now}
        dead = Notification(1, "s", "created", DEAD, None, now, "c").to_message()
        # As former versions wrote it, with more of the Graph id.
        former = f"1.{DEAD_FORMER[-64:]}.{'0' * 24}"
        for queue_id in (dead.message_id, former):
            connection.execute(insert(queue_message).values(sMessageID=queue_id, **queued))

    async def sleep(_: float) -> None:
        pass

    await database.write(prepare)
    retention = TraceRetention(
        database, kept=89 * DAY, clock=settable_clock, rows_at_a_time=4, sleep=sleep, queue_is_table=queue_is_table
    )
    await retention.work()
    left = await database.read(lambda c: set(c.scalars(select(failure.c.sGraphMessageID))))
    assert left == ({"recent", DEAD, DEAD_FORMER} if queue_is_table else {"recent"})
