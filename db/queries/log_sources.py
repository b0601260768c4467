"""The tables with messages of the log, each read by time; see `db.queries.message_log`."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.sql.selectable import FromClause

from db.keys import is_among
from db.outcomes import FailureState, MessageState, Outcome, RuleState
from db.queries import failures
from db.search import contains
from db.tables import (
    attachment,
    duplicate,
    email_file,
    failure,
    message,
    message_trace,
    recipient,
    seen,
)

NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)
"""The position of a message without a time: behind all others."""
ADDRESSED: Final = ("to", "cc", "bcc")

_FEW_ACCOUNTS: Final = 16
"""Accounts that are read one after the other, each by the index of account and time."""
_ONE: Final[ColumnElement[int]] = literal_column("1")

_message, _failure, _seen, _duplicate, _trace = message.c, failure.c, seen.c, duplicate.c, message_trace.c

_OF_MAIL: Final = (_message.sInternetMessageID, _message.sSubject, _message.sFromName, _message.sFromAddress)


@dataclass(frozen=True, slots=True)
class LogCriteria:
    """A selection of messages: those that match all given criteria.

    `sender`, `recipient`, `subject`, `attachment`: parts of the text, in any letter case, of names and addresses and of
    file names. `since` (included) and `until` are of the time of receipt, see `LoggedMessage`. `states`, `rule_states`:
    None is all. `rule_id`: of a rule that selected a file of the message. `account_ids`: of these accounts, any number;
    None is all.
    """

    account_id: int | None = None
    sender: str | None = field(default=None, repr=False)
    recipient: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    attachment: str | None = field(default=None, repr=False)
    since: datetime | None = None
    until: datetime | None = None
    states: Collection[MessageState] | None = None
    rule_states: Collection[RuleState] | None = None
    rule_id: int | None = None
    account_ids: Collection[int] | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a message in the log: its time, the number of its source, the number of its row there."""

    time: datetime
    source: int
    number: int

    @property
    def order(self) -> tuple[datetime, int, int]:
        """The key that sorts backwards: the newest message has the largest."""
        return self.time, -self.source, self.number


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """A message of the log.

    `time`: of its receipt by the mailbox; where that is not known, of its first failure, its decision or its end; None
    of an imported message without one. `message_id`: of the imported message, which a duplicate equals. `noted`: time
    of the decision on a filtered message or a duplicate, or when a removed one was missed. `recipients`,
    `attachments`: their numbers, those attached by the sender and not part of the body; None where they are not known.
    `rules_matched`: None until the rules are checked.
    """

    position: Position
    state: MessageState
    account_id: int
    graph_id: str
    account: str | None = None
    message_id: int | None = None
    internet_message_id: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    from_name: str | None = field(default=None, repr=False)
    from_address: str | None = field(default=None, repr=False)
    received: datetime | None = None
    imported: datetime | None = None
    noted: datetime | None = None
    attempts: int | None = None
    first_failed: datetime | None = None
    last_failed: datetime | None = None
    next_attempt: datetime | None = None
    reason: str | None = None
    detail: str | None = None
    recipients: int | None = None
    attachments: int | None = None
    rules_matched: int | None = None
    rule_state: RuleState | None = None
    """Of a dead letter red; None of a message that no rule is checked against."""

    @property
    def time(self) -> datetime | None:
        """The time by which it is sorted."""
        return None if self.position.time == NEVER else self.position.time


def is_sent_by(row: Any, part: str) -> ColumnElement[bool]:  # noqa: ANN401  # the columns of a table
    """The messages whose author or sender has that part in name or address."""
    names = ("sFromName", "sFromAddress", "sSenderName", "sSenderAddress")
    return or_(*(contains(row[name], part) for name in names if name in row))


def has_attachment(message_id: ColumnElement[int], part: str) -> ColumnElement[bool]:
    """The messages with an attachment that has that part in its file name."""
    file = attachment.c
    return exists(
        select(_ONE).select_from(attachment).where(file.nMessageID == message_id, contains(file.sFileName, part))
    )


# Rules.

_RULE_STATES_OF_FAILED: Final = {MessageState.WAITING: RuleState.WHITE, MessageState.FAILED: RuleState.RED}


