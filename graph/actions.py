"""Changing messages in a mailbox (graph.md section 7). All of it needs Mail.ReadWrite."""

from typing import Final

from graph.client import GraphClient
from graph.folders import CALL_SECONDS
from graph.mailbox import Mailbox
from graph.messages import message_path

DELETED_ITEMS: Final = "deleteditems"


class MailActions:
    """Changes messages, by their immutable ids. Every method raises what `GraphClient.request` raises.

    A 404 is not told apart here: message, target folder or mailbox may be what is missing.
    """

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def mark_read(self, mailbox: Mailbox, message_id: str) -> None:
        """Mark it as read. Safe to repeat."""
        url = message_path(mailbox, message_id)
        await self._client.request(mailbox, "PATCH", url, json={"isRead": True}, deadline_seconds=CALL_SECONDS)

    async def move(self, mailbox: Mailbox, message_id: str, folder_id: str) -> None:
        """Move it. It keeps its immutable id, so that a repeat would move it within the target folder."""
        url = f"{message_path(mailbox, message_id)}/move"
        body = {"destinationId": folder_id}
        await self._client.request(mailbox, "POST", url, json=body, deadline_seconds=CALL_SECONDS)

    async def delete(self, mailbox: Mailbox, message_id: str) -> None:
        """Move it to Deleted Items. A repeat would find it there by its immutable id, and delete it from there, too."""
        url = message_path(mailbox, message_id)
        await self._client.request(mailbox, "DELETE", url, deadline_seconds=CALL_SECONDS, repeatable=False)
