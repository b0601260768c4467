"""The protocol between a service and the service control manager (SCM) of Windows, and the ports to the SCM.

Source: https://learn.microsoft.com/windows/win32/services/service-status-transitions and
https://learn.microsoft.com/windows/win32/api/winsvc/ns-winsvc-service_status.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, Protocol

NO_ERROR: Final = 0
ERROR_CALL_NOT_IMPLEMENTED: Final = 120
ERROR_SERVICE_SPECIFIC_ERROR: Final = 1066
ERROR_SERVICE_NEVER_STARTED: Final = 1077
APPLICATION_ERROR: Final = 0x20000000
"""The bit of an exit code that the application defines; without it Windows shows the text of a system error."""


class State(IntEnum):
    """States of a service (`dwCurrentState`)."""

    STOPPED = 1
    START_PENDING = 2
    STOP_PENDING = 3
    RUNNING = 4
    CONTINUE_PENDING = 5
    PAUSE_PENDING = 6
    PAUSED = 7


class Control(IntEnum):
    """Controls that the SCM sends."""

    STOP = 1
    INTERROGATE = 4
    SHUTDOWN = 5
    PRESHUTDOWN = 15


class Accepted(IntFlag):
    """Controls that a service accepts (`dwControlsAccepted`)."""

    NONE = 0
    STOP = 1
    SHUTDOWN = 4
    PRESHUTDOWN = 0x100


@dataclass(frozen=True, slots=True)
class Status:
    """One report of a service. `wait_hint`: milliseconds until the next report at the latest, while one is pending."""

    state: State
    accepted: Accepted = Accepted.NONE
    exit_code: int = NO_ERROR
    service_exit_code: int = 0
    checkpoint: int = 0
    wait_hint: int = 0


class StatusSink(Protocol):
    """The SCM, as the running service reports to it."""

    def report(self, status: Status) -> None:
        """Set the state of the service. Any thread may call it; an error of the SCM is not raised."""
        ...


class Controlled(Protocol):
    """The running service, as the SCM controls it. Each method returns at once."""

    def attach(self, sink: StatusSink) -> None:
        """Begin: the SCM has started the service, and reports go to `sink`."""
        ...

    def control(self, code: int) -> int:
        """Handle a control; return `NO_ERROR`, or `ERROR_CALL_NOT_IMPLEMENTED`."""
        ...


class NotStartedByManager(Exception):
    """This process was not started by the SCM (`ERROR_FAILED_SERVICE_CONTROLLER_CONNECT`)."""


class Dispatcher(Protocol):
    """The connection of a host process to the SCM."""

    def dispatch(self, service: Controlled) -> None:
        """Serve the SCM until the service has reported `STOPPED`. Blocks.

        Raises:
            NotStartedByManager
        """
        ...


@dataclass(frozen=True, slots=True)
class Definition:
    """The configuration of a service to install.

    `command`: program and arguments. `account`: with a domain, or one of Windows. `environment`: variables of the
    service alone, which every user of the host can read. `depends_on`: keys of services that are started before.
    """

    key: str
    display: str
    description: str
    command: Sequence[str]
    account: str
    environment: Mapping[str, str]
    depends_on: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """An installed service. `start`: `delayed`, `automatic`, `manual`, `disabled`. `pid`: None while it is stopped."""

    key: str
    state: State
    account: str
    start: str
    pid: int | None
    exit_code: int
    service_exit_code: int


class ServiceManager(Protocol):
    """The SCM and the registry, as an administrator uses them. Each method may raise `ServiceError`."""

    def is_administrator(self) -> bool:
        """Return True if this process has the rights of an administrator."""
        ...

    def create(self, definition: Definition, password: str | None) -> Sequence[str]:
        """Create a service; return the names of settings that this Windows does not support."""
        ...

    def allow_logon(self, account: str) -> None:
        """Give an account the right to log on as a service."""
        ...

    def start(self, key: str) -> None:
        """Start a service; returns once its process was created."""
        ...

    def stop(self, key: str) -> None:
        """Request the stop of a service."""
        ...

    def delete(self, key: str) -> None:
        """Delete a service that is stopped."""
        ...

    def query(self, key: str) -> ServiceFacts | None:
        """Return the service; None: it is not installed."""
        ...

    def register_events(self, source: str) -> None:
        """Register the source of events in the Application log."""
        ...

    def unregister_events(self, source: str) -> None:
        """Remove the source of events, if there is one."""
        ...
