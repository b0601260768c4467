"""Messages and attachments of a mailbox (graph.md section 7)."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from graph.answers import MAILBOX_ADVICE
from graph.client import GraphClient, encode_segment
from graph.errors import (
    AccountError,
    FolderNotFound,
    GraphError,
    GraphUnavailable,
    ItemGone,
    MailboxNotFound,
    RequestRejected,
)
from graph.mailbox import Mailbox

MESSAGE_FIELDS: Final = (
    "id,internetMessageId,conversationId,subject,from,sender,toRecipients,ccRecipients,bccRecipients,replyTo,"
    "sentDateTime,receivedDateTime,importance,body,hasAttachments"
)
SIZE_PROPERTY: Final = "Integer 0x0E08"
"""PidTagMessageSize: the bytes a message takes, attachments included; Graph has no field for it."""
ATTACHMENT_FIELDS: Final = "id,name,contentType,size,isInline"

_INBOX: Final = "inbox"
_WELL_KNOWN: Final = frozenset(
    {
        "archive",
        "clutter",
        "conflicts",
        "conversationhistory",
        "deleteditems",
        "drafts",
        "inbox",
        "junkemail",
        "localfailures",
        "msgfolderroot",
        "outbox",
        "recoverableitemsdeletions",
        "scheduled",
        "searchfolders",
        "sentitems",
        "serverfailures",
        "syncissues",
    }
)


def well_known_folder(folder: str) -> str | None:
    """Graph's own name of a folder (`Inbox` -> `inbox`), None for the id of any other folder.

    https://learn.microsoft.com/en-us/graph/api/resources/mailfolder
    """
    name = folder.strip().lower()
    return name if name in _WELL_KNOWN else None


def mailbox_path(mailbox: Mailbox) -> str:
    """`/users/{id}`, the id as one encoded segment."""
    return f"/users/{encode_segment(mailbox.user_id)}"


def folder_path(mailbox: Mailbox, folder: str) -> str:
    """`/users/{id}/mailFolders/{folder}`; `folder` is a well-known name in any letter case, or a folder's id."""
    return f"{mailbox_path(mailbox)}/mailFolders/{encode_segment(well_known_folder(folder) or folder)}"


@dataclass(frozen=True, slots=True)
class FolderItem:
    """A message as a list of its folder shows it. `received`: aware, UTC; None when Graph sent no time."""

    message_id: str
    received: datetime | None


@dataclass(frozen=True, slots=True)
class FolderPage:
    """A page of a folder's list. `link`: of the next page; None: this is the last."""

    items: Sequence[FolderItem]
    link: str | None


