"""Statements that are built once, of which SQLite gets its own text."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest
from sqlalchemy import Engine, bindparam, insert, literal, select, update
from sqlalchemy.exc import StatementError

from db.engine import run_reading, run_writing
from db.keys import listed, rounded
from db.prepared import Prepared
from db.tables import message_trace
from tests.databases import on_every_database

pytestmark = on_every_database
NOON: Final = datetime(2026, 11, 30, 12, tzinfo=UTC)
_row = message_trace.c
_NOTIFIED: Final = Prepared(
    select(_row.sOutcome, _row.dtEnded, literal("fixed"))
    .where(
        _row.sOutcome.in_(listed("outcomes", _row.sOutcome)),
        _row.dtEnded <= bindparam("until", type_=_row.dtEnded.type),
    )
    .order_by(_row.sOutcome)
)
_END: Final = Prepared(
    update(message_trace)
    .where(_row.sOutcome.in_(listed("outcomes", _row.sOutcome)))
    .values(dtEnded=bindparam("ended", type_=_row.dtEnded.type), sReason="late")
)


@pytest.fixture
def engine(database_engine: Engine) -> Engine:
    rows = [
        {"sHost": "host", "sOutcome": each, "dtStarted": NOON, "dtEnded": NOON + timedelta(minutes=number)}
        for number, each in enumerate(["a", "b", "c", "d"])
    ]
    run_writing(database_engine, lambda connection: connection.execute(insert(message_trace), rows))
    return database_engine


def found(engine: Engine, outcomes: list[str], until: datetime = NOON + timedelta(hours=1)) -> list[tuple[Any, ...]]:
    asked = {"outcomes": rounded(outcomes), "until": until}
    return [tuple(each) for each in run_reading(engine, lambda connection: _NOTIFIED.rows(connection, asked))]


@pytest.mark.parametrize("outcomes", [["a"], ["c", "a", "b"], ["d", "nothing"], ["nothing"]])
def test_rows_of_a_list_of_any_length(engine: Engine, outcomes: list[str]) -> None:
    """They are as SQLAlchemy gives them: times are aware."""
    times = {"a": NOON, "b": NOON + timedelta(minutes=1), "c": NOON + timedelta(minutes=2)}
    times["d"] = NOON + timedelta(minutes=3)
    assert found(engine, outcomes) == [(each, times[each], "fixed") for each in sorted({*outcomes} & {*times})]


def test_time_of_another_zone_is_compared_in_utc(engine: Engine) -> None:
    """A time is the same in every zone."""
    there = timezone(timedelta(hours=5, minutes=30))
    until = (NOON + timedelta(minutes=1)).astimezone(there)
    assert [each[0] for each in found(engine, ["a", "b", "c"], until)] == ["a", "b"]


def test_change_returns_the_number_of_rows(engine: Engine) -> None:
    """It writes as SQLAlchemy does."""
    asked = {"outcomes": rounded(["a", "c", "nothing"]), "ended": NOON}
    assert run_writing(engine, lambda connection: _END.change(connection, asked)) == 2
    assert [each[1] for each in found(engine, ["a", "b", "c"])] == [NOON, NOON + timedelta(minutes=1), NOON]
    reasons = select(_row.sReason).order_by(_row.sOutcome)
    assert run_reading(engine, lambda connection: list(connection.scalars(reasons))) == ["late", None, "late", None]


def test_naive_time_is_refused_without_values(engine: Engine) -> None:
    """It is ambiguous; the error, which may end in a log, has no mail in it."""
    with pytest.raises(StatementError) as refusal:
        found(engine, ["Befund"], NOON.replace(tzinfo=None))
    assert "Befund" not in str(refusal.value)


@pytest.mark.parametrize("until", ["noon", datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))])
def test_any_value_that_does_not_fit_is_reported_as_on_servers(engine: Engine, until: Any) -> None:  # noqa: ANN401  # of any kind
    with pytest.raises(StatementError):
        found(engine, ["a"], until)
