"""Logs: one JSON object a line for machines, readable lines on a terminal, no secrets in either."""

import functools
import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import IO, Any, Final, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from console.log_stream import LogStream, TolerantStream
from console.terminal import coloured

REMOVED: Final = "[removed]"

_SECRET_WORDS: Final = (
    "token", "secret", "password", "passwd", "authorization", "clientstate", "assertion", "privatekey",
    "connectionstring", "cookie",
)  # fmt: skip
# Whole keys only: body_type and subject_length are harmless.
_SECRET_KEYS: Final = frozenset({"body", "sbody", "subject", "ssubject", "content", "bicontent", "databaseurl"})
# Foreign libraries write sentences, not keys: a JSON Web Token, a bearer header, a password in a connection string.
_SECRET_TEXT: Final = re.compile(
    r"eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|\bBearer\s+\S+|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|\b(?:PWD|Password|SharedAccessKey|client_assertion)\s*=\s*[^;&\s]+",
    re.IGNORECASE,
)
LogObserver = Callable[[Mapping[str, Any]], None]
"""Receives each event that is logged, without secrets; must neither block nor raise."""

_DEEPEST: Final = 5
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
"""Types of nearly all values: to look for them is ten times as fast as to find that each is none of the others."""
_OUR_HANDLER: Final = "mail-importer"
_SERIOUS: Final = frozenset({"warning", "error", "critical"})


def configure(
    stream: LogStream,
    log_format: Literal["json", "console"] | None = None,
    *,
    observer: LogObserver | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Send all logs of this process to `stream`, from now on, and to `observer` as well. `facts`: in each event.

    `log_format` None: `console` when `stream` is a terminal, else `json`. Library records of `logging` are emitted in
    the same form, from WARNING up. May be called again: the last call counts.
    """
    rendering = _rendering(stream, log_format)
    shared = [*([_adding(facts)] if facts else []), *_shared()]
    if observer is not None:
        rendering.insert(0, _observing(observer))
    lines = tolerant(stream, log_format)
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        context_class=dict,
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", lines)),
        cache_logger_on_first_use=False,  # existing loggers must follow
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, remove_secret_text, *rendering],
        )
    )
    _send_library_records_to(handler)
    # The SDK of Service Bus also raises what it logs, and it is reported where it is handled.
    logging.getLogger("azure.servicebus").setLevel(logging.CRITICAL)


def relay(
    stream: LogStream,
    log_format: Literal["json", "console"] | None = None,
    *,
    observer: LogObserver | None = None,
) -> Callable[[str], None]:
    """A function that writes lines of JSON of other processes' logs among those of this one, in the same form.

    `observer` receives those that are warnings and errors: what all processes do alike, this one reports itself.
    """
    as_json = _is_json(stream, log_format)
    [render] = _for_people(coloured(cast("IO[Any]", stream)))
    lines = tolerant(stream, log_format)

    def write(line: str) -> None:
        text = line
        if observer is not None or not as_json:
            event = json.loads(line)
            if observer is not None and event.get("level") in _SERIOUS:
                observer(event)
            if not as_json:
                if "exception" in event:
                    event["exception"] = _traceback(event["exception"])
                text = str(render(None, "", event)) + "\n"
        lines.write(text)

    return write


def discard() -> None:
    """Discard all logs of this process, from now on, and the warnings of libraries."""
    structlog.configure(processors=[_drop], wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    _send_library_records_to(logging.NullHandler())
    logging.captureWarnings(True)


def tolerant(stream: LogStream, log_format: Literal["json", "console"] | None = None) -> TolerantStream:
    """A stream for `configure` and `relay` together, whose faults stop no work; lost lines are counted in that form."""
    if isinstance(stream, TolerantStream):
        return stream
    render = _rendering(stream, log_format)[-1]

    def lost_lines(count: int) -> str:
        event = {"lost": count, "event": "log_lines_lost", "level": "warning"}
        return str(render(None, "", {**event, "timestamp": datetime.now(UTC).isoformat()})) + "\n"

    return TolerantStream(stream, lost_lines)


def _rendering(stream: LogStream, log_format: Literal["json", "console"] | None) -> list[Processor]:
    return _as_json() if _is_json(stream, log_format) else _for_people(coloured(cast("IO[Any]", stream)))


def _is_json(stream: LogStream, log_format: Literal["json", "console"] | None) -> bool:
    return log_format == "json" or (log_format is None and not stream.isatty())


def _traceback(exceptions: list[dict[str, Any]]) -> str:
    """The lines of a traceback that is JSON."""
    return "\n".join(
        "\n".join(
            [
                *(f'  File "{each["filename"]}", line {each["lineno"]}, in {each["name"]}' for each in one["frames"]),
                f"{one['exc_type']}: {one['exc_value']}",
            ]
        )
        for one in reversed(exceptions)
    )


def _adding(facts: Mapping[str, Any]) -> Processor:
    def add(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001  # the signature is structlog's
        return {**event, **facts}

    return add


def _observing(observer: LogObserver) -> Processor:
    def observe(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001  # the signature is structlog's
        observer(event)
        return event

    return observe


def _drop(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001  # the signature is structlog's
    raise structlog.DropEvent


def _send_library_records_to(handler: logging.Handler) -> None:
    root = logging.getLogger()
    for old in root.handlers[:]:
        if old.name == _OUR_HANDLER:
            root.removeHandler(old)
    handler.name = _OUR_HANDLER
    root.addHandler(handler)
    root.setLevel(logging.WARNING)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        remove_secrets,
    ]


def _as_json() -> list[Processor]:
    # Local variables stay out of tracebacks: mail and tokens are among them.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer(_json_text)]


def _json_text(event: EventDict, *, default: Callable[[object], Any]) -> str:
    return _encoder(default).encode(event)


@functools.lru_cache(maxsize=1)
def _encoder(default: Callable[[object], Any]) -> json.JSONEncoder:
    """Made once: `json.dumps` makes one for each event, which takes longer than to use it."""
    return json.JSONEncoder(ensure_ascii=False, default=default)


def _for_people(colors: bool) -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]


def remove_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001  # the signature is structlog's
    """Last guard: replace values under a key that sounds secret, also nested ones."""
    for key, value in event.items():
        if _sounds_secret(key):
            event[key] = REMOVED
        elif type(value) not in _PLAIN and isinstance(value, Mapping | list | tuple):
            event[key] = _cleaned(value, 1)
    return event


def remove_secret_text(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001  # the signature is structlog's
    """Replace apparent tokens and passwords in the sentence of a library."""
    text = event.get("event")
    if text is not None:
        event["event"] = _SECRET_TEXT.sub(REMOVED, str(text))
    return event


def _cleaned(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        return REMOVED
    if isinstance(value, Mapping):
        return {key: REMOVED if _sounds_secret(key) else _cleaned(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(each, depth + 1) for each in value]
    return value


@functools.lru_cache(maxsize=1024)
def _sounds_secret(key: object) -> bool:
    bare = str(key).lower().replace("_", "").replace("-", "")
    return bare in _SECRET_KEYS or any(word in bare for word in _SECRET_WORDS)
