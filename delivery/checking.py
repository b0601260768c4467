"""Checks imported messages against the import rules, and records the files that are to be saved."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Final, TypeVar

import structlog

import background
from db.engine import Database
from db.queries import rule_mail, rule_matches, rules
from db.queries.rule_mail import UncheckedMessage
from db.queries.rule_matches import FileToSave, Matches
from db.queries.rules import StoredRule
from delivery.archives import ArchiveLimits, members_of
from delivery.contents import Contents
from delivery.errors import ContentMissing
from delivery.metrics import DeliveryMetrics
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
_AGAIN_AFTER: Final = timedelta(minutes=10)
_MAX_SET_ASIDE: Final = 1000

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
    """The facts with the lists of all attached archives."""
    return replace(facts, attachments=[_listed(each, members) for each in facts.attachments])


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
        self._set_aside: dict[int, datetime] = {}
        """Messages whose check failed, for a fault in the program; each with the time until which it is left out."""

    async def check_some(self) -> int:
        """Check some of the messages that no rule was checked against; return their number.

        Raises:
            DatabaseUnavailable
        """
        now = self._clock()
        self._set_aside = {number: until for number, until in self._set_aside.items() if until > now}
        limit = _BATCH + len(self._set_aside)
        found = await self._database.read(lambda connection: rule_mail.unchecked(connection, limit=limit))
        found = [each for each in found if each.message_id not in self._set_aside]
        if not found:
            return 0
        await self._load_rules(now)
        oldest = min((each.rule.active_since or now for each in self._compiled.rules), default=None)
        early = [each.message_id for each in found if oldest is None or each.imported < oldest]
        if early:
            await self._database.write(lambda connection: rule_matches.none_matches(connection, early))
            self._metrics.checked.labels("unmatched").inc(len(early))
        await self._check(_within_bounds([each for each in found if each.message_id not in early]))
        return len(found)

    async def _load_rules(self, now: datetime) -> None:
        if self._read_at is not None and timedelta() <= now - self._read_at < _RULES_FOR:
            return
        stored = await self._database.read(rules.every)
        if stored != self._stored:
            self._compiled = await self._run(_compiled, stored)
            self._stored = stored
            log.info("rules_loaded", rules=len(self._compiled.rules))
        self._read_at = now

    async def _check(self, messages: Sequence[UncheckedMessage]) -> None:
        if not messages:
            return
        numbers = [each.message_id for each in messages]
        needs_text = any(each.rule.body_words for each in self._compiled.rules)
        facts = await self._database.read(
            lambda connection: rule_mail.facts_of(connection, numbers, with_body=needs_text)
        )
        checked = await self._run(self._check_all, facts)
        now = self._clock()
        noted = await self._database.write(
            lambda connection: rule_matches.note(connection, [each.matches for each in checked], now=now)
        )
        for each in checked:
            if each.facts.message_id in noted:
                self._metrics.checked.labels("matched" if each.files else "unmatched").inc()
                self._metrics.check_seconds.observe(max(0.0, (now - each.facts.imported).total_seconds()))

    def _check_all(self, facts: Sequence[MailFacts]) -> list[Checked]:
        results = []
        for each in facts:
            try:
                results.append(check(self._compiled, each, partial(self._lists.members, each.message_id)))
            except Exception as exc:  # noqa: BLE001  # one message must not keep those behind it from their folders
                self._set_aside_for(each.message_id, exc)
        return results

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


def _within_bounds(messages: Sequence[UncheckedMessage]) -> list[UncheckedMessage]:
    """The first messages that together are not too large for memory, one at least."""
    total = 0

    def fits(each: UncheckedMessage) -> bool:
        nonlocal total
        total += each.size
        return total <= _BATCH_BYTES

    return list(takewhile(fits, messages)) or list(messages[:1])
