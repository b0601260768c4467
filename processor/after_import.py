"""Actions in the mailboxes after imports: right after the commit, or when due because that did not happen.

Mail that is no longer in the account's folder is neither moved nor deleted, however late its import or its action is.
None of them affects the import: the message is committed with its action, its delivery is settled, and errors here are
noted on the message's row. The rights to change mail may be missing where those to read are there, so accounts are held
for it separately.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from random import Random
from typing import Final

import structlog

import background
from background.pulse import Pulse
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.leases import is_over
from db.outcomes import ActionKind, ActionState, Outcome
from db.queries import after_import
from db.queries.after_import import LEASE, MAX_WAIT, Action, Ended
from graph.errors import AccessDenied, AccountError, GraphError, GraphUnavailable, trouble_before
from graph.mailbox import Mailbox
from groupcommit import GroupCommit
from hostfaults import host_fault_of
from phrases import Phrase
from processor.accounts import AFTER_IMPORT, AccountBackoff, AccountCache
from processor.errors import Unprocessable
from processor.importer import ImportResult, Located
from processor.mailbox_actions import ActionRefused, MailboxActions
from processor.mailbox_fairness import CallShare
from processor.metrics import ProcessorMetrics
from processor.settlement import Complete, Decision, DeliveryObserver, InFlight, NotSettled

_OF_ONE_MAILBOX: Final = 2
"""Concurrent actions: Graph serves four calls of a mailbox at once, and imports need some."""
_MAX_WAITING: Final = 2_000
_MAX_CLAIMED: Final = 100
POLL_SECONDS: Final = 5.0
_HOLDS_LOADED_EVERY: Final = timedelta(minutes=1)
_LOCATED_FOR: Final = timedelta(seconds=10)
"""Time for which the folder in which a message was fetched counts as its present one."""
_ENOUGH_TIME: Final = timedelta(seconds=30)
"""Time left of the lease when an action begins."""
_BEFORE_THE_END: Final = timedelta(seconds=5)
"""Time before the end of the lease at which a running action is cancelled."""
_FINISH_SECONDS: Final = 2.0
_CANCEL_SECONDS: Final = 0.5
_ELSEWHERE: Final = timedelta(seconds=5)
"""Wait while all calls of the mailbox are other processes': one of them then probably claims the action."""
_DISABLED_FOR: Final = timedelta(minutes=15)
_MAX_REFUSALS: Final = 1000
_MISSING_FOR: Final = timedelta(minutes=2)
_MISSING_REMEMBERED_FOR: Final = timedelta(hours=1)
_MAX_MISSING: Final = 10_000
_FIRST_WAIT: Final = timedelta(seconds=30)
_MAX_WAIT: Final = timedelta(hours=2)
_MAX_ATTEMPTS: Final = 5
_MAX_OUTAGES: Final = 20
"""Attempts without an answer by Graph: with the waits between them more than a day."""
_MAX_IN_ONE_WRITE: Final = 100

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Lane:
    """The actions to do in one mailbox, in the order they came."""

    waiting: deque[tuple[Action, Located | None]] = field(default_factory=deque)
    """Each with the folder that its message was in, if that is known."""
    workers: int = 0


class _FaultOf(Enum):
    """The likely cause of a refusal: the account's rights, or one message."""

    ACCOUNT = "account"
    MESSAGE = "message"
    UNKNOWN = "unknown"


class _Refusals:
    """Distinguishes refusals of one message from those of its account.

    The right to read does not imply the right to write; the outcome of other messages of the account shows it.
    """

    def __init__(self) -> None:
        self._done: Counter[int] = Counter()
        """Completed actions, by account."""
        self._refused: dict[int, dict[str, int]] = {}
        """Refused messages, by account; with the number of actions completed by then."""
        self._at_fault: dict[int, set[str]] = {}
        """Messages that were refused while actions of others of their account were completed."""

    def done(self, action: Action) -> None:
        """Note that an action was done."""
        self._done[action.account_id] += 1
        self._refused.get(action.account_id, {}).pop(action.graph_id, None)
        self._at_fault.get(action.account_id, set()).discard(action.graph_id)

    def met(self, action: Action) -> _FaultOf:
        """Note that an action was refused, and return the likely cause.

        The message, once others were done after it was refused: no further success is needed for its next refusals.
        The account, when this message, or another one that is not at fault itself, was refused since any was done.
        """
        done, refused = self._done[action.account_id], self._refused.setdefault(action.account_id, {})
        at_fault = self._at_fault.setdefault(action.account_id, set())
        before = refused.pop(action.graph_id, None)
        others = any(count == done for each, count in refused.items() if each not in at_fault)
        if len(refused) == _MAX_REFUSALS:
            refused.clear()
            at_fault.clear()
        refused[action.graph_id] = done
        if before is not None and before < done:
            at_fault.add(action.graph_id)
        if action.graph_id in at_fault:
            return _FaultOf.MESSAGE
        return _FaultOf.ACCOUNT if before is not None or others else _FaultOf.UNKNOWN


