"""Imported messages: written whole, once, or not at all.

`MessageStore.save` is idempotent: the unique key on account and Graph id decides, whoever writes and however often.
A copy of an imported message is not written again, see `db.copies`; one that is filtered out is only recorded, see
`db.seen`.
`MessageStore.replace` puts a message in the place of what was imported of it, when an operator asks for that.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import IO, Any, Final, TypeGuard

from sqlalchemy import Connection, Table, delete, insert, literal_column, or_, select, union_all, update
from sqlalchemy.exc import DBAPIError, StatementError

from db import after_import, copies, seen
from db.contents import ContentDiffers, insert_with_content, reserved_room, write_long_text
from db.copies import Copy, Features, Original
from db.engine import Database
from db.keys import are_among, in_queries
from db.seen import SeenRecord
from db.tables import attachment, duplicate, header, message, original, recipient
from db.tables import seen as seen_table
from groupcommit import GroupCommit
from longtext import LongText
from phrases import Phrase

_MOST_IN_ONE_GROUP: Final = 50

# The database's own, and what its driver or our column types say to a value they cannot convert.
_REFUSALS: Final = (StatementError, UnicodeEncodeError, OverflowError, ContentDiffers)

MessageKey = tuple[int, str]
"""Account number and immutable Graph id."""


class MessageRefused(Exception):
    """The database takes everything else but not this message; trying again will not help."""

    def __init__(self, text: Phrase) -> None:
        super().__init__(text)


class Saved(Enum):
    """What became of a message that was to be written.

    COPY: another one equals it, so it was only noted. SEEN: it was only to be noted.
    """

    NEW = "new"
    REPLACED = "replaced"
    KNOWN = "known"
    COPY = "copy"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class RecipientRecord:
    """One row of `tblEmailRecipient`. `kind`: to, cc, bcc, replyTo; `position` counts from 0 within the kind."""

    kind: str
    position: int
    name: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class AttachmentRecord:
    """One row of `tblEmailAttachment`. `kind`: file, item, reference.

    `content`: the bytes, or an open file at whose start `size` bytes can be read; None when there are none, and `state`
    (stored, linked, too_large, unreadable, gone) and `state_detail` say why; `size` is then what Graph said.
    `item_type`: message, event, contact. `parent_position`: of what it was unpacked from; `origin`: graph, item, tnef,
    smime. `wrapped_text`: no column, but the text of the mail of which it is another form (signed mail, `winmail.dat`).
    """

    position: int
    graph_attachment_id: str | None
    kind: str
    file_name: str | None
    content_type: str | None
    size: int
    inline: bool
    content_id: str | None
    sha256: str | None
    content: bytes | IO[bytes] | None = field(repr=False)
    state: str = "stored"
    state_detail: str | None = None
    safe_file_name: str | None = None
    item_type: str | None = None
    link: str | None = field(default=None, repr=False)
    link_provider: str | None = None
    link_permission: str | None = None
    content_location: str | None = None
    parent_position: int | None = None
    origin: str = "graph"
    wrapped_text: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OriginalRecord:
    """One row of `tblEmailOriginal`: the message as MIME, packed by `compression`.

    `content`: the packed bytes, or an open file at whose start `stored_size` of them can be read; None when there are
    none, and `state` (too_large, unreadable, gone) and `state_detail` say why. `size` and `sha256` are of the MIME.
    """

    state: str
    state_detail: str | None = None
    size: int | None = None
    sha256: str | None = None
    compression: str | None = None
    stored_size: int = 0
    content: bytes | IO[bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HeaderRecord:
    """One row of `tblEmailHeader`; rows stand in the order of the mail."""

    name: str
    value: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One row of `tblEmailMessage` with everything below it. Times are aware UTC.

    `size`: bytes of the whole message, as Exchange counts them. `after_import`: what is to be done to it in the mailbox
    once it is committed: read, move, delete; None: nothing.
    """

    account_id: int
    graph_message_id: str
    internet_message_id: str | None
    conversation_id: str | None
    subject: str | None = field(repr=False)
    from_name: str | None = field(repr=False)
    from_address: str | None = field(repr=False)
    sent: datetime | None
    received: datetime | None
    importance: str | None
    body_type: str | None
    body: str | LongText | None = field(repr=False)
    has_attachments: bool
    correlation: str
    recipients: Sequence[RecipientRecord] = field(repr=False)
    attachments: Sequence[AttachmentRecord] = field(repr=False)
    sender_name: str | None = field(default=None, repr=False)
    sender_address: str | None = field(default=None, repr=False)
    created: datetime | None = None
    categories: Sequence[str] = field(default=(), repr=False)
    flag_status: str | None = None
    conversation_index: str | None = None
    body_text: str | LongText | None = field(default=None, repr=False)
    read: bool | None = None
    web_link: str | None = field(default=None, repr=False)
    parent_folder_id: str | None = None
    change_key: str | None = None
    size: int | None = None
    headers: Sequence[HeaderRecord] = field(default=(), repr=False)
    after_import: str | None = None
    original: OriginalRecord | None = None
    """None: nobody asked for it."""

    @property
    def features(self) -> Features:
        """What its copies have, too."""
        return Features(self.account_id, self.internet_message_id, self.received, self.size)

    @property
    def key(self) -> MessageKey:
        """What makes the message unique."""
        return (self.account_id, self.graph_message_id)

    @property
    def streams(self) -> bool:
        """True when some content or text is in a file because it is too large to be held in memory."""
        parts = (*self.attachments, self.original)
        return bool(self.long_texts) or any(_is_file(part.content) for part in parts if part is not None)

    @property
    def long_texts(self) -> dict[str, LongText]:
        """Its texts that are in files, by column."""
        texts = {message.c.sBody.name: self.body, message.c.sBodyText.name: self.body_text}
        return {column: each for column, each in texts.items() if isinstance(each, LongText)}


