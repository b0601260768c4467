"""Attachments: fetched in one answer where the message is small, streamed one by one where it is not.

Memory is bounded: what is larger than `_IN_MEMORY` waits in a temporary file until it is in the database.
"""

import asyncio
import base64
import hashlib
import tempfile
from contextlib import ExitStack
from typing import IO, Final

from db.messages import AttachmentRecord
from graph.errors import ItemGone
from graph.mailbox import Mailbox
from graph.messages import MailReader
from processor.errors import MessageChanged, Unprocessable
from processor.mapping import Json, Texts, kind_of, size_of

_IN_ONE_ANSWER: Final = 3 * 1024 * 1024
_IN_MEMORY: Final = 1024 * 1024


class AttachmentFetcher:
    """Fetches all attachments of one message."""

    def __init__(self, reader: MailReader) -> None:
        self._reader = reader

    async def fetch(
        self, mailbox: Mailbox, message_id: str, message: Json, files: ExitStack, texts: Texts
    ) -> list[AttachmentRecord]:
        """Everything Graph lists, in its order. `files` closes, and so deletes, the temporary files.

        Raises:
            MessageChanged: an attachment vanished in between.
            Unprocessable: an attachment is of a kind this program does not know.
            GraphError
        """
        size = size_of(message)
        whole = size is not None and size <= _IN_ONE_ANSWER
        try:
            listed = await self._reader.attachments(mailbox, message_id, with_content=whole)
            return [
                await self._record(mailbox, message_id, position, entry, files, texts)
                for position, entry in enumerate(listed)
            ]
        except ItemGone as exc:
            raise MessageChanged(f"An attachment vanished while the message was being fetched: {exc}") from exc

    async def _record(
        self, mailbox: Mailbox, message_id: str, position: int, entry: Json, files: ExitStack, texts: Texts
    ) -> AttachmentRecord:
        kind = kind_of(entry)
        if kind is None:
            raise Unprocessable(
                "UnknownAttachmentType", f"Attachment {position} has a type this version does not know."
            )
        content: bytes | IO[bytes] | None = None
        sha256, size = None, _whole(entry.get("size"))
        if kind == "file" and "contentBytes" not in entry and entry.get("isInline") is True and size <= _IN_MEMORY:
            # A list without content lacks contentId as well, by which the body shows the picture.
            entry = {**await self._reader.attachment(mailbox, message_id, str(entry.get("id"))), "id": entry.get("id")}
        inline_bytes = _decoded(entry) if kind == "file" else None
        if inline_bytes is not None:
            content, size, sha256 = inline_bytes, len(inline_bytes), hashlib.sha256(inline_bytes).hexdigest()
        elif kind != "reference":
            content, size, sha256 = await self._streamed(mailbox, message_id, str(entry.get("id")), files)
        return AttachmentRecord(
            position=position,
            graph_attachment_id=texts.take(entry.get("id")),
            kind=kind,
            file_name=texts.take(entry.get("name")),
            content_type=texts.take(entry.get("contentType")),
            size=size,
            inline=entry.get("isInline") is True,
            content_id=texts.take(entry.get("contentId")),
            sha256=sha256,
            content=content,
        )

    async def _streamed(
        self, mailbox: Mailbox, message_id: str, attachment_id: str, files: ExitStack
    ) -> tuple[bytes | IO[bytes], int, str]:
        digest = hashlib.sha256()
        size = 0
        spool: IO[bytes] | None = None
        pending = bytearray()
        async with self._reader.attachment_content(mailbox, message_id, attachment_id) as pieces:
            async for piece in pieces:
                digest.update(piece)
                size += len(piece)
                pending += piece
                if len(pending) > _IN_MEMORY:
                    if spool is None:
                        spool = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # `files` closes it
                    await asyncio.to_thread(spool.write, bytes(pending))
                    pending.clear()
        if spool is None:
            return bytes(pending), size, digest.hexdigest()
        await asyncio.to_thread(spool.write, bytes(pending))
        return spool, size, digest.hexdigest()


def _decoded(entry: Json) -> bytes | None:
    content = entry.get("contentBytes")
    if not isinstance(content, str):
        return None
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:  # not base64, or not even ASCII
        return None  # its raw bytes can be had by themselves


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
