"""Import at an operator's request, for the command and for the web console."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from console.audit import audited
from console.output import tell
from console.session import OpenedAccount
from console.settings import Settings
from console.wiring.calls import CallContext
from console.wiring.host import host_name
from console.wiring.processor import ImportOptions, importer_of
from db.keys import MessageKey
from db.queries import rules
from db.queries.accounts import Account
from db.queries.history import Author
from phrases import Phrase
from phrases.commands import joined
from processor.accounts import mail_filter_of
from processor.importer import Importer, worker_processes
from processor.message_trace import TraceWriter
from processor.metrics import ProcessorMetrics
from processor.on_demand import MessageSelector, OnDemandImport, Selection, Tally

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """An operator's request. `force`: replace what is stored."""

    name: str
    selection: Selection
    force: bool

    def __str__(self) -> str:
        """The request as typed, for the audit."""
        chosen = self.selection
        words = [self.name]
        for message_id in chosen.ids:
            words += ["--id", message_id]
        if chosen.internet_message_id is not None:
            words += ["--internet-message-id", chosen.internet_message_id]
        if chosen.since is not None:
            words += ["--since", chosen.since.astimezone(UTC).isoformat()]
        return joined([*words, "--force"] if self.force else words)


async def run_import(
    opened: OpenedAccount,
    request: ImportRequest,
    settings: Settings,
    calls: CallContext,
    *,
    clock: Callable[[], datetime],
    author: Author,
    on_progress: OnProgress = lambda _done, _of: None,
) -> Tally:
    """Import the messages of the request, recorded as by that author.

    Raises:
        GraphError, DatabaseUnavailable: nothing was imported.
    """
    tally, account, database = Tally(), opened.account, opened.database
    async with _importing(opened, settings, calls, clock) as (importer, selector), AsyncExitStack() as resources:
        if not account.enabled:
            tell(Phrase("The account {name!r} is disabled. This imports anyway.", name=request.name))
        trace = TraceWriter(database, host=host_name(), clock=clock, metrics=ProcessorMetrics(CollectorRegistry()))
        trace.start()
        resources.push_async_callback(trace.close)
        work = OnDemandImport(selector, importer.store, importer, trace, clock=clock, on_progress=on_progress)
        selection = _without_purged(request.selection, account)
        if selection != request.selection:
            tell(
                Phrase(
                    "Mail received before {since:%Y-%m-%d %H:%M:%S} UTC was purged, and is left out; --since brings it "
                    "back.",
                    since=selection.since,
                )
            )
        async with audited(
            database,
            action="import",
            selection=str(request),
            done=lambda: tally.written,
            clock=clock,
            by=author,
        ):
            await work.run(
                opened.mailbox,
                account.settings.folder,
                selection,
                tally,
                force=request.force,
                mail_filter=mail_filter_of(account.settings),
                then=account.settings.after_import,
            )
        return tally


async def known_of(
    opened: OpenedAccount,
    request: ImportRequest,
    settings: Settings,
    calls: CallContext,
    *,
    clock: Callable[[], datetime],
) -> int:
    """Count the messages of the request that are imported already."""
    async with _importing(opened, settings, calls, clock) as (importer, selector):
        account, found = opened.account, set[MessageKey]()
        selection = _without_purged(request.selection, account)
        async for ids in selector.pages(opened.mailbox, account.settings.folder, selection):
            keys = [(account.account_id, each) for each in ids]
            found |= await importer.store.known(keys, include_filtered=False)
        return len(found)


@asynccontextmanager
async def _importing(
    opened: OpenedAccount, settings: Settings, calls: CallContext, clock: Callable[[], datetime]
) -> AsyncIterator[tuple[Importer, MessageSelector]]:
    async with worker_processes() as processes:
        options = ImportOptions.of_settings(settings)
        wanting = await opened.database.read(rules.needs_original)
        importer = importer_of(
            opened.reader,
            opened.database,
            replace(options, keep_mime=options.keep_mime or bool(wanting & {opened.account.account_id, None})),
            clock=clock,
            processes=processes,
            sleep=calls.sleep,
        )
        try:
            yield importer, MessageSelector(opened.reader, importer.store, opened.folders)
        finally:
            await importer.store.close()


def _without_purged(selection: Selection, account: Account) -> Selection:
    """Exclude purged mail from an empty selection; a message, or a time, that is named stays."""
    if selection != Selection() or account.purged_before is None:
        return selection
    return Selection(since=account.purged_before)


def failure_of(account: Account, request: ImportRequest, tally: Tally) -> Phrase | None:
    """The reason why not all of the request is there; None: it is."""
    if tally.stopped is not None:
        left = tally.selected - tally.done
        not_tried = Phrase.counted("{n} message was not tried.", "{n} messages were not tried.", n=left)
        return Phrase.joined(Phrase.of(tally.stopped), not_tried if left else Phrase(""))
    if tally.failed:
        return Phrase(
            "{failed} of {selected} messages could not be imported.", failed=tally.failed, selected=tally.selected
        )
    if request.force and tally.gone:
        return Phrase.counted(
            "{n} message is not in the mailbox any more; what is stored of it stays as it is.",
            "{n} messages are not in the mailbox any more; what is stored of them is unchanged.",
            n=tally.gone,
        )
    if request.selection.internet_message_id is not None and not tally.selected:
        return Phrase(
            "The folder {folder!r} of account {name!r} has no message with that internet message id. One that was "
            "moved to another folder can be imported by its Graph id (--id).",
            folder=account.settings.folder,
            name=request.name,
        )
    return None
