"""Messages whose import failed, and that are retried or are dead letters (`tblEmailFailure`).

A processor writes the rows with the trace of its deliveries and deletes them when a message is imported, filtered, a
duplicate or gone. Of two processors the one that failed may write last: a row whose message is known is left out by
all that reads, and deleted by the retention of the subscription manager.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from db.keys import MessageKey, are_among, in_queries, named, rounded
from db.locking import by_row, locking
from db.outcomes import FailureState
from db.tables import (
    GRAPH_ID_LENGTH,
    INTERNET_ID_LENGTH,
    account_settings,
    duplicate,
    failure,
    message,
    queue_message,
    seen,
)
from longtext import fitting
from phrases.storage import from_json, to_json

_row = failure.c
_KNOWN_BY: Final = (message, seen, duplicate)
_REASON_LENGTH: Final = 100
_LONG: Final = timedelta(seconds=45)


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that could not be imported. `next_attempt`: None of a dead letter. Times are aware UTC.

    What is of the mail is None until a fetch of it succeeded. `reason` is a fixed word, `detail` for an operator.
    `first_failed`: as read; a write keeps that of the row.
    """

    account_id: int
    graph_id: str
    attempts: int
    failed: datetime
    next_attempt: datetime | None
    reason: str | None
    detail: str | None
    internet_message_id: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    from_name: str | None = field(default=None, repr=False)
    from_address: str | None = field(default=None, repr=False)
    received: datetime | None = None
    first_failed: datetime | None = None

    @property
    def key(self) -> MessageKey:
        """The key of the message."""
        return (self.account_id, self.graph_id)

    @property
    def state(self) -> FailureState:
        """Retrying or dead."""
        return FailureState.DEAD if self.next_attempt is None else FailureState.RETRYING


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages of one account: those that are retried, and the dead letters."""

    retrying: int
    dead: int


@dataclass(frozen=True, slots=True)
class FailingAgain:
    """Messages of one account that failed several times: their number, the first failure, the last error's text."""

    messages: int
    since: datetime
    detail: str | None


# Writing.


def settle(connection: Connection, ends: Mapping[MessageKey, Failure | None]) -> None:
    """Write the failures; delete the rows of the messages (None) whose work is over.

    Costs one small query where nothing fails and nothing failed.
    """
    ends = {key: end for key, end in ends.items() if end is None or _is_key(key)}
    if not any(ends.values()) and not _any_row(connection):
        return
    known = _locked(connection, ends)
    _delete(connection, [number for key, number in known.items() if ends[key] is None])
    failed = [ends[key] for key in sorted(ends)]
    changed = [_values(each, known[each.key]) for each in failed if each is not None and each.key in known]
    new = [_columns(each) for each in failed if each is not None and each.key not in known]
    if changed:
        connection.execute(_CHANGE, changed)
    if new:
        connection.execute(insert(failure).inline(), new)


def requeue(connection: Connection, keys: Collection[MessageKey], *, now: datetime, anew: bool) -> None:
    """Record that an operator has these tried again now; `anew`: with their attempts counted from 0."""
    values = {"sState": FailureState.RETRYING, "dtNextAttempt": now, **({"nAttempts": 0} if anew else {})}
    for chunk in in_queries(sorted(_locked(connection, keys).values())):
        connection.execute(by_row(update(failure).where(_row.nFailureID.in_(rounded(list(chunk))))).values(values))


def forget(connection: Connection, keys: Collection[MessageKey]) -> None:
    """Delete the rows of these messages."""
    _delete(connection, _locked(connection, keys).values())


def purge_over(connection: Connection, *, limit: int) -> int:
    """Delete up to `limit` rows of messages that are known, or whose account has no row; return their number.

    Those of a removed account stay with its dead letters: it may be taken up again.
    """
    there = exists(
        select(literal_column("1"))
        .select_from(account_settings)
        .where(account_settings.c.nAccountID == _row.nAccountID)
    )
    query = select(_row.nFailureID).where(or_(_is_known(), ~there)).order_by(_row.nFailureID).limit(limit)
    return _delete(connection, connection.scalars(query).all())


