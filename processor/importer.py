"""One notification to one committed message: fetch, map, write; or find that there is nothing to do."""

import asyncio
import dataclasses
import functools
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

import structlog

from bus.notification import Notification
from db.messages import AttachmentRecord, MessageRecord, MessageStore, OriginalRecord, Saved
from db.seen import SeenRecord
from db.tables import GRAPH_ID_LENGTH
from graph.errors import ItemGone
from graph.mailbox import Mailbox
from graph.messages import MailReader
from phrases import Phrase
from processor.attachments import AttachmentFetcher, AttachmentLimits, PlaceholdersFound
from processor.errors import ScanInProgress, Unprocessable
from processor.filters import MailFilter
from processor.headers import NAMES, Kept
from processor.isolated_unpacking import PRELOAD
from processor.mapping import Json, Texts, facts_of, may_have_attachments, message_record, seen_record
from processor.originals import OriginalFetcher
from processor.plain_text import LONGEST_LAID_OUT, LONGEST_READ, plain_text
from processor.process_pool import LimitExceeded, ProcessPool
from processor.spool import spooling_threads
from threads import DaemonThreads

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

# A 404 right after a notification is normal (graph.md, section 11): Exchange replicates.
_GONE_AGAIN_AFTER_SECONDS: Final = (0.5, 2.0)
_NOT_STORED: Final = frozenset({"too_large", "unreadable", "gone"})
_SCANNED_WITHIN: Final = timedelta(minutes=30)
_SCAN_CHECK_PAUSES: Final = (timedelta(seconds=15), timedelta(minutes=1))
"""The shortest and the longest time between two fetches of a message that Defender scans."""
_SOON_LAID_OUT: Final = 4096
"""Characters of HTML that become text in less time than a thread takes to begin."""
_LAID_OUT_SIDE_BY_SIDE: Final = 2


def worker_processes() -> ProcessPool:
    """Processes for what strangers wrote; none is started before there is work. An asynchronous context."""
    return ProcessPool(PRELOAD)


class Result(Enum):
    """What became of a notification."""

    IMPORTED = "imported"
    REPLACED = "replaced"
    KNOWN = "known"
    DUPLICATE = "duplicate"
    SEEN = "seen"
    GONE = "gone"


