"""One notification to one committed message: fetch, map, write; or find that there is nothing to do."""

import asyncio
import dataclasses
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from bus.notification import Notification
from db.outcomes import ContentState, Outcome
from db.queries.messages import MessageStore
from db.records import AttachmentRecord, MessageRecord
from db.tables import GRAPH_ID_LENGTH
from graph.errors import ItemGone
from graph.mailbox import Mailbox
from graph.messages import MailReader
from longtext import LongText
from phrases import Phrase
from processor.content.addresses import with_smtp_addresses
from processor.content.attachments import AttachmentFetcher, AttachmentLimits, PlaceholdersFound, bytes_in_memory
from processor.content.body_text import PRELOAD as PRELOAD_BODIES
from processor.content.body_text import BodyTexts
from processor.content.byte_budget import ByteBudget
from processor.content.headers import NAMES, Kept
from processor.content.isolated_unpacking import PRELOAD
from processor.content.mapping import (
    Body,
    Json,
    author_of,
    body_of,
    facts_of,
    files_among,
    filtered_record,
    has_attachments,
    message_record,
    size_of,
    time,
)
from processor.content.raw_mime import IN_MEMORY as ORIGINAL_IN_MEMORY
from processor.content.raw_mime import OriginalFetcher
from processor.content.spool import spooling_threads
from processor.content.texts import Texts
from processor.errors import MessageChanged, ScanInProgress, Unprocessable
from processor.filters import LeftOut, MailFilter
from processor.process_pool import ProcessPool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

# A 404 right after a notification is normal (docs/graph.md, section 11): Exchange replicates.
_GONE_AGAIN_AFTER_SECONDS: Final = (0.5, 2.0)
_NOT_STORED: Final = frozenset({ContentState.TOO_LARGE, ContentState.UNREADABLE, ContentState.GONE})
_SCANNED_WITHIN: Final = timedelta(minutes=30)
_SCAN_CHECK_PAUSES: Final = (timedelta(seconds=15), timedelta(minutes=1))
"""The shortest and the longest time between two fetches of a message that Defender scans."""


