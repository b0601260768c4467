"""Alerts, one row a target (`tblAlert`): those to send, and those that were.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from db.keys import in_queries
from db.leases import is_over, over
from db.tables import alert
from longtext import cut

MAX_PAUSE: Final = timedelta(hours=1)
"""The longest time ahead of `dtDue`: of the pause after a failed attempt."""
FAILING_ATTEMPTS: Final = 3
"""A target counts as failing after so many failed attempts at one alert."""
_NAME_LENGTH: Final = 200
_NO_TARGET: Final = ""
"""`sTarget` of what was not sent to a target that is in the settings no more."""

_row = alert.c


class AlertState(StrEnum):
    """`sState`. EXPIRED: it was not sent within a day, or its target is in the settings no more."""

    PENDING = "pending"
    SENT = "sent"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Alert:
    """A row. `target`: its name as displayed. `attempts`: the failed ones. `ended`: sent, or given up. `reason`:
    of the last failed attempt.
    """

    number: int
    fingerprint: str
    target: str
    state: str
    title: str
    body: str
    attempts: int
    created: datetime
    due: datetime
    ended: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class FailingTarget:
    """A target that nothing was sent to since `since`, and the reason of its last failed attempt.

    `last`: the time of the next attempt, or of the end of the last ones.
    """

    target: str
    attempts: int
    reason: str
    since: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """The state of a target. `last_failed`: the time of the alert whose sending failed last."""

    pending: int
    last_sent: datetime | None
    last_failed: datetime | None
    reason: str | None


def add(connection: Connection, targets: Iterable[tuple[str, str]], *, title: str, body: str, now: datetime) -> None:
    """Write an alert for each target, given by fingerprint and name; it is due at once."""
    for fingerprint, name in targets:
        connection.execute(
            insert(alert)
            .inline()
            .values(
                sTarget=fingerprint,
                sTargetName=cut(name, _NAME_LENGTH),
                sState=AlertState.PENDING.value,
                sTitle=title,
                sBody=body,
                dtCreated=now,
                dtDue=now,
            )
        )


def due_targets(connection: Connection, *, now: datetime) -> set[str]:
    """The fingerprints of the targets whose next alert is due."""
    return set(connection.scalars(select(_row.sTarget).where(_is_next(), _is_due(now))))


def claim_next(connection: Connection, fingerprint: str, *, now: datetime, until: datetime) -> Alert | None:
    """Claim the oldest alert of the target; None if it has none, or it is not due, or another process was faster.

    Until then no process sends to this target; afterwards the alert is due again, should this process have died.
    """
    mine = (_row.sTarget == fingerprint) & _is(AlertState.PENDING)
    found = connection.execute(select(alert).where(mine).order_by(_row.nAlertID).limit(1)).one_or_none()
    if found is None or not is_over(found.dtDue, now, longest=MAX_PAUSE):
        return None
    as_read = (_row.nAlertID == found.nAlertID) & (_row.dtDue == found.dtDue) & _is(AlertState.PENDING)
    claimed = connection.execute(update(alert).where(as_read).values(dtDue=until)).rowcount == 1
    return _alert(found) if claimed else None


def mark_sent(connection: Connection, sent: Alert, *, now: datetime) -> None:
    """Note that it was sent."""
    one = update(alert).where(_row.nAlertID == sent.number)
    connection.execute(one.values(sState=AlertState.SENT.value, dtEnded=now))


def mark_failed(connection: Connection, failed: Alert, *, reason: str, due: datetime) -> None:
    """Note a failed attempt. The later alerts of its target wait behind it."""
    one = update(alert).where(_row.nAlertID == failed.number, _is(AlertState.PENDING))
    connection.execute(one.values(nAttempts=_row.nAttempts + 1, sDetail=reason, dtDue=due))


def outdated(connection: Connection, *, fingerprints: Collection[str], before: datetime, now: datetime) -> list[Alert]:
    """The alerts that are to be given up: written before that time and not sent, or of none of these targets."""
    old = _is_due(now) & (_row.dtCreated <= before)
    lost = _unsent() & _row.sTarget.not_in([*fingerprints, _NO_TARGET])
    return _read(connection, old | lost)


def expire(connection: Connection, outdated: Iterable[Alert], *, fingerprints: Collection[str], now: datetime) -> None:
    """Give these alerts up; those of a target that is none of these are of no target from here on."""
    for each in outdated:
        target = each.fingerprint if each.fingerprint in fingerprints else _NO_TARGET
        one = update(alert).where(_row.nAlertID == each.number, _unsent())
        connection.execute(one.values(sState=AlertState.EXPIRED.value, dtEnded=each.ended or now, sTarget=target))


def failing(connection: Connection) -> list[FailingTarget]:
    """The targets at which an alert failed three times or more, and to which none was sent since."""
    often = _unsent() & (_row.nAttempts >= FAILING_ATTEMPTS) & (_row.sTarget != _NO_TARGET)
    found = []
    for fingerprint in sorted(connection.scalars(select(_row.sTarget).where(often).distinct())):
        of_target = _row.sTarget == fingerprint
        last_sent = connection.scalar(select(func.max(_row.nAlertID)).where(of_target, _is(AlertState.SENT))) or 0
        rows = connection.execute(
            select(_row.sTargetName, _row.nAttempts, _row.sDetail, _row.dtCreated, _row.dtDue, _row.dtEnded)
            .where(of_target, _unsent(), _row.nAlertID > last_sent, _row.nAttempts > 0)
            .order_by(_row.nAlertID)
        ).all()
        if any(row.nAttempts >= FAILING_ATTEMPTS for row in rows):
            found.append(
                FailingTarget(
                    target=rows[-1].sTargetName,
                    attempts=sum(row.nAttempts for row in rows),
                    reason=rows[-1].sDetail or "",
                    since=rows[0].dtCreated,
                    last=max(row.dtEnded or row.dtDue for row in rows),
                )
            )
    return found


def summaries(connection: Connection, fingerprints: Collection[str]) -> dict[str, TargetSummary]:
    """The state of each of these targets."""
    return {each: _summary(connection, each) for each in fingerprints}


def latest(
    connection: Connection, *, limit: int, since: datetime | None = None, before: int | None = None
) -> list[Alert]:
    """The last `limit` alerts, the newest first. `since`: of those written then or later; `before`: numbered below."""
    rows = select(alert).order_by(_row.nAlertID.desc()).limit(limit)
    if since is not None:
        rows = rows.where(_row.dtCreated >= since)
    if before is not None:
        rows = rows.where(_row.nAlertID < before)
    return [_alert(row) for row in connection.execute(rows)]


def delete_old(connection: Connection, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` alerts that ended before that time; return their number."""
    old = select(_row.nAlertID).where(_row.dtEnded < before).order_by(_row.nAlertID).limit(limit)
    numbers = list(connection.scalars(old))
    for chunk in in_queries(numbers):
        connection.execute(delete(alert).where(_row.nAlertID.in_(chunk)))
    return len(numbers)


