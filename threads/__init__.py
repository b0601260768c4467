"""Threads for calls that block: each kind of work has a bounded number of its own, and the process waits for none."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """An executor for `loop.run_in_executor`; serves any number of event loops.

    A thread of `ThreadPoolExecutor`, which `asyncio.to_thread` uses, keeps the interpreter from ending for as long as
    its call hangs; these are daemons. Calls start in the order they came. A thread lives while there are calls. A call
    that is cancelled before it began does not run; one that hangs takes up its thread, but its caller may leave it.
    """

    def __init__(self, name: str, *, limit: int) -> None:
        """`name`: of the threads, for debuggers. `limit`: how many calls run at once."""
        self._name: Final = name
        self._limit: Final = limit
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: dict[Future[Any], Callable[[], Any]] = {}

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Have the function called.

        Raises:
            RuntimeError: the system gives no thread.
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
            del future, call  # what a call held is not kept until the next one

    def _forget(self, future: "Future[Any]") -> None:
        # Callers that time out behind a hanging call, and come again, must not pile up here.
        with self._lock:
            self._waiting.pop(future, None)


def _settle(future: "Future[Any]", call: Callable[[], Any]) -> None:
    try:
        result = call()
    except BaseException as exc:  # noqa: BLE001  # raised again where the call is awaited
        future.set_exception(exc)
    else:
        future.set_result(result)
