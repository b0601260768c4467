"""Imported messages: written whole, once, or not at all.

`MessageStore.save` is idempotent: the unique key on account and Graph id decides, for any number of writers and calls.
A copy of an imported message is not written again, see `db.queries.duplicates`; one that is filtered out is only
recorded, see `db.queries.filtered`.
`MessageStore.replace` overwrites what was imported of a message, on request of an operator.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any, Final

from sqlalchemy import (
    Connection,
    Table,
    and_,
    delete,
    exists,
    insert,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.exc import DBAPIError, StatementError

from db.backends.faults import driver_error_of
from db.engine import Database
from db.identity import DuplicateKey
from db.insertion import insert_rows
from db.keys import MessageKey, are_among, in_queries, named
from db.locking import by_row
from db.outcomes import ContentState, Outcome
from db.prepared import Prepared
from db.queries import after_import, duplicates, failures, filtered, probe, rule_matches, scans
from db.queries.contents import ContentDiffers, insert_with_content, reserved_room, update_with_content, write_long_text
from db.queries.duplicates import Duplicate, FirstImport
from db.queries.failures import Failure
from db.queries.filtered import FilteredMessage
from db.queries.scans import Scan
from db.records import AttachmentRecord, MessageRecord, OriginalRecord, RecipientRecord, is_file, is_whole
from db.tables import attachment, duplicate, header, message, original, recipient, scan
from db.tables import seen as seen_table
from groupcommit import GroupCommit
from longtext import LongText
from phrases import Phrase

_BODY: Final = message.c.sBody.name
_BODY_TEXT: Final = message.c.sBodyText.name
_MAX_IN_ONE_GROUP: Final = 50
_MAX_GROUPS: Final = 2
"""While a server writes one, the next is prepared."""
_NOT_IN_SCANNED: Final = "NotInScanned: the scanned message has fewer attachments than the one with placeholders had."
_DELIVERED_BEFORE: Final = timedelta(minutes=1)
_SCANNED_AFTER: Final = timedelta(hours=1)
"""Bounds of the time between the receipt of the message with placeholders and of the scanned one."""

# Errors of the database, and of its driver or the column types for a value they cannot convert.
_REFUSALS: Final = (StatementError, UnicodeEncodeError, OverflowError, ContentDiffers)

# Built once: see `db.keys.listed`.
_PLACES: Final = Prepared(
    union_all(
        *(
            select(table.c.nAccountID, table.c.sGraphMessageID, literal_column(f"'{table.name}'")).where(
                are_among(table)
            )
            for table in (message, duplicate, seen_table)
        )
    )
)
_NUMBERS: Final = Prepared(
    select(message.c.nAccountID, message.c.sGraphMessageID, message.c.nMessageID).where(are_among(message))
)
_INSERT_MESSAGE: Final = insert(message).inline()

_RowWithContent = tuple[dict[str, Any], bytes | IO[bytes] | None, int]
"""Values of a row, its content, and the size of that."""


class MessageRefused(Exception):
    """The database accepts everything else but not this message; trying again will not help."""

    def __init__(self, text: Phrase) -> None:
        super().__init__(text)


class StoredContentKept(MessageRefused):
    """Refusal: the mailbox now lacks content that is stored; the stored message stays as it is."""


class MessageStore:
    """Writes messages; those that arrive together share a transaction, each whole in it."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._group: GroupCommit[MessageRecord | FilteredMessage, Outcome | MessageRefused] = GroupCommit(
            self._write, max_items=_MAX_IN_ONE_GROUP, at_once=min(database.writes_at_once, _MAX_GROUPS)
        )

    async def known(self, keys: Collection[MessageKey], *, include_filtered: bool = True) -> set[MessageKey]:
        """See `known` below.

        Raises:
            DatabaseUnavailable
        """
        if not keys:
            return set()
        return await self._database.read(
            lambda connection: known(connection, list(keys), include_filtered=include_filtered)
        )

    async def save(self, record: MessageRecord) -> Outcome:
        """Write the message and all below it in one transaction, unless it or a copy of it is there already.

        Raises:
            MessageRefused: the database accepts no such message, at any time.
            DatabaseUnavailable: nothing was written.
        """
        # A large one alone: the others would wait for it.
        return _accepted((await (self._write([record]) if record.streams else self._group.submit([record])))[0])

    async def incomplete(self, keys: Collection[MessageKey]) -> set[MessageKey]:
        """Those that are imported without files that Defender may still release.

        Raises:
            DatabaseUnavailable
        """
        if not keys:
            return set()
        return await self._database.read(lambda connection: scans.incomplete(connection, keys))

    async def last_failure(self, key: MessageKey) -> Failure | None:
        """The failure that the last attempt at the message left, if it failed.

        Raises:
            DatabaseUnavailable
        """
        return (await self._database.read(lambda connection: failures.of_ids(connection, [key]))).get(key)

    async def note_scan(self, record: MessageRecord, *, until: datetime) -> Scan | None:
        """Record that the message, which has placeholders, waits for its files until then.

        Returns the record, which may be an earlier one; None where the scanned message is imported already: this one
        is its copy from now on.

        Raises:
            DatabaseUnavailable
        """
        now = self._clock()
        return await self._database.write(lambda connection: _note_scan(connection, record, until, now))

    async def end_wait(self, key: MessageKey) -> None:
        """End the wait for the files of a message that is gone, if there is one.

        Raises:
            DatabaseUnavailable
        """
        # Read first: most messages that are gone never waited.
        if await self._database.read(lambda connection: scans.is_waiting(connection, key)):
            await self._database.write(lambda connection: scans.forget(connection, key))

    async def note_filtered(self, record: FilteredMessage) -> Outcome:
        """Record that the message was left out, and why now, unless it is imported; it is known from then on.

        Raises:
            MessageRefused, DatabaseUnavailable: as `save`.
        """
        return _accepted((await self._group.submit([record]))[0])

    async def replace(self, record: MessageRecord, *, include_duplicates: bool = False) -> Outcome:
        """Put the message and all below it in the place of what is there, in one transaction; `nMessageID` stays.

        A message that is not stored is written as by `save`; with `include_duplicates` a copy too, as its own message.
        Readers see the old message or the new one, whole. The pending action in the mailbox stays as it is; where it
        waited for missing parts, and nothing is missing now, it is due; where parts are missing now, it waits for them.

        Raises:
            StoredContentKept: content is stored that `record` lacks: the old one stays.
            MessageRefused: the database accepts no such message, at any time; the old one stays.
            DatabaseUnavailable: nothing was written.
        """
        now = self._clock()
        try:
            return await self._database.write(
                lambda connection: _replace(connection, record, now, include_duplicates=include_duplicates)
            )
        except _REFUSALS as exc:
            raise _refusal(exc) from exc

    async def close(self) -> None:
        """Write pending messages."""
        await self._group.close()

    async def _write(self, records: Sequence[MessageRecord | FilteredMessage]) -> list[Outcome | MessageRefused]:
        now = self._clock()
        try:
            return list(await self._database.write(lambda connection: _save(connection, records, now)))
        except _REFUSALS as exc:
            if len(records) == 1:
                return [await self._explain(records[0], exc)]
        # One of them is at fault, or another host wrote one in between: each on its own, so that the others succeed.
        return [(await self._write([record]))[0] for record in records]

    async def _explain(self, record: MessageRecord | FilteredMessage, exc: Exception) -> Outcome | MessageRefused:
        with contextlib.suppress(*_REFUSALS):  # the key itself may be what is refused
            if await self.known([record.key], include_filtered=isinstance(record, FilteredMessage)):
                return Outcome.KNOWN
        now = self._clock()
        await probe.require_others_accepted(
            self._database, record, exc, lambda connection, other: _save(connection, [other], now), now=now
        )
        return _refusal(exc)


