"""The events of a message in the order of time, made of its records. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from db.outcomes import ActionKind, ActionState, FileState, Outcome
from db.queries.duplicates import Duplicate
from db.queries.file_log import LoggedFile
from db.queries.filtered import FilteredMessage
from db.queries.trace import CommittedMessage, TraceRow
from phrases import Phrase

NOTIFIED: Final = "notified"
QUEUED: Final = "queued"
UNRECORDED: Final = "unrecorded"
STARTED: Final = "started"
FETCHED: Final = "fetched"
COMMITTED: Final = "committed"
ACTION: Final = "action"
COPY: Final = "copy"
COPIED: Final = "copied"
LEFT_OUT: Final = "left_out"
CHECKED: Final = "checked"
FILE: Final = "file"

_SOURCES: Final = {
    "graph": Phrase("notified by Graph"),
    "sweep": Phrase("found by a sweep, its notification being overdue"),
    "catch-up": Phrase("found in the folder by catch-up"),
    "operator": Phrase("requested by an operator"),
}
_OUTCOMES: Final[Mapping[str, Phrase]] = {
    "queued": Phrase("queued"),
    "fetched": Phrase("fetched"),
    Outcome.IMPORTED: Phrase("imported"),
    Outcome.REPLACED: Phrase("replaced by what the mailbox holds now"),
    Outcome.KNOWN: Phrase("known: it was imported, or left out, already"),
    Outcome.DUPLICATE: Phrase("not imported again: it is a copy"),
    Outcome.FILTERED: Phrase("seen, and not imported: the account's filters leave it out"),
    Outcome.GONE: Phrase("gone: it is no longer in the mailbox"),
    Outcome.DROPPED: Phrase("dropped: its account was removed"),
    Outcome.RETRIED: Phrase("failed, to be tried again"),
    Outcome.WAITING: Phrase("waits: its account cannot be served"),
    Outcome.SCANNING: Phrase("waits: Defender still scans its attachments"),
    Outcome.DEFERRED: Phrase("handed back: four calls of its mailbox are in progress"),
    Outcome.REPLAYED: Phrase("replayed from the dead letters"),
    Outcome.MADE_DUE: Phrase("made due at once; it was scheduled for later"),
    Outcome.PURGED: Phrase("deleted from the queue"),
    Outcome.DEAD_LETTERED: Phrase("set aside as a dead letter"),
    Outcome.HANDED_BACK: Phrase("handed back: the process was stopping"),
    Outcome.NOT_SETTLED: Phrase("not settled with the queue, which delivers it again"),
    Outcome.FAILED: Phrase("failed"),
}
_ACTIONS: Final[Mapping[str, Phrase]] = {
    ActionKind.READ: Phrase("marking as read"),
    ActionKind.MOVE: Phrase("moving"),
    ActionKind.DELETE: Phrase("deleting"),
}
_STATES: Final[Mapping[str, Phrase]] = {
    ActionState.PENDING: Phrase("is still to be done"),
    ActionState.DONE: Phrase("is done"),
    ActionState.FAILED: Phrase("failed for good"),
    ActionState.GONE: Phrase("had nothing left to be done"),
}
_OF_THE_QUEUE: Final = frozenset({Outcome.REPLAYED, Outcome.MADE_DUE, Outcome.PURGED})
"""Operations of an operator on the queue message: no import was started."""
# Order of simultaneous events.
_ORDER: Final = (NOTIFIED, QUEUED, UNRECORDED, STARTED, FETCHED, COMMITTED, COPY, COPIED, LEFT_OUT, CHECKED, FILE)


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One line. `step`: a word above, or an outcome. `matched`: number of import rules.

    `time`: None if unrecorded; of an action, or of a file that is to be saved, its due time.
    """

    step: str
    time: datetime | None
    source: str | None = None
    attempt: int | None = None
    host: str | None = None
    reason: str | None = None
    detail: str | None = None
    queue_message_id: str | None = None
    correlation: str | None = None
    message_id: int | None = None
    action: str | None = None
    state: str | None = None
    matched: int | None = None
    file: LoggedFile | None = None

    @property
    def text(self) -> Phrase:
        """The displayed text, without time and detail."""
        match self.step:
            case "notified":
                return _SOURCES.get(self.source or "") or Phrase("notified ({source})", source=self.source)
            case "queued" | "fetched":
                return _OUTCOMES[self.step]
            case "unrecorded":
                return self._in_attempt(Phrase("no outcome was recorded; its process ended"))
            case "started":
                return self._begun()
            case "committed":
                return Phrase("committed as message {message_id}", message_id=self.message_id)
            case "action":
                return self._after_import()
            case "copy":
                return Phrase(
                    "found to be a copy of message {message_id} ({reason})",
                    message_id=self.message_id,
                    reason=self.reason,
                )
            case "copied":
                return Phrase("a copy of it was not imported again ({reason})", reason=self.reason)
            case "left_out":
                return Phrase("left out by the account's filters ({reason})", reason=self.reason)
        return self._of_rules() if self.step in {CHECKED, FILE} else self._ended()

    def _ended(self) -> Phrase:
        outcome = _OUTCOMES.get(self.step) or Phrase.verbatim(self.step)
        if self.reason is not None:
            outcome = Phrase("{outcome} ({reason})", outcome=outcome, reason=self.reason)
        return self._in_attempt(outcome)

    def _in_attempt(self, outcome: Phrase) -> Phrase:
        if self.attempt is None:
            return outcome
        return Phrase("attempt {attempt}: {outcome}", attempt=self.attempt, outcome=outcome)

    def _begun(self) -> Phrase:
        if self.attempt is None:
            return Phrase("import by an operator started on {host}", host=self.host)
        return Phrase("attempt {attempt} started on {host}", attempt=self.attempt, host=self.host)

    def _after_import(self) -> Phrase:
        state = Phrase(
            "after import: {action} {state}",
            action=_ACTIONS.get(str(self.action)) or self.action,
            state=_STATES.get(str(self.state)) or self.state,
        )
        if not self.attempt:
            return state
        failed = Phrase.counted("({n} attempt failed)", "({n} attempts failed)", n=self.attempt)
        return Phrase.joined(state, failed)

    def _of_rules(self) -> Phrase:
        file = self.file
        if file is None:
            return Phrase.counted(
                "checked against the import rules: {n} matched",
                "checked against the import rules: {n} matched",
                n=self.matched or 0,
            )
        facts = {"name": file.name, "rule": file.rule or str(file.rule_id), "folder": file.folder, "path": file.target}
        match file.state:
            case FileState.SAVED:
                return Phrase("rule {rule}: {name} saved as {path}", **facts)
            case FileState.SKIPPED:
                return Phrase("rule {rule}: {name} given up, not saved into {folder}", **facts)
            case FileState.FAILED:
                text = Phrase("rule {rule}: {name} could not be saved into {folder}", **facts)
            case _:
                text = Phrase("rule {rule}: {name} is to be saved into {folder}", **facts)
        if file.reason is not None:
            text = Phrase("{outcome} ({reason})", outcome=text, reason=file.reason)
        if not file.attempts:
            return text
        failed = Phrase.counted("({n} attempt failed)", "({n} attempts failed)", n=file.attempts)
        return Phrase.joined(text, failed)


