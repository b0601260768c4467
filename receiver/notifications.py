"""From the body of a delivery to genuine notifications. No I/O.

Shapes: https://learn.microsoft.com/graph/api/resources/changenotificationcollection
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bus.notification import Notification


class NotACollection(Exception):
    """The body is no notification collection. The text says why, without repeating what was sent."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """What was in one body. `malformed`: genuine, but lacking what its processing needs; queued all the same."""

    genuine: Sequence[Notification]
    forged: int
    malformed: int


def read_collection(body: bytes) -> list[object]:
    """The items of `{"value": [ … ]}`, each still unchecked.

    Raises:
        NotACollection
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise NotACollection("The body is not JSON.") from exc
    items = document.get("value") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise NotACollection('The body is not a notification collection: it has no list named "value".')
    return items


def sort_out(
    items: Sequence[object], *, account_of: Callable[[object], int | None], received: datetime, correlation: str
) -> Sorted:
    """Tell the genuine items from the forged ones.

    `account_of` gives the account that a `clientState` proves, None when it proves nothing. The item's own claims about
    tenant, resource and mailbox are not used: only the proof says whose it is.
    """
    genuine: list[Notification] = []
    forged = malformed = 0
    for item in items:
        account_id = account_of(item.get("clientState")) if isinstance(item, dict) else None
        if account_id is None:
            forged += 1
            continue
        assert isinstance(item, dict)  # noqa: S101  # only such an item has an account
        notification = _notification(item, account_id, received, f"{correlation}-{len(genuine)}")
        if notification.lifecycle_event is None and (
            notification.change_type is None or notification.message_id is None
        ):
            malformed += 1
        genuine.append(notification)
    return Sorted(genuine, forged, malformed)


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
