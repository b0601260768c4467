"""The workers: receive deliveries, import them side by side, settle each by its outcome."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import structlog
from structlog.contextvars import bound_contextvars

import background
import hostfaults
from bus.errors import LockLost, QueueUnavailable
from bus.notification import Notification, Source, UnreadableNotification
from bus.queue import Delivery, NotificationConsumer
from db.errors import DatabaseUnavailable
from db.keys import MessageKey
from db.leases import is_over
from db.queries.messages import MessageStore
from graph.errors import AccountError
from graph.mailbox import Mailbox
from hostfaults import HostFault, host_fault_of
from phrases import Phrase
from processor.accounts import AccountBackoff, AccountCache
from processor.after_import import AfterImport
from processor.errors import ScanInProgress, Unprocessable
from processor.importer import Importer, Outcome, Result, message_id_of
from processor.lifecycle import LifecycleEvent, LifecycleHandler, lifecycle_event_of
from processor.mailbox_fairness import CallShare, MailboxFairness
from processor.message_trace import Attempt, TraceWriter
from processor.metrics import ProcessorMetrics
from processor.missed_notifications import MissedNotifications
from processor.retry_policy import (
    EXPECTED_ERRORS,
    MAX_ATTEMPTS,
    MAX_TIMEOUTS,
    DeadLetter,
    Retry,
    decide,
    is_patient,
    retry_of_missing,
)
from threads import DaemonThreads

_RECEIVE_WAIT: Final = timedelta(seconds=20)
_HOLDS_SHARED_EVERY: Final = timedelta(minutes=1)
_RENEWAL_LOOK_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_MAX_PAUSE_SECONDS: Final = 15.0
_DATABASE_TROUBLE: Final = Retry(timedelta(seconds=5), counted=False, cause="DatabaseUnavailable")
_HOST_TROUBLE: Final = Retry(timedelta(seconds=5), counted=False, cause="HostFault")
_EVENTS: Final = {
    Result.IMPORTED: "message_imported",
    Result.REPLACED: "message_replaced",
    Result.KNOWN: "message_known",
    Result.DUPLICATE: "message_duplicate",
    Result.FILTERED: "message_left_out",
    Result.GONE: "message_gone",
}

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Bounds of one process.

    `max_in_flight`: deliveries at a time; `max_per_mailbox`: of one mailbox. `gather_seconds`: time to wait for more
    room, so that deliveries are received several at a time. `finish_seconds`: time that those in flight have to end
    once the process is signalled to stop.
    """

    max_in_flight: int = 64
    max_per_mailbox: int = 32
    gather_seconds: float = 0.02
    finish_seconds: float = 4.0


class _InFlight:
    """A delivery in flight: its lock is renewed until it is settled."""

    def __init__(self, delivery: Delivery, taken: datetime) -> None:
        self.delivery = delivery
        self.attempt = Attempt(delivery, taken)
        self.task: asyncio.Task[None] | None = None
        self.keep = False
        """True once the delivery must not be abandoned: it is being settled, or its lock is lost."""
        self._half_life = (delivery.locked_until - taken) / 2

    def needs_renewal(self, now: datetime) -> bool:
        return is_over(self.delivery.locked_until - self._half_life, now, longest=self._half_life)


@dataclass(frozen=True, slots=True)
class _Order:
    """The work of a delivery: to import a message."""

    notification: Notification
    message_id: str

    @property
    def key(self) -> MessageKey:
        return (self.notification.account_id, self.message_id)


@dataclass(frozen=True, slots=True)
class _LifecycleOrder:
    """The work of a delivery: to handle an event of a subscription."""

    notification: Notification
    event: LifecycleEvent


def _parse(delivery: Delivery) -> _Order | _LifecycleOrder | DeadLetter:
    try:
        notification = Notification.from_json(delivery.body)
        if notification.lifecycle_event is not None:
            return _LifecycleOrder(notification, lifecycle_event_of(notification))
        return _Order(notification, message_id_of(notification))
    except (UnreadableNotification, Unprocessable) as exc:
        return DeadLetter(exc.reason, Phrase.of(exc))


