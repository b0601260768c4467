"""Events of the Windows event log: errors and warnings of the log, and the start and stop of a service.

The id of an event is stable: monitoring filters by it. The message file of pywin32 has texts of one placeholder for the
ids 1 to 9 of each severity, so that an event is its text.
"""

import queue
import re
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

_STARTED: Final = 1
_STOP_REQUESTED: Final = 2
_STOPPED: Final = 3
_WARNING: Final = 4
_ERROR: Final = 5
_WRONG_SETTINGS: Final = 6
_FAILED: Final = 7
_OVERDUE: Final = 8

SETTINGS_WRONG: Final = "service_settings_wrong"
SERVICE_FAILED: Final = "service_failed"
START_OVERDUE: Final = "start_overdue"
_BY_NAME: Final[Mapping[str, int]] = {
    "roles_started": _STARTED,
    "stop_requested": _STOP_REQUESTED,
    "roles_stopped": _STOPPED,
    SETTINGS_WRONG: _WRONG_SETTINGS,
    SERVICE_FAILED: _FAILED,
    START_OVERDUE: _OVERDUE,
    "stop_overdue": _OVERDUE,
}
_NOT_FIELDS: Final = frozenset({"event", "level", "timestamp", "exc_info", "stack_info", "positional_args"})
_MAX_FIELD: Final = 500
_MAX_TEXT: Final = 8_000
"""Characters; Windows allows 31,839."""
_MAX_WAITING: Final = 500
_MAX_NAMES: Final = 200
_WINDOW_SECONDS: Final = 60.0
_MAX_IN_WINDOW: Final = 10
"""Events of one name in a window: the event log is shared by all programs of the host, and bounded."""
_CLOSE_SECONDS: Final = 2.0
# The event viewer puts other texts in the place of %1 and its like.
_PLACEHOLDER: Final = re.compile(r"%(?=\d)")


class Severity(Enum):
    """The type of an event. The value: the upper bits of the event id, as the message file has them."""

    INFORMATION = 0x40000000
    WARNING = 0x80000000
    ERROR = 0xC0000000


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `id`: 1 to 9."""

    id: int
    severity: Severity
    text: str


class EventSink(Protocol):
    """The event log."""

    def report(self, event: Event) -> None:
        """Write an event. Blocks.

        Raises:
            OSError: it was not written.
        """
        ...


class EventLog:
    """Writes the events that are worth it, on a thread of its own: a log that hangs delays no work.

    At most ten events of one name a minute; the next one has the count of those left out (`left_out`).
    """

    def __init__(self, sink: EventSink, *, monotonic: Callable[[], float]) -> None:
        self._sink = sink
        self._monotonic = monotonic
        self._waiting: queue.Queue[Event | None] = queue.Queue(_MAX_WAITING)
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        self._thread = threading.Thread(target=self._write, name="event log", daemon=True)
        self._thread.start()

    def observe(self, event: Mapping[str, Any]) -> None:
        """Take an event of the log, from any thread (`logs.LogObserver`)."""
        kind = _kind_of(event)
        if kind is None:
            return
        number, severity = kind
        with self._lock:
            left_out = self._admit(str(event.get("event")))
        if left_out is None:
            return
        try:
            self._waiting.put_nowait(Event(number, severity, _text_of(event, left_out)))
        except queue.Full:
            return  # the file has it

    def close(self) -> None:
        """Write what waits, within two seconds."""
        try:
            self._waiting.put(None, timeout=_CLOSE_SECONDS)
        except queue.Full:
            return
        self._thread.join(_CLOSE_SECONDS)

    def _admit(self, name: str) -> int | None:
        """The number of events left out before this one; None: it is left out itself."""
        now = self._monotonic()
        window = self._windows.get(name)
        if window is None:
            if len(self._windows) >= _MAX_NAMES:
                self._windows.clear()
            window = self._windows[name] = _Window(now)
        if now - window.begin >= _WINDOW_SECONDS:
            window.begin, window.admitted = now, 0
        if window.admitted >= _MAX_IN_WINDOW:
            window.left_out += 1
            return None
        window.admitted += 1
        left_out, window.left_out = window.left_out, 0
        return left_out

    def _write(self) -> None:
        while True:
            event = self._waiting.get()
            if event is None:
                return
            try:
                self._sink.report(event)
            except OSError:
                continue  # the event log is full, or its service does not run: the file has the event


@dataclass(slots=True)
class _Window:
    begin: float
    admitted: int = 0
    left_out: int = 0


def _kind_of(event: Mapping[str, Any]) -> tuple[int, Severity] | None:
    level = event.get("level")
    number = _BY_NAME.get(str(event.get("event")))
    if level in {"error", "critical", "exception"}:
        return number or _ERROR, Severity.ERROR
    if level == "warning":
        return number or _WARNING, Severity.WARNING
    return None if number is None else (number, Severity.INFORMATION)


def _text_of(event: Mapping[str, Any], left_out: int) -> str:
    """The event's name, then its fields, a line each. Of an exception its type alone: texts may quote mail."""
    lines = [str(event.get("event"))[:_MAX_FIELD], ""]
    lines += [f"{key}: {str(value)[:_MAX_FIELD]}" for key, value in event.items() if key not in _NOT_FIELDS]
    error_type = _error_type(event.get("exc_info"))
    if error_type is not None:
        lines.append(f"error_type: {error_type}")
    if left_out:
        lines.append(f"left_out: {left_out}")
    text = "\r\n".join(line.replace("\0", "") for line in lines).strip()
    return _PLACEHOLDER.sub("% ", text)[:_MAX_TEXT]


def _error_type(exc_info: object) -> str | None:
    if exc_info is True:
        exc_info = sys.exc_info()
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    return type(exc_info).__name__ if isinstance(exc_info, BaseException) else None
