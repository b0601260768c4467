"""Small queries about one mailbox, for a test of its settings (docs/graph.md, section 9)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from graph.client import GraphClient
from graph.errors import AccessDenied
from graph.listing import FolderItem, read_items
from graph.mailbox import Mailbox
from graph.messages import folder_path, mailbox_path, object_in


async def purpose(client: GraphClient, mailbox: Mailbox) -> str | None:
    """Return `user`, `linked`, `shared`, `room`, `equipment` or `others`; None without the right MailboxSettings.Read.

    https://learn.microsoft.com/en-us/graph/api/user-get-mailboxsettings

    Raises:
        GraphError: as `GraphClient.request`.
    """
    try:
        answer = object_in(await client.request(mailbox, "GET", f"{mailbox_path(mailbox)}/mailboxSettings/userPurpose"))
    except AccessDenied as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        return None
    found = answer.get("value")
    return found if isinstance(found, str) else None


_LONGEST_ADDRESS: Final = 320
"""64 characters, the at sign and 255 (https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1)."""


async def address(client: GraphClient, mailbox: Mailbox) -> str | None:
    """Return the SMTP address of the mailbox; None of a user without one.

    Needs the right User.Read.All, which the import does not: without it, Graph answers 403.
    https://learn.microsoft.com/en-us/graph/api/user-get

    Raises:
        GraphError: as `GraphClient.request`.
    """
    answer = object_in(
        await client.request(mailbox, "GET", mailbox_path(mailbox), params={"$select": "mail"}, counted=False)
    )
    found = answer.get("mail")
    # It is stored and displayed: nothing that no address is.
    is_address = isinstance(found, str) and "@" in found and len(found) <= _LONGEST_ADDRESS and found.isprintable()
    return found if is_address else None


async def newest(client: GraphClient, mailbox: Mailbox, folder: str, *, limit: int) -> Sequence[FolderItem]:
    """Fetch up to `limit` messages of the folder, last received first; none when it is empty.

    `folder`: a well-known name or an id.

    Raises:
        GraphError: as `GraphClient.request`.
    """
    url = f"{folder_path(mailbox, folder)}/messages"
    params = {"$select": "id,receivedDateTime", "$orderby": "receivedDateTime desc", "$top": str(limit)}
    return read_items(object_in(await client.request(mailbox, "GET", url, params=params)), mailbox).items
