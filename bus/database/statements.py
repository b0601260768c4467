"""The SQL of the database queue: functions of a connection, see `db.engine`.

No statement has more parameters than SQL Server allows (2,100).
"""

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from itertools import takewhile
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Insert,
    Row,
    Select,
    and_,
    bindparam,
    case,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
    values,
)

from bus.queue import MAX_DELAY, TOO_MANY_DELIVERIES, Delivery, Message, MessageId, QueuedMessage, Selection
from db.columns import code_by_code
from db.keys import enough, in_queries, listed, rounded
from db.leases import MAX_LEASE, age, beyond
from db.locking import locking, locking_gaps, skipping_locked
from db.prepared import Prepared
from db.tables import queue_message

T = TypeVar("T")

HOUSEKEEPING_ROWS: Final = 1000
CORRECTED_ROWS: Final = 500
_MAX_ENTRIES: Final = 500
_MAX_PUT_IN_ONE_STATEMENT: Final = 300
_MAX_PUT_ON_SQLITE: Final = 256

_row = queue_message.c
# Statements that are built once name these: see `db.keys.listed`.
_NOW: Final = bindparam("now", type_=_row.dtVisible.type)
_AMONG: Final = _row.nSequence.in_(listed("sequences", _row.nSequence))
_ENTRY: Final = re.compile(r"[0-9]{1,18}")


class SettlementKind(Enum):
    """How a delivery ends, or goes on."""

    COMPLETE = "complete"
    FORGET = "forget"
    ABANDON = "abandon"
    DEAD_LETTER = "dead_letter"
    RENEW = "renew"


@dataclass(frozen=True, slots=True)
class Handle:
    """Identifies a delivery of this adapter: its row, and the proof of its lock."""

    sequence: int
    token: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """The requested change to a delivery."""

    handle: Handle
    outcome: SettlementKind
    visible: datetime | None = None
    delivery_count: int = 0
    reason: str | None = None
    description: str | None = None


def put(connection: Connection, messages: Sequence[Message], now: datetime, horizon: datetime | None) -> set[str]:
    """Write the messages; with a `horizon`, first free ids put before it. Return the ids that were ignored."""
    if horizon is not None:
        ids = [message.message_id for message in messages]
        for start in range(0, len(ids), HOUSEKEEPING_ROWS):
            connection.execute(
                update(queue_message)
                .where(
                    _row.sMessageID.in_(ids[start : start + HOUSEKEEPING_ROWS]),
                    _row.nRetired == 0,
                    or_(_row.dtEnqueued < horizon, beyond(_row.dtEnqueued, now, longest=timedelta(0))),
                )
                .values(nRetired=_row.nSequence)
            )
    each_once = {message.message_id: message for message in reversed(messages)}
    new = list(reversed(each_once.values()))
    if connection.dialect.name == "sqlite":
        written = _put_on_sqlite(connection, new, now)
    elif connection.dialect.name == "mssql":
        written = 0
        for start in range(0, len(new), _MAX_PUT_IN_ONE_STATEMENT):
            written += _written(connection, put_unknown(new[start : start + _MAX_PUT_IN_ONE_STATEMENT], now))
    else:
        written = _written(connection, _put_on_postgresql(), [_put_row(message, now) for message in new])
    return set() if written == len(new) else _ignored(connection, list(each_once), now)


def _ignored(connection: Connection, ids: list[MessageId], now: datetime) -> set[str]:
    """Return those ids that this transaction did not write: their rows have another time."""
    written: set[str] = set()
    for chunk in in_queries(ids):
        mine = and_(_row.sMessageID.in_(rounded(list(chunk))), _row.nRetired == 0, _row.dtEnqueued == now)
        written.update(connection.scalars(select(_row.sMessageID).where(mine)).all())
    return {str(each) for each in ids} - written


_COUNTING: Final = {"preserve_rowcount": True}


def _written(connection: Connection, statement: Insert, parameters: Any = None) -> int:  # noqa: ANN401  # passed to `execute`
    """Execute; return the number of inserted rows, which SQLAlchemy keeps only on request."""
    return connection.execute(statement, parameters, execution_options=_COUNTING).rowcount


