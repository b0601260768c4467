"""A worker's side of the pipe to its supervisor."""

import asyncio
import io
import threading
from collections.abc import Callable

import pytest

from console.settings import Settings
from console.supervision.channel import SupervisorChannel
from console.supervision.messages import Assignment, MetricsRequest, Request, StopRequest, framed
from console.wiring.process import run_until_requested


def _channel(*messages: Request) -> SupervisorChannel:
    return SupervisorChannel(io.BytesIO(b"".join(map(framed, messages))), io.BytesIO())


def test_a_stop_before_the_work_ends_the_worker() -> None:
    """Another worker could not start: the supervisor ends them all."""
    assert _channel(StopRequest("another one failed")).assignment() is None


def test_a_request_before_the_work_does_not_end_the_worker() -> None:
    """A page of metrics is requested at any time."""
    work = Assignment(2, Settings(), ("processor",), "en")
    assert _channel(MetricsRequest(), work).assignment() == work


def test_a_supervisor_that_is_gone_is_reported() -> None:
    """Nothing is to be done then."""
    with pytest.raises(EOFError):
        _channel().assignment()


def test_a_worker_whose_event_loop_hangs_does_not_outlive_its_supervisor() -> None:
    """It has the port of the receiver, and on Windows nothing else would end it."""
    overdue = threading.Event()
    channel = _channel()

    async def hang(_stop: asyncio.Event) -> None:
        overdue.wait(30)

    def listen(request_stop: Callable[[str], None]) -> None:
        channel.listen(request_stop, asyncio.Event())

    run_until_requested(hang, listen, on_overdue=overdue.set, stop_seconds=0.05)
    assert overdue.is_set()
