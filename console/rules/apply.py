"""`mail-importer rules apply`: rules applied to mail that was imported before."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import click

from console.audit import audited, author
from console.confirmation import confirm
from console.invocation import Invocation, as_stored_each, example, pass_invocation, past_moment, rule_names
from console.loop import run_async
from console.output import Report, prints_data, shown
from console.rules import trial
from console.settings import Settings
from console.translation.help import Command
from console.wiring.delivery import archive_lists_of
from db.engine import Database
from db.queries import rule_matches, rule_trials
from db.queries.history import Author
from db.queries.rule_trials import ReceivedMessage
from delivery.checking import ArchiveLists, Checked, check
from phrases import Phrase
from phrases.commands import joined
from rules.compiled import CompiledRules
from rules.rule import Rule


@dataclass(slots=True)
class ApplyNumbers:
    """Numbers of messages and files. `unchecked`: messages that were left out, which the delivery has yet to check."""

    messages: int = 0
    matched: int = 0
    files: int = 0
    unchecked: int = 0


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """The options of an operator. `without`: accounts whose mail is left out."""

    since: datetime
    names: Sequence[str]
    again: bool
    without: Collection[int] = ()


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer rules apply --since 30d --rule results --dry-run",
        "mail-importer rules apply --since 2026-11-01 --yes",
    ),
)
@click.option(
    "--since",
    metavar="T",
    required=True,
    callback=past_moment,
    help="To mail received since then (2h, 30d, 29.11.2026, ISO 8601).",
)
@click.option(
    "--rule",
    "names",
    metavar="NAME",
    multiple=True,
    callback=as_stored_each,
    shell_complete=rule_names,
    help="Apply this rule, enabled or not; may be repeated. Default: all that are enabled.",
)
@click.option("--dry-run", is_flag=True, help="Report what would be saved, and change nothing.")
@click.option("--again", is_flag=True, help="Save once more what was saved before.")
@click.option("--yes", is_flag=True, help="Do not prompt.")
@prints_data
@pass_invocation
def apply(
    invocation: Invocation, since: datetime, names: tuple[str, ...], dry_run: bool, again: bool, yes: bool
) -> Report:
    """Apply rules to mail that was imported before, and save its files.

    Prompts first, with the number of files; a running delivery role saves them. What a rule saved of a message before
    is not saved again, unless --again. Messages that the delivery has yet to check are left out: it checks them.
    """
    request = ApplyRequest(since, names, again)
    planned = run_async(_opened(invocation, partial(counted, request=request)))
    if dry_run:
        return _report(planned, "planned", [Phrase("Nothing was changed: this was a dry run."), *sentences(planned)])
    if planned.files:
        confirm(question(planned), yes=yes)
        work = partial(applied, request=request, clock=invocation.clock, author=author())
        planned = run_async(_opened(invocation, work))
    return _report(planned, "applied", sentences(planned))


async def _opened(
    invocation: Invocation, work: Callable[[Settings, Database], Coroutine[Any, Any, ApplyNumbers]]
) -> ApplyNumbers:
    async with invocation.database() as database:
        return await work(invocation.settings, database)


def question(planned: ApplyNumbers) -> Phrase:
    """The question before files are saved."""
    return Phrase.counted(
        "Save {n} file of {messages} messages?",
        "Save {n} files of {messages} messages?",
        n=planned.files,
        messages=planned.matched,
    )


def _unheard(_messages: int) -> None:
    """Report no progress."""


async def counted(
    settings: Settings, database: Database, request: ApplyRequest, *, progress: Callable[[int], None] = _unheard
) -> ApplyNumbers:
    """The numbers of what would be done. `progress`: is told the number of messages so far."""
    numbers = ApplyNumbers()
    rules, lists = await _prepared(settings, database, request)
    async for page in trial.messages_since(database, request.since, without=request.without):
        known = {} if request.again else await trial.known_files(database, [each.message_id for each in page])
        for each in await _checked(database, rules, lists, page, numbers):
            files = each.matches.files
            new = [file for file in files if (each.facts.message_id, file.rule_id, file.key) not in known]
            numbers.matched += bool(new)
            numbers.files += len(new)
        progress(numbers.messages)
    return numbers


async def applied(
    settings: Settings,
    database: Database,
    request: ApplyRequest,
    *,
    clock: Callable[[], datetime],
    author: Author,
    progress: Callable[[int], None] = _unheard,
) -> ApplyNumbers:
    """Record the files; the numbers of what was done."""
    numbers = ApplyNumbers()
    rules, lists = await _prepared(settings, database, request)
    async with audited(
        database,
        action="rules apply",
        selection=selection(request),
        done=lambda: numbers.matched,
        clock=clock,
        by=author,
    ):
        async for page in trial.messages_since(database, request.since, without=request.without):
            await _record(
                database, await _checked(database, rules, lists, page, numbers), numbers, request.again, clock
            )
            progress(numbers.messages)
    return numbers


async def applied_to_message(
    settings: Settings,
    database: Database,
    message_id: int,
    *,
    again: bool,
    clock: Callable[[], datetime],
    author: Author,
) -> ApplyNumbers:
    """As `applied`, with all enabled rules and one message."""
    numbers = ApplyNumbers()
    rules, lists = (
        trial.compiled(await trial.chosen_rules(database, (), enabled=True)),
        archive_lists_of(settings, database),
    )
    async with audited(
        database,
        action="rules apply",
        selection=joined(["--message", str(message_id), *(["--again"] if again else [])]),
        done=lambda: numbers.matched,
        clock=clock,
        by=author,
    ):
        page = await database.read(partial(rule_trials.received, number=message_id))
        await _record(database, await _checked(database, rules, lists, page, numbers), numbers, again, clock)
    return numbers


async def _record(
    database: Database,
    found: Sequence[Checked],
    numbers: ApplyNumbers,
    again: bool,  # of the request
    clock: Callable[[], datetime],
) -> None:
    for each in found:
        added = await database.write(partial(rule_matches.apply, found=each.matches, now=clock(), again=again))
        numbers.matched += bool(added)
        numbers.files += added


async def _prepared(
    settings: Settings, database: Database, request: ApplyRequest
) -> tuple[CompiledRules, ArchiveLists]:
    rules: list[Rule] = await trial.chosen_rules(database, request.names, enabled=True)
    return trial.compiled(rules), archive_lists_of(settings, database)


async def _checked(
    database: Database,
    rules: CompiledRules,
    lists: ArchiveLists,
    page: Sequence[ReceivedMessage],
    numbers: ApplyNumbers,
) -> list[Checked]:
    """The results for those messages of the page that match, and are the delivery's no more."""
    chosen = [each.message_id for each in page if each.is_checked]
    numbers.messages += len(chosen)
    numbers.unchecked += len(page) - len(chosen)
    found = [
        await asyncio.to_thread(check, rules, facts, partial(lists.members, facts.message_id))
        for facts in await trial.facts_of(database, chosen)
    ]
    return [each for each in found if each.files]


def selection(request: ApplyRequest) -> str:
    """The options of the request."""
    words = ["--since", shown(request.since), *(word for name in request.names for word in ("--rule", name))]
    return joined([*words, *(["--again"] if request.again else [])])


def sentences(numbers: ApplyNumbers) -> list[Phrase]:
    """Sentences on what is, or would be, done."""
    found = [
        Phrase.counted("{n} message was checked.", "{n} messages were checked.", n=numbers.messages),
        Phrase.counted(
            "{n} file is to be saved by a running delivery role.",
            "{n} files of {matched} messages are to be saved by a running delivery role.",
            n=numbers.files,
            matched=numbers.matched,
        ),
    ]
    if numbers.unchecked:
        found.append(
            Phrase.counted(
                "{n} message was left out: the delivery has yet to check it.",
                "{n} messages were left out: the delivery has yet to check them.",
                n=numbers.unchecked,
            )
        )
    return found


def _report(numbers: ApplyNumbers, action: str, told: list[Phrase]) -> Report:
    facts = {
        "action": action,
        "messages": numbers.messages,
        "matched": numbers.matched,
        "files": numbers.files,
        "unchecked": numbers.unchecked,
    }
    return Report(facts, told)