def _accepted(outcome: Outcome | MessageRefused) -> Outcome:
    if isinstance(outcome, MessageRefused):
        raise outcome
    return outcome


def _refusal(exc: Exception) -> MessageRefused:
    name = type(exc).__name__
    if isinstance(exc, DBAPIError):
        name = f"{type(exc.orig).__name__}, {driver_error_of(exc.orig).code}"
    return MessageRefused(Phrase("The gateway database refuses the message: {name}.", name=name))


def known(connection: Connection, keys: list[MessageKey], *, include_filtered: bool = True) -> set[MessageKey]:
    """Those that are imported, or copies of imported ones; with `include_filtered` also those that were left out."""
    found = _places(connection, keys)
    return {key for key, tables in found.items() if include_filtered or tables != {seen_table.name}}


def _places(connection: Connection, keys: Sequence[MessageKey]) -> dict[MessageKey, set[str]]:
    """The tables with these, by name; keys in none are left out."""
    found: dict[MessageKey, set[str]] = {}
    for chunk in in_queries(keys):
        for account_id, graph_id, table in _PLACES.rows(connection, named(chunk)):
            found.setdefault((account_id, graph_id), set()).add(table)
    return {key: found[key] for key in keys if key in found}


def _numbers(connection: Connection, keys: list[MessageKey]) -> dict[MessageKey, int]:
    """`nMessageID` of those that are imported.

    Also of those just written, hence the `inline` of the inserts: RETURNING would use OUTPUT on SQL Server, which a
    table with triggers refuses, and other programs may have added some.
    """
    found: dict[MessageKey, int] = {}
    for chunk in in_queries(keys):
        found.update({(row[0], row[1]): row[2] for row in _NUMBERS.rows(connection, named(chunk))})
    return {key: found[key] for key in keys if key in found}


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """A row of `tblEmailMessage` in short."""

    graph_id: str
    received: datetime | None


