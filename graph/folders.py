"""Mail folders: found by the administrator's name for them, listed as a tree, created if missing.

A folder is named by a well-known name (`archive`), by its id, or by a path of names (`Inbox/Archive/2026`,
`Boîte de réception/Labo`). The first part of a path may be a well-known name in English, in any language of the
mailbox; the others are compared with `displayName`, which is in the mailbox's language, in any letter case, in lists
that are read whole: the letter-case behaviour of `$filter` is not documented.
https://learn.microsoft.com/en-us/graph/api/user-list-mailfolders
https://learn.microsoft.com/en-us/graph/api/mailfolder-list-childfolders
"""

import asyncio
import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from graph.client import GraphClient
from graph.errors import FolderNotFound, GraphUnavailable, ItemGone, MailboxNotFound, RequestRejected, update_command
from graph.listing import entries_in, link_in
from graph.mailbox import Mailbox, SlotKey
from graph.messages import MailReader, folder_path, id_in, mailbox_path, object_in, well_known_folder
from phrases import Phrase
from phrases.commands import quoted

CALL_SECONDS: Final = 20.0
"""The maximum duration of a call made after an import: others wait for its mailbox."""

_KEPT_FOR: Final = timedelta(hours=1)
_SHORTEST_ID: Final = 60
_LIKE_AN_ID: Final = re.compile(r"[A-Za-z0-9+/_=-]+")
_PAGE: Final = {"$select": "id,displayName", "$top": "100"}
_TREE_PAGE: Final = {"$select": "id,displayName,childFolderCount,totalItemCount,unreadItemCount", "$top": "100"}
_MAX_DEPTH: Final = 300
"""Levels of folders; the maximum of Exchange
(https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits)."""
_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST})

