"""The queue as a table of the gateway database: nothing else to run.

Time is this host's clock: hosts that share the table keep theirs within a few seconds of each other (NTP), far less
than a lock lasts.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import takewhile
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)

from bus.errors import LockLost, QueueUnavailable
from bus.queue import TOO_MANY_DELIVERIES, Delivery, Message, MessageId, QueuedMessage, QueueStatus, ReplaySelection
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.tables import queue_message
from groupcommit import GroupCommit, GroupCommitClosed

T = TypeVar("T")

POLL_SECONDS: Final = 0.5
"""How often a waiting consumer looks for what other processes put; what this process puts it learns at once."""

_HOUSEKEEPING_EVERY: Final = timedelta(seconds=10)
_HOUSEKEEPING_ROWS: Final = 1000  # with room below the 2,100 parameters SQL Server takes in one statement
_REPLAY_ROWS: Final = 500
_MOST_IN_ONE_GROUP: Final = 1000
_CLOSING: Final = "The queue is being closed: this process is stopping."

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_row = queue_message.c
_SKIP_LOCKED = "WITH (UPDLOCK, READPAST, ROWLOCK)"


class _Outcome(Enum):
    COMPLETE = "complete"
    ABANDON = "abandon"
    DEAD_LETTER = "dead_letter"
    RENEW = "renew"


@dataclass(frozen=True, slots=True)
class _Handle:
    sequence: int
    token: str


@dataclass(frozen=True, slots=True)
class _Settlement:
    handle: _Handle
    outcome: _Outcome
    visible: datetime | None = None
    delivery_count: int = 0
    reason: str | None = None
    description: str | None = None


class DatabaseQueue:
    """The `NotificationQueue` on the gateway database.

    Deliveries settled at the same time share one transaction.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        lock_duration: timedelta = timedelta(seconds=30),
        most_deliveries: int = 10,
        duplicate_window: timedelta = timedelta(minutes=10),
    ) -> None:
        self._database = database
        self._clock = clock
        self._lock_duration = lock_duration
        self._most_deliveries = most_deliveries
        self._duplicate_window = duplicate_window
        self._settlements: GroupCommit[_Settlement, bool] = GroupCommit(
            self._write_settlements, most_items=_MOST_IN_ONE_GROUP
        )
        self._waiters: set[asyncio.Event] = set()
        self._flowing = False
        self._handing_back: set[asyncio.Task[None]] = set()
        self._housekeeping: asyncio.Task[None] | None = None
        self._next_housekeeping = clock()
        self._kept_up_to = 0
        self._kept_at: datetime | None = None
        self._closed = False
        self._putting = 0
        self._all_put = asyncio.Event()

    # What the receiver uses.

    async def put(self, messages: Sequence[Message]) -> None:
        """See `NotificationSender.put`."""
        if not messages:
            return
        if self._closed:
            raise QueueUnavailable(_CLOSING)
        now = self._clock()
        horizon = None if self._house_is_kept(now) else now - self._duplicate_window
        self._putting += 1
        try:
            await _available(self._database.write(lambda connection: _put(connection, messages, now, horizon)))
        finally:
            self._putting -= 1
            if not self._putting:
                self._all_put.set()
        self._wake()
        if now >= self._next_housekeeping and self._housekeeping is None:
            self._next_housekeeping = now + _HOUSEKEEPING_EVERY
            self._housekeeping = asyncio.create_task(self._keep_house())

    async def check(self) -> None:
        """See `NotificationSender.check`. Takes the write lock, which a read-only or full database does not give."""
        nothing = update(queue_message).where(_row.nSequence < 0).values(nRetired=0)
        await _available(self._database.write(lambda connection: connection.execute(nothing)))

    # What a processor uses.

    async def receive(self, most: int, *, wait: timedelta) -> list[Delivery]:
        """See `NotificationConsumer.receive`. Idle, it costs two small reading queries a second."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait.total_seconds()
        woken = asyncio.Event()
        self._waiters.add(woken)
        try:
            while True:
                woken.clear()
                deliveries = await self._receive_now(most)
                left = deadline - loop.time()
                if deliveries or left <= 0:
                    return deliveries
                await _wait_for(woken, min(left, POLL_SECONDS))
        finally:
            self._waiters.discard(woken)

    async def _receive_now(self, most: int) -> list[Delivery]:
        now = self._clock()
        # Idle, a look takes no lock; where there was something a moment ago there is more, and the look is saved.
        if not self._flowing and not await _available(
            self._database.read(lambda connection: connection.scalar(_anything(now)))
        ):
            return []
        locking = asyncio.ensure_future(
            _available(self._database.write(lambda connection: self._lock_some(connection, most, now)))
        )
        try:
            deliveries = await asyncio.shield(locking)
        except asyncio.CancelledError:
            # The transaction goes on without us; what it locks must not wait for the end of the lock, even if whoever
            # cancelled us loses patience and does so again.
            handing_back = asyncio.create_task(self._hand_back(locking))
            self._handing_back.add(handing_back)
            handing_back.add_done_callback(self._handing_back.discard)
            await asyncio.shield(handing_back)
            raise
        self._flowing = bool(deliveries)
        return deliveries

    async def _hand_back(self, locking: Awaitable[list[Delivery]]) -> None:
        with contextlib.suppress(QueueUnavailable, LockLost):
            await asyncio.gather(*(self.abandon(delivery, counted=False) for delivery in await locking))

    def _lock_some(self, connection: Connection, most: int, now: datetime) -> list[Delivery]:
        rows = list(connection.execute(_receivable(now, most)))
        spent = [row.nSequence for row in rows if row.nDeliveryCount >= self._most_deliveries]
        if spent:
            connection.execute(
                update(queue_message)
                .where(_row.nSequence.in_(spent))
                .values(
                    sState="dead",
                    sLockToken=None,
                    sReason=TOO_MANY_DELIVERIES,
                    sDescription=f"Delivered {self._most_deliveries} times and never settled.",
                    dtDeadLettered=now,
                )
            )
        token = uuid.uuid4().hex
        until = now + self._lock_duration
        fresh = [row for row in rows if row.nDeliveryCount < self._most_deliveries]
        if fresh:
            connection.execute(
                update(queue_message)
                .where(_row.nSequence.in_([row.nSequence for row in fresh]))
                .values(sLockToken=token, dtVisible=until, nDeliveryCount=_row.nDeliveryCount + 1)
            )
        return [
            Delivery(
                message_id=MessageId(row.sMessageID),
                body=row.sBody,
                account_id=row.nAccountID,
                enqueued=row.dtEnqueued,
                delivery_count=row.nDeliveryCount + 1,
                locked_until=until,
                handle=_Handle(row.nSequence, token),
            )
            for row in fresh
        ]

    async def renew(self, delivery: Delivery) -> Delivery:
        """See `NotificationConsumer.renew`."""
        until = self._clock() + self._lock_duration
        await self._settle(_Settlement(_handle(delivery), _Outcome.RENEW, visible=until))
        return replace(delivery, locked_until=until)

    async def complete(self, delivery: Delivery) -> None:
        """See `NotificationConsumer.complete`."""
        await self._settle(_Settlement(_handle(delivery), _Outcome.COMPLETE))

    async def abandon(self, delivery: Delivery, *, delay: timedelta = timedelta(0), counted: bool = True) -> None:
        """See `NotificationConsumer.abandon`."""
        if counted and delivery.delivery_count >= self._most_deliveries:
            text = f"Delivered {delivery.delivery_count} times and handed back each time."
            await self.dead_letter(delivery, reason=TOO_MANY_DELIVERIES, description=text)
            return
        await self._settle(
            _Settlement(
                _handle(delivery),
                _Outcome.ABANDON,
                visible=self._clock() + delay,
                delivery_count=delivery.delivery_count if counted else delivery.delivery_count - 1,
            )
        )
        if delay <= timedelta(0):
            self._wake()

    async def dead_letter(self, delivery: Delivery, *, reason: str, description: str) -> None:
        """See `NotificationConsumer.dead_letter`."""
        await self._settle(
            _Settlement(_handle(delivery), _Outcome.DEAD_LETTER, reason=reason[:100], description=description)
        )

    async def _settle(self, settlement: _Settlement) -> None:
        settled = await _available(self._settlements.submit([settlement]))
        if not settled[0]:
            raise LockLost("The lock of the delivery expired; the message may be another consumer's by now.")

    async def _write_settlements(self, settlements: list[_Settlement]) -> list[bool]:
        now = self._clock()
        return await self._database.write(lambda connection: _apply(connection, settlements, now))

    # What operators use.

    async def status(self) -> QueueStatus:
        """See `NotificationQueue.status`."""
        now = self._clock()
        row = await _available(self._database.read(lambda connection: connection.execute(_count(now)).one()))
        return QueueStatus(
            active=row.active or 0,
            locked=row.locked or 0,
            scheduled=row.scheduled or 0,
            dead=row.dead or 0,
            oldest=row.oldest,
        )

    async def peek(self, *, most: int, dead_letters: bool = False) -> list[QueuedMessage]:
        """See `NotificationQueue.peek`."""
        now = self._clock()
        statement = (
            select(queue_message)
            .where(_row.sState == ("dead" if dead_letters else "active"))
            .order_by(_row.nSequence)
            .limit(most)
        )
        rows = await _available(self._database.read(lambda connection: connection.execute(statement).all()))
        return [_queued(row, now) for row in rows]

    async def replay(self, selection: ReplaySelection) -> int:
        """See `NotificationQueue.replay`. Goes in batches: what is replayed stays so if a later batch fails."""
        replayed = 0
        last = 0
        while True:
            batch = await _available(self._database.write(_replay_batch(selection, last, self._clock())))
            if batch:
                self._wake()
                replayed += len(batch)
                last = batch[-1]
            if len(batch) < _REPLAY_ROWS:
                return replayed

    async def close(self) -> None:
        """See `NotificationQueue.close`. The database stays open: it is its owner's."""
        self._closed = True
        while self._putting:
            self._all_put.clear()
            await self._all_put.wait()
        await asyncio.gather(*self._handing_back)
        await self._settlements.close()
        if self._housekeeping is not None:
            await self._housekeeping

    # Its own.

    def _wake(self) -> None:
        for waiter in self._waiters:
            waiter.set()

    def _house_is_kept(self, now: datetime) -> bool:
        """True when housekeeping is so little behind that no id is refused much longer than its window."""
        return self._kept_at is not None and now - self._kept_at <= 2 * _HOUSEKEEPING_EVERY

    async def _keep_house(self) -> None:
        """Forget the ids whose duplicate window is over: delete what is done, free the id of what is not."""
        begun = self._clock()
        horizon = begun - self._duplicate_window
        try:
            while True:
                start = self._kept_up_to
                seen, self._kept_up_to = await self._database.write(
                    lambda connection, start=start, horizon=horizon: _retire(connection, start, horizon)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                )
                if seen < _HOUSEKEEPING_ROWS:
                    self._kept_at = begun
                    return
        except DatabaseUnavailable as exc:
            log.warning("queue_housekeeping_postponed", error=str(exc))
        finally:
            self._housekeeping = None


