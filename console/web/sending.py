"""Answers that are sent in pieces, as their content is read."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import IO, Final

import structlog
from aiohttp import web

from console.web.security import add_headers
from console.web.visit import Visit

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_PIECE_BYTES: Final = 256 * 1024
_IN_MEMORY: Final = 1024 * 1024
_WRITING_SECONDS: Final = 600.0
_STALLED_SECONDS: Final = 120.0
"""Bound of sending one piece: who does not read keeps others waiting."""


async def send(visit: Visit, headers: Mapping[str, str], pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send the pieces. What fails midway ends the connection, so that no browser takes a part for the whole."""
    request = visit.request
    answer = web.StreamResponse(headers=headers)
    add_headers(answer, is_secure=visit.services.addresses.is_secure or request.secure)
    await answer.prepare(request)
    try:
        async for piece in pieces:
            async with asyncio.timeout(_STALLED_SECONDS):
                await answer.write(piece)
        await answer.write_eof()
    except ConnectionResetError:
        pass  # the browser is gone
    except Exception as exc:  # noqa: BLE001  # the status is sent already: whatever it is, it cannot become an answer
        log.warning("console_download_broken", error_type=type(exc).__name__, error=str(exc))
        if request.transport is not None:
            request.transport.abort()
    return answer


async def send_written(
    visit: Visit, headers: Callable[[int], Mapping[str, str]], write: Callable[[IO[bytes]], None]
) -> web.StreamResponse:
    """Send what `write` writes into a file, once that is whole. `headers`: by the number of its bytes.

    Raises: what `write` raises; nothing was sent then.
    """
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        await visit.blocking(partial(write, file), seconds=_WRITING_SECONDS)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return await send(visit, headers(size), _pieces(visit, file))


async def _pieces(visit: Visit, file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await visit.blocking(partial(file.read, _PIECE_BYTES), seconds=_STALLED_SECONDS):
        yield piece
