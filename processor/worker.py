"""The workers: receive deliveries, import them side by side, settle each by its outcome."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

import structlog
from sqlalchemy.exc import DataError, DBAPIError
from structlog.contextvars import bind_contextvars

import background
import hostfaults
from background.pulse import Pulse
from bus.errors import LockLost, QueueUnavailable
from bus.notification import Notification, Source, UnreadableNotification
from bus.queue import Delivery, NotificationConsumer
from db.backends.translate import unknown_outage
from db.errors import DatabaseUnavailable
from db.keys import MessageKey
from db.leases import is_over
from db.outcomes import Outcome
from graph.errors import AccountError
from graph.mailbox import Mailbox
from hostfaults import HostFault, host_fault_of
from phrases import Phrase
from processor.accounts import AccountBackoff, AccountCache
from processor.errors import RemovedAccount, ScanInProgress, Unprocessable
from processor.importer import Importer, message_id_of
from processor.lifecycle import LifecycleEvent, LifecycleHandler, lifecycle_event_of
from processor.mailbox_fairness import CallShare, MailboxFairness
from processor.metrics import ProcessorMetrics
from processor.missed_notifications import MissedNotifications
from processor.retry_policy import (
    MAX_ATTEMPTS,
    MAX_TIMEOUTS,
    decide,
    is_patient,
    retry_of_missing,
)
from processor.settlement import Abandon, Complete, DeadLetter, Decision, DeliveryObserver, InFlight, Settlement
from threads import DaemonThreads

_RECEIVE_WAIT: Final = timedelta(seconds=20)
_HOLDS_SHARED_EVERY: Final = timedelta(minutes=1)
_RENEWAL_POLL_SECONDS: Final = 1.0
_RECEIVING: Final = "receiving"
"""The name of the loop in the pulse of the process."""
_ROOM_SECONDS: Final = 5.0
_CANCEL_SECONDS: Final = 1.0
"""For a cancelled task to end, handing back what it has; a queue that does not answer must not keep the process."""
_WAIT_FOR_DATABASE: Final = Abandon(Outcome.RETRIED, timedelta(seconds=5), cause="DatabaseUnavailable")
_MAX_WAIT_FOR_DATABASE: Final = timedelta(minutes=5)
_HOST_PAUSE: Final = timedelta(seconds=5)
_FIRST_PAUSE_SECONDS: Final = 1.0
_MAX_PAUSE_SECONDS: Final = 15.0
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


@dataclass(frozen=True, slots=True)
class _ImportRequest:
    """The work of a delivery: to import a message."""

    notification: Notification
    message_id: str

    @property
    def key(self) -> MessageKey:
        return (self.notification.account_id, self.message_id)


@dataclass(frozen=True, slots=True)
class _LifecycleRequest:
    """The work of a delivery: to handle an event of a subscription."""

    notification: Notification
    event: LifecycleEvent


def _parse(delivery: Delivery) -> _ImportRequest | _LifecycleRequest | DeadLetter:
    try:
        notification = Notification.from_json(delivery.body)
        if notification.lifecycle_event is not None:
            return _LifecycleRequest(notification, lifecycle_event_of(notification))
        return _ImportRequest(notification, message_id_of(notification))
    except (UnreadableNotification, Unprocessable) as exc:
        return DeadLetter(exc.reason, Phrase.of(exc))


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Things from outside: the process's share of calls, time, chance, metrics, the pulse of its loops, and bounds.

    `probe_host` blocks, and raises HostFault while this machine lacks a resource that an import needs.
    """

    calls: CallShare
    clock: Callable[[], datetime]
    random: Random
    metrics: ProcessorMetrics
    limits: WorkerLimits | None = None
    probe_host: Callable[[], None] = hostfaults.probe
    pulse: Pulse = field(default_factory=Pulse)


