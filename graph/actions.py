"""Changes of messages in a mailbox (docs/graph.md, section 7). All need Mail.ReadWrite."""

from contextlib import ExitStack
from typing import Final

from graph.client import GraphClient
from graph.folders import CALL_SECONDS
from graph.mailbox import Mailbox
from graph.messages import id_in, message_path, object_in

DELETED_ITEMS: Final = "deleteditems"
"""The folder to which a message is moved to delete it. Not by DELETE: its target folder is not certain, and repeated,
by a retry or by aiohttp when a connection breaks, it would find the message there by its immutable id and delete it for
good."""


class MailActions:
    """Changes messages, by their immutable ids. Every method raises what `GraphClient.request` raises.

    A 404 is not distinguished here: the message, the target folder or the mailbox may be missing. Graph responds with
    the message, whose body may be long; any other response, as from a proxy, is GraphUnavailable.
    """

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def mark_read(self, mailbox: Mailbox, message_id: str) -> None:
        """Mark the message as read. Safe to repeat."""
        await self._change(mailbox, "PATCH", message_path(mailbox, message_id), {"isRead": True})

    async def move(self, mailbox: Mailbox, message_id: str, folder: str) -> None:
        """Move the message to a folder, by id or well-known name. It keeps its immutable id, also when repeated."""
        await self._change(mailbox, "POST", f"{message_path(mailbox, message_id)}/move", {"destinationId": folder})

    async def _change(self, mailbox: Mailbox, method: str, url: str, body: object) -> None:
        with ExitStack() as files:
            answer = await self._client.request(
                mailbox, method, url, json=body, deadline_seconds=CALL_SECONDS, files=files
            )
            id_in(object_in(answer), mailbox)
