"""The second guard: an e-mail that comes again under another Graph id is not imported again, and that is recorded."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, func, select, update

from db import copies
from db.copies import SAME, SAME_BUT_SIZE, Copy
from db.tables import duplicate, message
from simulator.calls import Operation
from simulator.letters import Letter
from simulator.mailboxes import Mailbox
from simulator.post_office import DeliveredMessage
from tests.databases import on_every_database
from tests.integration.world import World, until

pytestmark = on_every_database


async def imported(world: World, account: int, delivered: list[DeliveredMessage]) -> None:
    await world.notify(account, delivered)
    await world.import_all()


def drag(world: World, mailbox: Mailbox, delivered: DeliveredMessage) -> tuple[str, str]:
    """Its owner drags it out of the inbox and back, in Outlook desktop; the immutable id before and after."""
    before = delivered.message.immutable_id
    for folder in ("archive", "inbox"):
        world.simulator.move_message(mailbox, delivered.message.immutable_id, folder, by_dragging=True)
    return before, delivered.message.immutable_id


async def recorded(world: World) -> list[Copy]:
    def read(connection: Connection) -> list[Copy]:
        numbers = connection.scalars(select(message.c.nMessageID)).all()
        return copies.of_messages(connection, list(numbers))

    return await world.database.read(read)


async def test_a_message_that_was_dragged_is_not_imported_again(world: World) -> None:
    """Its new id is recorded once, with the message that it equals, however often it is notified of."""
    mailbox, account = await world.account_of("Laboratoire")
    [delivered] = await world.deliver(mailbox, 1)
    await imported(world, account, [delivered])
    before, after = drag(world, mailbox, delivered)

    with structlog.testing.capture_logs() as events:
        for _ in range(3):
            await world.notify(account, [after])
            await world.import_all()

    assert await world.imported_ids() == [before]
    [copy] = await recorded(world)
    assert (copy.account_id, copy.graph_id, copy.message_id, copy.reason) == (account, after, 1, SAME)
    told = [each["event"] for each in events if each["event"].startswith("message_")]
    assert told == ["message_duplicate", "message_known", "message_known"]
    assert world.calls(Operation.GET_MESSAGE) == 2


async def test_a_restored_message_is_not_imported_again(world: World) -> None:
    """Deleted for good and restored from a backup: all of it is the same but the id."""
    mailbox, account = await world.account_of("Laboratoire")
    letter = Letter(internet_message_id="<befund-7@labor.example>", body="Befund")
    [first] = await world.deliver(mailbox, 1, letter)
    await imported(world, account, [first])
    world.simulator.remove_message(mailbox, first.message_id)
    again = await world.simulator.deliver(mailbox, letter, received=first.message.received)
    await imported(world, account, [again])
    assert await world.imported_ids() == [first.message_id]
    assert [each.graph_id for each in await recorded(world)] == [again.message_id]


@pytest.mark.parametrize(
    ("changed", "later"),
    [({"body": "Befund, berichtigt"}, 0.0), ({"internet_message_id": "<other@labor.example>"}, 0.0), ({}, 1.0)],
)
async def test_what_differs_is_another_message(world: World, changed: dict[str, Any], later: float) -> None:
    """In size, internet message id, or the second in which it was received: to lose mail is worse than a copy."""
    mailbox, account = await world.account_of("Laboratoire")
    letter = Letter(internet_message_id="<befund-7@labor.example>", body="Befund")
    [first] = await world.deliver(mailbox, 1, letter)
    received = first.message.received.replace(microsecond=0)
    first.message.received = received
    second = await world.simulator.deliver(
        mailbox, replace(letter, **changed), received=received.replace(second=(received.second + int(later)) % 60)
    )
    await imported(world, account, [first, second])
    assert len(await world.imported_ids()) == 2
    assert await recorded(world) == []


async def test_without_an_internet_message_id_there_is_no_copy(world: World) -> None:
    """Drafts have none: nothing tells them from one another."""
    mailbox, account = await world.account_of("Laboratoire")
    [first] = await world.deliver(mailbox, 1, Letter(is_draft=True))
    second = await world.simulator.deliver(mailbox, Letter(is_draft=True), received=first.message.received)
    await imported(world, account, [first, second])
    assert len(await world.imported_ids()) == 2


async def test_the_same_mail_of_two_accounts_is_two_messages(world: World) -> None:
    """Each account has its own."""
    letter = Letter(internet_message_id="<an-alle@labor.example>")
    mailboxes = [await world.account_of(name) for name in ("Nord", "Sud")]
    [first] = await world.deliver(mailboxes[0][0], 1, letter)
    second = await world.simulator.deliver(mailboxes[1][0], letter, received=first.message.received)
    await world.notify(mailboxes[0][1], [first])
    await world.notify(mailboxes[1][1], [second])
    await world.import_all()
    assert len(await world.imported_ids()) == 2


async def test_messages_of_an_older_program_are_originals_too(world: World) -> None:
    """It knew neither size nor identity: the time and the internet message id are enough then."""
    mailbox, account = await world.account_of("Laboratoire")
    [delivered] = await world.deliver(mailbox, 1)
    await imported(world, account, [delivered])
    await world.database.write(lambda c: c.execute(update(message).values(nSize=None)))
    _, after = drag(world, mailbox, delivered)
    await world.notify(account, [after])
    await world.import_all()
    assert len(await world.imported_ids()) == 1
    assert [each.reason for each in await recorded(world)] == [SAME_BUT_SIZE]


async def test_of_copies_that_arrive_together_one_is_imported(world: World) -> None:
    """Twenty mails, four copies of each in the folder, and four processors: catch-up of a folder meets them so."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered: list[DeliveredMessage] = []
    for number in range(20):
        letter = Letter(internet_message_id=f"<{number}@labor.example>")
        [first] = await world.deliver(mailbox, 1, letter)
        more = [await world.simulator.deliver(mailbox, letter, received=first.message.received) for _ in range(3)]
        delivered += [first, *more]
    await world.notify(account, delivered)
    queues = [world.new_queue() for _ in range(3)]
    async with world.processing():
        async with asyncio.TaskGroup() as group:
            for queue in queues:
                group.create_task(import_with(world, queue))
        await until(world.queue_is_empty)
    for queue in queues:
        await queue.close()
    assert len(await world.imported_ids()) == 20
    assert len(await recorded(world)) == 60
    assert await world.dead_letters() == []


