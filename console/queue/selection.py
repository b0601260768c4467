"""The options that select messages of the queue, and the selection they give."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import click

from bus.queue import Selection
from console.invocation import all_account_names, as_stored, moment
from console.output import Record, shown, wrong_usage
from phrases import Phrase

_LARGEST_ENTRY: Final = 2**63 - 1
_MAX_IDS: Final = 500


@dataclass(frozen=True, slots=True)
class Criteria:
    """A selection of queue messages by the options. `scheduled`: of those scheduled for later, not of dead letters."""

    entries: tuple[int, ...]
    reason: str | None
    account: str | None
    since: datetime | None
    until: datetime | None
    scheduled: bool = False

    def selection(self, account_id: int | None) -> Selection:
        """The selection of the queue; `account_id`: the number of the account."""
        return Selection(
            entries=[str(each) for each in self.entries] or None,
            account_id=account_id,
            reason=self.reason,
            since=self.since,
            until=self.until,
        )

    def __str__(self) -> str:
        parts = [f"id {each}" for each in self.entries]
        parts += [
            f"{name} {shown(value)}"
            for name, value in (
                ("reason", self.reason),
                ("account", self.account),
                ("since", self.since),
                ("until", self.until),
            )
            if value is not None
        ]
        selected = ", ".join(parts) or "all"
        return f"scheduled: {selected}" if self.scheduled else selected


def criteria_of(selected: Mapping[str, Any]) -> Criteria:
    """Build the selection from the values of the options; one that selects nothing, or too much, is wrong usage."""
    facts = {key: value for key, value in selected.items() if key != "everything"}
    criteria = Criteria(**{**facts, "entries": tuple(sorted(set(facts["entries"])))})
    if selected["everything"] == (str(criteria) != "all"):
        raise wrong_usage(
            Phrase("Select messages: either --all, or some of --id, --reason, --account, --since and --until.")
        )
    if len(criteria.entries) > _MAX_IDS:
        raise wrong_usage(Phrase("At most {most_ids} entries at a time; or choose them otherwise.", most_ids=_MAX_IDS))
    return criteria


def selecting(function: Callable[..., Record]) -> Callable[..., Record]:
    """Add the options that select messages to a command; it receives them as `criteria`."""

    @functools.wraps(function)
    def command(*args: object, **given: Any) -> Record:  # noqa: ANN401  # the options, and those of the command
        names = ("entries", "reason", "account", "since", "until", "everything")
        criteria = criteria_of({name: given.pop(name) for name in names})
        return function(*args, criteria=criteria, **given)

    wrapped: Callable[..., Record] = command
    for option in reversed(
        [
            click.option(
                "--id",
                "entries",
                metavar="ENTRY",
                type=click.IntRange(1, _LARGEST_ENTRY),
                multiple=True,
                help="The message of this entry; may be repeated.",
            ),
            click.option("--reason", metavar="R", callback=as_stored, help="Messages that failed for this reason."),
            click.option(
                "--account",
                metavar="NAME",
                callback=as_stored,
                shell_complete=all_account_names,
                help="Those of this account.",
            ),
            click.option(
                "--since",
                metavar="T",
                callback=moment,
                help="Messages that failed at this time or later "
                "(2h, 3d, today, 29.11.2026, ISO 8601; UTC unless it has an offset).",
            ),
            click.option("--until", metavar="T", callback=moment, help="Messages that failed before this time."),
            click.option("--all", "everything", is_flag=True, help="All of them."),
            click.option("--dry-run", is_flag=True, help="Only count what it would be."),
            click.option("--why", metavar="TEXT", callback=as_stored, help="Why, for the record (tblQueueAudit)."),
        ]
    ):
        wrapped = option(wrapped)
    return wrapped
