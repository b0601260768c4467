"""The addresses of mailboxes: learned where the application may read users, and not asked for elsewhere."""

import uuid

import pytest
from sqlalchemy import update

from db.queries import installation, mailbox_addresses
from db.tables import account_settings
from simulator.calls import Operation
from subscriptions.mailbox_addresses import MailboxAddresses
from tests.databases import on_every_database
from tests.integration.world import World

pytestmark = on_every_database


async def _addresses(world: World) -> dict[str, str | None]:
    return {each.name: each.address for each in await world.database.read(installation.account_states)}


async def test_addresses_are_learned_once_where_users_may_be_read(world: World) -> None:
    mailboxes = [world.new_mailbox(name) for name in ("Nord", "Süd")]
    for each in mailboxes:
        await world.add_account(each)
    world.application.roles = (*world.application.roles, "User.Read.All")
    task = MailboxAddresses(world.database, world.graph, clock=world.clock)
    assert set((await _addresses(world)).values()) == {None}
    for _ in range(3):
        await task.work()
    assert set((await _addresses(world)).values()) == {each.address for each in mailboxes}
    assert world.calls(Operation.GET_USER) == 2


async def test_an_application_that_may_not_read_users_is_asked_once_a_day(world: World) -> None:
    for name in ("Nord", "Süd"):
        await world.add_account(world.new_mailbox(name))
    task = MailboxAddresses(world.database, world.graph, clock=world.clock)
    for _ in range(3):
        await task.work()
    assert await _addresses(world) == {"Nord": None, "Süd": None}
    assert world.simulator.statistics()["answers"]["403"] == 1
    world.clock.advance(days=1, seconds=1)
    await task.work()
    assert world.simulator.statistics()["answers"]["403"] == 2


async def test_a_mailbox_that_is_gone_keeps_no_other_address_away(world: World) -> None:
    await world.add_account(world.new_mailbox("Gone"), user_id=str(uuid.UUID(int=1)))
    await world.add_account(world.new_mailbox("Süd"))
    world.application.roles = (*world.application.roles, "User.Read.All")
    await MailboxAddresses(world.database, world.graph, clock=world.clock).work()
    assert await _addresses(world) == {"Gone": None, "Süd": "Süd@riviere.example"}


@pytest.mark.parametrize("odd", [f"{'x' * 400}@riviere.example", "a\x00b@riviere.example", "a\n@b", "\u202ea@b"])
async def test_what_is_no_address_is_not_learned(world: World, odd: str) -> None:
    """An error of the database would end the manager."""
    mailbox = world.new_mailbox("Nord")
    await world.add_account(mailbox)
    mailbox.address = odd
    world.application.roles = (*world.application.roles, "User.Read.All")
    await MailboxAddresses(world.database, world.graph, clock=world.clock).work()
    assert await _addresses(world) == {"Nord": None}


async def test_an_account_of_another_mailbox_does_not_keep_the_address(world: World) -> None:
    _, account_id = await world.account_of("Nord")
    account = (await world.database.read(lambda c: mailbox_addresses.missing(c, but=(), limit=5)))[0]
    assert account.account_id == account_id
    await world.database.write(lambda c: mailbox_addresses.note(c, account, "old@example.com", now=world.clock()))
    assert await world.database.read(lambda c: mailbox_addresses.missing(c, but=(), limit=5)) == []
    elsewhere = update(account_settings).where(account_settings.c.nAccountID == account_id).values(sUserID="another")
    await world.database.write(lambda c: c.execute(elsewhere))
    assert set((await _addresses(world)).values()) == {None}
