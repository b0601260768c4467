"""Delta query for the messages of a folder (docs/graph.md, section 6).

A round walks the log of the folder's changes. The first one walks all of it and reports what is still there; the next
one begins where the last ended. So a link holds the folder, the place at which to continue, and the first options.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from simulator.api.queries import applied_preferences, check_select, metadata_context, read_filters
from simulator.api.rendering import View, message_json
from simulator.calls import GRAPH_JSON_TYPE, Answer, Call, GraphError, json_answer
from simulator.faults import FaultKind, Faults, Subject
from simulator.state.mailboxes import ChangeKind, Folder, FolderChange, Mailbox

_DEFAULT_PAGE = 10
_LARGEST_PAGE = 1_000
_MAX_WITH_FILTER = 5_000
_REPLAYED_CHANGES = 25
_OPTIONS = frozenset({"$select", "$filter", "$top", "$orderby", "changeType", "$expand"})
_TOKENS = frozenset({"$skiptoken", "$deltatoken"})
_PAGE_PREFERENCE = "odata.maxpagesize="
_DELAYED_CHANGES = 1


@dataclass(frozen=True, slots=True)
class _Round:
    """The state in a link. `until`: end of the log when the round began; `sent`: items reported so far."""

    folder: str
    position: int
    until: int
    first: bool
    select: tuple[str, ...] | None = None
    filter: str | None = None
    change_type: str | None = None
    sent: int = 0
    page: int = 0

    def encoded(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode().rstrip("=")


class DeltaCalls:
    """Answers `…/messages/delta`; permission was checked before."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def answer(self, call: Call, folder: Folder | None, mailbox: Mailbox, subject: Subject) -> Answer:
        """Answer one page.

        Raises:
            GraphError: as Graph refuses it; with 410 and `Location` the round is to restart.
        """
        options = dict(parse_qsl(call.query, keep_blank_values=True))
        if folder is None:
            raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        token = next((options[name] for name in _TOKENS if name in options), None)
        if token is None:
            walk = _begin(options, folder)
        else:
            self._lose_state(call, subject)
            walk = self._resumed(_decoded(token, folder, call), folder, options, subject)
        return self._page(call, walk, folder, mailbox, subject)

    def _lose_state(self, call: Call, subject: Subject) -> None:
        fault = self._faults.strike(FaultKind.SYNC_STATE_LOST, subject)
        if fault is not None:
            raise _state_lost(call, fault.error_code, fault.status if fault.status < 500 else 410)

    def _resumed(self, walk: _Round, folder: Folder, options: dict[str, str], subject: Subject) -> _Round:
        if "$deltatoken" not in options:
            return walk
        end = len(folder.changes)
        if self._faults.strike(FaultKind.DELTA_DELAYED, subject):
            end = max(walk.position, end - _DELAYED_CHANGES)
        start = walk.position
        if self._faults.strike(FaultKind.DELTA_REPLAYED, subject):
            start = max(0, start - _REPLAYED_CHANGES)
        return replace(walk, position=start, until=end, first=False)

    def _page(self, call: Call, walk: _Round, folder: Folder, mailbox: Mailbox, subject: Subject) -> Answer:
        size = _page_size(call)
        if self._faults.strike(FaultKind.DELTA_EMPTY_PAGE, subject):
            size = 0
        view = View(walk.select, immutable=call.prefers_immutable_ids())
        items: list[dict[str, object]] = []
        position = walk.position
        item_of = _item_maker(walk)
        while position < walk.until and len(items) < size and not _is_spent(walk, len(items)):
            item = item_of(folder.changes[position], position, folder, view)
            position += 1
            if item is not None:
                items.append(item)
        sent = walk.sent + len(items)
        if items and self._faults.strike(FaultKind.DELTA_DUPLICATED, subject):
            items.append(items[0])
        walk = replace(walk, position=position, sent=sent, page=walk.page + 1)
        ended = position >= walk.until or _is_spent(walk, 0)
        result: dict[str, object] = {
            "@odata.context": f"{metadata_context(call, mailbox)}/mailFolders('{folder.folder_id}')/messages/$delta",
            "value": items,
        }
        if ended:
            result["@odata.deltaLink"] = _link(
                call, "$deltatoken", replace(walk, position=walk.until, first=False, page=0)
            )
        else:
            result["@odata.nextLink"] = _link(call, "$skiptoken", walk)
        answer = json_answer(result, 200, GRAPH_JSON_TYPE)
        answer.headers = applied_preferences(call)
        return answer