def _put(connection: Connection, messages: Sequence[Message], now: datetime, horizon: datetime | None) -> None:
    """Write the messages; with a `horizon`, first free those ids that were put before it."""
    if horizon is not None:
        ids = [message.message_id for message in messages]
        for start in range(0, len(ids), _HOUSEKEEPING_ROWS):
            connection.execute(
                update(queue_message)
                .where(
                    _row.sMessageID.in_(ids[start : start + _HOUSEKEEPING_ROWS]),
                    _row.nRetired == 0,
                    _row.dtEnqueued < horizon,
                )
                .values(nRetired=_row.nSequence)
            )
    if connection.dialect.name == "sqlite" and not any(message.not_before for message in messages):
        rows = json.dumps([(message.message_id, message.account_id, message.body) for message in messages])
        connection.execute(_PUT_AT_ONCE, {"rows": rows, "enqueued": now, "visible": now})
        return
    connection.execute(
        _PUT,
        [
            {
                "id": message.message_id,
                "account": message.account_id,
                "body": message.body,
                "enqueued": now,
                "visible": message.not_before or now,
            }
            for message in messages
        ],
    )


# One statement for every database: SQL Server has no INSERT OR IGNORE.
_KNOWN = queue_message.alias("known")
_PUT = insert(queue_message).from_select(
    ["sMessageID", "sState", "nAccountID", "sBody", "dtEnqueued", "dtVisible"],
    select(
        bindparam("id", type_=_row.sMessageID.type),
        literal("active", _row.sState.type),
        bindparam("account", type_=_row.nAccountID.type),
        bindparam("body", type_=_row.sBody.type),
        bindparam("enqueued", type_=_row.dtEnqueued.type),
        bindparam("visible", type_=_row.dtVisible.type),
    ).where(
        ~exists(
            select(literal(1))
            .select_from(_KNOWN)
            .with_hint(_KNOWN, "WITH (UPDLOCK, HOLDLOCK)", "mssql")
            .where(_KNOWN.c.sMessageID == bindparam("id"), _KNOWN.c.nRetired == 0)
        )
    ),
)

