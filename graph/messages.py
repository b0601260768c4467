"""Messages and attachments of a mailbox. (Signatures; the body follows.)"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from graph.client import GraphClient
from graph.mailbox import Mailbox


class MailReader:
    """Reads mail; every id goes out as one encoded segment."""

    def __init__(self, client: GraphClient) -> None:
        raise NotImplementedError

    async def message(self, mailbox: Mailbox, message_id: str) -> dict[str, Any]:
        """The message with its body, without attachments. Raises ItemGone, MailboxNotFound, and what `request` does."""
        raise NotImplementedError

    async def attachments(self, mailbox: Mailbox, message_id: str, *, with_content: bool) -> list[dict[str, Any]]:
        """All attachments; with `contentBytes`, or id, name, contentType, size, isInline and @odata.type only."""
        raise NotImplementedError

    async def attachment(self, mailbox: Mailbox, message_id: str, attachment_id: str) -> dict[str, Any]:
        """One attachment, with its `contentBytes` if it is a file."""
        raise NotImplementedError

    def attachment_content(
        self, mailbox: Mailbox, message_id: str, attachment_id: str
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The raw bytes of a file attachment, or the MIME of an item attachment (`/$value`)."""
        raise NotImplementedError

    async def probe(self, mailbox: Mailbox, folder: str = "inbox") -> dict[str, Any]:
        """`id` and `displayName` of the folder. Raises MailboxNotFound, FolderNotFound, AccessDenied, …"""
        raise NotImplementedError