def older(connection: Connection, *, before: datetime, after: int, limit: int) -> list[tuple[int, MessageKey]]:
    """Up to `limit` rows of messages that last failed before that time, numbered above `after`, in their order."""
    query = (
        select(_row.nFailureID, _row.nAccountID, _row.sGraphMessageID)
        .where(_row.dtLastFailed < before, _row.nFailureID > after)
        .order_by(_row.nFailureID)
        .limit(limit)
    )
    return [(row[0], (row[1], row[2])) for row in connection.execute(query)]


def purge(connection: Connection, numbers: Mapping[int, Sequence[str]]) -> int:
    """Delete these rows; return their number.

    The value: how the ids of the queue messages of that message may begin; the row is kept while there is one. Empty:
    the queue is not in this database.
    """
    return _delete(
        connection,
        [
            number
            for number, prefixes in numbers.items()
            if not any(_is_queued(connection, prefix) for prefix in prefixes)
        ],
    )


# Reading.


def of_ids(connection: Connection, keys: Collection[MessageKey]) -> dict[MessageKey, Failure]:
    """The failures of those messages that are not known by now."""
    found: dict[MessageKey, Failure] = {}
    for chunk in in_queries(keys):
        rows = connection.execute(_OF_IDS, named(chunk))
        found.update({each.key: each for each in map(of_row, rows)})
    return {key: each for key, each in found.items() if key in keys}


def counts(connection: Connection) -> dict[int, Counts]:
    """The numbers of each account that has any."""
    dead = func.sum(case((_row.sState == FailureState.DEAD, 1), else_=0))
    rows = connection.execute(select(_row.nAccountID, func.count(), dead).where(not_known()).group_by(_row.nAccountID))
    return {row[0]: Counts(row[1] - row[2], row[2]) for row in rows}


def failing_again(connection: Connection, *, now: datetime, attempts: int = 3) -> dict[int, FailingAgain]:
    """Each account's messages that are being retried, and failed so many times, or for a while: not each one counts."""
    account = _row.nAccountID
    newest = func.row_number().over(partition_by=account, order_by=(_row.dtLastFailed.desc(), _row.nFailureID.desc()))
    ranked = (
        select(
            account,
            func.count().over(partition_by=account).label("messages"),
            func.min(_row.dtFirstFailed).over(partition_by=account).label("since"),
            _row.nFailureID,
            newest.label("place"),
        )
        .where(
            _row.sState == FailureState.RETRYING,
            or_(_row.nAttempts >= attempts, _row.dtFirstFailed <= now - _LONG),
            not_known(),
        )
        .subquery()
    )
    # The texts are joined last, so that no text is sorted.
    rows = connection.execute(
        select(ranked, _row.sDetail, _row.sDetailPhrase)
        .join(failure, _row.nFailureID == ranked.c.nFailureID)
        .where(ranked.c.place == 1)
    )
    return {
        row.nAccountID: FailingAgain(row.messages, row.since, from_json(row.sDetailPhrase, row.sDetail)) for row in rows
    }


def reasons(connection: Connection) -> dict[str, int]:
    """The reasons of messages that are being retried, with their numbers."""
    rows = connection.execute(
        select(_row.sReason, func.count())
        .where(_row.sState == FailureState.RETRYING, _row.sReason.is_not(None), not_known())
        .group_by(_row.sReason)
    )
    return {row[0]: row[1] for row in rows}


def not_known() -> ColumnElement[bool]:
    """The rows whose message is neither imported nor filtered nor a duplicate."""
    return ~_is_known()


def of_row(row: Any) -> Failure:  # noqa: ANN401  # SQLAlchemy's type of the row names each of its columns
    """The failure of a row of the table."""
    return Failure(
        account_id=row.nAccountID,
        graph_id=row.sGraphMessageID,
        attempts=row.nAttempts,
        failed=row.dtLastFailed,
        next_attempt=None if row.sState == FailureState.DEAD else row.dtNextAttempt or row.dtLastFailed,
        reason=row.sReason,
        detail=from_json(row.sDetailPhrase, row.sDetail),
        internet_message_id=row.sInternetMessageID,
        subject=row.sSubject,
        from_name=row.sFromName,
        from_address=row.sFromAddress,
        received=row.dtReceived,
        first_failed=row.dtFirstFailed,
    )


# Internal.


