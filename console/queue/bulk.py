"""`mail-importer queue replay` and `purge`: operations on many messages of the queue."""

import click

from console.confirmation import confirm
from console.invocation import Invocation, example, pass_invocation
from console.output import Column, Record, prints_data, wrong_usage
from console.queue.maintenance import BatchProgress
from console.queue.selection import Criteria, selecting
from console.queue.session import maintained, maintained_on_record
from console.translation.help import Command
from phrases import Phrase


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer queue replay --id 17 --id 18",
        "mail-importer queue replay --reason ItemCorrupt --rate 20 --why 'ticket 7'",
    ),
)
@click.option("--rate", metavar="N", type=click.FloatRange(min=0, min_open=True), help="At most so many a second.")
@prints_data
@selecting
@pass_invocation
def replay(invocation: Invocation, rate: float | None, dry_run: bool, why: str | None, criteria: "Criteria") -> Record:
    """Put dead letters back into the queue, their attempts counted from 0.

    Select them by --all, or by --id, --reason, --account, --since and --until, which narrow each other. Replay them
    once their cause is corrected. Replaying imported messages is harmless. Interrupted, it can be run again.
    """
    if dry_run:
        counted = maintained(invocation, criteria, lambda queue, selection: queue.count(selection, dead_letters=True))
        failure = _no_such_reason(criteria, counted)
        return _record(counted, "would_be_replayed", Phrase("Would be replayed"), counted.selected, failure)
    progress = BatchProgress()
    maintained_on_record(
        invocation,
        criteria,
        progress,
        "replay",
        Phrase("Replaying"),
        why,
        lambda queue, selection, show: queue.replay(selection, progress, rate=rate, why=why, on_progress=show),
    )
    failure = _no_such_reason(criteria, progress)
    if progress.done < len(criteria.entries):
        failure = Phrase.counted(
            "{n} of the entries named is no dead letter that fits. See: mail-importer queue list --dead-letters",
            "{n} of the entries named are no dead letters that fit. See: mail-importer queue list --dead-letters",
            n=len(criteria.entries) - progress.done,
        )
    return _record(progress, "replayed", Phrase("Replayed"), progress.done, failure)


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer queue purge --dead-letters --reason AccountUnknown", "mail-importer queue purge --all"
    ),
)
@click.option("--dead-letters", is_flag=True, help="Dead letters instead of what waits.")
@click.option("--yes", is_flag=True, help="Do not prompt.")
@prints_data
@selecting
@pass_invocation
def purge(
    invocation: Invocation,
    dead_letters: bool,
    yes: bool,
    dry_run: bool,
    why: str | None,
    criteria: "Criteria",
) -> Record:
    """Delete messages from the queue for good.

    Mail that is not imported by then is found again only if the next sweep of its folder catches up with it; see
    `mail-importer verify`. Messages in flight are left out.
    """
    if not dead_letters and (criteria.reason is not None or criteria.since is not None or criteria.until is not None):
        raise wrong_usage(Phrase("--reason, --since and --until are of dead letters: add --dead-letters."))
    counted = maintained(
        invocation, criteria, lambda queue, selection: queue.count(selection, dead_letters=dead_letters)
    )
    failure = _no_such_reason(criteria, counted)
    if dry_run:
        return _record(counted, "would_be_purged", Phrase("Would be purged"), counted.selected, failure)
    progress = BatchProgress()
    if counted.selected:
        confirm(_question(counted.selected, dead_letters), yes=yes)
        maintained_on_record(
            invocation,
            criteria,
            progress,
            "purge",
            Phrase("Purging"),
            why,
            lambda queue, selection, show: queue.purge(
                selection, progress, dead_letters=dead_letters, why=why, on_progress=show
            ),
        )
    return _record(progress, "purged", Phrase("Purged"), progress.done, failure)


def _no_such_reason(criteria: "Criteria", progress: BatchProgress) -> Phrase | None:
    """The failure for a reason, most likely misspelt, that no dead letter has."""
    if criteria.reason is None or progress.selected:
        return None
    return Phrase(
        "No dead letter with the reason {reason!r} fits. Their reasons: mail-importer queue list --dead-letters",
        reason=criteria.reason,
    )


def _question(count: int, dead_letters: bool) -> Phrase:
    if dead_letters:
        return Phrase.counted("Delete {n} dead letter for good?", "Delete {n} dead letters for good?", n=count)
    return Phrase.counted("Delete {n} message that waits for good?", "Delete {n} messages that wait for good?", n=count)


def _record(progress: BatchProgress, key: str, heading: Phrase, number: int, failure: Phrase | None = None) -> Record:
    columns = [Column(key, heading), Column("imported_already", Phrase("Of these imported already"))]
    return Record(columns, {key: number, "imported_already": progress.known}, failure)
