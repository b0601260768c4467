"""The states of a service, as they are reported to the service control manager."""

import threading

import pytest

from console.service.host import host
from console.service.lifecycle import Ending, ServiceLifecycle
from console.service.protocol import (
    ERROR_CALL_NOT_IMPLEMENTED,
    NO_ERROR,
    Control,
    Controlled,
    NotStartedByManager,
    State,
    Status,
)


class Sink:
    def __init__(self) -> None:
        self.reports: list[Status] = []
        self.changed = threading.Condition()

    def report(self, status: Status) -> None:
        with self.changed:
            self.reports.append(status)
            self.changed.notify_all()

    def wait(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.reports) >= count, 10)

    @property
    def states(self) -> list[State]:
        return [each.state for each in self.reports]


def attached(**options: float) -> tuple[ServiceLifecycle, Sink]:
    sink = Sink()
    lifecycle = ServiceLifecycle(on_start_overdue=lambda: None, **options)
    lifecycle.attach(sink)
    return lifecycle, sink


def test_pending_states_report_progress_until_they_end() -> None:
    lifecycle, sink = attached(checkpoint_seconds=0.01)
    sink.wait(3)
    lifecycle.running()
    lifecycle.control(Control.STOP)
    sink.wait(8)
    lifecycle.ended(Ending.CLEAN)
    assert sink.states[:3] == [State.START_PENDING] * 3
    assert [each.checkpoint for each in sink.reports[:3]] == [1, 2, 3]
    assert sink.states[-1] is State.STOPPED
    pending = [each.checkpoint for each in sink.reports if each.state is State.STOP_PENDING]
    assert pending == list(range(1, len(pending) + 1))


@pytest.mark.parametrize("control", [Control.STOP, Control.SHUTDOWN, Control.PRESHUTDOWN])
def test_each_control_that_ends_a_service_requests_the_stop_once_it_listens(control: Control) -> None:
    """Also one that came before; a second one changes no state, so that the wait is not prolonged."""
    lifecycle, sink = attached()
    lifecycle.running()
    assert lifecycle.control(control) == NO_ERROR
    requests: list[str] = []
    lifecycle.listen(requests.append)
    lifecycle.control(Control.SHUTDOWN)
    assert requests == [f"SERVICE_CONTROL_{control.name}", "SERVICE_CONTROL_SHUTDOWN"]
    assert sink.states == [State.START_PENDING, State.RUNNING, State.STOP_PENDING]


def test_a_stop_during_the_start_is_not_taken_back_by_its_success() -> None:
    lifecycle, sink = attached()
    lifecycle.control(Control.SHUTDOWN)
    lifecycle.running()
    assert sink.states == [State.START_PENDING, State.STOP_PENDING]


def test_after_the_end_nothing_is_reported() -> None:
    """Windows may have released the service."""
    lifecycle, sink = attached()
    lifecycle.ended(Ending.CLEAN)
    lifecycle.ended(Ending.FAILED)
    lifecycle.control(Control.STOP)
    lifecycle.running()
    assert sink.states == [State.START_PENDING, State.STOPPED]


def test_other_controls_are_refused_and_interrogation_repeats_the_state() -> None:
    lifecycle, sink = attached()
    lifecycle.running()
    assert lifecycle.control(2) == ERROR_CALL_NOT_IMPLEMENTED  # pause
    assert lifecycle.control(Control.INTERROGATE) == NO_ERROR
    assert sink.states == [State.START_PENDING, State.RUNNING, State.RUNNING]


@pytest.mark.parametrize(
    ("ending", "exit_code", "specific"),
    [
        (Ending.CLEAN, 0, 0),
        (Ending.FAILED, 1066, 0x20000001),
        (Ending.WRONG_SETTINGS, 0, 0x20000002),
        (Ending.STOP_OVERDUE, 0, 0x20000003),
    ],
)
def test_only_a_failure_makes_windows_restart_the_service(ending: Ending, exit_code: int, specific: int) -> None:
    """Recovery actions run where the exit code is not 0; the other endings are told apart by the specific code."""
    lifecycle, sink = attached()
    lifecycle.ended(ending)
    assert (sink.reports[-1].exit_code, sink.reports[-1].service_exit_code) == (exit_code, specific)


def test_a_start_that_does_not_end_is_ended() -> None:
    overdue = threading.Event()
    lifecycle = ServiceLifecycle(on_start_overdue=overdue.set, start_seconds=0.03, checkpoint_seconds=0.01)
    lifecycle.attach(Sink())
    assert overdue.wait(10)


def test_a_start_from_a_shell_is_refused() -> None:
    class NoManager:
        def dispatch(self, _service: Controlled) -> None:
            raise NotStartedByManager

    with pytest.raises(NotStartedByManager):
        host(NoManager(), lambda _lifecycle: Ending.CLEAN, ServiceLifecycle(on_start_overdue=lambda: None))


def test_an_error_of_the_host_itself_is_reported_as_a_failure() -> None:
    """Otherwise Windows would wait for the service, and show it as running."""
    sink = Sink()
    stopped = threading.Event()

    class Manager:
        def dispatch(self, service: Controlled) -> None:
            service.attach(sink)
            stopped.wait(10)

    def work(_lifecycle: ServiceLifecycle) -> Ending:
        stopped.set()
        raise RuntimeError("error")

    with pytest.raises(RuntimeError):
        host(Manager(), work, ServiceLifecycle(on_start_overdue=lambda: None))
    assert sink.reports[-1] == Ending.FAILED.status