def worker_processes() -> ProcessPool:
    """Processes for untrusted content; none is started before there is work. An asynchronous context."""
    return ProcessPool((*PRELOAD, *PRELOAD_BODIES))


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result; when the mailbox received the message, and of an imported one how many attachments came with it.

    `replaced_characters`: number of invalid characters in its texts, U+FFFD in the database. `shortened_texts`: number
    of texts longer than their columns. `reason` and `rule`: of a filtered message, the filter that left it out.
    `lacking`: content that was listed and is not stored, so that the action afterwards waits.
    """

    outcome: Outcome
    attachments: int = 0
    received: datetime | None = None
    replaced_characters: int = 0
    shortened_texts: int = 0
    reason: str | None = None
    rule: str | None = None
    lacking: str | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """The id of the folder that a message was in at that time, or later."""

    folder_id: str
    time: datetime


@dataclass(slots=True)
class Progress:
    """Progress of the import of one message, also when it failed: filled in as it goes on.

    `fetched`: time at which message and attachments were all here. `located`: its folder, None where Graph did not
    return it. Subject and author are mail: not for logs.
    """

    internet_message_id: str | None = None
    subject: str | None = field(default=None, repr=False)
    from_name: str | None = field(default=None, repr=False)
    from_address: str | None = field(default=None, repr=False)
    received: datetime | None = None
    fetched: datetime | None = None
    located: Located | None = None


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
    # No database accepts half a character in a key, and one accepts no NUL: it would refuse the whole query.
    if not notification.message_id.isprintable():
        raise Unprocessable(
            "MalformedNotification",
            Phrase("The message id has an unprintable character, as no id of Graph does."),
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
        budget: ByteBudget | None = None,
    ) -> None:
        """`headers`: the internet headers to keep. `keep_mime`: keep the raw MIME of each message, too.

        `processes`: read packed or large content, as made by `worker_processes`; otherwise the importer has some of its
        own, which end with it.
        """
        limits = limits or AttachmentLimits()
        self._reader = reader
        self._headers = NAMES[headers]
        self.store = store
        spooling = spooling_threads()
        self._processes = processes or worker_processes()
        self._attachments = AttachmentFetcher(reader, limits=limits, processes=self._processes, spooling=spooling)
        self._originals = OriginalFetcher(reader, limit_mb=limits.message_mb, spooling=spooling)
        self._keep_mime = keep_mime
        self._bodies = BodyTexts(self._processes, spooling)
        self._clock = clock
        self._sleep = sleep
        self._budget = budget or ByteBudget()

    async def run(
        self,
        mailbox: Mailbox,
        message_id: str,
        *,
        correlation: str,
        progress: Progress | None = None,
        mail_filter: MailFilter | None = None,
        replacing: bool = False,
        include_duplicates: bool = False,
        then: str | None = None,
        keep_original: bool = False,
        last_attempt: bool = False,
        without_original: bool = False,
        first_seen: datetime | None = None,
    ) -> ImportResult:
        """Fetch the message with everything below it, and commit it whole. `progress` records the stages reached.

        A message that `mail_filter` leaves out is recorded, and known from then on. An imported one stays as it is;
        with `replacing` it becomes what the mailbox holds now, and with `include_duplicates` a copy of another message
        becomes one of its own. `then`: the action on it in the mailbox afterwards, which is committed with it and left
        to `processor.after_import`. `keep_original`: keep the raw MIME of this message, whatever the importer does. On
        the `last_attempt` an attachment that Exchange cannot open is left out, with a row that states it;
        `without_original`, raw MIME that Graph does not give is.

        Attachments that Defender still scans are awaited until 30 minutes after the message was received, or after
        `first_seen` (None: now) where that was earlier. A message that was imported without them is completed when they
        are there.

        Raises:
            ScanInProgress: nothing was written; retry later.
            GraphError, MessageChanged, Unprocessable, MessageRefused, DatabaseUnavailable: nothing was written.
        """
        progress = progress or Progress()
        with ExitStack() as files:
            try:
                return await self._run(
                    mailbox,
                    message_id,
                    files,
                    progress,
                    correlation=correlation,
                    mail_filter=mail_filter,
                    replacing=replacing,
                    include_duplicates=include_duplicates,
                    then=then,
                    keep_original=keep_original or self._keep_mime,
                    last_attempt=last_attempt,
                    without_original=without_original,
                    first_seen=first_seen,
                )
            except ItemGone:
                await self.store.end_wait((mailbox.account_id, message_id))
                return ImportResult(Outcome.GONE)

    async def _run(
        self,
        mailbox: Mailbox,
        message_id: str,
        files: ExitStack,
        progress: Progress,
        *,
        correlation: str,
        mail_filter: MailFilter | None,
        replacing: bool,
        include_duplicates: bool,
        then: str | None,
        keep_original: bool,
        last_attempt: bool,
        without_original: bool,
        first_seen: datetime | None,
    ) -> ImportResult:
        asked = self._clock()
        message = await self._fetch(mailbox, message_id, files)
        _note_envelope(progress, message, asked)
        why = None if mail_filter is None else _left_out_by(mail_filter, message)
        if why is not None:
            return await self._left_out(mailbox, message_id, message, why)
        attached = has_attachments(message)
        texts = Texts()
        attachments: list[AttachmentRecord] = []
        even_placeholders = False
        # Until it is written: a message that waits holds nothing but its JSON without the long texts.
        needed = _bytes_below(message, attached, keep_original=keep_original)
        async with (
            self._budget.reserved(needed, mailbox=mailbox.counted_as),
            self._gone_with_its_message(mailbox, message_id),
        ):
            fetch = functools.partial(
                self._attachments.fetch, mailbox, message_id, message, files, texts, last_attempt=last_attempt
            )
            try:
                if attached is not False:
                    attachments = await fetch()
            except PlaceholdersFound:
                known = await self._wait_for_scan(mailbox, message_id, message, first_seen)
                if known is not None and not replacing:
                    return known
                even_placeholders = True
                attachments = await fetch(even_placeholders=True)
            if mail_filter is not None and attached is None:
                listed = dataclasses.replace(facts_of(message), has_attachments=files_among(attachments, message))
                why = mail_filter.left_out(listed)
                if why is not None:
                    return await self._left_out(mailbox, message_id, message, why)
            original = None
            if keep_original:
                original = await self._originals.fetch(
                    mailbox, message_id, message, files, last_attempt=without_original
                )
                if original.state is ContentState.GONE and not last_attempt:
                    await self._require_gone(mailbox, message_id, original.state_detail)
            progress.fetched = self._clock()
            body = body_of(message, texts)
            record = message_record(
                mailbox.account_id,
                message_id,
                message,
                attachments,
                correlation=correlation,
                texts=texts,
                headers=self._headers,
                body=body,
                body_text=await self._readable(body, attachments, files, mailbox),
                after_import=then,
                original=original,
                has_placeholders=even_placeholders,
            )
            outcome = await self._written(record, replacing=replacing, include_duplicates=include_duplicates)
        if outcome in {Outcome.KNOWN, Outcome.DUPLICATE}:
            return ImportResult(outcome, received=record.received)
        _log_missing(record)
        return ImportResult(
            outcome,
            sum(each.is_listed for each in attachments),
            record.received,
            replaced_characters=texts.replaced,
            shortened_texts=texts.shortened,
            lacking=record.lacking,
        )

    @asynccontextmanager
    async def _gone_with_its_message(self, mailbox: Mailbox, message_id: str) -> AsyncIterator[None]:
        """Fetch parts of a message that was there: the 404 of one ends the message only if that is gone itself.

        Exchange replicates the parts, too (docs/graph.md, section 11).
        """
        try:
            yield
        except ItemGone as exc:
            await self._require_gone(mailbox, message_id, str(exc))
            raise

    async def _require_gone(self, mailbox: Mailbox, message_id: str, missing: str | None) -> None:
        """Ensure that a message of which a part is missing is gone itself.

        Raises:
            MessageChanged: it is there, and so the part may appear.
        """
        try:
            await self._reader.parent_folder(mailbox, message_id)
        except ItemGone:
            return
        raise MessageChanged(f"The message is there, but a part of it is not: {missing}")

    async def _wait_for_scan(
        self, mailbox: Mailbox, message_id: str, message: Json, first_seen: datetime | None
    ) -> ImportResult | None:
        """Demand another delivery, or return when it waited for long enough: None to import it as it is.

        An outcome where there is nothing to do: it is imported so already, or the scanned message is.

        Raises:
            ScanInProgress
        """
        now = self._clock()
        record = message_record(mailbox.account_id, message_id, message, [], correlation="", texts=Texts())
        met = min(each for each in (first_seen, record.received, now) if each is not None)
        waiting = await self.store.note_scan(record, until=met + _SCANNED_WITHIN)
        if waiting is None:
            return ImportResult(Outcome.DUPLICATE, received=record.received)
        if waiting.message_id is not None:
            return ImportResult(Outcome.KNOWN, received=record.received)
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

    async def _left_out(self, mailbox: Mailbox, message_id: str, message: Json, why: LeftOut) -> ImportResult:
        record = filtered_record(mailbox.account_id, message_id, message, why, seen=self._clock())
        outcome = await self.store.note_filtered(record)
        if outcome is not Outcome.FILTERED:
            return ImportResult(outcome, received=record.received)
        return ImportResult(outcome, received=record.received, reason=record.reason, rule=record.rule)

    async def _written(self, record: MessageRecord, *, replacing: bool, include_duplicates: bool) -> Outcome:
        return await (
            self.store.replace(record, include_duplicates=include_duplicates) if replacing else self.store.save(record)
        )

    async def _fetch(self, mailbox: Mailbox, message_id: str, files: ExitStack) -> Json:
        for seconds in _GONE_AGAIN_AFTER_SECONDS:
            try:
                return await self._ask(mailbox, message_id, files)
            except ItemGone:
                await self._sleep(seconds)
        return await self._ask(mailbox, message_id, files)

    async def _ask(self, mailbox: Mailbox, message_id: str, files: ExitStack) -> Json:
        message = await self._reader.message(mailbox, message_id, with_headers=self._headers != (), files=files)
        return with_smtp_addresses(message)

    async def _readable(
        self, body: Body, attachments: Sequence[AttachmentRecord], files: ExitStack, mailbox: Mailbox
    ) -> str | LongText | None:
        """The body without HTML; where Graph gave none, the text of the mail that an attachment wraps."""
        shown = body.content
        if shown is not None and (body.kind or "").lower() == "html":
            shown = await self._bodies.of_html(shown, files, mailbox=mailbox)
        if isinstance(shown, LongText) or (shown and not shown.isspace()):
            return shown
        return next((each.wrapped_text for each in attachments if each.wrapped_text is not None), shown)


def _left_out_by(mail_filter: MailFilter, message: Json) -> LeftOut | None:
    facts = facts_of(message)
    why = mail_filter.left_out(facts)
    if why is None and mail_filter.needs_sender(facts):
        log.warning("sender_without_smtp_address", detail="Filters of senders let it in.")
    return why


def _bytes_below(message: Json, attached: bool | None, *, keep_original: bool) -> int:
    """Bytes that attachments and raw MIME of a message hold in memory at most."""
    below = 0 if attached is False else bytes_in_memory(size_of(message))
    return below + (ORIGINAL_IN_MEMORY if keep_original else 0)


def _note_envelope(progress: Progress, message: Json, asked: datetime) -> None:
    texts = Texts()
    folder_id = texts.take(message.get("parentFolderId"))
    progress.located = Located(folder_id, asked) if folder_id else None
    progress.internet_message_id = texts.take(message.get("internetMessageId"))
    progress.subject = texts.take(message.get("subject"))
    progress.from_name, progress.from_address = author_of(message, texts)
    progress.received = time(message.get("receivedDateTime"))


def _log_missing(record: MessageRecord) -> None:
    for each in record.attachments:
        if each.is_listed and each.state in _NOT_STORED:
            log.warning("attachment_not_stored", position=each.position, state=each.state, detail=each.state_detail)
    original = record.original
    if original is not None and original.state in _NOT_STORED:
        log.warning("original_not_stored", state=original.state, detail=original.state_detail)