class _Missing:
    """Messages that answered 404: only one that lasts means that a message is gone (docs/graph.md, section 11)."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._since: dict[tuple[int, str], datetime] = {}

    def is_gone(self, action: Action) -> bool:
        """Note that the message answered 404; True if it did so two minutes ago, too."""
        key, now = (action.account_id, action.graph_id), self._clock()
        since = self._since.setdefault(key, now)
        if len(self._since) > _MAX_MISSING:  # other processes took up some of them
            self._since = {each: time for each, time in self._since.items() if _is_remembered(time, now)}
        if len(self._since) <= _MAX_MISSING and not is_over(since + _MISSING_FOR, now, longest=_MISSING_FOR):
            return False
        self._since.pop(key, None)
        return True


def _is_remembered(since: datetime, now: datetime) -> bool:
    return not is_over(since + _MISSING_REMEMBERED_FOR, now, longest=_MISSING_REMEMBERED_FOR)


class AfterImport(DeliveryObserver):
    """Does the actions that are due, between `start` and `close`."""

    def __init__(
        self,
        database: Database,
        actions: MailboxActions,
        accounts: AccountCache,
        calls: CallShare,
        *,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ProcessorMetrics,
        pulse: Pulse,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._database = database
        self._actions = actions
        self._accounts = accounts
        self._calls = calls
        self._backoff = AccountBackoff(database, clock=clock, random=random, metrics=metrics, role=AFTER_IMPORT)
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._pulse = pulse
        self._poll_seconds = poll_seconds
        self._lanes: dict[int, _Lane] = {}
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._polling: asyncio.Task[None] | None = None
        self._closing = False
        self._next_load: datetime | None = None
        self._refusals = _Refusals()
        self._missing = _Missing(clock)
        self._notes: GroupCommit[Ended, None] = GroupCommit(self._write, max_items=_MAX_IN_ONE_WRITE)

    def start(self) -> None:
        """Begin to poll for due actions."""
        self._polling = asyncio.create_task(background.restarted(self._poll_forever, name="after_import"))

    def settled(self, work: InFlight, decision: Decision | NotSettled) -> None:
        """See `DeliveryObserver.settled`: an imported message has its action done, or counted as withheld."""
        match decision:
            case Complete(Outcome.IMPORTED, ImportResult(lacking=lacking)) if work.mailbox and work.notification:
                message_id, then = work.notification.message_id or "", work.after_import
                if lacking is not None:
                    self.withheld(work.mailbox, message_id, then, lacking)
                else:
                    progress = work.progress
                    self.soon(
                        work.mailbox.account_id,
                        message_id,
                        then,
                        committed_after=progress.fetched or work.received,
                        located=progress.located,
                    )

    def soon(
        self, account_id: int, message_id: str, kind: str | None, *, committed_after: datetime, located: Located | None
    ) -> None:
        """Queue the action of a message that was committed at that time or later, and whose delivery is settled.

        Returns at once and never fails: an action not done here is due for any processor.
        """
        if kind in {None, ActionKind.NONE} or self._closing or self._waiting >= _MAX_WAITING:
            return
        self._add(Action(account_id, message_id, str(kind), 0, committed_after + LEASE), located)

    def withheld(self, mailbox: Mailbox, message_id: str, kind: str | None, lacking: str) -> None:
        """Report a message committed with content missing, and its action as failed; see `db.queries.after_import`."""
        if kind in {None, ActionKind.NONE}:
            return
        self._metrics.after_import.labels(kind, "failed").inc()
        log.warning(
            "after_import_withheld", account=mailbox.account_name, action=kind, message=message_id, lacking=lacking
        )

    async def close(self) -> None:
        """Finish what is under way, within two seconds; actions not begun are due for other processors."""
        self._closing = True
        for lane in self._lanes.values():
            lane.waiting.clear()
        if self._polling is not None:
            await background.cancel(self._polling, within=_CANCEL_SECONDS)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_FINISH_SECONDS)
            await background.cancel(*late, within=_CANCEL_SECONDS)
        await self._notes.close()

    # Polling.

    async def _poll_forever(self) -> None:
        while True:
            self._pulse.beat("after_import")
            try:
                claimed = await self._poll()
            except DatabaseUnavailable:  # the worker reports that it is unavailable
                claimed = 0
            if claimed < _MAX_CLAIMED:
                await asyncio.sleep(self._poll_seconds * self._random.uniform(0.8, 1.2))

    async def _poll(self) -> int:
        now = self._clock()
        if self._next_load is None or is_over(self._next_load, now, longest=_HOLDS_LOADED_EVERY):
            await self._backoff.load()
            await self._forget_idle()
            self._next_load = now + _HOLDS_LOADED_EVERY
        if self._waiting >= _MAX_CLAIMED:
            return 0
        self._pulse.beat("after_import")  # once more: a slow database may need its whole time for each call
        # Read first: on SQLite even a write that changes nothing acquires the write lock.
        if not await self._database.read(lambda connection: after_import.anything_due(connection, now=now)):
            return 0
        claimed = await self._database.write(
            lambda connection: after_import.claim(connection, now=now, limit=_MAX_CLAIMED)
        )
        self._pulse.beat("after_import")
        await self._accounts.refresh({each.account_id for each in claimed})
        for action in claimed:
            self._add(action, None)
        return len(claimed)

    async def _forget_idle(self) -> None:
        """End the holds of accounts of which no action waits: settings were changed, or messages deleted."""
        held = self._backoff.held
        if not held:
            return
        calling = await self._database.read(lambda connection: after_import.calling(connection, held))
        for account_id in held - calling:
            await self._backoff.forget(account_id)

    # Acting.

    def _add(self, action: Action, located: Located | None) -> None:
        lane = self._lanes.setdefault(action.account_id, _Lane())
        lane.waiting.append((action, located))
        self._waiting += 1
        if lane.workers < _OF_ONE_MAILBOX:
            lane.workers += 1
            task = asyncio.create_task(self._work(action.account_id, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, account_id: int, lane: _Lane) -> None:
        try:
            while lane.waiting:
                action, located = lane.waiting.popleft()
                self._waiting -= 1
                await self._do(action, located)
        finally:
            lane.workers -= 1
            if not lane.workers and not lane.waiting:
                self._lanes.pop(account_id, None)

    async def _do(self, action: Action, located: Located | None) -> None:
        if is_over(action.due - _ENOUGH_TIME, self._clock(), longest=LEASE):
            return  # it waited here for too long, and is soon claimed by a process that finds it due
        try:
            ended = await self._tried(action, located)
            await self._notes.submit([ended])
        except DatabaseUnavailable as exc:
            log.warning("after_import_not_noted", error=str(exc))
        except Exception as exc:  # noqa: BLE001  # it stays due; the others must not wait for it
            _log_failure(exc, message=action.graph_id)

    async def _tried(self, action: Action, located: Located | None) -> Ended:
        await self._accounts.refresh([action.account_id])
        try:
            mailbox = self._accounts.mailbox(action.account_id)
        except Unprocessable as exc:
            return self._not_served(action, exc)
        facts = {"account": mailbox.account_name, "action": action.kind, "message": action.graph_id}
        try:
            self._accounts.require_usable(action.account_id)
            settings = self._accounts.settings(action.account_id)
            if settings.after_import != action.kind:
                return self._not_called_for(action, settings.after_import, facts)
            wait = self._backoff.delay(action.account_id)
            if wait is None and self._calls.of(mailbox.counted_as) == 0:
                wait = _ELSEWHERE
            if wait is not None:
                return self._waits(action, wait)
            async with self._within_lease(action, mailbox):
                folder_id = self._present_folder(located)
                verdict = await self._actions.apply(
                    mailbox, settings, action.kind, action.graph_id, folder_id=folder_id
                )
            if verdict.missing and not self._missing.is_gone(action):
                return self._waits(action, _MISSING_FOR)
            if verdict.changed:
                self._refusals.done(action)
                await self._backoff.release(mailbox)
        except DatabaseUnavailable:
            raise
        except Exception as exc:  # noqa: BLE001  # one unforeseen message must not stop the others; it is reported
            return await self._not_done(action, mailbox, exc, facts)
        self._count(action, verdict.state.value)
        log.info("after_import_ended", state=verdict.state.value, **facts)
        return Ended(action, verdict.state, action.attempts, detail=verdict.note)

    def _present_folder(self, located: Located | None) -> str | None:
        """The folder that the message was in a moment ago; None: too long ago, or unknown."""
        if located is None or is_over(located.time + _LOCATED_FOR, self._clock(), longest=_LOCATED_FOR):
            return None
        return located.folder_id

    async def _not_done(self, action: Action, mailbox: Mailbox, exc: Exception, facts: dict[str, str]) -> Ended:
        if (fault := host_fault_of(exc)) is not None:
            log.warning("after_import_postponed", error=str(fault), **facts)
            return self._waits(action, _FIRST_WAIT)
        whose = self._refusals.met(action) if isinstance(exc, AccessDenied) else _FaultOf.ACCOUNT
        if isinstance(exc, AccountError) and whose is _FaultOf.ACCOUNT:
            return self._waits(action, await self._backoff.hold(mailbox, exc))
        if isinstance(exc, AccountError) and whose is _FaultOf.UNKNOWN:
            return self._waits(action, _FIRST_WAIT)
        return self._failed(action, exc, facts)

    @asynccontextmanager
    async def _within_lease(self, action: Action, mailbox: Mailbox) -> AsyncIterator[None]:
        """Cancel what takes too long: another process would begin with it."""
        seconds = (min(action.due - self._clock(), LEASE) - _BEFORE_THE_END).total_seconds()
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as reason:
            if (trouble := trouble_before(reason)) is not None:
                raise trouble from reason
            raise GraphUnavailable(
                Phrase(
                    "'{kind}' for {mailbox} took more than {seconds:.0f} seconds. It is tried again.",
                    kind=action.kind,
                    mailbox=mailbox,
                    seconds=seconds,
                )
            ) from reason

    def _not_served(self, action: Action, exc: Unprocessable) -> Ended:
        if exc.reason == "AccountDisabled":
            return self._waits(action, _DISABLED_FOR)
        self._count(action, "failed")
        return Ended(
            action, ActionState.FAILED, action.attempts, detail=Phrase("The account was removed before it was done.")
        )

    def _not_called_for(self, action: Action, now: str, facts: dict[str, str]) -> Ended:
        """End it as failed, which is no problem while the account does not call for it again."""
        self._count(action, "failed")
        log.info("after_import_not_called_for", after_import=now, **facts)
        return Ended(
            action,
            ActionState.FAILED,
            action.attempts,
            detail=Phrase(
                "The account's --after-import was changed to {after_import} before '{kind}' was done. Nothing was "
                "changed in the mailbox.",
                after_import=now,
                kind=action.kind,
            ),
        )

    def _waits(self, action: Action, wait: timedelta) -> Ended:
        self._count(action, "waiting")
        return Ended(action, ActionState.PENDING, action.attempts, due=self._clock() + wait)

    def _failed(self, action: Action, exc: Exception, facts: dict[str, str]) -> Ended:
        attempts = action.attempts + 1
        detail = Phrase.of(exc)
        if not isinstance(exc, GraphError | ActionRefused):
            # An unexpected error may quote its input, and that may be mail.
            detail = Phrase("Internal error; the log has the traceback (after_import_failed).")
            _log_failure(exc, **facts)
        limit = _MAX_OUTAGES if isinstance(exc, GraphUnavailable) else _MAX_ATTEMPTS
        if isinstance(exc, ActionRefused) or attempts >= limit:
            self._count(action, "failed")
            log.warning("after_import_given_up", error=detail, attempts=attempts, **facts)
            return Ended(action, ActionState.FAILED, attempts, detail=detail)
        self._count(action, "retried")
        wait = min(_FIRST_WAIT * 2 ** (attempts - 1), _MAX_WAIT) * self._random.uniform(0.8, 1.2)
        asked = timedelta(seconds=getattr(exc, "retry_after", None) or 0)
        return Ended(
            action, ActionState.PENDING, attempts, due=self._clock() + min(max(wait, asked), MAX_WAIT), detail=detail
        )

    def _count(self, action: Action, outcome: str) -> None:
        self._metrics.after_import.labels(action.kind, outcome).inc()

    async def _write(self, ended: list[Ended]) -> Sequence[None]:
        await self._database.write(lambda connection: after_import.end(connection, ended))
        return [None] * len(ended)


def _log_failure(exc: Exception, **facts: str) -> None:
    log.error("after_import_failed", error_type=type(exc).__name__, where=background.places_of(exc), **facts)
