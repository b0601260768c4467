"""A worker's side of the pipe to its supervisor."""

import io

import pytest

from console.settings import Settings
from console.supervision.channel import SupervisorChannel
from console.supervision.messages import Assignment, MetricsRequest, Request, StopRequest, framed


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
