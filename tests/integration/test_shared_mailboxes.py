"""Processors that share the calls of mailboxes, on every database."""

import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

import pytest
import structlog
from sqlalchemy import func, select, update

from db import heartbeat as heartbeats
from db.heartbeat import LEASE, Heartbeat
from db.queries import processes
from db.queries.processes import PROCESSOR, Process
from db.tables import message, message_trace, queue_message
from graph.mailbox import SlotKey
from processor import worker
from processor.mailbox_fairness import ProcessShare
from simulator.calls import Operation
from simulator.faults import FaultKind
from tests.databases import Gateway, on_every_database
from tests.integration.world import World
from tests.paths import ROOT
from tests.waiting import until

pytestmark = on_every_database

CHILD: Final = """
import asyncio, sys
from datetime import UTC, datetime
from db.engine import Database
from db.heartbeat import Heartbeat
from db.queries.processes import PROCESSOR, Process
from tests.databases import Gateway

async def live():
    now = datetime.now(UTC)
    database = Database(Gateway(*sys.argv[1:]).engine())
    async with Heartbeat(database, Process("killed", "host", ("processor",), "", now), clock=lambda: now).kept():
        print("alive", flush=True)
        await asyncio.Event().wait()

asyncio.run(live())
"""


async def max_deliveries(world: World) -> int:
    """Return the highest delivery count of all messages."""
    return await world.database.read(lambda c: c.scalar(select(func.max(queue_message.c.nDeliveryCount)))) or 0


async def outcomes(world: World) -> set[str]:
    return set(await world.database.read(lambda c: c.scalars(select(message_trace.c.sOutcome).distinct()).all()))


async def test_five_processes_that_begin_together_import_a_backlog(world: World) -> None:
    """None of them blocks another, no delivery counts as failed, and Graph refuses none of their calls."""
    boxes = [await world.account_of(f"Station {number}") for number in range(12)]
    world.fault(FaultKind.LATENCY, operation=Operation.GET_MESSAGE, seconds=0.05)
    for mailbox, account in boxes:
        await world.notify(account, await world.deliver(mailbox, 6))
    async with AsyncExitStack() as stack:
        others = [await stack.enter_async_context(world.another_process(f"host-{number}")) for number in range(4)]
        for each in (*others, world.heartbeat):
            await each._read_rows()
        await stack.enter_async_context(world.processing())
        await until(world.queue_is_empty)
    assert len(await world.imported_ids()) == 72
    assert await max_deliveries(world) == 1
    assert await outcomes(world) <= {"imported", "deferred", "handed_back"}


async def test_a_process_without_a_share_leaves_a_mailbox_to_the_others(world: World) -> None:
    """One of five has no call of the mailbox: it abandons its deliveries, uncounted, and the others import them."""
    mailbox, account = await world.account_of("Laboratoire")
    others = [f"host-{number}" for number in range(4)]
    async with AsyncExitStack() as stack:
        beats = [await stack.enter_async_context(world.another_process(each)) for each in others]
        for each in (*beats, world.heartbeat):
            await each._read_rows()
        key = world.opened(mailbox).counted_as
        shares = [ProcessShare(each, name=each.process.name).of(key) for each in (*beats, world.heartbeat)]
        assert sorted(shares) == [0, 1, 1, 1, 1]
        await stack.enter_async_context(world.processing())
        await world.notify(account, await world.deliver(mailbox, 20))
        await until(world.queue_is_empty)
    assert len(await world.imported_ids()) == 20
    assert await max_deliveries(world) == 1


async def test_a_processor_whose_heartbeat_is_late_takes_nothing_and_goes_on_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others may take it for dead. Nothing counts as failed, and the log gives the reason for the pause."""
    monkeypatch.setattr(worker, "_FIRST_PAUSE_SECONDS", 0.05)
    mailbox, account = await world.account_of("Laboratoire")
    good_until, world.heartbeat._good_until = world.heartbeat._good_until, 0.0
    with structlog.testing.capture_logs() as logged:
        async with world.processing():
            await world.notify(account, await world.deliver(mailbox, 3))

            async def paused() -> bool:
                return any(each["event"] == "processor_paused" for each in logged)

            await until(paused)
            assert await world.imported_ids() == []
            world.heartbeat._good_until = good_until + 60
            await until(world.queue_is_empty)
    assert len(await world.imported_ids()) == 3
    assert await max_deliveries(world) == 1
    assert await outcomes(world) == {"imported"}


async def test_a_process_that_is_killed_gives_its_share_back_within_the_lease(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "_READ_SECONDS", 3600.0)  # the test polls itself

    async def no_more() -> None:
        """Its row is removed below, and would come back."""

    monkeypatch.setattr(world.heartbeat, "_read_rows", no_more)
    now = 100.0
    process = Process("survivor", "host", (PROCESSOR,), "", world.clock())
    survivor = Heartbeat(world.database, process, clock=world.clock, monotonic=lambda: now)
    child = subprocess.Popen(  # noqa: ASYNC220  # a moment
        [sys.executable, "-c", CHILD, *gateway.arguments], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        assert any(line == b"alive\n" for line in child.stdout)
        async with survivor.kept():
            await world.database.write(lambda c: processes.remove(c, ["test"]))
            await survivor._read_rows()
            share = ProcessShare(survivor, name="survivor")
            assert share.of(("client", "user")) == 2
            child.send_signal(signal.SIGKILL)
            child.wait()
            for _ in range(int(LEASE.total_seconds())):
                now += 1
                await survivor._read_rows()
            assert share.of(("client", "user")) == 4
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


class Elsewhere:
    """All calls of all mailboxes belong to other processes."""

    def of(self, _key: SlotKey) -> int:
        return 0

    def check(self) -> None: ...


async def test_an_action_that_is_due_waits_for_a_process_that_has_a_share(world: World) -> None:
    """Another one claims it and releases it, uncounted, without a call of Graph's."""
    mailbox = world.new_mailbox("Laboratoire")
    account = await world.add_account(mailbox, after_import="read")
    await world.notify(account, await world.deliver(mailbox, 1))
    await world.import_and_act()
    assert world.calls(Operation.UPDATE_MESSAGE) == 1

    async def make_due() -> None:
        due = update(message).values(sAfterImportState="pending", dtAfterImportDue=world.clock())
        await world.database.write(lambda c: c.execute(due))

    async def was_put_back() -> bool:
        later = message.c.dtAfterImportDue > world.clock()
        soon = message.c.dtAfterImportDue < world.clock() + timedelta(seconds=10)
        return bool(await world.database.read(lambda c: c.scalar(select(func.count()).where(later, soon))))

    await make_due()
    async with world.processing(share=Elsewhere()):
        await until(was_put_back)
    assert world.calls(Operation.UPDATE_MESSAGE) == 1
    [attempts] = await world.database.read(lambda c: c.scalars(select(message.c.nAfterImportAttempts)).all())
    assert attempts == 0
    await make_due()
    await world.import_and_act()
