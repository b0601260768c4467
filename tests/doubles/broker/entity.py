"""One queue with its dead letters, with the semantics of Service Bus. No I/O; `now` is the queue's time in seconds."""

import heapq
import itertools
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.doubles.broker.wire import Content

_COUNTED: Final = ("sent", "duplicates", "completed", "delivered", "renewed")


@dataclass(eq=False)
class Stored:
    """A message in the queue."""

    sequence: int
    content: Content
    enqueued: float
    visible: float
    """Before this time it is scheduled."""
    delivery_count: int = 0
    token: uuid.UUID | None = None
    locked_until: float = 0.0
    gone: bool = False


@dataclass
class Rules:
    """Creation settings of the queue."""

    lock_seconds: float = 60.0
    duplicate_window_seconds: float = 600.0
    max_delivery_count: int = 10
    max_message_bytes: int = 262_144


class LockIsLost(Exception):
    """The token locks no message any more."""


@dataclass
class Entity:
    """A queue, or the dead letters of one, which have no queue of dead letters of their own."""

    rules: Rules
    now: Callable[[], float]
    is_dead_letters: bool = False
    messages: "OrderedDict[int, Stored]" = field(default_factory=OrderedDict)
    ready: list[int] = field(default_factory=list)
    later: list[tuple[float, int]] = field(default_factory=list)
    """A heap of the times at which locks end and scheduled messages come."""
    tokens: dict[uuid.UUID, Stored] = field(default_factory=dict)
    known: "OrderedDict[object, float]" = field(default_factory=OrderedDict)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    dead: "Entity | None" = None

    def __post_init__(self) -> None:
        self._sequences = itertools.count(1)
        if not self.is_dead_letters:
            self.dead = Entity(self.rules, self.now, is_dead_letters=True)

    def put(self, content: Content) -> int | None:
        """Store a message; return its sequence number, None when it is a duplicate."""
        now = self.now()
        while self.known and next(iter(self.known.values())) <= now - self.rules.duplicate_window_seconds:
            self.known.popitem(last=False)
        if not self.is_dead_letters and content.message_id is not None:
            if content.message_id in self.known:
                self.counts["duplicates"] += 1
                return None
            self.known[content.message_id] = now
        self.counts["sent"] += 1
        stored = Stored(next(self._sequences), content, now, max(now, content.scheduled or now))
        self.messages[stored.sequence] = stored
        self._offer(stored)
        return stored.sequence

    def cancel_scheduled(self, sequence: int) -> bool:
        """Delete a message that waits for its time."""
        stored = self.messages.get(sequence)
        if stored is None or stored.visible <= self.now():
            return False
        self._remove(stored)
        return True

    def lock(self, *, for_ever: bool = False) -> Stored | None:
        """Deliver the oldest message; `for_ever`: it is gone at once."""
        self.tick()
        while self.ready:
            stored = self.messages.get(heapq.heappop(self.ready))
            if stored is None or stored.token is not None or stored.visible > self.now():
                continue
            if for_ever:
                self._remove(stored)
                return stored
            self.counts["delivered"] += 1
            stored.token = uuid.uuid4()
            stored.locked_until = self.now() + self.rules.lock_seconds
            self.tokens[stored.token] = stored
            heapq.heappush(self.later, (stored.locked_until, stored.sequence))
            return stored
        return None

    def renew(self, token: uuid.UUID) -> float:
        """Return the new end of the lock."""
        stored = self._held(token)
        self.counts["renewed"] += 1
        stored.locked_until = self.now() + self.rules.lock_seconds
        heapq.heappush(self.later, (stored.locked_until, stored.sequence))
        return stored.locked_until

    def complete(self, token: uuid.UUID) -> None:
        """Delete the message."""
        self._remove(self._held(token))
        self.counts["completed"] += 1

    def abandon(self, token: uuid.UUID, *, counted: bool = True) -> None:
        """Unlock the message."""
        self._unlock(self._held(token), counted=counted)

    def dead_letter(self, token: uuid.UUID, reason: str | None, description: str | None) -> None:
        """Move the message to the dead letters."""
        self._bury(self._held(token), reason, description)

    def tick(self) -> None:
        """Let time pass: locks end, scheduled messages come."""
        now = self.now()
        while self.later and self.later[0][0] <= now:
            stored = self.messages.get(heapq.heappop(self.later)[1])
            if stored is None:
                continue
            if stored.token is None:
                self._offer(stored)
            elif stored.locked_until <= now:
                self._unlock(stored, counted=True)

    def browse(self, first: int, limit: int) -> Iterator[Stored]:
        """Return the messages, oldest first."""
        self.tick()
        return itertools.islice((each for each in self.messages.values() if each.sequence >= first), limit)

    def _held(self, token: uuid.UUID) -> Stored:
        self.tick()
        if token not in self.tokens:
            raise LockIsLost
        return self.tokens[token]

    def _unlock(self, stored: Stored, *, counted: bool) -> None:
        if stored.token is not None:
            self.tokens.pop(stored.token, None)
        stored.token = None
        stored.delivery_count += counted
        if not self.is_dead_letters and stored.delivery_count >= self.rules.max_delivery_count:
            text = "Message could not be consumed after the maximum number of delivery attempts."
            self._bury(stored, "MaxDeliveryCountExceeded", text)
        else:
            self._offer(stored)

    def _bury(self, stored: Stored, reason: str | None, description: str | None) -> None:
        self._remove(stored)
        assert self.dead is not None
        content = stored.content.with_properties(
            {"DeadLetterReason": reason, "DeadLetterErrorDescription": description}
        )
        sequence = self.dead.put(content)
        assert sequence is not None
        buried = self.dead.messages[sequence]
        buried.enqueued, buried.delivery_count, buried.visible = stored.enqueued, stored.delivery_count, self.now()

    def _offer(self, stored: Stored) -> None:
        if stored.visible > self.now():
            heapq.heappush(self.later, (stored.visible, stored.sequence))
        else:
            heapq.heappush(self.ready, stored.sequence)

    def _remove(self, stored: Stored) -> None:
        if stored.token is not None:
            self.tokens.pop(stored.token, None)
        self.messages.pop(stored.sequence, None)
        stored.gone = True
