"""Deletes old messages, or only the contents of their attachments, in small batches."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection

from db.engine import Database
from db.queries import filtered, retention
from db.queries.retention import Bounds, Content, OldMessage

OnProgress = Callable[[int], None]

_PAGE: Final = 500
_PAUSE_SECONDS: Final = 0.2
_MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PurgeSelection:
    """The selection to purge: messages before that time (aware, whole seconds), of one account or (None) of all."""

    before: datetime
    account_id: int | None = None
    attachments_only: bool = False


@dataclass(slots=True)
class Purged:
    """The progress. `size`: bytes of the contents of attachments and of originals.

    `originals`: messages whose MIME was kept; `seen`: records of filtered messages. With `attachments_only`,
    `attachments` counts contents, and `messages` those that had any.
    """

    messages: int = 0
    attachments: int = 0
    size: int = 0
    originals: int = 0
    seen: int = 0

    def add(self, more: "Purged") -> None:
        """Add the counts of `more`."""
        self.messages += more.messages
        self.attachments += more.attachments
        self.originals += more.originals
        self.size += more.size
        self.seen += more.seen


@dataclass(frozen=True, slots=True)
class PurgeLimits:
    """Limits of one transaction: for whole messages, and for contents, which are large."""

    messages: Bounds = field(default=Bounds(keys=200, rows=2_000, size=64 * _MEBIBYTE))
    contents: Bounds = field(default=Bounds(keys=200, rows=200, size=16 * _MEBIBYTE))


class Purging:
    """Deletes few rows at a time: no transaction is long, and other processes work in between.

    It may be interrupted between any two of them, and run again.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        limits: PurgeLimits | None = None,
    ) -> None:
        self.database = database
        self._clock = clock
        self._sleep = sleep
        self._limits = limits or PurgeLimits()

    async def count(self, order: PurgeSelection, on_progress: OnProgress) -> Purged:
        """Count the selection, without purging it.

        Raises:
            DatabaseUnavailable
        """
        found = Purged()
        async for account_id in self._accounts(order):
            async for page in self._pages(order, account_id):
                for each in page:
                    if not order.attachments_only:
                        found.add(Purged(1, each.attachments, each.size, each.originals))
                    elif each.contents or each.originals:
                        found.add(Purged(1, each.contents, each.size, each.originals))
                on_progress(found.messages)
            if not order.attachments_only:
                found.seen += await self._seen(order, account_id)
        return found

    async def purge(self, order: PurgeSelection, purged: Purged, on_progress: OnProgress) -> None:
        """Delete the selection. `purged` is the progress, valid after an interruption, too.

        Raises:
            DatabaseUnavailable, MessagesInUse: some of it may be deleted.
        """
        async for account_id in self._accounts(order):
            if order.attachments_only:
                await self._purge_contents(order, account_id, purged, on_progress)
            else:
                await self._purge_messages(order, account_id, purged, on_progress)

    async def _purge_messages(
        self, order: PurgeSelection, account_id: int, purged: Purged, on_progress: OnProgress
    ) -> None:
        bounds, before, now = self._limits.messages, order.before, self._clock()

        def work(connection: Connection) -> Purged | None:
            found = retention.old_messages(connection, account_id, before=before, after=None, limit=bounds.keys)
            some = retention.first_of(found, bounds)
            if not some:
                return None
            return Purged(
                retention.delete_messages(connection, some),
                sum(each.attachments for each in some),
                sum(each.size for each in some),
                sum(each.originals for each in some),
            )

        def forget(connection: Connection) -> Purged | None:
            done = filtered.delete_old(connection, account_id, before=before, limit=bounds.keys)
            return Purged(seen=done) if done else None

        if not await self._page(order, account_id, after=None, limit=1) and not await self._seen(order, account_id):
            return
        await self.database.write(lambda connection: retention.forgo(connection, account_id, before=before, now=now))
        for each in (work, forget):
            while await self._carried_out(each, purged, on_progress):
                await self._sleep(_PAUSE_SECONDS)

    async def _purge_contents(
        self, order: PurgeSelection, account_id: int, purged: Purged, on_progress: OnProgress
    ) -> None:
        async for page in self._pages(order, account_id):
            full = [each for each in page if each.contents or each.originals]
            contents = await self._contents_of(full) if full else []
            for some in retention.in_transactions(contents, self._limits.contents):
                await self._carried_out(partial(_emptied, some), purged, on_progress)
                await self._sleep(_PAUSE_SECONDS)
            purged.messages += len(full)

    async def _carried_out(
        self, work: Callable[[Connection], Purged | None], purged: Purged, on_progress: OnProgress
    ) -> bool:
        """Run one transaction, and count its work; False: there was nothing to do."""
        writing = asyncio.ensure_future(self.database.write(work))
        try:
            await asyncio.wait([writing])
        finally:
            # Even if cancelled meanwhile, the transaction runs to its end.
            done = await writing
            purged.add(done or Purged())
        on_progress(purged.messages)
        return done is not None

    async def _accounts(self, order: PurgeSelection) -> AsyncIterator[int]:
        if order.account_id is not None:
            yield order.account_id
            return
        number: int | None = None
        while (number := await self._next_account(number)) is not None:
            yield number

    async def _pages(self, order: PurgeSelection, account_id: int) -> AsyncIterator[list[OldMessage]]:
        after: OldMessage | None = None
        while page := await self._page(order, account_id, after=after, limit=_PAGE):
            yield page
            after = page[-1]

    async def _next_account(self, number: int | None) -> int | None:
        return await self.database.read(lambda connection: retention.next_account(connection, number))

    async def _page(
        self, order: PurgeSelection, account_id: int, *, after: OldMessage | None, limit: int
    ) -> list[OldMessage]:
        return await self.database.read(
            lambda connection: retention.old_messages(
                connection, account_id, before=order.before, after=after, limit=limit
            )
        )

    async def _seen(self, order: PurgeSelection, account_id: int) -> int:
        return await self.database.read(
            lambda connection: filtered.count_old(connection, account_id, before=order.before)
        )

    async def _contents_of(self, messages: Sequence[OldMessage]) -> list[Content]:
        return await self.database.read(lambda connection: retention.contents_of(connection, messages))


def _emptied(contents: Sequence[Content], connection: Connection) -> Purged:
    originals = sum(each.is_original for each in contents)
    done = retention.delete_contents(connection, contents)
    return Purged(0, max(0, done - originals), sum(each.size for each in contents), originals)
