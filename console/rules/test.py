"""`mail-importer rules test`: rules against stored mail, or a mail in a file, without saving anything."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, BinaryIO, Final

import click

from console.invocation import (
    Invocation,
    as_stored_each,
    example,
    pass_invocation,
    past_moment,
    rule_names,
    search_text,
)
from console.loop import run_async
from console.output import Column, Listing, failure, prints_data, tell, wrong_usage
from console.rules import trial
from console.translation.help import Command
from console.wiring.delivery import archive_lists_of
from db.engine import Database
from db.queries import rule_trials
from phrases import Phrase
from phrases.commands import quoted
from rules.rule import Rule

_SINCE: Final = timedelta(days=30)
_MAX_ROWS: Final = 100
_MAX_FOUND: Final = 5
_MAX_FILE: Final = 500 * 1024 * 1024


@dataclass(slots=True)
class _Result:
    """Rows to show, and numbers of what they are of."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    messages: int = 0
    matched: Counter[str] = field(default_factory=Counter)


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer rules test results --since 7d",
        "mail-importer rules test --message 4711",
        "mail-importer rules test results --eml report.eml --json",
    ),
)
@click.argument("names", nargs=-1, callback=as_stored_each, shell_complete=rule_names)
@click.option(
    "--message",
    "wanted",
    metavar="ID",
    callback=search_text,
    help="On this message: its nMessageID, its Graph id, or its internet message id.",
)
@click.option(
    "--since", metavar="T", callback=past_moment, help="On mail received since then (2h, 30d, ISO 8601); default: 30d."
)
@click.option("--eml", type=click.File("rb"), help="On the mail in this file, as if it were of any account.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=_MAX_ROWS,
    show_default=True,
    help="With --since: list that many matches; all are counted.",
)
@prints_data
@pass_invocation
def test(
    invocation: Invocation,
    names: tuple[str, ...],
    wanted: str | None,
    since: datetime | None,
    eml: BinaryIO | None,
    limit: int,
) -> Listing:
    """Test rules: which mail matches, and which files would be saved where.

    NAMES are the rules, enabled or not; without any, all of them. Nothing is saved or changed. On one message, each
    rule is listed, with the first condition that does not hold; on many, the matches are. A rule is active for a
    message if it was enabled when that was imported, and still is: for others see `rules apply`.
    """
    if sum(each is not None for each in (wanted, since, eml)) > 1:
        raise wrong_usage(Phrase("--message, --since and --eml exclude each other."))
    if eml is not None:
        work = partial(_on_file, invocation, names, _content(eml))
    elif wanted is not None:
        work = partial(_on_message, invocation, names, wanted)
    else:
        work = partial(_on_many, invocation, names, since or invocation.clock() - _SINCE, limit)
    return _listing(run_async(work()))


def _content(file: BinaryIO) -> bytes:
    content = file.read(_MAX_FILE + 1)
    if len(content) > _MAX_FILE:
        raise failure(Phrase("{path} is larger than {limit} bytes.", path=file.name, limit=_MAX_FILE))
    return content


async def _rules(database: Database, names: Sequence[str]) -> list[Rule]:
    return await trial.chosen_rules(database, names, enabled=False)


async def _on_message(invocation: Invocation, names: Sequence[str], wanted: str) -> _Result:
    async with invocation.database() as database:
        rules = await _rules(database, names)
        numbers = await database.read(partial(rule_trials.find, text=wanted, limit=_MAX_FOUND))
        if not numbers:
            raise failure(
                Phrase(
                    "There is no imported message with that id. See: mail-importer trace {wanted}",
                    wanted=quoted(wanted),
                )
            )
        return await _tried(invocation, database, rules, numbers)


async def _on_many(invocation: Invocation, names: Sequence[str], since: datetime, limit: int) -> _Result:
    whole = _Result()
    async with invocation.database() as database:
        rules = await _rules(database, names)
        whole.matched.update({each.name: 0 for each in rules})
        async for page in trial.messages_since(database, since):
            found = await _tried(invocation, database, rules, [each.message_id for each in page])
            matches = [each for each in found.rows if each["matches"]]
            whole.messages += found.messages
            whole.matched.update(each["rule"] for each in matches)
            whole.rows += matches[: limit - len(whole.rows)]
    _tell_numbers(whole)
    return whole


def _tell_numbers(result: _Result) -> None:
    for name, count in result.matched.items():
        tell(Phrase("Rule {name!r} matches {count} of {all} messages.", name=name, count=count, all=result.messages))
    left = result.matched.total() - len(result.rows)
    if left:
        tell(Phrase("{count} more matches are not listed; --limit lists more.", count=left))


async def _tried(invocation: Invocation, database: Database, rules: Sequence[Rule], numbers: Sequence[int]) -> _Result:
    found = await trial.tried(database, archive_lists_of(invocation.settings, database), rules, numbers)
    return _Result([row for _, rows in found for row in rows], messages=len(found))


async def _on_file(invocation: Invocation, names: Sequence[str], content: bytes) -> _Result:
    from console.rules.mail_file import opened  # noqa: PLC0415  # loads the parsers of mail, for this option alone

    async with invocation.database() as database:
        rules = await _rules(database, names)
    compiled, stored = trial.compiled([replace(each, account_id=None) for each in rules]), _by_number(rules)
    async with opened(content, invocation.settings, now=invocation.clock()) as mail:
        found = await trial.in_thread(compiled, mail.facts, mail.members)
    rows = [trial.row(each, stored[each.verdict.rule.rule.rule_id], {}) for each in found]
    return _Result(rows, messages=1)


def _by_number(rules: Sequence[Rule]) -> dict[int, Rule]:
    return {each.rule_id: each for each in rules}


def _listing(result: _Result) -> Listing:
    columns = [
        Column("rule", Phrase("Rule")),
        Column("message_id", Phrase("Message"), right=True, priority=1),
        Column("received", Phrase("Received"), whole=True),
        Column("matches", Phrase("Matches"), priority=3),
        Column("active", Phrase("Active")),
        Column("failed", Phrase("Does not hold"), trial.failed_shown, priority=2),
    ]
    details = [Column("files", Phrase("File"), trial.files_shown, lines=True)]
    empty = Phrase("No message matches.") if result.messages else Phrase("There is no such mail.")
    return Listing(columns, result.rows, empty=empty, details=details)
