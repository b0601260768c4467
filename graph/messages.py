"""Messages and attachments of a mailbox (docs/graph.md, section 7)."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, NoReturn

from graph.client import GraphClient, encode_segment
from graph.errors import (
    SERVER_FAULTS,
    AccessDenied,
    AccountError,
    FolderNotFound,
    GraphError,
    GraphUnavailable,
    ItemDenied,
    ItemGone,
    MailboxNotFound,
    RequestRejected,
    update_command,
)
from graph.listing import FolderItem, entries_in, link_in, read_items
from graph.mailbox import Mailbox
from graph.responses import MAILBOX_ADVICE
from graph.times import time_text
from phrases import Phrase
from phrases.commands import quoted

MESSAGE_FIELDS: Final = (
    "id,internetMessageId,conversationId,conversationIndex,subject,from,sender,toRecipients,ccRecipients,"
    "bccRecipients,replyTo,createdDateTime,sentDateTime,receivedDateTime,importance,categories,flag,body,"
    "hasAttachments,isRead,webLink,parentFolderId,changeKey"
)
HEADERS_FIELD: Final = "internetMessageHeaders"
"""Returned only on request."""
_AS_SENT: Final = "outlook.allow-unsafe-html"
"""Without it Graph removes script and the like from a body."""
SIZE_PROPERTY: Final = "Integer 0x0E08"
"""PidTagMessageSize: the bytes a message occupies, attachments included; Graph has no field for it."""
ATTACHED_PROPERTY: Final = "Boolean 0x0E1B"
"""PidTagHasAttachments (MS-OXCMSG): true if anything is attached, shown in the body or not; `hasAttachments` is false
if all of it is marked as inline, as some programs mark files, too. It is unconfirmed that Graph returns it: if it does
not, the attachments have to be listed."""
SENDER_ADDRESS_PROPERTY: Final = "String 0x5D01"
AUTHOR_ADDRESS_PROPERTY: Final = "String 0x5D02"
"""PidTagSenderSmtpAddress and PidTagSentRepresentingSmtpAddress (MS-OXOMSG): the SMTP addresses of `sender` and `from`,
which may hold names of Exchange's directory instead."""
EXTENDED_PROPERTIES: Final = "singleValueExtendedProperties($filter={})".format(
    " or ".join(
        f"id eq '{name}'"
        for name in (SIZE_PROPERTY, ATTACHED_PROPERTY, SENDER_ADDRESS_PROPERTY, AUTHOR_ADDRESS_PROPERTY)
    )
)
"""The `$expand` of the request for a message."""
_TELLING_FIELDS: Final = frozenset({"subject", "body", "from", "sender", "receivedDateTime", "createdDateTime"})
"""A response without any of these holds nothing of a message; each may be missing by itself."""
PAGES_OF_PROXIES: Final = frozenset(
    {"text/html", "application/xhtml+xml", "application/json", "application/problem+json"}
)
"""Media types with which a proxy, or Graph itself, reports errors, and which raw content rarely has."""
# Two of the 64 characters of an id differ between alphabets; so does their mapping.
_ONE_FOR_ALL: Final = str.maketrans("+/_", "---")
ATTACHMENT_FIELDS: Final = "id,name,contentType,size,isInline"
FOLDER_PAGE: Final = 1000
"""Messages on a page of `MailReader.folder_page`: Graph's maximum (docs/graph.md, section 7)."""

_INBOX: Final = "inbox"
_JUDGEMENT_SECONDS: Final = 20.0
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
    """Return Graph's own name of a folder (`Inbox` -> `inbox`), None for the id of any other folder.

    https://learn.microsoft.com/en-us/graph/api/resources/mailfolder
    """
    name = folder.strip().lower()
    return name if name in _WELL_KNOWN else None


def mailbox_path(mailbox: Mailbox) -> str:
    """Return `/users/{id}`, the id as one encoded segment."""
    return f"/users/{encode_segment(mailbox.user_id)}"


