"""Recovery: accounts in trouble are probed often, so that an administrator sees at once that a repair worked.

A role retries an account in trouble after up to a quarter of an hour. A probe is one cheap call; once it is answered,
the account is due for every role. Where a probe cannot show that a repair worked, one account of a cause is due
instead, and all others once that one is served.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

import background
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.queries import installation
from db.queries.installation import ConditionFact
from db.queries.problems import Problem, ProblemKind
from monitoring.evaluation import kind_of
from monitoring.facts import Facts

Probe = Callable[[int], Awaitable[bool]]
"""Opens the folder of an account at Graph, by its number; False where that is refused."""

_Key = tuple[str, ...]

_PROBED: Final = frozenset(
    {
        ProblemKind.SIGN_IN_REFUSED,
        ProblemKind.CERTIFICATE_ENDED,
        ProblemKind.CERTIFICATE_NOT_FOUND,
        ProblemKind.CERTIFICATE_KEY_UNREADABLE,
        ProblemKind.CERTIFICATE_UNUSABLE,
        ProblemKind.MAILBOX_REFUSED,
        ProblemKind.FOLDER_NOT_FOUND,
        ProblemKind.SETTINGS_UNUSABLE,
    }
)
_RETRIED: Final = frozenset({ProblemKind.SUBSCRIPTION_FAILING, ProblemKind.SWEEP_FAILING})
"""Kinds that a probe does not show: it shows that Graph answers for the mailbox, and one account is tried again."""
_COSTLY: Final = frozenset({"TookTooLong", "SyncStateLost"})
"""Reasons of conditions whose retry takes a minute of calls, or begins a pass through the folder anew."""
_AT_ONCE: Final = 10
_EVERY_SECONDS: Final = 30.0
_AFTER_SUCCESS_SECONDS: Final = 600.0
"""Pause where a probe is answered and a role is refused all the same, as on a host without the certificate."""
_PROBE_SECONDS: Final = 15.0
_CANCEL_SECONDS: Final = 0.5

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Group:
    """Conditions that one answer may end: of an account, or of many of an application.

    `is_retried`: an account is tried again to learn whether they are over; see `_RETRIED`.
    """

    key: _Key
    facts: Sequence[ConditionFact]
    is_retried: bool


class Recovery:
    """An observer of the monitor that probes what is in trouble, in the background."""

    def __init__(
        self,
        database: Database,
        probe: Probe,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._probe = probe
        self._clock = clock
        self._monotonic = monotonic
        self._not_before: dict[_Key, float] = {}
        self._retried: dict[_Key, tuple[int, str]] = {}
        """Account and role that were last tried again of a group."""
        self._turns = 0
        self._running: asyncio.Task[None] | None = None

    async def found(self, facts: Facts, _found: Collection[Problem]) -> None:
        """See `monitoring.monitor.Observer.found`. Returns at once."""
        groups = _groups(facts.stored.conditions)
        known = {each.key for each in groups}
        self._not_before = {key: time for key, time in self._not_before.items() if key in known}
        now = self._monotonic()
        self._retried = {key: tried for key, tried in self._retried.items() if key in known}
        due = [each for each in groups if self._not_before.get(each.key, now) <= now or self._is_ending(each)]
        due.sort(key=lambda each: self._not_before.get(each.key, 0.0))
        if due and (self._running is None or self._running.done()):
            self._running = background.start(self._probe_all(due[:_AT_ONCE]), name="recovery")

    async def database_failed(self, since: datetime, why: str) -> None:
        """See `monitoring.monitor.Observer.database_failed`."""

    async def lost(self) -> None:
        """See `monitoring.monitor.Observer.lost`."""
        if self._running is not None:
            await background.cancel(self._running, within=_CANCEL_SECONDS)

    async def _probe_all(self, groups: Sequence[_Group]) -> None:
        await asyncio.gather(*map(self._try, groups))

    async def _try(self, group: _Group) -> None:
        # Another one each time: the mailbox that stays refused must not stand for those that no longer are.
        self._turns += 1
        chosen = group.facts[self._turns % len(group.facts)]
        self._not_before[group.key] = self._monotonic() + _EVERY_SECONDS
        if not self._is_ending(group):
            if not await self._answers(chosen.account_id):
                return
            if group.is_retried:
                self._retried[group.key] = (chosen.account_id, chosen.role)
                await self._release([replace(chosen, in_group=1)])
                return
            self._not_before[group.key] = self._monotonic() + _AFTER_SUCCESS_SECONDS
        self._retried.pop(group.key, None)
        released = await self._release(_each_once(group.facts))
        log.info("accounts_recovered", account=chosen.name, conditions=released)

    def _is_ending(self, group: _Group) -> bool:
        """True if the account that was tried again is no longer in trouble: neither may the others be."""
        tried = self._retried.get(group.key)
        return tried is not None and tried not in {(each.account_id, each.role) for each in group.facts}

    async def _answers(self, account_id: int) -> bool:
        with suppress(TimeoutError, DatabaseUnavailable):
            async with asyncio.timeout(_PROBE_SECONDS):
                return await self._probe(account_id)
        return False

    async def _release(self, facts: Sequence[ConditionFact]) -> int:
        """Have the accounts tried again by their roles; return their number."""
        with suppress(DatabaseUnavailable):  # then the roles find out by themselves
            return await self._database.write(
                lambda connection: sum(installation.release(connection, each, now=self._clock()) for each in facts)
            )
        return 0


def _groups(conditions: Sequence[ConditionFact]) -> list[_Group]:
    found: dict[tuple[bool, _Key], list[ConditionFact]] = defaultdict(list)
    for each in conditions:
        kind = kind_of(each.role, each.reason)
        is_retried = kind in _RETRIED and each.reason not in _COSTLY
        if kind in _PROBED | _RETRIED:
            small = each.in_group <= _AT_ONCE and kind is not ProblemKind.SIGN_IN_REFUSED
            key = (str(each.account_id),) if small else (each.reason, each.tenant_id, each.client_id, each.thumbprint)
            found[is_retried, key].append(each)
    return [_Group((str(retried), *key), facts, retried) for (retried, key), facts in found.items()]


def _each_once(facts: Sequence[ConditionFact]) -> list[ConditionFact]:
    """Of a large group one fact for each role: it stands for all of the group."""
    return list(
        {(each.role, each.reason, each.account_id if each.in_group <= _AT_ONCE else 0): each for each in facts}.values()
    )
