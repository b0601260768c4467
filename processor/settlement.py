"""The end of a delivery: one decision, applied to the queue once, then reported to the observers."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final

import structlog

import background
from bus.notification import Notification, UnreadableNotification
from bus.queue import Delivery, NotificationConsumer
from db.errors import DatabaseUnavailable
from db.leases import is_over
from db.outcomes import Outcome
from db.queries.messages import MessageRefused
from graph.errors import GraphError
from graph.mailbox import Mailbox
from hostfaults import HostFault
from phrases import Phrase
from processor.errors import MessageChanged, ScanInProgress, Unprocessable
from processor.importer import ImportResult, Progress
from processor.metrics import ProcessorMetrics
from processor.process_pool import PoolUnusable

EXPECTED_ERRORS: Final = (
    DatabaseUnavailable,
    GraphError,
    HostFault,
    MessageChanged,
    MessageRefused,
    PoolUnusable,
    ScanInProgress,
    Unprocessable,
    UnreadableNotification,
)
"""Errors whose text was written for an operator."""

INTERNAL_ERROR: Final = Phrase("Internal error; the log has the traceback (delivery_failed).")
"""The text of any other error, which may quote its input, and that may be mail."""

_EVENTS: Final = {
    Outcome.IMPORTED: "message_imported",
    Outcome.REPLACED: "message_replaced",
    Outcome.KNOWN: "message_known",
    Outcome.DUPLICATE: "message_duplicate",
    Outcome.FILTERED: "message_left_out",
    Outcome.GONE: "message_gone",
    Outcome.DROPPED: "delivery_dropped",
}

_UNRECORDED: Final = frozenset({Outcome.GONE, Outcome.DROPPED})
"""Outcomes of which no record keeps the message: if it comes back, it must be queued."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Complete:
    """Needs no more work. `result`: of an import; None of a message that was known before, and of other work.

    `error`: the reason to do nothing.
    """

    outcome: Outcome
    result: ImportResult | None = None
    error: Unprocessable | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Abandon:
    """Hand back, to be received again after `delay`; `counted` toward the maximum of deliveries or not.

    `cause`: a fixed word. `error`: the error that led to it.
    """

    outcome: Outcome
    delay: timedelta = timedelta(0)
    counted: bool = False
    cause: str | None = None
    error: Exception | None = field(default=None, compare=False)

    @property
    def may_repeat(self) -> bool:
        """True where the same may happen to a message again and again."""
        return not self.counted and self.outcome is not Outcome.HANDED_BACK


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Put aside for an operator."""

    outcome: ClassVar[Outcome] = Outcome.DEAD_LETTERED

    reason: str
    description: Phrase
    error: Exception | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NotSettled:
    """Left to its lock, at whose end the queue delivers it again. `reason`: a fixed word; `detail`: for an operator."""

    outcome: ClassVar[Outcome] = Outcome.NOT_SETTLED

    reason: str | None = None
    detail: str | None = None


Decision = Complete | Abandon | DeadLetter
"""The ways to settle a delivery."""


class InFlight:
    """A delivery in this process: its lock is renewed until it is settled."""

    def __init__(self, delivery: Delivery, received: datetime) -> None:
        """`received`: the time at which the queue gave it."""
        self.delivery = delivery
        self.received = received
        self.notification: Notification | None = None
        self.mailbox: Mailbox | None = None
        self.after_import: str | None = None
        """The action in the mailbox that follows the import."""
        self.progress = Progress()
        self.task: asyncio.Task[None] | None = None
        self.is_settling = False
        """True once this process may not hand it back: it is being settled, or its lock is lost."""
        self._half_life = (delivery.locked_until - received) / 2

    def needs_renewal(self, now: datetime) -> bool:
        """Check whether half of the lock is over."""
        return is_over(self.delivery.locked_until - self._half_life, now, longest=self._half_life)


class DeliveryObserver(ABC):
    """Learns of the end of each delivery, between `start` and `close`, which one without work of its own inherits."""

    def start(self) -> None:  # noqa: B027  # most have nothing to begin
        """Begin."""

    @abstractmethod
    def settled(self, work: InFlight, decision: Decision | NotSettled) -> None:
        """Note the decision, which the queue has taken. Returns at once and never fails."""

    async def close(self) -> None:  # noqa: B027  # most have nothing to finish
        """Finish within seconds, as the process is to end."""


class Settlement:
    """Settles deliveries, and reports each to the observers."""

    def __init__(self, queue: NotificationConsumer, observers: Sequence[DeliveryObserver]) -> None:
        self._queue = queue
        self._observers = observers

    def start(self) -> None:
        """Start the observers."""
        for each in self._observers:
            each.start()

    async def close(self) -> None:
        """Close the observers, the last of them first."""
        for each in reversed(self._observers):
            await each.close()

    async def apply(self, work: InFlight, decision: Decision) -> None:
        """Settle the delivery.

        Raises:
            LockLost, QueueUnavailable: it is not settled, and no observer was told.
        """
        work.is_settling = True
        match decision:
            case Complete(outcome):
                await self._queue.complete(work.delivery, remembered=outcome not in _UNRECORDED)
            case Abandon(delay=delay, counted=counted):
                await self._queue.abandon(work.delivery, delay=delay, counted=counted)
            case DeadLetter(reason, description):
                await self._queue.dead_letter(work.delivery, reason=reason, description=description)
        self._report(work, decision)

    def not_settled(self, work: InFlight, reason: str | None = None, detail: str | None = None) -> None:
        """Report a delivery that this process leaves to its lock."""
        self._report(work, NotSettled(reason, detail))

    def _report(self, work: InFlight, decision: Decision | NotSettled) -> None:
        for each in self._observers:
            each.settled(work, decision)


def text_for_operators(error: Exception | None) -> str | None:
    """The text of an error that was written for an operator; of any other, which may quote mail, none."""
    return str(error) if isinstance(error, EXPECTED_ERRORS) else None


class DeliveryMetrics(DeliveryObserver):
    """Counts deliveries by outcome."""

    def __init__(self, metrics: ProcessorMetrics, *, clock: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._clock = clock

    def settled(self, work: InFlight, decision: Decision | NotSettled) -> None:
        """See `DeliveryObserver.settled`."""
        if isinstance(decision, NotSettled):
            return
        self._metrics.deliveries.labels(decision.outcome).inc()
        match decision:
            case DeadLetter(reason):
                self._metrics.dead_letters.labels(reason).inc()
            case Complete(outcome, result):
                if outcome is Outcome.IMPORTED:
                    self._observe(work, result)
                if result is not None and result.reason is not None:
                    self._metrics.left_out.labels(result.reason).inc()
                if result is not None and result.replaced_characters:
                    self._metrics.replaced_characters.inc(result.replaced_characters)

    def _observe(self, work: InFlight, result: ImportResult | None) -> None:
        now = self._clock()
        self._metrics.seconds.observe(_seconds(work, now))
        if work.notification is not None and result is not None and result.received is not None:
            latency = self._metrics.latency[work.notification.source]
            latency.observe(max(0.0, (now - result.received).total_seconds()))  # clocks of Exchange and of this host


class DeliveryLog(DeliveryObserver):
    """Logs deliveries by outcome."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def settled(self, work: InFlight, decision: Decision | NotSettled) -> None:
        """See `DeliveryObserver.settled`."""
        match decision:
            case Complete(Outcome.LIFECYCLE) | NotSettled():
                return  # logged where more is known of it
            case Complete(outcome, error=Unprocessable() as error):
                log.info(_EVENTS[outcome], reason=error.reason)
            case Complete(outcome, result):
                self._completed(work, outcome, result)
            case Abandon():
                self._abandoned(work, decision)
            case DeadLetter(reason, description, error):
                _log_error("delivery_dead_lettered", error, reason=reason, description=description)

    def _completed(self, work: InFlight, outcome: Outcome, result: ImportResult | None) -> None:
        result = result or ImportResult(outcome)
        if result.replaced_characters:
            log.warning("characters_replaced", characters=result.replaced_characters)
        if result.shortened_texts:
            log.warning("texts_shortened", texts=result.shortened_texts)
        facts = {} if result.reason is None else {"reason": result.reason}
        seconds = round(_seconds(work, self._clock()), 3)
        log.info(_EVENTS[outcome], attachments=result.attachments, seconds=seconds, **facts)

    def _abandoned(self, work: InFlight, decision: Abandon) -> None:
        seconds = decision.delay.total_seconds()
        match decision.outcome:
            case Outcome.WAITING:
                log.debug("delivery_waits_for_account", seconds=seconds)
            case Outcome.SCANNING:
                log.info("delivery_waits_for_scan", seconds=seconds)
            case Outcome.DEFERRED:
                log.debug("delivery_waits_for_mailbox", seconds=seconds)
            case Outcome.HANDED_BACK:
                log.info("delivery_handed_back", delivery=work.delivery.message_id)
            case _:
                _log_error("delivery_retried", decision.error, cause=decision.cause, seconds=round(seconds, 1))


def _seconds(work: InFlight, now: datetime) -> float:
    """Seconds since the notification arrived at the receiver."""
    return 0.0 if work.notification is None else (now - work.notification.received).total_seconds()


def _log_error(event: str, error: Exception | None, **facts: object) -> None:
    if error is None:
        log.warning(event, **facts)
    elif isinstance(error, EXPECTED_ERRORS):
        log.warning(event, error=str(error), **facts)
    else:
        log.error("delivery_failed", error_type=type(error).__name__, where=background.places_of(error))
        log.warning(event, **facts)