# SQLite takes all messages in one step. Its driver gives up the interpreter's lock at every step and, under load, waits
# for the event loop to get it back: a row a step makes the receiver half as fast (bench/receiver.py).
_ELEMENT = func.json_each(bindparam("rows", type_=_row.sBody.type)).table_valued("value")
_PUT_AT_ONCE = (
    insert(queue_message)
    .prefix_with("OR IGNORE")
    .from_select(
        ["sMessageID", "sState", "nAccountID", "sBody", "dtEnqueued", "dtVisible"],
        select(
            func.json_extract(_ELEMENT.c.value, "$[0]"),
            literal("active", _row.sState.type),
            func.json_extract(_ELEMENT.c.value, "$[1]"),
            func.json_extract(_ELEMENT.c.value, "$[2]"),
            bindparam("enqueued", type_=_row.dtEnqueued.type),
            bindparam("visible", type_=_row.dtVisible.type),
        ),
    )
)


def _anything(now: datetime) -> Select[Any]:
    return select(literal(1)).select_from(queue_message).where(_row.sState == "active", _row.dtVisible <= now).limit(1)


def _receivable(now: datetime, most: int) -> Select[Any]:
    return (
        select(queue_message)
        .with_hint(queue_message, _SKIP_LOCKED, "mssql")
        .where(_row.sState == "active", _row.dtVisible <= now)
        .order_by(_row.dtVisible, _row.nSequence)
        .limit(most)
        .with_for_update(skip_locked=True)
    )