_RESULTS: Final = {
    Saved.NEW: Result.IMPORTED,
    Saved.REPLACED: Result.REPLACED,
    Saved.KNOWN: Result.KNOWN,
    Saved.COPY: Result.DUPLICATE,
    Saved.SEEN: Result.SEEN,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result; when the mailbox received the message, and of an imported one how many attachments came with it.

    `replaced_characters`: how many of its texts were no characters, and are U+FFFD in the database. `shortened_texts`:
    how many were longer than their columns. `reason` and `rule`: of one that is only seen, what left it out. `lacking`:
    what was listed and is not stored, so that what is to be done afterwards waits.
    """

    result: Result
    attachments: int = 0
    received: datetime | None = None
    replaced_characters: int = 0
    shortened_texts: int = 0
    reason: str | None = None
    rule: str | None = None
    lacking: str | None = None


@dataclass(slots=True)
class Progress:
    """How far the import of one message came, also when it failed: filled in as it goes on.

    `fetched`: when message and attachments were all here. The subject is mail: not for logs.
    """

    internet_message_id: str | None = None
    subject: str | None = field(default=None, repr=False)
    fetched: datetime | None = None


def message_id_of(notification: Notification) -> str:
    """The immutable id of the message to import.

    Raises:
        Unprocessable: the notification is of a kind that this program does not import.
    """
    if notification.message_id is None:
        raise Unprocessable("MalformedNotification", Phrase("The notification has no resourceData.id in text form."))
    if notification.change_type != "created":
        raise Unprocessable(
            "UnknownChangeType",
            Phrase(
                "changeType is {change_type!r}; only 'created' is subscribed to and imported.",
                change_type=notification.change_type,
            ),
        )
    if len(notification.message_id) > GRAPH_ID_LENGTH:
        raise Unprocessable(
            "MessageIdTooLong",
            Phrase(
                "The message id has {count} characters; the database keys {graph_id_length}.",
                count=len(notification.message_id),
                graph_id_length=GRAPH_ID_LENGTH,
            ),
        )
    # No database takes half a character in a key, and one none that is NUL: it would refuse all that it is asked with.
    if not notification.message_id.isprintable():
        raise Unprocessable(
            "MalformedNotification",
            Phrase("The message id holds what is no character to print, as no id of Graph does."),
        )
    return notification.message_id


class Importer:
    """Imports the message of a notification. Safe to repeat, by any number of hosts at once."""

    def __init__(
        self,
        reader: MailReader,
        store: MessageStore,
        *,
        clock: Callable[[], datetime],
        headers: Kept = "selected",
        limits: AttachmentLimits | None = None,
        keep_mime: bool = False,
        processes: ProcessPool | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`headers`: which internet headers are kept. `keep_mime`: the original of each message, too.

        `processes`: read what is packed or large, as `worker_processes` makes them; the importer has some of its own
        otherwise, which end with it.
        """
        limits = limits or AttachmentLimits()
        self._reader = reader
        self._headers = NAMES[headers]
        self._store = store
        spooling = spooling_threads()
        self._processes = processes or worker_processes()
        self._attachments = AttachmentFetcher(reader, limits=limits, processes=self._processes, spooling=spooling)
        self._originals = OriginalFetcher(reader, limit_mb=limits.message_mb, spooling=spooling) if keep_mime else None
        self._layout = DaemonThreads("layout", limit=_LAID_OUT_SIDE_BY_SIDE)
        self._clock = clock
        self._sleep = sleep

    async def run(
        self,
        mailbox: Mailbox,
        message_id: str,
        *,
        correlation: str,
        progress: Progress | None = None,
        mail_filter: MailFilter | None = None,
        replacing: bool = False,
        even_copy: bool = False,
        then: str | None = None,
        last_attempt: bool = False,
        without_original: bool = False,
        first_seen: datetime | None = None,
    ) -> Outcome:
        """Fetch the message with everything below it, and commit it whole. `progress` is told how far that came.

        What `mail_filter` leaves out is recorded, and known from then on. What is imported already stays as it is; with
        `replacing` it becomes what the mailbox holds now, and with `even_copy` a copy of another message becomes one of
        its own. `then`: what is to be done to it in the mailbox afterwards, which is committed with it and left to
        `processor.after_import`. On the `last_attempt` an attachment that Exchange cannot open is left out, with a row
        that says so; `without_original`, an original that Graph does not give is.

        Attachments that Defender still scans are waited for until 30 minutes after the message was received, or after
        `first_seen` (None: now) where that was earlier. A message that was imported without them is completed when they
        are there.

        Raises:
            ScanInProgress: nothing was written; ask again later.
            GraphError, MessageChanged, Unprocessable, MessageRefused, DatabaseUnavailable: nothing was written.
        """
        progress = progress or Progress()
        try:
            message = await self._fetch(mailbox, message_id)
        except ItemGone:
            return await self._gone(mailbox, message_id)
        shown = Texts()
        progress.internet_message_id = shown.take(message.get("internetMessageId"))
        progress.subject = shown.take(message.get("subject"))
        why = None if mail_filter is None else mail_filter.left_out(facts_of(message))
        if why is not None:
            return await self._left_out(seen_record(mailbox.account_id, message_id, message, why, seen=self._clock()))
        texts = Texts()
        even_placeholders = False
        with ExitStack() as files:
            below = functools.partial(
                self._below,
                mailbox,
                message_id,
                message,
                files,
                texts,
                last_attempt=last_attempt,
                without_original=without_original,
            )
            try:
                try:
                    attachments, original = await below(even_placeholders=False)
                except PlaceholdersFound:
                    known = await self._wait_for_scan(mailbox, message_id, message, first_seen)
                    if known is not None and not replacing:
                        return known
                    even_placeholders = True
                    attachments, original = await below(even_placeholders=True)
            except ItemGone:
                return await self._gone(mailbox, message_id)
            progress.fetched = self._clock()
            record = message_record(
                mailbox.account_id,
                message_id,
                message,
                attachments,
                correlation=correlation,
                texts=texts,
                headers=self._headers,
            )
            record = dataclasses.replace(
                record,
                body_text=await self._readable(record, mailbox),
                after_import=then,
                original=original,
                has_placeholders=even_placeholders,
            )
            result = _RESULTS[await self._written(record, replacing=replacing, even_copy=even_copy)]
        if result in {Result.KNOWN, Result.DUPLICATE}:
            return Outcome(result, received=record.received)
        _tell_of_missing(record)
        listed = sum(each.is_listed for each in attachments)
        return Outcome(
            result,
            listed,
            record.received,
            replaced_characters=texts.replaced,
            shortened_texts=texts.shortened,
            lacking=record.lacking,
        )

    async def _gone(self, mailbox: Mailbox, message_id: str) -> Outcome:
        await self._store.end_wait((mailbox.account_id, message_id))
        return Outcome(Result.GONE)

    async def _wait_for_scan(
        self, mailbox: Mailbox, message_id: str, message: Json, first_seen: datetime | None
    ) -> Outcome | None:
        """Have it asked for again, or return when it waited for long enough: None to import it as it is.

        An outcome where there is nothing to do: it is imported so already, or the scanned message is.

        Raises:
            ScanInProgress
        """
        now = self._clock()
        letter = message_record(mailbox.account_id, message_id, message, [], correlation="", texts=Texts())
        met = min(each for each in (first_seen, letter.received, now) if each is not None)
        waiting = await self._store.note_scan(letter, until=met + _SCANNED_WITHIN)
        if waiting is None:
            return Outcome(Result.DUPLICATE, received=letter.received)
        if waiting.message_id is not None:
            return Outcome(Result.KNOWN, received=letter.received)
        if now < waiting.until:
            raise ScanInProgress(
                Phrase(
                    "Defender still scans attachments of the message (Dynamic Delivery). It is imported with them, or "
                    "at {until:%Y-%m-%d %H:%M} UTC without.",
                    until=waiting.until,
                ),
                min(max((now - met) / 2, _SCAN_CHECK_PAUSES[0]), _SCAN_CHECK_PAUSES[1], waiting.until - now),
            )
        return None

    async def _left_out(self, record: SeenRecord) -> Outcome:
        result = _RESULTS[await self._store.note_seen(record)]
        if result is not Result.SEEN:
            return Outcome(result, received=record.received)
        return Outcome(result, received=record.received, reason=record.reason, rule=record.rule)

    async def _below(
        self,
        mailbox: Mailbox,
        message_id: str,
        message: Json,
        files: ExitStack,
        texts: Texts,
        *,
        last_attempt: bool,
        without_original: bool,
        even_placeholders: bool,
    ) -> tuple[list[AttachmentRecord], OriginalRecord | None]:
        """Attachments, and the original where it is asked for."""
        attachments: list[AttachmentRecord] = []
        if may_have_attachments(message):
            attachments = await self._attachments.fetch(
                mailbox,
                message_id,
                message,
                files,
                texts,
                last_attempt=last_attempt,
                even_placeholders=even_placeholders,
            )
        if self._originals is None:
            return attachments, None
        return attachments, await self._originals.fetch(
            mailbox, message_id, message, files, last_attempt=without_original
        )

    async def _written(self, record: MessageRecord, *, replacing: bool, even_copy: bool) -> Saved:
        return await (self._store.replace(record, even_copy=even_copy) if replacing else self._store.save(record))

    async def _fetch(self, mailbox: Mailbox, message_id: str) -> Json:
        for seconds in _GONE_AGAIN_AFTER_SECONDS:
            try:
                return await self._ask(mailbox, message_id)
            except ItemGone:
                await self._sleep(seconds)
        return await self._ask(mailbox, message_id)

    async def _ask(self, mailbox: Mailbox, message_id: str) -> Json:
        return await self._reader.message(mailbox, message_id, with_headers=self._headers != ())

    async def _readable(self, record: MessageRecord, mailbox: Mailbox) -> str | None:
        """The body without HTML; where Graph gave none, the text of the mail that an attachment wraps."""
        shown = await self._shown(record, mailbox)
        if shown and not shown.isspace():
            return shown
        return next((each.wrapped_text for each in record.attachments if each.wrapped_text is not None), shown)

    async def _shown(self, record: MessageRecord, mailbox: Mailbox) -> str | None:
        if record.body is None or (record.body_type or "").lower() != "html":
            return record.body
        if len(record.body) < _SOON_LAID_OUT:
            return plain_text(record.body)
        if len(record.body) <= LONGEST_LAID_OUT:
            return await asyncio.get_running_loop().run_in_executor(self._layout, plain_text, record.body)
        if len(record.body) > LONGEST_READ:
            log.warning("body_text_left_out", characters=len(record.body), most=LONGEST_READ)
            return None
        try:
            # It takes seconds, and several times its length in memory.
            return await self._processes.run(plain_text, record.body, mailbox=mailbox.counted_as, size=len(record.body))
        except LimitExceeded as exc:
            log.warning("body_text_left_out", characters=len(record.body), detail=str(exc))
            return None


def _tell_of_missing(record: MessageRecord) -> None:
    for each in record.attachments:
        if each.is_listed and each.state in _NOT_STORED:
            log.warning("attachment_not_stored", position=each.position, state=each.state, detail=each.state_detail)
    original = record.original
    if original is not None and original.state in _NOT_STORED:
        log.warning("original_not_stored", state=original.state, detail=original.state_detail)
