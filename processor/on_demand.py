"""Import at an operator's request: fetched now, in this process, without the queue.

A processor may import the same message meanwhile; the database decides which was first, as between processors.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Final

import structlog

import background
from bus.notification import Notification, Source
from db.errors import DatabaseUnavailable
from db.outcomes import Outcome
from db.queries.messages import MessageStore
from graph.errors import AccountError, GraphUnavailable, ItemCorrupt, ItemDenied, ItemError, RequestRejected
from graph.folders import MailFolders
from graph.mailbox import Mailbox
from graph.messages import MailReader
from hostfaults import host_fault_of
from phrases import Phrase
from processor.errors import MessageChanged, ScanInProgress, Unprocessable
from processor.filters import MailFilter
from processor.importer import Importer, ImportResult, Progress, message_id_of
from processor.message_trace import TraceWriter
from processor.settlement import EXPECTED_ERRORS

_MAX_OUTAGES: Final = 8
"""Consecutive messages that Graph does not answer for, each retried again and again, until the rest is left alone."""
_FETCHES: Final = 3

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Selection:
    """The messages of these ids, or with this internet message id in the folder, or else all in the folder.

    `since`: of the folder only those received then or later (aware, UTC).
    """

    ids: Sequence[str] = ()
    internet_message_id: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class NotImported:
    """A requested message that is not there. `outcome`: gone or failed; `detail` is for an operator."""

    message_id: str
    outcome: str
    reason: str | None
    detail: str | None


@dataclass(slots=True)
class Tally:
    """Outcomes of `selected` messages.

    `known`: imported before, and not fetched again. `duplicate`: copies of imported ones, not imported again. `seen`:
    left out by the account's filters. `scanning`: waiting for Defender's scan of their attachments; a processor imports
    them.

    `stopped`: the error that left the rest alone: of the account, the database, this machine, or too many in a row.
    """

    selected: int = 0
    imported: int = 0
    replaced: int = 0
    known: int = 0
    duplicate: int = 0
    seen: int = 0
    gone: int = 0
    scanning: int = 0
    failed: int = 0
    not_imported: list[NotImported] = field(default_factory=list)
    stopped: Exception | None = None

    @property
    def written(self) -> int:
        """Number of messages written."""
        return self.imported + self.replaced

    @property
    def done(self) -> int:
        """Number of messages with a known outcome."""
        return self.written + self.known + self.duplicate + self.seen + self.gone + self.scanning + self.failed

    def count(self, result: Outcome) -> None:
        """Count what became of one more message."""
        match result:
            case Outcome.IMPORTED:
                self.imported += 1
            case Outcome.REPLACED:
                self.replaced += 1
            case Outcome.KNOWN:
                self.known += 1
            case Outcome.DUPLICATE:
                self.duplicate += 1
            case Outcome.FILTERED:
                self.seen += 1
            case Outcome.GONE:
                self.gone += 1


class MessageSelector:
    """Finds the messages of a selection in the mailbox."""

    def __init__(self, reader: MailReader, store: MessageStore, folders: MailFolders) -> None:
        self._reader = reader
        self._store = store
        self._folders = folders

    async def pages(self, mailbox: Mailbox, folder: str, selection: Selection) -> AsyncIterator[list[str]]:
        """Their immutable ids, page by page; one may occur twice.

        Raises:
            GraphError, DatabaseUnavailable
        """
        if selection.ids:
            yield await self._immutable(mailbox, selection.ids)
        elif selection.internet_message_id is not None:
            located = await self._folders.locate(mailbox, folder)
            yield await self._named(mailbox, located, selection.internet_message_id)
        else:
            located = await self._folders.locate(mailbox, folder)
            async for page in self._reader.folder_pages(mailbox, located, since=selection.since):
                yield [each.message_id for each in page.items]

    async def _immutable(self, mailbox: Mailbox, ids: Sequence[str]) -> list[str]:
        """The ids as the database keys them: by the other kind, a message would be imported a second time."""
        known = await self._store.known([(mailbox.account_id, each) for each in ids])

        async def translated(message_id: str) -> str:
            if (mailbox.account_id, message_id) in known:
                return message_id
            try:
                return await self._reader.immutable_id(mailbox, message_id)
            except (ItemError, GraphUnavailable):
                return message_id  # fetching it meets the same error, and reports it

        return list(await asyncio.gather(*map(translated, ids)))

    async def _named(self, mailbox: Mailbox, folder: str, internet_message_id: str) -> list[str]:
        """Search for it in angle brackets, as Exchange writes it; else as given, for mail that breaks the rules."""
        bare = internet_message_id.removeprefix("<").removesuffix(">")
        for spelt in dict.fromkeys((f"<{bare}>", internet_message_id)):
            found = await self._reader.find(mailbox, folder, spelt)
            if found:
                return [each.message_id for each in found]
        return []


class OnDemandImport:
    """Imports the selected messages, one at a time."""

    def __init__(
        self,
        selector: MessageSelector,
        store: MessageStore,
        importer: Importer,
        trace: TraceWriter,
        *,
        clock: Callable[[], datetime],
        on_progress: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> None:
        """`on_progress` receives the number of messages with a known outcome, and of those selected."""
        self._selector = selector
        self._store = store
        self._importer = importer
        self._trace = trace
        self._clock = clock
        self._on_progress = on_progress

    async def run(
        self,
        mailbox: Mailbox,
        folder: str,
        selection: Selection,
        tally: Tally,
        *,
        force: bool = False,
        mail_filter: MailFilter | None = None,
        then: str | None = None,
    ) -> None:
        """Fetch and commit messages that the database lacks; with `force` all selected ones, replacing those stored.

        Messages filtered out before are checked again. A copy of an imported message, and one that `mail_filter` leaves
        out, is imported only when it is named by its id, with `force`: the copy as a message of its own. Filters do not
        apply to imported messages. `then`: the action of a processor on each in the mailbox afterwards.

        `tally` is updated meanwhile: what it counts when this is cancelled is done. A message that cannot be imported
        keeps no other from it; an error that concerns all ends it (`Tally.stopped`).

        Raises:
            GraphError, DatabaseUnavailable: while the messages were searched for; nothing was imported.
        """
        wanted = await self._wanted(mailbox, folder, selection, tally, force=force)
        self._on_progress(tally.done, tally.selected)
        prefix = uuid.uuid4().hex[:16]
        streak = _Streak()
        include_unwanted = force and bool(selection.ids)
        mode = _Mode(
            replacing=force,
            include_duplicates=include_unwanted,
            mail_filter=None if include_unwanted else mail_filter,
            then=then,
        )

        # One after the other: a command makes one call at a time beside the processors' four (docs/many-hosts.md).
        for number, (message_id, is_new) in wanted:
            which = mode if is_new else replace(mode, mail_filter=None)
            await self._import(mailbox, message_id, f"{prefix}-{number}", tally, streak, which)
            self._on_progress(tally.done, tally.selected)
            if tally.stopped is not None:
                return

    # Choosing.

    async def _wanted(
        self, mailbox: Mailbox, folder: str, selection: Selection, tally: Tally, *, force: bool
    ) -> Iterable[tuple[int, tuple[str, bool]]]:
        """The ids to import, numbered, each once, and whether they are new; what is imported already is counted."""
        wanted: dict[str, bool] = {}
        async for ids in self._selector.pages(mailbox, folder, selection):
            await self._take(mailbox, ids, wanted, tally, force=force)
        return enumerate(wanted.items())

    async def _take(
        self, mailbox: Mailbox, ids: Sequence[str], wanted: dict[str, bool], tally: Tally, *, force: bool
    ) -> None:
        fresh = dict.fromkeys(each for each in ids if each not in wanted)
        keys = [(mailbox.account_id, each) for each in fresh]
        known = {message_id for _, message_id in await self._store.known(keys, include_filtered=False)}
        tally.known += 0 if force else len(known)
        tally.selected += len(fresh)
        wanted.update((each, each not in known) for each in fresh if force or each not in known)

    # Importing.

    async def _import(
        self, mailbox: Mailbox, message_id: str, correlation: str, tally: Tally, streak: "_Streak", mode: "_Mode"
    ) -> None:
        started, progress = self._clock(), Progress()

        def note(outcome: Outcome, reason: str | None = None, detail: str | None = None) -> None:
            if outcome in {Outcome.GONE, Outcome.SCANNING, Outcome.FAILED}:
                tally.not_imported.append(NotImported(message_id, outcome, reason, detail))
            self._trace.asked(
                mailbox.account_id,
                message_id,
                outcome,
                started=started,
                progress=progress,
                correlation=correlation,
                reason=reason,
                detail=detail,
            )

        try:
            result = await self._fetched(mailbox, message_id, correlation, progress, mode)
        except ScanInProgress as exc:
            tally.scanning += 1
            note(Outcome.SCANNING, _reason_of(exc), _detail_of(exc, mailbox, message_id))
            return
        except Exception as exc:  # noqa: BLE001  # an unexpected error must not stop other messages; it is reported
            tally.failed += 1
            note(Outcome.FAILED, _reason_of(exc), _detail_of(exc, mailbox, message_id))
            lasting = isinstance(exc, AccountError | DatabaseUnavailable) or host_fault_of(exc) is not None
            if lasting or streak.goes_on(exc):
                tally.stopped = exc
            return
        streak.ended()
        tally.count(result.outcome)
        note(result.outcome, result.reason, result.rule)

    async def _fetched(
        self, mailbox: Mailbox, message_id: str, correlation: str, progress: Progress, mode: "_Mode"
    ) -> ImportResult:
        # The same rules for ids as those that come through the queue.
        asked = Notification.of_found(
            mailbox.account_id, message_id, source=Source.OPERATOR, found=self._clock(), correlation=correlation
        )
        message_id_of(asked)

        async def once(*, last_attempt: bool) -> ImportResult:
            return await self._importer.run(
                mailbox,
                message_id,
                correlation=correlation,
                progress=progress,
                mail_filter=mode.mail_filter,
                last_attempt=last_attempt,
                # The operator at the terminal sees the reason, and may retry; the message is more important.
                without_original=True,
                replacing=mode.replacing,
                include_duplicates=mode.include_duplicates,
                then=mode.then,
            )

        for _ in range(_FETCHES - 1):
            try:
                return await once(last_attempt=False)
            except (MessageChanged, ItemCorrupt, ItemDenied, RequestRejected):
                continue
            except GraphUnavailable as exc:
                if exc.status != HTTPStatus.OK:
                    raise
        return await once(last_attempt=True)


@dataclass(frozen=True, slots=True)
class _Mode:
    """Options of the import of each message; see `Importer.run`."""

    replacing: bool
    include_duplicates: bool
    mail_filter: MailFilter | None
    then: str | None


class _Streak:
    """Consecutive outages and refusals, over all messages under way."""

    def __init__(self) -> None:
        self._count = 0

    def goes_on(self, exc: Exception) -> bool:
        """Count it; return True when there were too many in a row."""
        self._count = self._count + 1 if isinstance(exc, GraphUnavailable | ItemDenied) else 0
        return self._count >= _MAX_OUTAGES

    def ended(self) -> None:
        """Note that Graph answered."""
        self._count = 0


def _reason_of(exc: Exception) -> str:
    return exc.reason if isinstance(exc, Unprocessable) else type(exc).__name__


def _detail_of(exc: Exception, mailbox: Mailbox, message_id: str) -> Phrase:
    if isinstance(exc, EXPECTED_ERRORS):
        return Phrase.of(exc)
    # An unexpected error may quote its input, and that may be mail.
    log.error(
        "message_not_imported",
        account=mailbox.account_name,
        message=message_id,
        error_type=type(exc).__name__,
        where=background.places_of(exc),
    )
    return Phrase("Internal error; the log has the traceback (message_not_imported).")
