"""One notification to one committed message: fetch, map, write; or find that there is nothing to do."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

import structlog

from bus.notification import Notification
from db.messages import AttachmentRecord, MessageRecord, MessageStore, Saved
from db.tables import GRAPH_ID_LENGTH
from graph.errors import ItemGone
from graph.mailbox import Mailbox
from graph.messages import MailReader
from processor.attachments import AttachmentFetcher, AttachmentLimits
from processor.errors import Unprocessable
from processor.headers import NAMES, Kept
from processor.mapping import Json, Texts, may_have_attachments, message_record
from processor.plain_text import LONGEST_LAID_OUT, LONGEST_READ, plain_text

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

# A 404 right after a notification is normal (graph.md, section 11): Exchange replicates.
_GONE_AGAIN_AFTER_SECONDS: Final = (0.5, 2.0)
_NOT_STORED: Final = frozenset({"too_large", "unreadable", "gone"})
_SOON_LAID_OUT: Final = 4096
"""Characters of HTML that become text in less time than a thread takes to begin."""


class Result(Enum):
    """What became of a notification."""

    IMPORTED = "imported"
    REPLACED = "replaced"
    KNOWN = "known"
    DUPLICATE = "duplicate"
    GONE = "gone"


_RESULTS: Final = {
    Saved.NEW: Result.IMPORTED,
    Saved.REPLACED: Result.REPLACED,
    Saved.KNOWN: Result.KNOWN,
    Saved.COPY: Result.DUPLICATE,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result; when the mailbox received the message, and of an imported one how many attachments came with it.

    `replaced_characters`: how many of its texts were no characters, and are U+FFFD in the database. `shortened_texts`:
    how many were longer than their columns.
    """

    result: Result
    attachments: int = 0
    received: datetime | None = None
    replaced_characters: int = 0
    shortened_texts: int = 0


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
        raise Unprocessable("MalformedNotification", "The notification has no resourceData.id in text form.")
    if notification.change_type != "created":
        raise Unprocessable(
            "UnknownChangeType",
            f"changeType is {notification.change_type!r}; only 'created' is subscribed to and imported.",
        )
    if len(notification.message_id) > GRAPH_ID_LENGTH:
        raise Unprocessable(
            "MessageIdTooLong",
            f"The message id has {len(notification.message_id)} characters; the database keys {GRAPH_ID_LENGTH}.",
        )
    # No database takes half a character in a key, and one none that is NUL: it would refuse all that it is asked with.
    if not notification.message_id.isprintable():
        raise Unprocessable(
            "MalformedNotification", "The message id holds what is no character to print, as no id of Graph does."
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
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`headers`: which internet headers are kept."""
        self._reader = reader
        self._headers = NAMES[headers]
        self._store = store
        self._attachments = AttachmentFetcher(reader, limits=limits)
        self._clock = clock
        self._sleep = sleep
        # One large body at a time: it takes several times its length in memory.
        self._large_body = asyncio.Lock()

    async def run(
        self,
        mailbox: Mailbox,
        message_id: str,
        *,
        correlation: str,
        progress: Progress | None = None,
        replacing: bool = False,
        even_copy: bool = False,
        then: str | None = None,
        last_attempt: bool = False,
    ) -> Outcome:
        """Fetch the message with everything below it, and commit it whole. `progress` is told how far that came.

        What is imported already stays as it is; with `replacing` it becomes what the mailbox holds now, and with
        `even_copy` a copy of another message becomes one of its own. `then`: what is to be done to it in the mailbox
        afterwards, which is committed with it and left to `processor.after_import`. On the `last_attempt` an attachment
        that Exchange cannot open is left out, with a row that says so.

        Raises:
            GraphError, MessageChanged, Unprocessable, MessageRefused, DatabaseUnavailable: nothing was written.
        """
        progress = progress or Progress()
        try:
            message = await self._fetch(mailbox, message_id)
        except ItemGone:
            return Outcome(Result.GONE)
        shown = Texts()
        progress.internet_message_id = shown.take(message.get("internetMessageId"))
        progress.subject = shown.take(message.get("subject"))
        texts = Texts()
        with ExitStack() as files:
            attachments: list[AttachmentRecord] = []
            if may_have_attachments(message):
                try:
                    attachments = await self._attachments.fetch(
                        mailbox, message_id, message, files, texts, last_attempt=last_attempt
                    )
                except ItemGone:
                    return Outcome(Result.GONE)
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
            record = dataclasses.replace(record, body_text=await self._readable(record), after_import=then)
            result = _RESULTS[await self._written(record, replacing=replacing, even_copy=even_copy)]
        if result in {Result.KNOWN, Result.DUPLICATE}:
            return Outcome(result, received=record.received)
        listed = [each for each in attachments if each.parent_position is None]
        for each in listed:
            if each.state in _NOT_STORED:
                log.warning("attachment_not_stored", position=each.position, state=each.state, detail=each.state_detail)
        return Outcome(
            result,
            len(listed),
            record.received,
            replaced_characters=texts.replaced,
            shortened_texts=texts.shortened,
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

    async def _readable(self, record: MessageRecord) -> str | None:
        """The body without HTML."""
        if record.body is None or (record.body_type or "").lower() != "html":
            return record.body
        if len(record.body) < _SOON_LAID_OUT:
            return plain_text(record.body)
        if len(record.body) <= LONGEST_LAID_OUT:
            return await asyncio.to_thread(plain_text, record.body)
        if len(record.body) > LONGEST_READ:
            log.warning("body_text_left_out", characters=len(record.body), most=LONGEST_READ)
            return None
        async with self._large_body:
            return await asyncio.to_thread(plain_text, record.body)