def _is_key(key: MessageKey) -> bool:
    """False of an id that no row can have, as a malformed notification may bring one."""
    return len(key[1]) <= GRAPH_ID_LENGTH and key[1].isprintable()


def _any_row(connection: Connection) -> bool:
    return connection.scalar(_ANY) is not None


def _locked(connection: Connection, keys: Collection[MessageKey]) -> dict[MessageKey, int]:
    """The numbers of the rows of these messages, locked in the order of their keys before anything is written."""
    found: dict[MessageKey, int] = {}
    for chunk in in_queries(sorted(filter(_is_key, keys))):
        found.update({(row[0], row[1]): row[2] for row in connection.execute(_LOCKED, named(chunk))})
    return {key: number for key, number in found.items() if key in keys}


def _delete(connection: Connection, numbers: Iterable[int]) -> int:
    ordered = sorted(numbers)
    for chunk in in_queries(ordered):
        connection.execute(by_row(delete(failure).where(_row.nFailureID.in_(rounded(list(chunk))))))
    return len(ordered)


def _is_known() -> ColumnElement[bool]:
    """True of a row whose message is imported, filtered or a duplicate: by the unique index of each table."""
    return or_(
        *(
            exists(
                select(literal_column("1"))
                .select_from(table)
                .where(table.c.nAccountID == _row.nAccountID, table.c.sGraphMessageID == _row.sGraphMessageID)
            )
            for table in _KNOWN_BY
        )
    )


def _is_queued(connection: Connection, prefix: str) -> bool:
    """True while a queue message whose id begins so waits or is a dead letter. `prefix` ends in a full stop."""
    queued = queue_message.c
    begins = and_(queued.sMessageID >= prefix, queued.sMessageID < f"{prefix[:-1]}/")  # the next code after "."
    found = select(literal(1)).where(begins, queued.sState.in_(["active", "dead"])).limit(1)
    return connection.scalar(found) is not None


def _kept_if_null(name: str) -> ColumnElement[Any]:
    column = _row[name]
    return func.coalesce(bindparam(f"new_{name}", type_=column.type), column)


_ANY: Final = select(literal(1)).select_from(failure).limit(1)
_OF_IDS: Final = select(failure).where(are_among(failure), not_known())
_LOCKED: Final = locking(
    select(_row.nAccountID, _row.sGraphMessageID, _row.nFailureID)
    .where(are_among(failure))
    .order_by(_row.nAccountID, _row.sGraphMessageID),
    failure,
)
_OF_THE_MAIL: Final = ("sInternetMessageID", "sSubject", "sFromName", "sFromAddress", "dtReceived")
_OF_THE_ATTEMPT: Final = (
    "sState",
    "nAttempts",
    "dtLastFailed",
    "dtNextAttempt",
    "sReason",
    "sDetail",
    "sDetailPhrase",
)
_CHANGE: Final = by_row(
    update(failure)
    .where(_row.nFailureID == bindparam("number"))
    .values(
        {name: bindparam(f"new_{name}", type_=_row[name].type) for name in _OF_THE_ATTEMPT}
        # A later fetch may fail: what an earlier one found stays.
        | {name: _kept_if_null(name) for name in _OF_THE_MAIL}
    )
)


def _values(each: Failure, number: int) -> dict[str, Any]:
    columns = _columns(each)
    return {"number": number, **{f"new_{name}": columns[name] for name in (*_OF_THE_ATTEMPT, *_OF_THE_MAIL)}}


def _columns(each: Failure) -> dict[str, Any]:
    return {
        "nAccountID": each.account_id,
        "sGraphMessageID": each.graph_id,
        "sState": each.state,
        "sInternetMessageID": fitting(each.internet_message_id, INTERNET_ID_LENGTH),
        "sSubject": fitting(each.subject),
        "sFromName": fitting(each.from_name),
        "sFromAddress": fitting(each.from_address),
        "dtReceived": each.received,
        "nAttempts": each.attempts,
        "dtFirstFailed": each.first_failed or each.failed,
        "dtLastFailed": each.failed,
        "dtNextAttempt": each.next_attempt,
        "sReason": fitting(each.reason, _REASON_LENGTH),
        "sDetail": fitting(each.detail),
        "sDetailPhrase": to_json(each.detail),
    }
