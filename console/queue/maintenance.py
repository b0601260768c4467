"""Bulk operations on the messages of the queue: replay and purge."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from bus.notification import Notification, UnreadableNotification
from bus.queue import MessageId, NotificationQueue, QueuedMessage, Selection
from db.engine import Database
from db.keys import MessageKey
from db.outcomes import Outcome
from db.queries import failures, trace
from db.queries.history import Author
from db.queries.messages import known
from db.queries.trace import TraceRow
from phrases import Phrase

OnProgress = Callable[[int], None]

_PAGE: Final = 500
_AT_ONCE: Final = 100


@dataclass(slots=True)
class BatchProgress:
    """The progress. `known`: of those selected, imported already; `done`: replayed, or purged."""

    selected: int = 0
    known: int = 0
    done: int = 0

    def left(self) -> Phrase | None:
        """The text about those selected that were not done, at the end."""
        count = self.selected - self.done
        if count <= 0:
            return None
        return Phrase.counted(
            "{n} of the messages selected was left: another process has it, or it is gone by now.",
            "{n} of the messages selected were left: another process has them, or they are gone by now.",
            n=count,
        )


class QueueMaintenance:
    """Processes the selection page by page, so that it may be large, and the run may be interrupted and repeated."""

    def __init__(
        self,
        queue: NotificationQueue,
        database: Database,
        *,
        author: Author,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._queue = queue
        self.database = database
        self.author = author
        self.clock = clock
        self._sleep = sleep

    async def messages(self, selection: Selection, limit: int, dead_letters: bool) -> list[QueuedMessage]:
        """The oldest messages of the selection.

        Raises:
            QueueUnavailable
        """
        return await self._queue.peek(limit=limit, dead_letters=dead_letters, selection=selection)

    async def reasons(self, *, scheduled: bool) -> dict[str, int]:
        """The reasons of all dead letters, or of all that is scheduled for another attempt, with their numbers.

        Raises:
            QueueUnavailable, DatabaseUnavailable
        """
        if scheduled:
            return await self.database.read(failures.reasons)
        found: Counter[str] = Counter()
        async for page in self._dead_letters(Selection()):
            found.update(each.reason for each in page if each.reason is not None)
        return dict(found)

    async def anything_scheduled(self) -> bool:
        """True if a message is scheduled for later.

        Raises:
            QueueUnavailable
        """
        return bool(await self._queue.peek(limit=1, selection=Selection(due_after=self.clock())))

    async def count(self, selection: Selection, *, dead_letters: bool, most: int | None = None) -> BatchProgress:
        """Count the selection, without changing it; about up to `most`.

        Raises:
            QueueUnavailable, DatabaseUnavailable
        """
        return await self._counted(self._pages(selection, dead_letters=dead_letters), most)

    async def _counted(self, pages: AsyncIterator[list[QueuedMessage]], most: int | None = None) -> BatchProgress:
        found = BatchProgress()
        async for page in pages:
            found.selected += len(page)
            found.known += await self._known(page)
            if most is not None and found.selected >= most:
                break
        return found

    async def count_replay(self, selection: Selection, *, scheduled: bool) -> BatchProgress:
        """Count what `replay` would, without changing it.

        Raises:
            QueueUnavailable, DatabaseUnavailable
        """
        return await self._counted(self._scheduled(selection) if scheduled else self._dead_letters(selection))

    async def replay(
        self,
        selection: Selection,
        progress: BatchProgress,
        *,
        scheduled: bool,
        rate: float | None,
        why: str | None,
        on_progress: OnProgress,
    ) -> None:
        """Replay the dead letters of the selection, at most `rate` a second, and record it in the trace of each.

        With `scheduled`, what is scheduled for later is made due instead; `reason` and times of the selection are then
        those of its last failure.

        Raises:
            QueueUnavailable, DatabaseUnavailable: `progress` has the progress.
        """
        at_once = _AT_ONCE if rate is None else max(1, min(_AT_ONCE, int(rate)))
        pages = self._scheduled(selection) if scheduled else self._dead_letters(selection)
        replay = self._queue.make_due if scheduled else self._queue.replay
        outcome = Outcome.MADE_DUE if scheduled else Outcome.REPLAYED
        replayed: set[MessageId] = set()
        async for page in pages:
            # One that failed again meanwhile may have a new entry behind this page; replayed again, it would never end.
            anew = [each for each in page if each.message_id not in replayed]
            progress.selected += len(anew)
            progress.known += await self._known(anew)
            by_entry = {each.entry: each for each in anew}
            async with aclosing(replay(list(by_entry), at_once=at_once)) as batches:
                async for batch in batches:
                    progress.done += len(batch)
                    done = [by_entry[entry] for entry in batch]
                    replayed.update(each.message_id for each in done)
                    await self._note(done, outcome, why)
                    on_progress(progress.done)
                    if rate is not None:
                        await self._sleep(len(batch) / rate)

    async def purge(
        self,
        selection: Selection,
        progress: BatchProgress,
        *,
        dead_letters: bool,
        why: str | None,
        on_progress: OnProgress,
    ) -> None:
        """Delete the messages of the selection for good, and record it in the trace of each.

        Raises:
            QueueUnavailable, DatabaseUnavailable: `progress` has the progress.
        """
        async for page in self._pages(selection, dead_letters=dead_letters):
            progress.selected += len(page)
            by_entry = {each.entry: each for each in page}
            purging = self._queue.purge(list(by_entry), dead_letters=dead_letters, at_once=_AT_ONCE)
            async with aclosing(purging) as batches:
                async for batch in batches:
                    progress.done += len(batch)
                    await self._note([by_entry[entry] for entry in batch], Outcome.PURGED, why)
                    on_progress(progress.done)

    async def _pages(self, selection: Selection, *, dead_letters: bool) -> AsyncIterator[list[QueuedMessage]]:
        after = None
        while page := await self._queue.peek(limit=_PAGE, dead_letters=dead_letters, selection=selection, after=after):
            yield page
            after = page[-1].entry

    def _dead_letters(self, selection: Selection) -> AsyncIterator[list[QueuedMessage]]:
        return self._pages(selection, dead_letters=True)

    async def _scheduled(self, selection: Selection) -> AsyncIterator[list[QueuedMessage]]:
        """Pages of what is scheduled for later. The reasons and times of its failures are those of the database."""
        by_failure = any(each is not None for each in (selection.reason, selection.since, selection.until))
        scheduled = replace(selection, reason=None, since=None, until=None, due_after=self.clock())
        async for page in self._pages(scheduled, dead_letters=False):
            yield await self._failed(page, selection) if by_failure else page

    async def _failed(self, page: Sequence[QueuedMessage], selection: Selection) -> list[QueuedMessage]:
        keys = {each.entry: key for each in page if (key := key_of(each)) is not None}
        found = await self.database.read(lambda connection: failures.of_ids(connection, set(keys.values())))

        def is_selected(message: QueuedMessage) -> bool:
            failure = found.get(keys.get(message.entry, (0, "")))
            return (
                failure is not None
                and (selection.reason is None or failure.reason == selection.reason)
                and (selection.since is None or failure.failed >= selection.since)
                and (selection.until is None or failure.failed < selection.until)
            )

        return [each for each in page if is_selected(each)]

    async def _known(self, page: Sequence[QueuedMessage]) -> int:
        keys = [key for each in page if (key := key_of(each)) is not None]
        return len(await self.database.read(lambda connection: known(connection, keys)))

    async def _note(self, messages: Sequence[QueuedMessage], outcome: Outcome, why: str | None) -> None:
        now = self.clock()
        rows = []
        keys = []
        for each in messages:
            key = key_of(each)
            if key is not None:
                keys.append(key)
            rows.append(
                TraceRow(
                    account_id=each.account_id if key is None else key[0],
                    graph_id=None if key is None else key[1],
                    host=self.author.host,
                    started=now,
                    ended=now,
                    outcome=outcome,
                    source="operator",
                    queue_message_id=each.message_id,
                    reason=each.reason,
                    detail=_asked_by(self.author.who, why),
                )
            )

        def work(connection: Connection) -> None:
            trace.add(connection, rows)
            if outcome is Outcome.PURGED:
                failures.forget(connection, keys)
            else:
                failures.requeue(connection, keys, now=now, anew=outcome is Outcome.REPLAYED)

        await self.database.write(work)


def _asked_by(who: str, why: str | None) -> Phrase:
    if why is None:
        return Phrase("Requested by {who}.", who=who)
    return Phrase("Requested by {who}: {why}", who=who, why=why)


def key_of(message: QueuedMessage) -> MessageKey | None:
    """The key of the mail that the message is about; None: of none, or it cannot be read."""
    try:
        notification = Notification.from_json(message.body)
    except UnreadableNotification:
        return None
    return None if notification.message_id is None else (notification.account_id, notification.message_id)
