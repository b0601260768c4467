"""Bounds on accepted times in the future."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, insert, select

from db.leases import CLOCK_TOLERANCE, MAX_LEASE, age, is_over, over
from db.tables import folder_sync
from tests.doubles.clock import SettableClock

NOW = SettableClock()()
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
CASES = [
    (timedelta(0), HOUR, True),
    (-HOUR, HOUR, True),
    (SECOND, HOUR, False),
    (HOUR, HOUR, False),
    (HOUR + CLOCK_TOLERANCE, HOUR, False),
    (HOUR + CLOCK_TOLERANCE + SECOND, HOUR, True),
    (3 * HOUR, MAX_LEASE, True),
]


@pytest.mark.parametrize(("ahead", "longest", "over"), CASES)
def test_a_time_is_over_when_it_came_and_when_no_right_clock_has_set_it(
    ahead: timedelta, longest: timedelta, over: bool
) -> None:
    assert is_over(NOW + ahead, NOW, longest=longest) is over


def test_the_database_judges_the_same(database_engine: Engine) -> None:
    def judged(connection: Connection, longest: timedelta) -> list[int]:
        due = over(folder_sync.c.dtDue, NOW, longest=longest)
        return list(connection.scalars(select(folder_sync.c.nAccountID).where(due).order_by(folder_sync.c.nAccountID)))

    with database_engine.begin() as connection:
        for number, (ahead, _, _) in enumerate(CASES):
            connection.execute(insert(folder_sync).values(nAccountID=number, dtDue=NOW + ahead))
        for longest in (HOUR, MAX_LEASE):
            expected = [n for n, (ahead, _, _) in enumerate(CASES) if is_over(NOW + ahead, NOW, longest=longest)]
            assert judged(connection, longest) == expected


def test_what_was_noted_in_the_future_is_as_old_as_can_be() -> None:
    assert age(NOW - HOUR, NOW) == HOUR
    assert age(NOW + SECOND, NOW) == -SECOND  # clocks differ
    assert age(NOW + HOUR, NOW) == timedelta.max
