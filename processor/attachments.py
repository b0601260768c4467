"""Attachments: fetched in one answer where the message is small, streamed one by one where it is not.

Each that Graph lists becomes a row, in its order, whether its bytes can be had or not. Memory is bounded: what is
larger than `IN_MEMORY` waits in a temporary file until it is in the database.
"""

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import IO, Final

from db.messages import AttachmentRecord
from graph.errors import GraphError, GraphUnavailable, ItemCorrupt, ItemGone, ItemUnconvertible, RequestRejected
from graph.mailbox import Mailbox
from graph.messages import MailReader
from processor.errors import MessageChanged
from processor.file_names import FileNames, extension_for
from processor.isolated_unpacking import PRELOAD, IsolatedUnpacker
from processor.mapping import LARGEST_SIZE, Json, Texts, kind_of, size_of
from processor.process_pool import ProcessPool
from processor.spool import IN_MEMORY, Spool, spooling_threads
from processor.unpacking import is_packed

_IN_ONE_ANSWER: Final = 3 * 1024 * 1024
_MEGABYTE: Final = 1024 * 1024
_BEGINS_AS: Final = ((b"BEGIN:VCALENDAR", "event"), (b"BEGIN:VCARD", "contact"))
_BEFORE_THE_BEGINNING: Final = b"\xef\xbb\xbf \t\r\n"
_HEAD_BYTES: Final = 64
_WORD_LENGTH: Final = 100
_NO_ID: Final = "MalformedAttachmentId: it cannot be asked for by the id that Graph gave it."
# As Graph lists them, and as KB 4522769 of Microsoft quotes an older one; the letter case differs.
_PLACEHOLDER: Final = re.compile(
    r"\s*(?:atp|safe\s+attachments?)\s+scan\s+in\s+progress\s*(?:\.(?:eml|msg))?\s*", re.IGNORECASE
)
_NOT_SCANNED: Final = "ScanInProgress: Defender had not given it free; a placeholder stands in its place."
_EXTENSIONS: Final = {"message": ".eml", "event": ".ics", "contact": ".vcf"}
# What one attachment can do to an answer that holds all of them.
_MAYBE_ONE_OF_THEM: Final = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.GATEWAY_TIMEOUT})


@dataclass(frozen=True, slots=True)
class AttachmentLimits:
    """What is kept at most, in megabytes: of one attachment, and of all that Graph lists for one message."""

    attachment_mb: int = 150
    message_mb: int = 150


class PlaceholdersFound(Exception):
    """Placeholders stand in the place of attachments that Defender still scans."""


class _NoId(Exception):
    """Graph can be asked for no such attachment."""


class _TooLarge(Exception):
    """More than what may be kept. The text says of what."""


@dataclass(frozen=True, slots=True)
class _Content:
    """Bytes that were fetched."""

    held: bytes | IO[bytes]
    size: int
    sha256: str
    head: bytes


class AttachmentFetcher:
    """Fetches all attachments of one message, and unpacks them."""

    def __init__(
        self,
        reader: MailReader,
        *,
        limits: AttachmentLimits | None = None,
        processes: ProcessPool | None = None,
        spooling: Executor | None = None,
    ) -> None:
        """`processes`: of the unpacking, which has some of its own otherwise. `spooling`: write temporary files."""
        self._reader = reader
        self._limits = limits or AttachmentLimits()
        self._spooling = spooling or spooling_threads()
        self._unpacker = IsolatedUnpacker(processes or ProcessPool(PRELOAD), self._spooling)

    async def fetch(
        self,
        mailbox: Mailbox,
        message_id: str,
        message: Json,
        files: ExitStack,
        texts: Texts,
        *,
        last_attempt: bool = False,
        even_placeholders: bool = False,
    ) -> list[AttachmentRecord]:
        """Everything Graph lists, in its order, and then what was unpacked from it.

        What cannot be had by itself is a row without bytes: at once where no attempt can change that, on the
        `last_attempt` where Exchange refuses it. `files` closes, and so deletes, the temporary files.

        Raises:
            ItemGone: the message itself is gone.
            PlaceholdersFound: Defender still scans some of them; with `even_placeholders` these are rows that say so.
            MessageChanged: there are other attachments now than those that were listed, or one of them is not there.
            GraphError: also what Exchange says of one attachment, unless it is the last attempt.
        """
        listed, whole = await self._listed(mailbox, message_id, message)
        if not even_placeholders and any(map(is_placeholder, listed)):
            raise PlaceholdersFound
        order = _Order(
            self._reader,
            mailbox,
            message_id,
            listed,
            self._limits,
            files,
            self._spooling,
            whole=whole,
            last_attempt=last_attempt,
        )
        rows = [await order.record(position, entry, texts) for position, entry in enumerate(listed)]
        if any(map(is_packed, rows)):
            rows = await self._unpacker.unpacked(rows, files, texts, mailbox=mailbox.counted_as)
        return _named(rows)

    async def _listed(self, mailbox: Mailbox, message_id: str, message: Json) -> tuple[list[Json], bool]:
        """What Graph lists, and whether with all there is to say of each."""
        size = size_of(message)
        if size is not None and size <= _IN_ONE_ANSWER:
            try:
                return await self._reader.attachments(mailbox, message_id, with_content=True), True
            except (ItemCorrupt, ItemUnconvertible, GraphUnavailable) as exc:
                if isinstance(exc, GraphUnavailable) and (exc.mailbox_down or exc.status not in _MAYBE_ONE_OF_THEM):
                    raise
        return await self._reader.attachments(mailbox, message_id, with_content=False), False