def _summary(connection: Connection, fingerprint: str) -> TargetSummary:
    of_target = _row.sTarget == fingerprint
    pending = connection.scalar(select(func.count()).where(of_target, _is(AlertState.PENDING))) or 0
    sent = connection.scalar(select(func.max(_row.dtEnded)).where(of_target, _is(AlertState.SENT)))
    failed = connection.execute(
        select(_row.dtCreated, _row.sDetail)
        .where(of_target, _row.nAttempts > 0)
        .order_by(_row.nAlertID.desc())
        .limit(1)
    ).one_or_none()
    return TargetSummary(
        pending, sent, None if failed is None else failed.dtCreated, None if failed is None else failed.sDetail
    )


def _is(state: AlertState) -> ColumnElement[bool]:
    return _row.sState == state.value


def _unsent() -> ColumnElement[bool]:
    return _row.sState.in_([AlertState.PENDING.value, AlertState.EXPIRED.value])


def _is_next() -> ColumnElement[bool]:
    """True of the oldest pending alert of each target."""
    return _row.nAlertID.in_(select(func.min(_row.nAlertID)).where(_is(AlertState.PENDING)).group_by(_row.sTarget))


def _is_due(now: datetime) -> ColumnElement[bool]:
    return _is(AlertState.PENDING) & over(_row.dtDue, now, longest=MAX_PAUSE)


def _read(connection: Connection, condition: ColumnElement[bool]) -> list[Alert]:
    return [_alert(row) for row in connection.execute(select(alert).where(condition).order_by(_row.nAlertID))]


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        number=row.nAlertID,
        fingerprint=row.sTarget,
        target=row.sTargetName,
        state=row.sState,
        title=row.sTitle,
        body=row.sBody,
        attempts=row.nAttempts,
        created=row.dtCreated,
        due=row.dtDue,
        ended=row.dtEnded,
        reason=row.sDetail,
    )
