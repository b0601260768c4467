"""Events of the Windows event log: which, under which id, with which text, and how many."""

import io
import logging
import re
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from console import logs
from console.service import events as events_module
from console.service.events import Event, EventLog, Severity
from tests.paths import ROOT

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Sink:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.error: OSError | None = None

    def report(self, event: Event) -> None:
        if self.error is not None:
            raise self.error
        self.events.append(event)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def clock() -> Clock:
    return Clock()


Write = Callable[[], list[Event]]


@pytest.fixture
def written(sink: Sink, clock: Clock) -> Iterator[Write]:
    """Log to the event log; the events, once all are written."""
    events = EventLog(sink, monotonic=clock)
    logs.configure(io.StringIO(), "json", observer=events.observe)

    def call() -> list[Event]:
        events.close()
        return sink.events

    yield call
    logs.discard()


@pytest.mark.parametrize(
    ("level", "name", "number", "severity"),
    [
        ("info", "roles_started", 1, Severity.INFORMATION),
        ("info", "stop_requested", 2, Severity.INFORMATION),
        ("info", "roles_stopped", 3, Severity.INFORMATION),
        ("warning", "message_postponed", 4, Severity.WARNING),
        ("error", "message_failed", 5, Severity.ERROR),
        ("error", "service_settings_wrong", 6, Severity.ERROR),
        ("error", "service_failed", 7, Severity.ERROR),
        ("critical", "stop_overdue", 8, Severity.ERROR),
        ("critical", "start_overdue", 8, Severity.ERROR),
    ],
)
def test_ids_are_stable(written: Write, level: str, name: str, number: int, severity: Severity) -> None:
    """docs/windows-service.md has them, and filters of administrators."""
    getattr(log, level)(name)
    assert written() == [Event(number, severity, name)]


def test_the_document_has_each_id() -> None:
    text = (ROOT / "docs" / "windows-service.md").read_text("utf-8")
    table = dict(re.findall(r"^\| (\d) \| (Information|Warning|Error) \|", text, re.MULTILINE))
    assert table == dict(zip("12345678", ["Information"] * 3 + ["Warning"] + ["Error"] * 4, strict=True))
    assert all(f"`{name}`" in text for name in events_module._BY_NAME)


def test_other_events_stay_in_the_file(written: Write) -> None:
    log.info("message_imported", account="a")
    assert written() == []


def test_the_text_has_the_fields_and_no_secret(written: Write) -> None:
    log.error("message_failed", account="laboratory", client_secret="x", subject="y", share="%1 of %20")
    assert written()[0].text.splitlines() == [
        "message_failed",
        "",
        "account: laboratory",
        "client_secret: [removed]",
        "subject: [removed]",
        "share: % 1 of % 20",
    ]


def test_of_an_exception_there_is_its_type_only(written: Write) -> None:
    """Its text may quote mail."""
    try:
        int("Dear Mr Miller")
    except ValueError:
        log.exception("role_failed")
    [event] = written()
    assert "error_type: ValueError" in event.text
    assert "Miller" not in event.text


def test_warnings_of_libraries_are_events_without_their_secrets(written: Write) -> None:
    logging.getLogger("aiohttp").warning("refused: Bearer abc")
    [event] = written()
    assert event.id == 4
    assert "[removed]" in event.text
    assert "abc" not in event.text


def test_a_long_text_is_cut(written: Write) -> None:
    log.error("message_failed", **{f"field{number}": "x" * 5000 for number in range(100)})
    assert len(written()[0].text) == 8000


def test_a_flood_is_limited_by_name_and_counted(written: Write, clock: Clock) -> None:
    """The event log is shared by all programs of the host."""
    for _ in range(50):
        log.error("message_failed")
    log.error("queue_failed")
    clock.now = 61.0
    log.error("message_failed")
    events = written()
    assert len(events) == 12
    assert "left_out: 40" in events[-1].text


def test_an_event_log_that_refuses_or_hangs_stops_nothing(sink: Sink, clock: Clock) -> None:
    sink.error = OSError("the event log is full")
    events = EventLog(sink, monotonic=clock)
    events.observe({"event": "message_failed", "level": "error"})
    events.close()
    hanging = threading.Event()

    class Hanging:
        def report(self, _event: Event) -> None:
            hanging.wait(30)

    stuck = EventLog(Hanging(), monotonic=clock)
    for number in range(1000):
        stuck.observe({"event": f"failed_{number}", "level": "error"})
    hanging.set()
    stuck.close()