def page_of_account(
    connection: Connection, account_id: int, *, after: str, since: datetime | None, limit: int
) -> list[ImportedRow]:
    """Up to `limit` rows of the account by Graph id, beginning after that one (`""`: with the first).

    With `since`, those received then or later, or at an unknown time. The unique key gives each page without a sort; by
    `nMessageID` a database sorts all rows of the account for every page, or scans those of all others.
    """
    row = message.c
    statement = select(row.sGraphMessageID, row.dtReceived).where(
        row.nAccountID == account_id, row.sGraphMessageID > after
    )
    if since is not None:
        statement = statement.where(or_(row.dtReceived.is_(None), row.dtReceived >= since))
    return [ImportedRow(*found) for found in connection.execute(statement.order_by(row.sGraphMessageID).limit(limit))]


def _save(
    connection: Connection,
    records: Sequence[MessageRecord | FilteredMessage],
    now: datetime,
    *,
    include_duplicates: bool = False,
) -> list[Outcome]:
    messages = [each for each in records if isinstance(each, MessageRecord)]
    scans.lock(connection, [each.key for each in messages if each.has_placeholders])
    places = _places(connection, [record.key for record in records])
    # A message left out before may be imported now, or left out for another reason: the filters were changed.
    known = {key for key, tables in places.items() if tables - {seen_table.name}}
    scanned = {} if include_duplicates else _scanned(connection, messages, known, now)
    results = [Outcome.KNOWN] * len(records)
    new: dict[MessageKey, int] = {}
    for place, record in enumerate(records):
        if record.key not in known or record.key in scanned:
            new.setdefault(record.key, place)
    # In one order for all: two writers of the same messages wait for each other without a deadlock.
    ordered = [records[new[key]] for key in sorted(new)]
    to_import: list[MessageRecord] = []
    for each in ordered:
        if not isinstance(each, MessageRecord):
            continue
        if _completes(connection, each, scanned, now):
            results[new[each.key]] = Outcome.REPLACED
        elif each.key not in known:
            to_import.append(each)
    features = {each.key: each.features for each in to_import}
    found = _Sorted(
        features, duplicates.originals(connection, list(features.values())), include_duplicates=include_duplicates
    )
    for each in to_import:
        results[new[each.key]] = found.add(each)
    numbers = _insert(connection, found, now, include_duplicates=include_duplicates)
    _note_scans(connection, found, scanned, numbers, now)
    filtered.forget(connection, [each.key for each in ordered if each.key in places])
    left_out = [each for each in ordered if isinstance(each, FilteredMessage)]
    filtered.note(connection, left_out)
    for record in left_out:
        results[new[record.key]] = Outcome.FILTERED
    return results


