"""The log of messages: imported, waiting, failed, filtered, duplicates and removed ones, newest first, page by page.

A page is read from each table that has such messages, by an index on the time where there is one, and merged. The next
page begins behind a position, so that a late page costs what the first does. The times of what is found bound what is
read of the next table.

No index finds a part of a text. Such a search, and any other that may read many rows for one that matches, goes back in
slices of time, each of a bounded number of rows; with a bound of its time, the page tells how far it came, and the next
one continues there.

Every function takes the connection of a transaction; see `db.engine`.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
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

from db.keys import in_queries, is_among, rounded
from db.outcomes import FailureState, MessageState, Outcome, RuleState
from db.queries import failures, installation
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

MAX_COUNTED: Final = 10_000
"""Messages are counted up to this number."""

_FIRST_SLICE: Final = 1024
_MIN_SLICE: Final = 256
_MAX_SLICE: Final = 65_536
"""Rows of a slice: powers of two, so that a server sees few statements."""
_FAST_SECONDS: Final = 0.01
_SLOW_SECONDS: Final = 0.03
_FEW_ACCOUNTS: Final = 16
"""Accounts that are read one after the other, each by the index of account and time."""

_ADDRESSED: Final = ("to", "cc", "bcc")
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
    account: str | None
    graph_id: str
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


@dataclass(frozen=True, slots=True)
class LoggedAttachment:
    """An attachment of an imported message. `unpacked`: from another one, not attached by the sender."""

    name: str | None = field(repr=False)
    size: int
    inline: bool
    unpacked: bool
    state: str
    state_detail: str | None


@dataclass(frozen=True, slots=True)
class LoggedRecipient:
    """A recipient of an imported message. `kind`: to, cc, bcc."""

    kind: str
    name: str | None = field(repr=False)
    address: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages, the newest first. `next`: the position behind which the next page begins; None: this is the last.

    `searched_to`: set where the time was over before all was searched or enough was found: all messages of this time or
    later were searched.
    """

    messages: Sequence[LoggedMessage]
    next: Position | None = None
    searched_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """A number of messages. `is_exact`: False if there may be more."""

    number: int
    is_exact: bool


def page(
    connection: Connection,
    criteria: LogCriteria,
    *,
    limit: int,
    after: Position | None = None,
    seconds: float = math.inf,
    monotonic: Callable[[], float] = time.monotonic,
) -> Page:
    """Up to `limit` messages behind that position; fewer, or none, where a search is not over after `seconds`."""
    found: list[LoggedMessage] = []
    for part in _slices(connection, criteria, after, seconds, monotonic):
        found += part.newest(limit + 1 - len(found))
        if len(found) > limit:
            break
        if (time_reached := part.cut_off_at()) is not None:
            is_full = len(found) == limit
            return Page(_completed(connection, found), _end_of(time_reached), None if is_full else time_reached)
    rest = len(found) > limit
    del found[limit:]
    return Page(_completed(connection, found), found[-1].position if rest else None)


def count(
    connection: Connection,
    criteria: LogCriteria,
    *,
    limit: int = MAX_COUNTED,
    seconds: float = math.inf,
    monotonic: Callable[[], float] = time.monotonic,
) -> Count:
    """The number of messages, up to `limit`; of a search that is not over after `seconds`, what was found by then."""
    number = 0
    for part in _slices(connection, criteria, None, seconds, monotonic):
        number += part.count(limit + 1 - number)
        if number > limit:
            return Count(limit, is_exact=False)
        if part.cut_off_at() is not None:
            return Count(number, is_exact=False)
    return Count(number, is_exact=True)


def attachments_of(connection: Connection, message_ids: Collection[int]) -> dict[int, list[LoggedAttachment]]:
    """The attachments of imported messages, in their order."""
    part = attachment.c
    found: dict[int, list[LoggedAttachment]] = {number: [] for number in message_ids}
    for chunk in in_queries(found):
        rows = connection.execute(
            select(
                part.nMessageID,
                part.sFileName,
                part.nSize,
                part.bInline,
                part.nParentPosition,
                part.sState,
                part.sStateDetail,
            )
            .where(part.nMessageID.in_(rounded(list(chunk))))
            .order_by(part.nMessageID, part.nPosition)
        )
        for number, name, size, inline, parent, state, detail in rows:
            found[number].append(LoggedAttachment(name, size, inline, parent is not None, state, detail))
    return found


