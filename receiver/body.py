"""The body of a delivery, read within limits."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bus.errors import QueueUnavailable
from phrases import Phrase

LARGEST_BODY: Final = 4 * 1024 * 1024
_LARGE_BODY: Final = 256 * 1024


class Refused(Exception):
    """The delivery is answered with `status`; the text says why, without repeating what was sent."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Seconds until a body must be complete; bodies over 256 KiB in memory at a time."""

    body_seconds: float = 10.0
    large_bodies: int = 8


class BodyReader:
    """Reads bodies of at most 4 MiB, few large ones at a time."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._large_bodies = asyncio.Semaphore(limits.large_bodies)

    async def read(self, request: web.BaseRequest) -> bytes:
        """The whole body.

        Raises:
            Refused: too large (413), too slow (408), broken (400).
            QueueUnavailable: too many large bodies at a time.
        """
        if (request.content_length or 0) > LARGEST_BODY:
            raise _too_large()
        if request.content.is_eof() and request.content.total_bytes <= _LARGE_BODY:
            return request.content.read_nowait()  # came whole with its headers, as nearly all do
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._read_within_limits(request)
        except TimeoutError as exc:
            raise Refused(408, f"The body took longer than {self._limits.body_seconds:g} s.") from exc
        except web.RequestPayloadError as exc:
            raise Refused(400, "The body ends too early, or its chunks are broken.") from exc

    async def _read_within_limits(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) <= _LARGE_BODY:
            start = await _read_up_to(request, _LARGE_BODY)
            if len(start) <= _LARGE_BODY:
                return start
        else:
            start = b""
        if self._large_bodies.locked():
            raise QueueUnavailable(
                Phrase("{large_bodies} large bodies are being read already.", large_bodies=self._limits.large_bodies)
            )
        async with self._large_bodies:
            body = start + await _read_up_to(request, LARGEST_BODY - len(start))
        if len(body) > LARGEST_BODY:
            raise _too_large()
        return body


def _too_large() -> Refused:
    return Refused(413, f"The body is larger than {LARGEST_BODY} bytes.")


async def _read_up_to(request: web.BaseRequest, most: int) -> bytes:
    """The rest of the body, or a little more than `most` bytes of it when it is longer."""
    pieces: list[bytes] = []
    size = 0
    while size <= most:
        piece = await request.content.readany()
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
