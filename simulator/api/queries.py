"""Common parts of calls on messages: filters, preferences, contexts (docs/graph.md, section 7)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from simulator.api.rendering import check_message_properties
from simulator.calls import Call, GraphError
from simulator.state.mailboxes import Mailbox, Message

_RECEIVED_FILTER = re.compile(r"receivedDateTime (ge|gt|le|lt) (\S+)")
_INTERNET_ID_FILTER = re.compile(r"internetMessageId eq '((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True)
class Filter:
    """A clause on `receivedDateTime`."""

    comparison: str
    moment: datetime

    def keeps(self, received: datetime) -> bool:
        """Check whether a message received then passes."""
        match self.comparison:
            case "ge":
                return received >= self.moment
            case "gt":
                return received > self.moment
            case "le":
                return received <= self.moment
            case _:
                return received < self.moment


def read_filters(text: str | None) -> list[Filter]:
    """Read a `$filter`.

    Raises:
        GraphError: 400, it is more than times.
    """
    if not text:
        return []
    filters = []
    for part in text.split(" and "):
        found = _RECEIVED_FILTER.fullmatch(part.strip())
        try:
            moment = datetime.fromisoformat(found[2]) if found else None
        except ValueError:
            moment = None
        if found is None or moment is None or moment.tzinfo is None:
            raise GraphError(400, "RequestBroker--ParseUri", f"Invalid filter clause: '{part}'.")
        filters.append(Filter(found[1], moment))
    return filters


def read_list_filter(text: str | None) -> Callable[[Message], bool]:
    """Read the `$filter` of a list of messages: times, or one internet message id, quotes in it doubled.

    Raises:
        GraphError: 400, it is something else.
    """
    found = _INTERNET_ID_FILTER.fullmatch((text or "").strip())
    if found is not None:
        wanted = found[1].replace("''", "'")
        return lambda message: message.internet_message_id == wanted
    filters = read_filters(text)
    return lambda message: all(each.keeps(message.received) for each in filters)


def check_select(names: tuple[str, ...] | None) -> None:
    """Refuse names that no `$select` of messages may have, `@removed` too (docs/graph.md, section 6).

    Raises:
        GraphError: 400.
    """
    check_message_properties(names or ())


def metadata_context(call: Call, mailbox: Mailbox) -> str:
    """Return the beginning of `@odata.context`."""
    return f"{call.base_url}/v1.0/$metadata#users('{mailbox.user_id}')"


def applied_preferences(call: Call) -> dict[str, str]:
    """Return the header with the preferences that were applied."""
    applied = []
    if call.prefers_immutable_ids():
        applied.append('IdType="ImmutableId"')
    if call.prefers_text_bodies():
        applied.append('outlook.body-content-type="text"')
    if call.prefers_unsafe_html():
        applied.append("outlook.allow-unsafe-html")
    return {"Preference-Applied": ", ".join(applied)} if applied else {}
