"""Worker processes for untrusted content: bounded in computing time and memory, and killed when that is exceeded.

Own code beside `multiprocessing`, pebble or anyio: those run the parent's main module in each process and pass on its
environment, which holds passwords; none limits computing time or memory, or shares lanes between mailboxes.
"""

import asyncio
import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar, TypeVarTuple

import structlog

from operatingsystem import OUT_OF_TIME_STATUS, PROCESS_FLAGS
from phrases import Phrase
from processor.process_main import OUT_OF_MEMORY, Call, Reply, read_frame, write_frame
from threads import DaemonThreads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_MEGABYTE: Final = 1024 * 1024
_LARGE: Final = 8 * _MEGABYTE
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 2.0
_SOON_SECONDS: Final = 0.1
# Variables of its environment that a process needs: no secrets are among them. Windows requires SYSTEMROOT for sockets.
_ENVIRONMENT: Final = ("LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")


class LimitExceeded(Exception):
    """The work exceeded a limit. The text names it, for an operator; nothing of the work is in it."""


class WorkerEnded(LimitExceeded):
    """The process ended while it worked, twice: the work is the likely cause."""


class PoolUnusable(Exception):
    """No worker process starts, or the pool is closed: the work was not begun."""


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """Limits of work by its size: many times what genuine mail took where it was measured (0.15 s, 8 MB a MB).

    `seconds` and `seconds_a_megabyte`: of computing time, `most_seconds` at most; three times that, and some seconds,
    may pass.
    """

    seconds: float = 3.0
    seconds_a_megabyte: float = 1.0
    most_seconds: float = 60.0
    memory_mb: int = 256
    memory_of_size: int = 10
    most_memory_mb: int = 1024
    waiting_seconds: float = 5.0

    def cpu_seconds(self, size: int) -> float:
        """Seconds of computing time for work of so many bytes."""
        return min(self.seconds + self.seconds_a_megabyte * size / _MEGABYTE, self.most_seconds)

    def clock_seconds(self, size: int) -> float:
        """Seconds that may pass."""
        return self.waiting_seconds + 3 * self.cpu_seconds(size)

    def memory(self, size: int) -> int:
        """Bytes: of address space, or of what Windows has committed."""
        return min(self.memory_mb * _MEGABYTE + self.memory_of_size * size, self.most_memory_mb * _MEGABYTE)