def steps_of(
    attempts: Sequence[TraceRow],
    committed: CommittedMessage | None,
    copies: Sequence[Duplicate] = (),
    left_out: FilteredMessage | None = None,
    files: Sequence[LoggedFile] = (),
) -> list[TimelineEvent]:
    """Return all events. `attempts` in the order of their start; `copies`: those of the message, or itself as one."""
    timed = list(_notifications(attempts))
    for row in attempts:
        timed += _of_attempt(row)
    timed += [(row.started, step) for row, step in _unrecorded(attempts)]
    if committed is not None:
        step = TimelineEvent(
            COMMITTED, committed.imported, message_id=committed.message_id, correlation=committed.correlation
        )
        timed.append((committed.imported, step))
    for copy in copies:
        step = TimelineEvent(COPY, copy.seen, reason=copy.reason, message_id=copy.message_id)
        if committed is not None:
            step = TimelineEvent(
                COPIED, copy.seen, reason=copy.reason, detail=Phrase("Graph id {graph_id}", graph_id=copy.graph_id)
            )
        timed.append((copy.seen, step))
    if left_out is not None:
        timed.append(
            (left_out.seen, TimelineEvent(LEFT_OUT, left_out.seen, reason=left_out.reason, detail=left_out.rule))
        )
    timed += [(each.saved, TimelineEvent(FILE, each.saved, file=each)) for each in files if each.saved is not None]
    if committed is not None and committed.rules_matched is not None:
        # The files of a rule are recorded with the result of the check.
        checked = min((each.created for each in files), default=None)
        timed.append((checked or committed.imported, TimelineEvent(CHECKED, checked, matched=committed.rules_matched)))
    steps = [step for _, step in sorted(timed, key=lambda each: (each[0], _rank(each[1])))]
    return [*steps, *_unsaved(files), *_action(committed)]