class _Sorted:
    """Messages with unknown ids; those that equal imported ones, or one another, are kept apart."""

    def __init__(
        self, features: Mapping[MessageKey, DuplicateKey], originals: Sequence[FirstImport], *, include_duplicates: bool
    ) -> None:
        self.features = features
        self._originals = originals
        self._include_duplicates = include_duplicates
        self.new: list[MessageRecord] = []
        self.copies: list[tuple[MessageRecord, MessageKey]] = []
        """Each with the key of its equal."""
        self._keys = {(each.features.account_id, each.graph_id) for each in originals}
        self._first: dict[DuplicateKey, MessageKey] = {}
        for each in originals:
            self._remember(each.features, (each.features.account_id, each.graph_id))

    def add(self, record: MessageRecord) -> Outcome:
        """Sort the message in."""
        if record.key in self._keys:
            return Outcome.KNOWN  # written since we looked
        features = self.features[record.key]
        equal = None if self._include_duplicates else self._first.get(features)
        if equal is not None:
            self.copies.append((record, equal))
            return Outcome.DUPLICATE
        self.new.append(record)
        self._remember(features, record.key)
        return Outcome.IMPORTED

    def numbers(self, written: dict[MessageKey, int]) -> dict[MessageKey, int]:
        """`nMessageID` of all that a copy may equal."""
        return {(each.features.account_id, each.graph_id): each.message_id for each in self._originals} | written

    def _remember(self, features: DuplicateKey, key: MessageKey) -> None:
        if features.are_telling:
            self._first.setdefault(features, key)


def _note_scan(connection: Connection, record: MessageRecord, until: datetime, now: datetime) -> Scan | None:
    place = scans.note(connection, Scan(*record.key, record.message_digest, now, until))
    scanned = None if place.message_id is not None else _scanned_before(connection, record, place.message_digest)
    if scanned is None:
        return place
    scans.forget(connection, place.key)
    if record.key not in known(connection, [record.key], include_filtered=False):
        duplicates.note(connection, [Duplicate(*record.key, scanned, seen=now, reason=duplicates.SCANNED)])
    return None


def _scanned_before(connection: Connection, record: MessageRecord, digest: str) -> int | None:
    """The scanned message whose placeholders this one has, where it was imported first; each belongs to one."""
    if record.received is None or not record.internet_message_id:
        return None
    row = message.c
    alike = and_(
        row.nAccountID == record.account_id,
        row.dtReceived.between(record.received - _DELIVERED_BEFORE, record.received + _SCANNED_AFTER),
        row.sInternetMessageID == record.internet_message_id,
        row.sGraphMessageID != record.graph_message_id,
    )
    below = (
        exists(select(literal(1)).where(attachment.c.nMessageID == row.nMessageID)),
        not_(exists(select(literal(1)).where(scan.c.nMessageID == row.nMessageID))),
        not_(
            exists(
                select(literal(1)).where(
                    duplicate.c.nMessageID == row.nMessageID, duplicate.c.sReason == duplicates.SCANNED
                )
            )
        ),
    )
    found = list(connection.scalars(select(row.nMessageID).where(alike, *below).order_by(row.nMessageID)))
    digests = duplicates.stored_digests(connection, found)
    return next((number for number in found if digests.get(number) == digest), None)


