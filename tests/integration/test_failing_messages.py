"""A message that fails, as an operator sees it: with sender, subject and reason, until it is imported."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from click.testing import Result
from sqlalchemy import Connection

from db.queries import failures
from db.queries.failures import Counts
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail
from simulator.faults import FaultKind
from tests.integration.world import World
from tests.waiting import until

Command = Callable[..., Awaitable[Result]]

MAIL = Mail(subject="Scan", attachments=(Attachment("scan.tif", GeneratedContent(4_000_000, seed=2)),))


async def listed(command: Command, *options: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((await command("messages", "list", "--json", *options)).stdout)
    return rows


async def is_scheduled(world: World, attempts: int) -> bool:
    return [each.delivery_count for each in await world.waiting() if not each.locked] == [attempts]


async def test_a_message_that_fails_is_seen_tried_at_once_and_imported(world: World, command: Command) -> None:
    """Waiting, it has what its GET brought; tried at once and imported, it leaves no row."""
    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1, MAIL)
    number = world.fault(FaultKind.UNAVAILABLE, status=504, operation=Operation.GET_ATTACHMENT_CONTENT)
    await world.notify(account, [delivered])

    async with world.calling_graph(call_seconds=3) as graph, world.processing(graph=graph):
        await until(lambda: listed(command, "--state", "waiting"), pause=0.2)
        [waiting] = await listed(command, "--subject", "scan")
        assert (waiting["state"], waiting["account"], waiting["attempts"]) == ("waiting", "Laboratoire", 1)
        assert waiting["from"] == {"name": "Sender", "address": "sender@example.net"}
        assert None not in (waiting["received"], waiting["next_attempt"])
        assert "504" in waiting["detail"]
        assert "waiting for its next attempt" in (await command("trace", waiting["from"]["address"])).stdout

        world.simulator.faults.remove(number)
        replayed = await command("queue", "replay", "--scheduled", "--reason", waiting["reason"], "--json")
        assert json.loads(replayed.stdout)["replayed"] == 1
        await until(world.queue_is_empty)

    assert await world.database.read(failures.counts) == {}
    [imported] = await listed(command, "--attachment", "SCAN.TIF")
    assert (imported["state"], imported["attempts"], imported["attachment_count"]) == ("imported", None, 1)


async def test_a_dead_letter_is_listed_until_an_import_of_it(world: World, command: Command) -> None:
    """The command `import` ends it, as a replay would."""
    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1, MAIL)
    number = world.fault(FaultKind.UNAVAILABLE, status=504, operation=Operation.GET_ATTACHMENT_CONTENT)
    await world.notify(account, [delivered])
    async with world.calling_graph(call_seconds=3) as graph, world.processing(graph=graph):
        for attempts in (1, 2):
            await until(lambda attempts=attempts: is_scheduled(world, attempts))
            world.clock.advance(hours=2)
        await until(world.dead_letters)

    [failed] = await listed(command, "--state", "failed")
    assert (failed["subject"], failed["attempts"], failed["next_attempt"]) == ("Scan", 3, None)
    assert await world.database.read(failures.counts) == {account: Counts(0, 1)}

    world.simulator.faults.remove(number)
    world.clock.ahead = timedelta(0)  # the simulator's sign-in has a clock of its own
    result = await command("import", "Laboratoire", "--id", delivered.message_id)
    assert result.exit_code == 0, result.output
    assert [each["state"] for each in await listed(command)] == ["imported"]
    assert await world.database.read(failures.counts) == {}


async def test_a_message_that_the_database_does_not_take_is_seen_and_imported_later(
    world: World, command: Command
) -> None:
    """A trigger of another program refuses each attachment: that is shown with the messages, which wait for its end,
    ever longer."""

    async def execute(statement: str) -> None:
        def work(connection: Connection) -> None:
            connection.exec_driver_sql(statement)

        await world.database.write(work)

    mailbox, account = await world.account_of("Laboratoire")
    (delivered,) = await world.deliver(mailbox, 1, MAIL)
    await execute(
        "CREATE TRIGGER refusing BEFORE INSERT ON \"tblEmailAttachment\" BEGIN SELECT RAISE(ABORT, 'not here'); END"
    )
    await world.notify(account, [delivered])
    async with world.processing():
        await until(lambda: listed(command, "--state", "waiting"), pause=0.2)
        [waiting] = await listed(command, "--subject", "scan")
        assert (waiting["account"], waiting["reason"]) == ("Laboratoire", "DatabaseUnavailable")
        assert "SQLite 1811" in waiting["detail"]

        async def is_put_off() -> bool:
            return any(each.visible - world.clock() > timedelta(minutes=3) for each in await world.waiting())

        world.clock.advance(hours=1)
        await until(is_put_off)  # each attempt fetches the message again
        await execute("DROP TRIGGER refusing")
        await world.pass_time_until(world.queue_is_empty)

    assert not await world.dead_letters()
    assert [each["state"] for each in await listed(command)] == ["imported"]
    assert await world.database.read(failures.counts) == {}
