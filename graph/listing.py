"""Pages of ids: what a folder's list and its delta have in common (graph.md sections 6 and 7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graph.errors import GraphUnavailable
from graph.mailbox import Mailbox
from graph.times import read_time
from phrases import Phrase


@dataclass(frozen=True, slots=True)
class FolderItem:
    """A message in a folder: only that it is there."""

    message_id: str
    """The immutable id, case-sensitive, as Graph wrote it."""
    received: datetime | None
    """`receivedDateTime`, aware UTC; None when Graph gave none that can be read."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The messages one page holds, each once, and how many entries bore no id that can be read."""

    items: tuple[FolderItem, ...]
    unreadable: int


def read_items(page: Mapping[str, Any], mailbox: Mailbox) -> Listed:
    """The entries of a page's `value`, in the order of their last mention, which is the one that counts.

    One whose last mention is `@removed` is left out.

    Raises:
        GraphUnavailable: there is no list; an empty one is not assumed, since messages would be passed over.
    """
    value = entries_in(page, mailbox)
    found: dict[str, FolderItem] = {}
    unreadable = 0
    for entry in value:
        message_id = entry.get("id") if isinstance(entry, Mapping) else None
        # An id with a control character or half a surrogate pair could go into no address and no database.
        if not isinstance(message_id, str) or not message_id or not message_id.isprintable():
            unreadable += 1
            continue
        found.pop(message_id, None)
        if "@removed" not in entry:
            found[message_id] = FolderItem(message_id, _received(entry.get("receivedDateTime")))
    return Listed(tuple(found.values()), unreadable)


def entries_in(page: Mapping[str, Any], mailbox: Mailbox) -> list[Any]:
    """The list under `value` of a page, as it stands.

    Raises:
        GraphUnavailable: there is none; an empty one is not assumed, since what it holds would be passed over.
    """
    value = page.get("value")
    if not isinstance(value, list):
        raise GraphUnavailable(
            Phrase(
                "Graph's answer for {mailbox} holds no list where one belongs. Try again later; if this lasts, look "
                "for a proxy that changes answers.",
                mailbox=mailbox,
            )
        )
    return value


def link_in(page: Mapping[str, Any], name: str) -> str | None:
    """The link a page bears under `name` (`@odata.nextLink`), None when it bears none.

    Raises:
        GraphUnavailable: something else stands there; without the link the pages behind it would be passed over.
    """
    link = page.get(name)
    if link is None or link == "":
        return None
    if not isinstance(link, str):
        raise GraphUnavailable(
            Phrase("A page of Graph bears a link that is no text ({name}). Try again later.", name=name)
        )
    return link


def _received(text: object) -> datetime | None:
    try:
        return read_time(text)
    except (ValueError, OverflowError):  # no time, or one whose UTC lies outside of the calendar
        return None
