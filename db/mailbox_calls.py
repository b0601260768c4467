"""The calls at once that an application may have of a mailbox, shared by all processes (`tblMailboxCall`).

Graph lets an application have four calls of a mailbox under way (graph.md section 8), wherever they come from. Each of
the four is a slot, and a process uses only slots that it holds under a lease. Slots are taken when there is work, kept
while there is, and given back a moment after; those of a process that died end by time. A process that gets none asks
for one, and whoever has several gives one away.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import structlog
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from db.engine import Database
from db.errors import DatabaseUnavailable
from db.locking import locking
from db.tables import mailbox_call

MOST_AT_ONCE: Final = 4
Key = tuple[str, str]
"""Application and user."""

_LEASE: Final = timedelta(seconds=20)
_RENEWED_BEFORE_END: Final = timedelta(seconds=10)
_NOT_BEGUN_BEFORE_END: Final = timedelta(seconds=2)
_LINGER: Final = timedelta(seconds=2)
_ASKED_FOR: Final = timedelta(seconds=3)
_ROUND_SECONDS: Final = 0.5
_SWEPT_EVERY: Final = timedelta(minutes=10)
_FORGOTTEN_AFTER: Final = timedelta(hours=1)
_ASKING: Final = -1
"""The number of the row by which a process asks for a slot."""
_NAMES_IN_ONE_QUERY: Final = 500

_row = mailbox_call.c

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Mailbox:
    """What this process has of one mailbox."""

    name: str
    held: dict[int, datetime] = field(default_factory=dict)
    """The slots, and when their leases end."""
    using: int = 0
    waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)
    expected: int = 0
    """How many calls somebody is about to make."""
    used_at: datetime | None = None
    asked: bool = False
    """Another process asks for a slot."""

    def free(self, now: datetime) -> int:
        return sum(until > now + _NOT_BEGUN_BEFORE_END for until in self.held.values()) - self.using - self._given_away

    @property
    def _given_away(self) -> int:
        return 1 if self.asked and len(self.held) > 1 else 0

    def missing(self) -> int:
        """How many slots more would be of use."""
        wanted = min(MOST_AT_ONCE, self.using + max(len(self.waiting), self.expected))
        return 0 if self.asked and self.held else max(0, wanted - len(self.held))

    def is_idle(self, now: datetime) -> bool:
        at_rest = not self.using and not self.waiting and not self.expected
        return at_rest and (self.used_at is None or self.used_at + _LINGER <= now)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one round asks of the database."""

    missing: Mapping[str, int]
    renewed: Sequence[tuple[str, int]]
    returned: Sequence[tuple[str, int]]
    full: Sequence[str]
    """Mailboxes of which this process has more than one slot: somebody may ask for one."""

    @property
    def writes(self) -> bool:
        return bool(self.missing or self.renewed or self.returned)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database says: the slots held, of the mailboxes of the plan, and who is asked for one."""

    held: Mapping[str, Mapping[int, datetime]]
    asked: set[str]


class MailboxCalls:
    """This process's share. Satisfies `graph.slots.CallSlots`."""

    def __init__(self, database: Database, *, owner: str, clock: Callable[[], datetime]) -> None:
        """`owner` names this process among all."""
        self._database = database
        self._owner = owner
        self._clock = clock
        self._mailboxes: dict[Key, _Mailbox] = {}
        self._hurry = asyncio.Event()
        self._round = asyncio.Lock()
        self._next_sweep = clock()
        self._in_trouble = False
        self._broken: BaseException | None = None

    @asynccontextmanager
    async def kept(self) -> AsyncIterator["MailboxCalls"]:
        """Keep the share as long as the context lasts, then give it back."""
        keeping = asyncio.create_task(self._keep())
        keeping.add_done_callback(self._note_end)
        try:
            yield self
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            held = [(each.name, slot) for each in self._mailboxes.values() for slot in each.held]
            if held:
                with contextlib.suppress(DatabaseUnavailable):  # then they end by time
                    await self._database.write(lambda connection: _give_back(connection, held, self._owner))

    def _note_end(self, keeping: "asyncio.Task[None]") -> None:
        """An error nobody foresaw reaches who waits: without a keeper they would wait for ever."""
        self._broken = None if keeping.cancelled() else keeping.exception()
        if self._broken is not None:
            log.error("mailbox_calls_broken", error_type=type(self._broken).__name__)
            for mailbox in self._mailboxes.values():
                for turn in mailbox.waiting:
                    if not turn.done():
                        turn.set_exception(self._broken)

    async def take(self, key: Key) -> None:
        """Return once a call may begin."""
        if self._broken is not None:
            raise self._broken
        mailbox = self._of(key)
        if not mailbox.waiting and mailbox.free(self._clock()) > 0:
            mailbox.using += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mailbox.waiting.append(turn)
        self._hurry.set()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(key)
            else:
                with contextlib.suppress(ValueError):  # passed over already
                    mailbox.waiting.remove(turn)
            raise

    def give_back(self, key: Key) -> None:
        """A call has ended."""
        mailbox = self._mailboxes[key]
        mailbox.using -= 1
        mailbox.used_at = self._clock()
        if mailbox.asked:
            self._hurry.set()
        self._serve(mailbox)

    async def reserve(self, expected: Mapping[Key, int]) -> set[Key]:
        """Get slots for so many calls to come, as far as there are any; the mailboxes of which there are none now.

        Raises:
            DatabaseUnavailable
        """
        now = self._clock()
        without = [key for key in expected if not any(until > now for until in self._of(key).held.values())]
        if without:
            for key in without:
                self._of(key).expected = expected[key]
            try:
                await self._go_round()
            finally:
                for key in without:
                    self._of(key).expected = 0
                    self._of(key).used_at = self._clock()
        return {key for key in without if not self._of(key).held}

    def _of(self, key: Key) -> _Mailbox:
        found = self._mailboxes.get(key)
        if found is None:
            found = self._mailboxes[key] = _Mailbox(f"{key[0]}/{key[1]}")
        return found

    def _serve(self, mailbox: _Mailbox) -> None:
        free = mailbox.free(self._clock()) if mailbox.waiting else 0
        while free > 0 and mailbox.waiting:
            turn = mailbox.waiting.popleft()
            if not turn.done():
                mailbox.using += 1
                free -= 1
                turn.set_result(None)

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ROUND_SECONDS):
                    await self._hurry.wait()
            self._hurry.clear()
            try:
                await self._go_round()
                await self._sweep()
            except DatabaseUnavailable as exc:
                if not self._in_trouble:
                    log.warning("mailbox_calls_not_renewed", error=str(exc))
                self._in_trouble = True
                await asyncio.sleep(_ROUND_SECONDS)
            else:
                self._in_trouble = False

    async def _go_round(self) -> None:
        async with self._round:
            now = self._clock()
            plan = self._plan(now)
            if plan.writes:
                found = await self._database.write(
                    lambda connection: _carry_out(connection, plan, owner=self._owner, now=now)
                )
            elif plan.full:
                found = await self._database.read(lambda connection: _asked_only(connection, plan, self._owner, now))
            else:
                return
            self._learn(found)

    def _plan(self, now: datetime) -> _Plan:
        missing: dict[str, int] = {}
        renewed: list[tuple[str, int]] = []
        returned: list[tuple[str, int]] = []
        full: list[str] = []
        for key, mailbox in list(self._mailboxes.items()):
            if mailbox.is_idle(now):
                returned += [(mailbox.name, slot) for slot in mailbox.held]
                if not mailbox.held:
                    del self._mailboxes[key]
                mailbox.held.clear()
                continue
            if mailbox.asked and len(mailbox.held) > max(1, mailbox.using):
                returned.append((mailbox.name, mailbox.held.popitem()[0]))
                mailbox.asked = False
            if mailbox.missing():
                missing[mailbox.name] = mailbox.missing()
            renewed += [
                (mailbox.name, slot) for slot, until in mailbox.held.items() if until <= now + _RENEWED_BEFORE_END
            ]
            if len(mailbox.held) > 1:
                full.append(mailbox.name)
        return _Plan(missing, renewed, returned, full)

    def _learn(self, found: _Found) -> None:
        for mailbox in self._mailboxes.values():
            mailbox.asked = mailbox.name in found.asked
            if mailbox.name in found.held:
                mailbox.held = dict(found.held[mailbox.name])
            self._serve(mailbox)

    async def _sweep(self) -> None:
        """Forget what processes that died held long ago."""
        now = self._clock()
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEPT_EVERY
            await self._database.write(lambda connection: _forget(connection, now - _FORGOTTEN_AFTER))