class MessageStore:
    """Writes messages; those that arrive together share a transaction, each whole in it."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._group: GroupCommit[MessageRecord | SeenRecord, Saved | MessageRefused] = GroupCommit(
            self._write, most_items=_MOST_IN_ONE_GROUP
        )

    async def known(self, keys: Collection[MessageKey], *, even_seen: bool = True) -> set[MessageKey]:
        """As `known` below.

        Raises:
            DatabaseUnavailable
        """
        if not keys:
            return set()
        return await self._database.read(lambda connection: known(connection, list(keys), even_seen=even_seen))

    async def save(self, record: MessageRecord) -> Saved:
        """Write the message and all below it in one transaction, unless it or a copy of it is there already.

        Raises:
            MessageRefused: the database takes no such message, whenever it is tried.
            DatabaseUnavailable: nothing was written.
        """
        # A large one alone: the others would wait for it.
        return _told((await (self._write([record]) if record.streams else self._group.submit([record])))[0])

    async def note_seen(self, record: SeenRecord) -> Saved:
        """Record that the message was left out, and why now, unless it is imported; it is known from then on.

        Raises:
            MessageRefused, DatabaseUnavailable: as `save`.
        """
        return _told((await self._group.submit([record]))[0])

    async def replace(self, record: MessageRecord, *, even_copy: bool = False) -> Saved:
        """Put the message and all below it in the place of what is there, in one transaction; `nMessageID` stays.

        When nothing was there it is written as `save` does; with `even_copy` also a copy, as a message of its own.
        Readers see the old message or the new one, whole. What is to be done in the mailbox stays as it is.

        Raises:
            MessageRefused: the database takes no such message, whenever it is tried; the old one stays.
            DatabaseUnavailable: nothing was written.
        """
        now = self._clock()
        try:
            return await self._database.write(lambda connection: _replace(connection, record, now, even_copy=even_copy))
        except _REFUSALS as exc:
            raise _refusal(exc) from exc

    async def close(self) -> None:
        """Write what was submitted."""
        await self._group.close()

    async def _write(self, records: Sequence[MessageRecord | SeenRecord]) -> list[Saved | MessageRefused]:
        now = self._clock()
        try:
            return list(await self._database.write(lambda connection: _save(connection, records, now)))
        except _REFUSALS as exc:
            if len(records) == 1:
                return [await self._explain(records[0], exc)]
        # One of them is at fault, or another host wrote one in between: each on its own, so the others get through.
        return [(await self._write([record]))[0] for record in records]

    async def _explain(self, record: MessageRecord | SeenRecord, exc: Exception) -> Saved | MessageRefused:
        with contextlib.suppress(*_REFUSALS):  # the key itself may be what is refused
            if await self.known([record.key], even_seen=isinstance(record, SeenRecord)):
                return Saved.KNOWN
        return _refusal(exc)


def _told(outcome: Saved | MessageRefused) -> Saved:
    if isinstance(outcome, MessageRefused):
        raise outcome
    return outcome


def _refusal(exc: Exception) -> MessageRefused:
    cause = exc.orig if isinstance(exc, DBAPIError) else exc
    return MessageRefused(Phrase("The gateway database refuses the message: {name}.", name=type(cause).__name__))


def known(connection: Connection, keys: list[MessageKey], *, even_seen: bool = True) -> set[MessageKey]:
    """Which of these are imported, or are copies of what is; with `even_seen` also those that were left out."""
    found = _places(connection, keys)
    return {key for key, tables in found.items() if even_seen or tables != {seen_table.name}}


def _places(connection: Connection, keys: Sequence[MessageKey]) -> dict[MessageKey, set[str]]:
    """In which tables these are, by name; in none: left out."""
    found: dict[MessageKey, set[str]] = {}
    for chunk in in_queries(keys):
        looks = [
            select(table.c.nAccountID, table.c.sGraphMessageID, literal_column(f"'{table.name}'")).where(
                are_among(table, chunk)
            )
            for table in (message, duplicate, seen_table)
        ]
        for account_id, graph_id, table in connection.execute(union_all(*looks)):
            found.setdefault((account_id, graph_id), set()).add(table)
    return {key: found[key] for key in keys if key in found}


def _numbers(connection: Connection, keys: list[MessageKey]) -> dict[MessageKey, int]:
    """`nMessageID` of those that are imported.

    Also of those just written, whence the `inline` of our inserts: RETURNING would ask SQL Server for OUTPUT, which a
    table with triggers refuses, and other programs may have given it some.
    """
    found: dict[MessageKey, int] = {}
    for chunk in in_queries(keys):
        rows = connection.execute(
            select(message.c.nAccountID, message.c.sGraphMessageID, message.c.nMessageID).where(
                are_among(message, chunk)
            )
        )
        found.update({(row[0], row[1]): row[2] for row in rows})
    return {key: found[key] for key in keys if key in found}


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """A row of `tblEmailMessage` in short."""

    graph_id: str
    received: datetime | None


def page_of_account(
    connection: Connection, account_id: int, *, after: str, since: datetime | None, most: int
) -> list[ImportedRow]:
    """Up to `most` rows of the account by Graph id, beginning after that one (`""`: with the first).

    With `since`, those received then or later, or nobody knows when. The unique key gives each page without a sort; by
    `nMessageID` a database sorts all rows of the account for every page, or goes through those of all others.
    """
    row = message.c
    statement = select(row.sGraphMessageID, row.dtReceived).where(
        row.nAccountID == account_id, row.sGraphMessageID > after
    )
    if since is not None:
        statement = statement.where(or_(row.dtReceived.is_(None), row.dtReceived >= since))
    return [ImportedRow(*found) for found in connection.execute(statement.order_by(row.sGraphMessageID).limit(most))]


def _save(
    connection: Connection,
    records: Sequence[MessageRecord | SeenRecord],
    now: datetime,
    *,
    even_copies: bool = False,
) -> list[Saved]:
    places = _places(connection, [record.key for record in records])
    results = [Saved.KNOWN] * len(records)
    new: dict[MessageKey, int] = {}
    for place, record in enumerate(records):
        # What was left out before may be imported now, or left out for another reason: the filters were changed.
        if not places.get(record.key, set()) - {seen_table.name}:
            new.setdefault(record.key, place)
    # In one order for all: two who write the same messages wait for each other, and not both at once.
    ordered = [records[new[key]] for key in sorted(new)]
    to_import = [each for each in ordered if isinstance(each, MessageRecord)]
    found = _Sorted(copies.originals(connection, [each.features for each in to_import]), even_copies=even_copies)
    for each in to_import:
        results[new[each.key]] = found.add(each)
    _insert(connection, found, now, even_copies=even_copies)
    seen.forget(connection, [each.key for each in ordered if each.key in places])
    left_out = [each for each in ordered if isinstance(each, SeenRecord)]
    seen.note(connection, left_out)
    for record in left_out:
        results[new[record.key]] = Saved.SEEN
    return results


class _Sorted:
    """Messages that are not known by their ids, with those apart that equal imported ones, or one another."""

    def __init__(self, originals: Sequence[Original], *, even_copies: bool) -> None:
        self._originals = originals
        self._even_copies = even_copies
        self.new: list[MessageRecord] = []
        self.copies: list[tuple[MessageRecord, MessageKey, str]] = []
        """Each with the key of what it equals, and why."""
        self._alike: dict[tuple[object, ...], list[tuple[Features, MessageKey]]] = {}
        for each in originals:
            self._remember(each.features, (each.features.account_id, each.graph_id))

    def add(self, record: MessageRecord) -> Saved:
        """Sort the message in."""
        alike = self._alike.get(_alike(record.features), ())
        if any(key == record.key for _, key in alike):
            return Saved.KNOWN  # written since we looked
        for features, key in () if self._even_copies else alike:
            reason = features.reason_to_equal(record.features)
            if reason is not None:
                self.copies.append((record, key, reason))
                return Saved.COPY
        self.new.append(record)
        self._remember(record.features, record.key)
        return Saved.NEW

    def numbers(self, written: dict[MessageKey, int]) -> dict[MessageKey, int]:
        """`nMessageID` of all that something may equal."""
        return {(each.features.account_id, each.graph_id): each.message_id for each in self._originals} | written

    def _remember(self, features: Features, key: MessageKey) -> None:
        self._alike.setdefault(_alike(features), []).append((features, key))


def _alike(features: Features) -> tuple[object, ...]:
    return (features.account_id, features.internet_message_id, features.received)


def _insert(connection: Connection, found: _Sorted, now: datetime, *, even_copies: bool) -> None:
    numbers: dict[MessageKey, int] = {}
    if found.new:
        rows = [
            (each, _message_row(connection, each, now) | after_import.wanted(each.after_import, now))
            for each in found.new
        ]
        short = [row for each, row in rows if not each.long_texts]
        if short:
            connection.execute(insert(message).inline(), short)
        for each, row in rows:
            if each.long_texts:
                connection.execute(insert(message).inline().values(**row))
        numbers = _numbers(connection, [each.key for each in found.new])
        for each in found.new:
            _write_long_texts(connection, numbers[each.key], each)
        if even_copies:
            for each in found.new:
                copies.claim_anew(connection, numbers[each.key], each.features)
        else:
            copies.claim(connection, [(numbers[each.key], each.features) for each in found.new])
        _insert_children(connection, [(numbers[each.key], each) for each in found.new])
    numbers = found.numbers(numbers)
    copies.note(
        connection,
        [Copy(*record.key, numbers[equal], seen=now, reason=reason) for record, equal, reason in found.copies],
    )


def _replace(connection: Connection, record: MessageRecord, now: datetime, *, even_copy: bool) -> Saved:
    row = message.c
    key = (row.nAccountID == record.account_id) & (row.sGraphMessageID == record.graph_message_id)
    # First of all: it locks the row, so that two who replace the same message do so one after the other.
    found = connection.execute(update(message).where(key).values(_message_row(connection, record, now))).rowcount
    if not found:
        if even_copy:
            copies.forget(connection, record.account_id, record.graph_message_id)
        [saved] = _save(connection, [record], now, even_copies=even_copy)
        # Noted before, or by somebody else just now.
        return Saved.COPY if saved is Saved.KNOWN and copies.of_ids(connection, [record.key]) else saved
    message_id = connection.scalars(select(row.nMessageID).where(key)).one()
    _write_long_texts(connection, message_id, record)
    copies.claim_anew(connection, message_id, record.features)
    for table in (recipient, header, attachment):
        connection.execute(delete(table).where(table.c.nMessageID == message_id))
    if not _keeps_original(connection, message_id, record.original):
        connection.execute(delete(original).where(original.c.nMessageID == message_id))
    else:
        record = replace(record, original=None)
    _insert_children(connection, [(message_id, record)])
    return Saved.REPLACED


def _keeps_original(connection: Connection, message_id: int, new: OriginalRecord | None) -> bool:
    """Whether the MIME that is there stays: nobody asked for another, or that could not be had."""
    if new is None:
        return True
    there = select(original.c.nMessageID).where(original.c.nMessageID == message_id, original.c.biContent.is_not(None))
    return new.content is None and connection.scalar(there) is not None


def _insert_children(connection: Connection, saved: list[tuple[int, MessageRecord]]) -> None:
    recipients = [_recipient_row(message_id, each) for message_id, record in saved for each in record.recipients]
    if recipients:
        connection.execute(insert(recipient), recipients)
    headers = [
        {"nMessageID": message_id, "nPosition": position, "sName": each.name, "sValue": each.value}
        for message_id, record in saved
        for position, each in enumerate(record.headers)
    ]
    if headers:
        connection.execute(insert(header), headers)
    parts = [(message_id, part) for message_id, record in saved for part in record.attachments]
    _insert_contents(
        connection,
        attachment,
        [(_attachment_row(message_id, part), part.content, part.size) for message_id, part in parts],
        key=("nMessageID", "nPosition"),
    )
    originals = [(message_id, record.original) for message_id, record in saved if record.original is not None]
    _insert_contents(
        connection,
        original,
        [(_original_row(message_id, each), each.content, each.stored_size) for message_id, each in originals],
        key=("nMessageID",),
    )


def _insert_contents(
    connection: Connection,
    table: Table,
    rows: Sequence[tuple[dict[str, Any], bytes | IO[bytes] | None, int]],
    *,
    key: tuple[str, ...],
) -> None:
    """Insert rows, each with its content and the size of that; those without a file together."""
    small = [{**row, "biContent": held} for row, held, _ in rows if not _is_file(held)]
    if small:
        connection.execute(insert(table).inline(), small)
    for row, held, size in rows:
        if _is_file(held):
            insert_with_content(connection, table, row, held, size=size, key=key)


def _write_long_texts(connection: Connection, message_id: int, record: MessageRecord) -> None:
    for column, long in record.long_texts.items():
        write_long_text(connection, message, message_id, column, long)


def _message_row(connection: Connection, record: MessageRecord, now: datetime) -> dict[str, Any]:
    """The columns of the message, with room for its long texts."""
    long = {column: reserved_room(connection, each) for column, each in record.long_texts.items()}
    return _short_row(record, now) | long


def _short_row(record: MessageRecord, now: datetime) -> dict[str, Any]:
    return {
        "nAccountID": record.account_id,
        "sGraphMessageID": record.graph_message_id,
        "sInternetMessageID": record.internet_message_id,
        "sConversationID": record.conversation_id,
        "sSubject": record.subject,
        "sFromName": record.from_name,
        "sFromAddress": record.from_address,
        "dtSent": record.sent,
        "dtReceived": record.received,
        "sImportance": record.importance,
        "sBodyType": record.body_type,
        "sBody": record.body,
        "bHasAttachments": record.has_attachments,
        "dtImported": now,
        "sCorrelationID": record.correlation,
        "sSenderName": record.sender_name,
        "sSenderAddress": record.sender_address,
        "dtCreated": record.created,
        "sCategories": json.dumps(list(record.categories), ensure_ascii=False) if record.categories else None,
        "sFlagStatus": record.flag_status,
        "sConversationIndex": record.conversation_index,
        "sBodyText": record.body_text,
        "bRead": record.read,
        "sWebLink": record.web_link,
        "sParentFolderID": record.parent_folder_id,
        "sChangeKey": record.change_key,
        "nSize": record.size,
    }


def _recipient_row(message_id: int, each: RecipientRecord) -> dict[str, Any]:
    return {
        "nMessageID": message_id,
        "sKind": each.kind,
        "nPosition": each.position,
        "sName": each.name,
        "sAddress": each.address,
    }


def _attachment_row(message_id: int, part: AttachmentRecord) -> dict[str, Any]:
    return {
        "nMessageID": message_id,
        "nPosition": part.position,
        "sGraphAttachmentID": part.graph_attachment_id,
        "sKind": part.kind,
        "sFileName": part.file_name,
        "sContentType": part.content_type,
        "nSize": part.size,
        "bInline": part.inline,
        "sContentID": part.content_id,
        "sSHA256": part.sha256,
        "sState": part.state,
        "sStateDetail": part.state_detail,
        "sSafeFileName": part.safe_file_name,
        "sItemType": part.item_type,
        "sLink": part.link,
        "sLinkProvider": part.link_provider,
        "sLinkPermission": part.link_permission,
        "sContentLocation": part.content_location,
        "nParentPosition": part.parent_position,
        "sOrigin": part.origin,
    }


def _original_row(message_id: int, each: OriginalRecord) -> dict[str, Any]:
    return {
        "nMessageID": message_id,
        "nSize": each.size,
        "sSHA256": each.sha256,
        "sState": each.state,
        "sStateDetail": each.state_detail,
        "sCompression": each.compression,
        "nStoredSize": each.stored_size,
    }


def _is_file(content: bytes | IO[bytes] | None) -> TypeGuard[IO[bytes]]:
    return content is not None and not isinstance(content, bytes)
