"""Accounts for the processor: their mailboxes, and those of them that have to wait.

A failure of a whole account (no access, no certificate) is not counted against its messages: they wait in the queue,
and are delivered again when the account is retried.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

import structlog
from sqlalchemy import Connection

from db.engine import Database
from db.errors import DatabaseUnavailable
from db.leases import age, is_over
from db.queries import accounts, filters, rules
from db.queries.filters import Filters
from graph.errors import AccountError
from graph.mailbox import Mailbox
from phrases import Phrase
from phrases.commands import quoted
from processor.errors import AccountUnusable, FiltersInvalid, RemovedAccount, Unprocessable
from processor.filters import BadFilter, MailFilter
from processor.metrics import ProcessorMetrics

ROLE: Final = "processor"
AFTER_IMPORT: Final = "afterimport"
"""The role of actions in mailboxes after an import: they need more rights, and wait separately."""

_FRESH_FOR: Final = timedelta(seconds=5)
_FIRST_HOLD: Final = timedelta(seconds=30)
_MAX_HOLD: Final = timedelta(minutes=15)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Read:
    """An account, as the last read of the database found it. `mailbox`: once it is requested."""

    moment: datetime
    account: accounts.Account | None
    number: int
    mailbox: Mailbox | None = None


class AccountCache:
    """The accounts of the database, read again when older than a few seconds."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[int, _Read] = {}
        self._reads = 0
        self._filters: dict[int, tuple[Filters, MailFilter]] = {}
        self._of_originals: Collection[int | None] = ()

    async def refresh(self, account_ids: Iterable[int]) -> None:
        """Read those of the accounts that are not fresh, in one query.

        Raises:
            DatabaseUnavailable
        """
        now = self._clock()
        stale = {each for each in account_ids if not self._is_fresh(each, now)}
        if stale:
            self._reads = number = self._reads + 1
            found, self._of_originals = await self._database.read(
                lambda connection: (accounts.by_id(connection, sorted(stale)), rules.needs_original(connection))
            )
            for each in stale:
                if each not in self._known or self._known[each].number < number:  # no later read overtook this one
                    self._known[each] = _Read(now, found.get(each), number)

    def _is_fresh(self, account_id: int, now: datetime) -> bool:
        """Never true of a removed account: what came since it was taken up again must not be dropped."""
        read = self._known.get(account_id)
        if read is None or read.account is None or read.account.removed:
            return False
        return age(read.moment, now) < _FRESH_FOR

    def mailbox(self, account_id: int) -> Mailbox:
        """The mailbox of an account that `refresh` has read.

        Raises:
            RemovedAccount
            Unprocessable: there is no such account, or it is disabled.
        """
        read = self._known[account_id]
        if read.mailbox is None:
            read.mailbox = self._mailbox(account_id, read.account)
        return read.mailbox

    def _mailbox(self, account_id: int, account: accounts.Account | None) -> Mailbox:
        if account is None:
            raise Unprocessable(
                "AccountUnknown",
                Phrase("There is no account {account_id}; its mail is not imported.", account_id=account_id),
            )
        if account.removed:
            raise RemovedAccount(account_id)
        if not account.enabled:
            raise Unprocessable(
                "AccountDisabled",
                Phrase("Account {name!r} is disabled. Enable it, then replay.", name=account.settings.name),
            )
        return Mailbox.of(account_id, account.settings)

    def settings(self, account_id: int) -> accounts.AccountSettings:
        """The settings of an account that `refresh` has read and `mailbox` gives."""
        account = self._known[account_id].account
        if account is None:
            raise Unprocessable(
                "AccountUnknown", Phrase("Account {account_id} is not there any more.", account_id=account_id)
            )
        return account.settings

    def require_usable(self, account_id: int) -> None:
        """Ensure that all of the account's row can be used, of an account as for `settings`.

        Raises:
            AccountUnusable: the settings are incomplete.
        """
        account = self._known[account_id].account
        why = None if account is None else account.unreadable_because
        if why is not None:
            raise AccountUnusable(why, advice=Phrase(""))

    def keeps_original(self, account_id: int) -> bool:
        """Check whether an import rule saves the originals of this account, or those of all."""
        return account_id in self._of_originals or None in self._of_originals

    def mail_filter(self, account_id: int) -> MailFilter | None:
        """The filter of mail to import, of an account as for `settings`; None: all mail is imported.

        Raises:
            FiltersInvalid: they make no sense.
        """
        settings = self.settings(account_id)
        if settings.filters == filters.NONE:
            return None
        made = self._filters.get(account_id)
        if made is None or made[0] != settings.filters:
            made = self._filters[account_id] = (settings.filters, mail_filter_of(settings))
        return made[1]


