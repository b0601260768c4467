"""Server-sent events: a page learns that something changed, and fetches its part again by itself.

https://html.spec.whatwg.org/multipage/server-sent-events.html. An event carries no content: what is fetched is
checked as every request.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

_HEARTBEAT_SECONDS: Final = 15.0
_MAX_SECONDS: Final = 300.0
"""Life of a stream; the browser connects again, and its session is looked at again."""
MAX_STREAMS: Final = 200
MAX_OF_USER: Final = 20
"""Tabs that one user may have open, and see change by themselves."""


class Streams:
    """The open streams, a bounded number."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._open: Counter[str] = Counter()

    async def send(
        self,
        request: web.Request,
        changed: Callable[[], Awaitable[object]],
        *,
        user: str,
        is_over: Callable[[], bool] = lambda: False,
    ) -> web.StreamResponse:
        """Send the event `changed` each time that the call returns, until `is_over`, and then `over`.

        503 where there are too many streams, of all users or of this one: the page works without.
        """
        if self._open.total() >= MAX_STREAMS or self._open[user] >= MAX_OF_USER or self._stop.is_set():
            return web.Response(status=503, headers={"Retry-After": "30"})
        answer = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        await answer.prepare(request)
        self._open[user] += 1
        try:
            async with asyncio.timeout(_MAX_SECONDS):
                await self._send_all(answer, changed, is_over)
        except (TimeoutError, ConnectionResetError):
            pass  # it connects again, or is gone
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]
        return answer

    async def _send_all(
        self, answer: web.StreamResponse, changed: Callable[[], Awaitable[object]], is_over: Callable[[], bool]
    ) -> None:
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            while not self._stop.is_set():
                if is_over():
                    await answer.write(b"event: over\ndata:\n\n")
                    return
                waiting = asyncio.ensure_future(changed())
                try:
                    await asyncio.wait(
                        [waiting, stopping], timeout=_HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    await answer.write(b"event: changed\ndata:\n\n" if waiting.done() else b":\n\n")
                finally:
                    waiting.cancel()
        finally:
            stopping.cancel()
