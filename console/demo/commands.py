"""`demo`: the whole pipeline at work."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console import logs
from console.demo.demo import DemoFailed, DemoProgress, DemoResult, Place, demonstrate
from console.invocation import Invocation, example
from console.loop import run_async
from console.output import Column, Listing, Report, failure, json_is_printed, prints_data, shown, tell, wrong_usage
from console.settings import Settings
from console.terminal import error_console
from console.translation.help import Command
from console.translation.language import translated
from console.wiring.process import run_until_signalled
from db.engine import run_writing
from phrases import Phrase

_QUERY = """\
  'SELECT sFromAddress, sSubject, count(nAttachmentID) AS attachments
   FROM tblEmailMessage LEFT JOIN tblEmailAttachment USING (nMessageID)
   GROUP BY nMessageID ORDER BY dtReceived DESC LIMIT 10'"""
_FAULTS_SHOWN = 10


@click.command(cls=Command, epilog=example("mail-importer demo", "mail-importer demo --messages 1000 --mailboxes 8"))
@click.option("--messages", type=click.IntRange(1, 1_000_000), default=200, show_default=True, help="How many arrive.")
@click.option("--mailboxes", type=click.IntRange(1, 1000), default=4, show_default=True, help="In how many mailboxes.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("mail-importer-demo"),
    show_default=True,
    help="Where its database, certificate and logs are; an earlier demo's are replaced.",
)
@click.option("--keep", is_flag=True, help="Keep it running, and print a link to its web console, until Ctrl-C.")
@prints_data
def demo(messages: int, mailboxes: int, directory: Path, keep: bool) -> Listing | Report:
    """Show the whole pipeline at work on this machine.

    Starts a simulator of Microsoft Graph, creates a certificate, adds accounts, creates subscriptions, lets mail arrive
    and imports it through receiver, queue and processor, and a rule saves the tables among the attachments into a
    folder. Exit status 0 only when every message is in the database exactly once, and every table in the folder.
    """
    place = Place(directory.absolute())
    if keep and json_is_printed():
        raise wrong_usage(Phrase("--keep and --json exclude each other."))
    try:
        place.prepare()
        if keep:
            _run_on(place, messages, mailboxes)
            return Report({})
        result = _run(place, messages, mailboxes)
    except DemoFailed as exc:
        raise failure(Phrase.of(exc)) from exc
    return _shown(result, messages, place)


def _run(place: Place, messages: int, mailboxes: int) -> DemoResult:
    with _logged(place), _watched(messages) as show:
        return run_async(demonstrate(place, messages=messages, mailboxes=mailboxes, on_progress=show))


def _run_on(place: Place, messages: int, mailboxes: int) -> None:
    """Run the demo until it is signalled to stop."""
    with _logged(place), ExitStack() as progress:
        show = progress.enter_context(_watched(messages))

        async def keep(result: DemoResult, settings: Settings) -> None:
            progress.close()
            _shown(result, messages, place).print()
            tell(Phrase("The web console, with the imported mail, is at: {link}", link=_link(settings)))
            tell(Phrase("The link works once, within 15 minutes, in a browser on this host. Ctrl-C ends everything."))
            await asyncio.Event().wait()

        async def work(stop: asyncio.Event) -> None:
            running = asyncio.create_task(
                demonstrate(place, messages=messages, mailboxes=mailboxes, on_progress=show, keep=keep)
            )
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    running.result()
            finally:
                running.cancel()
                stopping.cancel()
                await asyncio.gather(running, stopping, return_exceptions=True)

        run_until_signalled(work)


def _link(settings: Settings) -> str:
    from console.users.commands import make_link  # noqa: PLC0415  # of a demo that is kept running alone

    invocation = Invocation(settings)
    with invocation.gateway() as engine:
        return run_writing(engine, lambda connection: make_link(connection, invocation))


@contextmanager
def _logged(place: Place) -> Iterator[None]:
    """Write the logs to a file, the same for as long as a role runs: loggers keep the one that they began with."""
    with place.log.open("w", encoding="utf-8") as log:
        logs.configure(log, "json")
        yield


@contextmanager
def _watched(messages: int) -> Iterator[Callable[[DemoProgress], None]]:
    """Show the progress."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=error_console(),
    )
    with bar:
        task = bar.add_task(translated(Phrase("Starting")), total=messages)

        def show(progress: DemoProgress) -> None:
            bar.update(task, description=translated(progress.activity), completed=progress.imported)

        yield show


def _shown(result: DemoResult, messages: int, place: Place) -> Listing:
    for each in result.faults[:_FAULTS_SHOWN]:
        tell(each)
    rows = [
        {
            "mailbox": each.mailbox,
            "arrived": each.arrived,
            "notified": each.notified,
            "imported": each.imported,
            "attachments": each.attachments,
            "p50_seconds": each.p50,
            "p99_seconds": each.p99,
        }
        for each in result.mailboxes
    ]
    imported = sum(each.imported for each in result.mailboxes)
    arrived = sum(each.arrived for each in result.mailboxes)
    fault: Phrase | None = None
    if result.faults:
        fault = Phrase.counted(
            "{n} message or file is not there exactly once; the log is {log}.",
            "{n} messages or files are not there exactly once; the log is {log}.",
            n=len(result.faults),
            log=place.log,
        )
    elif imported != messages or arrived != messages:
        fault = Phrase(
            "{imported} of {messages} messages were imported; the log is {log}.",
            imported=imported,
            messages=messages,
            log=place.log,
        )
    else:
        tell(Phrase("Every message is in the database exactly once: {database}", database=result.database))
        tell(
            Phrase.counted(
                "Its rule saved {n} table of results, once: {folder}",
                "Its rule saved {n} tables of results, each once: {folder}",
                n=result.files,
                folder=place.import_folder,
            )
        )
        tell(Phrase("Query them, for example:"))
        for line in (f'sqlite3 -box "{result.database}" \\', *_QUERY.splitlines()):
            tell(Phrase.verbatim(f"  {line}"))
    return Listing(
        [
            Column("mailbox", Phrase("Mailbox")),
            Column("arrived", Phrase("Arrived"), right=True),
            Column("notified", Phrase("Notified"), right=True),
            Column("imported", Phrase("Imported"), right=True),
            Column("attachments", Phrase("Attachm."), right=True),
            Column("p50_seconds", Phrase("p50"), _milliseconds, right=True),
            Column("p99_seconds", Phrase("p99"), _milliseconds, right=True),
        ],
        rows,
        empty=Phrase("No mailbox."),
        failure=fault,
    )


def _milliseconds(seconds: float | None) -> str:
    return shown(None) if seconds is None else f"{seconds * 1000:.0f} ms"
