"""The life of a service process, as it is reported to the service control manager (SCM): a state machine.

`START_PENDING` → `RUNNING` → `STOP_PENDING` → `STOPPED`. While a state is pending, a thread reports a higher checkpoint
each second, so that Windows does not take the service for one that hangs; a start or a stop that takes too long ends
the process. A second request to stop has no further effect.
"""

import threading
from collections.abc import Callable
from enum import Enum
from typing import Final

from console.service.protocol import (
    APPLICATION_ERROR,
    ERROR_CALL_NOT_IMPLEMENTED,
    ERROR_SERVICE_SPECIFIC_ERROR,
    NO_ERROR,
    Accepted,
    Control,
    State,
    Status,
    StatusSink,
)

_CHECKPOINT_SECONDS: Final = 1.0
_WAIT_HINT: Final = 10_000
"""Milliseconds; far more than between two checkpoints, as the modules that a start loads may hold the interpreter."""
START_SECONDS: Final = 180.0
"""Limit of a start: several sign-ins at a database that does not answer."""
_ACCEPTED: Final = Accepted.STOP | Accepted.SHUTDOWN | Accepted.PRESHUTDOWN
_STOPS: Final = {each.value: f"SERVICE_CONTROL_{each.name}" for each in Control if each is not Control.INTERROGATE}
_PENDING: Final = frozenset({State.START_PENDING, State.STOP_PENDING})


class Ending(Enum):
    """The end of a service, with its exit status: of the process, and in the service-specific exit code."""

    CLEAN = 0
    FAILED = 1
    WRONG_SETTINGS = 2
    STOP_OVERDUE = 3

    @property
    def status(self) -> Status:
        """The last report.

        Recovery actions run after an exit code other than `NO_ERROR`, so that only a failure has one: a restart cannot
        correct settings, and an overdue stop was requested. The specific code stands in the state of the service all
        the same.
        """
        specific = 0 if self is Ending.CLEAN else APPLICATION_ERROR | self.value
        exit_code = ERROR_SERVICE_SPECIFIC_ERROR if self is Ending.FAILED else NO_ERROR
        return Status(State.STOPPED, exit_code=exit_code, service_exit_code=specific)


class ServiceLifecycle:
    """The state of the service of this process. Safe for threads: the SCM calls on one of its own."""

    def __init__(
        self,
        *,
        on_start_overdue: Callable[[], None],
        start_seconds: float = START_SECONDS,
        checkpoint_seconds: float = _CHECKPOINT_SECONDS,
    ) -> None:
        """`on_start_overdue` is called on another thread; it ends the process."""
        self._on_start_overdue = on_start_overdue
        self._start_seconds = start_seconds
        self._checkpoint_seconds = checkpoint_seconds
        self._lock = threading.RLock()
        self._sink: StatusSink | None = None
        self._status = Status(State.START_PENDING, checkpoint=1, wait_hint=_WAIT_HINT)
        self._attached = threading.Event()
        self._changed = threading.Event()
        self._requests: list[str] = []
        self._listener: Callable[[str], None] | None = None

    def attach(self, sink: StatusSink) -> None:
        """Implement `Controlled.attach`."""
        with self._lock:
            self._sink = sink
            sink.report(self._status)
        self._attached.set()
        threading.Thread(target=self._report_progress, name="service checkpoints", daemon=True).start()

    def wait_attached(self, seconds: float) -> bool:
        """Wait until the SCM has started the service."""
        return self._attached.wait(seconds)

    def control(self, code: int) -> int:
        """Implement `Controlled.control`."""
        if code == Control.INTERROGATE:
            with self._lock:
                self._report(self._status)
            return NO_ERROR
        name = _STOPS.get(code)
        if name is None:
            return ERROR_CALL_NOT_IMPLEMENTED
        with self._lock:
            if self._status.state in (State.START_PENDING, State.RUNNING):
                self._report(Status(State.STOP_PENDING, checkpoint=1, wait_hint=_WAIT_HINT))
            self._requests.append(name)
            listener = self._listener
        self._changed.set()
        if listener is not None:
            listener(name)
        return NO_ERROR

    def listen(self, request_stop: Callable[[str], None]) -> None:
        """Have `request_stop` called with the name of each control that stops the service, also of earlier ones."""
        with self._lock:
            self._listener = request_stop
            earlier = list(self._requests)
        for name in earlier:
            request_stop(name)

    def running(self) -> None:
        """Report that the roles have started, unless a stop was requested meanwhile."""
        with self._lock:
            if self._status.state is State.START_PENDING:
                self._report(Status(State.RUNNING, accepted=_ACCEPTED))

    def ended(self, ending: Ending) -> None:
        """Report the end. Only the first one counts: Windows has released the service after it."""
        with self._lock:
            if self._status.state is not State.STOPPED:
                self._report(ending.status)
        self._changed.set()

    def _report(self, status: Status) -> None:
        self._status = status
        if self._sink is not None:
            self._sink.report(status)

    def _report_progress(self) -> None:
        waited = 0.0
        while True:
            self._changed.wait(self._checkpoint_seconds if self._is_pending() else None)
            self._changed.clear()
            with self._lock:
                state = self._status.state
                if state is State.STOPPED:
                    return
                if state in _PENDING:
                    self._report(Status(state, checkpoint=self._status.checkpoint + 1, wait_hint=_WAIT_HINT))
            waited += self._checkpoint_seconds
            if state is State.START_PENDING and waited >= self._start_seconds:
                self._on_start_overdue()
                return

    def _is_pending(self) -> bool:
        with self._lock:
            return self._status.state in _PENDING
