"""Catch-up: queues messages that Graph's delta query reports and the database lacks (docs/graph.md, section 6).

Webhooks lose notifications, reported and unreported (sections 3, 4 and 11). The delta link is moved forward only when
all that comes before it is safely in the queue or known to be imported.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection

import background
from bus.errors import QueueUnavailable
from bus.notification import Notification, Source
from bus.queue import CatchUpQueue
from db.engine import Database
from db.queries import accounts, folders, missed, retention, scans, subscriptions
from db.queries.accounts import Account, Condition
from db.queries.folders import FolderState
from db.queries.schedule import FOLDERS, NEVER, Lease, Schedule
from db.queries.subscriptions import HeldSubscription
from graph.delta import DeltaPage, DeltaReader, paged_in_a_circle
from graph.errors import SyncStateLost
from graph.folders import MailFolders
from graph.listing import FolderItem
from graph.mailbox import Mailbox
from graph.subscriptions import NOTIFIED_WITHIN, mail_resource
from phrases import Phrase
from subscriptions.metrics import ManagerMetrics
from subscriptions.scheduler import LeaseLost, StillFailing
from subscriptions.sweep_schedule import SweepSchedule

T = TypeVar("T")

SWEEP_ROLE: Final = "sweep"
NOTIFICATIONS_ROLE: Final = "notifications"
"""The conditions that report failed sweeps, and missed notifications."""

_JUDGED_AFTER: Final = timedelta(minutes=1)
"""By then a message that a sweep found has gone through the queue, and its notification before it, if any."""
_TOO_YOUNG: Final = timedelta(hours=1)
"""A younger subscription is not recreated: the fault may be this installation's endpoint, which would stay."""
_REPORTED_FOR: Final = timedelta(days=1)
_REMEMBERED_FOR: Final = timedelta(days=90)
_TURN: Final = timedelta(seconds=30)
_CANCEL_SECONDS: Final = 1.0
_SOON: Final = timedelta(seconds=10)
_STRETCHED: Final = 1.1
"""Largest factor by which jitter lengthens a pause."""
_EXPIRY_MAY_WAIT: Final = timedelta(hours=1)
"""A sweep that is due within this time ends an expired condition soon enough."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Round:
    """Progress of a run."""

    state: FolderState
    link: str | None
    full_pass: bool
    queued: int = 0
    overdue: int = 0
    followed: set[bytes] = field(default_factory=set)
    """Digests of the links that were followed, which may be long."""


@dataclass(frozen=True, slots=True)
class _SweptFolder:
    """A folder as in Graph's paths (`folder`), and as the resource under which its delta link is kept."""

    mailbox: Mailbox
    folder: str
    resource: str


