"""Messages without a notification: recorded, withdrawn, reported once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import Connection, Engine

from db.queries import missed
from db.queries.missed import MissedSummary
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
MINUTE: Final = timedelta(minutes=1)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def test_each_is_reported_once(connection: Connection) -> None:
    """The number of times it is found does not matter."""
    for name in ("a", "b", "a"):
        missed.note(connection, (1, name), received=NOW, found=NOW + 5 * MINUTE)
    missed.note(connection, (1, "c"), received=NOW, found=NOW + 9 * MINUTE)
    assert missed.unreported(connection, 1, before=NOW + 8 * MINUTE) == [NOW, NOW]
    assert missed.summaries(connection) == {}
    missed.mark_reported(connection, 1, before=NOW + 8 * MINUTE, now=NOW + 10 * MINUTE)
    assert missed.unreported(connection, 1, before=NOW + 8 * MINUTE) == []
    assert missed.unreported(connection, 1, before=NOW + 9 * MINUTE) == [NOW]
    assert missed.summaries(connection) == {1: MissedSummary(2, NOW)}
    assert missed.reported_since(connection, 1, NOW + 10 * MINUTE)
    assert not missed.reported_since(connection, 1, NOW + 11 * MINUTE)
    assert not missed.reported_since(connection, 2, NOW)


def test_what_came_in_time_is_taken_back_unless_reported(connection: Connection) -> None:
    """Message ids differ in case only, and accounts share them."""
    for key in ((1, "a"), (1, "A"), (2, "a"), (2, "told")):
        missed.note(connection, key, received=NOW, found=NOW)
    missed.mark_reported(connection, 2, before=NOW, now=NOW)
    keys = [(1, "a"), (2, "told"), (2, "unknown")]
    assert missed.suspected(connection, keys) == {(1, "a"): NOW}
    missed.retract(connection, keys)
    assert missed.suspected(connection, [(1, "a"), (1, "A")]) == {(1, "A"): NOW}
    assert missed.summaries(connection)[2].count == 2


def test_old_ones_are_forgotten(connection: Connection) -> None:
    """The table does not grow for ever."""
    missed.note(connection, (1, "a"), received=NOW, found=NOW)
    missed.note(connection, (1, "b"), received=NOW, found=NOW + MINUTE)
    missed.forget(connection, 1, before=NOW + MINUTE)
    assert missed.suspected(connection, [(1, "a"), (1, "b")]) == {(1, "b"): NOW}