def _carry_out(connection: Connection, plan: _Plan, *, owner: str, now: datetime) -> _Found:
    _give_back(connection, plan.returned, owner)
    if plan.renewed:
        connection.execute(
            _RENEW,
            [{"mailbox": name, "slot": slot, "owner": owner, "until": now + _LEASE} for name, slot in plan.renewed],
        )
    for names in _pieces(plan.missing):
        _take(connection, {name: plan.missing[name] for name in names}, owner=owner, now=now)
    held: dict[str, dict[int, datetime]] = {name: {} for name in {*plan.missing, *(name for name, _ in plan.renewed)}}
    for names in _pieces(held):
        for row in connection.execute(
            select(_row.sMailbox, _row.nSlot, _row.dtLeaseUntil).where(
                _row.sMailbox.in_(names), _row.nSlot >= 0, _row.sOwner == owner
            )
        ):
            held[row.sMailbox][row.nSlot] = row.dtLeaseUntil
    for name in plan.missing:
        if not held[name]:
            _ask(connection, name, owner=owner, now=now)
    return _Found(held, _asked(connection, plan.full, owner, now))


_RENEW = (
    update(mailbox_call)
    .where(_row.sMailbox == bindparam("mailbox"), _row.nSlot == bindparam("slot"), _row.sOwner == bindparam("owner"))
    .values(dtLeaseUntil=bindparam("until", type_=_row.dtLeaseUntil.type))
)