class CatchUp:
    """The task of sweeping the folders of accounts."""

    role = SWEEP_ROLE
    schedule: Schedule = FOLDERS

    def __init__(
        self,
        database: Database,
        delta: DeltaReader,
        queue: CatchUpQueue,
        folders: MailFolders,
        *,
        rules: SweepSchedule,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ManagerMetrics,
    ) -> None:
        self._database = database
        self._delta = delta
        self._queue = queue
        self._folders = folders
        self._rules = rules
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._begun_anew: dict[int, datetime | None] = {}
        """By account, the end of the last complete round when a pass began anew because its link was lost."""

    @property
    def longest_wait(self) -> timedelta:
        """See `AccountTask.longest_wait`: the pause between two sweeps, with the longest jitter.

        Without regular sweeps it is the time until the condition on missed notifications expires.
        """
        pause = self._rules.next_interval()
        return _REPORTED_FOR if pause is None else _STRETCHED * pause

    def end(self, connection: Connection, account: Account) -> None:
        """Clear the condition on missed notifications once it has expired."""
        accounts.clear_expired_condition(connection, account.account_id, NOTIFICATIONS_ROLE, now=self._clock())

    async def serve(self, lease: Lease, account: Account) -> datetime:
        """Queue messages of the folder that the database lacks, all or the first; return when to continue.

        Raises:
            GraphError, DatabaseUnavailable, QueueUnavailable: the link stays before what is not queued.
            SyncStateLost: pass after pass loses its link; the next turn begins anew.
            StillFailing: that was so, and the present pass goes on.
            LeaseLost
        """
        if account.removed or not account.enabled:
            return NEVER
        if account.settings.import_since is None:
            # Decided in the account's first subscription run; until then it is unknown what to leave out.
            return self._clock() + _SOON
        mailbox = Mailbox.of(account.account_id, account.settings)
        folder = await self._folders.locate(mailbox, account.settings.folder)
        resource = mail_resource(account.settings.user_id, folder)
        held = await self._judge(account)
        state = await self._database.read(
            lambda connection: folders.state(connection, account.account_id, resource=resource)
        )
        progress = _Round(state, state.link, state.full_pass)
        with self._folders.followed(mailbox, account.settings.folder):
            resume = await self._go_through(lease, account, _SweptFolder(mailbox, folder, resource), held, progress)
        if progress.queued:
            self._metrics.found.inc(progress.queued)
            log.info(
                "folder_caught_up" if resume is None else "folder_catching_up",
                queued=progress.queued,
                overdue=progress.overdue,
                full_pass=progress.full_pass,
            )
        if resume is None:
            return await self._next(account, progress)
        if progress.full_pass and await self._loses_links(account):
            raise StillFailing(resume)
        return resume

    async def _next(self, account: Account, progress: _Round) -> datetime:
        self._begun_anew.pop(account.account_id, None)
        now = self._clock()
        kind = "full" if progress.full_pass else "new"
        self._metrics.sweeps.labels(kind).inc()
        pause = self._rules.next_interval()
        due = NEVER if pause is None else now + pause * self._random.uniform(0.9, _STRETCHED)
        if progress.overdue:
            due = min(due, now + _JUDGED_AFTER * self._random.uniform(1.1, 1.3))
        if due - now > _EXPIRY_MAY_WAIT:
            reported = await self._conditions(account, NOTIFICATIONS_ROLE)
            due = min([due, *(each.next_attempt for each in reported if each.next_attempt > now)])
        return due

    async def _conditions(self, account: Account, role: str) -> list[Condition]:
        return await self._database.read(lambda connection: accounts.conditions(connection, role, [account.account_id]))

    # Pages.

    async def _go_through(
        self, lease: Lease, account: Account, swept: _SweptFolder, held: HeldSubscription | None, progress: _Round
    ) -> datetime | None:
        """Read pages to the end of the round and return None; or pause for other work and return when to continue.

        The next page is read while one is queued: Graph takes longer for a page than the queue.
        """
        end = self._clock() + _TURN
        read = await self._read(account, swept, progress.link, progress)
        while True:
            if isinstance(read, SyncStateLost):
                await self._begin_anew(lease, account, swept, progress, read)
                read = await self._read(account, swept, None, progress)
                continue
            page, missing = read
            progress.link = page.link
            if page.complete:
                await self._queue_found(account, held, missing, progress)
                await self._finish(lease, swept.resource, page.link)
                return None
            resume = await self._pause(end, progress.queued + len(missing), len(missing))
            if resume is not None:
                await self._queue_found(account, held, missing, progress)
                await self._advance(lease, swept.resource, progress)
                return resume
            async with _meanwhile(self._read(account, swept, page.link, progress)) as following:
                await self._queue_found(account, held, missing, progress)
                await self._advance(lease, swept.resource, progress)
            read = await following

    async def _read(
        self, account: Account, swept: _SweptFolder, link: str | None, progress: _Round
    ) -> tuple[DeltaPage, list[FolderItem]] | SyncStateLost:
        """The page at the link, with its messages that are to be queued; the error where the link is lost."""
        try:
            _follow(link, swept, progress)
            page = await self._delta.page(swept.mailbox, swept.folder, link)
        except SyncStateLost as exc:
            if link is None:
                raise
            log.warning("delta_link_lost", error=str(exc))
            self._metrics.resets.inc()
            return exc
        return page, await self._missing(account, page, progress)

    async def _begin_anew(
        self, lease: Lease, account: Account, swept: _SweptFolder, progress: _Round, lost: SyncStateLost
    ) -> None:
        """Record that the pass begins anew, because its link was lost.

        Raises:
            SyncStateLost: the one before began anew as well, and did not come to its end: not again at once.
        """
        progress.link, progress.full_pass = None, True
        progress.followed.clear()
        await self._advance(lease, swept.resource, progress)
        again = (account.account_id, progress.state.swept) in self._begun_anew.items()
        self._begun_anew[account.account_id] = progress.state.swept
        # Another manager's pass shows by what it reported.
        if again or await self._loses_links(account):
            raise SyncStateLost(_lost_again(lost), **lost.facts) from lost

    async def _loses_links(self, account: Account) -> bool:
        """True if that was reported, and no pass has come to its end since."""
        return any(each.reason == SyncStateLost.__name__ for each in await self._conditions(account, self.role))

    async def _pause(self, end: datetime, queued: int, more: int) -> datetime | None:
        """The time at which to continue behind a page, None: at once.

        `queued`: in this run, with the `more` of this page, which are not in the queue yet.
        """
        now = self._clock()
        if now >= end:
            return now
        limit = self._rules.max_waiting
        if queued and await self._queue.waiting(limit=limit + 1) + more > limit:
            return self._clock() + _SOON
        return None

    async def _advance(self, lease: Lease, resource: str, progress: _Round) -> None:
        now = self._clock()
        link, full_pass = progress.link, progress.full_pass
        ours = await self._database.write(
            lambda connection: folders.advance(
                connection, lease, resource=resource, link=link, full_pass=full_pass, now=now
            )
        )
        if not ours:
            raise LeaseLost

    async def _finish(self, lease: Lease, resource: str, link: str) -> None:
        now = self._clock()
        if not await self._database.write(
            lambda connection: folders.finish(connection, lease, resource=resource, link=link, now=now)
        ):
            raise LeaseLost

    async def _missing(self, account: Account, page: DeltaPage, progress: _Round) -> list[FolderItem]:
        """The messages of the page that are to be queued.

        Not those in a delivery that waits for Defender's scan, see `db.queries.scans`.
        """
        if page.unreadable:
            log.warning("folder_items_unreadable", count=page.unreadable)
        since, now = account.settings.import_since, self._clock()
        each_once = {each.message_id: each for each in page.items}.values()
        items = [each for each in each_once if not progress.full_pass or accounts.imports(since, each.received)]
        if not items:
            return []
        ids = [each.message_id for each in items]

        def read(connection: Connection) -> tuple[set[str], datetime | None]:
            known, since_now = retention.known_and_since(connection, account.account_id, ids)
            if len(known) < len(ids):
                known.update(scans.waiting(connection, account.account_id, now=now))
            return known, since_now

        known, since_now = await self._database.read(read)
        moved = progress.full_pass and since_now != since
        return [
            each
            for each in items
            if each.message_id not in known and (not moved or accounts.imports(since_now, each.received))
        ]

    async def _queue_found(
        self, account: Account, held: HeldSubscription | None, items: Sequence[FolderItem], progress: _Round
    ) -> None:
        if not items:
            return
        notifications = self._notifications(account, held, items, progress)
        ignored = await self._queue.put([each.to_message() for each in notifications])
        if ignored:  # no two found messages share an id; the link must not pass what is not queued
            raise QueueUnavailable(
                Phrase("The queue ignored {n} messages that a sweep found; they are put again.", n=ignored)
            )
        progress.queued += len(notifications)
        progress.overdue += sum(each.source is Source.SWEEP for each in notifications)

    def _notifications(
        self, account: Account, held: HeldSubscription | None, items: Sequence[FolderItem], progress: _Round
    ) -> list[Notification]:
        now = self._clock()
        prefix = uuid.uuid4().hex[:16]
        watched = held if not (progress.full_pass or progress.state.gap) else None
        return [
            Notification.of_found(
                account.account_id,
                each.message_id,
                source=Source.SWEEP if _is_overdue(each, watched, now) else Source.CATCH_UP,
                found=now,
                correlation=f"{prefix}-{number}",
            )
            for number, each in enumerate(items)
        ]

    # Missed notifications.

    async def _judge(self, account: Account) -> HeldSubscription | None:
        """Report missed notifications; have the subscription recreated when it happens again."""
        now = self._clock()
        account_id = account.account_id

        def read(connection: Connection) -> tuple[HeldSubscription | None, list[datetime]]:
            held = subscriptions.held(connection, [account_id]).get(account_id)
            return held, missed.unreported(connection, account_id, before=now - _JUDGED_AFTER)

        held, received = await self._database.read(read)
        if not received:
            return held
        recreating = await self._database.write(lambda connection: self._report(connection, account_id, received, now))
        self._metrics.missed.inc(len(received))
        log.warning(
            "notifications_missed",
            count=len(received),
            latest=received[-1].isoformat(),
            subscription=None if held is None else held.subscription_id,
            recreating=recreating,
        )
        return held

    def _report(self, connection: Connection, account_id: int, received: list[datetime], now: datetime) -> bool:
        held = subscriptions.held(connection, [account_id]).get(account_id)
        again = held is not None and missed.reported_since(connection, account_id, held.created)
        missed.mark_reported(connection, account_id, before=now - _JUDGED_AFTER, now=now)
        missed.forget(connection, account_id, before=now - _REMEMBERED_FOR)
        recreating = again and held is not None and held.created <= now - _TOO_YOUNG
        if recreating:
            subscriptions.ask_to_recreate(connection, account_id, now=now)
        accounts.set_condition(
            connection,
            Condition(
                account_id,
                NOTIFICATIONS_ROLE,
                "NotificationsMissed",
                _detail(received, recreating),
                since=now,
                next_attempt=now + _REPORTED_FOR,
            ),
        )
        return recreating