class _Order:
    """The attachments of one message, while they are fetched."""

    def __init__(
        self,
        reader: MailReader,
        mailbox: Mailbox,
        message_id: str,
        listed: Sequence[Json],
        limits: AttachmentLimits,
        files: ExitStack,
        spooling: Executor,
        *,
        whole: bool,
        last_attempt: bool,
    ) -> None:
        self._reader = reader
        self._mailbox = mailbox
        self._message_id = message_id
        self._ids = {entry.get("id") for entry in listed}
        self._limits = limits
        self._left = limits.message_mb * _MEGABYTE
        self._files = files
        self._spooling = spooling
        self._whole = whole
        self._last_attempt = last_attempt
        self._listed_now: set[object] | None = None

    async def record(self, position: int, entry: Json, texts: Texts) -> AttachmentRecord:
        """The row of one attachment, whatever Graph makes of it."""
        kind = kind_of(entry)
        if is_placeholder(entry):
            return replace(_row(position, entry, kind or "file", texts), state="unreadable", state_detail=_NOT_SCANNED)
        if kind is None:
            row = _row(position, entry, "file", texts)
            return replace(row, state="unreadable", state_detail=texts.take(_unknown_type(entry)))
        try:
            entry = await self._with_details(kind, entry)
            row = _row(position, entry, kind, texts)
            return row if kind == "reference" else _with_content(row, await self._content(kind, entry))
        except _NoId:
            return replace(_row(position, entry, kind, texts), state="unreadable", state_detail=_NO_ID)
        except _TooLarge as exc:
            return replace(_row(position, entry, kind, texts), state="too_large", state_detail=str(exc))
        except ItemGone as exc:
            if entry.get("id") in await self._ids_now(exc) and not self._last_attempt:
                raise MessageChanged(f"An attachment is listed, but not there: {exc}") from exc
            return replace(_row(position, entry, kind, texts), state="gone", state_detail=said_by_graph(exc))
        except (ItemCorrupt, ItemUnconvertible, RequestRejected, GraphUnavailable) as exc:
            if not self._is_given_up(exc):
                raise
            return replace(_row(position, entry, kind, texts), state="unreadable", state_detail=said_by_graph(exc))

    def _is_given_up(self, exc: GraphError) -> bool:
        if isinstance(exc, ItemUnconvertible):
            return True
        # A time-out says that it is large, not that it is damaged: it is left to a quiet hour, and to an operator.
        passes = isinstance(exc, GraphUnavailable) and (
            exc.mailbox_down or exc.status != HTTPStatus.INTERNAL_SERVER_ERROR
        )
        return self._last_attempt and not passes

    async def _with_details(self, kind: str, entry: Json) -> Json:
        """With what a list without content lacks: the contentId, by which a body shows a picture, or a link."""
        small_picture = kind == "file" and entry.get("isInline") is True and _whole(entry.get("size")) <= IN_MEMORY
        if self._whole or not (small_picture or kind == "reference"):
            return entry
        details = await self._reader.attachment(self._mailbox, self._message_id, _id_of(entry))
        return {**details, "id": entry.get("id")}

    async def _content(self, kind: str, entry: Json) -> _Content:
        inline_bytes = _decoded(entry) if kind == "file" else None
        if inline_bytes is not None:
            self._check_size(len(inline_bytes))
            digest = hashlib.sha256(inline_bytes).hexdigest()
            content = _Content(inline_bytes, len(inline_bytes), digest, inline_bytes[:_HEAD_BYTES])
        else:
            asked = self._reader.attachment_content(self._mailbox, self._message_id, _id_of(entry))
            with ExitStack() as own:
                async with asked as pieces:
                    content = await self._received(pieces, own)
                self._files.push(own.pop_all())
        self._left -= content.size
        return content

    async def _received(self, pieces: AsyncIterator[bytes], files: ExitStack) -> _Content:
        digest = hashlib.sha256()
        spool, head = Spool(files, self._spooling), b""
        async for piece in pieces:
            self._check_size(spool.size + len(piece))
            digest.update(piece)
            if len(head) < _HEAD_BYTES:
                head = (head + piece)[:_HEAD_BYTES]
            await spool.add(piece)
        return _Content(await spool.held(), spool.size, digest.hexdigest(), head)

    def _check_size(self, size: int) -> None:
        if size > self._limits.attachment_mb * _MEGABYTE:
            raise _TooLarge(f"More than attachment_limit_mb ({self._limits.attachment_mb}).")
        if size > self._left:
            raise _TooLarge(f"With those before it, more than message_limit_mb ({self._limits.message_mb}).")

    async def _ids_now(self, gone: ItemGone) -> set[object]:
        """The ids that are listed now, if the message is there and has no other attachments: else it is begun anew.

        Exchange puts files in the place of others, as when it delivers before it has scanned them.
        """
        if self._listed_now is None:
            listed = await self._reader.attachments(self._mailbox, self._message_id, with_content=False)
            self._listed_now = {entry.get("id") for entry in listed}
            if not self._ids.issuperset(self._listed_now):
                raise MessageChanged(f"The attachments changed while the message was being fetched: {gone}") from gone
        return self._listed_now


