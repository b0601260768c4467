"""Facts of stored messages by which import rules decide (`rules.mail`), read without any content.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, case, false, literal, null, select, true

from db.columns import UnreadableTime, long_text
from db.keys import listed, rounded
from db.outcomes import ContentState, RuleState
from db.tables import attachment, message, original, recipient
from rules.mail import AttachmentFacts, MailFacts

PURGED: Final = "purged"
"""The state of an original whose bytes were deleted since."""
_SIZE_UNKNOWN: Final = 1024 * 1024

_row, _part, _mime, _to = message.c, attachment.c, original.c, recipient.c


@dataclass(frozen=True, slots=True)
class UncheckedMessage:
    """A message that no rule was checked against. `size`: bytes of all of it, as Exchange counts them, or a guess."""

    message_id: int
    imported: datetime
    size: int


def unchecked(connection: Connection, *, limit: int) -> list[UncheckedMessage]:
    """Up to `limit` messages that no rule was checked against, the first imported ones first. By an index."""
    statement = (
        select(_row.nMessageID, _row.dtImported, _row.nSize)
        .where(_row.sRuleState == RuleState.WHITE.value, _row.nRulesMatched.is_(None))
        .order_by(_row.nMessageID)
        .limit(limit)
    )
    return [
        UncheckedMessage(number, imported, _SIZE_UNKNOWN if size is None else size)
        for number, imported, size in connection.execute(statement)
    ]


def facts_of(connection: Connection, numbers: Collection[int], *, with_body: bool = True) -> list[MailFacts]:
    """The facts of the messages of these numbers, by number; those that are gone are left out.

    `with_body`: with their text, which may be long.
    """
    if not numbers:
        return []
    chosen = {"numbers": rounded(sorted(numbers))}
    recipients: dict[int, list[str]] = {}
    for number, address in connection.execute(_RECIPIENTS, chosen):
        recipients.setdefault(number, []).append(address)
    attachments: dict[int, list[AttachmentFacts]] = {}
    for row in connection.execute(_ATTACHMENTS, chosen):
        attachments.setdefault(row.nMessageID, []).append(_attachment(row))
    originals = {row.nMessageID: _state_of_original(row) for row in connection.execute(_ORIGINALS, chosen)}
    found = connection.execute(_WITH_BODY if with_body else _WITHOUT_BODY, chosen)
    return [
        MailFacts(
            message_id=row.nMessageID,
            account_id=row.nAccountID,
            imported=row.dtImported,
            received=None if isinstance(row.dtReceived, UnreadableTime) else row.dtReceived,
            senders=_senders(row),
            recipients=recipients.get(row.nMessageID, ()),
            subject=row.sSubject,
            body_text=row.sText,
            has_html=row.bHtml,
            attachments=attachments.get(row.nMessageID, ()),
            original_state=originals.get(row.nMessageID),
        )
        for row in found
    ]


def _messages(*, with_body: bool) -> Select[Any]:
    text = _row.sBodyText if with_body else null().cast(long_text())
    has_html = case((and_(_row.sBodyType == "html", _row.sBody.is_not(None)), true()), else_=false())
    return (
        select(
            _row.nMessageID,
            _row.nAccountID,
            _row.dtImported,
            _row.dtReceived,
            _row.sFromAddress,
            _row.sSenderAddress,
            _row.sSubject,
            text.label("sText"),
            has_html.label("bHtml"),
        )
        .where(_row.nMessageID.in_(listed("numbers", _row.nMessageID)))
        .order_by(_row.nMessageID)
    )


# Built once: see `db.keys.listed`.
_WITH_BODY: Final = _messages(with_body=True)
_WITHOUT_BODY: Final = _messages(with_body=False)
_RECIPIENTS: Final = (
    select(_to.nMessageID, _to.sAddress)
    .where(
        _to.nMessageID.in_(listed("numbers", _to.nMessageID)),
        _to.sKind.in_(["to", "cc", "bcc"]),
        _to.sAddress.is_not(None),
    )
    .order_by(_to.nMessageID, _to.sKind, _to.nPosition)
)
_HAS_CONTENT: Final = case((_part.biContent.is_not(None), literal(1)), else_=literal(0)).label("nHasContent")
_ATTACHMENTS: Final[Select[Any]] = (
    select(
        _part.nMessageID,
        _part.nPosition,
        _part.sKind,
        _part.sFileName,
        _part.sSafeFileName,
        _part.sContentType,
        _part.nSize,
        _part.bInline,
        _part.sContentID,
        _part.sState,
        _part.sSHA256,
        _part.sOrigin,
        _part.nParentPosition,
        _HAS_CONTENT,
    )
    .where(_part.nMessageID.in_(listed("numbers", _part.nMessageID)))
    .order_by(_part.nMessageID, _part.nPosition)
)
_ORIGINALS: Final[Select[Any]] = select(
    _mime.nMessageID,
    _mime.sState,
    case((_mime.biContent.is_not(None), literal(1)), else_=literal(0)).label("nHasContent"),
).where(_mime.nMessageID.in_(listed("numbers", _mime.nMessageID)))


def _senders(row: Row[Any]) -> Sequence[str]:
    return tuple(dict.fromkeys(each for each in (row.sFromAddress, row.sSenderAddress) if each))


def _attachment(row: Row[Any]) -> AttachmentFacts:
    stored = row.sState == ContentState.STORED
    return AttachmentFacts(
        position=row.nPosition,
        kind=row.sKind,
        name=row.sFileName,
        safe_name=row.sSafeFileName or f"attachment-{row.nPosition + 1}",
        content_type=row.sContentType,
        size=row.nSize,
        # Without one no body shows it: Apple's programs mark every picture so.
        inline=bool(row.bInline and row.sContentID),
        state=row.sState,
        sha256=row.sSHA256,
        origin=row.sOrigin,
        parent=row.nParentPosition,
        purged=stored and not row.nHasContent and row.nSize > 0,
    )


def _state_of_original(row: Row[Any]) -> str:
    purged = row.sState == ContentState.STORED and not row.nHasContent
    return PURGED if purged else row.sState