def folder_path(mailbox: Mailbox, folder: str) -> str:
    """Return `/users/{id}/mailFolders/{folder}`; `folder`: a well-known name in any letter case, or a folder's id."""
    return f"{mailbox_path(mailbox)}/mailFolders/{encode_segment(well_known_folder(folder) or folder)}"


async def folder_of(
    client: GraphClient, mailbox: Mailbox, folder: str, *, deadline_seconds: float | None = None
) -> dict[str, Any]:
    """Fetch `id` and `displayName` of a folder. Graph's refusals are raised unchanged; `MailReader.probe` classifies.

    `deadline_seconds`: as of `GraphClient.request`.

    Raises:
        GraphError: as `GraphClient.request`.
    """
    url = folder_path(mailbox, folder)
    params = {"$select": "id,displayName"}
    found = object_in(await client.request(mailbox, "GET", url, params=params, deadline_seconds=deadline_seconds))
    id_in(found, mailbox)
    return found


@dataclass(frozen=True, slots=True)
class FolderPage:
    """One page of a folder's list. It may be empty and still not be the last."""

    items: Sequence[FolderItem]
    link: str | None
    """Requests the next page; None on the last."""
    unreadable: int = 0
    """Entries without a text as id; for the log, they cannot be processed."""


class MailReader:
    """Reads mail. Ids are the immutable ones, unencoded; each is sent as one encoded segment.

    Every method raises what `GraphClient.request` raises; a 404 of one message is classified, ItemGone when the mailbox
    answers, MailboxNotFound when it does not, and so is a refusal: ItemDenied, AccessDenied.
    """

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def message(
        self, mailbox: Mailbox, message_id: str, *, with_headers: bool = False, files: ExitStack | None = None
    ) -> dict[str, Any]:
        """Fetch the message as it is now: MESSAGE_FIELDS, and the properties of EXTENDED_PROPERTIES.

        The latter are in `singleValueExtendedProperties`.

        `with_headers`: `internetMessageHeaders` as well. The body is as sent, script included; with `files` a long one
        is a LongText, and its file is closed by them.

        Any field may be absent or null (docs/graph.md, section 7), but not all of them.

        Raises:
            ItemGone: the message does not exist (any more).
            MailboxNotFound: nor does the mailbox.
            GraphUnavailable: also when the response is not this message, as from a proxy that responds for Graph.
        """
        fields = f"{MESSAGE_FIELDS},{HEADERS_FIELD}" if with_headers else MESSAGE_FIELDS
        params = {"$select": fields, "$expand": EXTENDED_PROPERTIES}
        path = message_path(mailbox, message_id)
        try:
            found = object_in(
                await self._client.request(mailbox, "GET", path, params=params, prefer=_AS_SENT, files=files)
            )
        except (AccessDenied, ItemGone, MailboxNotFound, GraphUnavailable) as error:
            await self._raise_judged(mailbox, error)
        _check_id(found, message_id, mailbox)
        if not _TELLING_FIELDS & found.keys():
            raise GraphUnavailable(
                Phrase(
                    "Graph's response has nothing of a message of {mailbox} but its id. Try again later.",
                    mailbox=mailbox,
                ),
                status=HTTPStatus.OK,
            )
        return found

    async def attachments(
        self, mailbox: Mailbox, message_id: str, *, with_content: bool, files: ExitStack | None = None
    ) -> list[dict[str, Any]]:
        """Fetch all attachments of a message, in Graph's order.

        With content every file is included whole, as base64 in `contentBytes`, a large one with `files` as a LongText:
        one response is as large as the mail, so for small mails only. Without: ATTACHMENT_FIELDS and `@odata.type`.

        Raises:
            ItemGone: the message does not exist (any more).
            MailboxNotFound: nor does the mailbox.
        """
        url: str = f"{message_path(mailbox, message_id)}/attachments"
        params = None if with_content else {"$select": ATTACHMENT_FIELDS}
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        try:
            while url not in seen:
                seen.add(url)
                page = object_in(await self._client.request(mailbox, "GET", url, params=params, files=files))
                found.extend(map(object_in, entries_in(page, mailbox)))
                link = link_in(page, "@odata.nextLink")
                if link is None:
                    return found
                url, params = link, None
        except (AccessDenied, ItemGone, MailboxNotFound, GraphUnavailable) as error:
            await self._raise_judged(mailbox, error)
        raise GraphUnavailable(
            Phrase(
                "Graph pages the attachments of a message of {mailbox} in a circle. Try again later.", mailbox=mailbox
            ),
            status=HTTPStatus.OK,
        )

    async def attachment(
        self, mailbox: Mailbox, message_id: str, attachment_id: str, *, files: ExitStack | None = None
    ) -> dict[str, Any]:
        """Fetch one attachment with all its fields; `contentBytes` (base64, a large one with `files` as a LongText) if
        it is a file.

        Raises:
            ItemGone: message or attachment do not exist (any more).
            MailboxNotFound: nor does the mailbox.
            GraphUnavailable: also when the response is not this attachment.
        """
        try:
            found = object_in(
                await self._client.request(mailbox, "GET", _attachment(mailbox, message_id, attachment_id), files=files)
            )
        except (AccessDenied, ItemGone, MailboxNotFound, GraphUnavailable) as error:
            await self._raise_judged(mailbox, error)
        _check_id(found, attachment_id, mailbox)
        return found

    def attachment_content(
        self, mailbox: Mailbox, message_id: str, attachment_id: str, *, may_be: Collection[str] = ()
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream a file, or the MIME, vCard or iCalendar form of an attached item, in chunks of at most 64 KiB.

        Args:
            mailbox: of the message.
            message_id: of the message.
            attachment_id: of the attachment.
            may_be: media types in lower case that the content may have although proxies respond with them, too (a file
                that is HTML or JSON).

        Raises:
            ItemGone: message or attachment do not exist (any more).
            MailboxNotFound: nor does the mailbox.
            RequestRejected: a link to a cloud file has no content (405).
            GraphUnavailable: also when it is a page of a proxy, by its content type.
        """
        url = f"{_attachment(mailbox, message_id, attachment_id)}/$value"
        return self._content(mailbox, url, may_be)

    def original(self, mailbox: Mailbox, message_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream the whole message as MIME, in chunks of at most 64 KiB.

        https://learn.microsoft.com/en-us/graph/outlook-get-mime-message; over some 25 MB it ends in 504 (docs/graph.md,
        section 7).

        Raises:
            ItemGone: the message does not exist (any more).
            MailboxNotFound: nor does the mailbox.
            RequestRejected: there is no MIME of this kind of item.
            GraphUnavailable: also when it is a page of a proxy, by its content type.
        """
        return self._content(mailbox, f"{message_path(mailbox, message_id)}/$value")

    async def parent_folder(self, mailbox: Mailbox, message_id: str) -> str:
        """Fetch the id of the message's current folder; never a well-known name.

        Folder ids are constant (docs/graph.md, section 7).

        Raises:
            ItemGone: the message is deleted for good; one in Deleted Items is in that folder.
            MailboxNotFound: the mailbox does not exist.
        """
        url, params = message_path(mailbox, message_id), {"$select": "parentFolderId"}
        try:
            answer = object_in(await self._client.request(mailbox, "GET", url, params=params))
        except (AccessDenied, ItemGone, MailboxNotFound, GraphUnavailable) as error:
            await self._raise_judged(mailbox, error)
        _check_id({"id": message_id, **answer}, message_id, mailbox)
        folder_id = answer.get("parentFolderId")
        if not isinstance(folder_id, str) or not folder_id:
            raise GraphUnavailable(
                Phrase("Graph did not report the folder of a message of {mailbox}. Try again later.", mailbox=mailbox),
                status=HTTPStatus.OK,
            )
        return folder_id

    async def immutable_id(self, mailbox: Mailbox, message_id: str) -> str:
        """Fetch the immutable id of a message, given an id of either kind (docs/graph.md, section 7).

        Raises:
            ItemGone: the message does not exist (any more).
            MailboxNotFound: nor does the mailbox.
        """
        url, params = message_path(mailbox, message_id), {"$select": "id"}
        try:
            answer = object_in(await self._client.request(mailbox, "GET", url, params=params))
        except (AccessDenied, ItemGone, MailboxNotFound, GraphUnavailable) as error:
            await self._raise_judged(mailbox, error)
        found = answer.get("id")
        if not isinstance(found, str) or not found:
            raise GraphUnavailable(
                Phrase("Graph did not report the id of a message of {mailbox}. Try again later.", mailbox=mailbox),
                status=HTTPStatus.OK,
            )
        return found

    async def folder_page(
        self, mailbox: Mailbox, folder: str, *, since: datetime | None = None, link: str | None = None
    ) -> FolderPage:
        """Fetch ids and times of a folder's messages, newest first, FOLDER_PAGE at most; subfolders not included.

        The list is no snapshot. Messages that arrive while it is read shift the rest down, so that one may be listed
        twice; messages that leave shift it up, so that one may be skipped.

        Args:
            mailbox: of the folder.
            folder: a well-known name, or the id of a folder.
            since: aware; only messages received then or later, to the second. None: all.
            link: of the previous page, used unchanged; `folder` and `since` select the first page only. None: begin.

        Raises:
            FolderNotFound: the folder is not in the mailbox.
            MailboxNotFound: the mailbox does not exist.
            ValueError: `since` is naive.
        """
        url, params = (_messages_in(mailbox, folder), _newest_first(since)) if link is None else (link, None)
        try:
            page = object_in(await self._client.request(mailbox, "GET", url, params=params))
        except (ItemGone, MailboxNotFound, RequestRejected) as error:
            raise await self.folder_fault(mailbox, folder, error) from error
        listed = read_items(page, mailbox)
        return FolderPage(listed.items, link_in(page, "@odata.nextLink"), listed.unreadable)

    async def folder_pages(
        self, mailbox: Mailbox, folder: str, *, since: datetime | None = None
    ) -> AsyncIterator[FolderPage]:
        """Yield the pages of `folder_page`, to the last one.

        Raises:
            FolderNotFound, MailboxNotFound, ValueError: as `folder_page`.
            GraphUnavailable: also when a page leads to an earlier one, and the list would never end.
        """
        link: str | None = None
        seen: set[str | None] = set()
        while link not in seen:
            seen.add(link)
            page = await self.folder_page(mailbox, folder, since=since, link=link)
            yield page
            link = page.link
            if link is None:
                return
        raise GraphUnavailable(
            Phrase("Graph pages the messages of {mailbox} in a circle. Try again later.", mailbox=mailbox),
            status=HTTPStatus.OK,
        )

    async def find(self, mailbox: Mailbox, folder: str, internet_message_id: str) -> list[FolderItem]:
        """Find the messages in a folder by internet message id: none, one or several.

        The id is not unique (docs/graph.md, section 7). It is compared whole, angle brackets included, as in the mail.

        Raises:
            FolderNotFound: the folder is not in the mailbox.
            MailboxNotFound: the mailbox does not exist.
        """
        url = _messages_in(mailbox, folder)
        quoted = internet_message_id.replace("'", "''")
        params: dict[str, str] | None = {
            "$select": "id,receivedDateTime",
            "$filter": f"internetMessageId eq '{quoted}'",
        }
        found: list[FolderItem] = []
        seen: set[str] = set()
        while url not in seen:
            seen.add(url)
            try:
                page = object_in(await self._client.request(mailbox, "GET", url, params=params))
            except (ItemGone, MailboxNotFound, RequestRejected) as error:
                raise await self.folder_fault(mailbox, folder, error) from error
            found.extend(read_items(page, mailbox).items)
            link = link_in(page, "@odata.nextLink")
            if link is None:
                return found
            url, params = link, None
        raise GraphUnavailable(
            Phrase("Graph pages the messages of {mailbox} in a circle. Try again later.", mailbox=mailbox),
            status=HTTPStatus.OK,
        )

    async def probe(
        self, mailbox: Mailbox, folder: str = _INBOX, *, deadline_seconds: float | None = None
    ) -> dict[str, Any]:
        """Fetch `id` and `displayName` of the folder: the cheapest check of sign-in, grant, mailbox and folder.

        `deadline_seconds`: as of `GraphClient.request`.

        Raises:
            MailboxNotFound: any 404 of the inbox, with any code (docs/graph.md, section 9).
            FolderNotFound: the mailbox exists, the folder does not.
        """
        try:
            return await folder_of(self._client, mailbox, folder, deadline_seconds=deadline_seconds)
        except (ItemGone, MailboxNotFound, RequestRejected) as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}:
                raise
            if well_known_folder(folder) == _INBOX:
                raise _mailbox_missing(mailbox, error) from error
            await self.probe(mailbox)
            raise FolderNotFound(
                Phrase(
                    "The folder '{folder}' does not exist in the mailbox of {mailbox}.", folder=folder, mailbox=mailbox
                ),
                advice=Phrase(
                    "List the folders with 'mail-importer accounts folders {account}', and name one of them: "
                    "{update} --folder PATH",
                    account=quoted(mailbox.account_name),
                    update=update_command(mailbox.account_name),
                ),
                **error.facts,
            ) from error

    async def folder_fault(
        self, mailbox: Mailbox, folder: str, error: ItemGone | MailboxNotFound | RequestRejected
    ) -> GraphError:
        """Classify a refused call about a whole folder; only a probe of folder and mailbox can decide.

        FolderNotFound, MailboxNotFound or another AccountError for a 404 or a 400, by a probe; GraphUnavailable when a
        folder answers that was reported missing; other refusals are returned unchanged (docs/graph.md, section 9).

        Raises:
            GraphUnavailable: the probe was not answered.
        """
        if isinstance(error, RequestRejected) and error.status != HTTPStatus.BAD_REQUEST:
            return error
        try:
            await self.probe(mailbox, folder)
        except AccountError as fault:
            return fault
        if isinstance(error, RequestRejected):
            return error
        return GraphUnavailable(Phrase("{why} Yet the folder answers. Try again later.", why=error), **error.facts)

    @asynccontextmanager
    async def _content(
        self, mailbox: Mailbox, url: str, may_be: Collection[str] = ()
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        content = self._client.stream(mailbox, url, never=PAGES_OF_PROXIES.difference(may_be))
        try:
            chunks = await content.__aenter__()
            try:
                yield chunks
            finally:
                await content.__aexit__(None, None, None)
        except (AccessDenied, ItemGone, MailboxNotFound, GraphUnavailable) as error:
            await self._raise_judged(mailbox, error)

    async def _raise_judged(
        self, mailbox: Mailbox, error: AccessDenied | ItemGone | MailboxNotFound | GraphUnavailable
    ) -> NoReturn:
        judged = await self._judged(mailbox, error)
        if judged is error:
            raise error  # with its own cause, which may be a fault of this host
        raise judged from error

    async def _judged(
        self, mailbox: Mailbox, error: AccessDenied | ItemGone | MailboxNotFound | GraphUnavailable
    ) -> GraphError:
        """Classify a failure about one message; only a probe of the mailbox can decide (docs/graph.md, section 9).

        One tenant returned three different codes with 404. A refusal holds the whole account only if its inbox is
        refused as well; a fault of a server, or an answer that does not come, is the message's only if its inbox opens.
        """
        if isinstance(error, GraphUnavailable) and not error.may_be_of_item(SERVER_FAULTS):
            return error
        if (error.code or "").lower() == "erroritemnotfound" and isinstance(error, ItemGone):
            return error
        try:
            await self.probe(mailbox, deadline_seconds=_JUDGEMENT_SECONDS)
        except AccountError as fault:
            return fault
        except GraphUnavailable:
            if not isinstance(error, GraphUnavailable):
                raise
            error.mailbox_down = True
        if isinstance(error, (ItemGone, GraphUnavailable)):
            return error
        if isinstance(error, AccessDenied):
            return ItemDenied(
                Phrase(
                    "{summary} The inbox of the mailbox opens, so only this item is refused.", summary=error.summary
                ),
                **error.facts,
            )
        return ItemGone(
            Phrase("{summary} The mailbox answers, so the message is gone.", summary=error.summary), **error.facts
        )


def message_path(mailbox: Mailbox, message_id: str) -> str:
    """Return `/users/{id}/messages/{id}`, each id as one encoded segment."""
    return f"{mailbox_path(mailbox)}/messages/{encode_segment(message_id)}"


def _messages_in(mailbox: Mailbox, folder: str) -> str:
    return f"{folder_path(mailbox, folder)}/messages"


def _newest_first(since: datetime | None) -> dict[str, str]:
    params = {"$select": "id,receivedDateTime", "$orderby": "receivedDateTime desc", "$top": str(FOLDER_PAGE)}
    if since is not None:
        # The fields of $orderby must come first in $filter, else: 400 InefficientFilter
        # (https://learn.microsoft.com/en-us/graph/api/user-list-messages).
        params["$filter"] = f"receivedDateTime ge {time_text(since)}"
    return params


def _attachment(mailbox: Mailbox, message_id: str, attachment_id: str) -> str:
    return f"{message_path(mailbox, message_id)}/attachments/{encode_segment(attachment_id)}"


def _mailbox_missing(mailbox: Mailbox, error: GraphError) -> MailboxNotFound:
    reason = " ".join(filter(None, (error.code, error.detail))).rstrip(".") or Phrase("no reason given")
    return MailboxNotFound(
        Phrase("There is no mailbox for {mailbox}: {reason}.", mailbox=mailbox, reason=reason),
        advice=MAILBOX_ADVICE,
        **error.facts,
    )


def id_in(answer: Mapping[str, Any], mailbox: Mailbox) -> str:
    """Return the id in a response.

    Raises:
        GraphUnavailable: it has none, which Graph never sends.
    """
    found = answer.get("id")
    if not isinstance(found, str) or not found:
        raise GraphUnavailable(
            Phrase(
                "Graph's response for {mailbox} has no id. Try again later; if this lasts, check for a proxy that "
                "changes responses.",
                mailbox=mailbox,
            ),
            status=HTTPStatus.OK,
        )
    return found


def _check_id(answer: Mapping[str, Any], asked: str, mailbox: Mailbox) -> None:
    """Refuse a response about another item than the requested one.

    Raises:
        GraphUnavailable: it has another id, or none.
    """
    found = id_in(answer, mailbox)
    if found != asked and _one_alphabet(found) != _one_alphabet(asked):
        raise GraphUnavailable(
            Phrase(
                "Graph's response for {mailbox} is about another item than the requested one. Try again later; if "
                "this lasts, check for a proxy that caches.",
                mailbox=mailbox,
            ),
            status=HTTPStatus.OK,
        )


def _one_alphabet(item_id: str) -> str:
    """Normalise an id over all base64 alphabets: Graph accepts those of other interfaces, and responds with its own.

    https://learn.microsoft.com/en-us/javascript/api/outlook/office.mailbox (convertToRestId)
    """
    return item_id.translate(_ONE_FOR_ALL).rstrip("=")


def object_in(answer: object) -> dict[str, Any]:
    """Return the response as a JSON object.

    Raises:
        GraphUnavailable: it is none, which Graph never sends.
    """
    if not isinstance(answer, dict):
        raise GraphUnavailable(
            Phrase("Graph answered with {name} where an object belongs. Try again later.", name=type(answer).__name__),
            status=HTTPStatus.OK,
        )
    return answer