def _begin(options: dict[str, str], folder: Folder) -> _Round:
    for name in options:
        if name.startswith(("filter", "select", "top")):
            raise GraphError(400, "ErrorInvalidUrlQuery", f"The following parameters are not supported: '{name}'.")
        if name not in _OPTIONS:
            raise GraphError(400, "ErrorInvalidUrlQuery", f"The query parameter '{name}' is not supported.")
    if options.get("$orderby") not in {None, "receivedDateTime desc"} or "$expand" in options:
        raise GraphError(400, "ErrorInvalidUrlQuery", "The query is not supported with change tracking.")
    filters = options.get("$filter")
    if any(each.comparison not in {"ge", "gt"} for each in read_filters(filters)):
        raise GraphError(400, "ErrorInvalidUrlQuery", "Change tracking filters by receivedDateTime ge or gt only.")
    change_type = options.get("changeType")
    if change_type is not None and change_type not in set(ChangeKind):
        raise GraphError(400, "ErrorInvalidUrlQuery", f"'{change_type}' is no changeType.")
    select = tuple(name.strip() for name in options["$select"].split(",")) if options.get("$select") else None
    check_select(select)
    return _Round(folder.folder_id, 0, len(folder.changes), True, select, filters, change_type)


def _item_maker(walk: _Round) -> Callable[[FolderChange, int, Folder, View], dict[str, object] | None]:
    """Return the function that makes the item of a change in this round; None: no item."""
    filters = read_filters(walk.filter)

    def keeps(received: datetime) -> bool:
        return all(each.keeps(received) for each in filters)

    def first(change: FolderChange, position: int, folder: Folder, view: View) -> dict[str, object] | None:
        message = change.message
        here = message.folder is folder and message.entered == position
        return message_json(message, view) if here and keeps(message.received) else None

    def later(change: FolderChange, _position: int, folder: Folder, view: View) -> dict[str, object] | None:
        if change.kind is ChangeKind.DELETED:
            gone = change.immutable_id if view.immutable else change.default_id
            return {"id": gone, "@removed": {"reason": change.reason}}
        if walk.change_type not in {None, change.kind}:
            return None
        message = change.message
        # A removal since then comes later in the log.
        return message_json(message, view) if message.folder is folder and keeps(message.received) else None

    return first if walk.first else later


def _is_spent(walk: _Round, more: int) -> bool:
    return walk.filter is not None and walk.sent + more >= _MAX_WITH_FILTER


def _page_size(call: Call) -> int:
    asked = next(_asked_sizes(call.prefer), None)
    return _DEFAULT_PAGE if asked is None else max(1, min(asked, _LARGEST_PAGE))


def _asked_sizes(prefer: str) -> Iterator[int]:
    for part in prefer.split(","):
        name, _, value = part.strip().partition("=")
        if f"{name}=" == _PAGE_PREFERENCE and value.isdecimal():
            yield int(value)


def _link(call: Call, name: str, walk: _Round) -> str:
    return f"{call.base_url}{call.path}?{urlencode({name: walk.encoded()}, safe='$')}"


def _decoded(token: str, folder: Folder, call: Call) -> _Round:
    try:
        facts = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        facts["select"] = tuple(facts["select"]) if facts["select"] is not None else None
        walk = _Round(**facts)
    except (binascii.Error, ValueError, TypeError, KeyError) as exc:
        raise GraphError(400, "ErrorInvalidSyncStateData", "The sync state data is invalid.") from exc
    if walk.folder != folder.folder_id or walk.position > len(folder.changes):
        raise _state_lost(call, "SyncStateNotFound", 410)
    return walk


def _state_lost(call: Call, code: str, status: int) -> GraphError:
    headers = {"Location": f"{call.base_url}{call.path}"} if status == 410 else {}
    return GraphError(status, code, "The sync state generation is not found; full sync required.", headers)