@asynccontextmanager
async def _meanwhile(call: Coroutine[Any, Any, T]) -> AsyncIterator["asyncio.Task[T]"]:
    """Make the call during the block, and cancel it if the block fails."""
    task = asyncio.create_task(call)
    try:
        yield task
    except BaseException:
        await background.cancel(task, within=_CANCEL_SECONDS)
        if task.done() and not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not log it: it is not the one to report
        raise


def _follow(link: str | None, swept: _SweptFolder, progress: _Round) -> None:
    """Note that the link is followed.

    Raises:
        SyncStateLost: it was before, in this turn: the pass would never come to its end.
    """
    if link is None:
        return
    digest = hashlib.sha256(link.encode()).digest()
    if digest in progress.followed:
        raise paged_in_a_circle(swept.mailbox)
    progress.followed.add(digest)


def _lost_again(lost: SyncStateLost) -> Phrase:
    return Phrase.joined(
        Phrase.of(lost),
        Phrase(
            "The pass through the folder had begun anew for that before, and does not come to its end: mail that no "
            "notification names is not imported meanwhile. Check for a proxy that limits the length of addresses or "
            "changes them."
        ),
    )


def _detail(received: list[datetime], recreating: bool) -> Phrase:
    found = Phrase.counted(
        "Graph did not notify of {n} message within three minutes, received {last:%Y-%m-%d %H:%M} UTC; a sweep found "
        "and imported it.",
        "Graph did not notify of {n} messages within three minutes, the last of them received {last:%Y-%m-%d %H:%M} "
        "UTC; a sweep found and imported them.",
        n=len(received),
        last=received[-1],
    )
    then = Phrase("If it happens again, the subscription is recreated.")
    if recreating:
        then = Phrase("It happened before, so the subscription is recreated.")
    read = Phrase("If this persists, check the receiver's response times (its metrics) and the proxy in front of it.")
    return Phrase.joined(found, then, read)


def _is_overdue(item: FolderItem, held: HeldSubscription | None, now: datetime) -> bool:
    """True if a webhook should have reported it by now."""
    return held is not None and item.received is not None and held.created < item.received <= now - NOTIFIED_WITHIN
