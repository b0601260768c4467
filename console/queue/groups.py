"""Dead letters, and what is scheduled for another attempt: by account and reason, and page by page."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bus.queue import NotificationQueue, QueuedMessage, Selection
from console.queue.maintenance import key_of
from db.engine import Database
from db.keys import MessageKey
from db.queries import failures
from db.queries.failures import Failure

_AT_ONCE: Final = 500
_MAX_READS: Final = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Messages of a kind: of dead letters, or of what is `scheduled`.

    `account`: the number of the account, empty for messages of none; None: of any. `reason`: that of the last failure,
    empty for messages without one; None: of any.
    """

    scheduled: bool
    account: str | None = None
    reason: str | None = None

    def takes(self, message: "FailedMessage") -> bool:
        """True if the message is wanted."""
        account = "" if message.account_id is None else str(message.account_id)
        return self.account in {None, account} and self.reason in {None, message.reason or ""}

    @property
    def selection(self) -> Selection | None:
        """These messages, for `QueueMaintenance`; None: they can be named by their entries alone."""
        if self.account == "" or self.reason == "":
            return None
        return Selection(account_id=None if self.account is None else int(self.account), reason=self.reason)


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A message of the queue, with what is known of its failure. `key`: None of no mail, or where it was not read."""

    message: QueuedMessage
    key: MessageKey | None
    failure: Failure | None

    @property
    def account_id(self) -> int | None:
        """The number of the account."""
        return self.message.account_id

    @property
    def reason(self) -> str | None:
        """The reason of the last failure, a fixed word."""
        if self.message.dead_lettered is not None or self.failure is None:
            return self.message.reason
        return self.failure.reason

    @property
    def detail(self) -> str | None:
        """The description of the last failure."""
        if self.failure is not None and self.failure.detail:
            return self.failure.detail
        return self.message.description

    @property
    def failed(self) -> datetime | None:
        """The time of the last failure."""
        return self.message.dead_lettered or (None if self.failure is None else self.failure.failed)

    @property
    def attempts(self) -> int:
        """The failed attempts, as far as they are known."""
        return self.message.delivery_count if self.failure is None else self.failure.attempts


@dataclass(frozen=True, slots=True)
class Groups:
    """Numbers of messages by their account and reason. `complete`: all were counted, and not the oldest alone."""

    counts: Mapping[tuple[int | None, str | None], int]
    complete: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Messages, oldest first. `after`: the entry behind which the next page begins; None: there is none."""

    messages: Sequence[FailedMessage]
    after: str | None


class FailedMessages:
    """Reads them without changing anything."""

    def __init__(self, queue: NotificationQueue, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._queue = queue
        self._database = database
        self._clock = clock

    async def groups(self, *, scheduled: bool, limit: int) -> Groups:
        """Count the messages, up to the oldest `limit` of them.

        Raises:
            QueueUnavailable, DatabaseUnavailable
        """
        wanted = Wanted(scheduled)
        counts: Counter[tuple[int | None, str | None]] = Counter()
        after: str | None = None
        while (left := limit - counts.total()) > 0:
            found = await self._read(wanted, after, min(_AT_ONCE, left), with_failures=scheduled)
            counts.update((each.account_id, each.reason or None) for each in found)
            if len(found) < min(_AT_ONCE, left):
                return Groups(counts, complete=True)
            after = found[-1].message.entry
        return Groups(counts, complete=not await self._read(wanted, after, 1, with_failures=False))

    async def page(self, wanted: Wanted, *, after: str | None, limit: int) -> Page:
        """Up to `limit` messages behind an entry; fewer, with `after`, where few of many are wanted.

        Raises:
            QueueUnavailable, DatabaseUnavailable
        """
        size = limit + 1 if wanted.selection is not None and not wanted.scheduled else _AT_ONCE
        found: list[FailedMessage] = []
        for _ in range(_MAX_READS):
            read = await self._read(wanted, after, size, with_failures=True)
            for each in filter(wanted.takes, read):
                if len(found) == limit:
                    return Page(found, found[-1].message.entry)
                found.append(each)
            if len(read) < size:
                return Page(found, None)
            after = read[-1].message.entry
        return Page(found, after)

    async def _read(self, wanted: Wanted, after: str | None, limit: int, *, with_failures: bool) -> list[FailedMessage]:
        account_id = int(wanted.account) if wanted.account else None
        if wanted.scheduled:
            selection = Selection(account_id=account_id, due_after=self._clock())
        else:
            selection = Selection(account_id=account_id, reason=wanted.reason or None)
        messages = await self._queue.peek(
            limit=limit, dead_letters=not wanted.scheduled, selection=selection, after=after
        )
        if not with_failures:
            return [FailedMessage(each, None, None) for each in messages]
        keys = {each.entry: key for each in messages if (key := key_of(each)) is not None}
        known: Mapping[MessageKey, Failure] = {}
        if keys:
            known = await self._database.read(lambda connection: failures.of_ids(connection, set(keys.values())))
        return [FailedMessage(each, key := keys.get(each.entry), known.get(key or (0, ""))) for each in messages]
