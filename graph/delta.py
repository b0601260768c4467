"""Messages added to a folder since the last query: Graph's delta query for messages (docs/graph.md, section 6).

A *round* begins without a link and lists everything now in the folder; each page gives the link of the next one, the
last page the link with which the next round begins, which lists only what was added since. The caller keeps the link,
and advances it only after the messages it covers are safe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from graph.client import GraphClient
from graph.errors import GraphError, GraphUnavailable, ItemGone, MailboxNotFound, RequestRejected, SyncStateLost
from graph.listing import FolderItem, link_in, read_items
from graph.mailbox import Mailbox
from graph.messages import MailReader, folder_path, object_in
from phrases import Phrase

# No $filter: with one Graph returns 5,000 messages at most, and the rest would be missing silently (docs/graph.md,
# section 6).
_FIRST: Final = {"$select": "id,receivedDateTime", "changeType": "created"}
_LOST: Final = frozenset(
    {
        None,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_URI_TOO_LONG,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    }
)
"""Statuses of a refused link that mean its loss without a code, too. None: the client did not follow it."""


@dataclass(frozen=True, slots=True)
class DeltaPage:
    """One page of a round. It may be empty and still not be the last."""

    items: Sequence[FolderItem]
    """Each message once. Other pages, and later rounds, may name it again."""
    link: str
    """Requests the next page; on the last page of a round, the next round. Opaque, can be thousands of characters
    long."""
    complete: bool
    """True if this was the last page of the round."""
    unreadable: int = 0
    """Entries without a text as id; for the log, they cannot be processed."""


class DeltaReader:
    """Reads the ids of messages added to a folder, page by page.

    Args:
        client: makes the calls; they occupy the mailbox's slots.
        page_size: entries requested for each page; Graph may return fewer.

    Raises:
        ValueError: `page_size` is not positive.
    """

    def __init__(self, client: GraphClient, *, page_size: int = 500) -> None:
        if page_size < 1:
            raise ValueError(f"A page holds at least one message, not {page_size}.")
        self._client = client
        self._reader = MailReader(client)
        # Sent with every request: unlike the options, the links do not carry it.
        self._prefer = f"odata.maxpagesize={page_size}"

    async def page(self, mailbox: Mailbox, folder: str, link: str | None) -> DeltaPage:
        """Return the page at `link`, used unchanged; the first of a new round when it is None. Safe to repeat.

        Raises:
            SyncStateLost: the link is no longer valid: drop it and begin a new round, without a link (its `location` is
                not needed). After a growing delay when that happens repeatedly.
            FolderNotFound: the folder is not in the mailbox.
            MailboxNotFound: there is no such mailbox.
            GraphUnavailable: retry; also when the response is unusable.
            RequestRejected: also for a link that a proxy or firewall refuses: keep it.
            GraphError: any other error of `GraphClient.request`; ItemGone never.
        """
        try:
            answer = await self._ask(mailbox, folder, link)
        except (ItemGone, MailboxNotFound, RequestRejected, SyncStateLost) as error:
            raise await self._judged(mailbox, folder, link, error) from error
        page = object_in(answer)
        listed = read_items(page, mailbox)
        following, complete = _following(page, mailbox)
        if following == link and not complete:
            raise paged_in_a_circle(mailbox)
        return DeltaPage(listed.items, following, complete, listed.unreadable)

    async def _ask(self, mailbox: Mailbox, folder: str, link: str | None) -> object:
        url, params = (f"{folder_path(mailbox, folder)}/messages/delta", _FIRST) if link is None else (link, None)
        answer: object = await self._client.request(mailbox, "GET", url, params=params, prefer=self._prefer)
        return answer

    async def _judged(
        self,
        mailbox: Mailbox,
        folder: str,
        link: str | None,
        error: ItemGone | MailboxNotFound | RequestRejected | SyncStateLost,
    ) -> GraphError:
        if isinstance(error, SyncStateLost):
            if link is not None:
                return error
            return GraphUnavailable(
                Phrase("{why} Yet this was the beginning of one. Try again later.", why=error), **error.facts
            )
        if link is not None and isinstance(error, RequestRejected):
            # The token in it cannot be read, or it leads to another service, as after a change of graph_url. Only the
            # link can have been refused: the rest of the request is the same for every folder.
            return _link_refused(error)
        fault = await self._reader.folder_fault(mailbox, folder, error)
        # If the folder answers, it is another one than that of the link.
        return fault if link is None or not isinstance(fault, GraphUnavailable) else _link_refused(error)


def _following(page: Mapping[str, Any], mailbox: Mailbox) -> tuple[str, bool]:
    """The next link; and True if the round is complete."""
    more, done = link_in(page, "@odata.nextLink"), link_in(page, "@odata.deltaLink")
    if more is not None and done is None:
        return more, False
    if done is not None and more is None:
        return done, True
    what = Phrase("both a nextLink and a deltaLink")
    if more is None:
        what = Phrase("neither a nextLink nor a deltaLink")
    raise GraphUnavailable(
        Phrase(
            "A page of the changes of {mailbox} has {what}, so the next page is unknown. Try again later.",
            mailbox=mailbox,
            what=what,
        )
    )


def _link_refused(error: GraphError) -> GraphError:
    """SyncStateLost where Graph or the client refused the link, or it is too long for a proxy on the way.

    After any other refusal of a proxy or firewall it is still good (docs/graph.md, section 6).
    """
    if error.status in _LOST or error.code is not None:
        return SyncStateLost(
            Phrase("{why} The delta link is no longer good: a new delta round is needed.", why=error), **error.facts
        )
    return RequestRejected(
        Phrase(
            "{why} The answer has no error code of Graph: check the proxy or firewall on the way, which may demand a "
            "sign-in or block the address.",
            why=error,
        ),
        **error.facts,
    )


def paged_in_a_circle(mailbox: Mailbox) -> SyncStateLost:
    """The error for a link that was followed before in the same round, which would never end: a new one is needed."""
    return SyncStateLost(
        Phrase("Graph pages the changes of {mailbox} in a circle: a new delta round is needed.", mailbox=mailbox)
    )