def folder_item(entry: object) -> FolderItem | None:
    """What a list says of a message; None when it has no id."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str) or not entry["id"]:
        return None
    try:
        received = read_time(entry.get("receivedDateTime"))
    except ValueError:
        received = None
    return FolderItem(entry["id"], received)


def read_time(text: object) -> datetime:
    """A time of Graph as aware UTC: up to seven fraction digits, `Z`, any offset or none.

    Raises:
        ValueError: it is no time.
    """
    if not isinstance(text, str):
        raise ValueError(f"A time is a text, not {type(text).__name__}.")  # noqa: TRY004 (callers catch one type)
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class MailReader:
    """Reads mail. Ids are the immutable ones, unencoded; each goes out as one encoded segment.

    Every method raises what `GraphClient.request` raises; a 404 is told apart: ItemGone when the mailbox answers,
    MailboxNotFound when it does not.
    """

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def message(self, mailbox: Mailbox, message_id: str) -> dict[str, Any]:
        """The message as it is now: MESSAGE_FIELDS, and `singleValueExtendedProperties` with its size.

        Any field may be absent or null (graph.md section 7).

        Raises:
            ItemGone: the message is not there (any more).
            MailboxNotFound: neither is the mailbox.
        """
        expand = f"singleValueExtendedProperties($filter=id eq '{SIZE_PROPERTY}')"
        params = {"$select": MESSAGE_FIELDS, "$expand": expand}
        try:
            return _object(await self._client.request(mailbox, "GET", _message(mailbox, message_id), params=params))
        except (ItemGone, MailboxNotFound) as error:
            raise await self._judged(mailbox, error) from error

    async def attachments(self, mailbox: Mailbox, message_id: str, *, with_content: bool) -> list[dict[str, Any]]:
        """All attachments of a message, in Graph's order.

        With content every file comes whole, as base64 in `contentBytes`: for small mails only, one answer is as large
        as the mail. Without: the fields of ATTACHMENT_FIELDS and `@odata.type`.

        Raises:
            ItemGone: the message is not there (any more).
            MailboxNotFound: neither is the mailbox.
        """
        url: str = f"{_message(mailbox, message_id)}/attachments"
        params = None if with_content else {"$select": ATTACHMENT_FIELDS}
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        try:
            while url not in seen:
                seen.add(url)
                page = _object(await self._client.request(mailbox, "GET", url, params=params))
                found.extend(item for item in page.get("value") or () if isinstance(item, dict))
                link = page.get("@odata.nextLink")
                if not isinstance(link, str) or not link:
                    return found
                url, params = link, None
        except (ItemGone, MailboxNotFound) as error:
            raise await self._judged(mailbox, error) from error
        raise GraphUnavailable(f"Graph pages the attachments of a message of {mailbox} in a circle. Try again later.")

    async def attachment(self, mailbox: Mailbox, message_id: str, attachment_id: str) -> dict[str, Any]:
        """One attachment with all its fields; `contentBytes` (base64) if it is a file.

        Raises:
            ItemGone: message or attachment are not there (any more).
            MailboxNotFound: neither is the mailbox.
        """
        try:
            return _object(await self._client.request(mailbox, "GET", _attachment(mailbox, message_id, attachment_id)))
        except (ItemGone, MailboxNotFound) as error:
            raise await self._judged(mailbox, error) from error

    def attachment_content(
        self, mailbox: Mailbox, message_id: str, attachment_id: str
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes of a file, or the MIME, vCard or iCalendar form of an attached item, in chunks of at most 64 KiB.

        Raises:
            ItemGone: message or attachment are not there (any more).
            MailboxNotFound: neither is the mailbox.
            RequestRejected: a link to a cloud file has no content (405).
        """
        return self._content(mailbox, f"{_attachment(mailbox, message_id, attachment_id)}/$value")

    async def folder_page(
        self, mailbox: Mailbox, folder: str, *, since: datetime | None = None, link: str | None = None
    ) -> FolderPage:
        """Messages of a folder, newest first, up to 1,000: those received at `since` (aware) or later.

        The first page with `link` None, then each at the link of the one before.

        Raises:
            FolderNotFound, MailboxNotFound
        """
        params = None if link is not None else {"$select": "id,receivedDateTime", "$top": "1000", **_newest(since)}
        url = f"{folder_path(mailbox, folder)}/messages" if link is None else link
        try:
            page = _object(await self._client.request(mailbox, "GET", url, params=params))
        except (ItemGone, MailboxNotFound) as error:
            await self.probe(mailbox, folder)
            raise GraphUnavailable(f"{error} The folder is there. Try again later.", **error.facts) from error
        items = [item for item in map(folder_item, page.get("value") or ()) if item is not None]
        more = page.get("@odata.nextLink")
        return FolderPage(items, more if isinstance(more, str) and more else None)

    async def parent_folder(self, mailbox: Mailbox, message_id: str) -> str:
        """The id of the folder that a message is in now.

        Raises:
            ItemGone: the message is not in the mailbox (any more).
            MailboxNotFound: neither is the mailbox.
        """
        params = {"$select": "parentFolderId"}
        try:
            answer = _object(await self._client.request(mailbox, "GET", _message(mailbox, message_id), params=params))
        except (ItemGone, MailboxNotFound) as error:
            raise await self._judged(mailbox, error) from error
        return str(answer.get("parentFolderId") or "")

    async def probe(self, mailbox: Mailbox, folder: str = _INBOX) -> dict[str, Any]:
        """`id` and `displayName` of the folder: the cheapest proof that sign-in, grant, mailbox and folder are good.

        Raises:
            MailboxNotFound: any 404 of the inbox, whatever its code (graph.md section 9).
            FolderNotFound: the mailbox is there, the folder is not.
        """
        try:
            return await self._folder(mailbox, folder)
        except (ItemGone, MailboxNotFound, RequestRejected) as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}:
                raise
            if well_known_folder(folder) == _INBOX:
                raise _mailbox_missing(mailbox, error) from error
            await self.probe(mailbox)
            raise FolderNotFound(
                f"The folder '{folder}' does not exist in the mailbox of {mailbox}.",
                advice="Set the folder of the account to a well-known name such as inbox, or to the id of a folder.",
                **error.facts,
            ) from error

    async def _folder(self, mailbox: Mailbox, folder: str) -> dict[str, Any]:
        url = folder_path(mailbox, folder)
        return _object(await self._client.request(mailbox, "GET", url, params={"$select": "id,displayName"}))

    @asynccontextmanager
    async def _content(self, mailbox: Mailbox, url: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        content = self._client.stream(mailbox, url)
        try:
            chunks = await content.__aenter__()
        except (ItemGone, MailboxNotFound) as error:
            raise await self._judged(mailbox, error) from error
        try:
            yield chunks
        finally:
            await content.__aexit__(None, None, None)

    async def _judged(self, mailbox: Mailbox, error: ItemGone | MailboxNotFound) -> GraphError:
        """What a 404 means: one tenant gave three different codes, so only the mailbox itself can tell (section 9)."""
        if (error.code or "").lower() == "erroritemnotfound":
            return error
        try:
            await self.probe(mailbox)
        except AccountError as missing:
            return missing
        if isinstance(error, ItemGone):
            return error
        return ItemGone(f"{error.summary} The mailbox answers, so the message is gone.", **error.facts)


def _newest(since: datetime | None) -> dict[str, str]:
    if since is None:
        return {"$orderby": "receivedDateTime desc"}
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # What is ordered by must come first in the filter.
    return {"$filter": f"receivedDateTime ge {moment}", "$orderby": "receivedDateTime desc"}


def _message(mailbox: Mailbox, message_id: str) -> str:
    return f"{mailbox_path(mailbox)}/messages/{encode_segment(message_id)}"


def _attachment(mailbox: Mailbox, message_id: str, attachment_id: str) -> str:
    return f"{_message(mailbox, message_id)}/attachments/{encode_segment(attachment_id)}"


def _mailbox_missing(mailbox: Mailbox, error: GraphError) -> MailboxNotFound:
    reason = " ".join(filter(None, (error.code, error.detail))) or "no reason given"
    return MailboxNotFound(
        f"There is no mailbox for {mailbox}: {reason.rstrip('.')}.", advice=MAILBOX_ADVICE, **error.facts
    )


def _object(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise GraphUnavailable(f"Graph answered with {type(answer).__name__} where an object belongs. Try again later.")
    return answer
