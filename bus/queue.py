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

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NewType, Protocol

MessageId = NewType("MessageId", str)
"""At most 128 characters (the limit of Service Bus)."""

TOO_MANY_DELIVERIES: Final = "MaxDeliveryCountExceeded"
"""The reason of the dead letters that the queue itself makes; Service Bus spells it so."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is put. `not_before`: nobody receives it earlier (aware, UTC)."""

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
class QueueStatus:
    """How many messages can be received now, are in the hands of consumers, wait for their time, are dead letters."""

    active: int
    locked: int
    scheduled: int
    dead: int
    oldest: datetime | None
    """When the oldest message that is not a dead letter was put."""


@dataclass(frozen=True, slots=True)
class ReplaySelection:
    """Which dead letters to replay: those that fit everything given; nothing given: all."""

    entries: Sequence[str] | None = None
    reason: str | None = None
    since: datetime | None = None
    """Dead-lettered at this time or later."""


class NotificationSender(Protocol):
    """What the receiver needs of the queue."""

    async def put(self, messages: Sequence[Message]) -> None:
        """Put messages durably: once this returns, a crash of any process loses none. Duplicates are ignored.

        All or nothing. Safe to repeat within the duplicate window.

        Raises:
            QueueUnavailable: nothing was put.
        """

    async def check(self) -> None:
        """Make sure that `put` would succeed now, without putting anything.

        Raises:
            QueueUnavailable: it would not.
        """


class NotificationConsumer(Protocol):
    """What a processor needs of the queue. Any number of consumers may compete."""

    async def receive(self, most: int, *, wait: timedelta) -> list[Delivery]:
        """Up to `most` deliveries as soon as there is one; an empty list after `wait`.

        Raises:
            QueueUnavailable: try again.
        """

    async def renew(self, delivery: Delivery) -> Delivery:
        """Start the lock's time anew. Use the returned delivery from now on.

        Raises:
            LockLost, QueueUnavailable
        """

    async def complete(self, delivery: Delivery) -> None:
        """The work is done; the message never comes again.

        Raises:
            LockLost: it may come again.
            QueueUnavailable
        """

    async def abandon(self, delivery: Delivery, *, delay: timedelta = timedelta(0), counted: bool = True) -> None:
        """Hand the message back, to be received again after `delay`.

        With `counted` false this delivery does not count toward the maximum: for trouble that is not the message's.

        Raises:
            LockLost, QueueUnavailable
        """

    async def dead_letter(self, delivery: Delivery, *, reason: str, description: str) -> None:
        """Put the message aside. `reason` is a fixed word, at most 100 characters; `description` is for a person.

        Raises:
            LockLost, QueueUnavailable
        """


class NotificationQueue(NotificationSender, NotificationConsumer, Protocol):
    """The whole queue; operators use the rest."""

    async def status(self) -> QueueStatus:
        """Count the messages.

        Raises:
            QueueUnavailable
        """

    async def peek(self, *, most: int, dead_letters: bool = False) -> list[QueuedMessage]:
        """Look at messages, oldest first, without touching them.

        Raises:
            QueueUnavailable
        """

    async def replay(self, selection: ReplaySelection) -> int:
        """Make dead letters active again, their deliveries counted from 0; how many. Safe to repeat.

        Raises:
            QueueUnavailable: some may have been replayed.
        """

    async def close(self) -> None:
        """Write what was submitted, then let go of all resources. Deliveries not settled come back."""
