"""Raw MIME: the whole MIME of a message, packed while it comes from Graph, in bounded memory.

The message is imported in any case: a row without bytes gives the reason for missing MIME.
"""

import asyncio
import hashlib
import re
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import ExitStack
from http import HTTPStatus
from typing import Final

from db.outcomes import ContentState
from db.records import OriginalRecord
from graph.errors import (
    NOT_THE_CONTENT,
    SERVER_FAULTS,
    GraphUnavailable,
    ItemCorrupt,
    ItemDenied,
    ItemGone,
    ItemUnconvertible,
    RequestRejected,
)
from graph.mailbox import Mailbox
from graph.messages import MailReader
from phrases import Phrase
from processor.content.attachments import detail_of
from processor.content.mapping import Json, size_of
from processor.content.mime_headers import split_headers
from processor.content.spool import Spool
from processor.errors import MessageChanged
from threads import DaemonThreads

COMPRESSION: Final = "gzip"
"""The format of RFC 1952: SQL Server's DECOMPRESS unpacks it, and so does every other tool."""
_GZIP: Final = zlib.MAX_WBITS | 16
_LEVEL: Final = 6
_MEGABYTE: Final = 1024 * 1024
IN_MEMORY: Final = 3 * 1024 * 1024
"""Bytes of memory that one MIME takes at most: those not packed yet, the packed ones, and the copy for the database."""
_SOON_PACKED: Final = 32 * 1024
"""Bytes that are packed in less time than a thread takes to begin."""
_PACKED_AT_ONCE: Final = 512 * 1024
_PACKED_SIDE_BY_SIDE: Final = 2
# Statuses that the message itself may cause, as a whole mail is requested at once; for 200, a filter between.
_MAYBE_THE_MESSAGE: Final = SERVER_FAULTS | {HTTPStatus.OK}
# A mail begins with the name of a header (RFC 5322); pages and errors of a proxy begin with these.
_NO_MIME: Final = (b"<", b"{")
_BEFORE_THE_BEGINNING: Final = b"\xef\xbb\xbf \t\r\n"
_MAX_HEADERS: Final = 64 * 1024
_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")
_NO_END: Final = "NoLastBoundary: its parts have no end; it may be cut off, or was sent so."


class _TooLarge(Exception):
    """More than may be kept."""


class OriginalFetcher:
    """Fetches the MIME of one message."""

    def __init__(self, reader: MailReader, *, limit_mb: int, spooling: Executor) -> None:
        """`limit_mb`: megabytes of MIME that are kept at most. `spooling`: threads that write temporary files."""
        self._reader = reader
        self._limit_mb = limit_mb
        self._spooling = spooling
        self._packing = DaemonThreads("packing", limit=_PACKED_SIDE_BY_SIDE)

    async def fetch(
        self, mailbox: Mailbox, message_id: str, message: Json, files: ExitStack, *, last_attempt: bool
    ) -> OriginalRecord:
        """The MIME, or the reason it is missing; on the `last_attempt` Graph's failure to give it is one, too.

        `files` closes, and so deletes, the temporary file.

        Raises:
            GraphUnavailable, ItemDenied, MessageChanged: try the message again.
            AccountError
        """
        if (size_of(message) or 0) > self._limit_mb * _MEGABYTE:
            return self._too_large()
        try:
            with ExitStack() as own:
                async with self._reader.original(mailbox, message_id) as pieces:
                    record = await self._packed(pieces, own, mailbox, last_attempt=last_attempt)
                files.push(own.pop_all())
                return record
        except _TooLarge:
            return self._too_large()
        except ItemGone as exc:
            # The fetched message is whole nevertheless: it vanished while its attachments were fetched, or its type has
            # no MIME.
            return OriginalRecord(ContentState.GONE, detail_of(exc))
        except ItemDenied as exc:
            if not last_attempt:
                raise
            return OriginalRecord(ContentState.UNREADABLE, detail_of(exc))
        except (ItemCorrupt, ItemUnconvertible, RequestRejected, GraphUnavailable) as exc:
            if isinstance(exc, GraphUnavailable) and not (last_attempt and exc.may_be_of_item(_MAYBE_THE_MESSAGE)):
                raise
            return OriginalRecord(ContentState.UNREADABLE, detail_of(exc))

    async def _packed(
        self, pieces: AsyncIterator[bytes], files: ExitStack, mailbox: Mailbox, *, last_attempt: bool
    ) -> OriginalRecord:
        packer, spool, begun, parts = _Packer(self._packing), Spool(files, self._spooling), False, _Parts()
        async for piece in pieces:
            begun = begun or _is_begun(piece, mailbox)
            parts.add(piece)
            if packer.size + len(piece) > self._limit_mb * _MEGABYTE:
                raise _TooLarge
            await spool.add(await packer.add(piece))
        if not begun:
            raise _no_mime(mailbox)
        if parts.open and not last_attempt:
            raise MessageChanged("The MIME of the message ends within one of its parts.")
        await spool.add(await packer.end())
        return OriginalRecord(
            state=ContentState.STORED,
            state_detail=_NO_END if parts.open else None,
            size=packer.size,
            sha256=packer.sha256,
            compression=COMPRESSION,
            content=await spool.held(),
            stored_size=spool.size,
        )

    def _too_large(self) -> OriginalRecord:
        return OriginalRecord(ContentState.TOO_LARGE, f"More than message_limit_mb ({self._limit_mb}).")


