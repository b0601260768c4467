"""Attachments: fetched in one answer where the message is small, streamed one by one where it is not.

Each that Graph lists becomes a row, in its order, with or without its bytes. Memory is bounded: content larger than
`IN_MEMORY` waits in a temporary file until it is in the database.
"""

import asyncio
import base64
import hashlib
import mimetypes
import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import IO, Final

from db.outcomes import SIZE_DIFFERS, ContentState
from db.records import AttachmentRecord
from filenames import FileNames, extension_for
from graph.errors import (
    NOT_THE_CONTENT,
    GraphError,
    GraphUnavailable,
    ItemCorrupt,
    ItemDenied,
    ItemGone,
    ItemUnconvertible,
    RequestRejected,
)
from graph.mailbox import Mailbox
from graph.messages import PAGES_OF_PROXIES, MailReader
from longtext import LongText
from phrases import Phrase
from processor.content.isolated_unpacking import PRELOAD, IsolatedUnpacker
from processor.content.mapping import LARGEST_SIZE, Json, kind_of, size_of
from processor.content.spool import Spool, spooling_threads
from processor.content.temporary_files import IN_MEMORY
from processor.content.texts import Texts
from processor.content.unpacking import is_packed
from processor.errors import MessageChanged
from processor.process_pool import ProcessPool

_IN_ONE_ANSWER: Final = 3 * 1024 * 1024
_HELD_TOGETHER: Final = 4 * 1024 * 1024
"""Bytes of the attachments of one message that are in memory; the rest waits in files, except small ones."""
_ALWAYS_HELD: Final = 32 * 1024
"""Bytes of an attachment for which there is no file: a message may have hundreds, and files are few."""
_BASE64_BLOCK: Final = 192 * 1024
_MEGABYTE: Final = 1024 * 1024
_BEGINS_AS: Final = ((b"BEGIN:VCALENDAR", "event"), (b"BEGIN:VCARD", "contact"))
_BEFORE_THE_BEGINNING: Final = b"\xef\xbb\xbf \t\r\n"
_HEAD_BYTES: Final = 64
_WORD_LENGTH: Final = 100
_NO_ID: Final = "MalformedAttachmentId: it cannot be asked for by the id that Graph gave it."
# Names in Graph's lists, and in Microsoft's KB 4522769, which quotes an older one; the letter case differs.
_PLACEHOLDER: Final = re.compile(
    r"\s*(?:atp|safe\s+attachments?)\s+scan\s+in\s+progress\s*(?:\.(?:eml|msg))?\s*", re.IGNORECASE
)
_NOT_SCANNED: Final = "ScanInProgress: Defender had not given it free; a placeholder stands in its place."
_EXTENSIONS: Final = {"message": ".eml", "event": ".ics", "contact": ".vcf"}
# Statuses that one attachment can cause for an answer that holds all of them.
_MAYBE_ONE_OF_THEM: Final = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.GATEWAY_TIMEOUT})
# Statuses that are attributed to the attachment in the end: a time-out means that it is large, not that it is damaged,
# and is left to a quiet hour, and to an operator.
_GIVEN_UP: Final = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.OK})
# MIME, vCard and iCalendar begin with a name; pages and errors of a proxy with these.
_NO_ITEM: Final = (b"<", b"{")
# Shares of the size that Graph lists that must come at least and at most. It counts what Exchange keeps beside the
# bytes (names, an icon of some kilobytes), and may be that of their base64; it is not known to be less than they are.
_LEAST_SHARE, _MAX_SHARE = 0.7, 1.5
_SPARE_BYTES: Final = 16 * 1024
_BESIDE_BYTES: Final = 1024
"""Bytes that Graph lists beside those of a usual file, an empty one too. Where there are more of them, such as an icon,
the file is requested in the other way as well."""
_NOT_LISTED: Final = "NotListed: Graph says that the message has attachments, and lists none."


@dataclass(frozen=True, slots=True)
class AttachmentLimits:
    """The maximum kept, in megabytes: of one attachment, and of all that Graph lists for one message."""

    attachment_mb: int = 150
    message_mb: int = 150