class Processor:
    """Works on the queue until it is signalled to stop."""

    def __init__(
        self,
        queue: NotificationConsumer,
        importer: Importer,
        accounts: AccountCache,
        backoff: AccountBackoff,
        lifecycle: LifecycleHandler,
        missed: MissedNotifications,
        observers: Sequence[DeliveryObserver],
        context: WorkerContext,
    ) -> None:
        """`observers`: are called at the end of each delivery; they start and close with the processor."""
        self._queue = queue
        self._importer = importer
        self._store = importer.store
        self._accounts = accounts
        self._backoff = backoff
        self._lifecycle = lifecycle
        self._missed = missed
        self._settlement = Settlement(queue, observers)
        self._clock = context.clock
        self._random = context.random
        self._metrics = context.metrics
        self._probe_host = context.probe_host
        self._pulse = context.pulse
        self._limits = limits = context.limits or WorkerLimits()
        self._fairness = MailboxFairness(context.calls, max_per_mailbox=limits.max_per_mailbox, clock=context.clock)
        self._in_flight: set[InFlight] = set()
        self._room = asyncio.Event()
        self._pause_seconds = 0.0
        self._host_fault: HostFault | None = None
        """A resource that this machine lacked for a delivery; until it is back no delivery is received."""
        self._probing = DaemonThreads("host probe", limit=1)

    async def run(self, stop: asyncio.Event) -> None:
        """Receive and import deliveries until `stop` is set; then finish, or abandon, those in flight."""
        renewing = asyncio.create_task(background.restarted(self._keep_locks, name="lock_renewal"))
        self._settlement.start()
        stopping = asyncio.create_task(stop.wait())
        receiving = asyncio.create_task(self._receive_forever(), name="receiving")
        try:
            await asyncio.wait([stopping, receiving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await background.cancel(receiving, stopping, within=_CANCEL_SECONDS)
            await self._finish()
            await background.cancel(renewing, within=_CANCEL_SECONDS)
            await self._settlement.close()
        if receiving.done() and not receiving.cancelled():
            receiving.result()

    # Receiving.

    async def _receive_forever(self) -> None:
        next_load = self._clock()
        while True:
            self._pulse.beat(_RECEIVING)
            try:
                await self._require_host()
                if is_over(next_load, self._clock(), longest=_HOLDS_SHARED_EVERY):
                    await self._backoff.load()
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
        self._pulse.beat(_RECEIVING, pause=seconds)
        await asyncio.sleep(seconds)

    async def _receive_batch(self) -> None:
        room = await self._wait_for_room()
        # A beat for each call: a slow database may need its whole time for each.
        self._pulse.beat(_RECEIVING)
        deliveries = await self._queue.receive(room, wait=_RECEIVE_WAIT)
        if not deliveries:
            return
        # The deliveries are locked by this process now: each has its task before anything can fail.
        prepared: asyncio.Future[set[MessageKey]] = asyncio.get_running_loop().create_future()
        requests: dict[MessageKey, Notification] = {}
        for delivery in deliveries:
            work = InFlight(delivery, self._clock())
            request = _parse(delivery)
            if isinstance(request, _ImportRequest) and (
                request.key not in requests or request.notification.source is Source.GRAPH
            ):
                requests[request.key] = request.notification
            self._in_flight.add(work)
            work.task = background.start(self._work_on(work, request, prepared), name="delivery")
        self._metrics.in_flight.set(len(self._in_flight))
        await self._prepare(requests, prepared)

    async def _wait_for_room(self) -> int:
        enough = max(1, self._limits.max_in_flight // 4)
        if self._limits.max_in_flight - len(self._in_flight) < enough:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.gather_seconds):
                    while self._limits.max_in_flight - len(self._in_flight) < enough:
                        await self._next_room()
        while len(self._in_flight) >= self._limits.max_in_flight:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ROOM_SECONDS):
                    await self._next_room()
            self._pulse.beat(_RECEIVING)  # large messages may keep all the room for minutes
        return self._limits.max_in_flight - len(self._in_flight)

    async def _next_room(self) -> None:
        self._room.clear()
        await self._room.wait()

    async def _prepare(
        self, requests: dict[MessageKey, Notification], prepared: "asyncio.Future[set[MessageKey]]"
    ) -> None:
        """Read what all of them need from the database, in few queries; any error reaches each by its future."""
        try:
            self._pulse.beat(_RECEIVING)
            await self._accounts.refresh({account_id for account_id, _ in requests})
            self._pulse.beat(_RECEIVING)
            known = await self._store.known(requests)
            self._pulse.beat(_RECEIVING)
            await self._missed.arrived(requests, known)
            self._pulse.beat(_RECEIVING)
            # Imported without files that Defender had not given free: they may be here now.
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
        work: InFlight,
        request: _ImportRequest | _LifecycleRequest | DeadLetter,
        prepared: "asyncio.Future[set[MessageKey]]",
    ) -> None:
        try:
            # Never unbound: each delivery has a task, and so a context, of its own.
            bind_contextvars(delivery=work.delivery.message_id, attempt=work.delivery.delivery_count)
            match request:
                case DeadLetter():
                    await self._settlement.apply(work, request)
                case _LifecycleRequest():
                    await self._handle_lifecycle(work, request)
                case _ImportRequest():
                    await self._import_and_settle(work, request, prepared)
        except asyncio.CancelledError:
            if not work.is_settling:
                await self._abandon(work)
            else:
                self._settlement.not_settled(work)
            raise
        except (LockLost, QueueUnavailable) as exc:
            # Not settled: it comes again when its lock ends, and the rows that were written are found then.
            self._settlement.not_settled(work, type(exc).__name__, str(exc))
            log.warning("delivery_not_settled", delivery=work.delivery.message_id, error=str(exc))
        except Exception as exc:  # noqa: BLE001  # nothing awaits this task: what is not reported here is lost
            self._host_fault = host_fault_of(exc) or self._host_fault
            self._settlement.not_settled(work, type(exc).__name__)
            log.warning(
                "delivery_not_settled",
                delivery=work.delivery.message_id,
                error=str(host_fault_of(exc) or type(exc).__name__),
                where=background.places_of(exc),
            )
        finally:
            self._in_flight.discard(work)
            self._metrics.in_flight.set(len(self._in_flight))
            self._room.set()

    async def _import_and_settle(
        self, work: InFlight, request: _ImportRequest, prepared: "asyncio.Future[set[MessageKey]]"
    ) -> None:
        notification = work.notification = request.notification
        try:
            known = await asyncio.shield(prepared)
            mailbox = work.mailbox = self._accounts.mailbox(notification.account_id)
        except DatabaseUnavailable:
            await self._settlement.apply(work, _WAIT_FOR_DATABASE)
            return
        except RemovedAccount as exc:
            await self._settlement.apply(work, Complete(Outcome.DROPPED, error=exc))
            return
        except Exception as exc:  # noqa: BLE001  # as in `_import`
            await self._settlement.apply(work, await self._decide(work, exc))
            return
        bind_contextvars(account=mailbox.account_name, correlation=notification.correlation)
        decision: Decision
        if request.key in known:
            decision = Complete(Outcome.KNOWN)
        elif (wait := self._backoff.delay(mailbox.account_id)) is not None:
            decision = Abandon(Outcome.WAITING, wait)
        else:
            decision = await self._within_share(work, mailbox, notification, request.message_id)
        await self._settlement.apply(work, decision)

    async def _within_share(
        self, work: InFlight, mailbox: Mailbox, notification: Notification, message_id: str
    ) -> Decision:
        """Import the message if this process may make calls of its mailbox now."""
        try:
            wait = self._fairness.try_acquire(mailbox.counted_as)
        except DatabaseUnavailable:
            return _WAIT_FOR_DATABASE
        if wait is not None:
            return Abandon(Outcome.DEFERRED, wait)
        try:
            return await self._import(work, mailbox, notification, message_id)
        finally:
            self._fairness.release(mailbox.counted_as)

    async def _handle_lifecycle(self, work: InFlight, request: _LifecycleRequest) -> None:
        notification = work.notification = request.notification
        bind_contextvars(account_id=notification.account_id, correlation=notification.correlation)
        try:
            acted = await self._lifecycle.handle(request.event, notification)
        except DatabaseUnavailable as exc:
            log.warning("database_unavailable", error=str(exc))
            await self._settlement.apply(work, _WAIT_FOR_DATABASE)
            return
        await self._settlement.apply(work, Complete(Outcome.LIFECYCLE))
        self._metrics.lifecycle_events.labels(request.event.value, "taken" if acted else "ignored").inc()
        log.info(
            "lifecycle_notification_taken" if acted else "lifecycle_notification_ignored",
            lifecycle_event=request.event.value,
            subscription=notification.subscription_id,
        )

    async def _import(self, work: InFlight, mailbox: Mailbox, notification: Notification, message_id: str) -> Decision:
        work.after_import = self._accounts.settings(mailbox.account_id).after_import
        try:
            self._accounts.require_usable(mailbox.account_id)
            result = await self._importer.run(
                mailbox,
                message_id,
                correlation=notification.correlation,
                progress=work.progress,
                mail_filter=self._accounts.mail_filter(mailbox.account_id),
                last_attempt=work.delivery.delivery_count >= MAX_ATTEMPTS,
                without_original=work.delivery.delivery_count >= MAX_TIMEOUTS,
                then=work.after_import,
                keep_original=self._accounts.keeps_original(mailbox.account_id),
                first_seen=notification.received,
            )
            await self._backoff.release(mailbox)
            if result.outcome in {Outcome.IMPORTED, Outcome.REPLACED, Outcome.DUPLICATE, Outcome.FILTERED}:
                await self._missed.imported(notification, message_id, result.received)
            elif result.outcome is Outcome.KNOWN:
                key = (notification.account_id, message_id)
                await self._missed.arrived({key: notification}, [key])
        except ScanInProgress as exc:
            await self._backoff.release(mailbox)
            return Abandon(Outcome.SCANNING, exc.delay, cause=type(exc).__name__, error=exc)
        except Exception as exc:  # noqa: BLE001  # an unforeseen error of one message must not stop the others
            return await self._decide(work, exc)
        if result.outcome is Outcome.GONE:
            retry = await self._retry_of_missing(work.delivery, (notification.account_id, message_id))
            if retry is not None:
                return retry
        return Complete(result.outcome, result)

    async def _retry_of_missing(self, delivery: Delivery, key: MessageKey) -> Abandon | None:
        try:
            if await self._store.known([key]):
                return None  # imported without files, which are requested again by a schedule of their own
            last = await self._store.last_failure(key)
        except DatabaseUnavailable:
            return _WAIT_FOR_DATABASE
        return retry_of_missing(delivery, last, now=self._clock(), random=self._random)

    async def _decide(self, work: InFlight, exc: Exception) -> Decision:
        """Decide on a delivery that was not imported: the database, the account, this machine or the message."""
        if isinstance(exc, DBAPIError) and not isinstance(exc, DataError):
            # Of a query, not of what the message holds: that is judged where it is saved.
            log.error("delivery_failed", error_type=type(exc).__name__, where=background.places_of(exc))
            exc = unknown_outage(exc)
        if isinstance(exc, DatabaseUnavailable):
            log.warning("database_unavailable", error=str(exc))
            # Not all may be away: a table full, locked or forbidden shows at the messages alone, each of which is
            # fetched again for each attempt.
            age = self._clock() - work.delivery.enqueued
            delay = max(_WAIT_FOR_DATABASE.delay, min(age / 2, _MAX_WAIT_FOR_DATABASE))
            return replace(_WAIT_FOR_DATABASE, delay=delay, error=exc)
        fault = host_fault_of(exc)
        if isinstance(exc, AccountError) and fault is None and work.mailbox is not None:
            wait = await self._backoff.hold(work.mailbox, exc)
            return Abandon(Outcome.WAITING, wait, cause=type(exc).__name__, error=exc)
        if fault is not None and is_patient(work.delivery, self._clock()):
            self._host_fault = fault
            return Abandon(Outcome.RETRIED, _HOST_PAUSE, cause="HostFault", error=fault)
        return decide(exc, work.delivery, now=self._clock(), random=self._random)

    async def _abandon(self, work: InFlight) -> None:
        try:
            await self._settlement.apply(work, Abandon(Outcome.HANDED_BACK))
        except (LockLost, QueueUnavailable) as exc:
            log.warning("delivery_not_settled", delivery=work.delivery.message_id, error=str(exc))

    async def _finish(self) -> None:
        tasks = {work.task for work in self._in_flight if work.task is not None}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._limits.finish_seconds)
        await background.cancel(*late, within=_CANCEL_SECONDS)

    # Keeping locks.

    async def _keep_locks(self) -> None:
        while True:
            self._pulse.beat("lock_renewal")
            await asyncio.sleep(_RENEWAL_POLL_SECONDS)
            now = self._clock()
            due = [work for work in self._in_flight if not work.is_settling and work.needs_renewal(now)]
            await asyncio.gather(*(self._renew(work) for work in due))

    async def _renew(self, work: InFlight) -> None:
        try:
            work.delivery = await self._queue.renew(work.delivery)
        except LockLost:
            if work.is_settling or work.task is None:
                return  # settled in this very moment
            work.is_settling = True
            work.task.cancel()
            log.warning("lock_lost", delivery=work.delivery.message_id)
        except Exception as exc:
            if not isinstance(exc, QueueUnavailable) and host_fault_of(exc) is None:
                raise
            log.warning("lock_not_renewed", delivery=work.delivery.message_id, error=str(exc))