def _scanned(
    connection: Connection, records: Sequence[MessageRecord], known: Collection[MessageKey], now: datetime
) -> dict[MessageKey, Scan]:
    """Find those that replace messages with placeholders, each of one.

    Of the `known` ones, those that were imported with placeholders and no longer have any.
    """
    maybe = [each for each in records if each.attachments and each.internet_message_id and not each.has_placeholders]
    if not maybe or not scans.exist(connection, {each.account_id for each in maybe}):
        return {}
    digests = {each.key: (each.account_id, each.message_digest) for each in maybe}
    waiting = scans.of_digests(connection, set(digests.values()), now=now)
    found: dict[MessageKey, Scan] = {}
    for key, digest in digests.items():
        alike = [each for each in waiting if (each.account_id, each.message_digest) == digest]
        # Changed in place, it is still the same message.
        place = next((each for each in alike if each.key == key), alike[0] if alike and key not in known else None)
        if place is not None:
            found[key] = place
            waiting.remove(place)
    return found


def _note_scans(
    connection: Connection,
    found: _Sorted,
    scanned: Mapping[MessageKey, Scan],
    numbers: Mapping[MessageKey, int],
    now: datetime,
) -> None:
    """Record messages imported without their files, and the scanned messages of those with placeholders."""
    for each in found.new:
        if each.has_placeholders:
            scans.imported(connection, each.key, numbers[each.key], now=now)
    for each, key in [*((each, each.key) for each in found.new), *found.copies]:
        if each.key in scanned:
            _resolve(connection, scanned[each.key], each.key, numbers[key], now)


def _completes(connection: Connection, record: MessageRecord, scanned: dict[MessageKey, Scan], now: datetime) -> bool:
    """Overwrite one that was imported without its files by this message; False: there is no such one."""
    place = scanned.get(record.key)
    if place is None or place.message_id is None:
        return False
    if _complete(connection, place, place.message_id, record, now):
        return True
    del scanned[record.key]
    return False


def _complete(connection: Connection, place: Scan, message_id: int, record: MessageRecord, now: datetime) -> bool:
    """Overwrite the message that was imported without its files by the scanned one; `nMessageID` stays.

    By updates alone: only operators delete mail. Recipients and headers are those of the same mail and stay. False,
    and nothing is written, where an attachment that is stored would be lost.
    """
    if _lost_attachments(connection, message_id, record):
        return False
    features = record.features
    row = _message_row(connection, record, now)
    changed = update(message).where(message.c.nMessageID == message_id)
    connection.execute(by_row(changed.values(row | rule_matches.UNCHECKED)))
    _write_long_texts(connection, message_id, record)
    duplicates.claim_unless_taken(connection, message_id, features)
    _overwrite_attachments(connection, message_id, record.attachments)
    if record.original is not None:
        there = connection.scalar(select(original.c.nMessageID).where(original.c.nMessageID == message_id))
        mime = (_original_row(message_id, record.original), record.original.content, record.original.stored_size)
        _overwrite(connection, original, there, mime, key=("nMessageID",))
    _resolve(connection, place, record.key, message_id, now)
    if not after_import.is_incomplete(connection, message_id):
        after_import.resume(connection, message_id, now=now)
    return True


def _resolve(connection: Connection, place: Scan, key: MessageKey, message_id: int, now: datetime) -> None:
    """Record that the message with placeholders is the scanned one."""
    scans.forget(connection, place.key)
    if place.key != key:
        duplicates.note(connection, [Duplicate(*place.key, message_id, seen=now, reason=duplicates.SCANNED)])


