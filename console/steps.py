"""The steps of a message in the order of time, made of what is kept of it. No I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from db.copies import Copy
from db.seen import SeenMessage
from db.trace import CommittedMessage, TraceRow
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

_SOURCES: Final = {
    "graph": "notified by Graph",
    "sweep": "found by a sweep, its notification being overdue",
    "catch-up": "found in the folder by catch-up",
    "operator": "asked for by an operator",
}
_OUTCOMES: Final = {
    "imported": "imported",
    "replaced": "replaced by what the mailbox holds now",
    "known": "known: it was imported, or left out, already",
    "duplicate": "not imported again: it is a copy",
    "seen": "seen, and not imported: the account's filters leave it out",
    "gone": "gone: it is no longer in the mailbox",
    "retried": "failed, to be tried again",
    "waiting": "waits: its account cannot be served",
    "deferred": "handed back until its mailbox has room",
    "replayed": "replayed from the dead letters",
    "purged": "deleted from the queue",
    "dead_lettered": "put aside as a dead letter",
    "handed_back": "handed back: the process was told to stop",
    "not_settled": "not settled with the queue, which delivers it again",
    "failed": "failed",
}
_ACTIONS: Final = {"read": "marking as read", "move": "moving", "delete": "deleting"}
_STATES: Final = {
    "pending": "is still to be done",
    "done": "is done",
    "failed": "failed for good",
    "gone": "had nothing left to be done",
}
# Of what happened at the same time: what was first.
_ORDER: Final = (NOTIFIED, QUEUED, UNRECORDED, STARTED, FETCHED, COMMITTED, COPY, COPIED, LEFT_OUT)


@dataclass(frozen=True, slots=True)
class Step:
    """One line. `step` is one of the words above, or an outcome; `time` is None for an attempt nobody recorded."""

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

    @property
    def text(self) -> str:
        """As a person reads it, without time and detail."""
        match self.step:
            case "notified":
                return _SOURCES.get(self.source or "", f"notified ({self.source})")
            case "queued" | "fetched":
                return self.step
            case "unrecorded":
                return f"attempt {self.attempt}: no outcome was recorded; the process that had it ended"
            case "started":
                who = "import by an operator" if self.attempt is None else f"attempt {self.attempt}"
                return f"{who} started on {self.host}"
            case "committed":
                return f"committed as message {self.message_id}"
            case "action":
                tried = f" ({self.attempt} attempts failed)" if self.attempt else ""
                return f"after import: {_ACTIONS.get(str(self.action))} {_STATES.get(str(self.state))}{tried}"
            case "copy":
                return f"found to be a copy of message {self.message_id} ({self.reason})"
            case "copied":
                return f"a copy of it was not imported again ({self.reason})"
            case "left_out":
                return Phrase("left out by the account's filters ({reason})", reason=self.reason)
        outcome = _OUTCOMES.get(self.step, self.step)
        said = outcome if self.reason is None else f"{outcome} ({self.reason})"
        return said if self.attempt is None else f"attempt {self.attempt}: {said}"


def steps_of(
    attempts: Sequence[TraceRow],
    committed: CommittedMessage | None,
    copies: Sequence[Copy] = (),
    left_out: SeenMessage | None = None,
) -> list[Step]:
    """All steps. `attempts` in the order in which they began; `copies`: those of the message, or itself as one."""
    timed = list(_notifications(attempts))
    for row in attempts:
        timed += _of_attempt(row)
    timed += [(row.started, step) for row, step in _unrecorded(attempts)]
    if committed is not None:
        step = Step(COMMITTED, committed.imported, message_id=committed.message_id, correlation=committed.correlation)
        timed.append((committed.imported, step))
    for copy in copies:
        step = Step(COPY, copy.seen, reason=copy.reason, message_id=copy.message_id)
        if committed is not None:
            step = Step(COPIED, copy.seen, reason=copy.reason, detail=f"Graph id {copy.graph_id}")
        timed.append((copy.seen, step))
    if left_out is not None:
        timed.append((left_out.seen, Step(LEFT_OUT, left_out.seen, reason=left_out.reason, detail=left_out.rule)))
    steps = [step for _, step in sorted(timed, key=lambda each: (each[0], _rank(each[1])))]
    return [*steps, *_action(committed)]


def _action(committed: CommittedMessage | None) -> Iterator[Step]:
    """How far it is with what was to be done in the mailbox; last, since nobody noted when."""
    if committed is not None and committed.after_import is not None:
        yield Step(
            ACTION,
            committed.action_due,
            attempt=committed.action_attempts,
            detail=committed.action_detail,
            action=committed.after_import,
            state=committed.action_state,
        )


def _rank(step: Step) -> int:
    return _ORDER.index(step.step) if step.step in _ORDER else len(_ORDER)


def _notifications(attempts: Sequence[TraceRow]) -> Iterator[tuple[datetime, Step]]:
    """When it was heard of and queued: the same for all attempts at one queue message, so once."""
    seen: set[tuple[str, str | None, datetime]] = set()
    for row in attempts:
        for word, time in ((NOTIFIED, row.notified), (QUEUED, row.queued)):
            if time is not None and (word, row.queue_message_id, time) not in seen:
                seen.add((word, row.queue_message_id, time))
                yield (
                    time,
                    Step(
                        word,
                        time,
                        source=row.source,
                        queue_message_id=row.queue_message_id,
                        correlation=row.correlation,
                    ),
                )


def _of_attempt(row: TraceRow) -> Iterator[tuple[datetime, Step]]:
    def step(word: str, time: datetime, reason: str | None = None, detail: str | None = None) -> Step:
        return Step(
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

    yield row.started, step(STARTED, row.started)
    if row.fetched is not None:
        yield row.fetched, step(FETCHED, row.fetched)
    yield row.ended, step(row.outcome, row.ended, row.reason, row.detail)


def _unrecorded(attempts: Sequence[TraceRow]) -> Iterator[tuple[TraceRow, Step]]:
    """Attempts that the queue counted and nobody wrote about, each before the one that came next.

    The count begins anew when an operator replays a dead letter; what is not counted comes again with the same number.
    """
    counted: dict[str | None, int] = {}
    for row in attempts:
        if row.attempt is None:
            continue
        before = counted.get(row.queue_message_id, 0)
        if row.attempt < before:
            before = 0
        for number in range(before + 1, row.attempt):
            yield row, Step(UNRECORDED, None, attempt=number, queue_message_id=row.queue_message_id)
        counted[row.queue_message_id] = row.attempt