def _is_begun(piece: bytes, mailbox: Mailbox) -> bool:
    """Check whether the mail begins in this piece, the first with more than space in it.

    Raises:
        GraphUnavailable: something else begins.
    """
    head = piece.lstrip(_BEFORE_THE_BEGINNING)
    if head.startswith(_NO_MIME):
        raise _no_mime(mailbox)
    return bool(head)


def _no_mime(mailbox: Mailbox) -> GraphUnavailable:
    return GraphUnavailable(
        Phrase(
            "Graph gave something else, or nothing, in place of the MIME of a message of {mailbox}. It is tried again; "
            "if this lasts, check for a proxy that changes responses.",
            mailbox=mailbox,
        ),
        status=HTTPStatus.OK,
        code=NOT_THE_CONTENT,
    )


class _Parts:
    """Watches for the last boundary of a mail of several parts (RFC 2046, section 5.1.1).

    A proxy or filter that gives up ends the body in order: nothing else shows that it is cut off.
    """

    def __init__(self) -> None:
        self._headers: bytes | None = b""
        """The beginning of the mail, up to their end; None once they are read."""
        self._last: bytes | None = None
        self._carried = b""

    @property
    def open(self) -> bool:
        """True while the last boundary did not come."""
        return self._last is not None

    def add(self, piece: bytes) -> None:
        if self._headers is not None:
            piece = self._headers = (self._headers + piece).lstrip(_BEFORE_THE_BEGINNING)
            end = _END_OF_HEADERS.search(piece)
            if end is None and len(piece) < _MAX_HEADERS:
                return
            self._headers = None
            self._last = None if end is None else _last_boundary(piece[: end.start()])
        if self._last is None:
            return
        seen = self._carried + piece
        if self._last in seen:
            self._last = None
        else:
            self._carried = seen[-len(self._last) :]


def _last_boundary(headers: bytes) -> bytes | None:
    """The line that ends the parts of a mail with these headers; None: it has no parts."""
    read, _ = split_headers(headers, 0, len(headers))
    boundary = read.boundary() if read.content_type().startswith("multipart/") else None
    return None if boundary is None else b"\n--" + boundary + b"--"


class _Packer:
    """Packs the pieces added; `size` and `sha256` are of the bytes before packing."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._digest = hashlib.sha256()
        self._pending = bytearray()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def add(self, piece: bytes) -> bytes:
        """Add the next piece; return the bytes packed by now."""
        self.size += len(piece)
        self._pending += piece
        return await self._pack_on_thread() if len(self._pending) >= _PACKED_AT_ONCE else b""

    async def end(self) -> bytes:
        """The rest."""
        packed = self._pack() if len(self._pending) < _SOON_PACKED else await self._pack_on_thread()
        return packed + self._packing.flush()

    async def _pack_on_thread(self) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._pack)

    def _pack(self) -> bytes:
        self._digest.update(self._pending)
        packed = self._packing.compress(bytes(self._pending))
        self._pending.clear()
        return packed
