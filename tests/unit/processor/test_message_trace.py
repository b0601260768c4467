"""The trace log: no work waits for it, and it loses nothing while there is room."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, event, select

from bus.notification import Notification
from bus.queue import Delivery, MessageId
from db.engine import Database
from db.outcomes import Outcome
from db.queries import failures
from db.queries.failures import Failure
from db.tables import message_trace
from graph.errors import GraphUnavailable, ItemCorrupt
from phrases import Phrase
from processor.importer import ImportResult
from processor.message_trace import TraceLimits, TraceWriter
from processor.metrics import ProcessorMetrics
from processor.settlement import Abandon, Complete, DeadLetter, InFlight
from tests.doubles.clock import SettableClock
from tests.doubles.outages import FragileDatabase
from tests.waiting import until

IMPORTED = Complete(Outcome.IMPORTED)
LONG = Complete(Outcome.IMPORTED, ImportResult(Outcome.IMPORTED, rule="long " * 5_000))
"""A row for which a full disk has no room."""


class Desk:
    """A trace log, and access to its output."""

    def __init__(self, path: Path) -> None:
        self.clock = SettableClock()
        self.fragile = FragileDatabase(path)
        self.database = Database(self.fragile.engine())
        self.registry = CollectorRegistry()
        self.metrics = ProcessorMetrics(self.registry)

    def new_log(self, **limits: float) -> TraceWriter:
        facts: dict[str, float] = {"every_seconds": 0.01, **limits}
        return TraceWriter(
            self.database,
            host="gateway-1",
            clock=self.clock,
            metrics=self.metrics,
            limits=TraceLimits(**facts),  # type: ignore[arg-type]  # whole numbers where they belong
        )

    def attempt(self, name: str) -> InFlight:
        now = self.clock()
        work = InFlight(Delivery(MessageId(name), "", 1, now, 1, now, None), now)
        work.notification = Notification(1, "s", "created", name, None, now, f"thread of {name}")
        return work

    async def failures(self) -> dict[str | None, Failure]:
        found = await self.database.read(lambda c: failures.of_ids(c, [(1, name) for name in "abcdef"]))
        return {graph_id: each for (_, graph_id), each in found.items()}

    async def written(self) -> list[tuple[str, str]]:
        row = message_trace.c

        def read(connection: Connection) -> list[tuple[str, str]]:
            found = connection.execute(select(row.sGraphMessageID, row.sOutcome).order_by(row.nTraceID))
            return [(each[0], each[1]) for each in found]

        return await self.database.read(read)

    @property
    def lost(self) -> float | None:
        return self.registry.get_sample_value("mail_importer_trace_rows_lost_total")


@pytest.fixture
async def desk(database_file: Path) -> AsyncIterator[Desk]:
    made = Desk(database_file)
    yield made
    await made.database.close()


def has(desk: Desk, count: int) -> Callable[[], object]:
    async def look() -> bool:
        return len(await desk.written()) == count

    return look


async def test_rows_are_written_together_while_the_process_runs(desk: Desk) -> None:
    """Hundreds cost a few transactions; a query a moment later finds them."""
    written: list[str] = []

    @event.listens_for(desk.database.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            written.append(statement)

    log = desk.new_log()
    log.start()
    for number in range(300):
        log.settled(desk.attempt(f"m{number}"), IMPORTED)
    await until(has(desk, 300))
    assert len(written) <= 3
    await log.close()
    assert desk.lost == 0


async def test_the_end_of_the_process_writes_what_waits(desk: Desk) -> None:
    log = desk.new_log(every_seconds=3600)
    log.start()
    log.settled(desk.attempt("a"), IMPORTED)
    await log.close()
    assert await desk.written() == [("a", "imported")]


async def test_enough_rows_do_not_wait_for_their_time(desk: Desk) -> None:
    log = desk.new_log(every_seconds=3600, enough=3)
    log.start()
    for name in "abc":
        log.settled(desk.attempt(name), IMPORTED)
    await until(has(desk, 3))
    await log.close()


@pytest.mark.parametrize("kind", FragileDatabase.kinds)
async def test_while_the_database_is_away_rows_wait(desk: Desk, kind: str) -> None:
    """They are written when it is back, each once."""
    tried: list[object] = []
    event.listen(desk.database.engine, "checkout", lambda *_: tried.append(1))
    log = desk.new_log()
    await desk.written()
    log.start()
    with desk.fragile.broken(kind):
        log.settled(desk.attempt("a"), LONG)
        log.settled(desk.attempt("b"), IMPORTED)
        await until(lambda: len(tried) > 3)
    await until(has(desk, 2))
    await log.close()
    assert desk.lost == 0


async def test_over_the_bound_rows_are_lost_counted_and_reported_once(desk: Desk) -> None:
    """Memory is bounded; imports go on."""
    log = desk.new_log(waiting=3, every_seconds=3600)
    with structlog.testing.capture_logs() as events:
        for number in range(10):
            log.settled(desk.attempt(f"m{number}"), IMPORTED)
    assert desk.lost == 7
    assert [each["event"] for each in events] == ["trace_rows_lost"]
    log.start()
    await log.close()
    assert len(await desk.written()) == 3


async def test_a_process_that_ends_while_the_database_is_away_reports_what_it_loses(desk: Desk) -> None:
    log = desk.new_log(every_seconds=3600)
    log.start()
    log.settled(desk.attempt("a"), IMPORTED)
    with desk.fragile.locked(), structlog.testing.capture_logs() as events:
        await log.close()
    assert desk.lost == 1
    assert [each["event"] for each in events] == ["trace_rows_lost"]


async def test_a_row_that_no_database_takes_is_lost_alone(desk: Desk) -> None:
    """A malformed notification may claim a time before the calendar began."""
    log = desk.new_log(every_seconds=3600)
    log.start()
    log.settled(desk.attempt("a"), IMPORTED)
    odd = desk.attempt("odd")
    odd.received = odd.received.replace(tzinfo=None)
    log.settled(odd, IMPORTED)
    log.settled(desk.attempt("b"), IMPORTED)
    await log.close()
    assert [name for name, _ in await desk.written()] == ["a", "b"]
    assert desk.lost == 1


async def test_what_may_repeat_without_end_is_written_once_an_hour(desk: Desk) -> None:
    """The limit is per message and outcome; counted attempts are always written."""
    log = desk.new_log(every_seconds=3600)
    log.start()
    for _ in range(3):
        log.settled(desk.attempt("a"), Abandon(Outcome.WAITING))
        log.settled(desk.attempt("a"), Abandon(Outcome.RETRIED))
        log.settled(desk.attempt("b"), Abandon(Outcome.WAITING))
        desk.clock.advance(timedelta(minutes=29))
    log.settled(desk.attempt("a"), Abandon(Outcome.RETRIED, counted=True))
    await log.close()
    assert await desk.written() == [("a", "waiting"), ("a", "retried"), ("b", "waiting"), ("a", "retried")]


async def test_an_hour_later_it_is_written_again(desk: Desk) -> None:
    log = desk.new_log(every_seconds=3600)
    log.start()
    for _ in range(5):
        log.settled(desk.attempt("a"), Abandon(Outcome.WAITING))
        desk.clock.advance(timedelta(minutes=30))
    await log.close()
    assert await desk.written() == [("a", "waiting")] * 3


CORRUPT = ItemCorrupt(Phrase("It is corrupt."), status=500)
RETRY = Abandon(Outcome.RETRIED, timedelta(seconds=30), counted=True, cause="ItemCorrupt", error=CORRUPT)


async def test_a_failure_is_a_row_until_its_message_is_imported(desk: Desk) -> None:
    """It has what the fetch found, though the import failed."""
    log = desk.new_log()
    log.start()
    work = desk.attempt("a")
    work.progress.subject, work.progress.from_address = "Prüfbericht", "labor@example.com"
    log.settled(work, RETRY)
    log.settled(desk.attempt("b"), DeadLetter("Broken", Phrase("It is broken.")))
    log.settled(desk.attempt("c"), Abandon(Outcome.RETRIED, timedelta(seconds=30), cause="GraphUnavailable"))
    log.settled(desk.attempt("d"), Abandon(Outcome.RETRIED, counted=True, cause="KeyError", error=KeyError("secret")))
    await until(has(desk, 4))
    found = await desk.failures()
    assert found.keys() == {"a", "b", "d"}
    assert (found["a"].subject, found["a"].from_address) == ("Prüfbericht", "labor@example.com")
    assert (found["a"].attempts, found["a"].next_attempt) == (1, desk.clock() + timedelta(seconds=30))
    assert (found["a"].reason, found["a"].detail) == ("ItemCorrupt", "It is corrupt.")
    assert (found["b"].next_attempt, found["b"].reason, found["b"].detail) == (None, "Broken", "It is broken.")
    assert "secret" not in str(found["d"].detail)
    for name in "ab":
        log.settled(desk.attempt(name), IMPORTED)
    await until(has(desk, 6))
    assert (await desk.failures()).keys() == {"d"}
    await log.close()


async def test_of_several_ends_within_a_second_the_last_counts(desk: Desk) -> None:
    log = desk.new_log(every_seconds=3600)
    log.start()
    for decision in (RETRY, IMPORTED):
        log.settled(desk.attempt("a"), decision)
    for decision in (IMPORTED, RETRY):
        log.settled(desk.attempt("b"), decision)
    await log.close()
    assert (await desk.failures()).keys() == {"b"}


async def test_a_retry_that_does_not_count_moves_the_next_attempt_of_one_that_did(desk: Desk) -> None:
    """Though the trace has such a retry only once an hour."""
    log = desk.new_log(every_seconds=3600)
    for _ in range(3):
        desk.clock.advance(timedelta(minutes=1))
        work = desk.attempt("a")
        work.delivery = replace(work.delivery, delivery_count=3)
        log.settled(work, Abandon(Outcome.RETRIED, timedelta(minutes=2), cause="GraphUnavailable"))
    log.start()
    await log.close()
    assert await desk.written() == [("a", "retried")]
    [found] = (await desk.failures()).values()
    assert (found.attempts, found.next_attempt) == (2, desk.clock() + timedelta(minutes=2))


@pytest.mark.parametrize(
    ("status", "is_row"), [(503, True), (500, True), (429, False), (None, False)], ids=["503", "500", "429", "silent"]
)
async def test_a_message_that_graph_answers_with_an_error_has_a_row(
    desk: Desk, status: int | None, is_row: bool
) -> None:
    """It is visible from its first failure on; messages that wait for Graph to answer at all may be thousands."""
    log = desk.new_log(every_seconds=3600)
    error = GraphUnavailable(Phrase("Try later."), status=status)
    log.settled(
        desk.attempt("a"), Abandon(Outcome.RETRIED, timedelta(seconds=30), cause="GraphUnavailable", error=error)
    )
    log.start()
    await log.close()
    assert [each.detail for each in (await desk.failures()).values()] == (["Try later."] if is_row else [])
