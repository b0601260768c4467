"""A probe in the place of a message that the database refused: is the message at fault, or are all refused?

A trigger of another program, a column of its own without a default, an error that `db.backends` does not know: they
refuse every message alike, and none of them is to blame.
"""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError

from db.backends.translate import unknown_outage
from db.engine import Database
from db.outcomes import ContentState
from db.queries.filtered import FilteredMessage
from db.records import AttachmentRecord, HeaderRecord, MessageRecord, OriginalRecord, RecipientRecord

_CONTENT: Final = b"probe"
_SHA256: Final = hashlib.sha256(_CONTENT).hexdigest()

Record = MessageRecord | FilteredMessage


class _RolledBack(Exception):
    """Ends the transaction of a probe that was accepted."""


async def require_others_accepted(
    database: Database,
    refused: Record,
    exc: Exception,
    save: Callable[[Connection, Record], object],
    *,
    now: datetime,
) -> None:
    """Ensure that a message of the same account and parts is accepted, with harmless values; nothing stays of it.

    `exc`: the refusal. `save`: writes a message in the connection's transaction.

    Raises:
        DatabaseUnavailable: it is refused as well.
    """
    if not isinstance(exc, DBAPIError) or isinstance(exc, DataError):
        return  # a value of the message

    def work(connection: Connection) -> None:
        save(connection, _harmless(refused, now))
        raise _RolledBack

    try:
        await database.write(work)
    except _RolledBack:
        return
    except DBAPIError as refusal:
        raise unknown_outage(refusal) from refusal


def _harmless(refused: Record, now: datetime) -> Record:
    text = uuid.uuid4().hex
    if isinstance(refused, FilteredMessage):
        return replace(
            refused, graph_message_id=text, internet_message_id=text, from_address=text, received=now, size=1, seen=now
        )
    attachment = AttachmentRecord(
        0, text, "file", "probe.txt", "text/plain", len(_CONTENT), False, None, _SHA256, _CONTENT
    )
    original = OriginalRecord(
        ContentState.STORED, size=len(_CONTENT), sha256=_SHA256, stored_size=len(_CONTENT), content=_CONTENT
    )
    return MessageRecord(
        account_id=refused.account_id,
        graph_message_id=text,
        internet_message_id=f"<{text}@example.com>",
        conversation_id=text,
        subject=text,
        from_name=text,
        from_address=f"{text}@example.com",
        sent=now,
        received=now,
        importance="normal",
        body_type="text",
        body=text,
        has_attachments=bool(refused.attachments),
        correlation=text,
        recipients=[RecipientRecord("to", 0, text, f"{text}@example.com")] if refused.recipients else [],
        attachments=[attachment] if refused.attachments else [],
        created=now,
        body_text=text,
        size=1,
        headers=[HeaderRecord("X-Probe", text)] if refused.headers else [],
        after_import=refused.after_import,
        original=None if refused.original is None else original,
    )