def _apply(connection: Connection, settlements: list[_Settlement], now: datetime) -> list[bool]:
    held = {
        (row.nSequence, row.sLockToken): row.nRetired != 0
        for row in connection.execute(
            select(_row.nSequence, _row.sLockToken, _row.nRetired)
            .where(
                _row.nSequence.in_([settlement.handle.sequence for settlement in settlements]),
                _row.sState == "active",
                _row.dtVisible > now,
            )
            .with_hint(queue_message, "WITH (UPDLOCK, ROWLOCK)", "mssql")
            .with_for_update()
        )
    }
    results: list[bool] = []
    done: list[int] = []
    forgotten: list[int] = []
    changed: list[dict[str, Any]] = []
    for settlement in settlements:
        key = (settlement.handle.sequence, settlement.handle.token)
        results.append(key in held)
        if key not in held:
            continue
        if settlement.outcome is _Outcome.COMPLETE:
            (forgotten if held[key] else done).append(settlement.handle.sequence)
            del held[key]  # settled twice in one group: only once
        else:
            changed.append(_change(settlement, now))
            if settlement.outcome is not _Outcome.RENEW:
                del held[key]
    if changed:
        connection.execute(_CHANGE, changed)
    if done:
        # Remembered until its duplicate window is over, see `_retire`.
        connection.execute(
            update(queue_message)
            .where(_row.nSequence.in_(done))
            .values(sState="done", sLockToken=None, dtVisible=_row.dtEnqueued)
        )
    if forgotten:
        connection.execute(delete(queue_message).where(_row.nSequence.in_(forgotten)))
    return results


_CHANGE = (
    update(queue_message)
    .where(_row.nSequence == bindparam("sequence"))
    .values(
        sState=bindparam("state"),
        sLockToken=bindparam("token"),
        dtVisible=func.coalesce(bindparam("visible", type_=_row.dtVisible.type), _row.dtVisible),
        nDeliveryCount=func.coalesce(bindparam("count", type_=_row.nDeliveryCount.type), _row.nDeliveryCount),
        sReason=bindparam("reason"),
        sDescription=bindparam("description"),
        dtDeadLettered=bindparam("dead_lettered", type_=_row.dtDeadLettered.type),
    )
)


