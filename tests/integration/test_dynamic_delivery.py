"""Defender's Dynamic Delivery: placeholders first, the scanned message later; in the end one, with the file."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from simulator.letters import Attachment, Letter, file_attachment, item_of
from simulator.mailboxes import Mailbox, StoredAttachment
from simulator.post_office import DeliveredMessage
from tests.databases import on_every_database
from tests.integration.world import World, until

pytestmark = on_every_database

FILE = file_attachment("werte.csv", b"Blei;42\n", "text/csv")
PLACEHOLDER = item_of("Safe Attachments Scan In Progress", b"Subject: Scan\r\n\r\nWait.\r\n")
LETTER = Letter(internet_message_id="<befund-7@labor.example>", body="Befund", attachments=(FILE,))


async def placeholder(
    world: World, attachment: Attachment = PLACEHOLDER, after_import: str = "delete"
) -> tuple[Mailbox, int, DeliveredMessage]:
    mailbox = world.new_mailbox("Laboratoire")
    account = await world.add_account(mailbox, after_import=after_import)
    first = await world.simulator.deliver(mailbox, replace(LETTER, attachments=(attachment,)))
    await world.notify(account, [first])
    return mailbox, account, first


async def waits(world: World) -> bool:
    return (await world.queue.status()).scheduled == 1


async def scanned(world: World, mailbox: Mailbox, account: int, first: DeliveredMessage) -> DeliveredMessage:
    letter = replace(LETTER, sent=first.message.sent)
    second = await world.simulator.deliver(mailbox, letter)
    await world.notify(account, [second])
    return second


async def contents(world: World) -> list[list[tuple[str, bytes | None]]]:
    return [[(part.state, part.content) for part in row.parts] for row in await world.imported()]


@pytest.mark.parametrize("name", ["ATP Scan in Progress.eml", "Safe Attachments Scan In Progress"])
async def test_a_message_whose_file_is_put_in_its_place_is_imported_once(
    world: World, command: Callable[..., Any], name: str
) -> None:
    """It waits, uncounted and visibly; what is to be done in the mailbox comes last."""
    mailbox, _, first = await placeholder(world, replace(PLACEHOLDER, name=name))
    async with world.processing():
        await until(lambda: waits(world))
        assert await world.imported_ids() == []
        for _ in range(8):
            world.clock.advance(minutes=2)
            await until(lambda: waits(world))
        first.message.attachments = (StoredAttachment("scanned", FILE),)
        first.message.rendered = None
        world.clock.advance(minutes=2)
        await until(world.queue_is_empty)
        await until(world.actions_ended)
    assert await contents(world) == [[("stored", b"Blei;42\n")]]
    assert len(mailbox.folders["deleteditems"].messages) == 1
    told = (await command("trace", first.message_id)).output
    assert "Defender still scans its attachments (ScanInProgress)" in told


@pytest.mark.parametrize("removed", [True, False])
async def test_a_scanned_message_with_another_id_is_the_one(world: World, removed: bool) -> None:
    """Whether the one with placeholders is still there or not."""
    mailbox, account, first = await placeholder(world, after_import="none")
    async with world.processing():
        await until(lambda: waits(world))
        if removed:
            world.simulator.remove_message(mailbox, first.message_id)
        second = await scanned(world, mailbox, account, first)
        await until(world.imported_ids)
        world.clock.advance(minutes=40)
        await until(world.queue_is_empty)
    assert await world.imported_ids() == [second.message_id]
    assert await contents(world) == [[("stored", b"Blei;42\n")]]


async def test_after_half_an_hour_it_is_imported_without(world: World, command: Callable[..., Any]) -> None:
    """Its row says so, and it is left in the mailbox; the scanned message takes its place and number later."""
    mailbox, account, first = await placeholder(world)
    async with world.processing():
        await until(lambda: waits(world))
    verified = await command("verify", "Laboratoire", "--json")
    assert (verified.exit_code, '"scanning": 1' in verified.output) == (0, True)
    world.clock.advance(minutes=31)
    await world.import_all()
    [(part, *_)] = [row.parts for row in await world.imported()]
    assert (part.state, part.content) == ("unreadable", None)
    assert (part.detail or "").startswith("ScanInProgress")
    assert [(each.graph_id, each.state) for each in await world.actions()] == [(first.message_id, "failed")]
    second = await scanned(world, mailbox, account, first)
    await world.import_and_act()
    assert await contents(world) == [[("stored", b"Blei;42\n")]]
    assert [(each.graph_id, each.state) for each in await world.actions()] == [(second.message_id, "done")]
    await world.notify(account, [first.message_id])
    await world.import_all()
    assert len(await world.imported_ids()) == 1