class ProcessPool:
    """A few worker processes, each started when first needed. An asynchronous context.

    Work of one mailbox leaves a lane to the others, and so does large work: a hostile mail delays no other sender.

    Args:
        preload: modules that a process has ready before its time counts.
        lanes: number of calls at once.
    """

    def __init__(self, preload: Sequence[str] = (), *, lanes: int = 3, limits: WorkLimits | None = None) -> None:
        self._preload = tuple(preload)
        self._limits = limits or WorkLimits()
        self._lanes = _Lanes(lanes)
        self._threads = DaemonThreads("worker process", limit=lanes)
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []
        self._is_closed = False
        weakref.finalize(self, _end_all, self._workers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def run(
        self,
        function: Callable[[*Ts], T],
        *arguments: *Ts,
        mailbox: Hashable,
        size: int,
        scratch: Path | None = None,
    ) -> T:
        """Call the function in a worker process; arguments, result and exceptions have to be picklable.

        A cancelled caller does not leave the process at work. `mailbox`: the owner of the work. `size`: bytes of its
        input. `scratch`: a folder of the work, deleted by the process if this one is gone.

        Raises:
            LimitExceeded: it was given up.
            PoolUnusable
        """
        call = Call(function, arguments, self._limits.cpu_seconds(size), self._limits.memory(size), scratch)
        for is_last in (False, True):
            async with self._lanes.held(mailbox, is_large=size > _LARGE):
                try:
                    reply = await self._called(call, self._limits.clock_seconds(size))
                    break
                except _Ended as exc:
                    log.warning("worker_process_ended", status=exc.status, work=function.__name__, size=size)
                    # The system, for lack of memory, or an operator may have ended it.
                    if is_last:
                        raise WorkerEnded(f"the process that did it ended ({exc.status}).") from None
        else:  # pragma: no cover  # the loop ends by one of the above
            raise AssertionError
        if reply.error is not None:
            raise reply.error
        result: T = reply.result
        return result

    async def close(self) -> None:
        """Kill all processes, at work or not."""
        self._is_closed = True
        self._idle.clear()
        for worker in self._workers:
            worker.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                while self._workers:
                    self._workers.difference_update([each for each in self._workers if each.is_over()])
                    await asyncio.sleep(0.01)

    async def _called(self, call: Call, seconds: float) -> Reply:
        worker = await self._ready()
        is_kept = False
        try:
            async with asyncio.timeout(seconds):
                reply: Reply = await asyncio.get_running_loop().run_in_executor(self._threads, worker.call, call)
            is_kept = not reply.is_last
        except TimeoutError:
            raise _too_long(call) from None
        except _Ended as exc:
            if exc.status == OUT_OF_TIME_STATUS:
                raise _too_long(call) from None
            if exc.status == OUT_OF_MEMORY:
                megabytes = call.memory_bytes // _MEGABYTE
                raise LimitExceeded(f"it takes more than {megabytes} MB of memory.") from None
            raise
        finally:
            if is_kept and not self._is_closed:
                self._idle.append(worker)
            else:
                self._end(worker)
        return reply

    async def _ready(self) -> "_Worker":
        if self._is_closed:
            raise PoolUnusable(Phrase("The worker processes were ended."))
        while self._idle:
            worker = self._idle.pop()
            if not worker.is_over():
                return worker
            self._end(worker)  # ended by the system or an operator while it had nothing to do
        worker = _Worker(self._preload)
        self._workers.add(worker)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await asyncio.get_running_loop().run_in_executor(self._threads, worker.start)
        except (_Ended, TimeoutError, OSError) as exc:
            self._end(worker)
            status = exc.status if isinstance(exc, _Ended) else exc.strerror
            raise PoolUnusable(
                Phrase(
                    "The process that unpacks attachments does not start: {program} ({status}). Check the memory "
                    "of this machine; the mail is tried again.",
                    program=sys.executable,
                    status=status or "no sign of life",
                )
            ) from exc
        except BaseException:
            self._end(worker)
            raise
        return worker

    def _end(self, worker: "_Worker") -> None:
        worker.kill()
        # One that does not end at once is removed when the next one is ended.
        self._workers.difference_update([each for each in self._workers if each.is_killed and each.is_over()])


def _too_long(call: Call) -> LimitExceeded:
    return LimitExceeded(f"it takes more than {call.cpu_seconds:.1f} s of computing time.")


class _Ended(Exception):
    """The process ended. `status`: as `subprocess` has it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Worker:
    """One process. `start` and `call` block, one at a time; they raise `_Ended` when `kill` ends it."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._command = [sys.executable, "-P", "-W", "ignore", "-m", "processor.process_main", *preload]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_busy = False
        self.is_killed = False

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with self._lock:
            if self.is_killed:
                raise _Ended(0)
            # -P, and no relative paths: the current folder has no influence on imports.
            paths = [path for path in sys.path if Path(path).is_absolute()]
            environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
            self._process = subprocess.Popen(  # noqa: S603  # this very program
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
                cwd=tempfile.gettempdir(),
                creationflags=PROCESS_FLAGS,
            )
        self._exchanged(None)

    def call(self, call: Call) -> Reply:
        """The reply."""
        reply: Reply = pickle.loads(self._exchanged(pickle.dumps(call)))  # noqa: S301  # from this program
        return reply

    def kill(self, wait_seconds: float = _SOON_SECONDS) -> None:
        """End it, also at work; it is usually gone at once."""
        with self._lock:
            self.is_killed = True
            if self._process is not None:
                self._process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(wait_seconds)

    def is_over(self) -> bool:
        """Check whether it has ended, and no call waits for it any more; its pipes are closed then."""
        with self._lock:
            if self._process is None:
                return True
            if self._is_busy or self._process.poll() is None:
                return False
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            return True

    def _exchanged(self, request: bytes | None) -> bytes:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise _Ended(0)
        self._is_busy = True
        try:
            if request is not None:
                write_frame(process.stdin, request)
            return read_frame(process.stdout)
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            process.kill()
            raise _Ended(process.wait()) from None
        finally:
            self._is_busy = False


def _end_all(workers: "set[_Worker]") -> None:
    """End the processes of an unreferenced pool: they would end by themselves, but their pipes stay open."""
    for worker in workers:
        worker.kill(_END_SECONDS)
        worker.is_over()


@dataclass(slots=True, eq=False)
class _Place:
    mailbox: Hashable
    is_large: bool
    given: "asyncio.Future[None]"


class _Lanes:
    """Lanes for work: in the order of arrival, but first for mailboxes that have the least at work."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._working: Counter[Hashable] = Counter()
        self._is_large_working = False
        self._waiting: deque[_Place] = deque()

    @asynccontextmanager
    async def held(self, mailbox: Hashable, *, is_large: bool) -> AsyncIterator[None]:
        """Hold a lane for as long as the context lasts."""
        place = _Place(mailbox, is_large, asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        self._give()
        try:
            await place.given
            yield
        finally:
            if place in self._waiting:
                self._waiting.remove(place)
            else:
                self._take_back(place)
            self._give()

    def _take_back(self, place: _Place) -> None:
        self._working[place.mailbox] -= 1
        if not self._working[place.mailbox]:
            del self._working[place.mailbox]
        self._is_large_working = self._is_large_working and not place.is_large

    def _give(self) -> None:
        while self._working.total() < self._count:
            place = min(filter(self._may_work, self._waiting), key=self._at_work, default=None)
            if place is None:
                return
            self._waiting.remove(place)
            self._working[place.mailbox] += 1
            self._is_large_working = self._is_large_working or place.is_large
            if not place.given.done():
                place.given.set_result(None)

    def _may_work(self, place: _Place) -> bool:
        at_most = max(1, self._count - 1)
        return self._at_work(place) < at_most and not (place.is_large and self._is_large_working)

    def _at_work(self, place: _Place) -> int:
        return self._working[place.mailbox]
