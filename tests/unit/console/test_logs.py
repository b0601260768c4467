"""Logs: their form, and the data that never gets into them."""

import errno
import io
import json
import logging
from datetime import datetime
from typing import Any, Literal

import pytest
import structlog

from console import logs

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    made = io.StringIO()
    logs.configure(made)
    return made


def test_an_event_is_one_json_object_with_time_and_level(stream: io.StringIO) -> None:
    log.info("message_imported", attachments=2, name="Müller\n")
    assert stream.getvalue().count("\n") == 1
    [event] = lines(stream)
    assert datetime.fromisoformat(event.pop("timestamp")).tzinfo is not None
    assert event == {"event": "message_imported", "level": "info", "attachments": 2, "name": "Müller\n"}


def test_what_is_bound_to_the_delivery_is_in_every_line(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(correlation="c1"):
        log.info("message_fetched")
    assert lines(stream)[0]["correlation"] == "c1"


def test_a_terminal_gets_readable_lines_unless_json_is_asked_for() -> None:
    terminal = Terminal()
    logs.configure(terminal)
    log.info("message_imported")
    assert "message_imported" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    terminal = Terminal()
    logs.configure(terminal, "json")
    log.info("message_imported")
    assert lines(terminal)[0]["event"] == "message_imported"


def test_a_terminal_without_colours_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    logs.configure(terminal)
    log.info("message_imported")
    assert "\x1b" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    logs.configure(terminal)
    log.info("message_imported")
    assert "\x1b" not in terminal.getvalue()


def test_console_can_be_asked_for_without_colours_in_a_file() -> None:
    stream = io.StringIO()
    logs.configure(stream, "console")
    log.info("message_imported", account="laboratory")
    assert "account=laboratory" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_debug_is_left_out(stream: io.StringIO) -> None:
    log.debug("noise")
    assert stream.getvalue() == ""


def test_libraries_log_in_the_same_form_from_warning_up(stream: io.StringIO) -> None:
    logging.getLogger("msal.application").info("chatter")
    logging.getLogger("aiohttp.server").warning("trouble with %s", "a client")
    [event] = lines(stream)
    assert (event["event"], event["level"], event["logger"]) == ("trouble with a client", "warning", "aiohttp.server")


def test_configured_again_nothing_is_logged_twice(stream: io.StringIO) -> None:
    second = io.StringIO()
    logs.configure(second)
    log.info("once")
    logging.getLogger("azure").error("once")
    assert len(lines(second)) == 2
    assert stream.getvalue() == ""


def test_an_exception_is_a_structure_without_local_variables(stream: io.StringIO) -> None:
    def fails() -> None:
        body = "Dear patient"
        raise ValueError(len(body))

    try:
        fails()
    except ValueError:
        log.exception("delivery_failed")
    [event] = lines(stream)
    assert event["exception"][0]["exc_type"] == "ValueError"
    assert event["exception"][0]["frames"][-1]["name"] == "fails"
    assert "Dear patient" not in stream.getvalue()


def test_a_terminal_shows_an_exception_without_local_variables() -> None:
    terminal = Terminal()
    logs.configure(terminal)
    body = ["Dear patient"]
    try:
        body.remove("")
    except ValueError:
        log.exception("delivery_failed")
    assert "ValueError" in terminal.getvalue()
    assert terminal.getvalue().count("Dear patient") == 0


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "access_token",
        "validationToken",
        "client_secret",
        "clientState",
        "client_state",
        "password",
        "Authorization",
        "body",
        "sBody",
        "subject",
        "database_url",
        "servicebus_connection_string",
    ],
)
def test_what_stands_under_a_secret_key_is_removed_at_any_depth(key: str, stream: io.StringIO) -> None:
    log.info("x", **{key: "hunter2"}, deep=[{"a": {key: "hunter2"}}], many=({key: ["hunter2"]},))
    assert "hunter2" not in stream.getvalue()
    assert lines(stream)[0][key] == "[removed]"


@pytest.mark.parametrize("key", ["account", "message", "body_bytes", "thumbprint", "lock"])
def test_what_stands_under_other_keys_is_kept(key: str, stream: io.StringIO) -> None:
    log.info("x", **{key: "hunter2"})
    assert lines(stream)[0][key] == "hunter2"


def test_something_nested_too_deep_is_removed_rather_than_searched(stream: io.StringIO) -> None:
    value: object = {"token": "hunter2"}
    for _ in range(50):
        value = [value]
    log.info("x", deep=value)
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize(
    "sentence",
    [
        "got eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodW50ZXIyIn0.hunter2",
        "header Authorization: Bearer hunter2",
        "cannot connect to mssql+pyodbc://sa:hunter2@host/db",
        "DRIVER={x};UID=sa;PWD=hunter2;Encrypt=yes",
        "Endpoint=sb://x/;SharedAccessKey=hunter2",
    ],
)
def test_tokens_in_the_sentences_of_libraries_are_removed(sentence: str, stream: io.StringIO) -> None:
    logging.getLogger("azure.identity").warning(sentence)
    assert "hunter2" not in stream.getvalue()
    assert "[removed]" in stream.getvalue()


