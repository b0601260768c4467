"""Checks imported messages against the import rules, and records the files that are to be saved."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Final, TypeVar

import structlog

import background
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.queries import rule_mail, rule_matches, rules
from db.queries.rule_mail import UncheckedMessage
from db.queries.rule_matches import FileToSave, Matches
from db.queries.rules import StoredRule
from delivery.archives import ArchiveLimits, members_of
from delivery.contents import Contents
from delivery.errors import ContentMissing
from delivery.metrics import DeliveryMetrics
from hostfaults import HostFault, host_fault_of
from phrases import Phrase
from rules.attachments import is_archive, is_stored
from rules.compiled import BadRule, CompiledRule, CompiledRules
from rules.mail import AttachmentFacts, MailFacts, Member
from rules.rule import Rule
from rules.selection import WantedFile, files_of
from threads import DaemonThreads

A = TypeVar("A")
T = TypeVar("T")

_BATCH: Final = 100
_BATCH_BYTES: Final = 32 * 1024 * 1024
_RULES_FOR: Final = timedelta(seconds=10)
"""Time after which rules are read again even if no command changed them: other programs may have."""
_AGAIN_AFTER: Final = timedelta(minutes=10)
_MAX_SET_ASIDE: Final = 1000
_FIRST_POSTPONED: Final = timedelta(seconds=10)
_ROWS_AT_ONCE: Final = 1000
_MAX_FILES: Final = 10_000
"""Files of one message, of all rules."""
_MAX_UNPACKED: Final = 1024 * 1024 * 1024
"""Bytes of all files in the archives of one message."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Checked:
    """The result for one message: the rules that match, each with the files that it saves."""

    facts: MailFacts
    files: Sequence[tuple[CompiledRule, Sequence[WantedFile]]]

    @property
    def matches(self) -> Matches:
        """The result as it is stored."""
        rows = [_row(rule.rule, each) for rule, wanted in self.files for each in wanted]
        if len(rows) > _MAX_FILES:
            rows = [*rows[:_MAX_FILES], _too_many(rows[_MAX_FILES], len(rows))]
        return Matches(self.facts.message_id, len(self.files), rows)


Members = Callable[[int], Sequence[Member] | None]
"""Reads the list of the `.zip` at a position of a message; None: it cannot be read."""


def check(compiled: CompiledRules, facts: MailFacts, members: Members) -> Checked:
    """Check one message; `members` is called only where it matters."""
    found = compiled.matching(facts)
    if found.needs_archives:
        facts = with_lists(facts, members)
        found = compiled.matching(facts)
    matched = [each for each in found.rules if _was_active(each.rule, facts)]
    return Checked(facts, [(each, files_of(each, facts)) for each in matched])


def with_lists(facts: MailFacts, members: Members) -> MailFacts:
    """The facts with the lists of all attached archives; what is too large with those before it cannot be read."""
    attachments: list[AttachmentFacts] = []
    total = 0
    for each in facts.attachments:
        listed = _listed(each, members)
        size = sum(member.size for member in listed.members or () if member.problem is None)
        if size and total + size > _MAX_UNPACKED:
            listed = replace(listed, members=[_too_large(member) for member in listed.members or ()])
        else:
            total += size
        attachments.append(listed)
    return replace(facts, attachments=attachments)


def _too_large(member: Member) -> Member:
    return member if member.problem else replace(member, problem="TooLarge")


def _listed(each: AttachmentFacts, members: Members) -> AttachmentFacts:
    if each.members is None and is_archive(each) and is_stored(each):
        return replace(each, members=members(each.position))
    return each


def _was_active(rule: Rule, facts: MailFacts) -> bool:
    return rule.active_since is None or rule.active_since <= facts.imported


def _row(rule: Rule, wanted: WantedFile) -> FileToSave:
    return FileToSave(
        rule_id=rule.rule_id,
        key=wanted.key,
        part=wanted.part.value,
        folder=rule.folder,
        name=wanted.file_name,
        position=wanted.position,
        member=wanted.member,
        member_number=wanted.member_number,
        size=wanted.size,
        describes=wanted.describes,
        reason=wanted.reason,
        detail=wanted.problem,
    )


