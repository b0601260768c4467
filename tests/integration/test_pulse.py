"""The main loops report their rounds, so that one that hangs is found."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from background.pulse import STUCK_SECONDS, Pulse
from processor import worker
from processor.worker import WorkerLimits
from simulator.calls import Operation
from simulator.faults import FaultKind
from tests.integration.manager_world import Office
from tests.integration.world import World
from tests.waiting import until


class _Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_queue_that_never_answers_is_a_stuck_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other loops of the processor go on."""
    time, queue = _Time(), world.new_queue()
    pulse = Pulse(monotonic=time)

    asked = asyncio.Event()

    async def receive(*_: object, **__: object) -> list[object]:
        asked.set()
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(queue, "receive", receive)
    async with world.processing(queue=queue, pulse=pulse):
        await until(lambda: asked.is_set() and set(pulse.ages()) == {"receiving", "lock_renewal", "after_import"})
        time.now += STUCK_SECONDS + 1
        await until(lambda: pulse.stuck() == ["receiving"])
    await queue.close()


async def test_a_processor_whose_messages_take_long_is_not_stuck(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no room for more, and goes on with what it has."""
    monkeypatch.setattr(worker, "_ROOM_SECONDS", 0.02)
    mailbox, account = await world.account_of("Laboratoire")
    world.fault(FaultKind.HANG, operation=Operation.GET_MESSAGE)
    await world.notify(account, await world.deliver(mailbox, 1))
    time = _Time()
    pulse = Pulse(monotonic=time)
    limits = WorkerLimits(max_in_flight=1, finish_seconds=0)
    async with world.processing(limits=limits, pulse=pulse):
        await until(lambda: world.calls(Operation.GET_MESSAGE))
        time.now += STUCK_SECONDS + 1
        await until(lambda: pulse.stuck() == [])


async def test_a_manager_reports_its_rounds(make_office: Callable[..., Awaitable[Office]]) -> None:
    """Also while nothing is due."""
    office = await make_office()
    time = _Time()
    office.pulse = Pulse(monotonic=time)
    async with office.managing():
        await until(lambda: office.pulse.ages() == {"manager": 0.0})
        time.now += STUCK_SECONDS + 1
        await until(lambda: office.pulse.stuck() == [])
