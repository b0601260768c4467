"""Pages of ids, common to a folder's list and its delta (docs/graph.md, sections 6 and 7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from graph.errors import GraphUnavailable
from graph.mailbox import Mailbox
from graph.times import read_time
from phrases import Phrase


@dataclass(frozen=True, slots=True)
class FolderItem:
    """A message in a folder: only its presence."""

    message_id: str
    """The immutable id, case-sensitive, as Graph wrote it."""
    received: datetime | None
    """`receivedDateTime`, aware UTC; None when Graph returned no readable one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The messages of one page, each once, and the number of entries without a readable id."""

    items: tuple[FolderItem, ...]
    unreadable: int


def read_items(page: Mapping[str, Any], mailbox: Mailbox) -> Listed:
    """Return the entries of a page's `value`, in the order of their last mention, which is decisive.

    One whose last mention is `@removed` is omitted.

    Raises:
        GraphUnavailable: there is no list; an empty one is not assumed, since messages would be skipped.
    """
    value = entries_in(page, mailbox)
    found: dict[str, FolderItem] = {}
    unreadable = 0
    for entry in value:
        message_id = entry.get("id") if isinstance(entry, Mapping) else None
        # An id with a control character or half a surrogate pair fits into no URL and no database.
        if not isinstance(message_id, str) or not message_id or not message_id.isprintable():
            unreadable += 1
            continue
        found.pop(message_id, None)
        if "@removed" not in entry:
            found[message_id] = FolderItem(message_id, _received(entry.get("receivedDateTime")))
    return Listed(tuple(found.values()), unreadable)


def entries_in(page: Mapping[str, Any], mailbox: Mailbox) -> list[Any]:
    """Return the list under `value` of a page, unchanged.

    Raises:
        GraphUnavailable: there is none; an empty one is not assumed, since its entries would be skipped.
    """
    value = page.get("value")
    if not isinstance(value, list):
        raise GraphUnavailable(
            Phrase(
                "Graph's response for {mailbox} lacks its list. Try again later; if this lasts, check for a proxy "
                "that changes responses.",
                mailbox=mailbox,
            ),
            status=HTTPStatus.OK,
        )
    return value


def link_in(page: Mapping[str, Any], name: str) -> str | None:
    """Return the link of a page under `name` (`@odata.nextLink`), None when there is none.

    Raises:
        GraphUnavailable: it is no text; without the link the pages after it would be skipped.
    """
    link = page.get(name)
    if link is None or link == "":
        return None
    if not isinstance(link, str):
        raise GraphUnavailable(
            Phrase("A page of Graph has a link that is no text ({name}). Try again later.", name=name),
            status=HTTPStatus.OK,
        )
    return link


def _received(text: object) -> datetime | None:
    try:
        return read_time(text)
    except (ValueError, OverflowError):  # no time, or one whose UTC is outside the calendar
        return None