def _take(connection: Connection, missing: Mapping[str, int], *, owner: str, now: datetime) -> None:
    look = (
        select(_row.sMailbox, _row.nSlot, _row.sOwner, _row.dtLeaseUntil)
        .where(_row.sMailbox.in_(list(missing)), _row.nSlot >= 0)
        .order_by(_row.sMailbox, _row.nSlot)
    )
    rows = connection.execute(locking(look, mailbox_call)).all()
    known = {(row.sMailbox, row.nSlot) for row in rows}
    taken = {(row.sMailbox, row.nSlot) for row in rows if row.sOwner == owner or row.dtLeaseUntil > now}
    for name, wanted in missing.items():
        free = [slot for slot in range(MOST_AT_ONCE) if (name, slot) not in taken]
        for slot in free[:wanted]:
            _put(connection, name, slot, owner=owner, until=now + _LEASE, known=(name, slot) in known)


def _ask(connection: Connection, name: str, *, owner: str, now: datetime) -> None:
    known = connection.scalar(select(_row.sOwner).where(_row.sMailbox == name, _row.nSlot == _ASKING))
    _put(connection, name, _ASKING, owner=owner, until=now + _ASKED_FOR, known=known is not None)


def _put(connection: Connection, name: str, slot: int, *, owner: str, until: datetime, known: bool) -> None:
    if known:
        connection.execute(
            update(mailbox_call)
            .where(_row.sMailbox == name, _row.nSlot == slot)
            .values(sOwner=owner, dtLeaseUntil=until)
        )
        return
    connection.execute(insert(mailbox_call).values(sMailbox=name, nSlot=slot, sOwner=owner, dtLeaseUntil=until))


def _asked_only(connection: Connection, plan: _Plan, owner: str, now: datetime) -> _Found:
    return _Found({}, _asked(connection, plan.full, owner, now))


def _asked(connection: Connection, names: Sequence[str], owner: str, now: datetime) -> set[str]:
    found: set[str] = set()
    for some in _pieces(names):
        found.update(
            connection.scalars(
                select(_row.sMailbox).where(
                    _row.sMailbox.in_(some), _row.nSlot == _ASKING, _row.sOwner != owner, _row.dtLeaseUntil > now
                )
            )
        )
    return found


def _give_back(connection: Connection, slots: Sequence[tuple[str, int]], owner: str) -> None:
    if slots:
        connection.execute(_RETURN, [{"mailbox": name, "slot": slot, "owner": owner} for name, slot in slots])


_RETURN = delete(mailbox_call).where(
    _row.sMailbox == bindparam("mailbox"), _row.nSlot == bindparam("slot"), _row.sOwner == bindparam("owner")
)


def _forget(connection: Connection, before: datetime) -> None:
    connection.execute(delete(mailbox_call).where(_row.dtLeaseUntil < before))


def _pieces(names: Iterable[str]) -> Iterable[list[str]]:
    left = iter(names)
    while piece := list(islice(left, _NAMES_IN_ONE_QUERY)):
        yield piece
