"""Group commit: calls that arrive during a write share the next one.

A durable write costs much the same for one row as for a hundred. Nothing waits on a timer: an idle group writes at
once, and groups grow when writes are slower than arrivals.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommitClosed(Exception):
    """The group accepts no more items: its owner is shutting down."""


@dataclass(slots=True, eq=False)
class _Entry(Generic[Item, Result]):
    items: Sequence[Item]
    results: "asyncio.Future[Sequence[Result]]"


class GroupCommit(Generic[Item, Result]):
    """Combines many concurrent `submit` calls into few calls of `write`, `at_once` at a time at most.

    Another write begins beside one under way only when a quarter of `max_items` waits: it would make both smaller.

    `write` gets the items of several submits in order and returns one result for each. An exception of `write` reaches
    every submit of that group; `write` itself must keep one bad item from failing the others.

    A cancelled submit withdraws its items, unless their write has begun: then they may still be written.
    """

    def __init__(
        self, write: Callable[[list[Item]], Awaitable[Sequence[Result]]], *, max_items: int, at_once: int = 1
    ) -> None:
        self._write = write
        self._most_items = max_items
        self._at_once = at_once
        self._waiting: deque[_Entry[Item, Result]] = deque()
        self._writers: set[asyncio.Task[None]] = set()
        self._closed = False

    async def submit(self, items: Sequence[Item]) -> Sequence[Result]:
        """Write `items` in one group, possibly with those of other calls; return one result for each item, in order.

        Raises:
            GroupCommitClosed: `close` was called before.
            Whatever `write` raises.
        """
        if self._closed:
            raise GroupCommitClosed
        if not items:
            return []
        entry: _Entry[Item, Result] = _Entry(items, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        if not self._writers or (len(self._writers) < self._at_once and len(self._waiting) >= self._most_items // 4):
            self._writers.add(asyncio.create_task(self._drain()))
        try:
            return await entry.results
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                self._waiting.remove(entry)
            raise

    async def close(self) -> None:
        """Refuse new items and wait until all submitted items are written."""
        self._closed = True
        if self._writers:
            await asyncio.wait(self._writers)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._write_group(self._take_group())
                await asyncio.sleep(0)  # those who have their results may submit again: for the next group
        finally:
            self._writers -= {asyncio.current_task()}

    def _take_group(self) -> list[_Entry[Item, Result]]:
        group = [self._waiting.popleft()]
        size = len(group[0].items)
        while self._waiting and size + len(self._waiting[0].items) <= self._most_items:
            size += len(self._waiting[0].items)
            group.append(self._waiting.popleft())
        return group

    async def _write_group(self, group: list[_Entry[Item, Result]]) -> None:
        items = [item for entry in group for item in entry.items]
        try:
            results = await self._write(items)
        except BaseException as exc:
            for entry in group:
                _fail(entry.results, exc)
            if not isinstance(exc, Exception):
                raise
            return
        start = 0
        for entry in group:
            end = start + len(entry.items)
            if not entry.results.done():
                entry.results.set_result(results[start:end])
            start = end


def _fail(future: "asyncio.Future[Sequence[Result]]", exc: BaseException) -> None:
    if future.done():
        return
    if isinstance(exc, Exception):
        future.set_exception(exc)
    else:
        future.cancel()
