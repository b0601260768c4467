"""Accounts in trouble that are probed, and due again once a probe is answered."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from bus.queue import QueueStatus
from db.engine import Database
from db.queries import accounts
from db.queries.accounts import AccountSettings, Condition
from db.queries.schedule import NEVER
from db.tables import account_condition, folder_sync
from monitoring import facts as stored_facts
from monitoring.facts import Facts
from monitoring.recovery import Recovery
from phrases import Phrase
from tests.databases import on_every_database
from tests.doubles.clock import SettableClock

pytestmark = on_every_database


class Ward:
    """Accounts in trouble, a probe that the test answers, and time that it moves."""

    def __init__(self, database: Database, clock: SettableClock) -> None:
        self.database = database
        self.clock = clock
        self.moment = 0.0
        self.answers: Callable[[int], bool] = lambda _: False
        self.probed: list[int] = []
        self.recovery = Recovery(database, self._probe, clock=clock, monotonic=lambda: self.moment)

    async def _probe(self, account_id: int) -> bool:
        self.probed.append(account_id)
        return self.answers(account_id)

    async def fall_ill(self, number: int, *roles: str, reason: str = "AccessDenied") -> list[int]:
        def work(connection: Connection) -> list[int]:
            found = []
            for each in range(number):
                settings = AccountSettings(f"{reason} {each}", "tenant", "client", f"{reason} {each}", "AB" * 20)
                account_id = accounts.add(connection, settings, now=self.clock())
                for role in roles:
                    ill = Condition(account_id, role, reason, Phrase("No."), self.clock(), self.clock())
                    accounts.set_condition(connection, ill)
                stay = {"nAccountID": account_id, "dtDue": NEVER}
                connection.execute(folder_sync.insert().values(stay))
                found.append(account_id)
            return found

        return await self.database.write(work)

    async def pass_time(self, seconds: float) -> None:
        self.moment += seconds
        stored = await self.database.read(lambda c: stored_facts.read(c, QueueStatus([]), now=self.clock()))
        await self.recovery.found(Facts(self.clock(), stored, (), QueueStatus([])), [])
        running = self.recovery._running
        if running is not None:
            await asyncio.wait_for(running, 60)

    async def held(self) -> set[int]:
        processor = account_condition.c.sRole == "processor"
        query = select(account_condition.c.nAccountID).where(processor)
        return set(await self.database.read(lambda c: list(c.scalars(query))))

    async def due(self) -> set[int]:
        query = select(folder_sync.c.nAccountID).where(folder_sync.c.dtDue <= self.clock())
        return set(await self.database.read(lambda c: list(c.scalars(query))))


@pytest.fixture
def ward(database: Database, settable_clock: SettableClock) -> Ward:
    return Ward(database, settable_clock)


async def test_a_mailbox_that_opens_again_is_due_within_half_a_minute(ward: Ward) -> None:
    """For every role; the other mailbox stays as it is."""
    first, second = await ward.fall_ill(2, "processor", "sweep")
    await ward.pass_time(0)
    assert await ward.held() == {first, second}
    ward.answers = lambda number: number == first
    await ward.pass_time(10)
    assert sorted(ward.probed) == [first, second]
    await ward.pass_time(20)
    assert (await ward.held(), await ward.due()) == ({second}, {first})


async def test_one_answer_stands_for_all_accounts_of_an_application(ward: Ward) -> None:
    ill = await ward.fall_ill(25, "processor", reason="SignInRefused")
    ward.answers = lambda _: True
    await ward.pass_time(0)
    assert len(ward.probed) == 1
    assert ill
    assert await ward.held() == set()


async def test_many_mailboxes_are_probed_in_turn(ward: Ward) -> None:
    """One that stays refused does not stand for the others."""
    await ward.fall_ill(25, "processor")
    for _ in range(4):
        await ward.pass_time(30)
    assert len(set(ward.probed)) == 4


async def test_an_answer_that_does_not_help_is_not_asked_for_again_at_once(ward: Ward) -> None:
    """As where a certificate is on the host of the monitor, and not on that of the processor."""
    (account_id,) = await ward.fall_ill(1, "processor", reason="CertificateNotFound")
    ward.answers = lambda _: True
    await ward.pass_time(0)
    again = Condition(account_id, "processor", "CertificateNotFound", Phrase("No."), ward.clock(), ward.clock())
    await ward.database.write(lambda c: accounts.set_condition(c, again))
    for _ in range(5):
        await ward.pass_time(30)
    assert ward.probed == [account_id]
    ward.clock.advance(timedelta(minutes=10))
    await ward.pass_time(600)
    assert ward.probed == [account_id, account_id]


async def test_a_pass_that_loses_its_links_is_not_begun_anew_each_half_minute(ward: Ward) -> None:
    """The probe shows nothing of that, and a retry reads the folder from its beginning."""
    await ward.fall_ill(1, "sweep", reason="SyncStateLost")
    ward.answers = lambda _: True
    await ward.pass_time(0)
    assert len(ward.probed) == 1
    for _ in range(5):
        await ward.pass_time(30)
    assert len(ward.probed) == 1


async def test_trouble_that_reading_cannot_show_is_not_probed(ward: Ward) -> None:
    await ward.fall_ill(1, "afterimport")
    await ward.pass_time(30)
    assert ward.probed == []


async def test_one_account_is_tried_again_where_a_probe_shows_nothing(ward: Ward) -> None:
    """Every half minute, and the others as soon as that one is served: as subscriptions once their address answers."""
    ill = await ward.fall_ill(25, "sweep", reason="EndpointNotValidated")
    ward.answers = lambda _: True
    await ward.pass_time(0)
    await ward.pass_time(10)
    assert len(ward.probed) == len(await ward.due()) == 1
    await ward.pass_time(20)
    assert len(ward.probed) == len(await ward.due()) == 2
    served = ward.probed[-1]
    await ward.database.write(lambda c: accounts.clear_condition(c, served, "sweep"))
    await ward.pass_time(10)
    assert await ward.due() == set(ill)