def recipients_of(connection: Connection, message_ids: Collection[int]) -> dict[int, list[LoggedRecipient]]:
    """The recipients of imported messages, in their order."""
    row = recipient.c
    found: dict[int, list[LoggedRecipient]] = {number: [] for number in message_ids}
    for chunk in in_queries(found):
        rows = connection.execute(
            select(row.nMessageID, row.sKind, row.sName, row.sAddress)
            .where(row.nMessageID.in_(rounded(list(chunk))), row.sKind.in_(_ADDRESSED))
            .order_by(row.nMessageID, row.nPosition)
        )
        for number, *facts in rows:
            found[number].append(LoggedRecipient(*facts))
    return {number: sorted(each, key=lambda one: _ADDRESSED.index(one.kind)) for number, each in found.items()}


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


# Slices.


def _narrowed(criteria: LogCriteria) -> LogCriteria | None:
    """The criteria with one account or many, not both; None: no message can match."""
    visible = criteria.account_ids
    if visible is None:
        return criteria
    if criteria.account_id is not None:
        return replace(criteria, account_ids=None) if criteria.account_id in visible else None
    distinct = sorted(set(visible))
    if len(distinct) == 1:
        return replace(criteria, account_id=distinct[0], account_ids=None)
    return replace(criteria, account_ids=distinct) if distinct else None


def _is_searched(criteria: LogCriteria) -> bool:
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


def _one_by_one(criteria: LogCriteria) -> list[LogCriteria]:
    """The criteria, for each account and each state of the rules for which an index has the messages in order."""
    parts = [criteria]
    if criteria.account_ids is not None and len(criteria.account_ids) <= _FEW_ACCOUNTS:
        parts = [replace(criteria, account_id=each, account_ids=None) for each in criteria.account_ids]
    if criteria.rule_states is not None and not _is_searched(criteria):
        states = sorted(set(criteria.rule_states))
        parts = [replace(part, rule_states=[each]) for part in parts for each in states]
    return parts


def _end_of(low: datetime) -> Position:
    """The position behind all messages of that time."""
    return Position(low, len(_SOURCES), 0)


def _slices(
    connection: Connection,
    criteria: LogCriteria,
    after: Position | None,
    seconds: float,
    monotonic: Callable[[], float],
) -> Iterator["_Slice"]:
    """What is to be read behind the position, one slice after the other, as long as there is time."""
    narrowed = _narrowed(criteria)
    if narrowed is None:
        return
    sources = list(_in_question(narrowed))
    is_searched, size, ends = _is_searched(narrowed), _FIRST_SLICE, monotonic() + seconds
    while True:
        began = monotonic()
        low = _low(connection, sources, narrowed, after, size) if is_searched else None
        part = _Slice(connection, sources, narrowed, after, low, lambda: monotonic() >= ends)
        yield part
        if low is None:
            return
        after = _end_of(low)
        size = _next_size(size, monotonic() - began)


def _in_question(criteria: LogCriteria) -> Iterator[tuple["_Source", list[ColumnElement[bool]]]]:
    """The sources in which a row can match, each with its conditions."""
    for source in _SOURCES:
        if criteria.states is not None and not source.states & set(criteria.states):
            continue
        conditions = source.conditions(criteria)
        if conditions is not None:
            yield source, conditions


