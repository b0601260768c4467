"""The options that select files, and the selection they give."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.invocation import as_stored, rule_names
from console.output import Report, wrong_usage
from db.queries import file_log
from db.queries.file_log import FileCriteria
from phrases import Phrase

_LARGEST: Final = 2**63 - 1
_MAX_IDS: Final = 500


@dataclass(frozen=True, slots=True)
class Selection:
    """Files by the options; exactly one of them is given. `everything`: all that failed."""

    file_ids: tuple[int, ...]
    folder: str | None
    rule: str | None
    message_id: int | None
    everything: bool

    def __str__(self) -> str:
        given = (("folder", self.folder), ("rule", self.rule), ("message", self.message_id))
        parts = [f"file {each}" for each in self.file_ids]
        parts += [f"{name} {value}" for name, value in given if value is not None]
        return ", ".join(parts) or "all"

    def criteria(self, connection: Connection) -> FileCriteria:
        """The selected files, but for the numbers and the states.

        Raises:
            RuleNotFound
        """
        rule_id = None if self.rule is None else file_log.rule_number(connection, self.rule)
        return FileCriteria(
            file_ids=self.file_ids or None, folder=self.folder, rule_id=rule_id, message_id=self.message_id
        )

    @property
    def is_narrow(self) -> bool:
        """True if files or a message are named: then also those are meant that did not fail."""
        return bool(self.file_ids) or self.message_id is not None


def selecting(function: Callable[..., Report]) -> Callable[..., Report]:
    """Add the options that select files to a command; it receives them as `selection`."""

    @functools.wraps(function)
    def command(*args: object, **given: Any) -> Report:  # noqa: ANN401  # the options, and those of the command
        names = ("file_ids", "folder", "rule", "message_id", "everything")
        facts = {name: given.pop(name) for name in names}
        if sum(value not in (None, (), False) for value in facts.values()) != 1:
            raise wrong_usage(Phrase("Select files by one of --all, --id, --folder, --rule and --message."))
        selection = Selection(**{**facts, "file_ids": tuple(sorted(set(facts["file_ids"])))})
        if len(selection.file_ids) > _MAX_IDS:
            raise wrong_usage(
                Phrase("At most {most_ids} files at a time; or choose them otherwise.", most_ids=_MAX_IDS)
            )
        return function(*args, selection=selection, **given)

    wrapped: Callable[..., Report] = command
    for option in reversed(
        [
            click.option(
                "--id",
                "file_ids",
                metavar="FILE",
                type=click.IntRange(1, _LARGEST),
                multiple=True,
                help="This file, by its number in `delivery list`; may be repeated.",
            ),
            click.option("--folder", metavar="DIR", callback=as_stored, help="Those for this folder."),
            click.option(
                "--rule", metavar="NAME", callback=as_stored, shell_complete=rule_names, help="Those of this rule."
            ),
            click.option(
                "--message",
                "message_id",
                metavar="ID",
                type=click.IntRange(1, _LARGEST),
                help="Those of this message (nMessageID).",
            ),
            click.option("--all", "everything", is_flag=True, help="All of them."),
            click.option("--yes", is_flag=True, help="Do not prompt."),
            click.option("--why", metavar="TEXT", callback=as_stored, help="Why, for the record (tblQueueAudit)."),
        ]
    ):
        wrapped = option(wrapped)
    return wrapped
