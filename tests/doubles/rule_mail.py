"""Stored mail for tests of rules and deliveries, with little to say about each."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from db.records import AttachmentRecord, MessageRecord, RecipientRecord
from tests.doubles.clock import SettableClock


def attached(position: int, name: str | None, content: bytes | None = b"a;b\n", **changes: Any) -> AttachmentRecord:  # noqa: ANN401  # any field
    """An attachment, stored unless `content` is None."""
    facts: dict[str, Any] = {
        "position": position,
        "graph_attachment_id": f"A{position}",
        "kind": "file",
        "file_name": name,
        "content_type": "text/csv",
        "size": len(content) if content is not None else 10,
        "inline": False,
        "content_id": None,
        "sha256": None if content is None else hashlib.sha256(content).hexdigest(),
        "content": content,
        "state": "stored" if content is not None else "too_large",
        "safe_file_name": name,
    }
    return AttachmentRecord(**(facts | changes))


def mail(graph_id: str = "m1", attachments: Sequence[AttachmentRecord] = (), **changes: Any) -> MessageRecord:  # noqa: ANN401  # any field
    """A message of account 1 from `lab@example.com`."""
    now = SettableClock()()
    facts: dict[str, Any] = {
        "account_id": 1,
        "graph_message_id": graph_id,
        "internet_message_id": f"<{graph_id}@example.com>",
        "conversation_id": None,
        "subject": "Results",
        "from_name": "Lab",
        "from_address": "lab@example.com",
        "sent": now - timedelta(minutes=2),
        "received": now - timedelta(minutes=1),
        "importance": "normal",
        "body_type": "text",
        "body": f"Lead 42 mg/l {graph_id}",
        "has_attachments": bool(attachments),
        "correlation": "c",
        "recipients": [RecipientRecord("to", 0, None, "importer@example.com")],
        "attachments": list(attachments),
        "body_text": f"Lead 42 mg/l {graph_id}",
        "size": 1000,
    }
    return MessageRecord(**(facts | changes))