def _low(
    connection: Connection,
    sources: Sequence[tuple["_Source", list[ColumnElement[bool]]]],
    criteria: LogCriteria,
    after: Position | None,
    size: int,
) -> datetime | None:
    """The oldest time of the next `size` rows; None: there are fewer."""
    parts = [criteria]
    if criteria.account_ids is not None and len(criteria.account_ids) <= _FEW_ACCOUNTS:
        parts = [replace(criteria, account_id=each, account_ids=None) for each in criteria.account_ids]
    found = [
        source.low(connection, part, after, max(size // len(parts), 1))
        for source, _ in sources
        if source.is_large
        for part in parts
    ]
    return max((each for each in found if each is not None), default=None)


def _next_size(size: int, seconds: float) -> int:
    if seconds < _FAST_SECONDS:
        return min(2 * size, _MAX_SLICE)
    return max(size // 2, _MIN_SLICE) if seconds > _SLOW_SECONDS else size


@dataclass(frozen=True, slots=True)
class _Slice:
    """The messages behind a position, down to the time `low`; None: all of them."""

    connection: Connection
    sources: Sequence[tuple["_Source", list[ColumnElement[bool]]]]
    criteria: LogCriteria
    after: Position | None
    low: datetime | None
    is_late: Callable[[], bool]

    def cut_off_at(self) -> datetime | None:
        """The end of the slice, if there is more and no time for it."""
        return self.low if self.is_late() else None

    def newest(self, limit: int) -> list[LoggedMessage]:
        """The newest messages of the slice."""
        found: list[LoggedMessage] = []
        oldest = self.low
        for source, conditions in self.sources:
            found += source.read(self.connection, conditions, self.criteria, _Window(limit, self.after, oldest))
            found.sort(key=lambda each: each.position.order, reverse=True)
            del found[limit:]
            if len(found) == limit:
                oldest = found[-1].position.time
        return found

    def count(self, limit: int) -> int:
        """The number of messages of the slice, up to the limit."""
        number = 0
        for source, conditions in self.sources:
            window = _Window(limit - number, self.after, self.low)
            if window.limit > 0:
                number += source.count(self.connection, conditions, self.criteria, window)
        return number


# The sources.


@dataclass(frozen=True, slots=True)
class _Window:
    """The bounds of what is read of a source: the number of rows, the position before, the oldest time that fits."""

    limit: int
    after: Position | None
    oldest: datetime | None


class _Source(ABC):
    """A table with messages of the log. Its place in `_SOURCES` is its number."""

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

    def read(
        self, connection: Connection, conditions: list[ColumnElement[bool]], criteria: LogCriteria, window: _Window
    ) -> list[LoggedMessage]:
        """The newest messages of the source within the window."""
        source = _SOURCES.index(self)
        query = self.query().add_columns(self.number.label("number"), self.time.label("time"))
        query = query.where(*conditions, *self.is_of(criteria))
        timed = query.where(*self._times(criteria, window, source)).order_by(self.time.desc(), self.number.desc())
        after = window.after
        found: list[LoggedMessage] = []

        def take(rows: Select[Any]) -> None:
            for row in connection.execute(rows.limit(window.limit - len(found))):
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

    def count(
        self, connection: Connection, conditions: list[ColumnElement[bool]], criteria: LogCriteria, window: _Window
    ) -> int:
        """The number of messages within the window, which begins at no message."""
        query = self.query().with_only_columns(_ONE.label("one")).where(*conditions, *self.is_of(criteria))

        def counted(rows: Select[Any], limit: int) -> int:
            return connection.scalar(select(func.count()).select_from(rows.limit(limit).subquery())) or 0

        number = counted(query.where(*self._times(criteria, window, _SOURCES.index(self))), window.limit)
        if number < window.limit and not self.is_timed and _may_be_timeless(criteria, window):
            number += counted(query.where(self.time.is_(None)), window.limit - number)
        return number

    def low(self, connection: Connection, criteria: LogCriteria, after: Position | None, size: int) -> datetime | None:
        """The oldest time of the next `size` rows, by an index alone; None: there are fewer."""
        if after is not None and after.time == NEVER:
            return None
        rows = select(self.time.label("time")).where(
            *self._times(criteria, _Window(size, after, None), _SOURCES.index(self)), *self.in_index(criteria)
        )
        # The others of that time are of the same slice.
        newest = rows.order_by(self.time.desc()).limit(size).subquery()
        number, oldest = connection.execute(select(func.count(), func.min(newest.c.time))).one()
        return oldest if number == size else None

    def in_index(self, criteria: LogCriteria) -> Iterator[ColumnElement[bool]]:
        """The condition of the index by which `low` finds the times."""
        if criteria.account_id is not None:
            yield self.account_id == criteria.account_id

    def _times(self, criteria: LogCriteria, window: _Window, source: int) -> Iterator[ColumnElement[bool]]:
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


def _may_be_timeless(criteria: LogCriteria, window: _Window) -> bool:
    return criteria.since is None and criteria.until is None and window.oldest in {None, NEVER}


class _Imported(_Source):
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
                        row.sKind.in_(_ADDRESSED),
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

    def read(
        self, connection: Connection, conditions: list[ColumnElement[bool]], criteria: LogCriteria, window: _Window
    ) -> list[LoggedMessage]:
        """As that of the base, one after the other where an index has each in order."""
        found: list[LoggedMessage] = []
        for each in _one_by_one(criteria):
            here = conditions if each is criteria else self.conditions(each) or []
            found += super().read(connection, here, each, window)
        found.sort(key=lambda one: one.position.order, reverse=True)
        return found[: window.limit]

    def count(
        self, connection: Connection, conditions: list[ColumnElement[bool]], criteria: LogCriteria, window: _Window
    ) -> int:
        """As `read`."""
        number = 0
        for each in _one_by_one(criteria):
            here = conditions if each is criteria else self.conditions(each) or []
            rest = replace(window, limit=window.limit - number)
            number += super().count(connection, here, each, rest) if rest.limit > 0 else 0
        return number

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
            None,
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


class _Failed(_Source):
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
            None,
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


class _Filtered(_Source):
    states = frozenset({MessageState.FILTERED})
    number = _seen.nSeenID
    account_id = _seen.nAccountID
    time = _seen.dtReceived
    is_large = True

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
            None,
            row.sGraphMessageID,
            internet_message_id=row.sInternetMessageID,
            from_address=row.sFromAddress,
            received=row.time,
            noted=row.dtSeen,
            reason=row.sReason,
            detail=row.sRule,
        )


class _Removed(_Source):
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
            None,
            row.sGraphMessageID,
            internet_message_id=row.sInternetMessageID,
            subject=row.sSubject,
            noted=row.time,
        )


def _has_row(table: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """True where the message of a row of the trace has a row in that table."""
    same = (table.c.nAccountID == _trace.nAccountID, table.c.sGraphMessageID == _trace.sGraphMessageID)
    return exists(select(_ONE).select_from(table).where(*same, *conditions))


_SOURCES: Final[Sequence[_Source]] = (_Imported(), _Failed(), _Duplicate(), _Filtered(), _Removed())


def _completed(connection: Connection, found: list[LoggedMessage]) -> list[LoggedMessage]:
    """The messages with the names of their accounts and the numbers of their recipients and attachments.

    In three queries for all: a join would have a server sort what it joined.
    """
    names = installation.names(connection, {each.account_id for each in found})
    numbers = sorted({each.message_id for each in found if each.message_id is not None})
    row, part = recipient.c, attachment.c
    recipients: dict[int, int] = {}
    attached: dict[int, int] = {}
    for chunk in in_queries(numbers):
        mine = rounded(list(chunk))
        addressed = select(row.nMessageID, func.count()).where(row.nMessageID.in_(mine), row.sKind.in_(_ADDRESSED))
        recipients.update((each[0], each[1]) for each in connection.execute(addressed.group_by(row.nMessageID)))
        listed = select(part.nMessageID, func.count()).where(
            part.nMessageID.in_(mine), part.nParentPosition.is_(None), ~part.bInline
        )
        attached.update((each[0], each[1]) for each in connection.execute(listed.group_by(part.nMessageID)))
    named = [replace(each, account=names.get(each.account_id)) for each in found]
    return [
        each
        if each.message_id is None
        else replace(each, recipients=recipients.get(each.message_id, 0), attachments=attached.get(each.message_id, 0))
        for each in named
    ]