class Processor:
    """Works on the queue until it is signalled to stop."""

    def __init__(
        self,
        queue: NotificationConsumer,
        importer: Importer,
        store: MessageStore,
        directory: AccountCache,
        holds: AccountBackoff,
        lifecycle: LifecycleHandler,
        silence: MissedNotifications,
        calls: CallShare,
        trace: TraceWriter,
        after_import: AfterImport,
        *,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ProcessorMetrics,
        limits: WorkerLimits | None = None,
        probe_host: Callable[[], None] = hostfaults.probe,
    ) -> None:
        """`probe_host`: blocks, and raises HostFault while this machine lacks a resource that an import needs."""
        self._probe_host = probe_host
        self._queue = queue
        self._importer = importer
        self._store = store
        self._directory = directory
        self._holds = holds
        self._lifecycle = lifecycle
        self._silence = silence
        self._trace = trace
        self._after_import = after_import
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._limits = limits or WorkerLimits()
        self._fairness = MailboxFairness(calls, max_per_mailbox=self._limits.max_per_mailbox, clock=clock)
        self._in_flight: set[_InFlight] = set()
        self._room = asyncio.Event()
        self._pause_seconds = 0.0
        self._host_fault: HostFault | None = None
        """A resource that this machine lacked for a delivery; until it is back no more are received."""
        self._probing = DaemonThreads("host probe", limit=1)

    async def run(self, stop: asyncio.Event) -> None:
        """Receive and import deliveries until `stop` is set; then finish, or abandon, those in flight."""
        renewing = asyncio.create_task(background.restarted(self._keep_locks, name="lock_renewal"))
        self._trace.start()
        self._after_import.start()
        stopping = asyncio.create_task(stop.wait())
        receiving = asyncio.create_task(self._receive_forever())
        try:
            await asyncio.wait([stopping, receiving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(receiving, stopping)
            await self._finish()
            await _cancelled(renewing)
            await self._after_import.close()
            await self._trace.close()
        if not receiving.cancelled():
            receiving.result()

    # Receiving.

    async def _receive_forever(self) -> None:
        next_load = self._clock()
        while True:
            try:
                await self._require_host()
                if is_over(next_load, self._clock(), longest=_HOLDS_SHARED_EVERY):
                    await self._holds.load()
                    next_load = self._clock() + _HOLDS_SHARED_EVERY
                self._fairness.check()
                await self._receive_batch()
                if self._pause_seconds:
                    self._pause_seconds = 0.0
                    log.info("processor_resumed")
            except (QueueUnavailable, DatabaseUnavailable, HostFault) as exc:
                await self._pause(exc)
            except Exception as exc:
                fault = host_fault_of(exc)
                if fault is None:
                    raise
                await self._pause(fault)

    async def _require_host(self) -> None:
        """Receive nothing while this machine lacks the resource that the last deliveries failed for."""
        if self._host_fault is None:
            return
        if not self._pause_seconds:
            raise self._host_fault
        await asyncio.get_running_loop().run_in_executor(self._probing, self._probe_host)
        self._host_fault = None

    async def _pause(self, exc: Exception) -> None:
        self._pause_seconds = min(max(2 * self._pause_seconds, _FIRST_PAUSE_SECONDS), _MAX_PAUSE_SECONDS)
        asked = exc.retry_after if isinstance(exc, QueueUnavailable) else None
        seconds = max(self._pause_seconds, asked or 0.0)
        log.warning("processor_paused", error=str(exc), seconds=seconds)
        await asyncio.sleep(seconds)

    async def _receive_batch(self) -> None:
        room = await self._wait_for_room()
        deliveries = await self._queue.receive(room, wait=_RECEIVE_WAIT)
        if not deliveries:
            return
        # The deliveries are locked by this process now: each has its task before anything can fail.
        prepared: asyncio.Future[set[MessageKey]] = asyncio.get_running_loop().create_future()
        orders: dict[MessageKey, Notification] = {}
        for delivery in deliveries:
            in_flight = _InFlight(delivery, self._clock())
            order = _parse(delivery)
            if isinstance(order, _Order) and (order.key not in orders or order.notification.source is Source.GRAPH):
                orders[order.key] = order.notification
            self._in_flight.add(in_flight)
            in_flight.task = background.start(self._work_on(in_flight, order, prepared), name="delivery")
        self._metrics.in_flight.set(len(self._in_flight))
        await self._prepare(orders, prepared)

    async def _wait_for_room(self) -> int:
        enough = max(1, self._limits.max_in_flight // 4)
        if self._limits.max_in_flight - len(self._in_flight) < enough:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.gather_seconds):
                    while self._limits.max_in_flight - len(self._in_flight) < enough:
                        await self._next_room()
        while len(self._in_flight) >= self._limits.max_in_flight:
            await self._next_room()
        return self._limits.max_in_flight - len(self._in_flight)

    async def _next_room(self) -> None:
        self._room.clear()
        await self._room.wait()

    async def _prepare(
        self, orders: dict[MessageKey, Notification], prepared: "asyncio.Future[set[MessageKey]]"
    ) -> None:
        """Read what all of them need from the database, in few queries; any error reaches each by its future."""
        try:
            await self._directory.refresh({account_id for account_id, _ in orders})
            known = await self._store.known(orders)
            await self._silence.arrived(orders, known)
            # Imported without files that Defender had not released: they may be here now.
            known -= await self._store.incomplete(known)
            prepared.set_result(known)
        except asyncio.CancelledError:
            prepared.cancel()
            raise
        except Exception as exc:  # logged, and settled, by each of the deliveries
            prepared.set_exception(exc)
            prepared.exception()  # retrieved, so that asyncio does not log it
            if isinstance(exc, DatabaseUnavailable) or host_fault_of(exc) is not None:
                raise

    # Working.

    async def _work_on(
        self,
        in_flight: _InFlight,
        order: _Order | _LifecycleOrder | DeadLetter,
        prepared: "asyncio.Future[set[MessageKey]]",
    ) -> None:
        try:
            with bound_contextvars(delivery=in_flight.delivery.message_id, attempt=in_flight.delivery.delivery_count):
                match order:
                    case DeadLetter():
                        await self._dead_letter(in_flight, order)
                    case _LifecycleOrder():
                        in_flight.attempt.notification = order.notification
                        await self._handle_lifecycle(in_flight, order)
                    case _Order():
                        in_flight.attempt.notification = order.notification
                        await self._import_and_settle(in_flight, order, prepared)
        except asyncio.CancelledError:
            if not in_flight.keep:
                await self._abandon(in_flight)
            else:
                self._trace.ended(in_flight.attempt, "not_settled")
            raise
        except (LockLost, QueueUnavailable) as exc:
            # Not settled: it is delivered again when its lock ends, and what was written is found then.
            self._trace.ended(in_flight.attempt, "not_settled", reason=type(exc).__name__, detail=str(exc))
            log.warning("delivery_not_settled", delivery=in_flight.delivery.message_id, error=str(exc))
        except Exception as exc:  # noqa: BLE001  # nothing awaits this task: an error not logged here is lost
            self._host_fault = host_fault_of(exc) or self._host_fault
            self._trace.ended(in_flight.attempt, "not_settled", reason=type(exc).__name__)
            log.warning(
                "delivery_not_settled",
                delivery=in_flight.delivery.message_id,
                error=str(host_fault_of(exc) or type(exc).__name__),
                where=background.places_of(exc),
            )
        finally:
            self._in_flight.discard(in_flight)
            self._metrics.in_flight.set(len(self._in_flight))
            self._room.set()

    async def _import_and_settle(
        self, in_flight: _InFlight, order: _Order, prepared: "asyncio.Future[set[MessageKey]]"
    ) -> None:
        notification, message_id = order.notification, order.message_id
        try:
            known = await asyncio.shield(prepared)
            mailbox = self._directory.mailbox(notification.account_id)
        except DatabaseUnavailable:
            await self._retry(in_flight, _DATABASE_TROUBLE)
            return
        except Exception as exc:  # noqa: BLE001  # as in `_import`
            await self._settle_trouble(in_flight, exc)
            return
        with bound_contextvars(account=mailbox.account_name, correlation=notification.correlation):
            if order.key in known:
                await self._complete(in_flight, notification, Outcome(Result.KNOWN))
                return
            wait = self._holds.delay(mailbox.account_id)
            if wait is not None:
                await self._wait_with_account(in_flight, wait)
                return
            try:
                wait = self._fairness.try_acquire(mailbox.counted_as)
            except DatabaseUnavailable:
                await self._retry(in_flight, _DATABASE_TROUBLE)
                return
            if wait is not None:
                await self._defer(in_flight, wait)
                return
            try:
                await self._import(in_flight, mailbox, notification, message_id)
            finally:
                self._fairness.release(mailbox.counted_as)

    async def _handle_lifecycle(self, in_flight: _InFlight, order: _LifecycleOrder) -> None:
        notification = order.notification
        with bound_contextvars(account_id=notification.account_id, correlation=notification.correlation):
            try:
                acted = await self._lifecycle.handle(order.event, notification)
            except DatabaseUnavailable as exc:
                log.warning("database_unavailable", error=str(exc))
                await self._retry(in_flight, _DATABASE_TROUBLE)
                return
            in_flight.keep = True
            await self._queue.complete(in_flight.delivery)
            self._metrics.deliveries.labels("lifecycle").inc()
            self._metrics.lifecycle_events.labels(order.event.value, "taken" if acted else "ignored").inc()
            log.info(
                "lifecycle_notification_taken" if acted else "lifecycle_notification_ignored",
                lifecycle_event=order.event.value,
                subscription=notification.subscription_id,
            )

    async def _import(
        self, in_flight: _InFlight, mailbox: Mailbox, notification: Notification, message_id: str
    ) -> None:
        then = self._directory.settings(mailbox.account_id).after_import
        started = self._clock()
        try:
            self._directory.require_usable(mailbox.account_id)
            outcome = await self._importer.run(
                mailbox,
                message_id,
                correlation=notification.correlation,
                progress=in_flight.attempt.progress,
                mail_filter=self._directory.mail_filter(mailbox.account_id),
                last_attempt=in_flight.delivery.delivery_count >= MAX_ATTEMPTS,
                without_original=in_flight.delivery.delivery_count >= MAX_TIMEOUTS,
                then=then,
                first_seen=notification.received,
            )
            await self._holds.release(mailbox)
            if outcome.result in {Result.IMPORTED, Result.REPLACED, Result.DUPLICATE, Result.FILTERED}:
                await self._silence.imported(notification, message_id, outcome.received)
            elif outcome.result is Result.KNOWN:
                key = (notification.account_id, message_id)
                await self._silence.arrived({key: notification}, [key])
        except ScanInProgress as exc:
            await self._holds.release(mailbox)
            await self._wait_for_scan(in_flight, exc)
        except AccountError as exc:
            await self._settle_account_trouble(in_flight, mailbox, exc)
        except DatabaseUnavailable as exc:
            log.warning("database_unavailable", error=str(exc))
            await self._retry(in_flight, _DATABASE_TROUBLE)
        except Exception as exc:  # noqa: BLE001  # an unexpected error must not stop other messages; logged and kept
            await self._settle_trouble(in_flight, exc)
        else:
            await self._settle_outcome(in_flight, notification, outcome)
            if outcome.result is Result.IMPORTED and outcome.lacking is not None:
                self._after_import.withheld(mailbox, message_id, then, outcome.lacking)
            elif outcome.result is Result.IMPORTED:
                self._after_import.soon(
                    mailbox.account_id, message_id, then, committed_after=in_flight.attempt.progress.fetched or started
                )

    async def _settle_account_trouble(self, in_flight: _InFlight, mailbox: Mailbox, exc: AccountError) -> None:
        if host_fault_of(exc) is None:
            await self._wait_with_account(in_flight, await self._holds.hold(mailbox, exc), exc)
        else:
            await self._settle_trouble(in_flight, exc)

    async def _settle_trouble(self, in_flight: _InFlight, exc: Exception) -> None:
        fault = host_fault_of(exc)
        if fault is not None and is_patient(in_flight.delivery, self._clock()):
            self._host_fault = fault
            await self._retry(in_flight, _HOST_TROUBLE, fault)
            return
        decision = decide(exc, in_flight.delivery, now=self._clock(), random=self._random)
        if isinstance(decision, DeadLetter):
            await self._dead_letter(in_flight, decision, exc)
        else:
            await self._retry(in_flight, decision, exc)

    # Settling.

    async def _settle_outcome(self, in_flight: _InFlight, notification: Notification, outcome: Outcome) -> None:
        if outcome.result is Result.GONE:
            retry = retry_of_missing(in_flight.delivery, now=self._clock(), random=self._random)
            if retry is not None:
                await self._retry(in_flight, retry)
                return
        await self._complete(in_flight, notification, outcome)

    async def _complete(self, in_flight: _InFlight, notification: Notification, outcome: Outcome) -> None:
        in_flight.keep = True
        # A message that is gone is recorded nowhere: if it comes back, it must be queued.
        await self._queue.complete(in_flight.delivery, remembered=outcome.result is not Result.GONE)
        seconds = (self._clock() - notification.received).total_seconds()
        self._metrics.deliveries.labels(outcome.result.value).inc()
        self._trace.ended(in_flight.attempt, outcome.result.value, reason=outcome.reason, detail=outcome.rule)
        if outcome.reason is not None:
            self._metrics.left_out.labels(outcome.reason).inc()
        if outcome.result is Result.IMPORTED:
            self._metrics.seconds.observe(seconds)
        if outcome.replaced_characters:
            self._metrics.replaced_characters.inc(outcome.replaced_characters)
            log.warning("characters_replaced", characters=outcome.replaced_characters)
        if outcome.shortened_texts:
            log.warning("texts_shortened", texts=outcome.shortened_texts)
        facts = {} if outcome.reason is None else {"reason": outcome.reason}
        log.info(_EVENTS[outcome.result], attachments=outcome.attachments, seconds=round(seconds, 3), **facts)

    async def _wait_with_account(self, in_flight: _InFlight, delay: timedelta, exc: AccountError | None = None) -> None:
        in_flight.keep = True
        await self._queue.abandon(in_flight.delivery, delay=delay, counted=False)
        self._metrics.deliveries.labels("waiting").inc()
        self._trace.ended(in_flight.attempt, "waiting", reason=_name_of(exc), detail=_told_of(exc), may_repeat=True)
        log.debug("delivery_waits_for_account", seconds=delay.total_seconds())

    async def _wait_for_scan(self, in_flight: _InFlight, exc: ScanInProgress) -> None:
        in_flight.keep = True
        await self._queue.abandon(in_flight.delivery, delay=exc.delay, counted=False)
        self._metrics.deliveries.labels("scanning").inc()
        self._trace.ended(in_flight.attempt, "scanning", reason=_name_of(exc), detail=_told_of(exc), may_repeat=True)
        log.info("delivery_waits_for_scan", seconds=exc.delay.total_seconds())

    async def _defer(self, in_flight: _InFlight, delay: timedelta) -> None:
        in_flight.keep = True
        await self._queue.abandon(in_flight.delivery, delay=delay, counted=False)
        self._metrics.deliveries.labels("deferred").inc()
        self._trace.ended(in_flight.attempt, "deferred", may_repeat=True)
        log.debug("delivery_waits_for_mailbox", seconds=delay.total_seconds())

    async def _retry(self, in_flight: _InFlight, retry: Retry, exc: Exception | None = None) -> None:
        in_flight.keep = True
        await self._queue.abandon(in_flight.delivery, delay=retry.delay, counted=retry.counted)
        self._metrics.deliveries.labels("retried").inc()
        self._trace.ended(
            in_flight.attempt, "retried", reason=retry.cause, detail=_told_of(exc), may_repeat=not retry.counted
        )
        _log_error("delivery_retried", exc, cause=retry.cause, seconds=round(retry.delay.total_seconds(), 1))

    async def _dead_letter(self, in_flight: _InFlight, decision: DeadLetter, exc: Exception | None = None) -> None:
        in_flight.keep = True
        await self._queue.dead_letter(in_flight.delivery, reason=decision.reason, description=decision.description)
        self._metrics.deliveries.labels("dead_lettered").inc()
        self._metrics.dead_letters.labels(decision.reason).inc()
        self._trace.ended(in_flight.attempt, "dead_lettered", reason=decision.reason, detail=decision.description)
        _log_error("delivery_dead_lettered", exc, reason=decision.reason, description=decision.description)

    async def _abandon(self, in_flight: _InFlight) -> None:
        delivery = in_flight.delivery
        try:
            await self._queue.abandon(delivery, counted=False)
        except (LockLost, QueueUnavailable) as exc:
            log.warning("delivery_not_settled", delivery=delivery.message_id, error=str(exc))
        else:
            self._metrics.deliveries.labels("handed_back").inc()
            self._trace.ended(in_flight.attempt, "handed_back")
            log.info("delivery_handed_back", delivery=delivery.message_id)

    async def _finish(self) -> None:
        tasks = {in_flight.task for in_flight in self._in_flight if in_flight.task is not None}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._limits.finish_seconds)
        await _cancelled(*late)

    # Keeping locks.

    async def _keep_locks(self) -> None:
        while True:
            await asyncio.sleep(_RENEWAL_LOOK_SECONDS)
            now = self._clock()
            due = [in_flight for in_flight in self._in_flight if not in_flight.keep and in_flight.needs_renewal(now)]
            await asyncio.gather(*(self._renew(in_flight) for in_flight in due))

    async def _renew(self, in_flight: _InFlight) -> None:
        try:
            in_flight.delivery = await self._queue.renew(in_flight.delivery)
        except LockLost:
            if in_flight.keep or in_flight.task is None:
                return  # settled in this very moment
            in_flight.keep = True
            in_flight.task.cancel()
            log.warning("lock_lost", delivery=in_flight.delivery.message_id)
        except Exception as exc:
            if not isinstance(exc, QueueUnavailable) and host_fault_of(exc) is None:
                raise
            log.warning("lock_not_renewed", delivery=in_flight.delivery.message_id, error=str(exc))


def _name_of(exc: Exception | None) -> str | None:
    return None if exc is None else type(exc).__name__


def _told_of(exc: Exception | None) -> str | None:
    """The detail for the trace: only text written for an operator, as anything else may quote mail."""
    return str(exc) if isinstance(exc, EXPECTED_ERRORS) else None


def _log_error(event: str, exc: Exception | None, **facts: object) -> None:
    if exc is None:
        log.warning(event, **facts)
    elif isinstance(exc, EXPECTED_ERRORS):
        log.warning(event, error=str(exc), **facts)
    else:
        log.error("delivery_failed", error_type=type(exc).__name__, where=background.places_of(exc))
        log.warning(event, **facts)


async def _cancelled(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
