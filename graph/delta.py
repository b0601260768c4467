"""Delta query: what is in a folder, and then what is new in it (graph.md section 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graph.client import GraphClient
from graph.errors import GraphUnavailable, ItemGone, MailboxNotFound, RequestRejected, SyncStateLost
from graph.mailbox import Mailbox
from graph.messages import FolderItem, MailReader, folder_item, folder_path

_SELECT: Final = {"$select": "id,receivedDateTime", "changeType": "created"}


@dataclass(frozen=True, slots=True)
class DeltaPage:
    """One page of a round.

    `items`: each message once, without those that are gone again. `link`: where to go on, now or, if the round is
    `complete`, next time. `unreadable`: entries without an id.
    """

    items: Sequence[FolderItem]
    link: str
    complete: bool
    unreadable: int = 0


class DeltaReader:
    """Reads rounds page by page; the caller keeps the link."""

    def __init__(self, client: GraphClient, *, page_size: int = 500) -> None:
        self._client = client
        self._mail = MailReader(client)
        self._preference = {"Prefer": f"odata.maxpagesize={page_size}"}

    async def page(self, mailbox: Mailbox, folder: str, link: str | None) -> DeltaPage:
        """The page at `link`; with None the first one of everything that is in the folder now.

        No `$filter`: with one, Graph ends after 5,000 messages without a word.

        Raises:
            SyncStateLost: the link is no longer good: start from None, and rely on idempotent imports.
            FolderNotFound, MailboxNotFound
            GraphError: what else `GraphClient.request` raises.
        """
        url = f"{folder_path(mailbox, folder)}/messages/delta" if link is None else link
        params = _SELECT if link is None else None
        try:
            answer = await self._client.request(mailbox, "GET", url, params=params, headers=self._preference)
        except (ItemGone, MailboxNotFound) as error:
            # The probe tells whether folder or mailbox is missing; if neither is, it was the link.
            await self._mail.probe(mailbox, folder)
            raise _lost(mailbox, error) from error
        except RequestRejected as error:
            if link is None:
                raise
            raise _lost(mailbox, error) from error
        return _page(mailbox, answer)


def _lost(mailbox: Mailbox, error: ItemGone | MailboxNotFound | RequestRejected) -> SyncStateLost:
    return SyncStateLost(f"Graph no longer takes the delta link of {mailbox}: {error}", **error.facts)


def _page(mailbox: Mailbox, answer: object) -> DeltaPage:
    if not isinstance(answer, Mapping) or not isinstance(answer.get("value"), list):
        raise GraphUnavailable(f"Graph's delta of a folder of {mailbox} is no list. Try again later.")
    more, end = answer.get("@odata.nextLink"), answer.get("@odata.deltaLink")
    link = more if isinstance(more, str) and more else end
    if not isinstance(link, str) or not link or (more and end):
        raise GraphUnavailable(
            f"Graph's delta of a folder of {mailbox} bears no link to go on from, or two. Try again later."
        )
    items: dict[str, FolderItem] = {}
    unreadable = 0
    for entry in answer["value"]:
        item = folder_item(entry)
        if item is None:
            unreadable += 1
            continue
        # The last word on a message counts.
        items.pop(item.message_id, None)
        if "@removed" not in entry:
            items[item.message_id] = item
    return DeltaPage(list(items.values()), link, complete=link is not more, unreadable=unreadable)
