"""Targets of alerts, tests of them, and what was sent, as lists show them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from console.output import Column, Listing
from console.translation.labels import word
from db.queries import alerts as alert_rows
from db.queries.alerts import Alert, TargetSummary
from phrases import Phrase

if TYPE_CHECKING:
    from alerts.services import Target

_REASON: Final = Column("reason", Phrase("Reason"), lambda reason: reason or "")
_NO_TARGETS: Final = Phrase("No targets are set (alerts): nothing is alerted.")


def targets_listing(targets: "Sequence[Target]", summaries: Mapping[str, TargetSummary]) -> Listing:
    """The targets, with what waits for each; `summaries`: by fingerprint."""
    rows = [
        {"number": number, "target": each.name, **asdict(summaries[each.fingerprint])}
        for number, each in enumerate(targets, 1)
    ]
    columns = [
        Column("number", Phrase("Number"), right=True),
        Column("target", Phrase("Target"), priority=3),
        Column("pending", Phrase("Waiting"), right=True, priority=2, colour=_of_failure),
        Column("last_sent", Phrase("Last sent"), priority=1),
        Column("last_failed", Phrase("Last alert that failed")),
    ]
    return Listing(columns, rows, empty=_NO_TARGETS, details=[_REASON])


def tested_listing(rows: Sequence[Mapping[str, Any]]) -> Listing:
    """The results of `console.alerts.trial.try_target`."""
    failed = sum(row["state"] == "failed" for row in rows)
    columns = [
        Column("number", Phrase("Number"), right=True),
        Column("target", Phrase("Target")),
        Column("state", Phrase("State"), word, priority=1, colour=_of_failure),
    ]
    return Listing(columns, rows, empty=_NO_TARGETS, failure=failure_of(failed), details=[_REASON])


def failure_of(failed: int) -> Phrase | None:
    """The sentence on so many failed tests; None: none failed."""
    if not failed:
        return None
    return Phrase.counted("The test failed at {n} target.", "The test failed at {n} targets.", n=failed)


def history_listing(found: Sequence[Alert]) -> Listing:
    """The alerts, one line for each target."""
    rows = [
        {
            "number": each.number,
            "created": each.created,
            "target": each.target,
            "state": each.state,
            "ended": each.ended,
            "attempts": each.attempts,
            "next_attempt": each.due if each.state == alert_rows.AlertState.PENDING else None,
            "title": each.title,
            "body": each.body,
            "reason": each.reason,
        }
        for each in found
    ]
    columns = [
        Column("created", Phrase("Time"), whole=True),
        Column("target", Phrase("Target"), priority=3),
        Column("state", Phrase("State"), word, priority=2, colour=_of_failure),
        Column("ended", Phrase("Ended"), whole=True),
        Column("attempts", Phrase("Failed attempts"), right=True),
        Column("title", Phrase("Title"), priority=4),
    ]
    return Listing(columns, rows, empty=Phrase("No alert is on record."), details=[_REASON])


def _of_failure(row: Mapping[str, Any]) -> str | None:
    """The colour of a row of which something failed and is not made up for."""
    state, attempts = row.get("state"), row.get("attempts", 0)
    is_failed = state in {"failed", "expired"} or (state == "pending" and attempts > 0) or row.get("pending", 0) > 0
    return "red" if is_failed else None