class PlaceholdersFound(Exception):
    """Placeholders replace attachments that Defender still scans."""


class _NoId(Exception):
    """The attachment has no id to request it by."""


class _TooLarge(Exception):
    """A limit is exceeded. The text names it."""


@dataclass(frozen=True, slots=True)
class _Content:
    """Bytes that were fetched."""

    held: bytes | IO[bytes]
    size: int
    sha256: str
    head: bytes


def bytes_in_memory(size: int | None) -> int:
    """The memory that the attachments of a message of that size take at most, until they are in the database.

    A small message counts whole: once as text, once decoded, once on its way into the database. A larger one counts
    what is held beside its temporary files.
    """
    if size is not None and size <= _IN_ONE_ANSWER:
        return 3 * size
    return 2 * _HELD_TOGETHER


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
        """`processes`: for unpacking, which has its own otherwise. `spooling`: threads that write temporary files."""
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
        """All attachments that Graph lists, in its order, and then those unpacked from them.

        One that cannot be fetched is a row without bytes: at once where no attempt can change that, on the
        `last_attempt` where Exchange refuses it. `files` closes, and so deletes, the temporary files.

        Raises:
            ItemGone: the message itself is gone.
            PlaceholdersFound: Defender still scans some of them; with `even_placeholders` these are rows that state it.
            MessageChanged: there are other attachments now than those that were listed, or one of them is not there.
            GraphError: also an error of one attachment, unless it is the last attempt.
        """
        listed, whole = await self._listed(mailbox, message_id, message, files)
        if not even_placeholders and any(map(is_placeholder, listed)):
            raise PlaceholdersFound
        if not listed and message.get("hasAttachments") is True:
            return with_safe_names([_missing(mailbox, is_last=last_attempt)])
        of_message = _AttachmentsOfMessage(
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
        rows = [await of_message.record(position, entry, texts) for position, entry in enumerate(listed)]
        if any(map(is_packed, rows)):
            rows = await self._unpacker.unpacked(rows, files, texts, mailbox=mailbox.counted_as)
        return with_safe_names(rows)

    async def _listed(
        self, mailbox: Mailbox, message_id: str, message: Json, files: ExitStack
    ) -> tuple[list[Json], bool]:
        """Graph's list, and True if it has all details of each."""
        size = size_of(message)
        if size is not None and size <= _IN_ONE_ANSWER:
            try:
                return await self._reader.attachments(mailbox, message_id, with_content=True, files=files), True
            except (ItemCorrupt, ItemUnconvertible, GraphUnavailable) as exc:
                if isinstance(exc, GraphUnavailable) and not exc.may_be_of_item(_MAYBE_ONE_OF_THEM):
                    raise
        return await self._reader.attachments(mailbox, message_id, with_content=False), False


class _AttachmentsOfMessage:
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
        self._held = 0
        self._files = files
        self._spooling = spooling
        self._whole = whole
        self._last_attempt = last_attempt
        self._listed_now: set[object] | None = None

    async def record(self, position: int, entry: Json, texts: Texts) -> AttachmentRecord:
        """The row of one attachment, whatever the answer of Graph."""
        kind = kind_of(entry)
        if is_placeholder(entry):
            return replace(
                _row(position, entry, kind or "file", texts), state=ContentState.UNREADABLE, state_detail=_NOT_SCANNED
            )
        if kind is None:
            row = _row(position, entry, "file", texts)
            return replace(row, state=ContentState.UNREADABLE, state_detail=texts.take(_unknown_type(entry)))
        try:
            with ExitStack() as own:
                entry = await self._with_details(kind, entry, own)
                if kind == "reference":
                    return _row(position, entry, kind, texts)
                content, differs = await self._content(kind, entry)
            return _row(position, entry, kind, texts, content, differs=differs)
        except _NoId:
            return replace(_row(position, entry, kind, texts), state=ContentState.UNREADABLE, state_detail=_NO_ID)
        except _TooLarge as exc:
            return replace(_row(position, entry, kind, texts), state=ContentState.TOO_LARGE, state_detail=str(exc))
        except ItemGone as exc:
            if entry.get("id") in await self._ids_now(exc) and not self._last_attempt:
                raise MessageChanged(f"An attachment is listed, but not there: {exc}") from exc
            return replace(_row(position, entry, kind, texts), state=ContentState.GONE, state_detail=detail_of(exc))
        except (ItemCorrupt, ItemDenied, ItemUnconvertible, RequestRejected, GraphUnavailable) as exc:
            if not self._is_given_up(exc):
                raise
            return replace(
                _row(position, entry, kind, texts), state=ContentState.UNREADABLE, state_detail=detail_of(exc)
            )

    def _is_given_up(self, exc: GraphError) -> bool:
        if isinstance(exc, ItemUnconvertible):
            return True
        passes = isinstance(exc, GraphUnavailable) and not exc.may_be_of_item(_GIVEN_UP)
        return self._last_attempt and not passes

    async def _with_details(self, kind: str, entry: Json, files: ExitStack) -> Json:
        """Add what a list without content lacks: the contentId, by which a body shows a picture, or a link.

        `files` closes a file of the encoded content, of which there may be hundreds.
        """
        small_picture = kind == "file" and entry.get("isInline") is True and _whole(entry.get("size")) <= IN_MEMORY
        if self._whole or not (small_picture or kind == "reference"):
            return entry
        details = await self._reader.attachment(self._mailbox, self._message_id, _id_of(entry), files=files)
        return {**details, "id": entry.get("id")}

    async def _content(self, kind: str, entry: Json) -> tuple[_Content, str | None]:
        """The bytes, and a note where nothing confirms that they are all."""
        short = self._short(entry) if kind == "file" else None
        if short is not None and _is_whole(entry, short.size):
            content, differs = short, None
        else:
            content, differs = await self._content_of_any_length(kind, entry, short)
        self._left -= content.size
        self._held += content.size if isinstance(content.held, bytes) else 0
        return content, differs

    def _short(self, entry: Json) -> _Content | None:
        """The bytes of a short file that came with the list; None where `_stated` is to read them."""
        encoded = entry.get("contentBytes")
        if not isinstance(encoded, str) or len(encoded) > self._room:
            return None
        try:
            held = base64.b64decode(encoded, validate=True)
        except ValueError:
            return None
        del entry["contentBytes"]
        self._check_size(len(held))
        return _Content(held, len(held), hashlib.sha256(held).hexdigest(), held[:_HEAD_BYTES])

    async def _content_of_any_length(
        self, kind: str, entry: Json, stated: _Content | None
    ) -> tuple[_Content, str | None]:
        """As `_content`, by way of temporary files. `stated`: what came with the list, if that was read already."""
        differs = None
        with ExitStack() as own:
            if stated is None and kind == "file":
                stated = await self._stated(entry, own)
            if stated is not None and _is_whole(entry, stated.size):
                content = stated
            else:
                content = await self._streamed(kind, entry, own)
                if kind == "item" and content.head.lstrip(_BEFORE_THE_BEGINNING).startswith(_NO_ITEM):
                    raise _not_the_content(self._mailbox, "what begins like a page or an error of a proxy")
                if kind == "item" and not content.size:
                    raise _not_the_content(self._mailbox, "nothing")
                if kind == "file" and not (content.size and _is_whole(entry, content.size)):
                    stated_size = None if stated is None else stated.size
                    differs = await self._odd_size(entry, content.size, stated_size)
            self._files.push(own.pop_all())
        return content, differs

    async def _stated(self, entry: Json, files: ExitStack) -> _Content | None:
        """The bytes that came with the list; None where there are none, or no base64: they are fetched separately."""
        encoded = entry.pop("contentBytes", None)
        if isinstance(encoded, LongText):
            pieces = _decoded_pieces(encoded, self._spooling)
        elif isinstance(encoded, str):
            pieces = _one_piece(encoded)
        else:
            return None
        try:
            return await self._received(pieces, files)
        except ValueError:  # not base64, or not even ASCII
            return None

    async def _streamed(self, kind: str, entry: Json, files: ExitStack) -> _Content:
        may_be = _may_be(entry) if kind == "file" else ()
        asked = self._reader.attachment_content(self._mailbox, self._message_id, _id_of(entry), may_be=may_be)
        async with asked as pieces:
            return await self._received(pieces, files)

    async def _odd_size(self, entry: Json, size: int, stated: int | None) -> str | None:
        """Describe a file that is not as long as Graph lists it; None where both ways to request it prove it whole.

        Raises:
            GraphUnavailable: it was cut off, or something else came in its place; on the last attempt it is accepted.
        """
        if stated is None and size <= IN_MEMORY:
            with ExitStack() as own:
                details = await self._reader.attachment(self._mailbox, self._message_id, _id_of(entry), files=own)
                again = await self._stated(details, own)
                stated = None if again is None else again.size
        listed = _whole(entry.get("size"))
        if stated is None and not size and not listed:
            return None
        both_agree = stated == size and (size > 0 or listed <= _BESIDE_BYTES)
        if not both_agree and not self._last_attempt:
            raise _not_the_content(self._mailbox, f"{size} bytes where it lists {listed}")
        if listed <= size + _SPARE_BYTES and both_agree:
            return None
        # Much less than is listed may not be all, although both ways agree: nothing is to destroy the rest.
        return f"{SIZE_DIFFERS} Graph lists {listed} bytes, and gives {size}."

    async def _received(self, pieces: AsyncIterator[bytes], files: ExitStack) -> _Content:
        digest = hashlib.sha256()
        spool, head = Spool(files, self._spooling, in_memory=self._room), b""
        async for piece in pieces:
            self._check_size(spool.size + len(piece))
            digest.update(piece)
            if len(head) < _HEAD_BYTES:
                head = (head + piece)[:_HEAD_BYTES]
            await spool.add(piece)
        return _Content(await spool.held(), spool.size, digest.hexdigest(), head)

    @property
    def _room(self) -> int:
        """Bytes of the next attachment that may stay in memory."""
        return max(_ALWAYS_HELD, min(IN_MEMORY, _HELD_TOGETHER - self._held))

    def _check_size(self, size: int) -> None:
        if size > self._limits.attachment_mb * _MEGABYTE:
            raise _TooLarge(f"More than attachment_limit_mb ({self._limits.attachment_mb}).")
        if size > self._left:
            raise _TooLarge(f"With those before it, more than message_limit_mb ({self._limits.message_mb}).")

    async def _ids_now(self, gone: ItemGone) -> set[object]:
        """The ids that are listed now, if the message is there with the same attachments: otherwise the fetch restarts.

        Exchange replaces files by others, for instance when it delivers before it has scanned them.
        """
        if self._listed_now is None:
            listed = await self._reader.attachments(self._mailbox, self._message_id, with_content=False)
            self._listed_now = {entry.get("id") for entry in listed}
            if not self._ids.issuperset(self._listed_now):
                raise MessageChanged(f"The attachments changed while the message was being fetched: {gone}") from gone
        return self._listed_now


def is_placeholder(entry: Json) -> bool:
    """Check whether Defender put it in the place of an attachment that it still scans (Dynamic Delivery)."""
    name = entry.get("name")
    return isinstance(name, str) and _PLACEHOLDER.fullmatch(name) is not None


def _missing(mailbox: Mailbox, *, is_last: bool) -> AttachmentRecord:
    """The row in place of attachments that Graph does not list.

    Raises:
        GraphUnavailable: it is not the last attempt.
    """
    if not is_last:
        raise GraphUnavailable(
            Phrase(
                "Graph reports that a message of {mailbox} has attachments, and lists none. It is tried again.",
                mailbox=mailbox,
            ),
            status=HTTPStatus.OK,
        )
    return replace(_row(0, {}, "file", Texts()), state=ContentState.UNREADABLE, state_detail=_NOT_LISTED)


def _not_the_content(mailbox: Mailbox, what: str) -> GraphUnavailable:
    return GraphUnavailable(
        Phrase(
            "For an attachment of a message of {mailbox} Graph gave {what}. It is tried again; if this lasts, check "
            "for a proxy that changes responses.",
            mailbox=mailbox,
            what=what,
        ),
        status=HTTPStatus.OK,
        code=NOT_THE_CONTENT,
        detail=what,
    )


def _is_whole(entry: Json, size: int) -> bool:
    """Check whether this number of bytes can be all that Graph lists."""
    listed = _whole(entry.get("size"))
    least, limit = listed * _LEAST_SHARE - _BESIDE_BYTES, listed * _MAX_SHARE + _SPARE_BYTES
    return not listed or (least <= size <= limit and (size > 0 or listed <= _BESIDE_BYTES))


def _may_be(entry: Json) -> Collection[str]:
    """The media types that a file may have, by its type and its name; all of them where neither is informative."""
    stated = str(entry.get("contentType") or "").partition(";")[0].strip().lower()
    guessed = mimetypes.guess_type(str(entry.get("name") or ""), strict=False)[0]
    return {stated, guessed or ""} if stated or guessed else PAGES_OF_PROXIES


def _id_of(entry: Json) -> str:
    found = entry.get("id")
    # An unprintable character is invalid in an address.
    if not isinstance(found, str) or not found or not found.isprintable():
        raise _NoId
    return found


def _row(
    position: int,
    entry: Json,
    kind: str,
    texts: Texts,
    content: _Content | None = None,
    *,
    differs: str | None = None,
) -> AttachmentRecord:
    """The row with Graph's facts on an attachment, and with its bytes, where they are here."""
    return AttachmentRecord(
        position=position,
        graph_attachment_id=texts.take(entry.get("id")),
        kind=kind,
        file_name=texts.take(entry.get("name")),
        content_type=texts.take(entry.get("contentType")),
        size=_whole(entry.get("size")) if content is None else content.size,
        inline=entry.get("isInline") is True,
        content_id=texts.take(entry.get("contentId")),
        sha256=None if content is None else content.sha256,
        content=None if content is None else content.held,
        state=ContentState.LINKED if kind == "reference" else ContentState.STORED,
        state_detail=differs,
        item_type=_item_type(content.head) if content is not None and kind == "item" else None,
        # Graph v1.0 gives these of no attachment as yet; when they are selected by name, it refuses the whole call.
        link=texts.take(entry.get("sourceUrl")),
        link_provider=texts.take(entry.get("providerType"), limit=_WORD_LENGTH) or None,
        link_permission=texts.take(entry.get("permission"), limit=_WORD_LENGTH) or None,
        content_location=texts.take(entry.get("contentLocation")),
    )


def _item_type(head: bytes) -> str:
    """The type of an item, by the beginning of its MIME, iCalendar or vCard form."""
    begins = head.lstrip(_BEFORE_THE_BEGINNING).upper()
    return next((kind for mark, kind in _BEGINS_AS if begins.startswith(mark)), "message")


def with_safe_names(rows: Sequence[AttachmentRecord]) -> list[AttachmentRecord]:
    """The rows with names for a disk."""
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


def detail_of(exc: GraphError) -> str:
    """Graph's code and its text."""
    return ": ".join(filter(None, (exc.code or f"HTTP {exc.status}", exc.detail)))


async def _decoded_pieces(encoded: LongText, spooling: Executor) -> AsyncGenerator[bytes]:
    """Raises ValueError where it is no base64."""
    blocks = encoded.blocks(_BASE64_BLOCK)
    while block := await asyncio.get_running_loop().run_in_executor(spooling, next, blocks, b""):
        yield base64.b64decode(block, validate=True)


async def _one_piece(encoded: str) -> AsyncGenerator[bytes]:
    """Raises ValueError where it is no base64."""
    yield base64.b64decode(encoded, validate=True)


def _whole(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= LARGEST_SIZE else 0
