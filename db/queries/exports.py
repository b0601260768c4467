"""All that the database holds of one message, for an export; contents apart, see `db.queries.contents`.

Every function takes the connection of a transaction; see `db.engine`.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, case, func, select

from db.keys import spellings
from db.outcomes import ContentState
from db.queries import duplicates
from db.tables import attachment, email_file, header, message, original, recipient

_row = message.c
_BODY: Final = frozenset({_row.sBody, _row.sBodyText})
_LARGEST_NUMBER: Final = 2**63 - 1
_RECIPIENT_KINDS: Final = ("to", "cc", "bcc", "replyTo")


@dataclass(frozen=True, slots=True)
class Found:
    """A message that an operator requested."""

    message_id: int
    graph_id: str


@dataclass(frozen=True, slots=True)
class Original:
    """The MIME of a message as stored; `size`, `sha256`: of the MIME, `stored_size`: packed, of the stored content."""

    state: str
    state_detail: str | None
    size: int | None
    sha256: str | None
    stored_size: int
    there: bool


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment: `facts` as exported, and the bytes of content stored; None: none."""

    number: int
    facts: dict[str, Any]
    size: int | None


def find(connection: Connection, account_id: int, text: str, *, limit: int) -> list[Found]:
    """Up to `limit` messages of the account with this `nMessageID`, else Graph id, else internet message id."""
    ways: list[ColumnElement[bool]] = [
        _row.sGraphMessageID == text,
        _row.sInternetMessageID.in_(spellings(text)),
    ]
    if text.isascii() and text.isdecimal() and int(text) <= _LARGEST_NUMBER:
        ways.insert(0, _row.nMessageID == int(text))
    for way in ways:
        rows = connection.execute(
            select(_row.nMessageID, _row.sGraphMessageID)
            .where(_row.nAccountID == account_id, way)
            .order_by(_row.nMessageID)
            .limit(limit)
        ).all()
        if rows:
            return [Found(*row) for row in rows]
    return []


def located(connection: Connection, message_id: int) -> tuple[int, Found] | None:
    """The message of that number, with the number of its account."""
    row = connection.execute(
        select(_row.nAccountID, _row.nMessageID, _row.sGraphMessageID).where(_row.nMessageID == message_id)
    ).one_or_none()
    return None if row is None else (row[0], Found(row[1], row[2]))


def body_of(connection: Connection, message_id: int, *, limit: int) -> tuple[str | None, str | None]:
    """The type of the body, and up to that many characters of it."""
    row = connection.execute(
        select(_row.sBodyType, func.substring(_row.sBody, 1, limit)).where(_row.nMessageID == message_id)
    ).one_or_none()
    return (None, None) if row is None else (row[0], row[1])


def body_length(connection: Connection, message_id: int) -> int:
    """The characters of the body and of its text."""
    lengths = func.coalesce(func.length(_row.sBody), 0) + func.coalesce(func.length(_row.sBodyText), 0)
    return connection.scalar(select(lengths).where(_row.nMessageID == message_id)) or 0


def original_of(connection: Connection, message_id: int) -> Original | None:
    """The MIME of the message; None: it was not requested at the import."""
    mime = original.c
    row = connection.execute(
        select(
            mime.sState,
            mime.sStateDetail,
            mime.nSize,
            mime.sSHA256,
            mime.nStoredSize,
            _is_there(mime.biContent),
        ).where(mime.nMessageID == message_id)
    ).one_or_none()
    return None if row is None else Original(row[0], row[1], row[2], row[3], row[4], there=bool(row[5]))


def message_of(connection: Connection, message_id: int, *, with_body: bool = True) -> dict[str, Any] | None:
    """Everything but attachments, as exported; None: the message is no longer there.

    `with_body`: false, the body is not read, and not in the result.
    """
    columns = [each for each in message.columns if with_body or each not in _BODY]
    row = connection.execute(select(*columns).where(_row.nMessageID == message_id)).one_or_none()
    if row is None:
        return None
    mime = original_of(connection, message_id)
    return {
        **_facts(row),
        **({"body": row.sBody, "body_text": row.sBodyText} if with_body else {}),
        "after_import": _after_import(row),
        "rules": {"state": row.sRuleState, "matched": row.nRulesMatched, "files": _files(connection, message_id)},
        "recipients": _recipients(connection, message_id),
        "headers": _headers(connection, message_id),
        "copies": [
            {"graph_id": each.graph_id, "seen": each.seen, "reason": each.reason}
            for each in duplicates.of_messages(connection, [message_id])
        ],
        "original": None
        if mime is None
        else {
            "state": mime.state,
            "state_detail": mime.state_detail,
            "size": mime.size,
            "sha256": mime.sha256,
            "purged": mime.state == ContentState.STORED and not mime.there,
        },
    }


