"""Messages between the supervisor and a worker, over the worker's standard input and output.

A frame is four bytes of length, then a pickle. Both sides are one program of one user: nothing is read here that could
not be done anyway.
"""

import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from prometheus_client.metrics_core import Metric

from console.settings import Settings
from phrases import Phrase

LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Assignment:
    """The first message to a worker: its number, from 1, and its work. `language`: of texts for the operator."""

    number: int
    settings: Settings
    roles: tuple[str, ...]
    language: str
    listening: tuple[Any, ...] = ()
    """The sockets of the receiver, as `operatingsystem.exported_socket` gives them."""


@dataclass(frozen=True, slots=True)
class StopRequest:
    """To a worker: begin the stop. `reason`: for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReloadRequest:
    """To a worker: read the certificates again."""


@dataclass(frozen=True, slots=True)
class MetricsRequest:
    """To a worker: answer with `MetricsReport`."""


@dataclass(frozen=True, slots=True)
class ReadinessRequest:
    """To a worker: answer with `ReadinessReport`."""


@dataclass(frozen=True, slots=True)
class FailingWorkers:
    """To a worker: another one cannot be started again, which is tried on and on; `why` None: all serve again."""

    why: str | None


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a worker. Its number of process may be another one than of the program that was started:
    the `python.exe` of a virtual environment of Windows starts the interpreter.
    """

    pid: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a worker's log, as JSON, with its end."""

    text: str


@dataclass(frozen=True, slots=True)
class StartedReport:
    """The roles of a worker have started; the ports, as in `Started`."""

    port: int | None
    console_port: int | None


@dataclass(frozen=True, slots=True)
class Beat:
    """The event loop of a worker is alive; `stuck`: its loops that are not."""

    stuck: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """All metrics of a worker."""

    families: Sequence[Metric]


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """The obstacles of a worker, by reason."""

    obstacles: dict[str, str]


@dataclass(frozen=True, slots=True)
class FailureReport:
    """The reason for which a worker ends, a phrase where it can be; `problems`: of wrong settings, each."""

    text: str
    problems: tuple[Phrase, ...] = ()


Report = Hello | LogLine | StartedReport | Beat | MetricsReport | ReadinessReport | FailureReport
Request = Assignment | StopRequest | ReloadRequest | MetricsRequest | ReadinessRequest | FailingWorkers


class Readable(Protocol):
    """A binary stream."""

    def read(self, size: int, /) -> bytes | None:
        """Read at most so many bytes; none at its end."""
        ...


def framed(message: Report | Request) -> bytes:
    """The frame of a message."""
    content = pickle.dumps(message)
    return LENGTH.pack(len(content)) + content


def unpacked(content: bytes) -> Any:  # noqa: ANN401  # by the kind of message
    """The message of a frame's content."""
    return pickle.loads(content)  # noqa: S301  # from this program


def read_message(stream: Readable) -> Any:  # noqa: ANN401  # by the kind of message
    """Read the next message; blocks.

    Raises:
        EOFError: there is no other, or no whole one.
    """
    [length] = LENGTH.unpack(_read(stream, LENGTH.size))
    return unpacked(_read(stream, length))


def _read(stream: Readable, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        piece = stream.read(size - len(content))
        if not piece:
            raise EOFError
        content += piece
    return bytes(content)
