"""Conversion of messages to Service Bus and back. No I/O.

Service Bus cannot abandon with a delay, and counts every delivery (docs/servicebus.md, section 1). Both are done by a
*copy*: the same body, put again for later, with all that must be kept in its application properties. Its message id
is derived from the sequence number of the copied message: a process that dies between the copy and the end of the
original, and does it again, makes a duplicate that Service Bus ignores.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from azure.servicebus import ServiceBusMessage, ServiceBusMessageState, ServiceBusReceivedMessage

from bus.queue import Message, MessageId, QueuedMessage

CONTENT_TYPE: Final = "application/json"
SUBJECT: Final = "notification"

_ACCOUNT: Final = "account"
_ID: Final = "id"
_ATTEMPTS: Final = "attempts"
_ENQUEUED: Final = "enqueued"
_MAX_STEM: Final = 100
_DEAD_LETTERED: Final = re.compile(r" \[(\d{4}-\d\d-\d\dT[0-9:.]+\+00:00)\]$")


_Properties = dict[str | bytes, int | float | bytes | bool | str | UUID]


class CopyOf(StrEnum):
    """The kind of original; part of the copy's message id."""

    DELIVERY = "d"
    DEAD_LETTER = "r"
    SCHEDULED = "s"


def outgoing(message: Message, *, now: datetime) -> ServiceBusMessage:
    """A message to put."""
    properties: _Properties = {}
    if message.account_id is not None:
        properties[_ACCOUNT] = str(message.account_id)  # over 32 bits: docs/servicebus.md, section 5
    if message.not_before is not None:
        properties[_ENQUEUED] = now.isoformat()
    return _made(message.message_id, message.body.encode("utf-8", "surrogatepass"), properties, message.not_before)


def copy_of(
    received: ServiceBusReceivedMessage, kind: CopyOf, *, attempts: int, not_before: datetime | None
) -> ServiceBusMessage:
    """Return the same message again: its delivery count continues from `attempts`, and it is due at `not_before`."""
    properties: _Properties = {_ID: message_id_of(received), _ENQUEUED: enqueued_of(received).isoformat()}
    account_id = account_of(received)
    if account_id is not None:
        properties[_ACCOUNT] = str(account_id)
    if attempts:
        properties[_ATTEMPTS] = attempts
    derived = f"{message_id_of(received)[:_MAX_STEM]}~{kind}{received.sequence_number}"
    return _made(derived, _body(received), properties, not_before)


def _made(message_id: str, body: bytes, properties: _Properties, not_before: datetime | None) -> ServiceBusMessage:
    return ServiceBusMessage(
        body,
        message_id=message_id,
        content_type=CONTENT_TYPE,
        subject=SUBJECT,
        application_properties=properties or None,
        scheduled_enqueue_time_utc=not_before,
    )


def message_id_of(received: ServiceBusReceivedMessage) -> MessageId:
    """The id it was first put with."""
    return MessageId(_text(received, _ID) or received.message_id or "")


def account_of(received: ServiceBusReceivedMessage) -> int | None:
    """The account it belongs to."""
    text = _text(received, _ACCOUNT)
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None


def enqueued_of(received: ServiceBusReceivedMessage) -> datetime:
    """Time it was first put."""
    text = _text(received, _ENQUEUED)
    if text is not None:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            pass  # another program's
        else:
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    return received.enqueued_time_utc or datetime.fromtimestamp(0, UTC)


def deliveries_of(received: ServiceBusReceivedMessage) -> int:
    """The number of earlier deliveries, those of its original included."""
    attempts = _properties(received).get(_ATTEMPTS.encode(), 0)
    return (attempts if isinstance(attempts, int) else 0) + (received.delivery_count or 0)


def body_of(received: ServiceBusReceivedMessage) -> str:
    """Return its body; bytes that are no UTF-8 are replaced, so that the fault in it can be seen."""
    try:
        return _body(received).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return _body(received).decode("utf-8", "replace")


def described(description: str, *, now: datetime) -> str:
    """The description of a dead letter, with the time, which Service Bus does not keep."""
    return f"{description} [{now.astimezone(UTC).isoformat()}]"


def queued(received: ServiceBusReceivedMessage, *, dead: bool) -> QueuedMessage:
    """The view of an operator."""
    enqueued = enqueued_of(received)
    description, dead_lettered = None, None
    if dead:
        description, dead_lettered = received.dead_letter_error_description or "", enqueued
        stated = _DEAD_LETTERED.search(description)
        if stated is not None:
            description = description[: stated.start()]
            dead_lettered = datetime.fromisoformat(stated[1])
    return QueuedMessage(
        entry=str(received.sequence_number),
        message_id=message_id_of(received),
        body=body_of(received),
        account_id=account_of(received),
        enqueued=enqueued,
        visible=received.scheduled_enqueue_time_utc or enqueued,
        delivery_count=deliveries_of(received),
        locked=False,
        reason=received.dead_letter_reason if dead else None,
        description=description,
        dead_lettered=dead_lettered,
    )


def visible_since(received: ServiceBusReceivedMessage) -> datetime:
    """Time from which it could be received: the put of this copy, or the time for which that was scheduled."""
    return received.enqueued_time_utc or enqueued_of(received)


def is_late(received: ServiceBusReceivedMessage, *, now: datetime) -> bool:
    """True if its lock ended before it was received; it is delivered again."""
    until = received.locked_until_utc
    return until is not None and until <= now


def is_scheduled(received: ServiceBusReceivedMessage) -> bool:
    """True if it is scheduled."""
    return received.state is ServiceBusMessageState.SCHEDULED


def _body(received: ServiceBusReceivedMessage) -> bytes:
    body = received.body
    return body if isinstance(body, bytes) else b"".join(body)


def _properties(received: ServiceBusReceivedMessage) -> Mapping[Any, Any]:
    return received.application_properties or {}


def _text(received: ServiceBusReceivedMessage, key: str) -> str | None:
    value = _properties(received).get(key.encode())
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None