def _overwrite_attachments(connection: Connection, message_id: int, parts: Sequence[AttachmentRecord]) -> None:
    part = attachment.c
    there = {
        row[0]: row[1]
        for row in connection.execute(select(part.nPosition, part.nAttachmentID).where(part.nMessageID == message_id))
    }
    for each in parts:
        row = (_attachment_row(message_id, each), each.content, each.size)
        _overwrite(connection, attachment, there.get(each.position), row, key=("nMessageID", "nPosition"))
    left = sorted(there.keys() - {each.position for each in parts})
    if left:
        # The message with placeholders had more attachments than this one; their content is unknown.
        gone = {"sState": ContentState.GONE, "sStateDetail": _NOT_IN_SCANNED, "nParentPosition": None, "sSHA256": None}
        numbers = [there[position] for position in left]
        connection.execute(
            by_row(update(attachment).where(part.nAttachmentID.in_(numbers)).values(**gone, biContent=null()))
        )


def _overwrite(
    connection: Connection, table: Table, number: int | None, row: _RowWithContent, *, key: tuple[str, ...]
) -> None:
    """Overwrite the row of that number; None: insert a new one."""
    values, content, size = row
    if number is None:
        _insert_contents(connection, table, [row], key=key)
    elif is_file(content):
        update_with_content(connection, table, number, values, content, size=size)
    else:
        [column] = table.primary_key.columns
        connection.execute(by_row(update(table).where(column == number).values(**values, biContent=content)))


def _insert(
    connection: Connection, found: _Sorted, now: datetime, *, include_duplicates: bool
) -> dict[MessageKey, int]:
    """Write new messages, and record copies; return `nMessageID` of those written, and of possible equals."""
    numbers: dict[MessageKey, int] = {}
    if found.new:
        rows = [
            (
                each,
                _message_row(connection, each, now) | after_import.wanted(each.after_import, now, lacking=each.lacking),
            )
            for each in found.new
        ]
        insert_rows(connection, message, [row for each, row in rows if not each.long_texts])
        for each, row in rows:
            if each.long_texts:
                connection.execute(_INSERT_MESSAGE.values(**row))
        numbers = _numbers(connection, [each.key for each in found.new])
        for each in found.new:
            _write_long_texts(connection, numbers[each.key], each)
        if include_duplicates:
            for each in found.new:
                duplicates.claim_anew(connection, numbers[each.key], found.features[each.key])
        else:
            duplicates.claim(connection, [(numbers[each.key], found.features[each.key]) for each in found.new])
        _insert_children(connection, [(numbers[each.key], each) for each in found.new])
    numbers = found.numbers(numbers)
    duplicates.note(
        connection,
        [Duplicate(*record.key, numbers[equal], seen=now, reason=duplicates.SAME) for record, equal in found.copies],
    )
    return numbers


def _replace(connection: Connection, record: MessageRecord, now: datetime, *, include_duplicates: bool) -> Outcome:
    row = message.c
    key = (row.nAccountID == record.account_id) & (row.sGraphMessageID == record.graph_message_id)
    # In the order of `_save`.
    scans.lock(connection, [record.key])
    lost_body = (
        _is_blank(record.body)
        and connection.scalar(select(row.nMessageID).where(key, row.sBody.is_not(None), row.sBody != "")) is not None
    )
    # It locks the row, so that two processes replace the same message one after the other.
    values = _message_row(connection, record, now) | rule_matches.UNCHECKED
    found = connection.execute(update(message).where(key).values(values)).rowcount
    if not found:
        if include_duplicates:
            duplicates.forget(connection, record.account_id, record.graph_message_id)
        [saved] = _save(connection, [record], now, include_duplicates=include_duplicates)
        if not record.has_placeholders:
            scans.forget(connection, record.key)
        # Noted before, or by another process just now.
        return Outcome.DUPLICATE if saved is Outcome.KNOWN and duplicates.of_ids(connection, [record.key]) else saved
    message_id = connection.scalars(select(row.nMessageID).where(key)).one()
    _write_long_texts(connection, message_id, record)
    _check_stored_content(connection, message_id, record, lost_body=lost_body)
    was_incomplete = after_import.is_incomplete(connection, message_id)
    duplicates.claim_anew(connection, message_id, record.features)
    for table in (recipient, header, attachment):
        connection.execute(delete(table).where(table.c.nMessageID == message_id))
    # The stored original stays where no other was requested.
    if record.original is not None:
        connection.execute(delete(original).where(original.c.nMessageID == message_id))
    _insert_children(connection, [(message_id, record)])
    if not record.has_placeholders:
        scans.forget(connection, record.key)
    if was_incomplete and not after_import.is_incomplete(connection, message_id):
        after_import.resume(connection, message_id, now=now)
    elif record.lacking is not None and not was_incomplete:
        after_import.withhold(connection, message_id, lacking=record.lacking)
    return Outcome.REPLACED


