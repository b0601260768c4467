"""Files of import rules, as lists show them."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from console.output import Column, shown, span
from console.translation.labels import FILE_COLOURS, word
from db.outcomes import FileState
from db.queries.file_log import LoggedFile
from phrases import Phrase


def file_columns(now: datetime) -> list[Column]:
    """The columns of a list of files."""
    return [
        Column("file_id", Phrase("File"), right=True),
        Column("created", Phrase("Age"), lambda time: span(now - time), priority=2),
        Column("state", Phrase("State"), word, priority=6, colour=_colour),
        Column("rule", Phrase("Rule"), priority=4),
        Column("account", Phrase("Account"), priority=1),
        Column("name", Phrase("Name"), priority=5),
        Column("folder", Phrase("Folder"), priority=3),
        Column("attempts", Phrase("Attempts"), right=True),
    ]


def file_details(now: datetime) -> list[Column]:
    """Details below each file, where they are known."""
    return [
        Column("reason", Phrase("Reason"), _where_known),
        Column("detail", Phrase("Cause"), _where_known),
        Column("next_attempt", Phrase("Next attempt"), lambda time: _next(time, now)),
    ]


def _colour(row: Mapping[str, Any]) -> str | None:
    if row["state"] == FileState.PENDING and row["attempts"]:
        return "yellow"
    return FILE_COLOURS.get(row["state"])


def _where_known(value: object) -> str:
    return "" if value is None else shown(value)


def _next(time: datetime | None, now: datetime) -> str:
    if time is None:
        return ""
    return Phrase("due") if time <= now else shown(time)


def file_row(found: LoggedFile) -> dict[str, Any]:
    """The row of a file."""
    row = asdict(found)
    failing = found.state == FileState.PENDING and found.attempts > 0
    return {
        **{name: row[name] for name in ("file_id", "state", "message_id", "account_id", "rule_id")},
        "account": found.account or str(found.account_id),
        "rule": found.rule or str(found.rule_id),
        **{name: row[name] for name in ("part", "name", "folder", "target", "size", "attempts", "reason", "detail")},
        "next_attempt": found.due if failing else None,
        "retry_until": found.retry_until if failing else None,
        **{name: row[name] for name in ("created", "due", "saved", "run")},
    }