def _too_many(first: FileToSave, number: int) -> FileToSave:
    """The file in the place of those beyond the limit: it has failed, and so the message is red."""
    detail = Phrase(
        "The rules select {number} files of this message, and {limit} at most are saved. Narrow the rules, or save the "
        "rest by hand: mail-importer export",
        number=number,
        limit=_MAX_FILES,
    )
    return replace(first, key=f"beyond {_MAX_FILES}", describes=None, reason="TooManyFiles", detail=detail)


class ArchiveLists:
    """Reads the lists of `.zip` files that are attached to stored messages. Blocks."""

    def __init__(self, contents: Contents, limits: ArchiveLimits) -> None:
        self._contents = contents
        self._limits = limits

    def members(self, message_id: int, position: int) -> Sequence[Member] | None:
        """The files in the archive; None: the list cannot be read."""
        try:
            with self._contents.read_attachment(message_id, position) as archive:
                return members_of(archive, self._limits)
        except ContentMissing:
            return None


class RuleChecker:
    """Checks messages in the order of their import, and again after their content was replaced."""

    def __init__(
        self,
        database: Database,
        lists: ArchiveLists,
        *,
        clock: Callable[[], datetime],
        metrics: DeliveryMetrics,
    ) -> None:
        self._database = database
        self._lists = lists
        self._clock = clock
        self._metrics = metrics
        # Of its own: a long text, or a list of rules, takes seconds.
        self._thread = DaemonThreads("rule check", limit=1)
        self._stored: Sequence[StoredRule] = ()
        self._compiled = CompiledRules(())
        self._read_at: datetime | None = None
        self._token: rules.ChangeToken | None = None
        self._set_aside: dict[int, datetime] = {}
        """Messages whose check failed; each with the time until which it is left out."""
        self._postponed: dict[int, timedelta] = {}
        """Those that failed for a fault of the database or of this host, with the last pause."""

    async def check_some(self) -> int:
        """Check some of the messages that no rule was checked against; return their number.

        Raises:
            DatabaseUnavailable: also when the content of one cannot be read, which is left out for a moment.
            HostFault: this host lacks what the check of one needs, which is left out so; the others are checked.
        """
        now = self._clock()
        self._set_aside = {number: until for number, until in self._set_aside.items() if until > now}
        if len(self._postponed) > _MAX_SET_ASIDE:
            self._postponed.clear()
        limit = _BATCH + len(self._set_aside)
        found = await self._database.read(lambda connection: rule_mail.unchecked(connection, limit=limit))
        found = [each for each in found if each.message_id not in self._set_aside]
        if not found:
            return 0
        # After the messages: of a rule that is added just now, none of the mail that follows it is missed.
        await self._load_rules(now)
        oldest = min((each.rule.active_since or now for each in self._compiled.rules), default=None)
        early = [each.message_id for each in found if oldest is None or each.imported < oldest]
        if early:
            await self._database.write(lambda connection: rule_matches.none_matches(connection, early))
            self._metrics.checked.labels("unmatched").inc(len(early))
        await self._check(_within_bounds([each for each in found if each.message_id not in early]))
        return len(found)

    async def _load_rules(self, now: datetime) -> None:
        token = await self._database.read(rules.change_token)
        if token == self._token and self._read_at is not None and timedelta() <= now - self._read_at < _RULES_FOR:
            return
        stored = await self._database.read(rules.every)
        if stored != self._stored:
            self._compiled = await self._run(_compiled, stored)
            self._stored = stored
            log.info("rules_loaded", rules=len(self._compiled.rules))
        self._read_at, self._token = now, token

    async def _check(self, messages: Sequence[UncheckedMessage]) -> None:
        if not messages:
            return
        numbers = [each.message_id for each in messages]
        needs_text = any(each.rule.body_words for each in self._compiled.rules)
        facts = await self._database.read(
            lambda connection: rule_mail.facts_of(connection, numbers, with_body=needs_text)
        )
        checked, fault = await self._run(self._check_all, facts)
        for group in _in_transactions(checked):
            await self._note_or_set_aside(group)
        if fault is not None:
            raise fault

    async def _note_or_set_aside(self, checked: Sequence[Checked]) -> None:
        try:
            await self._note(checked)
        except DatabaseUnavailable:
            raise
        except Exception as exc:  # as in `_check_all`: reported, and tried again later
            if (fault := host_fault_of(exc)) is not None:
                raise fault from exc
            if len(checked) == 1:
                self._set_aside_for(checked[0].facts.message_id, exc)
                return
            for each in checked:  # one is at fault
                await self._note_or_set_aside([each])

    async def _note(self, checked: Sequence[Checked]) -> None:
        now = self._clock()
        noted = await self._database.write(
            lambda connection: rule_matches.note(connection, [each.matches for each in checked], now=now)
        )
        for each in checked:
            if each.facts.message_id in noted:
                self._metrics.checked.labels("matched" if each.files else "unmatched").inc()
                self._metrics.check_seconds.observe(max(0.0, (now - each.facts.imported).total_seconds()))

    def _check_all(self, facts: Sequence[MailFacts]) -> tuple[list[Checked], DatabaseUnavailable | HostFault | None]:
        """The results, and the fault of the database or of this host for which others have none yet."""
        results: list[Checked] = []
        fault = None
        for each in facts:
            try:
                results.append(check(self._compiled, each, partial(self._lists.members, each.message_id)))
                self._postponed.pop(each.message_id, None)
            except DatabaseUnavailable as exc:
                self._postpone(each.message_id, exc)
                return results, exc
            except Exception as exc:  # noqa: BLE001  # one message must not keep those behind it from their folders
                found = host_fault_of(exc)
                if found is None:
                    self._set_aside_for(each.message_id, exc)
                else:
                    self._postpone(each.message_id, found)
                fault = found or fault
        return results, fault

    def _postpone(self, message_id: int, fault: DatabaseUnavailable | HostFault) -> None:
        """Leave the message out for a moment, which grows: the fault may be of its own row or size alone."""
        if len(self._set_aside) >= _MAX_SET_ASIDE:
            return
        pause = min(2 * self._postponed.get(message_id, _FIRST_POSTPONED / 2), _AGAIN_AFTER)
        self._postponed[message_id] = pause
        self._set_aside[message_id] = self._clock() + pause
        log.warning("rule_check_postponed", message_number=message_id, error=str(fault), retry_in=pause.total_seconds())

    def _set_aside_for(self, message_id: int, exc: Exception) -> None:
        self._metrics.checked.labels("failed").inc()
        background.report_failure("rule check", exc, message_number=message_id)
        if len(self._set_aside) >= _MAX_SET_ASIDE:
            raise exc
        self._set_aside[message_id] = self._clock() + _AGAIN_AFTER

    async def _run(self, function: Callable[[A], T], argument: A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, argument)


def _compiled(stored: Sequence[StoredRule]) -> CompiledRules:
    """The enabled rules that can be used; of another, which another program wrote, the monitor makes a problem."""
    usable = []
    for each in stored:
        if each.rule.enabled and each.unreadable_because is None:
            with contextlib.suppress(BadRule):
                usable.append(CompiledRule(each.rule))
    return CompiledRules(usable)


def _in_transactions(checked: Sequence[Checked]) -> Iterator[list[Checked]]:
    """The results, as many together as one transaction may write: others wait for it meanwhile."""
    group: list[Checked] = []
    rows = 0
    for each in checked:
        number = sum(len(wanted) for _, wanted in each.files)
        if group and rows + number > _ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(each)
        rows += number
    if group:
        yield group


def _within_bounds(messages: Sequence[UncheckedMessage]) -> list[UncheckedMessage]:
    """The first messages that together are not too large for memory, one at least."""
    total = 0

    def fits(each: UncheckedMessage) -> bool:
        nonlocal total
        total += each.size
        return total <= _BATCH_BYTES

    return list(takewhile(fits, messages)) or list(messages[:1])