def _change(settlement: _Settlement, now: datetime) -> dict[str, Any]:
    dead = settlement.outcome is _Outcome.DEAD_LETTER
    return {
        "sequence": settlement.handle.sequence,
        "state": "dead" if dead else "active",
        "token": settlement.handle.token if settlement.outcome is _Outcome.RENEW else None,
        "visible": settlement.visible,
        "count": settlement.delivery_count if settlement.outcome is _Outcome.ABANDON else None,
        "reason": settlement.reason,
        "description": settlement.description,
        "dead_lettered": now if dead else None,
    }


def _retire(connection: Connection, after: int, horizon: datetime) -> tuple[int, int]:
    """Go through the next rows after `after`; how many were seen, and up to where everything is settled for good."""
    rows = connection.execute(
        select(_row.nSequence, _row.sState, _row.nRetired, _row.dtEnqueued)
        .where(_row.nSequence > after)
        .order_by(_row.nSequence)
        .limit(_HOUSEKEEPING_ROWS)
    ).all()
    # Only up to the first that is not old: behind it may be older ones of a host whose clock is behind.
    old = list(takewhile(lambda row: row.dtEnqueued < horizon, rows))
    done = [row.nSequence for row in old if row.sState == "done"]
    kept = [row.nSequence for row in old if row.sState != "done" and row.nRetired == 0]
    if done:
        connection.execute(delete(queue_message).where(_row.nSequence.in_(done)))
    if kept:
        connection.execute(
            update(queue_message).where(_row.nSequence.in_(kept), _row.nRetired == 0).values(nRetired=_row.nSequence)
        )
    return len(old), old[-1].nSequence if old else after


def _replay_batch(selection: ReplaySelection, after: int, now: datetime) -> Callable[[Connection], list[int]]:
    conditions = [_row.sState == "dead", _row.nSequence > after]
    if selection.entries is not None:
        conditions.append(_row.nSequence.in_([int(entry) for entry in selection.entries if entry.isdecimal()]))
    if selection.reason is not None:
        conditions.append(_row.sReason == selection.reason)
    if selection.since is not None:
        conditions.append(_row.dtDeadLettered >= selection.since)

    def work(connection: Connection) -> list[int]:
        found = list(
            connection.scalars(
                select(_row.nSequence)
                .with_hint(queue_message, _SKIP_LOCKED, "mssql")
                .where(*conditions)
                .order_by(_row.nSequence)
                .limit(_REPLAY_ROWS)
                .with_for_update(skip_locked=True)
            )
        )
        if found:
            connection.execute(
                update(queue_message)
                .where(_row.nSequence.in_(found))
                .values(
                    sState="active",
                    dtVisible=now,
                    nDeliveryCount=0,
                    sReason=None,
                    sDescription=None,
                    dtDeadLettered=None,
                )
            )
        return found

    return work


def _count(now: datetime) -> Select[Any]:
    active = _row.sState == "active"
    later = and_(active, _row.dtVisible > now)

    def number(condition: Any) -> Any:  # noqa: ANN401  # SQLAlchemy's expressions carry their own types
        return func.sum(case((condition, 1), else_=0))

    return select(
        number(and_(active, _row.dtVisible <= now)).label("active"),
        number(and_(later, _row.sLockToken.is_not(None))).label("locked"),
        number(and_(later, _row.sLockToken.is_(None))).label("scheduled"),
        number(_row.sState == "dead").label("dead"),
        func.min(case((active, _row.dtEnqueued))).label("oldest"),
    ).where(_row.sState.in_(["active", "dead"]))


def _queued(row: Row[Any], now: datetime) -> QueuedMessage:
    return QueuedMessage(
        entry=str(row.nSequence),
        message_id=MessageId(row.sMessageID),
        body=row.sBody,
        account_id=row.nAccountID,
        enqueued=row.dtEnqueued,
        visible=row.dtVisible,
        delivery_count=row.nDeliveryCount,
        locked=row.sLockToken is not None and row.dtVisible > now,
        reason=row.sReason,
        description=row.sDescription,
        dead_lettered=row.dtDeadLettered,
    )


def _handle(delivery: Delivery) -> _Handle:
    if not isinstance(delivery.handle, _Handle):
        raise TypeError("this delivery came from another queue")
    return delivery.handle


async def _available(call: Awaitable[T]) -> T:
    try:
        return await call
    except DatabaseUnavailable as exc:
        raise QueueUnavailable(str(exc)) from exc
    except GroupCommitClosed as exc:
        raise QueueUnavailable(_CLOSING) from exc


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
