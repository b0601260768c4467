"""`demo`: the whole pipeline at work."""

from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console import logs
from console.demo.demo import DemoFailed, DemoProgress, DemoResult, Place, demonstrate
from console.invocation import example
from console.loop import run_async
from console.output import Column, Listing, failure, prints_data, shown, tell
from console.terminal import error_console
from console.translation.help import Command
from console.translation.language import translated
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
@prints_data
def demo(messages: int, mailboxes: int, directory: Path) -> Listing:
    """Show the whole pipeline at work on this machine.

    Starts a simulator of Microsoft Graph, creates a certificate, adds accounts, creates subscriptions, lets mail arrive
    and imports it through receiver, queue and processor, and a rule saves the tables among the attachments into a
    folder. Exit status 0 only when every message is in the database exactly once, and every table in the folder.
    """
    place = Place(directory.absolute())
    try:
        place.prepare()
        result = _run(place, messages, mailboxes)
    except DemoFailed as exc:
        raise failure(Phrase.of(exc)) from exc
    for fault in result.faults[:_FAULTS_SHOWN]:
        tell(fault)
    return _shown(result, messages, place)


def _run(place: Place, messages: int, mailboxes: int) -> DemoResult:
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

        with place.log.open("w", encoding="utf-8") as log:
            logs.configure(log, "json")
            return run_async(demonstrate(place, messages=messages, mailboxes=mailboxes, on_progress=show))


def _shown(result: DemoResult, messages: int, place: Place) -> Listing:
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
        fault = None
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
