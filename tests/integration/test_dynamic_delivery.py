"""Defender's Dynamic Delivery: placeholders first, the scanned message later; in the end one, with the file."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from db.queries import accounts, missed
from db.tables import account_settings, scan
from graph.messages import MailReader
from simulator.calls import Operation
from simulator.content.mail import Mail, file_attachment, inline_attachment, mime
from simulator.state.mail_server import DeliveredMessage
from simulator.state.mailboxes import Mailbox
from tests.databases import on_every_database
from tests.integration.manager_world import Office
from tests.integration.world import World
from tests.waiting import until

pytestmark = on_every_database

FILE = file_attachment("werte.csv", b"Blei;42\n", "text/csv")
OTHER = file_attachment("mehr.csv", b"Zink;7\n", "text/csv")
LOGO = inline_attachment("logo.png", b"\x89PNG", "image/png", "logo")
MAIL = Mail(internet_message_id="<befund-7@labor.example>", body="Befund", attachments=(FILE,))
WHOLE = [[("stored", b"Blei;42\n")]]


async def unscanned(
    world: World, mail: Mail = MAIL, *, after_import: str = "delete", **how: str
) -> tuple[Mailbox, int, DeliveredMessage]:
    """A message with placeholders, of which Graph notified."""
    mailbox = world.new_mailbox("Laboratoire")
    account = await world.add_account(mailbox, after_import=after_import)
    first = world.simulator.deliver_unscanned(mailbox, mail, **how)
    await world.notify(account, [first])
    return mailbox, account, first


async def waits(world: World) -> bool:
    return (await world.queue.status()).scheduled == 1


async def imported_without(
    world: World, mail: Mail = MAIL, *, keep_mime: bool = False
) -> tuple[Mailbox, int, DeliveredMessage]:
    """Import an `unscanned` message half an hour later."""
    found = await unscanned(world, mail)
    async with world.processing(keep_mime=keep_mime):
        await until(lambda: waits(world))
    world.clock.advance(minutes=31)
    await world.import_all(keep_mime=keep_mime)
    return found


async def release(world: World, mailbox: Mailbox, account: int, first: DeliveredMessage, *, in_place: bool) -> str:
    """End the scan; if it gives another message, Graph notifies."""
    message_id = world.simulator.release(mailbox, first.message_id, in_place=in_place)
    assert message_id is not None
    if not in_place:
        await world.notify(account, [message_id])
    return message_id


async def contents(world: World) -> list[list[tuple[str, bytes | None]]]:
    return [[(part.state, part.content) for part in row.parts] for row in await world.imported()]


async def rows(world: World) -> int:
    """Count the remaining rows of scans."""
    return await world.database.read(lambda c: c.scalar(select(func.count()).select_from(scan))) or 0


@pytest.mark.parametrize("name", ["ATP Scan in Progress.eml", "Safe Attachments Scan In Progress"])
async def test_a_message_whose_file_is_put_in_its_place_is_imported_once(
    world: World, command: Callable[..., Any], name: str
) -> None:
    """It waits, uncounted and visibly; the action in the mailbox comes last."""
    mailbox, account, first = await unscanned(world, placeholder=name)
    async with world.processing():
        await until(lambda: waits(world))
        assert await world.imported_ids() == []
        for _ in range(8):
            world.clock.advance(minutes=2)
            await until(lambda: waits(world))
        await release(world, mailbox, account, first, in_place=True)
        world.clock.advance(minutes=2)
        await until(world.queue_is_empty)
        await until(world.actions_ended)
    assert (await contents(world), await rows(world)) == (WHOLE, 0)
    assert len(mailbox.folders["deleteditems"].messages) == 1
    reported = (await command("trace", first.message_id)).output
    assert "Defender still scans its attachments (ScanInProgress)" in reported


@pytest.mark.parametrize("removed", [True, False])
async def test_a_scanned_message_with_another_id_is_the_one(world: World, removed: bool) -> None:
    """The message with placeholders may still be there."""
    mailbox, account, first = await unscanned(world, after_import="none")
    async with world.processing():
        await until(lambda: waits(world))
        second = await release(world, mailbox, account, first, in_place=False)
        if removed:
            world.simulator.remove_message(mailbox, first.message_id)
        await until(world.imported_ids)
        world.clock.advance(minutes=40)
        await until(world.queue_is_empty)
    assert await world.imported_ids() == [second]
    assert (await contents(world), await rows(world)) == (WHOLE, 0)


async def test_a_message_that_is_gone_waits_no_more(world: World, command: Callable[..., Any]) -> None:
    mailbox, _, first = await unscanned(world)

    async def scanning() -> int:
        [row] = json.loads((await command("accounts", "list", "--json")).stdout)
        return int(row["scanning"])

    async with world.processing():
        await until(lambda: waits(world))
        assert await scanning() == 1
        world.simulator.remove_message(mailbox, first.message_id)
        await world.pass_time_until(world.queue_is_empty)
    assert await scanning() == 0


async def test_the_scanned_message_may_be_imported_first(world: World, command: Callable[..., Any]) -> None:
    """The one with placeholders is its duplicate then; each scanned message belongs to one."""
    mailbox, account, first = await unscanned(world, after_import="none")
    other = world.simulator.deliver_unscanned(mailbox, replace(MAIL, sent=first.message.sent))
    second = world.simulator.release(mailbox, first.message_id, in_place=False)
    assert second is not None
    await command("import", "Laboratoire", "--id", second)
    await world.import_all()
    assert (await world.imported_ids(), await rows(world)) == ([second], 0)
    found = json.loads((await command("verify", "Laboratoire", "--json")).stdout)["differences"]
    assert [(each["state"], each["message_id"], each["copy_of"], each["reason"]) for each in found] == [
        ("missing", other.message_id, None, None),
        ("copy", first.message_id, second, "PlaceholderOfScanned"),
    ]
    await world.notify(account, [other])
    async with world.processing():
        await until(lambda: waits(world))


async def test_after_half_an_hour_it_is_imported_without(world: World, command: Callable[..., Any]) -> None:
    """Its row reports it, and it is left in the mailbox; the scanned message takes its place and number later."""
    mailbox, account, first = await unscanned(world)
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
    second = await release(world, mailbox, account, first, in_place=False)
    await world.import_and_act()
    assert (await contents(world), await rows(world)) == (WHOLE, 0)
    assert [(each.graph_id, each.state) for each in await world.actions()] == [(second, "done")]
    await world.notify(account, [first.message_id])
    await world.import_all()
    assert len(await world.imported_ids()) == 1


async def test_a_file_that_comes_in_place_hours_later_is_noticed(world: World) -> None:
    """A manager has it fetched again, ever less often, for a day; the action follows."""
    mailbox, account, first = await imported_without(world)
    calls = world.calls(Operation.LIST_ATTACHMENTS)
    world.clock.advance(hours=3)
    async with Office(world).managing(webhooks=False), world.processing():
        await until(lambda: world.calls(Operation.LIST_ATTACHMENTS) > calls)
        await until(world.queue_is_empty)
    assert await contents(world) == [[("unreadable", None)]]
    await release(world, mailbox, account, first, in_place=True)
    world.clock.advance(hours=3)
    async with Office(world).managing(webhooks=False), world.processing():
        await until(lambda: _is(contents(world), WHOLE))
        await until(world.actions_ended)
    assert [(each.graph_id, each.state) for each in await world.actions()] == [(first.message_id, "done")]
    assert await rows(world) == 0


async def test_a_message_that_is_gone_after_its_import_without_files_is_no_dead_letter(world: World) -> None:
    """The imported parts stay; the requests of its files end with their schedule."""
    mailbox, _, first = await imported_without(world)
    world.simulator.remove_message(mailbox, first.message_id)
    calls = world.calls(Operation.GET_MESSAGE)
    world.clock.advance(hours=3)
    async with Office(world).managing(webhooks=False), world.processing():
        await until(lambda: world.calls(Operation.GET_MESSAGE) > calls)
        await world.pass_time_until(world.queue_is_empty)
    assert not await world.dead_letters()
    assert await contents(world) == [[("unreadable", None)]]


async def test_nothing_is_remembered_for_more_than_a_day(world: World) -> None:
    await imported_without(world)
    world.clock.advance(hours=25)
    async with Office(world).managing(webhooks=False), world.processing():
        await until(lambda: _is(rows(world), 0))
        await until(world.queue_is_empty)
    assert await contents(world) == [[("unreadable", None)]]


async def test_more_files_than_placeholders_and_fewer(world: World) -> None:
    """Stored attachments are kept; one without a replacement is marked so, and blocks the action."""
    mailbox, account, first = await imported_without(world, replace(MAIL, attachments=(FILE, OTHER, LOGO)))
    assert first.message.unreleased is not None
    first.message.unreleased = replace(first.message.unreleased, attachments=(LOGO, FILE))
    await release(world, mailbox, account, first, in_place=False)
    await world.import_all()
    [row] = await world.imported()
    assert [(part.file_name, part.state, part.content) for part in row.parts] == [
        ("logo.png", "stored", b"\x89PNG"),
        ("werte.csv", "stored", b"Blei;42\n"),
        ("logo.png", "gone", None),
    ]
    assert [each.state for each in await world.actions()] == ["failed"]


async def test_what_would_be_lost_is_kept(world: World) -> None:
    """A scanned message that lacks a stored attachment is a message of its own."""
    mailbox, account, first = await imported_without(world, replace(MAIL, attachments=(FILE, LOGO)))
    assert first.message.unreleased is not None
    first.message.unreleased = MAIL
    await release(world, mailbox, account, first, in_place=False)
    await world.import_all()
    assert await contents(world) == [[("unreadable", None), ("stored", b"\x89PNG")], *WHOLE]


async def test_the_original_is_that_of_the_scanned_message(world: World, command: Callable[..., Any]) -> None:
    mailbox, account, first = await imported_without(world, keep_mime=True)
    second = await release(world, mailbox, account, first, in_place=False)
    await world.import_and_act(keep_mime=True)
    found = mailbox.message(second) or mailbox.folders["deleteditems"].messages[0]
    result = await command("export", "Laboratoire", "--id", "1", "--format", "eml")
    assert result.stdout_bytes == mime(found.mail), result.output


async def test_a_sweep_leaves_what_waits_to_its_delivery(world: World) -> None:
    """Its notification is not counted as missed."""
    mailbox, account, first = await unscanned(world)
    async with world.processing():
        await until(lambda: waits(world))
        async with Office(world).managing(webhooks=False, sweeping=timedelta(seconds=60)):
            for _ in range(5):
                world.clock.advance(minutes=4)
                await until(lambda: waits(world))
            await release(world, mailbox, account, first, in_place=True)
            world.clock.advance(minutes=2)
            await until(lambda: _is(contents(world), WHOLE))
    assert await world.database.read(missed.summaries) == {}


async def test_a_command_leaves_what_waits_to_the_processors(world: World, command: Callable[..., Any]) -> None:
    """The command reports it, and that is no failure; a manager queues it when its time comes."""
    mailbox = world.new_mailbox("Laboratoire")
    await world.add_account(mailbox)
    first = world.simulator.deliver_unscanned(mailbox, MAIL)
    reported = await command("import", "Laboratoire", "--id", first.message_id)
    assert reported.exit_code == 0, reported.output
    assert "Dynamic Delivery" in reported.output
    listed = json.loads((await command("import", "Laboratoire", "--json")).stdout)
    assert (listed["scanning"], listed["failed"], listed["not_imported"][0]["outcome"]) == (1, 0, "scanning")
    assert "Wait for Defender's scan" in (await command("accounts", "show", "Laboratoire")).output
    world.simulator.release(mailbox, first.message_id)
    # Sign in once, while the clock is right.
    await MailReader(world.graph).message(world.opened(mailbox), first.message_id, with_headers=False)
    world.clock.advance(minutes=40)
    async with Office(world).managing(webhooks=False), world.processing():
        await until(lambda: _is(contents(world), WHOLE))


async def test_what_waits_stays_with_a_removed_account_and_goes_with_a_deleted_one(world: World) -> None:
    _, account, _ = await unscanned(world)
    async with world.processing():
        await until(lambda: waits(world))
    await world.database.write(lambda c: accounts.mark_removed(c, "Laboratoire", now=world.clock()))
    await world.database.write(lambda c: accounts.retire(c, account))
    assert await rows(world) == 1
    await world.database.write(lambda c: c.execute(delete(account_settings)))
    await world.database.write(lambda c: accounts.purge(c, account))
    assert await rows(world) == 0


async def _is(found: Any, wanted: object) -> bool:  # noqa: ANN401  # an awaitable of the type of `wanted`
    return bool(await found == wanted)