def mail_filter_of(settings: accounts.AccountSettings) -> MailFilter:
    """The filters of an account, ready for use.

    Raises:
        FiltersInvalid: they make no sense.
    """
    try:
        return MailFilter(settings.filters)
    except BadFilter as exc:
        raise FiltersInvalid(
            Phrase("The filters of account {name!r} cannot be used: {why}", name=settings.name, why=exc.args[0]),
            advice=Phrase(
                "Correct or remove them: mail-importer accounts update {name} --no-filters",
                name=quoted(settings.name),
            ),
        ) from exc


@dataclass(slots=True)
class _Hold:
    until: datetime
    length: timedelta


class AccountBackoff:
    """Accounts that cannot be served now, with growing waits between the attempts."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ProcessorMetrics,
        role: str = ROLE,
    ) -> None:
        """`role`: the work that cannot be done for them, ROLE or AFTER_IMPORT."""
        self._database = database
        self._role = role
        self._clock = clock
        self._random = random
        self._held_accounts = metrics.held_accounts if role == ROLE else metrics.held_after_import
        self._holds: dict[int, _Hold] = {}
        self._noting: dict[int, asyncio.Lock] = {}
        """By account, for the order of notes: that of a hold must not be written after that of its end."""

    async def load(self) -> None:
        """Load the notes of other processes, or of an earlier one: their holds, and accounts that are served again.

        Raises:
            DatabaseUnavailable
        """
        found = await self._database.read(lambda connection: accounts.conditions(connection, self._role))
        noted = {each.account_id: each for each in found}
        self._holds = {account_id: hold for account_id, hold in self._holds.items() if account_id in noted}
        for account_id, condition in noted.items():
            self._holds.setdefault(account_id, _Hold(condition.next_attempt, _FIRST_HOLD))
        self._held_accounts.set(len(self._holds))

    def delay(self, account_id: int) -> timedelta | None:
        """Time that work of the account has to wait; None when it may be tried."""
        hold = self._holds.get(account_id)
        now = self._clock()
        if hold is None or is_over(hold.until, now, longest=_MAX_HOLD):
            return None
        return hold.until - now + self._jitter()

    @property
    def held(self) -> frozenset[int]:
        """The accounts that were held and not released since, also those of which work may be tried again."""
        return frozenset(self._holds)

    async def hold(self, mailbox: Mailbox, error: AccountError) -> timedelta:
        """Note that the account cannot be served; return the time that its work waits."""
        waiting = self.delay(mailbox.account_id)
        if waiting is not None:
            return waiting  # another message of the account reported it a moment ago
        earlier = self._holds.get(mailbox.account_id)
        length = min(earlier.length * 2, _MAX_HOLD) if earlier else _FIRST_HOLD
        now = self._clock()
        self._holds[mailbox.account_id] = _Hold(now + length, length)
        self._held_accounts.set(len(self._holds))
        log.error(
            "account_held",
            account=mailbox.account_name,
            role=self._role,
            reason=error.reason,
            error=str(error),
            seconds=length.total_seconds(),
        )
        condition = accounts.Condition(
            mailbox.account_id, self._role, error.reason, str(error), since=now, next_attempt=now + length
        )
        await self._note(mailbox.account_id, lambda connection: accounts.set_condition(connection, condition))
        return length + self._jitter()

    async def release(self, mailbox: Mailbox) -> None:
        """Note that the account is served again."""
        await self._end(mailbox.account_id, account=mailbox.account_name)

    async def forget(self, account_id: int) -> None:
        """Note that no work of the account waits any more, so that none will show whether it is served again."""
        await self._end(account_id, account_id=account_id)

    async def _end(self, number: int, **facts: object) -> None:
        if self._holds.pop(number, None) is None:
            return
        self._held_accounts.set(len(self._holds))
        log.info("account_released", role=self._role, **facts)
        await self._note(number, lambda connection: accounts.clear_condition(connection, number, self._role))

    async def _note(self, account_id: int, work: Callable[[Connection], None]) -> None:
        lock = self._noting.setdefault(account_id, asyncio.Lock())
        try:
            async with lock:  # in order of arrival
                await self._database.write(work)
        except DatabaseUnavailable as exc:
            # A note for the administrator: the hold itself is in force without it.
            log.warning("condition_not_noted", error=str(exc))

    def _jitter(self) -> timedelta:
        # Keeps a backlog from coming back all at once.
        return timedelta(seconds=self._random.uniform(0, 5))
