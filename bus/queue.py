"""The queue as its users see it.

The words, which are those of Azure Service Bus
(https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement):

*message*: what is put: an id, a body, an account.
*delivery*: a message handed to one consumer under a *lock*, for a time; nobody else gets it until the lock ends.
*settle*: end a delivery. *complete*: done, gone. *abandon*: hand it back, at once or after a delay. *dead-letter*: put
it aside with a reason, for an operator. A delivery that nobody settles comes back when its lock expires.
*delivery count*: how often it was handed out, this time included. Over the maximum, it is dead-lettered.
*duplicate*: a message whose id was put before, within the *duplicate window*; it is ignored.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NewType, Protocol

MessageId = NewType("MessageId", str)
"""At most 128 characters (the limit of Service Bus)."""

TOO_MANY_DELIVERIES: Final = "MaxDeliveryCountExceeded"
"""The reason of the dead letters that the queue itself makes; Service Bus spells it so."""
MAX_DELAY: Final = timedelta(minutes=90)
"""Until a message is received again that was handed back, or is received that was put for later."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to put. `not_before`: it is not received earlier (aware, UTC; MAX_DELAY ahead at most)."""

    message_id: MessageId
    body: str
    account_id: int | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message in the hands of one consumer until `locked_until`."""

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
    """A message in the queue, as an operator sees it. `entry` names it among all, dead letters of the same id too."""

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
    """What `QueueStatus` counts, of one account; `account_id` is None for messages that belong to none."""

    account_id: int | None
    active: int = 0
    locked: int = 0
    scheduled: int = 0
    dead: int = 0
    oldest: datetime | None = None
    """When the oldest message that is not a dead letter was put."""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """How many messages can be received now, are in the hands of consumers, wait for their time, are dead letters."""

    accounts: Sequence[AccountStatus]
    tells_locked: bool = True
    """False: the queue does not tell what consumers have in hand; it is counted as active."""
    complete: bool = True
    """False: there are more messages than were counted."""

    @property
    def active(self) -> int:
        """Of all accounts."""
        return sum(each.active for each in self.accounts)

    @property
    def locked(self) -> int:
        """Of all accounts."""
        return sum(each.locked for each in self.accounts)

    @property
    def scheduled(self) -> int:
        """Of all accounts."""
        return sum(each.scheduled for each in self.accounts)

    @property
    def dead(self) -> int:
        """Of all accounts."""
        return sum(each.dead for each in self.accounts)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest message that is not a dead letter was put."""
        return min((each.oldest for each in self.accounts if each.oldest is not None), default=None)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages an operator means: those that fit everything given; nothing given: all.

    `reason` and the times are those of dead letters: put aside at `since` or later, before `until`.
    """

    entries: Sequence[str] | None = None
    account_id: int | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, message: QueuedMessage) -> bool:
        """Whether the message is meant."""
        dead_lettered = message.dead_lettered
        return (
            (self.entries is None or message.entry in self.entries)
            and (self.account_id is None or message.account_id == self.account_id)
            and (self.reason is None or message.reason == self.reason)
            and (self.since is None or (dead_lettered is not None and dead_lettered >= self.since))
            and (self.until is None or (dead_lettered is not None and dead_lettered < self.until))
        )


EVERYTHING: Final = Selection()


class NotificationSender(Protocol):
    """What the receiver needs of the queue."""

    async def put(self, messages: Sequence[Message]) -> int:
        """Put messages durably: once this returns, a crash of any process loses none. Duplicates are ignored.

        Safe to repeat within the duplicate window. Returns how many were ignored; 0 also where the queue does not
        report them, as Service Bus does not.

        Raises:
            QueueUnavailable: not all was put, or nobody knows.
        """

    async def check(self) -> None:
        """Make sure that `put` would succeed now, without putting anything.

        Raises:
            QueueUnavailable: it would not.
        """


class CatchUpQueue(NotificationSender, Protocol):
    """What catch-up needs of the queue."""

    async def waiting(self, *, limit: int) -> int:
        """How many messages can be received now, counted up to `limit`.

        Raises:
            QueueUnavailable
        """


class NotificationConsumer(Protocol):
    """What a processor needs of the queue. Any number of consumers may compete."""

    async def receive(self, limit: int, *, wait: timedelta) -> list[Delivery]:
        """Up to `limit` deliveries as soon as there is one; an empty list after `wait`.

        Raises:
            QueueUnavailable: try again.
        """

    async def renew(self, delivery: Delivery) -> Delivery:
        """Start the lock's time anew. Use the returned delivery from now on.

        Raises:
            LockLost, QueueUnavailable
        """

    async def complete(self, delivery: Delivery, *, remembered: bool = True) -> None:
        """The work is done; the message never comes again.

        With `remembered` false its id is free at once, where the queue can do so (Service Bus cannot): put again within
        the duplicate window, it is queued.

        Raises:
            LockLost: it may come again.
            QueueUnavailable
        """

    async def abandon(self, delivery: Delivery, *, delay: timedelta = timedelta(0), counted: bool = True) -> None:
        """Hand the message back, to be received again after `delay`, which is MAX_DELAY at most.

        With `counted` false this delivery does not count toward the maximum: for trouble that is not the message's.

        Raises:
            LockLost, QueueUnavailable
        """

    async def dead_letter(self, delivery: Delivery, *, reason: str, description: str) -> None:
        """Put the message aside. `reason` is a fixed word, at most 100 characters; `description` is for a person.

        Raises:
            LockLost, QueueUnavailable
        """


class NotificationQueue(CatchUpQueue, NotificationConsumer, Protocol):
    """The whole queue; operators use the rest."""

    async def status(self) -> QueueStatus:
        """Count the messages.

        Raises:
            QueueUnavailable
        """

    async def peek(
        self, *, limit: int, dead_letters: bool = False, selection: Selection = EVERYTHING, after: str | None = None
    ) -> list[QueuedMessage]:
        """Look at messages of the selection, oldest first, without touching them.

        `after`: begin behind that entry, to look at many page by page.

        Raises:
            QueueUnavailable
        """

    def replay(self, entries: Sequence[str], *, at_once: int = 100) -> AsyncIterator[list[str]]:
        """Make these dead letters active again, their deliveries counted from 0; unknown entries are left out.

        Gives, batch by batch of `at_once` at most, the entries that were replayed: who takes the next batch later
        replays slower. Safe to repeat: a replay that dies in the middle has lost nothing.

        Raises:
            QueueUnavailable: what was given before is replayed.
        """

    def purge(self, entries: Sequence[str], *, dead_letters: bool, at_once: int = 100) -> AsyncIterator[list[str]]:
        """Delete these messages for good; those in the hands of consumers, and unknown entries, are left out.

        Gives, batch by batch, the entries that were deleted.

        Raises:
            QueueUnavailable: what was given before is deleted.
        """

    async def close(self) -> None:
        """Write what was submitted, then let go of all resources. Deliveries not settled come back."""
