"""Extraction of the genuine notifications from the body of a delivery. No I/O.

Shapes: https://learn.microsoft.com/graph/api/resources/changenotificationcollection
"""

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bus.notification import Notification

_FORGED_AT_FIRST: Final = 100
_SLICE_ITEMS: Final = 100
"""About a millisecond of work."""
_SMALL_BODY: Final = 8 * 1024
_NO_JSON: Final = "The body is not JSON."
_NO_LIST: Final = 'The body is not a notification collection: it has no list named "value".'
_LIST: Final = re.compile(r'"value"\s*+:\s*+\[')
_CLIENT_STATE: Final = re.compile(r'"clientState"\s*+:\s*+("(?:[^"\\]|\\.){0,800}+")')
"""128 characters, the most that Graph accepts, may be written as `\\uXXXX` each."""


class NotACollection(Exception):
    """The body is no notification collection. The text gives the reason, without repeating any of the body."""


@dataclass(frozen=True, slots=True)
class Classified:
    """The content of one body."""

    genuine: Sequence[Notification]
    forged: int
    malformed: int
    """Genuine, but lacking what processing needs; queued nevertheless."""
    dropped: bool = False
    """True: the body began with 100 forged items, or proved nothing at all; the rest of it was not read."""


async def classify(
    body: bytes, *, account_of: Callable[[object], int | None], received: datetime, correlation: str
) -> Classified:
    """Separate the genuine items of `{"value": [ … ]}` from the forged ones, in slices of about a millisecond.

    `account_of` returns the account that a `clientState` proves, None when it proves nothing. The item's own claims
    about tenant, resource and mailbox are not used: only the proof identifies its account. When the first 100 items are
    all forged the others are not examined: their sender must cost no more time. Genuine ones behind them are found by a
    sweep.

    Raises:
        NotACollection: the body is something else.
    """
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
    except UnicodeDecodeError as exc:
        raise NotACollection(_NO_JSON) from exc
    # Decoding a mebibyte of a stranger's JSON takes up to 0.15 s, in a thread as well, as `json` holds the GIL; finding
    # that no item proves anything takes a few milliseconds.
    if len(text) > _SMALL_BODY:
        forged = _forged_at_first(text, account_of)
        if forged is not None:
            return Classified((), forged, 0, dropped=True)
    genuine: list[Notification] = []
    forged = malformed = 0
    for number, item in enumerate(_items(text), start=1):
        account_id = account_of(item.get("clientState")) if isinstance(item, dict) else None
        if account_id is None:
            forged += 1
            if forged == _FORGED_AT_FIRST and not genuine:
                return Classified((), forged, 0, dropped=True)
        else:
            assert isinstance(item, dict)  # noqa: S101  # only such an item has an account
            notification = _notification(item, account_id, received, f"{correlation}-{len(genuine)}")
            if notification.lifecycle_event is None and (
                notification.change_type is None or notification.message_id is None
            ):
                malformed += 1
            genuine.append(notification)
        if number % _SLICE_ITEMS == 0:
            await asyncio.sleep(0)
    return Classified(genuine, forged, malformed)


def _items(text: str) -> list[object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise NotACollection(_NO_JSON) from exc
    items = document.get("value") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise NotACollection(_NO_LIST)
    return items


def _forged_at_first(text: str, account_of: Callable[[object], int | None]) -> int | None:
    """The number of forged items if none of the first 100 states in the text proves an account; else None.

    Raises:
        NotACollection: none proves an account, and there is no list named `value`.
    """
    forged = 0
    for found in itertools.islice(_CLIENT_STATE.finditer(text), _FORGED_AT_FIRST):
        if account_of(_decoded(found[1])) is not None:
            return None
        forged += 1
    if _LIST.search(text) is None:
        raise NotACollection(_NO_LIST)
    return max(forged, 1)


def _decoded(literal: str) -> object:
    try:
        return json.loads(literal)
    except ValueError:
        return None


def _notification(item: dict[str, object], account_id: int, received: datetime, correlation: str) -> Notification:
    data = item.get("resourceData")
    if not isinstance(data, dict):
        data = {}
    return Notification(
        account_id=account_id,
        subscription_id=_text(item.get("subscriptionId")),
        change_type=_text(item.get("changeType")),
        message_id=_text(data.get("id")),
        etag=_text(data.get("@odata.etag")),
        received=received,
        correlation=correlation,
        lifecycle_event=_text(item.get("lifecycleEvent")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
