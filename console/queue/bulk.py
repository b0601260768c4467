"""`mail-importer queue replay` and `purge`: operations on many messages of the queue."""

from dataclasses import replace

import click

from console.confirmation import confirm
from console.invocation import Invocation, example, pass_invocation
from console.output import Column, Record, prints_data, tell, wrong_usage
from console.queue.maintenance import BatchProgress
from console.queue.selection import Criteria, selecting
from console.queue.session import maintained, maintained_on_record, no_such_reason
from console.translation.help import Command
from db.engine import run_reading
from db.queries import accounts
from phrases import Phrase


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer queue replay --id 17 --id 18",
        "mail-importer queue replay --reason ItemCorrupt --rate 20 --why 'ticket 7'",
        "mail-importer queue replay --scheduled --account laboratory",
    ),
)
@click.option(
    "--scheduled",
    is_flag=True,
    help="Try at once what is scheduled for another attempt later, instead of dead letters.",
)
@click.option("--rate", metavar="N", type=click.FloatRange(min=0, min_open=True), help="At most so many a second.")
@prints_data
@selecting
@pass_invocation
def replay(
    invocation: Invocation,
    scheduled: bool,
    rate: float | None,
    dry_run: bool,
    why: str | None,
    criteria: "Criteria",
) -> Record:
    """Put dead letters back into the queue, their attempts counted from 0.

    Select them by --all, or by --id, --reason, --account, --since and --until, which narrow each other. Replay them
    once their cause is corrected. Replaying imported messages is harmless; those of removed accounts are dropped.
    Interrupted, it can be run again.

    With --scheduled it is what is scheduled for later that is tried at once, its attempts still counted; --reason,
    --since and --until are then those of its last failure. A message that waits because its account cannot be served,
    or Microsoft not reached, has none.
    """
    criteria = replace(criteria, scheduled=scheduled)
    _require_in_use(invocation, criteria.account)
    if dry_run:
        counted = maintained(
            invocation, criteria, lambda queue, selection: queue.count_replay(selection, scheduled=scheduled)
        )
        failure = _no_such_reason(invocation, criteria, counted)
        return _record(counted, "would_be_replayed", Phrase("Would be replayed"), counted.selected, failure)
    progress = BatchProgress()
    maintained_on_record(
        invocation,
        criteria,
        progress,
        "replay",
        Phrase("Replaying"),
        why,
        lambda queue, selection, show: queue.replay(
            selection, progress, scheduled=scheduled, rate=rate, why=why, on_progress=show
        ),
    )
    failure = _no_such_reason(invocation, criteria, progress)
    if progress.selected < len(criteria.entries):
        failure = _not_fitting(len(criteria.entries) - progress.selected, scheduled=scheduled)
    elif criteria.entries:
        failure = progress.left()
    else:
        _tell_of_left(progress)
    if str(criteria) == "all" and maintained(invocation, criteria, lambda queue, _: queue.anything_scheduled()):
        tell(Phrase("Messages are scheduled for another attempt later; --scheduled --all tries these at once."))
    return _record(progress, "replayed", Phrase("Replayed"), progress.done, failure)


def _tell_of_left(progress: BatchProgress) -> None:
    if (left := progress.left()) is not None:
        tell(left)


def _require_in_use(invocation: Invocation, name: str | None) -> None:
    """Refuse to replay messages of a removed account, which would be dropped."""
    if name is not None:
        with invocation.gateway() as engine:
            run_reading(engine, lambda connection: accounts.by_name(connection, name))


def _not_fitting(count: int, *, scheduled: bool) -> Phrase:
    if scheduled:
        return Phrase.counted(
            "{n} of the entries named is not scheduled for later, or does not fit. See: mail-importer queue list",
            "{n} of the entries named are not scheduled for later, or do not fit. See: mail-importer queue list",
            n=count,
        )
    return Phrase.counted(
        "{n} of the entries named is no dead letter that fits. See: mail-importer queue list --dead-letters",
        "{n} of the entries named are no dead letters that fit. See: mail-importer queue list --dead-letters",
        n=count,
    )


def _not_waiting(count: int) -> Phrase:
    return Phrase.counted(
        "{n} of the entries named does not wait, or does not fit. See: mail-importer queue list (dead letters: "
        "--dead-letters)",
        "{n} of the entries named do not wait, or do not fit. See: mail-importer queue list (dead letters: "
        "--dead-letters)",
        n=count,
    )


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
    failure = _no_such_reason(invocation, criteria, counted)
    if failure is None and (missing := len(criteria.entries) - counted.selected) > 0:
        failure = _not_fitting(missing, scheduled=False) if dead_letters else _not_waiting(missing)
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
        _tell_of_left(progress)
    return _record(progress, "purged", Phrase("Purged"), progress.done, failure)


def _no_such_reason(invocation: Invocation, criteria: "Criteria", progress: BatchProgress) -> Phrase | None:
    """The failure for a reason, most likely misspelt, that no selected message has."""
    return None if progress.selected else no_such_reason(invocation, criteria)


def _question(count: int, dead_letters: bool) -> Phrase:
    if dead_letters:
        return Phrase.counted("Delete {n} dead letter for good?", "Delete {n} dead letters for good?", n=count)
    return Phrase.counted("Delete {n} message that waits for good?", "Delete {n} messages that wait for good?", n=count)


def _record(progress: BatchProgress, key: str, heading: Phrase, number: int, failure: Phrase | None = None) -> Record:
    columns = [Column(key, heading), Column("imported_already", Phrase("Of these imported already"))]
    return Record(columns, {key: number, "imported_already": progress.known}, failure)