def _put_row(message: Message, now: datetime) -> dict[str, Any]:
    return {
        "sMessageID": message.message_id,
        "sState": "active",
        "nAccountID": message.account_id,
        "sBody": message.body,
        "dtEnqueued": now,
        "dtVisible": message.not_before or now,
    }


@lru_cache
def _put_on_postgresql() -> Insert:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # of PostgreSQL alone, where it is loaded

    return postgresql.insert(queue_message).on_conflict_do_nothing()


def _put_on_sqlite(connection: Connection, messages: Sequence[Message], now: datetime) -> int:
    """Put many rows with each statement; return the number of inserted ones.

    The driver releases the interpreter's lock at every statement and, under load, waits for the event loop to reacquire
    it. The parameters are the driver's own: SQLAlchemy would take longer over them than SQLite over the rows
    (bench/receiver.py).
    """
    in_text = _row.dtEnqueued.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    assert in_text is not None  # noqa: S101  # SQLite stores times as text
    enqueued, written, start = in_text(now), 0, 0
    while start < len(messages):
        # A power of two: few numbers of rows, for each is a statement to prepare.
        end = start + min(_MAX_PUT_ON_SQLITE, 1 << (len(messages) - start).bit_length() - 1)
        parameters: list[Any] = []
        for each in messages[start:end]:
            visible = in_text(each.not_before) if each.not_before else enqueued
            parameters += (each.message_id, "active", each.account_id, each.body, enqueued, visible)
        statement = _put_of(end - start)
        written += connection.exec_driver_sql(statement, tuple(parameters), execution_options=_COUNTING).rowcount
        start = end
    return written


@lru_cache(maxsize=_MAX_PUT_ON_SQLITE.bit_length())
def _put_of(rows: int) -> str:
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415  # of SQLite alone, as above

    columns = ("sMessageID", "sState", "nAccountID", "sBody", "dtEnqueued", "dtVisible")
    ignoring = insert(queue_message).prefix_with("OR IGNORE")
    one = str(ignoring.compile(dialect=sqlite.dialect(), column_keys=columns))  # in the table's order, which is this
    return one + f", ({', '.join('?' * len(columns))})" * (rows - 1)


def put_unknown(messages: Sequence[Message], now: datetime) -> Insert:
    """Put on SQL Server, which lacks ON CONFLICT DO NOTHING: lock the same ids against others, check, and insert."""
    names = ("sMessageID", "nAccountID", "sBody", "dtVisible")

    def row(message_id: str, account_id: int | None, body: str, visible: datetime) -> tuple[Any, ...]:
        # A parameter, not a NULL in the text: that would give another text for each position.
        return message_id, literal(account_id, _row.nAccountID.type), body, visible

    rows = [row(each.message_id, each.account_id, each.body, each.not_before or now) for each in messages]
    # Few row counts, for each is a text, and a plan, of its own. No message has an empty id.
    rows += [row("", None, "", now)] * (enough(len(rows), _MAX_PUT_IN_ONE_STATEMENT) - len(rows))
    new = values(*(column(name, _row[name].type) for name in names), name="new").data(rows)
    known = queue_message.alias("known")
    # The collation of the column: VALUES has that of the database.
    same = known.c.sMessageID == code_by_code(new.c.sMessageID)
    query: Select[Any] = select(literal_column("1")).where(same, known.c.nRetired == 0)
    put = select(*new.c, literal("active", _row.sState.type), literal(now, _row.dtEnqueued.type)).where(
        new.c.sMessageID != literal_column("''"),
        ~exists(locking_gaps(query.select_from(known), known).correlate(new)),
    )
    return insert(queue_message).from_select([*names, "sState", "dtEnqueued"], put)


def anything(now: datetime) -> Select[Any]:
    """Check whether a message can be received now."""
    return select(literal(1)).select_from(queue_message).where(_receivable_at(now)).limit(1)


def waiting(now: datetime, limit: int) -> Select[Any]:
    """Count the messages receivable now, up to `limit`."""
    some = select(_row.nSequence).where(_receivable_at(now)).limit(limit).subquery()
    return select(func.count()).select_from(some)


