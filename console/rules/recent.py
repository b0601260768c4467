"""A rule against recent mail, while it is being written: what matches, and what nearly does."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from console.rules import trial
from console.settings import Settings
from console.wiring.delivery import archive_lists_of
from db.engine import Database
from db.queries import rule_trials
from db.queries.rule_trials import ReceivedMessage
from rules.compiled import CONDITIONS
from rules.rule import Rule

_BATCH: Final = 20
_MAX_MATCHES: Final = 50
_MAX_NEAREST: Final = 10


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """The bounds of a trial: messages that are looked at, and seconds."""

    messages: int
    seconds: float


@dataclass(slots=True)
class RecentTrial:
    """The result. `messages`: looked at; `matched`: those that match, of which `matches` are some, the latest first.

    `nearest`: others, those first of which most conditions hold. `is_cut`: the time was over before the messages were.
    """

    messages: int = 0
    matched: int = 0
    files: int = 0
    matches: list[dict[str, Any]] = field(default_factory=list)
    nearest: list[dict[str, Any]] = field(default_factory=list)
    is_cut: bool = False


async def try_recent(
    settings: Settings,
    database: Database,
    rule: Rule,
    limits: TrialLimits,
    *,
    without: Collection[int] = (),
    monotonic: Callable[[], float] = time.monotonic,
) -> RecentTrial:
    """Check the latest messages against the rule, but those of the accounts `without`. Nothing is saved.

    Raises:
        BadRule
    """
    result = RecentTrial()
    lists = archive_lists_of(settings, database)
    until = monotonic() + limits.seconds
    last: ReceivedMessage | None = None
    while result.messages < limits.messages:
        if monotonic() >= until:
            result.is_cut = True
            break
        read = partial(
            rule_trials.latest,
            account_id=rule.account_id,
            before=last,
            limit=min(_BATCH, limits.messages - result.messages),
            without=without,
        )
        page = await database.read(read)
        if not page:
            break
        last = page[-1]
        numbers = [each.message_id for each in page]
        found = await trial.tried(database, lists, [rule], numbers)
        for facts, rows in sorted(found, key=lambda each: numbers.index(each[0].message_id)):
            _note(result, {**rows[0], "senders": facts.senders})
    result.nearest = sorted(result.nearest, key=_nearness)[:_MAX_NEAREST]
    return result


def _note(result: RecentTrial, row: dict[str, Any]) -> None:
    result.messages += 1
    if not row["matches"]:
        result.nearest.append(row)
        return
    result.matched += 1
    result.files += len(row["files"])
    if len(result.matches) < _MAX_MATCHES:
        result.matches.append(row)


def _nearness(row: dict[str, Any]) -> int:
    """Conditions are checked in their order: the later the first that does not hold, the nearer."""
    return -CONDITIONS.index(row["failed"])