def attachments_of(connection: Connection, message_id: int) -> list[Attachment]:
    """The attachments, in their order; their contents are not read."""
    part = attachment.c
    there = _is_there(part.biContent)
    columns = [column for column in part if column is not part.biContent]
    rows = connection.execute(select(*columns, there).where(part.nMessageID == message_id).order_by(part.nPosition))
    return [Attachment(row.nAttachmentID, _attachment(row), row.nSize if row.there else None) for row in rows]


def _is_there(content: ColumnElement[bytes]) -> ColumnElement[int]:
    # A condition is no value on SQL Server; and as a value, SQLite would read the whole content for it.
    return case((content.is_not(None), 1), else_=0).label("there")


def _facts(row: Row[Any]) -> dict[str, Any]:
    return {
        "message_id": row.nMessageID,
        "account_id": row.nAccountID,
        "graph_id": row.sGraphMessageID,
        "internet_message_id": row.sInternetMessageID,
        "conversation_id": row.sConversationID,
        "conversation_index": row.sConversationIndex,
        "correlation_id": row.sCorrelationID,
        "subject": row.sSubject,
        "from": {"name": row.sFromName, "address": row.sFromAddress},
        "sender": {"name": row.sSenderName, "address": row.sSenderAddress},
        "created": row.dtCreated,
        "sent": row.dtSent,
        "received": row.dtReceived,
        "imported": row.dtImported,
        "importance": row.sImportance,
        "categories": json.loads(row.sCategories) if row.sCategories else [],
        "flag_status": row.sFlagStatus,
        "read": row.bRead,
        "web_link": row.sWebLink,
        "parent_folder_id": row.sParentFolderID,
        "change_key": row.sChangeKey,
        "size": row.nSize,
        "has_attachments": row.bHasAttachments,
        "body_type": row.sBodyType,
    }


def _after_import(row: Row[Any]) -> dict[str, Any] | None:
    if row.sAfterImport is None:
        return None
    return {
        "action": row.sAfterImport,
        "state": row.sAfterImportState,
        "detail": row.sAfterImportDetail,
        "attempts": row.nAfterImportAttempts,
        "due": row.dtAfterImportDue,
    }


def _files(connection: Connection, message_id: int) -> list[dict[str, Any]]:
    """The files that import rules save of the message."""
    each = email_file.c
    rows = connection.execute(select(email_file).where(each.nMessageID == message_id).order_by(each.nFileID)).all()
    return [
        {
            "rule": row.nRuleID,
            "part": row.sPart,
            "position": row.nPosition,
            "folder": row.sFolder,
            "name": row.sFileName,
            "state": row.sState,
            "path": row.sTargetPath,
            "size": row.nSize,
            "sha256": row.sSHA256,
            "saved": row.dtSaved,
            "attempts": row.nAttempts,
            "reason": row.sReason,
            "detail": row.sDetail,
        }
        for row in rows
    ]


def _recipients(connection: Connection, message_id: int) -> list[dict[str, Any]]:
    each = recipient.c
    rows = connection.execute(select(recipient).where(each.nMessageID == message_id)).all()
    ordered = sorted(rows, key=lambda row: (_RECIPIENT_KINDS.index(row.sKind), row.nPosition))
    return [{"kind": row.sKind, "name": row.sName, "address": row.sAddress} for row in ordered]


def _headers(connection: Connection, message_id: int) -> list[dict[str, Any]]:
    each = header.c
    rows = connection.execute(select(header).where(each.nMessageID == message_id).order_by(each.nPosition))
    return [{"name": row.sName, "value": row.sValue} for row in rows]


def _attachment(row: Any) -> dict[str, Any]:  # noqa: ANN401  # SQLAlchemy's type of a row of many columns names each of them
    return {
        "position": row.nPosition,
        "parent_position": row.nParentPosition,
        "origin": row.sOrigin,
        "graph_id": row.sGraphAttachmentID,
        "kind": row.sKind,
        "item_type": row.sItemType,
        "file_name": row.sFileName,
        "safe_file_name": row.sSafeFileName,
        "content_type": row.sContentType,
        "size": row.nSize,
        "inline": row.bInline,
        "content_id": row.sContentID,
        "content_location": row.sContentLocation,
        "link": row.sLink,
        "link_provider": row.sLinkProvider,
        "link_permission": row.sLinkPermission,
        "state": row.sState,
        "state_detail": row.sStateDetail,
        "purged": row.sState == "stored" and row.nSize > 0 and not row.there,
        "sha256": row.sSHA256,
    }