def _unsaved(files: Sequence[LoggedFile]) -> Iterator[TimelineEvent]:
    """The state of files that are not saved; last, since the times of failures are not recorded."""
    for each in files:
        if each.saved is None:
            pending = each.state == FileState.PENDING
            yield TimelineEvent(
                FILE,
                each.due if pending else None,
                attempt=each.attempts or None,
                reason=each.reason,
                detail=each.detail,
                file=each,
            )


def _action(committed: CommittedMessage | None) -> Iterator[TimelineEvent]:
    """The state of the action in the mailbox; last, since its time is not recorded."""
    if committed is not None and committed.after_import is not None:
        yield TimelineEvent(
            ACTION,
            committed.action_due,
            attempt=committed.action_attempts,
            detail=committed.action_detail,
            action=committed.after_import,
            state=committed.action_state,
        )


def _rank(step: TimelineEvent) -> int:
    return _ORDER.index(step.step) if step.step in _ORDER else len(_ORDER)


def _notifications(attempts: Sequence[TraceRow]) -> Iterator[tuple[datetime, TimelineEvent]]:
    """The times of notification and queueing: the same for all attempts at one queue message, so once."""
    seen: set[tuple[str, str | None, datetime]] = set()
    for row in attempts:
        for word, time in ((NOTIFIED, row.notified), (QUEUED, row.queued)):
            if time is not None and (word, row.queue_message_id, time) not in seen:
                seen.add((word, row.queue_message_id, time))
                yield (
                    time,
                    TimelineEvent(
                        word,
                        time,
                        source=row.source,
                        queue_message_id=row.queue_message_id,
                        correlation=row.correlation,
                    ),
                )


def _of_attempt(row: TraceRow) -> Iterator[tuple[datetime, TimelineEvent]]:
    def step(word: str, time: datetime, reason: str | None = None, detail: str | None = None) -> TimelineEvent:
        return TimelineEvent(
            word,
            time,
            source=row.source,
            attempt=row.attempt,
            host=row.host,
            reason=reason,
            detail=detail,
            queue_message_id=row.queue_message_id,
            correlation=row.correlation,
        )

    if row.outcome not in _OF_THE_QUEUE:
        yield row.started, step(STARTED, row.started)
    if row.fetched is not None:
        yield row.fetched, step(FETCHED, row.fetched)
    yield row.ended, step(row.outcome, row.ended, row.reason, row.detail)


def _unrecorded(attempts: Sequence[TraceRow]) -> Iterator[tuple[TraceRow, TimelineEvent]]:
    """Attempts that the queue counted and no process recorded, each before the one that came next.

    The count restarts when an operator replays a dead letter; an uncounted attempt returns with the same number.
    """
    counted: dict[str | None, int] = {}
    for row in attempts:
        if row.attempt is None:
            continue
        before = counted.get(row.queue_message_id, 0)
        if row.attempt < before:
            before = 0
        for number in range(before + 1, row.attempt):
            yield row, TimelineEvent(UNRECORDED, None, attempt=number, queue_message_id=row.queue_message_id)
        counted[row.queue_message_id] = row.attempt
