"""The trace of each message, attempt by attempt (`tblMessageTrace`), and the rows of imported ones.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, case, delete, func, or_, select

from db.insertion import insert_rows
from db.keys import in_queries, spellings
from db.queries.log_sources import has_attachment, is_sent_by
from db.search import contains
from db.tables import (
    GRAPH_ID_LENGTH,
    INTERNET_ID_LENGTH,
    account_settings,
    duplicate,
    failure,
    message,
    message_trace,
    seen,
)
from longtext import fitting
from phrases.storage import from_json, to_json

SUBJECT_LENGTH: Final = 400
"""Characters of a subject that are kept."""

_trace = message_trace.c
_message = message.c
_failure = failure.c
_seen = seen.c


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One attempt at a message, or one operation of an operator on it. Times are aware UTC.

    `notified`: arrival of its notification; `queued`: put of that; `fetched`: arrival of all of the message.
    `outcome` and `reason` are fixed words; `detail` is for an operator and never from the mail.
    """

    account_id: int | None
    graph_id: str | None
    host: str
    started: datetime
    ended: datetime
    outcome: str
    internet_message_id: str | None = None
    subject: str | None = field(default=None, repr=False)
    source: str | None = None
    correlation: str | None = None
    queue_message_id: str | None = None
    notified: datetime | None = None
    queued: datetime | None = None
    attempt: int | None = None
    fetched: datetime | None = None
    reason: str | None = None
    detail: str | None = None

    @property
    def of(self) -> "TracedMessage":
        """The message concerned."""
        return TracedMessage(self.account_id, self.graph_id, None if self.graph_id else self.queue_message_id)


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """The key of a message: its Graph id, or, where that could not be read, the id of the queue message."""

    account_id: int | None
    graph_id: str | None
    queue_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class CommittedMessage:
    """A row of `tblEmailMessage`, as far as it shows the result of an import."""

    message_id: int
    account_id: int
    graph_id: str
    internet_message_id: str | None
    subject: str | None = field(repr=False)
    correlation: str | None
    received: datetime | None
    imported: datetime
    after_import: str | None = None
    """The action in the mailbox after the import: read, move, delete."""
    action_state: str | None = None
    action_attempts: int | None = None
    action_due: datetime | None = None
    action_detail: str | None = None
    from_name: str | None = field(default=None, repr=False)
    from_address: str | None = field(default=None, repr=False)
    rule_state: str | None = None
    rules_matched: int | None = None
    """None: the import rules are not checked yet."""

    @property
    def of(self) -> TracedMessage:
        """The key of this message."""
        return TracedMessage(self.account_id, self.graph_id)


def add(connection: Connection, rows: Sequence[TraceRow]) -> None:
    """Write the rows with one statement. Text longer than its column is cut; a Graph id too long for it is left out."""
    insert_rows(connection, message_trace, [_columns(each) for each in rows])


