"""Deletes old messages, or only their attachment contents, in small batches.

A message is as old as its `dtReceived`, or as its `dtImported` where the time of receipt is unknown. Every function
takes the connection of a transaction; see `db.engine`. All of them use an index, account by account; messages of
removed accounts are found, too.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, takewhile
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from db.backends import faults, sqlite
from db.errors import DatabaseError
from db.locking import by_row
from db.outcomes import FileState
from db.queries import accounts, history, messages
from db.queries.history import Action
from db.tables import account_settings, attachment, email_file, header, message, original, recipient
from db.tables import seen as seen_table
from phrases import Phrase

_row = message.c
_part = attachment.c
_mime = original.c
_settings = account_settings.c

# Empty contents are kept: with a size of 0 a deletion would not show. Rows that never had one (a link, too large,
# unreadable, gone) are not counted, whatever their size; their sState differs from that of purged ones.
_KEPT: Final[ColumnElement[bool]] = and_(_part.biContent.is_not(None), _part.nSize > 0)
_KEPT_MIME: Final[ColumnElement[bool]] = _mime.biContent.is_not(None)
# Its files would never be saved: it stays until they are saved, have failed or are given up.
_WAITS_FOR_NO_FILE: Final[ColumnElement[bool]] = not_(
    exists(
        select(literal(1)).where(
            email_file.c.nMessageID == _row.nMessageID, email_file.c.sState == FileState.PENDING.value
        )
    )
)


class MessagesInUse(DatabaseError):
    """A table of another program refers to messages that were to be deleted; none of them was."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one transaction's deletions; a single item above them is deleted nevertheless.

    SQL Server locks the whole table once a statement holds 5,000 locks on it, and allows 2,100 parameters at most
    (https://learn.microsoft.com/sql/relational-databases/sql-server-transaction-locking-and-row-versioning-guide).
    `keys`: messages, or attachments; `rows`: in any one table; `size`: bytes of contents.
    """

    keys: int
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class OldMessage:
    """A message, and the amount below it.

    `contents`: attachments whose content is kept; `originals`: 1 where its MIME is; `size`: the bytes of both in all.
    """

    message_id: int
    received: datetime | None
    recipients: int
    attachments: int
    contents: int
    size: int
    headers: int = 0
    originals: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """The content of an attachment, or the MIME of a message; `size` in bytes.

    `number`: of the attachment, or, where it `is_original`, of the message.
    """

    number: int
    size: int
    is_original: bool = False


def next_account(connection: Connection, after: int | None) -> int | None:
    """The number of the next account with imported or filtered messages, removed or not; `after` None: the first."""
    found: list[int] = []
    for column in (_row.nAccountID, seen_table.c.nAccountID):
        lowest = select(func.min(column))
        number = connection.scalar(lowest if after is None else lowest.where(column > after))
        found += [] if number is None else [number]
    return min(found, default=None)


def old_messages(
    connection: Connection, account_id: int, *, before: datetime, after: OldMessage | None, limit: int
) -> list[OldMessage]:
    """Up to `limit` messages of the account from before that time, oldest first; `after`: going on behind that one."""
    found: list[tuple[int, datetime | None]] = []
    if after is None or after.received is not None:
        found += _received(connection, account_id, before, after, limit)
        after = None
    if len(found) < limit:
        found += _never_received(connection, account_id, before, after, limit - len(found))
    return _weighed(connection, found)


def first_of(found: Sequence[OldMessage], bounds: Bounds) -> Sequence[OldMessage]:
    """The first of these messages, as many as one transaction may delete."""
    so_far = zip(
        accumulate(each.recipients for each in found),
        accumulate(each.headers for each in found),
        accumulate(each.attachments for each in found),
        accumulate(each.files for each in found),
        accumulate(each.size for each in found),
        strict=True,
    )
    fitting = takewhile(lambda sums: max(sums[:4]) <= bounds.rows and sums[4] <= bounds.size, so_far)
    return found[: min(bounds.keys, max(1, sum(1 for _ in fitting)))]


def forgo(connection: Connection, account_id: int, *, before: datetime, now: datetime) -> None:
    """Exclude mail received before that time from the account's imports: purged mail would come back.

    Commit it before the first message is deleted. The times are never moved back.
    """
    history.note_others(connection, [account_id], now=now)
    accounts.settle_import_since(connection, account_id, now=now)
    for column in (_settings.dtImportSince, _settings.dtPurgedBefore):
        connection.execute(
            update(account_settings)
            .where(_settings.nAccountID == account_id, or_(column.is_(None), column < before))
            .values({column: before})
        )
    history.note(connection, account_id, Action.CHANGED, author=None, now=now)


def known_and_since(
    connection: Connection, account_id: int, graph_ids: Collection[str]
) -> tuple[set[str], datetime | None]:
    """Those of these messages of the account that are imported, and the current start of its imports.

    Read in this order, a message that was purged is known, or older than that start.
    """
    known = messages.known(connection, [(account_id, each) for each in graph_ids])
    return {graph_id for _, graph_id in known}, accounts.import_since(connection, account_id)


def delete_messages(connection: Connection, found: Collection[OldMessage]) -> int:
    """Delete these messages and all below them; return how many were still there. The rest goes by ON DELETE CASCADE.

    Raises:
        MessagesInUse
    """
    ids = [each.message_id for each in found]
    try:
        for table in (recipient, header, attachment):
            connection.execute(by_row(delete(table).where(table.c.nMessageID.in_(ids))))
        return connection.execute(by_row(delete(message).where(_row.nMessageID.in_(ids)))).rowcount
    except IntegrityError as exc:
        if connection.dialect.name == "sqlite":
            table_name = sqlite.referring_table(connection, message.name)
        else:
            table_name = faults.referring_table(exc.orig)
        remedy = Phrase("Delete its rows first, or let its foreign key do so (ON DELETE CASCADE).")
        if table_name is None:
            what = Phrase("Another table of the gateway database refers to messages that are to be deleted.")
        else:
            what = Phrase(
                "The table {table} of the gateway database refers to messages that are to be deleted.", table=table_name
            )
        raise MessagesInUse(Phrase.joined(what, remedy, by=" ")) from exc


def contents_of(connection: Connection, found: Collection[OldMessage]) -> list[Content]:
    """The contents that are kept of these messages."""
    ids = [each.message_id for each in found]
    # Each is read to its end before the next: SQL Server has one open result on a connection.
    parts = connection.execute(
        select(_part.nAttachmentID, _part.nSize).where(_part.nMessageID.in_(ids), _KEPT).order_by(_part.nAttachmentID)
    ).all()
    originals = connection.execute(
        select(_mime.nMessageID, _mime.nStoredSize)
        .where(_mime.nMessageID.in_(ids), _KEPT_MIME)
        .order_by(_mime.nMessageID)
    ).all()
    return [
        *(Content(*row) for row in parts),
        *(Content(*row, is_original=True) for row in originals),
    ]


def in_transactions(contents: Sequence[Content], bounds: Bounds) -> Iterator[Sequence[Content]]:
    """The contents, in chunks that one transaction may delete."""
    start, size = 0, 0
    for end, each in enumerate(contents):
        if end > start and (end - start >= bounds.keys or size + each.size > bounds.size):
            yield contents[start:end]
            start, size = end, 0
        size += each.size
    if contents:
        yield contents[start:]


def delete_contents(connection: Connection, contents: Collection[Content]) -> int:
    """Delete only the content of these; return how many still had one."""
    done = 0
    for table, number, kept, are_originals in (
        (attachment, _part.nAttachmentID, _KEPT, False),
        (original, _mime.nMessageID, _KEPT_MIME, True),
    ):
        numbers = [each.number for each in contents if each.is_original is are_originals]
        if numbers:
            emptied = update(table).where(number.in_(numbers), kept).values(biContent=null())
            done += connection.execute(by_row(emptied)).rowcount
    return done


def _received(
    connection: Connection, account_id: int, before: datetime, after: OldMessage | None, limit: int
) -> list[tuple[int, datetime | None]]:
    statement = select(_row.nMessageID, _row.dtReceived).where(
        _row.nAccountID == account_id, _row.dtReceived < before, _WAITS_FOR_NO_FILE
    )
    if after is not None:
        # An index can begin at the first of the three.
        statement = statement.where(
            _row.dtReceived >= after.received,
            or_(_row.dtReceived > after.received, _row.nMessageID > after.message_id),
        )
    rows = connection.execute(statement.order_by(_row.dtReceived, _row.nMessageID).limit(limit))
    return [(row[0], row[1]) for row in rows]


def _never_received(
    connection: Connection, account_id: int, before: datetime, after: OldMessage | None, limit: int
) -> list[tuple[int, datetime | None]]:
    statement = select(_row.nMessageID).where(
        _row.nAccountID == account_id, _row.dtReceived.is_(None), _row.dtImported < before, _WAITS_FOR_NO_FILE
    )
    if after is not None:
        statement = statement.where(_row.nMessageID > after.message_id)
    return [(each, None) for each in connection.scalars(statement.order_by(_row.nMessageID).limit(limit))]


def _weighed(connection: Connection, found: Sequence[tuple[int, datetime | None]]) -> list[OldMessage]:
    if not found:
        return []
    ids = [message_id for message_id, _ in found]
    recipients, headers, files = (_counted(connection, table, ids) for table in (recipient, header, email_file))
    parts = connection.execute(
        select(
            _part.nMessageID,
            func.count(),
            func.sum(case((_KEPT, 1), else_=0)),
            func.sum(case((_KEPT, _part.nSize), else_=0)),
        )
        .where(_part.nMessageID.in_(ids))
        .group_by(_part.nMessageID)
    )
    below = {row[0]: (row[1], int(row[2]), int(row[3])) for row in parts}
    kept = select(_mime.nMessageID, _mime.nStoredSize).where(_mime.nMessageID.in_(ids), _KEPT_MIME)
    originals: dict[int, int] = {row[0]: row[1] for row in connection.execute(kept)}

    def weighed(message_id: int, received: datetime | None) -> OldMessage:
        attachments, contents, size = below.get(message_id, (0, 0, 0))
        return OldMessage(
            message_id,
            received,
            recipients.get(message_id, 0),
            attachments,
            contents,
            size + originals.get(message_id, 0),
            headers=headers.get(message_id, 0),
            originals=int(message_id in originals),
            files=files.get(message_id, 0),
        )

    return [weighed(*each) for each in found]


def _counted(connection: Connection, table: Table, message_ids: Sequence[int]) -> dict[int, int]:
    rows = connection.execute(
        select(table.c.nMessageID, func.count()).where(table.c.nMessageID.in_(message_ids)).group_by(table.c.nMessageID)
    )
    return {row[0]: row[1] for row in rows}