def _is_of_rules(criteria: LogCriteria) -> bool:
    """True if only messages are wanted that are checked against rules."""
    return criteria.rule_states is not None or criteria.rule_id is not None


def _is_in(states: Collection[RuleState]) -> ColumnElement[bool]:
    words = [each.value for each in states]
    if len(words) == 1:
        return _message.sRuleState == words[0]
    # An expression, for no index: that of the state would have all messages of these states sorted.
    return (_message.sRuleState + "").in_(words)


def _rule_state(word: object) -> RuleState | None:
    return next((each for each in RuleState if each == word), None)


# Indexes.


def is_searched(criteria: LogCriteria) -> bool:
    """True if many rows may have to be read for one that matches: no index has them in order."""
    texts = (criteria.sender, criteria.recipient, criteria.subject, criteria.attachment)
    is_of_accounts = criteria.account_id is not None or criteria.account_ids is not None
    return (
        any(each is not None for each in texts)
        or criteria.rule_id is not None
        or (is_of_accounts and criteria.rule_states is not None)
        or len(criteria.account_ids or ()) > _FEW_ACCOUNTS
        # Most of them may have come back.
        or (criteria.states is not None and set(criteria.states) == {MessageState.REMOVED})
    )


def account_by_account(criteria: LogCriteria) -> list[LogCriteria]:
    """The criteria, for each account where they are few."""
    if criteria.account_ids is None or len(criteria.account_ids) > _FEW_ACCOUNTS:
        return [criteria]
    return [replace(criteria, account_id=each, account_ids=None) for each in criteria.account_ids]


def _one_by_one(criteria: LogCriteria) -> list[LogCriteria]:
    """The criteria, for each account and each state of the rules for which an index has the messages in order."""
    parts = account_by_account(criteria)
    if criteria.rule_states is not None and not is_searched(criteria):
        states = sorted(set(criteria.rule_states))
        parts = [replace(part, rule_states=[each]) for part in parts for each in states]
    return parts


# The sources.


@dataclass(frozen=True, slots=True)
class Window:
    """The bounds of what is read of a source: the number of rows, the position before, the oldest time that fits."""

    limit: int
    after: Position | None
    oldest: datetime | None


