"""The process of a role: signals, its end within a bound, and the garbage collector."""

import asyncio
import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import Any, Final

import structlog

from console.loop import run_async
from operatingsystem import STOP_SIGNALS

_STOP_SECONDS: Final = 15.0
"""A clean stop takes 10 s at most. After that, a call does not return: for the data, the end is that of a SIGKILL."""
_STOP_OVERDUE: Final = 1
_LOG_SECONDS: Final = 1.0
"""The time for the last line of a process whose stop is overdue."""
_YOUNG_OBJECTS: Final = 5_000

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class StopOverdue(Exception):
    """A part of the process did not end within the time of a stop, and cannot be waited for."""


def freeze_gc() -> None:
    """Take what start-up made out of the garbage collector's rounds.

    It lives as long as the process; gone through again and again under load, it makes one request in a hundred three
    times as slow (bench/receiver.py). Nor does a round begin for each few hundred new objects, as is usual: those of
    one message are more, and nearly all go with it by themselves.
    """
    gc.unfreeze()  # what was frozen while commands were loaded, of which some is garbage
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])


def run_until_signalled(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    *,
    reload: asyncio.Event | None = None,
    stop_seconds: float = _STOP_SECONDS,
) -> None:
    """Run `work` with an event that SIGTERM or SIGINT sets; SIGHUP, where there is such a thing, sets `reload`.

    Where `work` does not end within `stop_seconds` after the signal, the process ends with exit status 1, and the log
    names the tasks that kept it (`stop_overdue`).
    """

    def listen(request_stop: Callable[[str], None]) -> None:
        stop_by_signals(request_stop)
        if reload is not None and hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload.set)

    run_until_requested(work, listen, stop_seconds=stop_seconds, on_overdue=lambda: os._exit(_STOP_OVERDUE))


def stop_by_signals(request_stop: Callable[[str], None]) -> None:
    """Have `request_stop` called with the name of each signal that requests a stop; call this in the main thread.

    By handlers of Python itself, not of the event loop, which may be blocked: they interrupt a write to a full pipe.
    """

    def stop(number: int, _frame: object) -> None:
        request_stop(signal.Signals(number).name)

    for number in STOP_SIGNALS:
        signal.signal(number, stop)


def run_until_requested(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    listen: Callable[[Callable[[str], None]], None],
    *,
    on_overdue: Callable[[], None],
    stop_seconds: float = _STOP_SECONDS,
) -> None:
    """Run `work` with an event that a request to stop sets.

    `listen` is called in the event loop, with a function that any thread may call with the name of a request, also
    several times. `on_overdue` is called where `work` does not end within `stop_seconds` after the first request, on
    another thread, and where it raises `StopOverdue`; it ends the process.
    """

    async def until_requested() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        first_request: SimpleQueue[bool] = SimpleQueue()
        starting = threading.Lock()
        before = {number: signal.getsignal(number) for number in STOP_SIGNALS}

        def watch() -> None:
            if first_request.get():
                time.sleep(stop_seconds)
                _end_overdue(loop, stop_seconds, on_overdue)

        def begin_stop(name: str) -> None:
            stop.set()  # before the log, whose reader may read no more
            log.info("stop_requested", signal=name)

        def request_stop(name: str) -> None:
            # No lock that is waited for, and no log: the handler of a signal may have interrupted what holds it.
            if starting.acquire(blocking=False):  # never released: the first request
                first_request.put(True)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(begin_stop, name)

        threading.Thread(target=watch, name="stop watchdog", daemon=True).start()
        listen(request_stop)
        try:
            await work(stop)
        except StopOverdue:
            on_overdue()
        finally:
            first_request.put(False)  # ends the watchdog, unless a request came before
            for number, handler in before.items():
                if handler is not None and signal.getsignal(number) is not handler:
                    signal.signal(number, handler)

    run_async(until_requested())


def _end_overdue(loop: asyncio.AbstractEventLoop, seconds: float, on_overdue: Callable[[], None]) -> None:
    """On a thread of its own, as the event loop itself may be blocked; so may the log, which a reader holds up."""
    without_log = threading.Timer(_LOG_SECONDS, on_overdue)
    without_log.daemon = True
    without_log.start()
    names = sorted(task.get_name() for task in asyncio.all_tasks(loop))
    threads = sorted(thread.name for thread in threading.enumerate())
    log.critical("stop_overdue", seconds=seconds, tasks=names[:20], threads=threads[:20])
    without_log.cancel()
    on_overdue()
