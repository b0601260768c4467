"""The event loop of this program: its name look-ups have threads of their own, and its end waits for no thread."""

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

import structlog

from hostfaults import host_fault_of
from threads import DaemonThreads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_NAME_LOOK_UPS: Final = 16
_OTHER_CALLS: Final = 4
_REPORTED_EACH_SECONDS: Final = 60.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

if sys.platform == "win32":
    _PlatformLoop = asyncio.ProactorEventLoop
else:

    class _Listening:
        """A listening socket that has nothing more to accept in a turn of the loop once the resources ran out in it."""

        def __init__(self, listening: socket.socket) -> None:
            self.listening = listening
            self._is_out = False

        def fileno(self) -> int:
            return self.listening.fileno()

        def accept(self) -> tuple[socket.socket, Any]:
            if self._is_out:
                raise BlockingIOError
            try:
                return self.listening.accept()
            except OSError as exc:
                self._is_out = host_fault_of(exc) is not None
                raise

    class _PlatformLoop(asyncio.SelectorEventLoop):
        """Python's own, without a fault that grows while no file handles are left.

        Without the correction of 2026 (https://github.com/python/cpython/issues/151615) it goes on to accept, reports
        each failure, and has each begin anew a second later: a hundred for each listening socket, then ten thousand.
        """

        def _accept_connection(self, protocol_factory: Any, sock: Any, *options: Any) -> None:  # noqa: ANN401  # asyncio's own
            listening = sock.listening if isinstance(sock, _Listening) else sock
            accept = super()._accept_connection  # type: ignore[misc]  # which typeshed leaves out
            accept(protocol_factory, _Listening(listening), *options)


class _Loop(_PlatformLoop):
    """Python's own, except that an unresponsive name server delays nothing but look-ups.

    Python has look-ups share one pool of threads with all other blocking calls, and waits for its threads at the end.
    Calls of a library without an executor of its own go to a few threads that are not waited for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._look_ups = DaemonThreads("name look-up", limit=_NAME_LOOK_UPS)
        self._others = DaemonThreads("blocking call", limit=_OTHER_CALLS)
        self._report_at = 0.0
        self._unreported = 0

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Override that of asyncio: without file handles it fails each second, which is reported each minute."""
        error = context.get("exception")
        fault = None if error is None else host_fault_of(error)
        if fault is None or "accept" not in context.get("message", "").lower():
            super().call_exception_handler(context)
            return
        self._unreported += 1
        if self.time() >= self._report_at:
            self._report_at = self.time() + _REPORTED_EACH_SECONDS
            log.error("connections_not_accepted", error=str(fault), failures=self._unreported)
            self._unreported = 0

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002  # asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Override `asyncio.loop.getaddrinfo`."""
        look_up = partial(socket.getaddrinfo, host, port, family, type, proto, flags)
        return await self.run_in_executor(self._look_ups, look_up)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:  # noqa: ANN401  # by address family
        """Override `asyncio.loop.getnameinfo`."""
        return await self.run_in_executor(self._look_ups, socket.getnameinfo, sockaddr, flags)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Override `asyncio.loop.run_in_executor`, without the default executor that is waited for."""
        return super().run_in_executor(self._others if executor is None else executor, func, *args)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in an event loop of its own, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