class Source(ABC):
    """A table with messages of the log. Its place in `SOURCES` is its number."""

    states: ClassVar[frozenset[MessageState]]
    number: ClassVar[ColumnElement[Any]]
    account_id: ClassVar[ColumnElement[Any]]
    time: ClassVar[ColumnElement[Any]]
    is_timed: ClassVar[bool] = False
    """True if no row lacks the time."""
    is_large: ClassVar[bool] = False
    """True if it may have many rows, which an index has by time, and by account and time."""

    @abstractmethod
    def query(self) -> Select[Any]:
        """The rows with all that `made` reads."""

    @abstractmethod
    def conditions(self, criteria: LogCriteria) -> list[ColumnElement[bool]] | None:
        """The conditions beside account and times; None: no row can match."""

    @abstractmethod
    def made(self, row: Row[Any], place: Position) -> LoggedMessage:
        """The message of a row, which has the columns of `read` as well."""

    def is_of(self, criteria: LogCriteria) -> Iterator[ColumnElement[bool]]:
        """The condition of the accounts."""
        if criteria.account_id is not None:
            yield self.account_id == criteria.account_id
        if criteria.account_ids is not None:
            # An expression, for no index: that of the account would have the rows of all of them sorted.
            yield is_among(self.account_id + 0, list(criteria.account_ids))

    def parts(self, criteria: LogCriteria) -> list[LogCriteria]:
        """The criteria, once for each range of an index that is read for them."""
        return [criteria]

    def read(self, connection: Connection, criteria: LogCriteria, window: Window) -> list[LoggedMessage]:
        """The newest messages of the source within the window."""
        found = [message for part in self.parts(criteria) for message in self._newest(connection, part, window)]
        found.sort(key=lambda each: each.position.order, reverse=True)
        return found[: window.limit]

    def _newest(self, connection: Connection, criteria: LogCriteria, window: Window) -> list[LoggedMessage]:
        source = SOURCES.index(self)
        query = self.query().add_columns(self.number.label("number"), self.time.label("time"))
        query = query.where(*self._conditions(criteria))
        timed = query.where(*self._times(criteria, window, source)).order_by(self.time.desc(), self.number.desc())
        after = window.after
        found: list[LoggedMessage] = []

        def take(rows: Select[Any]) -> None:
            for row in connection.execute(rows.limit(window.limit)):
                place = Position(row.time or NEVER, source, row.number)
                found.append(self.made(row, place))

        if after is None or after.time != NEVER:
            take(timed)
        if len(found) < window.limit and not self.is_timed and _may_be_timeless(criteria, window):
            timeless = query.where(self.time.is_(None)).order_by(self.number.desc())
            if after is None or after.time != NEVER or after.source < source:
                take(timeless)
            elif after.source == source:
                take(timeless.where(self.number < after.number))
        return found

    def count(self, connection: Connection, criteria: LogCriteria, window: Window) -> int:
        """The number of messages within the window, which begins at no message; more than its limit is no matter."""
        number = 0
        for part in self.parts(criteria):
            query = self.query().with_only_columns(_ONE.label("one")).where(*self._conditions(part))
            queries = [query.where(*self._times(part, window, SOURCES.index(self)))]
            if not self.is_timed and _may_be_timeless(part, window):
                queries.append(query.where(self.time.is_(None)))
            for each in queries:
                if number < window.limit:
                    rows = each.limit(window.limit).subquery()
                    number += connection.scalar(select(func.count()).select_from(rows)) or 0
        return number

    def _conditions(self, criteria: LogCriteria) -> list[ColumnElement[bool]]:
        return [*(self.conditions(criteria) or ()), *self.is_of(criteria)]

    def low(self, connection: Connection, criteria: LogCriteria, after: Position | None, size: int) -> datetime | None:
        """The oldest time of the next `size` rows, by an index alone; None: there are fewer."""
        if after is not None and after.time == NEVER:
            return None
        rows = select(self.time.label("time")).where(
            *self._times(criteria, Window(size, after, None), SOURCES.index(self)), *self.in_index(criteria)
        )
        # The others of that time are of the same slice.
        newest = rows.order_by(self.time.desc()).limit(size).subquery()
        number, oldest = connection.execute(select(func.count(), func.min(newest.c.time))).one()
        return oldest if number == size else None

    def in_index(self, criteria: LogCriteria) -> Iterator[ColumnElement[bool]]:
        """The condition of the index by which `low` finds the times."""
        if criteria.account_id is not None:
            yield self.account_id == criteria.account_id

    def _times(self, criteria: LogCriteria, window: Window, source: int) -> Iterator[ColumnElement[bool]]:
        after = window.after
        if not self.is_timed:
            yield self.time.is_not(None)
        if criteria.since is not None:
            yield self.time >= criteria.since
        if criteria.until is not None:
            yield self.time < criteria.until
        if window.oldest is not None:
            yield self.time >= window.oldest
        if after is None:
            return
        if source < after.source:
            yield self.time < after.time
            return
        yield self.time <= after.time
        if source == after.source:
            # Beside the range of the index, which a condition of two alternatives alone would not be.
            yield or_(self.time < after.time, self.number < after.number)


def _may_be_timeless(criteria: LogCriteria, window: Window) -> bool:
    return criteria.since is None and criteria.until is None and window.oldest in {None, NEVER}


