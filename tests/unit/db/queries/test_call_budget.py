"""Calls shared by processes."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from db.engine import run_writing
from db.queries import call_budget
from tests.databases import Gateway


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
