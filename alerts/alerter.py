"""Writes the alerts that are due, and sends them. One process at a time does, the one with the lease `monitor`.

Alerts are written in the transaction that marks their problems as alerted, one row for each target: no state is alerted
twice, and a restart loses none. A row is claimed before it is sent, and its result is noted afterwards. So each is sent
exactly once to a target that answers, also when two processes work at a time; once more only if the process dies
between the answer and its note, if the service answers after 30 s, or if the database is away for longer than the
claim. To send twice is a nuisance, not to send at all would hide a problem.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, ParamSpec

import structlog
from sqlalchemy import Connection

import background
from alerts.notices import FIRST_AFTER, RECOVERY_WITHIN, AlertPolicy, Notice, NoticeKind, SharedCauses, due_notices
from alerts.sending import SEND_SECONDS, Target, send_within
from alerts.text import Message, Writer
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.leases import age
from db.queries import alerts, installation, problems
from db.queries.alerts import MAX_PAUSE, Alert
from db.queries.problems import ProblemKind, StoredProblem
from threads import DaemonThreads

_CLAIM: Final = timedelta(minutes=2)
"""Longer than a send takes, with the note of its result."""
_FIRST_PAUSE: Final = timedelta(minutes=1)
_TRIED_FOR: Final = timedelta(hours=24)
_KEPT: Final = timedelta(days=90)
_DELETE_EVERY: Final = timedelta(hours=1)
_MAX_DELETED: Final = 500
_NOTE_AGAIN_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 4.0
_CANCEL_SECONDS: Final = 0.5

P = ParamSpec("P")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Due:
    """The work that the database holds now. `severities`: of the open problems that were alerted, by number."""

    notices: Sequence[Notice]
    outdated: Sequence[Alert]
    targets: set[str]
    severities: Mapping[int, str]


@dataclass(slots=True)
class _Unsent:
    """A message that is sent from memory: its failed attempts, and the time of the next one."""

    attempts: int = 0
    due: datetime | None = None


@dataclass(slots=True)
class _Outage:
    """The gateway database cannot be used since then. `alerted`: the targets that the message went to."""

    since: datetime
    message: Message | None = None
    unsent: dict[str, _Unsent] = field(default_factory=dict)
    alerted: set[str] = field(default_factory=set)


class Alerter:
    """Alerts problems to all targets; a target that fails holds up no other, and not the caller."""

    def __init__(
        self,
        database: Database,
        targets: Sequence[Target],
        *,
        policy: AlertPolicy,
        writer: Writer,
        clock: Callable[[], datetime],
        shared_causes: Callable[[Connection, Collection[int]], SharedCauses],
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        """`shared_causes`: reads those of accounts, as the monitor groups problems."""
        self._database = database
        self._targets: Final[Mapping[str, Target]] = {each.fingerprint: each for each in targets}
        self._policy = policy
        self._writer = writer
        self._clock = clock
        self._shared_causes = shared_causes
        self._send_seconds = send_seconds
        # One thread for each: a call that hangs occupies the thread of its target alone.
        self._threads = {each: DaemonThreads("alerts", limit=1) for each in self._targets}
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._severities: dict[int, str] = {}
        """The severity with which each open problem was alerted last, or of when this process began to alert."""
        self._outage: _Outage | None = None
        self._alerted_until: datetime | None = None
        self._deleted: datetime | None = None

    async def work(self, now: datetime) -> None:
        """Write what is to be alerted now, and begin to send what is due; do so every ten seconds.

        Raises:
            DatabaseUnavailable: nothing was written.
        """
        due = await self._database.read(partial(self._due, now=now))
        self._severities = {number: self._severities.get(number, each) for number, each in due.severities.items()}
        if due.notices or due.outdated:
            due = await self._database.write(partial(self._write, now=now))
            self._severities |= {each.problem.number: each.problem.severity for each in due.notices}
            for each in due.outdated:
                if each.ended is None:
                    log.warning("alert_expired", target=each.target, alert=each.number, attempts=each.attempts)
        for fingerprint in due.targets & self._targets.keys():
            self._begin(fingerprint, self._send_all, self._targets[fingerprint])
        await self._delete_old(now)

    def database_trouble(self, since: datetime, text: str) -> None:
        """Alert from memory that the database cannot be used since then, once it has lasted for two minutes.

        Called again and again as long as it lasts, by the process that had the lease when it began. `text`: a phrase.
        """
        outage = self._outage = self._outage or _Outage(since)
        now = self._clock()
        if age(outage.since, now) < FIRST_AFTER:
            return
        if outage.message is None:
            outage.message = self._writer.database_trouble(outage.since, text)
            outage.unsent = {each: _Unsent() for each in self._targets}
        for fingerprint, each in outage.unsent.items():
            if each.due is None or each.due <= now:
                self._begin(_of_outage(fingerprint), self._send_from_memory, outage, fingerprint)

    async def database_back(self) -> None:
        """Alert that the database can be used again, if it was alerted that it could not; call it before `work`.

        Raises:
            DatabaseUnavailable: it is not; call it again.
        """
        outage = self._outage
        if outage is None:
            return
        # A message that is on its way now alerts of it, too.
        alerted = outage.alerted | {each for each in outage.unsent if _of_outage(each) in self._sending}
        if alerted:
            now = self._clock()
            message = self._writer.database_back(outage.since, now)
            await self._database.write(lambda connection: self._add(connection, alerted, message, now))
            self._alerted_until = now
        self._outage = None

    def leave(self) -> None:
        """Forget what other processes alert from now on."""
        self._severities = {}

    async def close(self) -> None:
        """Let what is being sent come to its end, for a few seconds. What does not is sent again later."""
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=_CLOSE_SECONDS)
        await background.cancel(*self._sending.values(), within=_CANCEL_SECONDS)

    def _due(self, connection: Connection, *, now: datetime) -> _Due:
        ended = problems.unalerted_ends(connection, since=now - RECOVERY_WITHIN)
        opened = [each for each in problems.open_problems(connection) if not self._is_alerted(each)]
        # Without an end that is due, it is no question what goes on.
        concerned = {each.account_id for each in (*opened, *ended) if each.account_id is not None} if ended else set()
        shared = self._shared_causes(connection, concerned)
        return _Due(
            due_notices(opened, ended, now=now, policy=self._policy, shared=shared, severities=self._severities),
            alerts.outdated(connection, fingerprints=self._targets.keys(), before=now - _TRIED_FOR, now=now),
            alerts.due_targets(connection, now=now),
            {each.number: each.severity for each in opened if each.alerted is not None},
        )

    def _is_alerted(self, problem: StoredProblem) -> bool:
        """True of an outage of the database that was alerted from memory and is only now in the database."""
        is_outage = problem.kind == ProblemKind.DATABASE_TROUBLE
        return is_outage and self._alerted_until is not None and problem.first_seen <= self._alerted_until

    def _write(self, connection: Connection, *, now: datetime) -> _Due:
        due = self._due(connection, now=now)
        alerts.expire(connection, due.outdated, fingerprints=self._targets.keys(), now=now)
        ended = problems.unalerted_ends(connection, since=now - RECOVERY_WITHIN)
        # Another process may have been faster: what it marked is its own.
        mine = [each for each in due.notices if _mark(connection, each, ended, now)]
        if mine:
            message = self._writer.message(mine, _names_of(connection, mine))
            self._add(connection, self._targets.keys(), message, now)
        return replace(due, notices=mine, targets=alerts.due_targets(connection, now=now))

    def _add(self, connection: Connection, fingerprints: Collection[str], message: Message, now: datetime) -> None:
        targets = [(each.fingerprint, each.name) for each in self._targets.values() if each.fingerprint in fingerprints]
        alerts.add(connection, targets, title=message.title, body=message.body, now=now)

    def _begin(self, key: str, work: Callable[P, Coroutine[Any, Any, None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Begin the work in the background, unless that of this key is under way."""
        if key not in self._sending:
            task = self._sending[key] = background.start(work(*args, **kwargs), name="alert")
            task.add_done_callback(lambda _: self._sending.pop(key))

    async def _send_all(self, target: Target) -> None:
        """Send what is due for the target, the oldest first, until an attempt fails."""
        while True:
            now = self._clock()
            claiming = partial(alerts.claim_next, fingerprint=target.fingerprint, now=now, until=now + _CLAIM)
            claimed = await self._database.write(claiming)
            if claimed is None or not await self._send_one(target, claimed):
                return

    async def _send_one(self, target: Target, alert: Alert) -> bool:
        reason = await self._send(target, alert.title, alert.body)
        now = self._clock()
        if reason is None:
            await self._note(lambda connection: alerts.mark_sent(connection, alert, now=now))
            log.info("alert_sent", target=target.name, alert=alert.number)
            return True
        due = now + _pause_after(alert.attempts)
        await self._note(lambda connection: alerts.mark_failed(connection, alert, reason=reason, due=due))
        log.warning("alert_failed", target=target.name, alert=alert.number, attempts=alert.attempts + 1, reason=reason)
        return False

    async def _send_from_memory(self, outage: _Outage, fingerprint: str) -> None:
        target, message, unsent = self._targets[fingerprint], outage.message, outage.unsent[fingerprint]
        assert message is not None  # noqa: S101  # written before the first send
        reason = await self._send(target, message.title, message.body)
        if reason is None:
            outage.alerted.add(fingerprint)
            outage.unsent.pop(fingerprint)
            log.info("alert_sent", target=target.name, alert=None)
            return
        unsent.due = self._clock() + _pause_after(unsent.attempts)
        unsent.attempts += 1
        log.warning("alert_failed", target=target.name, alert=None, attempts=unsent.attempts, reason=reason)

    async def _send(self, target: Target, title: str, body: str) -> str | None:
        """Send within the bound; return the reason of a failure."""
        return await send_within(target, self._threads[target.fingerprint], title, body, seconds=self._send_seconds)

    async def _note(self, work: Callable[[Connection], None]) -> None:
        """Note the result, as soon as the database is there."""
        while True:
            try:
                return await self._database.write(work)
            except DatabaseUnavailable:
                await asyncio.sleep(_NOTE_AGAIN_SECONDS)

    async def _delete_old(self, now: datetime) -> None:
        if self._deleted is not None and self._deleted <= now < self._deleted + _DELETE_EVERY:
            return
        await self._database.write(lambda c: alerts.delete_old(c, before=now - _KEPT, limit=_MAX_DELETED))
        self._deleted = now


def _of_outage(fingerprint: str) -> str:
    """The key of a send from memory."""
    return f"outage {fingerprint}"


def _names_of(connection: Connection, notices: Sequence[Notice]) -> dict[int, str]:
    """The names of the accounts concerned."""
    return installation.names(
        connection, {each.problem.account_id for each in notices if each.problem.account_id is not None}
    )


def _mark(connection: Connection, notice: Notice, ended: Sequence[StoredProblem], now: datetime) -> bool:
    if notice.kind is not NoticeKind.RECOVERY:
        return problems.mark_alerted(connection, notice.problem, now=now)
    # The same cause may have ended more than once; one message tells of all.
    marked = [problems.mark_end_alerted(connection, each, now=now) for each in ended if each.key == notice.problem.key]
    return any(marked)


def _pause_after(failed: int) -> timedelta:
    """The pause after a failed attempt that follows so many: 1 minute, then twice as long each time, up to an hour."""
    return min(MAX_PAUSE, _FIRST_PAUSE * (1 << min(failed, 10)))