class _Imported(Source):
    states = frozenset({MessageState.IMPORTED})
    number = _message.nMessageID
    account_id = _message.nAccountID
    time = _message.dtReceived
    is_large = True

    def query(self) -> Select[Any]:
        return select(
            _message.nAccountID,
            _message.sGraphMessageID,
            _message.dtImported,
            _message.nRulesMatched,
            _message.sRuleState,
            *_OF_MAIL,
        ).select_from(message)

    def conditions(self, criteria: LogCriteria) -> list[ColumnElement[bool]] | None:
        found: list[ColumnElement[bool]] = []
        if criteria.sender is not None:
            found.append(is_sent_by(_message, criteria.sender))
        if criteria.subject is not None:
            found.append(contains(_message.sSubject, criteria.subject))
        if criteria.recipient is not None:
            row, part = recipient.c, criteria.recipient
            found.append(
                exists(
                    select(_ONE)
                    .select_from(recipient)
                    .where(
                        row.nMessageID == _message.nMessageID,
                        row.sKind.in_(ADDRESSED),
                        or_(contains(row.sAddress, part), contains(row.sName, part)),
                    )
                )
            )
        if criteria.attachment is not None:
            found.append(has_attachment(_message.nMessageID, criteria.attachment))
        if criteria.rule_states is not None:
            found.append(_is_in(criteria.rule_states))
        if criteria.rule_id is not None:
            found.append(
                exists(
                    select(_ONE)
                    .select_from(email_file)
                    .where(email_file.c.nMessageID == _message.nMessageID, email_file.c.nRuleID == criteria.rule_id)
                )
            )
        return found

    def parts(self, criteria: LogCriteria) -> list[LogCriteria]:
        return _one_by_one(criteria)

    def made(self, row: Row[Any], place: Position) -> LoggedMessage:
        return self.of_mail(
            row,
            place,
            MessageState.IMPORTED,
            message_id=row.number,
            imported=row.dtImported,
            rules_matched=row.nRulesMatched,
            rule_state=_rule_state(row.sRuleState),
        )

    def of_mail(self, row: Row[Any], place: Position, state: MessageState, **facts: Any) -> LoggedMessage:  # noqa: ANN401  # passed through
        """The message of a row that has _OF_MAIL."""
        return LoggedMessage(
            place,
            state,
            row.nAccountID,
            row.sGraphMessageID,
            internet_message_id=row.sInternetMessageID,
            subject=row.sSubject,
            from_name=row.sFromName,
            from_address=row.sFromAddress,
            received=row.time,
            **facts,
        )


class _Duplicate(_Imported):
    """A copy has sender, subject and time of receipt of the message that it equals."""

    states = frozenset({MessageState.DUPLICATE})
    is_large = False
    number = _duplicate.nDuplicateID
    account_id = _duplicate.nAccountID

    def query(self) -> Select[Any]:
        return select(
            _duplicate.nAccountID,
            _duplicate.sGraphMessageID,
            _duplicate.nMessageID,
            _duplicate.dtSeen,
            _duplicate.sReason,
            *_OF_MAIL,
        ).select_from(duplicate.join(message, _message.nMessageID == _duplicate.nMessageID))

    def conditions(self, criteria: LogCriteria) -> list[ColumnElement[bool]] | None:
        return None if _is_of_rules(criteria) else super().conditions(criteria)

    def made(self, row: Row[Any], place: Position) -> LoggedMessage:
        facts = {"message_id": row.nMessageID, "noted": row.dtSeen, "reason": row.sReason}
        return self.of_mail(row, place, MessageState.DUPLICATE, **facts)


class _Failed(Source):
    states = frozenset({MessageState.WAITING, MessageState.FAILED})
    number = _failure.nFailureID
    account_id = _failure.nAccountID
    time = func.coalesce(_failure.dtReceived, _failure.dtFirstFailed)
    is_timed = True

    def query(self) -> Select[Any]:
        return select(*failure.c).select_from(failure)

    def conditions(self, criteria: LogCriteria) -> list[ColumnElement[bool]] | None:
        if criteria.recipient is not None or criteria.attachment is not None or criteria.rule_id is not None:
            return None
        found = [failures.not_known()]
        wanted = self.states if criteria.states is None else self.states & set(criteria.states)
        if criteria.rule_states is not None:
            wanted = frozenset(each for each in wanted if _RULE_STATES_OF_FAILED[each] in criteria.rule_states)
        if not wanted:
            return None
        if len(wanted) == 1:
            state = FailureState.DEAD if MessageState.FAILED in wanted else FailureState.RETRYING
            found.append(_failure.sState == state)
        if criteria.sender is not None:
            found.append(is_sent_by(_failure, criteria.sender))
        if criteria.subject is not None:
            found.append(contains(_failure.sSubject, criteria.subject))
        return found

    def made(self, row: Row[Any], place: Position) -> LoggedMessage:
        found = failures.of_row(row)
        state = MessageState.FAILED if found.state is FailureState.DEAD else MessageState.WAITING
        return LoggedMessage(
            place,
            state,
            found.account_id,
            found.graph_id,
            internet_message_id=found.internet_message_id,
            subject=found.subject,
            from_name=found.from_name,
            from_address=found.from_address,
            received=found.received,
            attempts=found.attempts,
            first_failed=found.first_failed,
            last_failed=found.failed,
            next_attempt=found.next_attempt,
            reason=found.reason,
            detail=found.detail,
            rule_state=_RULE_STATES_OF_FAILED[state],
        )


