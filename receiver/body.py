"""The body of a delivery, read within limits."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from bus.errors import QueueUnavailable
from phrases import Phrase

_MIB: Final = 1024 * 1024


class Refused(Exception):
    """The delivery is answered with `status`; the text gives the reason, without repeating any of the request."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The bounds on bodies."""

    body_bytes: int = _MIB
    """The largest body."""
    body_seconds: float = 10.0
    """The time until a body must be complete."""
    large_bytes: int = 64 * 1024
    """The size above which a body counts as large."""
    large_bodies: int = 8
    """Large bodies read at a time."""


class BodyReader:
    """Reads bodies, few large ones at a time."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._large_bodies = asyncio.Semaphore(limits.large_bodies)

    async def read(self, request: web.BaseRequest) -> bytes:
        """Read the whole body.

        Raises:
            Refused: too large (413), too slow (408), broken (400).
            QueueUnavailable: too many large bodies at a time.
        """
        if (request.content_length or 0) > self._limits.body_bytes:
            raise self._too_large()
        if request.content.is_eof() and request.content.total_bytes <= self._limits.large_bytes:
            return request.content.read_nowait()  # arrived whole with its headers, as nearly all do
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._read_within_limits(request)
        except TimeoutError as exc:
            raise Refused(408, f"The body took longer than {self._limits.body_seconds:g} s.") from exc
        except web.RequestPayloadError as exc:
            raise Refused(400, "The body ends too early, or its chunks are broken.") from exc

    async def _read_within_limits(self, request: web.BaseRequest) -> bytes:
        await _request_rest(request)
        start = b""
        if (request.content_length or 0) <= self._limits.large_bytes:
            start = await _read_up_to(request, self._limits.large_bytes)
            if len(start) <= self._limits.large_bytes:
                return start
        if self._large_bodies.locked():
            raise QueueUnavailable(
                Phrase("{large_bodies} large bodies are being read already.", large_bodies=self._limits.large_bodies)
            )
        async with self._large_bodies:
            body = start + await _read_up_to(request, self._limits.body_bytes - len(start))
        if len(body) > self._limits.body_bytes:
            raise self._too_large()
        return body

    def _too_large(self) -> Refused:
        return Refused(413, f"The body is larger than {self._limits.body_bytes} bytes.")


async def _request_rest(request: web.BaseRequest) -> None:
    """Have a client that expects "100 Continue" send the body: it would wait, in the time that Graph allows an answer.

    aiohttp does so where it routes requests, which this server does not.
    """
    expects = request.headers.get(hdrs.EXPECT, "").lower() == "100-continue"
    if expects and request.version >= HttpVersion11 and not request.content.total_bytes:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # no part of the answer


async def _read_up_to(request: web.BaseRequest, limit: int) -> bytes:
    """Read the rest of the body, or a little more than `limit` bytes of it when it is longer."""
    pieces: list[bytes] = []
    size = 0
    while size <= limit:
        piece = await request.content.readany()
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