def purge(connection: Connection, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` rows of attempts that ended before that time, oldest first; return their number.

    They are selected first and then deleted by number: that is portable, and locks these rows only.
    """
    oldest = select(_trace.nTraceID).where(_trace.dtEnded < before).order_by(_trace.dtEnded).limit(limit)
    numbers = list(connection.scalars(oldest))
    if numbers:
        connection.execute(delete(message_trace).where(_trace.nTraceID.in_(numbers)))
    return len(numbers)


def find(connection: Connection, text: str, *, account_id: int | None, limit: int) -> list[TracedMessage]:
    """Up to `limit` matching messages, the latest activity first; of one account, or (None) of all.

    `text` is a Graph id, an internet message id with or without its angle brackets, the id of a queue message, a
    correlation id, or part, in any letter case, of the subject, of the sender's name or address, or of the file name of
    an attachment. A Graph id is found by the indexes; for anything else a database scans all rows of the tables.
    """
    numbers = select(account_settings.c.nAccountID)
    by_index = _latest(
        connection,
        and_(_trace.sGraphMessageID == text, _trace.nAccountID.in_(numbers)),
        and_(_message.sGraphMessageID == text, _message.nAccountID.in_(numbers)),
        and_(_failure.sGraphMessageID == text, _failure.nAccountID.in_(numbers)),
        and_(_seen.sGraphMessageID == text, _seen.nAccountID.in_(numbers)),
        account_id,
        limit,
    )
    return (
        by_index
        or _copies(connection, text, account_id, limit)
        or _latest(
            connection,
            or_(_names(message_trace, text), _trace.sCorrelationID == text, _trace.sQueueMessageID == text),
            or_(
                _names(message, text),
                _message.sCorrelationID == text,
                is_sent_by(_message, text),
                has_attachment(_message.nMessageID, text),
            ),
            or_(_names(failure, text), is_sent_by(_failure, text)),
            or_(
                _seen.sGraphMessageID == text,
                _seen.sInternetMessageID.in_(spellings(text)),
                is_sent_by(_seen, text),
            ),
            account_id,
            limit,
        )
    )


def attempts(connection: Connection, messages: Sequence[TracedMessage]) -> list[TraceRow]:
    """All attempts at these messages, in the order of their start."""
    found: list[TraceRow] = []
    for chunk in in_queries([each for each in messages if each.graph_id is not None]):
        by_index = and_(
            _trace.nAccountID.in_({each.account_id for each in chunk}),
            _trace.sGraphMessageID.in_([each.graph_id for each in chunk]),
        )
        found += [_row(each) for each in connection.execute(select(message_trace).where(by_index))]
    for chunk in in_queries([each for each in messages if each.graph_id is None]):
        unread = and_(
            _trace.sGraphMessageID.is_(None),
            _trace.sQueueMessageID.in_([each.queue_message_id for each in chunk]),
        )
        found += [_row(each) for each in connection.execute(select(message_trace).where(unread))]
    wanted = set(messages)
    return sorted((each for each in found if each.of in wanted), key=lambda each: (each.started, each.ended))


def committed(connection: Connection, messages: Sequence[TracedMessage]) -> list[CommittedMessage]:
    """The rows of those that are imported."""
    found: list[CommittedMessage] = []
    for chunk in in_queries([each for each in messages if each.graph_id is not None]):
        rows = connection.execute(
            select(
                _message.nMessageID,
                _message.nAccountID,
                _message.sGraphMessageID,
                _message.sInternetMessageID,
                _message.sSubject,
                _message.sCorrelationID,
                _message.dtReceived,
                _message.dtImported,
                _message.sAfterImport,
                _message.sAfterImportState,
                _message.nAfterImportAttempts,
                _message.dtAfterImportDue,
                _message.sAfterImportDetail,
                _message.sAfterImportDetailPhrase,
                _message.sFromName,
                _message.sFromAddress,
                _message.sRuleState,
                _message.nRulesMatched,
            ).where(
                _message.nAccountID.in_({each.account_id for each in chunk}),
                _message.sGraphMessageID.in_([each.graph_id for each in chunk]),
            )
        )
        found += [
            CommittedMessage(*(*facts, from_json(phrase, text), name, address, state, matched))
            for *facts, text, phrase, name, address, state, matched in rows
        ]
    wanted = set(messages)
    return [each for each in found if each.of in wanted]


def _copies(connection: Connection, graph_id: str, account_id: int | None, limit: int) -> list[TracedMessage]:
    """Copies, of which no trace may be kept."""
    row = duplicate.c
    wanted = and_(row.sGraphMessageID == graph_id, row.nAccountID.in_(select(account_settings.c.nAccountID)))
    if account_id is not None:
        wanted &= row.nAccountID == account_id
    rows = connection.execute(select(row.nAccountID, row.sGraphMessageID).where(wanted).limit(limit))
    return [TracedMessage(*each) for each in rows]


def _latest(
    connection: Connection,
    traced: ColumnElement[bool],
    imported: ColumnElement[bool],
    failing: ColumnElement[bool],
    left_out: ColumnElement[bool],
    account_id: int | None,
    limit: int,
) -> list[TracedMessage]:
    if account_id is not None:
        traced &= _trace.nAccountID == account_id
        imported &= _message.nAccountID == account_id
        failing &= _failure.nAccountID == account_id
        left_out &= _seen.nAccountID == account_id
    unread = case((_trace.sGraphMessageID.is_(None), _trace.sQueueMessageID))
    last = func.max(_trace.dtEnded)
    groups = (_trace.nAccountID, _trace.sGraphMessageID, unread)
    heard: dict[TracedMessage, datetime] = {}
    for group in connection.execute(
        select(*groups, last).where(traced).group_by(*groups).order_by(last.desc()).limit(limit)
    ):
        heard[TracedMessage(group[0], group[1], group[2])] = group[3]
    for query, time in (
        (
            select(_message.nAccountID, _message.sGraphMessageID, _message.dtImported).where(imported),
            _message.dtImported,
        ),
        (
            select(_failure.nAccountID, _failure.sGraphMessageID, _failure.dtLastFailed).where(failing),
            _failure.dtLastFailed,
        ),
        (select(_seen.nAccountID, _seen.sGraphMessageID, _seen.dtSeen).where(left_out), _seen.dtSeen),
    ):
        for row in connection.execute(query.order_by(time.desc()).limit(limit)):
            found = TracedMessage(row[0], row[1])
            heard[found] = max(heard.get(found, row[2]), row[2])
    return sorted(heard, key=heard.__getitem__, reverse=True)[:limit]


def _names(table: Table, text: str) -> ColumnElement[bool]:
    """The conditions common to the tables."""
    row = table.c
    return or_(
        row.sGraphMessageID == text,
        row.sInternetMessageID.in_(spellings(text)),
        contains(row.sSubject, text),
    )


def _columns(row: TraceRow) -> dict[str, Any]:
    graph_id = row.graph_id
    if graph_id is not None and (len(graph_id) > GRAPH_ID_LENGTH or not graph_id.isprintable()):
        graph_id = None  # cut or cleaned, it would be the id of no message, or of another
    return {
        "nAccountID": row.account_id,
        "sGraphMessageID": graph_id,
        "sInternetMessageID": fitting(row.internet_message_id, INTERNET_ID_LENGTH),
        "sSubject": fitting(row.subject, SUBJECT_LENGTH),
        "sSource": fitting(row.source, 20),
        "sCorrelationID": fitting(row.correlation, 64),
        "sQueueMessageID": fitting(row.queue_message_id, 128),
        "dtNotified": row.notified,
        "dtQueued": row.queued,
        "nAttempt": row.attempt,
        "sHost": fitting(row.host, 100),
        "dtStarted": row.started,
        "dtFetched": row.fetched,
        "dtEnded": row.ended,
        "sOutcome": row.outcome,
        "sReason": fitting(row.reason, 100),
        "sDetail": fitting(row.detail),
        "sDetailPhrase": to_json(row.detail),
    }


def _row(row: Any) -> TraceRow:  # noqa: ANN401  # SQLAlchemy's type of a row of nineteen columns names each of them
    return TraceRow(
        account_id=row.nAccountID,
        graph_id=row.sGraphMessageID,
        host=row.sHost,
        started=row.dtStarted,
        ended=row.dtEnded,
        outcome=row.sOutcome,
        internet_message_id=row.sInternetMessageID,
        subject=row.sSubject,
        source=row.sSource,
        correlation=row.sCorrelationID,
        queue_message_id=row.sQueueMessageID,
        notified=row.dtNotified,
        queued=row.dtQueued,
        attempt=row.nAttempt,
        fetched=row.dtFetched,
        reason=row.sReason,
        detail=from_json(row.sDetailPhrase, row.sDetail),
    )
