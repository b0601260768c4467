"""Rows of queue messages, for the JSON of commands and of the API."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bus.queue import QueuedMessage


def row_of(message: QueuedMessage, names: Mapping[int, str], now: datetime) -> dict[str, Any]:
    """All facts of a message. `names`: those of accounts, by number."""
    state = "dead" if message.dead_lettered else "in work" if message.locked else "waiting"
    return {
        "entry": message.entry,
        "account_id": message.account_id,
        "account": None if message.account_id is None else names.get(message.account_id, str(message.account_id)),
        "message_id": message.message_id,
        "state": "scheduled" if state == "waiting" and message.visible > now else state,
        "attempts": message.delivery_count,
        "enqueued": message.enqueued,
        "visible": message.visible,
        "dead_lettered": message.dead_lettered,
        "reason": message.reason,
        "description": message.description,
        "body": _body(message.body),
    }


def _body(text: str) -> object:
    """The document, which holds ids only; the bare text when it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text
