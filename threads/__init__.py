"""Threads for blocking calls: each kind of work has its own bounded number, and process exit waits for none."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """An executor for `loop.run_in_executor`; serves any number of event loops.

    A thread of `ThreadPoolExecutor`, which `asyncio.to_thread` uses, keeps the interpreter from exiting for as long as
    its call hangs; these are daemons. Calls start in order of arrival. A thread lives while there are calls. A call
    cancelled before it began does not run; one that hangs occupies its thread, but its caller may abandon it.
    """

    def __init__(self, name: str, *, limit: int) -> None:
        """`name`: of the threads, for debuggers. `limit`: number of calls that run at once."""
        self._name: Final = name
        self._limit: Final = limit
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: dict[Future[Any], Callable[[], Any]] = {}

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Schedule the call of the function.

        Raises:
            RuntimeError: the system cannot start a thread.
        """
        future: Future[T] = Future()
        with self._lock:
            self._waiting[future] = partial(fn, *args, **kwargs)
            starts = self._running < self._limit
            self._running += starts
        if starts:
            try:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            except RuntimeError:
                with self._lock:
                    self._running -= 1
                    self._waiting.pop(future, None)
                raise
        future.add_done_callback(self._forget)
        return future

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                future = next(iter(self._waiting))
                call = self._waiting.pop(future)
            if future.set_running_or_notify_cancel():
                _settle(future, call)
            del future, call  # objects held by a call are not kept until the next one

    def _forget(self, future: "Future[Any]") -> None:
        # Calls that time out behind a hanging call, and are repeated, must not accumulate here.
        with self._lock:
            self._waiting.pop(future, None)


def _settle(future: "Future[Any]", call: Callable[[], Any]) -> None:
    try:
        result = call()
    except BaseException as exc:  # noqa: BLE001  # raised again in the awaiting caller
        future.set_exception(exc)
    else:
        future.set_result(result)
