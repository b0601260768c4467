"""From the body of a delivery to genuine notifications. No I/O.

Anybody may send a body, and decoding one of a mebibyte takes up to 0.15 s of the event loop, in a thread as well, as
`json` keeps the interpreter to itself. So a large one is searched for a proof first, which takes a millisecond, and its
items are decoded one by one.

Shapes: https://learn.microsoft.com/graph/api/resources/changenotificationcollection
"""

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bus.notification import Notification

_SLICE_SECONDS: Final = 0.005
_FORGED_AT_FIRST: Final = 100
_NO_LIST: Final = 'The body is not a notification collection: it has no list named "value".'
_DECODER: Final = json.JSONDecoder()
_NO_JSON: Final = "The body is not JSON."
_BLANK: Final = re.compile(r"[ \t\n\r]*")
_CLIENT_STATE: Final = re.compile(r'"clientState"[ \t\n\r]*+:[ \t\n\r]*+"([^"\\]{1,128})"')
_UNPROVEN_LENGTH: Final = 8 * 1024
_LONGEST_WORD: Final = 12
"""Of JSON: `\ud83d\ude42` is the longest whose end is missed at its beginning."""


class NotACollection(Exception):
    """The body is no notification collection. The text says why, without repeating what was sent."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """What was in one body. `malformed`: genuine, but lacking what its processing needs; queued all the same.

    `forged` counts those that were looked at.
    """

    genuine: Sequence[Notification]
    forged: int
    malformed: int


def items_of(body: bytes, account_of: Callable[[object], int | None]) -> Iterator[object]:
    """The items of `{"value": [ … ]}`, each still unchecked, decoded one after the other as they are asked for.

    Of a body over 8 KiB in which no `clientState` proves an account only the beginning is decoded: its items are forged
    all the same. A list named `value` that stands there twice counts twice.

    Raises:
        NotACollection: at any item; what came before it is then of no worth either.
    """
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
    except UnicodeDecodeError as exc:
        raise NotACollection(_NO_JSON) from exc
    whole = len(text) <= _UNPROVEN_LENGTH or _has_proof(text, account_of)
    if not whole:
        text = text[:_UNPROVEN_LENGTH]
    try:
        yield from _items(text)
    except json.JSONDecodeError as exc:
        if whole or not _is_at_end(exc):
            raise NotACollection(_NO_JSON) from exc
    except (ValueError, RecursionError) as exc:
        raise NotACollection(_NO_JSON) from exc


def _has_proof(text: str, account_of: Callable[[object], int | None]) -> bool:
    """True if one of the first states that stand in the text, as Graph writes them, proves an account."""
    states = itertools.islice(_CLIENT_STATE.finditer(text), _FORGED_AT_FIRST)
    return any(account_of(state[1]) is not None for state in states)


def _is_at_end(error: json.JSONDecodeError) -> bool:
    """True if what is wrong may be only that the text was cut."""
    return error.pos >= len(error.doc) - _LONGEST_WORD or error.msg.startswith("Unterminated string")


def _items(text: str) -> Iterator[object]:
    position = _blank_from(text, 0)
    if text[position : position + 1] != "{":
        _, position = _DECODER.raw_decode(text, position)
        _check_end(text, position)
        raise NotACollection(_NO_LIST)
    found = False
    position = _blank_from(text, position + 1)
    more = text[position : position + 1] != "}"
    while more:
        name, position = _DECODER.raw_decode(text, position)
        if not isinstance(name, str):
            raise json.JSONDecodeError("The name is not a string", text, position)
        position = _blank_from(text, _expected(text, _blank_from(text, position), ":"))
        if name != "value":
            _, position = _DECODER.raw_decode(text, position)
        elif text[position : position + 1] != "[":
            _DECODER.raw_decode(text, position)
            raise NotACollection(_NO_LIST)
        else:
            found = True
            position = yield from _elements(text, position + 1)
        position, more = _comma_or(text, position, "}")
    _check_end(text, _expected(text, position, "}"))
    if not found:
        raise NotACollection(_NO_LIST)


def _elements(text: str, position: int) -> Generator[object, None, int]:
    """The elements of a list, from behind its bracket; the position behind the other one."""
    position = _blank_from(text, position)
    more = text[position : position + 1] != "]"
    while more:
        element, position = _DECODER.raw_decode(text, position)
        yield element
        position, more = _comma_or(text, position, "]")
    return _expected(text, position, "]")


def _comma_or(text: str, position: int, end: str) -> tuple[int, bool]:
    """The position of what comes next, and true if that follows a comma; else it is to be `end`."""
    position = _blank_from(text, position)
    if text[position : position + 1] != ",":
        return position, False
    position = _blank_from(text, position + 1)
    if text[position : position + 1] == end:
        raise json.JSONDecodeError("A comma before the end", text, position)
    return position, True


def _expected(text: str, position: int, mark: str) -> int:
    if text[position : position + 1] != mark:
        raise json.JSONDecodeError(f"No {mark} where it belongs", text, position)
    return position + 1


def _check_end(text: str, position: int) -> None:
    if _blank_from(text, position) != len(text):
        raise json.JSONDecodeError("Text after the document", text, position)


def _blank_from(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    return position if found is None else found.end()


async def sort_out(
    items: Iterable[object],
    *,
    account_of: Callable[[object], int | None],
    received: datetime,
    correlation: str,
    monotonic: Callable[[], float],
) -> Sorted:
    """Tell the genuine items from the forged ones, in slices of a few milliseconds.

    `account_of` gives the account that a `clientState` proves, None when it proves nothing. The item's own claims about
    tenant, resource and mailbox are not used: only the proof says whose it is. When the first 100 items are all forged
    the others are not looked at: Graph sends none, and whoever does is to have no more of the receiver's time.
    """
    genuine: list[Notification] = []
    forged = malformed = 0
    began = monotonic()
    for item in items:
        account_id = account_of(item.get("clientState")) if isinstance(item, dict) else None
        if account_id is None:
            forged += 1
            if forged == _FORGED_AT_FIRST and not genuine:
                break
        else:
            assert isinstance(item, dict)  # noqa: S101  # only such an item has an account
            notification = _notification(item, account_id, received, f"{correlation}-{len(genuine)}")
            if notification.lifecycle_event is None and (
                notification.change_type is None or notification.message_id is None
            ):
                malformed += 1
            genuine.append(notification)
        spent = monotonic() - began
        if spent >= _SLICE_SECONDS:
            # As long as it had, whatever else there is to do may have: a large item takes more than a slice.
            await asyncio.sleep(spent)
            began = monotonic()
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
