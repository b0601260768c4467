"""Any sequence of operations on a queue, against a model of it: nothing is lost, nothing is delivered to two."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bus.database.adapter import DatabaseQueue
from bus.errors import LockLost
from bus.queue import TOO_MANY_DELIVERIES, Delivery, Message, MessageId, Selection
from db.engine import Database
from tests.contract.queue_contract import replay
from tests.databases import Databases
from tests.doubles.clock import SettableClock

T = TypeVar("T")

LOCK: Final = timedelta(seconds=60)
WINDOW: Final = timedelta(minutes=10)
LATEST_FORGOTTEN: Final = WINDOW + timedelta(seconds=30)
MAX_DELIVERIES: Final = 3
REASONS: Final = ("Broken", "Forbidden")


@dataclass
class Model:
    """State of one message that the queue accepted."""

    message_id: str
    body: str
    put_at: datetime
    visible: datetime
    count: int = 0
    state: str = "active"
    reason: str | None = None
    delivery: Delivery | None = None
    """The delivery that is valid until `visible`."""


class QueueMachine(RuleBasedStateMachine):
    databases: Databases

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.clock = SettableClock()
        self.resources = ExitStack()
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        self.database = Database(self.resources.enter_context(self.databases.migrated(folder)).engine())
        self.queue = DatabaseQueue(
            self.database,
            clock=self.clock,
            lock_duration=LOCK,
            max_deliveries=MAX_DELIVERIES,
            duplicate_window=WINDOW,
        )
        self.entries: dict[str, Model] = {}
        self.deliveries: list[Delivery] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    @initialize(delay=st.sampled_from([0, 30]))
    def start(self, delay: int) -> None:
        """Begin with messages in the queue."""
        self.put(["a", "b", "c"], delay)

    @rule(names=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4), delay=st.sampled_from([0, 0, 0, 30]))
    def put(self, names: list[str], delay: int) -> None:
        now = self.clock()
        # Just after the window, an id may be free or not.
        sure = [name for name in names if not self.put_between(name, now - LATEST_FORGOTTEN, now - WINDOW)]
        batch: list[Message] = []
        for name in sure:
            body = f"{name} {len(self.entries)} {len(batch)}"
            visible = now + timedelta(seconds=delay)
            batch.append(Message(MessageId(name), body, 1, not_before=visible if delay else None))
            if not self.put_between(name, now - WINDOW, now):
                self.entries[body] = Model(name, body, now, visible)
        self.run(self.queue.put(batch))

    def put_between(self, name: str, earliest: datetime, latest: datetime) -> bool:
        return any(each.message_id == name and earliest <= each.put_at <= latest for each in self.entries.values())

    @rule(limit=st.integers(1, 4))
    def receive(self, limit: int) -> None:
        now = self.clock()
        due = {body: each for body, each in self.entries.items() if each.state == "active" and each.visible <= now}
        spent = {body for body, each in due.items() if each.count >= MAX_DELIVERIES}
        received = self.run(self.queue.receive(limit, wait=timedelta(0)))
        assert len(received) <= limit
        assert len({each.body for each in received}) == len(received)
        assert received or len(due) == len(spent) or spent
        for delivery in received:
            assert delivery.body in due, "handed out though it is locked, not due, or settled"
            assert delivery.body not in spent
            entry = due[delivery.body]
            entry.count += 1
            entry.visible = now + LOCK
            entry.delivery = delivery
            assert delivery.delivery_count == entry.count
            self.deliveries.append(delivery)
        # The queue dead-letters messages delivered too often when it comes across them.
        dead = {each.body for each in self.run(self.queue.peek(limit=1000, dead_letters=True))}
        for body in dead & spent:
            self.bury(due[body], TOO_MANY_DELIVERIES)

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data(), outcome=st.sampled_from(["complete", "renew", "abandon", "later", "uncounted", *REASONS]))
    def settle(self, data: st.DataObject, outcome: str) -> None:
        delivery = data.draw(st.sampled_from(self.deliveries))
        entry = self.entries[delivery.body]
        held = entry.state == "active" and entry.delivery is delivery and entry.visible > self.clock()
        calls: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "complete": lambda: self.queue.complete(delivery),
            "renew": lambda: self.queue.renew(delivery),
            "abandon": lambda: self.queue.abandon(delivery),
            "later": lambda: self.queue.abandon(delivery, delay=timedelta(seconds=45)),
            "uncounted": lambda: self.queue.abandon(delivery, counted=False),
            **{reason: lambda reason=reason: self.dead_letter(delivery, reason) for reason in REASONS},  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        }
        if not held:
            with pytest.raises(LockLost):
                self.run(calls[outcome]())
            return
        result = self.run(calls[outcome]())
        if outcome == "renew":
            assert isinstance(result, Delivery)
            entry.delivery, entry.visible = result, self.clock() + LOCK
            self.deliveries[self.deliveries.index(delivery)] = result  # "use the returned delivery from now on"
            return
        entry.delivery = None
        if outcome == "complete":
            entry.state = "done"
        elif outcome in REASONS:
            self.bury(entry, outcome)
        elif outcome != "uncounted" and entry.count >= MAX_DELIVERIES:
            self.bury(entry, TOO_MANY_DELIVERIES)
        else:
            entry.visible = self.clock() + timedelta(seconds=45 if outcome == "later" else 0)
            entry.count -= outcome == "uncounted"

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        await self.queue.dead_letter(delivery, reason=reason, description="")

    @staticmethod
    def bury(entry: Model, reason: str) -> None:
        entry.state, entry.reason, entry.delivery = "dead", reason, None

    @rule(reason=st.sampled_from([None, *REASONS]))
    def replay(self, reason: str | None) -> None:
        wanted = [e for e in self.entries.values() if e.state == "dead" and reason in (None, e.reason)]
        assert self.run(replay(self.queue, Selection(reason=reason))) == len(wanted)
        for entry in wanted:
            entry.state, entry.reason, entry.count, entry.visible = "active", None, 0, self.clock()

    @rule(seconds=st.sampled_from([1, 20, 44, 61, 140, 631]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @invariant()
    def every_message_is_where_it_should_be(self) -> None:
        """No message is lost or duplicated, alive or dead."""
        for dead in (False, True):
            shown = sorted(each.body for each in self.run(self.queue.peek(limit=1000, dead_letters=dead)))
            state = "dead" if dead else "active"
            assert shown == sorted(each.body for each in self.entries.values() if each.state == state)

    def teardown(self) -> None:
        try:
            self.run(self.drain())
        finally:
            self.run(self.queue.close())
            self.run(self.database.close())
            self.loop.close()
            self.resources.close()

    async def drain(self) -> None:
        """Each message that is not completed is received in the end, once."""
        self.clock.advance(timedelta(minutes=5))
        left = sorted(body for body, each in self.entries.items() if each.state != "done")
        got: list[str] = []
        while True:
            await replay(self.queue)
            batch = await self.queue.receive(10, wait=timedelta(0))
            if not batch and not await self.queue.peek(limit=1, dead_letters=True):
                break
            for delivery in batch:
                await self.queue.complete(delivery)
                got.append(delivery.body)
        assert sorted(got) == left


@pytest.mark.slow
def test_any_sequence_loses_nothing_and_doubles_nothing(databases: Databases) -> None:
    """Each message has one outcome in any order of puts, deliveries, settlements, expiries and replays."""
    machine = type("Machine", (QueueMachine,), {"databases": databases})
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=25, stateful_step_count=30, database=None),
    )
