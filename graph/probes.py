"""Small questions about one mailbox, for a test of its settings (graph.md section 9)."""

from http import HTTPStatus

from graph.client import GraphClient
from graph.errors import AccessDenied
from graph.listing import FolderItem, read_items
from graph.mailbox import Mailbox
from graph.messages import folder_path, mailbox_path, object_in


async def purpose(client: GraphClient, mailbox: Mailbox) -> str | None:
    """`user`, `linked`, `shared`, `room`, `equipment` or `others`; None without the right MailboxSettings.Read.

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


async def newest(client: GraphClient, mailbox: Mailbox, folder: str) -> FolderItem | None:
    """The message received last; None when the folder is empty.

    Raises:
        GraphError: as `GraphClient.request`.
    """
    url = f"{folder_path(mailbox, folder)}/messages"
    params = {"$select": "id,receivedDateTime", "$orderby": "receivedDateTime desc", "$top": "1"}
    items = read_items(object_in(await client.request(mailbox, "GET", url, params=params)), mailbox).items
    return items[0] if items else None
