"""The port of the queue.

The terms are those of Azure Service Bus
(https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement):

*message*: the unit that is put: an id, a body, an account.
*delivery*: a message given to one consumer under a *lock*, for a time; no other consumer gets it until the lock ends.
*settle*: end a delivery. *complete*: done, gone. *abandon*: return it, at once or after a delay. *dead-letter*: set
it aside with a reason, for an operator. A delivery that is not settled comes back when its lock expires.
*delivery count*: the number of deliveries, this one included. Over the maximum, the message is dead-lettered.
*duplicate*: a message whose id was put before, within the *duplicate window*; it is ignored.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NewType, Protocol

MessageId = NewType("MessageId", str)
"""At most 128 characters (the limit of Service Bus)."""

TOO_MANY_DELIVERIES: Final = "MaxDeliveryCountExceeded"
"""The reason of the dead letters that the queue itself makes, as Service Bus spells it."""
MAX_DELAY: Final = timedelta(minutes=90)
"""Maximum time until a message that was abandoned, or put for later, is received again."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to put. `not_before`: it is not received earlier (aware, UTC; MAX_DELAY ahead at most)."""

    message_id: MessageId
    body: str
    account_id: int | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message locked for one consumer until `locked_until`."""

    message_id: MessageId
    body: str
    account_id: int | None
    enqueued: datetime
    delivery_count: int
    locked_until: datetime
    handle: object = field(repr=False)
    """The adapter's own."""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message in the queue, as shown to an operator. `entry` identifies it, also among dead letters of one id."""

    entry: str
    message_id: MessageId
    body: str
    account_id: int | None
    enqueued: datetime
    visible: datetime
    delivery_count: int
    locked: bool
    reason: str | None = None
    description: str | None = None
    dead_lettered: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """The counts of `QueueStatus` for one account; `account_id` is None for messages that belong to none."""

    account_id: int | None
    active: int = 0
    locked: int = 0
    scheduled: int = 0
    dead: int = 0
    oldest: datetime | None = None
    """Put time of the oldest message that is not a dead letter."""
    waiting_since: datetime | None = None
    """Time since which an active message could have been received; of a scheduled one, its time."""

    @property
    def outstanding(self) -> int:
        """Messages that are to be imported: all but the dead letters."""
        return self.active + self.locked + self.scheduled


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The numbers of messages that are active, locked by consumers, scheduled for later, or dead letters."""

    accounts: Sequence[AccountStatus]
    reports_locked: bool = True
    """False: the queue does not report locked messages; they are counted as active."""
    complete: bool = True
    """False: there are more messages than were counted."""

    @property
    def active(self) -> int:
        """Sum of all accounts."""
        return sum(each.active for each in self.accounts)

    @property
    def locked(self) -> int:
        """Sum of all accounts."""
        return sum(each.locked for each in self.accounts)

    @property
    def scheduled(self) -> int:
        """Sum of all accounts."""
        return sum(each.scheduled for each in self.accounts)

    @property
    def dead(self) -> int:
        """Sum of all accounts."""
        return sum(each.dead for each in self.accounts)

    @property
    def oldest(self) -> datetime | None:
        """Put time of the oldest message that is not a dead letter."""
        return min((each.oldest for each in self.accounts if each.oldest is not None), default=None)

    @property
    def waiting_since(self) -> datetime | None:
        """The earliest of all accounts."""
        return min((each.waiting_since for each in self.accounts if each.waiting_since is not None), default=None)


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection of messages: those that match all given criteria; none given: all.

    `reason` and the times are those of dead letters: dead-lettered at `since` or later, before `until`. `due_after`:
    only what is scheduled for later than that, and not locked.
    """

    entries: Sequence[str] | None = None
    account_id: int | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    due_after: datetime | None = None

    def takes(self, message: QueuedMessage) -> bool:
        """True if the message is selected."""
        dead_lettered = message.dead_lettered
        return (
            (self.entries is None or message.entry in self.entries)
            and (self.account_id is None or message.account_id == self.account_id)
            and (self.reason is None or message.reason == self.reason)
            and (self.since is None or (dead_lettered is not None and dead_lettered >= self.since))
            and (self.until is None or (dead_lettered is not None and dead_lettered < self.until))
            and (self.due_after is None or (message.visible > self.due_after and not message.locked))
        )


