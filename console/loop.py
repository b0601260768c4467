"""The event loop of this program: its name look-ups have threads of their own, and its end waits for no thread."""

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from threads import DaemonThreads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_NAME_LOOK_UPS: Final = 16
_OTHER_CALLS: Final = 4

if sys.platform == "win32":
    _PlatformLoop = asyncio.ProactorEventLoop
else:
    _PlatformLoop = asyncio.SelectorEventLoop


class _Loop(_PlatformLoop):
    """Python's own, except that an unresponsive name server delays nothing but look-ups.

    Python has look-ups share one pool of threads with all other blocking calls, and waits for its threads at the end.
    Calls of a library without an executor of its own go to a few threads that are not waited for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._look_ups = DaemonThreads("name look-up", limit=_NAME_LOOK_UPS)
        self._others = DaemonThreads("blocking call", limit=_OTHER_CALLS)

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