def test_a_value_that_is_no_json_does_not_lose_the_line(stream: io.StringIO) -> None:
    log.info("x", what=object(), bytes=b"\xff")
    assert lines(stream)[0]["event"] == "x"


def _lines_of_another_process() -> str:
    """Its log, as JSON, with a fact in each line and an error."""
    log = io.StringIO()
    logs.configure(log, "json", facts={"worker": 2})
    structlog.get_logger().info("roles_started", roles=["receiver"])
    try:
        int("round")
    except ValueError:
        structlog.get_logger().exception("worker_failed")
    logging.getLogger("library").warning("No table.")
    return log.getvalue()


def test_lines_of_other_processes_are_passed_on_whole() -> None:
    lines, stream = _lines_of_another_process(), io.StringIO()
    write = logs.relay(stream, "json")
    for line in lines.splitlines(keepends=True):
        write(line)
    assert stream.getvalue() == lines
    assert [json.loads(line)["worker"] for line in lines.splitlines()] == [2, 2, 2]


def test_lines_of_other_processes_are_readable_where_those_of_this_one_are() -> None:
    stream = io.StringIO()
    write = logs.relay(stream, "console")
    for line in _lines_of_another_process().splitlines(keepends=True):
        write(line)
    shown = stream.getvalue()
    assert "roles_started" in shown.splitlines()[0]
    assert "worker=2" in shown.splitlines()[0]
    assert "ValueError: invalid literal" in shown
    assert "No table." in shown


def test_an_observer_learns_of_the_warnings_and_errors_of_other_processes() -> None:
    """Their own work is no event: this process reports it for all."""
    observed: list[Any] = []
    write = logs.relay(io.StringIO(), "json", observer=observed.append)
    for line in _lines_of_another_process().splitlines(keepends=True):
        write(line)
    assert [(each["level"], each["worker"]) for each in observed] == [("error", 2), ("warning", 2)]


class Disk(io.StringIO):
    """A stream that fails while it is `full`."""

    full = False

    def write(self, text: str, /) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_lines_that_a_stream_did_not_take_are_counted_and_stop_nothing(
    log_format: Literal["json", "console"],
) -> None:
    """Those of the product, of its libraries, and of other processes."""
    stream = Disk()
    logs.configure(stream, log_format)
    relay = logs.relay(stream, log_format)
    stream.full = True
    log.info("first")
    logging.getLogger("library").warning("No table.")
    relay('{"event": "of another process"}\n')
    stream.full = False
    log.info("next")
    relay('{"event": "next of another process"}\n')
    shown = stream.getvalue().splitlines()
    assert ["log_lines_lost" in line for line in shown] == [True, False, True, False]
    if log_format == "json":
        assert [each.get("lost") for each in lines(stream)] == [2, None, 1, None]


class SmallDisk(io.RawIOBase):
    """Takes so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401  # of bytes
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.content += taken
        return len(taken)


def test_a_line_that_a_full_disk_cut_spoils_no_other_and_lost_lines_are_counted_once() -> None:
    """Also where a process and those that it started write to the stream in turn, as text with a buffer."""
    disk = SmallDisk(150)
    stream = logs.tolerant(io.TextIOWrapper(io.BufferedWriter(disk), "utf-8"), "json")
    logs.configure(stream, "json")
    relay = logs.relay(stream, "json")
    log.info("first", number=1)
    for number in range(2, 12):
        log.info("lost", number=number)
        relay(f'{{"number": {-number}}}\n')
    disk.room = 10_000
    relay('{"number": 12}\n')
    log.info("last", number=13)
    whole = [json.loads(line) for line in disk.content.decode().splitlines() if line.endswith("}")]
    assert [each.get("lost", each.get("number")) for each in whole] == [1, 20, 12, 13]


def test_a_stream_that_was_closed_stops_nothing() -> None:
    stream = io.StringIO()
    logs.configure(stream)
    stream.close()
    log.info("queued")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_characters_that_the_encoding_of_a_stream_lacks_stop_nothing(encoding: str) -> None:
    """JSON stays JSON."""
    written = io.BytesIO()
    text = "l’œuvre de Müller 😀\udc80"
    stream = io.TextIOWrapper(written, encoding=encoding)
    logs.configure(stream, "json")
    log.info("saved", name=text)
    logs.relay(stream, "json")(json.dumps({"name": text}, ensure_ascii=False) + "\n")
    assert [json.loads(line)["name"] for line in written.getvalue().decode(encoding).splitlines()] == [text, text]