@lru_cache(maxsize=_MAX_ENTRIES)
def _receivable(limit: int) -> Prepared:
    columns = (_row.nSequence, _row.nDeliveryCount, _row.sMessageID, _row.sBody, _row.nAccountID, _row.dtEnqueued)
    query = select(*columns).where(_receivable_at(_NOW)).order_by(_row.dtVisible, _row.nSequence).limit(limit)
    return Prepared(skipping_locked(query, queue_message))


def _receivable_at(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    return and_(_row.sState == "active", _row.dtVisible <= now)


def lock_some(
    connection: Connection, limit: int, *, now: datetime, until: datetime, max_deliveries: int
) -> list[Delivery]:
    """Lock up to `limit` messages for one consumer; those delivered too often become dead letters instead.

    Never more than one statement may name.
    """
    rows = _receivable(min(limit, _MAX_ENTRIES)).rows(connection, {"now": now})
    counts = {row[0]: _whole(row[1], otherwise=0) for row in rows}
    spent = [sequence for sequence, count in counts.items() if count >= max_deliveries]
    if spent:
        connection.execute(
            update(queue_message)
            .where(_row.nSequence.in_(rounded(spent)))
            .values(
                sState="dead",
                sLockToken=None,
                sReason=TOO_MANY_DELIVERIES,
                sDescription=f"Delivered {max_deliveries} times and never settled.",
                dtDeadLettered=now,
            )
        )
    token = uuid.uuid4().hex
    fresh = [row for row in rows if counts[row[0]] < max_deliveries]
    if fresh:
        sequences = rounded([row[0] for row in fresh])
        taken = _LOCK.change(connection, {"sequences": sequences, "now": now, "token": token, "until": until})
        if taken != len(fresh):  # where row locks were not effective, this statement decides
            mine = set(connection.scalars(select(_row.nSequence).where(_row.sLockToken == token)))
            fresh = [row for row in fresh if row[0] in mine]
    return [
        Delivery(
            message_id=MessageId(str(message_id)),
            body=_body(body),
            account_id=account_of(account_id),
            enqueued=enqueued or now,
            delivery_count=counts[sequence] + 1,
            locked_until=until,
            handle=Handle(sequence, token),
        )
        for sequence, _, message_id, body, account_id, enqueued in fresh
    ]


_LOCK: Final = Prepared(
    update(queue_message)
    .where(_AMONG, _receivable_at(_NOW))
    .values(
        sLockToken=bindparam("token"),
        dtVisible=bindparam("until", type_=_row.dtVisible.type),
        nDeliveryCount=_row.nDeliveryCount + 1,
    )
)


def account_of(value: object) -> int | None:
    """The account of a row; None also for a non-number."""
    return _whole(value, otherwise=None)


def _body(value: object) -> str:
    """The body; another type, as SQLite accepts, is no JSON, and ends as a dead letter that shows it."""
    return value if isinstance(value, str) else repr(value)


def _whole(value: object, *, otherwise: T) -> int | T:
    """The number; SQLite accepts any type as one."""
    return value if isinstance(value, int) else otherwise


def settle(connection: Connection, settlements: Sequence[Settlement], now: datetime) -> list[bool]:
    """Apply the settlements whose lock still holds; for each, return true if it did."""
    held = {
        (row[0], row[1]): row[2] != 0
        for row in _HELD.rows(
            connection, {"sequences": rounded([each.handle.sequence for each in settlements]), "now": now}
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
        if settlement.outcome in {SettlementKind.COMPLETE, SettlementKind.FORGET}:
            free = held[key] or settlement.outcome is SettlementKind.FORGET
            (forgotten if free else done).append(settlement.handle.sequence)
            del held[key]  # settled twice in one group: only once
        else:
            changed.append(_change(settlement, now))
            if settlement.outcome is not SettlementKind.RENEW:
                del held[key]
    if changed:
        connection.execute(_CHANGE, changed)
    if done:
        # Remembered until its duplicate window is over, see `retire`.
        _REMEMBER.change(connection, {"sequences": rounded(done)})
    if forgotten:
        connection.execute(delete(queue_message).where(_row.nSequence.in_(rounded(forgotten))))
    return results


_HELD: Final = Prepared(
    locking(
        select(_row.nSequence, _row.sLockToken, _row.nRetired)
        .where(_AMONG, _row.sState == "active", _row.dtVisible > _NOW)
        .order_by(_row.nSequence),
        queue_message,
    )
)
_REMEMBER: Final = Prepared(
    update(queue_message).where(_AMONG).values(sState="done", sLockToken=None, dtVisible=_row.dtEnqueued)
)
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


def _change(settlement: Settlement, now: datetime) -> dict[str, Any]:
    dead = settlement.outcome is SettlementKind.DEAD_LETTER
    return {
        "sequence": settlement.handle.sequence,
        "state": "dead" if dead else "active",
        "token": settlement.handle.token if settlement.outcome is SettlementKind.RENEW else None,
        "visible": settlement.visible,
        "count": settlement.delivery_count if settlement.outcome is SettlementKind.ABANDON else None,
        "reason": settlement.reason,
        "description": settlement.description,
        "dead_lettered": now if dead else None,
    }


def correct_times(connection: Connection, now: datetime) -> int:
    """Make due what a wrong clock locked or delayed beyond the maximum; return the number, CORRECTED_ROWS at most."""
    query = select(_row.nSequence).where(*_put_off(now)).order_by(_row.dtVisible).limit(CORRECTED_ROWS)
    found = list(connection.scalars(skipping_locked(query, queue_message)))
    if found:
        connection.execute(
            update(queue_message).where(_row.nSequence.in_(found)).values(dtVisible=now, sLockToken=None)
        )
    return len(found)


def anything_put_off(now: datetime) -> Select[Any]:
    """Check whether `correct` would find a row."""
    return select(literal(1)).select_from(queue_message).where(*_put_off(now)).limit(1)


def _put_off(now: datetime) -> tuple[ColumnElement[bool], ...]:
    locked_for_too_long = and_(_row.sLockToken.is_not(None), beyond(_row.dtVisible, now, longest=MAX_LEASE))
    put_off_for_too_long = beyond(_row.dtVisible, now, longest=MAX_DELAY)
    # The first condition, implied by the others, is the range of the index.
    return (
        _row.sState == "active",
        beyond(_row.dtVisible, now, longest=min(MAX_LEASE, MAX_DELAY)),
        or_(locked_for_too_long, put_off_for_too_long),
    )


def retire(connection: Connection, after: int, *, now: datetime, window: timedelta) -> tuple[int, int]:
    """Process the next rows after `after`; return how many were old, and the row up to which all is settled for good.

    `window`: how long ids are remembered. Those of a clock that was ahead are not: they would be for longer.
    """
    rows = connection.execute(
        select(_row.nSequence, _row.sState, _row.nRetired, _row.dtEnqueued)
        .where(_row.nSequence > after)
        .order_by(_row.nSequence)
        .limit(HOUSEKEEPING_ROWS)
    ).all()
    # Only up to the first that is not old: rows of a host whose clock is behind may follow, and be older.
    old = list(takewhile(lambda row: age(row.dtEnqueued, now) > window, rows))
    done = [row.nSequence for row in old if row.sState == "done"]
    kept = [row.nSequence for row in old if row.sState != "done" and row.nRetired == 0]
    if done:
        connection.execute(delete(queue_message).where(_row.nSequence.in_(done)))
    if kept:
        connection.execute(
            update(queue_message).where(_row.nSequence.in_(kept), _row.nRetired == 0).values(nRetired=_row.nSequence)
        )
    return len(old), old[-1].nSequence if old else after


def chunks(entries: Sequence[str], limit: int) -> Iterator[list[int]]:
    """Return the rows that the entries name, in chunks that one statement can name."""
    numbers = sorted({int(entry) for entry in entries if _ENTRY.fullmatch(entry)})
    size = max(1, min(limit, _MAX_ENTRIES))
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def replay(chunk: list[int], now: datetime) -> Callable[[Connection], list[int]]:
    """Make these dead letters active again; return their rows."""

    def work(connection: Connection) -> list[int]:
        found = _locked_rows(connection, _row.sState == "dead", _row.nSequence.in_(chunk))
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


def make_due(chunk: list[int], now: datetime) -> Callable[[Connection], list[int]]:
    """Make these messages, scheduled for later, due; return their rows."""

    def work(connection: Connection) -> list[int]:
        found = _locked_rows(connection, _row.sState == "active", *_scheduled_after(now), _row.nSequence.in_(chunk))
        if found:
            connection.execute(update(queue_message).where(_row.nSequence.in_(found)).values(dtVisible=now))
        return found

    return work


def _scheduled_after(time: datetime) -> tuple[ColumnElement[bool], ...]:
    return _row.dtVisible > time, _row.sLockToken.is_(None)


def purge(chunk: list[int], *, dead_letters: bool, now: datetime) -> Callable[[Connection], list[int]]:
    """Delete these messages unless a consumer has them locked; return their rows."""
    if dead_letters:
        mine = _row.sState == "dead"
    else:
        mine = and_(_row.sState == "active", or_(_row.sLockToken.is_(None), _row.dtVisible <= now))

    def work(connection: Connection) -> list[int]:
        found = _locked_rows(connection, mine, _row.nSequence.in_(chunk))
        if found:
            connection.execute(delete(queue_message).where(_row.nSequence.in_(found)))
        return found

    return work


def _locked_rows(connection: Connection, *conditions: ColumnElement[bool]) -> list[int]:
    query = select(_row.nSequence).where(*conditions).order_by(_row.nSequence)
    return list(connection.scalars(skipping_locked(query, queue_message)))


def count(now: datetime) -> Select[Any]:
    """The numbers of `QueueStatus`, a row an account."""
    active = _row.sState == "active"
    waiting = and_(active, _row.dtVisible <= now)
    later = and_(active, _row.dtVisible > now)

    def number(condition: Any) -> Any:  # noqa: ANN401  # SQLAlchemy's expressions have their own types
        return func.sum(case((condition, 1), else_=0))

    return (
        select(
            _row.nAccountID,
            number(waiting).label("active"),
            number(and_(later, _row.sLockToken.is_not(None))).label("locked"),
            number(and_(later, _row.sLockToken.is_(None))).label("scheduled"),
            number(_row.sState == "dead").label("dead"),
            func.min(case((active, _row.dtEnqueued))).label("oldest"),
            func.min(case((waiting, _row.dtVisible))).label("waiting_since"),
        )
        .where(_row.sState.in_(["active", "dead"]))
        .group_by(_row.nAccountID)
        .order_by(_row.nAccountID)
    )


def peek(
    *, limit: int, dead_letters: bool, selection: Selection, after: str | None, now: datetime
) -> Callable[[Connection], list[QueuedMessage]]:
    """The oldest messages, or dead letters, of the selection."""
    conditions = [_row.sState == ("dead" if dead_letters else "active")]
    if after is not None:
        conditions.append(_row.nSequence > int(after))
    if selection.account_id is not None:
        conditions.append(_row.nAccountID == selection.account_id)
    if selection.reason is not None:
        conditions.append(_row.sReason == selection.reason)
    if selection.since is not None:
        conditions.append(_row.dtDeadLettered >= selection.since)
    if selection.until is not None:
        conditions.append(_row.dtDeadLettered < selection.until)
    if selection.due_after is not None:
        conditions += _scheduled_after(selection.due_after)

    def work(connection: Connection) -> list[QueuedMessage]:
        found: list[QueuedMessage] = []
        parts = [None] if selection.entries is None else chunks(selection.entries, _MAX_ENTRIES)
        for chunk in parts:
            mine = conditions if chunk is None else [*conditions, _row.nSequence.in_(chunk)]
            rows = connection.execute(
                select(queue_message).where(*mine).order_by(_row.nSequence).limit(limit - len(found))
            )
            found += [_queued(row, now) for row in rows]
        return found

    return work


def touch_nothing(connection: Connection) -> None:
    """Write without changing anything: a database that is locked or read-only refuses."""
    connection.execute(update(queue_message).where(_row.nSequence < 0).values(nRetired=0))


def _queued(row: Row[Any], now: datetime) -> QueuedMessage:
    return QueuedMessage(
        entry=str(row.nSequence),
        message_id=MessageId(str(row.sMessageID)),
        body=_body(row.sBody),
        account_id=account_of(row.nAccountID),
        enqueued=row.dtEnqueued or now,
        visible=row.dtVisible or now,
        delivery_count=_whole(row.nDeliveryCount, otherwise=0),
        locked=row.sLockToken is not None and (row.dtVisible or now) > now,
        reason=row.sReason,
        description=row.sDescription,
        dead_lettered=row.dtDeadLettered,
    )