def _check_stored_content(connection: Connection, message_id: int, new: MessageRecord, *, lost_body: bool) -> None:
    """Refuse to overwrite a message of which more is stored."""
    mime = original.c
    lost = _lost_attachments(connection, message_id, new)
    reasons = [Phrase("the body")] if lost_body else []
    if lost:
        reasons.append(Phrase.counted("{n} attachment", "{n} attachments", n=lost))
    if new.original is not None and new.original.content is None:
        there = select(mime.nMessageID).where(mime.nMessageID == message_id, mime.biContent.is_not(None))
        if connection.scalar(there) is not None:
            reasons.append(Phrase("the original"))
    if reasons:
        raise StoredContentKept(
            Phrase(
                "The mailbox does not return what is stored of the message: {what}. The stored message is unchanged. "
                "Try again later.",
                what=Phrase.joined(*reasons, by=", "),
            )
        )


def _lost_attachments(connection: Connection, message_id: int, new: MessageRecord) -> int:
    """The number of stored attachments that have no counterpart with content: of one kind and name, or of one digest.

    Another version of the program may read a name differently, and the parts of an item may differ each time. One that
    may be a fragment is no counterpart of one that is whole, unless of its digest.
    """
    part = attachment.c
    stored = connection.execute(
        select(part.sKind, part.sFileName, part.sSHA256, part.sStateDetail).where(
            part.nMessageID == message_id, part.nParentPosition.is_(None), part.biContent.is_not(None)
        )
    ).all()
    come = [each for each in new.attachments if each.is_listed and each.content is not None]
    names = Counter((each.kind, each.file_name, each.is_confirmed) for each in come)
    unnamed: list[str | None] = []
    found = [(kind, name, sha256, is_whole(detail)) for kind, name, sha256, detail in stored]
    for kind, name, sha256, whole in sorted(found, key=lambda each: not each[3]):  # fragments take what is left
        counterpart = (kind, name, bool(whole or names[kind, name, True]))
        if names[counterpart]:
            names[counterpart] -= 1
        else:
            unnamed.append(sha256)
    return (Counter(unnamed) - Counter(each.sha256 for each in come)).total()


def _insert_children(connection: Connection, saved: list[tuple[int, MessageRecord]]) -> None:
    recipients = [_recipient_row(message_id, each) for message_id, record in saved for each in record.recipients]
    insert_rows(connection, recipient, recipients)
    headers = [
        {"nMessageID": message_id, "nPosition": position, "sName": each.name, "sValue": each.value}
        for message_id, record in saved
        for position, each in enumerate(record.headers)
    ]
    insert_rows(connection, header, headers)
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
    rows: Sequence[_RowWithContent],
    *,
    key: tuple[str, ...],
) -> None:
    """Insert rows, each with its content and the size of that; those without a file together."""
    small = [{**row, "biContent": held} for row, held, _ in rows if not is_file(held)]
    insert_rows(connection, table, small)
    for row, held, size in rows:
        if is_file(held):
            insert_with_content(connection, table, row, held, size=size, key=key)


def _is_blank(body: str | LongText | None) -> bool:
    return not isinstance(body, LongText) and not (body or "").strip()


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