async def import_with(world: World, queue: Any) -> None:  # noqa: ANN401  # a queue of the world's
    async with world.processing(queue=queue):
        await until(world.queue_is_empty)


async def test_a_copy_is_left_in_the_mailbox(world: World) -> None:
    """What is done after imports is done to the message that is imported."""
    mailbox = world.new_mailbox("Laboratoire")
    account = await world.add_account(mailbox, after_import="read")
    letter = Letter(internet_message_id="<befund-7@labor.example>")
    [first] = await world.deliver(mailbox, 1, letter)
    await imported(world, account, [first])
    second = await world.simulator.deliver(mailbox, letter, received=first.message.received)
    await imported(world, account, [second])
    assert not second.message.is_read


# Operators.


async def test_trace_tells_of_both(world: World, command: Callable[..., Any]) -> None:
    """Asked for the copy: which message it equals. Asked for the message: that a copy of it was met."""
    mailbox, account = await world.account_of("Laboratoire")
    [delivered] = await world.deliver(mailbox, 1)
    await imported(world, account, [delivered])
    before, after = drag(world, mailbox, delivered)
    await world.notify(account, [after])
    await world.import_all()

    of_copy = await command("trace", after)
    assert "not imported again: it is a copy" in of_copy.output
    assert "found to be a copy of message 1 (SameIdTimeAndSize)" in of_copy.output
    of_original = await command("trace", before)
    assert "a copy of it was not imported again" in of_original.output
    assert after in of_original.output
    [found] = json.loads((await command("trace", after, "--json")).output)
    assert found["message_id"] is None


async def test_verify_misses_no_copy(world: World, command: Callable[..., Any]) -> None:
    """It is in the folder and not in the database, as it should be."""
    mailbox, account = await world.account_of("Laboratoire")
    letter = Letter(internet_message_id="<befund-7@labor.example>")
    [first] = await world.deliver(mailbox, 1, letter)
    await imported(world, account, [first])
    second = await world.simulator.deliver(mailbox, letter, received=first.message.received)
    await imported(world, account, [second])
    done = await command("verify", "Laboratoire", "--json")
    told = json.loads(done.output)
    assert (done.exit_code, told["missing"], told["copies"], told["in_folder"], told["in_database"]) == (0, 0, 1, 2, 1)


async def test_an_operator_can_have_a_copy_imported(world: World, command: Callable[..., Any]) -> None:
    """By its id and --force: then it is a message of its own. Whoever forces the whole folder does not mean that."""
    mailbox, account = await world.account_of("Laboratoire")
    letter = Letter(internet_message_id="<befund-7@labor.example>")
    [first] = await world.deliver(mailbox, 1, letter)
    await imported(world, account, [first])
    second = await world.simulator.deliver(mailbox, letter, received=first.message.received)
    await imported(world, account, [second])

    again = json.loads((await command("import", "Laboratoire", "--force", "--json")).output)
    assert (again["replaced"], again["duplicate"], again["imported"]) == (1, 1, 0)
    plain = json.loads((await command("import", "Laboratoire", "--id", second.message_id, "--json")).output)
    assert (plain["known"], plain["imported"]) == (1, 0)
    forced = json.loads((await command("import", "Laboratoire", "--id", second.message_id, "--force", "--json")).output)
    assert forced["imported"] == 1
    assert len(await world.imported_ids()) == 2
    assert await recorded(world) == []
    # A third one equals the first, still.
    third = await world.simulator.deliver(mailbox, letter, received=first.message.received)
    await imported(world, account, [third])
    assert [(each.graph_id, each.message_id) for each in await recorded(world)] == [(third.message_id, 1)]


async def test_a_purge_takes_the_records_with_it(world: World) -> None:
    """They say nothing without the message that they equal."""
    mailbox, account = await world.account_of("Laboratoire")
    [delivered] = await world.deliver(mailbox, 1)
    await imported(world, account, [delivered])
    _, after = drag(world, mailbox, delivered)
    await world.notify(account, [after])
    await world.import_all()
    await world.database.write(lambda c: c.execute(message.delete()))
    assert await world.database.read(lambda c: c.scalar(select(func.count()).select_from(duplicate))) == 0
