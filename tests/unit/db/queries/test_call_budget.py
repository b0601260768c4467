"""Calls shared by processes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from db.engine import run_writing
from db.queries import call_budget
from tests.databases import Gateway

NOW = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)


def test_a_slot_is_given_out_once(database_engine: Engine) -> None:
    """It is given in parts, down to the last call; the next slot starts full, an older one has nothing left."""

    def reserve(slot: int, wanted: int) -> int:
        return run_writing(
            database_engine,
            lambda c: call_budget.reserve(c, "changes", slot=slot, last=slot + 30, wanted=wanted, limit=10),
        )

    assert [reserve(7, 4) for _ in range(4)] == [4, 4, 2, 0]
    assert reserve(8, 20) == 10
    assert reserve(7, 1) == 0
    assert reserve(100, 1) == 1
    assert reserve(8, 10) == 10  # a slot noted by a clock that was ahead is forgotten
    assert (
        run_writing(database_engine, lambda c: call_budget.reserve(c, "lists", slot=7, last=7, wanted=1, limit=1)) == 1
    )


def test_work_is_claimed_once_in_its_interval(database_engine: Engine) -> None:
    """Any process claims it; earlier again only if it was not done, or if a wrong clock claimed it for later."""

    def claim(minutes: float) -> bool:
        now = NOW + timedelta(minutes=minutes)
        return run_writing(
            database_engine, lambda c: call_budget.claim(c, "work", now=now, interval=timedelta(minutes=10))
        )

    assert [claim(0), claim(0), claim(9.9), claim(10), claim(19)] == [True, False, False, True, False]
    run_writing(database_engine, lambda c: call_budget.release(c, "work"))
    assert [claim(19), claim(20)] == [True, False]
    assert [claim(10_000), claim(21), claim(22)] == [True, True, False]
    run_writing(database_engine, lambda c: call_budget.claim(c, "other", now=NOW, interval=timedelta(minutes=10)))
    assert not claim(23)


def test_processes_in_a_race_share_it(gateway: Gateway) -> None:
    """Together they get the calls available, not more."""

    def work(_: int) -> int:
        engine = gateway.engine()
        got = sum(
            run_writing(engine, lambda c: call_budget.reserve(c, "changes", slot=1, last=1, wanted=3, limit=50))
            for _ in range(20)
        )
        engine.dispose()
        return got

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(work, range(4))) == 50