class _Filtered(Source):
    states = frozenset({MessageState.FILTERED})
    number = _seen.nSeenID
    account_id = _seen.nAccountID
    time = _seen.dtReceived
    is_large = True

    def parts(self, criteria: LogCriteria) -> list[LogCriteria]:
        return account_by_account(criteria)

    def query(self) -> Select[Any]:
        return select(
            _seen.nAccountID,
            _seen.sGraphMessageID,
            _seen.sInternetMessageID,
            _seen.sFromAddress,
            _seen.sReason,
            _seen.sRule,
            _seen.dtSeen,
        ).select_from(seen)

    def conditions(self, criteria: LogCriteria) -> list[ColumnElement[bool]] | None:
        given = (criteria.recipient, criteria.attachment, criteria.subject)
        if any(each is not None for each in given) or _is_of_rules(criteria):
            return None
        found: list[ColumnElement[bool]] = []
        if criteria.sender is not None:
            found.append(contains(_seen.sFromAddress, criteria.sender))
        return found

    def made(self, row: Row[Any], place: Position) -> LoggedMessage:
        return LoggedMessage(
            place,
            MessageState.FILTERED,
            row.nAccountID,
            row.sGraphMessageID,
            internet_message_id=row.sInternetMessageID,
            from_address=row.sFromAddress,
            received=row.time,
            noted=row.dtSeen,
            reason=row.sReason,
            detail=row.sRule,
        )


class _Removed(Source):
    """Of the trace: messages that were no longer in the mailbox when they were to be imported."""

    states = frozenset({MessageState.REMOVED})
    number = _trace.nTraceID
    account_id = _trace.nAccountID
    time = _trace.dtEnded
    is_timed = True
    is_large = True

    def is_of(self, criteria: LogCriteria) -> Iterator[ColumnElement[bool]]:
        # An expression, for no index: that of the account would read its whole trace, that of the time reads a part.
        number = _trace.nAccountID + 0
        if criteria.account_id is not None:
            yield number == criteria.account_id
        if criteria.account_ids is not None:
            yield is_among(number, list(criteria.account_ids))

    def in_index(self, criteria: LogCriteria) -> Iterator[ColumnElement[bool]]:  # noqa: ARG002  # the signature is the base's
        yield _trace.sOutcome == Outcome.GONE

    def query(self) -> Select[Any]:
        return select(
            _trace.nAccountID, _trace.sGraphMessageID, _trace.sInternetMessageID, _trace.sSubject
        ).select_from(message_trace)

    def conditions(self, criteria: LogCriteria) -> list[ColumnElement[bool]] | None:
        given = (criteria.sender, criteria.recipient, criteria.attachment)
        if any(each is not None for each in given) or _is_of_rules(criteria):
            return None
        later = message_trace.alias("later")
        again = and_(later.c.sOutcome == Outcome.GONE, later.c.nTraceID > _trace.nTraceID)
        found = [
            _trace.sOutcome == Outcome.GONE,
            _trace.nAccountID.is_not(None),
            _trace.sGraphMessageID.is_not(None),
            ~_has_row(later, again),
            # It came back, and is known, or fails.
            *(~_has_row(table) for table in (message, seen, duplicate, failure)),
        ]
        if criteria.subject is not None:
            found.append(contains(_trace.sSubject, criteria.subject))
        return found

    def made(self, row: Row[Any], place: Position) -> LoggedMessage:
        return LoggedMessage(
            place,
            MessageState.REMOVED,
            row.nAccountID,
            row.sGraphMessageID,
            internet_message_id=row.sInternetMessageID,
            subject=row.sSubject,
            noted=row.time,
        )


def _has_row(table: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """True where the message of a row of the trace has a row in that table."""
    same = (table.c.nAccountID == _trace.nAccountID, table.c.sGraphMessageID == _trace.sGraphMessageID)
    return exists(select(_ONE).select_from(table).where(*same, *conditions))


SOURCES: Final[Sequence[Source]] = (_Imported(), _Failed(), _Duplicate(), _Filtered(), _Removed())
