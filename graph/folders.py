"""Mail folders, found by what an administrator calls them, and made where they are missing.

A folder is named by a well-known name (`archive`), by its id, or by a path of names (`Inbox/Archive/2026`). The first
part of a path may be a well-known name in English, whatever language the mailbox speaks; the others are compared with
`displayName`, in any letter case, in lists that are read whole: what `$filter` does with letter case is not documented.
https://learn.microsoft.com/en-us/graph/api/mailfolder-list-childfolders
"""

import asyncio
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from graph.client import GraphClient
from graph.errors import FolderNotFound, GraphUnavailable, ItemGone, MailboxNotFound, RequestRejected
from graph.listing import entries_in, link_in
from graph.mailbox import Mailbox
from graph.messages import MailReader, folder_path, id_in, mailbox_path, object_in, well_known_folder
from phrases import Phrase

CALL_SECONDS: Final = 20.0
"""How long a call may take that is made after an import: others wait for its mailbox."""

_KEPT_FOR: Final = timedelta(hours=1)
_SHORTEST_ID: Final = 60
_LIKE_AN_ID: Final = re.compile(r"[A-Za-z0-9+/_=-]+")
_PAGE: Final = {"$select": "id,displayName", "$top": "100"}
_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST})

_Key = tuple[tuple[str, str], str]


class MailFolders:
    """The ids of folders, remembered for an hour; they are constant (graph.md section 7)."""

    def __init__(self, client: GraphClient, reader: MailReader, *, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._reader = reader
        self._clock = clock
        self._known: dict[_Key, tuple[datetime, str]] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def folder_id(self, mailbox: Mailbox, folder: str) -> str:
        """The id of the folder; what is missing of a path is made.

        Raises:
            FolderNotFound: there is no folder with that id, or one of that name can be neither found nor made.
            GraphError: as `GraphClient.request`.
        """
        key = (mailbox.counted_as, folder)
        # One after the other, so that a folder is made once.
        async with self._locks.setdefault(mailbox.counted_as, asyncio.Lock()):
            known = self._known.get(key)
            if known is not None and known[0] > self._clock():
                return known[1]
            found = await self._resolved(mailbox, folder)
            self._known[key] = (self._clock() + _KEPT_FOR, found)
            return found

    def forget(self, mailbox: Mailbox, folder: str) -> None:
        """Graph did not find the folder by its id: look it up again next time."""
        self._known.pop((mailbox.counted_as, folder), None)

    async def _resolved(self, mailbox: Mailbox, folder: str) -> str:
        if len(folder) >= _SHORTEST_ID and _LIKE_AN_ID.fullmatch(folder):
            return id_in(await self._reader.probe(mailbox, folder), mailbox)
        first, *rest = [each.strip() for each in folder.split("/") if each.strip()] or [folder]
        found = await self._well_known(mailbox, first)
        if found is None:
            found = await self._child(mailbox, None, first, folder)
        for name in rest:
            found = await self._child(mailbox, found, name, folder)
        return found

    async def _well_known(self, mailbox: Mailbox, name: str) -> str | None:
        """The id of a folder that Exchange makes itself, also as Outlook writes it (`Deleted Items`)."""
        well_known = well_known_folder(name.replace(" ", ""))
        if well_known is None:
            return None
        try:
            return id_in(await self._reader.probe(mailbox, well_known), mailbox)
        except FolderNotFound:
            return None  # not every mailbox has every one, an archive for example; it is looked for by its name

    async def _child(self, mailbox: Mailbox, parent: str | None, name: str, path: str) -> str:
        """The folder of that name below another one, or (None) at the top; made if it is missing."""
        url = f"{mailbox_path(mailbox)}/mailFolders"
        if parent is not None:
            url = f"{folder_path(mailbox, parent)}/childFolders"
        found = await self._listed(mailbox, url, name)
        if found is not None:
            return found
        try:
            made = await self._client.request(
                mailbox, "POST", url, json={"displayName": name}, deadline_seconds=CALL_SECONDS
            )
        except RequestRejected as error:
            # Somebody else made it in between; or there is one that no list shows.
            found = await self._listed(mailbox, url, name) if error.status == HTTPStatus.CONFLICT else None
            if found is None:
                raise _not_made(mailbox, name, path, error) from error
            return found
        return id_in(object_in(made), mailbox)

    async def _listed(self, mailbox: Mailbox, url: str, name: str) -> str | None:
        params: dict[str, str] | None = _PAGE
        seen: set[str] = set()
        while url not in seen:
            seen.add(url)
            try:
                answer = await self._client.request(mailbox, "GET", url, params=params, deadline_seconds=CALL_SECONDS)
            except (ItemGone, MailboxNotFound, RequestRejected) as error:
                if error.status in _MISSING:
                    await self._reader.probe(mailbox)  # whose trouble is it?
                raise
            page = object_in(answer)
            for each in map(object_in, entries_in(page, mailbox)):
                if _same(each.get("displayName"), name):
                    return id_in(each, mailbox)
            link = link_in(page, "@odata.nextLink")
            if link is None:
                return None
            url, params = link, None
        raise GraphUnavailable(
            Phrase("Graph pages the folders of {mailbox} in a circle. Try again later.", mailbox=mailbox)
        )


def _same(one: object, other: str) -> bool:
    return isinstance(one, str) and _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _not_made(mailbox: Mailbox, name: str, path: str, error: RequestRejected) -> FolderNotFound:
    return FolderNotFound(
        Phrase(
            "The folder '{path}' of {mailbox} is not there, and its part '{name}' cannot be made: {why}",
            path=path,
            mailbox=mailbox,
            name=name,
            why=error,
        ),
        advice=Phrase(
            "Make the folder in Outlook, or name another one: mail-importer accounts update NAME --move-to FOLDER"
        ),
        **error.facts,
    )
