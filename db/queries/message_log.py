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
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from db.keys import in_queries, rounded
from db.queries import installation
from db.queries.log_sources import (
    ADDRESSED,
    NEVER,
    SOURCES,
    LogCriteria,
    LoggedMessage,
    Position,
    Source,
    Window,
    account_by_account,
    is_searched,
)
from db.tables import attachment, recipient

MAX_COUNTED: Final = 10_000
"""Messages are counted up to this number."""

_MIN_SLICE: Final = 2048
_MAX_SLICE: Final = 65_536
"""Rows of a slice: powers of two, so that a server sees few statements."""
_FAST_SECONDS: Final = 0.01
_SLOW_SECONDS: Final = 0.03


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
        found += part.newest(limit + 1)  # the same number in each statement: on a server each has a plan of its own
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
        number += part.count(limit + 1)
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
            .where(row.nMessageID.in_(rounded(list(chunk))), row.sKind.in_(ADDRESSED))
            .order_by(row.nMessageID, row.nPosition)
        )
        for number, *facts in rows:
            found[number].append(LoggedRecipient(*facts))
    return {number: sorted(each, key=lambda one: ADDRESSED.index(one.kind)) for number, each in found.items()}


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


def _end_of(low: datetime) -> Position:
    """The position behind all messages of that time."""
    return Position(low, len(SOURCES), 0)


def _slices(
    connection: Connection,
    criteria: LogCriteria,
    after: Position | None,
    seconds: float,
    monotonic: Callable[[], float],
) -> Iterator["_Slice"]:
    """Slices behind the position, one after the other, as long as there is time."""
    narrowed = _narrowed(criteria)
    if narrowed is None:
        return
    sources = list(_in_question(narrowed))
    size, ends = _MIN_SLICE, monotonic() + seconds
    large = [each for each in sources if each.is_large] if is_searched(narrowed) else []
    while True:
        began = monotonic()
        low, large = _low(connection, large, narrowed, after, size)
        part = _Slice(connection, sources, narrowed, after, low, lambda: monotonic() >= ends)
        yield part
        if low is None:
            return
        after = _end_of(low)
        size = _next_size(size, monotonic() - began)


def _in_question(criteria: LogCriteria) -> Iterator[Source]:
    """The sources in which a row can match."""
    for source in SOURCES:
        is_wanted = criteria.states is None or bool(source.states & set(criteria.states))
        if is_wanted and source.conditions(criteria) is not None:
            yield source


def _low(
    connection: Connection, sources: Sequence[Source], criteria: LogCriteria, after: Position | None, size: int
) -> tuple[datetime | None, list[Source]]:
    """The oldest time of the next `size` rows of a source, and the sources that have so many; None: none has."""
    parts = account_by_account(criteria)
    found: list[datetime] = []
    plentiful: list[Source] = []
    for source in sources:
        times = [source.low(connection, part, after, max(size // len(parts), 1)) for part in parts]
        known = [each for each in times if each is not None]
        if known:
            found += known
            plentiful.append(source)
    return max(found, default=None), plentiful


def _next_size(size: int, seconds: float) -> int:
    if seconds < _FAST_SECONDS:
        return min(2 * size, _MAX_SLICE)
    return max(size // 2, _MIN_SLICE) if seconds > _SLOW_SECONDS else size


@dataclass(frozen=True, slots=True)
class _Slice:
    """The messages behind a position, down to the time `low`; None: all of them."""

    connection: Connection
    sources: Sequence[Source]
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
        for source in self.sources:
            found += source.read(self.connection, self.criteria, Window(limit, self.after, oldest))
            found.sort(key=lambda each: each.position.order, reverse=True)
            del found[limit:]
            if len(found) == limit:
                oldest = found[-1].position.time
        return found

    def count(self, limit: int) -> int:
        """The number of messages of the slice; of more than the limit, some number above it."""
        number = 0
        for source in self.sources:
            if number < limit:
                number += source.count(self.connection, self.criteria, Window(limit, self.after, self.low))
        return number


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
        addressed = select(row.nMessageID, func.count()).where(row.nMessageID.in_(mine), row.sKind.in_(ADDRESSED))
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


__all__ = [
    "MAX_COUNTED",
    "NEVER",
    "Count",
    "LogCriteria",
    "LoggedAttachment",
    "LoggedMessage",
    "LoggedRecipient",
    "Page",
    "Position",
    "attachments_of",
    "count",
    "page",
    "recipients_of",
]