EVERYTHING: Final = Selection()


class NotificationSender(Protocol):
    """The port of the receiver."""

    async def put(self, messages: Sequence[Message]) -> int:
        """Put messages durably: once this returns, a crash of any process loses none. Duplicates are ignored.

        Safe to repeat within the duplicate window. Returns the number ignored; 0 also where the queue does not report
        them, as Service Bus does not.

        Raises:
            QueueUnavailable: not all was put, or the outcome is unknown.
        """

    async def check(self) -> None:
        """Ensure that `put` would succeed now, without putting anything.

        Raises:
            QueueUnavailable: it would not.
        """


class CatchUpQueue(NotificationSender, Protocol):
    """The port of catch-up."""

    async def waiting(self, *, limit: int) -> int:
        """Count the messages that can be received now, up to `limit`.

        Raises:
            QueueUnavailable
        """


class NotificationConsumer(Protocol):
    """The port of a processor. Any number of consumers may compete."""

    async def receive(self, limit: int, *, wait: timedelta) -> list[Delivery]:
        """Receive up to `limit` deliveries once there is one; an empty list after `wait`.

        Raises:
            QueueUnavailable: try again.
        """

    async def renew(self, delivery: Delivery) -> Delivery:
        """Restart the time of the lock. Use the returned delivery from now on.

        Raises:
            LockLost, QueueUnavailable
        """

    async def complete(self, delivery: Delivery, *, remembered: bool = True) -> None:
        """End the delivery as done; the message never comes again.

        With `remembered` false its id is free at once, where the queue can do so (Service Bus cannot): put again within
        the duplicate window, it is queued.

        Raises:
            LockLost: it may come again.
            QueueUnavailable
        """

    async def abandon(self, delivery: Delivery, *, delay: timedelta = timedelta(0), counted: bool = True) -> None:
        """Abandon the delivery: the message is received again after `delay`, which is MAX_DELAY at most.

        With `counted` false this delivery does not count toward the maximum: for errors not of the message itself.

        Raises:
            LockLost, QueueUnavailable
        """

    async def dead_letter(self, delivery: Delivery, *, reason: str, description: str) -> None:
        """Dead-letter the message. `reason` is a fixed word, at most 100 characters; `description` is for the operator.

        Raises:
            LockLost, QueueUnavailable
        """


class NotificationQueue(CatchUpQueue, NotificationConsumer, Protocol):
    """The whole queue; the rest is for operators."""

    async def status(self) -> QueueStatus:
        """Count the messages.

        Raises:
            QueueUnavailable
        """

    async def peek(
        self, *, limit: int, dead_letters: bool = False, selection: Selection = EVERYTHING, after: str | None = None
    ) -> list[QueuedMessage]:
        """Read messages of the selection, oldest first, without changing them.

        `after`: begin behind that entry, to page through many.

        Raises:
            QueueUnavailable
        """

    def replay(self, entries: Sequence[str], *, at_once: int = 100) -> AsyncGenerator[list[str], None]:
        """Make these dead letters active again, with a delivery count of 0; unknown entries are skipped.

        Yields, batch by batch of `at_once` at most, the entries that were replayed: a caller that requests the next
        batch later replays slower. Safe to repeat: a replay that dies midway has lost nothing.

        Raises:
            QueueUnavailable: entries yielded before are replayed.
        """

    def make_due(self, entries: Sequence[str], *, at_once: int = 100) -> AsyncGenerator[list[str], None]:
        """Make these messages, scheduled for later, receivable at once; their delivery counts stay.

        Others, and unknown entries, are skipped. Yields as `replay` does, and is as safe to repeat.

        Raises:
            QueueUnavailable: entries yielded before are due.
        """

    def purge(
        self, entries: Sequence[str], *, dead_letters: bool, at_once: int = 100
    ) -> AsyncGenerator[list[str], None]:
        """Delete these messages for good; those locked by consumers, and unknown entries, are skipped.

        Yields, batch by batch, the entries that were deleted.

        Raises:
            QueueUnavailable: entries yielded before are deleted.
        """

    async def close(self) -> None:
        """Write pending items, then release all resources. Deliveries not settled come back."""