_Key = tuple[SlotKey, str]


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A folder of a mailbox's tree.

    `names`: of its ancestors and its own, as the mailbox displays them; `messages` and `unread`: items directly in it,
    None if Graph does not return the count.
    """

    folder_id: str
    names: tuple[str, ...]
    messages: int | None
    unread: int | None

    @property
    def path(self) -> str | None:
        """The path that finds it again, None if a name contains the separator: such a folder is named by its id."""
        return None if any("/" in name for name in self.names) else "/".join(self.names)


class MailFolders:
    """The ids of folders, cached for an hour; they are constant (docs/graph.md, section 7)."""

    def __init__(self, client: GraphClient, reader: MailReader, *, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._reader = reader
        self._clock = clock
        self._known: dict[_Key, tuple[datetime, str]] = {}
        self._locks: dict[SlotKey, asyncio.Lock] = {}

    async def locate(self, mailbox: Mailbox, folder: str) -> str:
        """Return the folder as Graph accepts it in a path: a well-known name or an id. Nothing is created.

        A well-known name and an id are returned unchanged, without a call.

        Raises:
            FolderNotFound: the mailbox has no folder of that name or path.
            GraphError: as `GraphClient.request`.
        """
        return named_directly(folder) or await self.folder_id(mailbox, folder)

    async def folder_id(self, mailbox: Mailbox, folder: str, *, make: bool = False) -> str:
        """Return the id of the folder; with `make`, missing parts of a path are created.

        Raises:
            FolderNotFound: there is no folder with that id or path, or it can be neither found nor created.
            GraphError: as `GraphClient.request`.
        """
        key = (mailbox.counted_as, folder)
        # One after the other, so that a folder is created once.
        async with self._locks.setdefault(mailbox.counted_as, asyncio.Lock()):
            known = self._known.get(key)
            now = self._clock()
            # Nor later than possible: the clock may have been set back since.
            if known is not None and now < known[0] <= now + _KEPT_FOR:
                return known[1]
            found = await self._resolved(mailbox, folder, make=make)
            self._known[key] = (self._clock() + _KEPT_FOR, found)
            return found

    async def tree(self, mailbox: Mailbox) -> AsyncIterator[FolderEntry]:
        """Yield every folder of the mailbox, parents before children; hidden ones are omitted, as Graph does.

        Raises:
            GraphError: as `GraphClient.request`.
        """
        async for entry in self._below(mailbox, f"{mailbox_path(mailbox)}/mailFolders", ()):
            yield entry

    @contextmanager
    def followed(self, mailbox: Mailbox, folder: str) -> Iterator[None]:
        """Drop the cached folder when a call does not find it: another one may have its path by now.

        Raises:
            FolderNotFound: passed on.
        """
        try:
            yield
        except FolderNotFound:
            self.forget(mailbox, folder)
            raise

    def forget(self, mailbox: Mailbox, folder: str) -> None:
        """Drop the cached id, which Graph did not find: it is resolved again next time."""
        self._known.pop((mailbox.counted_as, folder), None)

    async def _resolved(self, mailbox: Mailbox, folder: str, *, make: bool) -> str:
        if _is_id(folder):
            return id_in(await self._reader.probe(mailbox, folder), mailbox)
        first, *rest = [each.strip() for each in folder.split("/") if each.strip()] or [folder]
        found = await self._well_known(mailbox, first)
        if found is None:
            found = await self._child(mailbox, None, first, folder, make=make)
        for name in rest:
            found = await self._child(mailbox, found, name, folder, make=make)
        return found

    async def _well_known(self, mailbox: Mailbox, name: str) -> str | None:
        """The id of a folder that Exchange itself creates, also as Outlook writes it (`Deleted Items`)."""
        well_known = well_known_folder(name.replace(" ", ""))
        if well_known is None:
            return None
        try:
            return id_in(await self._reader.probe(mailbox, well_known), mailbox)
        except FolderNotFound:
            return None  # not every mailbox has every one, an archive for example; it is searched by name

    async def _child(self, mailbox: Mailbox, parent: str | None, name: str, path: str, *, make: bool) -> str:
        """The folder of that name below another one, or (None) at the top; created if missing and requested."""
        url = f"{mailbox_path(mailbox)}/mailFolders"
        if parent is not None:
            url = f"{folder_path(mailbox, parent)}/childFolders"
        found = await self._listed(mailbox, url, name)
        if found is not None:
            return found
        if not make:
            raise _not_there(mailbox, name, path)
        try:
            made = await self._client.request(
                mailbox, "POST", url, json={"displayName": name}, deadline_seconds=CALL_SECONDS
            )
        except RequestRejected as error:
            # Another client created it in between; or there is one that no list shows.
            found = await self._listed(mailbox, url, name) if error.status == HTTPStatus.CONFLICT else None
            if found is None:
                raise _not_made(mailbox, name, path, error) from error
            return found
        return id_in(object_in(made), mailbox)

    async def _listed(self, mailbox: Mailbox, url: str, name: str) -> str | None:
        async for each in self._pages(mailbox, url, _PAGE):
            if _same(each.get("displayName"), name):
                return id_in(each, mailbox)
        return None

    async def _below(self, mailbox: Mailbox, url: str, names: tuple[str, ...]) -> AsyncIterator[FolderEntry]:
        if len(names) >= _MAX_DEPTH:
            return
        async for each in self._pages(mailbox, url, _TREE_PAGE):
            folder_id = id_in(each, mailbox)
            path = (*names, str(each.get("displayName") or ""))
            yield FolderEntry(folder_id, path, _count(each, "totalItemCount"), _count(each, "unreadItemCount"))
            if _count(each, "childFolderCount") != 0:
                async for child in self._below(mailbox, f"{folder_path(mailbox, folder_id)}/childFolders", path):
                    yield child

    async def _pages(self, mailbox: Mailbox, url: str, first: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        params: dict[str, str] | None = first
        seen: set[str] = set()
        while url not in seen:
            seen.add(url)
            try:
                answer = await self._client.request(mailbox, "GET", url, params=params, deadline_seconds=CALL_SECONDS)
            except (ItemGone, MailboxNotFound, RequestRejected) as error:
                if error.status in _MISSING:
                    await self._reader.probe(mailbox)  # raises the fault of the mailbox, if it has one
                raise
            page = object_in(answer)
            for each in map(object_in, entries_in(page, mailbox)):
                yield each
            link = link_in(page, "@odata.nextLink")
            if link is None:
                return
            url, params = link, None
        raise GraphUnavailable(
            Phrase("Graph pages the folders of {mailbox} in a circle. Try again later.", mailbox=mailbox)
        )


def named_directly(folder: str) -> str | None:
    """The well-known name or the id that `folder` is; None for a name or path, which must be resolved."""
    return well_known_folder(folder) or (folder if _is_id(folder) else None)


def _is_id(folder: str) -> bool:
    return len(folder) >= _SHORTEST_ID and _LIKE_AN_ID.fullmatch(folder) is not None


def _count(folder: dict[str, Any], name: str) -> int | None:
    found = folder.get(name)
    return found if isinstance(found, int) else None


def _same(one: object, other: str) -> bool:
    return isinstance(one, str) and _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _not_there(mailbox: Mailbox, name: str, path: str) -> FolderNotFound:
    return FolderNotFound(
        Phrase(
            "The mailbox of {mailbox} has no folder '{path}': its part '{name}' is not there.",
            mailbox=mailbox,
            path=path,
            name=name,
        ),
        advice=Phrase(
            "List the folders with 'mail-importer accounts folders {account}', and name one of them: "
            "{update} --folder PATH",
            account=quoted(mailbox.account_name),
            update=update_command(mailbox.account_name),
        ),
    )


def _not_made(mailbox: Mailbox, name: str, path: str, error: RequestRejected) -> FolderNotFound:
    return FolderNotFound(
        Phrase(
            "The folder '{path}' of {mailbox} does not exist, and its part '{name}' cannot be created: {why}",
            path=path,
            mailbox=mailbox,
            name=name,
            why=error,
        ),
        advice=Phrase(
            "Make the folder in Outlook, or name another one: {update} --move-to FOLDER",
            update=update_command(mailbox.account_name),
        ),
        **error.facts,
    )
