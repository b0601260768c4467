"""The trace: the outcome of every delivery, from which an operator can locate an e-mail; and the failures among them.

It costs no statement per message: rows wait in memory and are written together, about once a second. While the database
is unavailable they wait, and over a bound they are lost; nothing ever waits for them. A message that waits for its
account, or for Microsoft, may be abandoned thousands of times: of such deliveries, one an hour is written for each
message and outcome, by each process.

The same transaction keeps `tblEmailFailure` (`db.queries.failures`): a counted failure writes the row of its message,
the end of the work on it deletes that.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

import background
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.keys import MessageKey
from db.leases import age
from db.outcomes import Outcome
from db.queries import failures, trace
from db.queries.failures import Failure
from db.queries.trace import TraceRow
from graph.errors import GraphUnavailable
from processor.errors import Unprocessable
from processor.importer import Progress
from processor.metrics import ProcessorMetrics
from processor.settlement import (
    EXPECTED_ERRORS,
    INTERNAL_ERROR,
    Abandon,
    Complete,
    DeadLetter,
    Decision,
    DeliveryObserver,
    InFlight,
    NotSettled,
    text_for_operators,
)

_REPEATS_APART: Final = timedelta(hours=1)
_MAX_REMEMBERED: Final = 20_000
_OVER: Final = frozenset(
    {
        Outcome.IMPORTED,
        Outcome.REPLACED,
        Outcome.KNOWN,
        Outcome.DUPLICATE,
        Outcome.FILTERED,
        Outcome.GONE,
        Outcome.DROPPED,
    }
)
"""Outcomes that end the work on a message."""
_LAST_WRITE_SECONDS: Final = 2.0
_CANCEL_SECONDS: Final = 0.5

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """`every_seconds`: between two writes; a write begins earlier when `enough` rows wait.

    `in_one_write`: rows a transaction. `waiting`: rows kept in memory; more are lost.
    """

    every_seconds: float = 1.0
    enough: int = 200
    in_one_write: int = 500
    waiting: int = 10_000


@dataclass(frozen=True, slots=True)
class _Entry:
    """The rows of one delivery: the attempt, unless it only repeats others, and the failure, if it is one."""

    attempt: TraceRow | None
    failure: Failure | None = None

    @property
    def end(self) -> tuple[MessageKey, Failure | None] | None:
        """The message that failed, or of which the work is over (None)."""
        if self.failure is not None:
            return self.failure.key, self.failure
        row = self.attempt
        if row is None or row.outcome not in _OVER or row.account_id is None or row.graph_id is None:
            return None
        return (row.account_id, row.graph_id), None


class TraceWriter(DeliveryObserver):
    """Collects attempts that ended, and writes them to `tblMessageTrace` between `start` and `close`."""

    def __init__(
        self,
        database: Database,
        *,
        host: str,
        clock: Callable[[], datetime],
        metrics: ProcessorMetrics,
        limits: TraceLimits | None = None,
    ) -> None:
        """`host`: the operators' name of this machine."""
        self._database = database
        self._host = host
        self._clock = clock
        self._metrics = metrics
        self._limits = limits or TraceLimits()
        self._entries: deque[_Entry] = deque()
        self._enough = asyncio.Event()
        self._closing = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._losing = False
        self._repeats: dict[tuple[str, str], datetime] = {}

    def settled(self, work: InFlight, decision: Decision | NotSettled) -> None:
        """See `DeliveryObserver.settled`. Lifecycle notifications, which are of no message, are left out."""
        delivery, notification, now = work.delivery, work.notification, self._clock()
        if decision.outcome is Outcome.LIFECYCLE:
            return
        failure = _failure(work, decision, now)
        repeats = isinstance(decision, Abandon) and decision.may_repeat
        if repeats and self._is_repeated((delivery.message_id, decision.outcome), now):
            if failure is not None:
                self._record(_Entry(None, failure))
            return
        reason, detail = _why(decision)
        row = TraceRow(
            account_id=delivery.account_id if notification is None else notification.account_id,
            graph_id=None if notification is None else notification.message_id,
            host=self._host,
            started=work.received,
            ended=now,
            outcome=decision.outcome,
            internet_message_id=work.progress.internet_message_id,
            subject=work.progress.subject,
            source=None if notification is None else notification.source,
            correlation=None if notification is None else notification.correlation,
            queue_message_id=delivery.message_id,
            notified=None if notification is None else notification.received,
            queued=delivery.enqueued,
            attempt=delivery.delivery_count,
            fetched=work.progress.fetched,
            reason=reason,
            detail=detail,
        )
        self._record(_Entry(row, failure))

    def asked(
        self,
        account_id: int,
        message_id: str,
        outcome: Outcome,
        *,
        started: datetime,
        progress: Progress,
        correlation: str,
        reason: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Record the outcome of a message that an operator requested, without the queue. As `settled`."""
        row = TraceRow(
            account_id=account_id,
            graph_id=message_id,
            host=self._host,
            started=started,
            ended=self._clock(),
            outcome=outcome,
            internet_message_id=progress.internet_message_id,
            subject=progress.subject,
            source="operator",
            correlation=correlation,
            fetched=progress.fetched,
            reason=reason,
            detail=detail,
        )
        self._record(_Entry(row))

    def _record(self, entry: _Entry) -> None:
        """Record it. Returns at once and never fails."""
        if len(self._entries) >= self._limits.waiting:
            self._lose(1, "the database was away for so long that memory ran short")
            return
        self._entries.append(entry)
        if len(self._entries) >= self._limits.enough:
            self._enough.set()

    def start(self) -> None:
        """Begin to write recorded rows."""
        self._writing = asyncio.create_task(background.restarted(self._run, name="trace"))

    async def close(self) -> None:
        """Write the remaining rows, if the database accepts them within two seconds: the process is to end."""
        self._closing.set()
        self._enough.set()
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=_LAST_WRITE_SECONDS)
            await background.cancel(self._writing, within=_CANCEL_SECONDS)
        self._lose(len(self._entries), "the database was away when the process ended")

    async def _run(self) -> None:
        away = last = False
        while not last:
            if not away:
                await _within(self._limits.every_seconds, self._enough)
            else:  # however many rows come meanwhile
                await _within(self._limits.every_seconds, self._closing)
            self._enough.clear()
            last = self._closing.is_set()
            try:
                await self._write_waiting()
                away = False
            except DatabaseUnavailable:  # the rows wait; the worker reports that it is unavailable
                away = True

    async def _write_waiting(self) -> None:
        """Write the entries that wait now. Those that come meanwhile wait for their time, or each were a statement."""
        left = len(self._entries)
        while left:
            entries = [self._entries[number] for number in range(min(left, self._limits.in_one_write))]
            await self._write(entries)
            for _ in entries:
                self._entries.popleft()
            left -= len(entries)
            self._losing = False

    async def _write(self, entries: list[_Entry]) -> None:
        attempts = [each.attempt for each in entries if each.attempt is not None]
        ends = dict(each.end for each in entries if each.end is not None)  # of each message the last

        def work(connection: Connection) -> None:
            trace.add(connection, attempts)
            failures.settle(connection, ends)

        try:
            await self._database.write(work)
        except (SQLAlchemyError, OverflowError, UnicodeEncodeError) as exc:
            if len(entries) == 1:
                self._lose(1, f"the database refuses it: {type(exc).__name__}")
                return
            # One of them is at fault: each on its own, so that the others are written.
            for each in entries:
                await self._write([each])

    def _lose(self, count: int, why: str) -> None:
        self._metrics.trace_rows_lost.inc(count)
        if count and not self._losing:
            self._losing = True
            log.warning("trace_rows_lost", detail=f"What became of some messages will not be in their trace: {why}.")

    def _is_repeated(self, key: tuple[str, str], now: datetime) -> bool:
        """Check whether a row of it was written within the hour; if not, one is written now."""
        recorded = self._repeats.pop(key, None)
        repeated = recorded is not None and age(recorded, now) < _REPEATS_APART
        # Inserted again, so that the entries without news for the longest time come first.
        self._repeats[key] = recorded if repeated and recorded is not None else now
        if len(self._repeats) > _MAX_REMEMBERED:
            del self._repeats[next(iter(self._repeats))]
        return repeated


def _why(decision: Decision | NotSettled) -> tuple[str | None, str | None]:
    """The reason, a fixed word, and the detail, which is never from the mail."""
    match decision:
        case Complete(error=Unprocessable() as error):
            return error.reason, text_for_operators(error)
        case Complete(_, result):
            return (None, None) if result is None else (result.reason, result.rule)
        case Abandon(cause=cause, error=error):
            return cause, text_for_operators(error)
        case DeadLetter(reason, description):
            return reason, description
        case NotSettled(reason, detail):
            return reason, detail


def _failure(work: InFlight, decision: Decision | NotSettled, now: datetime) -> Failure | None:
    """The failure that the decision is: a dead letter, or a retry.

    Of retries that do not count, only those of a message that failed before, that Graph answers with an error, or that
    the database did not take: while Graph is out of reach or throttles, nothing is wrong with the messages, and there
    may be thousands.
    """
    notification, attempts = work.notification, work.delivery.delivery_count
    next_attempt = None
    match decision:
        case DeadLetter(_, text):
            detail: str | None = text
        case Abandon(Outcome.RETRIED, delay, counted, _, error) if counted or attempts > 1 or _is_refused(error):
            attempts -= not counted
            next_attempt = now + delay
            unexpected = error is not None and not isinstance(error, EXPECTED_ERRORS)
            detail = INTERNAL_ERROR if unexpected else text_for_operators(error)
        case _:
            return None
    if notification is None or notification.message_id is None:
        return None
    return Failure(
        account_id=notification.account_id,
        graph_id=notification.message_id,
        attempts=attempts,
        failed=now,
        next_attempt=next_attempt,
        reason=_why(decision)[0],
        detail=detail,
        internet_message_id=work.progress.internet_message_id,
        subject=work.progress.subject,
        from_name=work.progress.from_name,
        from_address=work.progress.from_address,
        received=work.progress.received,
    )


def _is_refused(error: Exception | None) -> bool:
    """True if the database did not take it, or if Graph answers with an error, or with less than a whole answer while
    the mailbox is accessible."""
    if not isinstance(error, GraphUnavailable) or error.service is not None:
        return isinstance(error, DatabaseUnavailable)
    return error.status not in {None, HTTPStatus.TOO_MANY_REQUESTS} or error.may_be_of_item(())


async def _within(seconds: float, event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
