"""The download of an attachment: headers under which a browser saves it and never shows it, and its content in pieces.

Neither name nor type of the sender is trusted: the type is always that of any bytes, and the name one for any disk.
"""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from typing import Final
from urllib.parse import quote

from sqlalchemy import Engine

from db.queries.contents import pieces_of
from db.tables import attachment
from filenames import FileNames

_PLAIN: Final = "!#$&+-.^_`|~"
"""Characters that need no encoding in `filename*`, beside letters and digits (RFC 8187, attr-char)."""
_MISREAD: Final = str.maketrans("%;", "__")
"""Characters that browsers decode in `filename`, or end it at."""


def download_headers(name: str | None, *, number: int, size: int) -> dict[str, str]:
    """The headers of the response with an attachment of that many bytes.

    `name`: `sSafeFileName`, else `sFileName`, whatever it is; without one, `attachment-{number}`.
    """
    return {
        "Content-Disposition": content_disposition(name, number=number),
        "Content-Length": str(size),
        "Content-Type": "application/octet-stream",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def content_disposition(name: str | None, *, number: int) -> str:
    """The header that makes a browser save a file under a harmless form of the name (RFC 6266)."""
    # A leading dot hides a file; one that is left, the browser replaces.
    safe = FileNames().take((name or "").lstrip(". "), number=number)
    plain = unicodedata.normalize("NFKD", safe).encode("ascii", "ignore").decode()
    if plain.startswith("."):
        plain = f"attachment-{number}{plain}"
    # Once more: a wide letter or sign has become a plain one.
    fallback = FileNames().take(plain.lstrip(". "), number=number).translate(_MISREAD)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(safe, safe=_PLAIN)}"


async def content_pieces(engine: Engine, attachment_id: int, *, size: int, threads: Executor) -> AsyncIterator[bytes]:
    """The `size` bytes of an attachment (`nAttachmentID`), each piece (`READ_BYTES`) read when the last one is sent.

    `threads`: read them.

    Raises:
        ContentDiffers: the content was purged or replaced meanwhile. Close the connection: the response is not whole.
        DatabaseUnavailable
    """
    pieces = pieces_of(engine, attachment, attachment_id, size=size)
    loop = asyncio.get_running_loop()
    while (piece := await loop.run_in_executor(threads, _next, pieces)) is not None:
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