def is_placeholder(entry: Json) -> bool:
    """Whether Defender put it in the place of an attachment that it still scans (Dynamic Delivery)."""
    name = entry.get("name")
    return isinstance(name, str) and _PLACEHOLDER.fullmatch(name) is not None


def _id_of(entry: Json) -> str:
    found = entry.get("id")
    # What is no character to print could go into no address.
    if not isinstance(found, str) or not found or not found.isprintable():
        raise _NoId
    return found


def _row(position: int, entry: Json, kind: str, texts: Texts) -> AttachmentRecord:
    """What Graph says of an attachment; without bytes."""
    return AttachmentRecord(
        position=position,
        graph_attachment_id=texts.take(entry.get("id")),
        kind=kind,
        file_name=texts.take(entry.get("name")),
        content_type=texts.take(entry.get("contentType")),
        size=_whole(entry.get("size")),
        inline=entry.get("isInline") is True,
        content_id=texts.take(entry.get("contentId")),
        sha256=None,
        content=None,
        state="linked" if kind == "reference" else "stored",
        # Graph v1.0 gives these of no attachment as yet; asked for by name, it refuses the whole call.
        link=texts.take(entry.get("sourceUrl")),
        link_provider=(texts.take(entry.get("providerType")) or "")[:_WORD_LENGTH] or None,
        link_permission=(texts.take(entry.get("permission")) or "")[:_WORD_LENGTH] or None,
        content_location=texts.take(entry.get("contentLocation")),
    )


def _with_content(row: AttachmentRecord, content: _Content) -> AttachmentRecord:
    item_type = _item_type(content.head) if row.kind == "item" else None
    return replace(row, content=content.held, size=content.size, sha256=content.sha256, item_type=item_type)


def _item_type(head: bytes) -> str:
    """What an item is, by how its MIME, iCalendar or vCard form begins."""
    begins = head.lstrip(_BEFORE_THE_BEGINNING).upper()
    return next((kind for mark, kind in _BEGINS_AS if begins.startswith(mark)), "message")


def _named(rows: Sequence[AttachmentRecord]) -> list[AttachmentRecord]:
    """The same with names for a disk."""
    names = FileNames()
    return [replace(row, safe_file_name=_safe_name(row, names)) for row in rows]


def _safe_name(row: AttachmentRecord, names: FileNames) -> str:
    extension = _EXTENSIONS.get(row.item_type or "", "")
    if row.file_name is None and not extension:
        extension = extension_for(row.content_type)
    return names.take(row.file_name, number=row.position + 1, extension=extension)


def _unknown_type(entry: Json) -> str:
    kind = entry.get("@odata.type")
    named = kind[:200] if isinstance(kind, str) else "without a name"
    return f"UnknownAttachmentType: this version does not know the type {named}."


def said_by_graph(exc: GraphError) -> str:
    """Graph's code, and what it said."""
    return ": ".join(filter(None, (exc.code or f"HTTP {exc.status}", exc.detail)))


def _decoded(entry: Json) -> bytes | None:
    content = entry.get("contentBytes")
    if not isinstance(content, str):
        return None
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:  # not base64, or not even ASCII
        return None  # its raw bytes can be had by themselves


def _whole(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= LARGEST_SIZE else 0
