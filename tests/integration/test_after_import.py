"""Actions on imported messages in the mailbox: marked, moved or deleted, whichever process dies in between."""

import asyncio
import functools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection

from console.wiring.processor import ImportOptions, importer_of
from db.queries import accounts, retention
from graph.errors import FolderNotFound
from graph.folders import MailFolders
from graph.messages import MailReader
from processor.content.attachments import AttachmentLimits
from simulator.calls import Operation
from simulator.content.mail import Mail, file_attachment
from simulator.faults import FaultKind
from simulator.state.mail_server import DeliveredMessage
from simulator.state.mailboxes import Folder, Mailbox
from simulator.state.tenants import DEFAULT_ROLES
from tests.databases import on_every_database
from tests.integration.world import World
from tests.waiting import until

pytestmark = on_every_database

CHANGING = (Operation.UPDATE_MESSAGE, Operation.MOVE_MESSAGE, Operation.DELETE_MESSAGE)


async def account_that(world: World, after_import: str, move_to: str | None = None) -> tuple[Mailbox, int]:
    mailbox = world.new_mailbox("Laboratoire")
    return mailbox, await world.add_account(mailbox, after_import=after_import, move_to_folder=move_to)


async def leave_pending(world: World, kind: str, delivered: list[DeliveredMessage]) -> None:
    """Import the messages and stop like a process killed between the commits and the actions; its time is over."""
    importer = importer_of(
        MailReader(world.graph), world.database, ImportOptions(), clock=world.clock, sleep=world.sleeps
    )
    for each in delivered:
        await importer.run(world.opened(each.mailbox), each.message_id, correlation="dead", then=kind)
    await importer.store.close()
    assert {row.state for row in await world.actions()} == {"pending"}
    world.clock.advance(minutes=3)


async def set_action(world: World, name: str, after_import: str, move_to: str | None) -> None:
    def work(connection: Connection) -> None:
        found = accounts.by_name(connection, name).settings
        changed = replace(found, after_import=after_import, move_to_folder=move_to)
        accounts.change(connection, name, changed, now=world.clock())

    await world.database.write(work)
    world.clock.advance(seconds=6)  # the processors' cache of accounts lives that long


def withdraw_right_to_write(world: World) -> None:
    world.application.roles = ("Mail.Read",)
    world.simulator.tokens.revoke_all()


async def troubles(command: Callable[..., Any]) -> tuple[int, list[str], list[str]]:
    """Facts that an operator sees of actions: the number that failed, kinds of problems, roles with a condition."""
    shown = json.loads((await command("accounts", "show", "Laboratoire", "--json")).output)
    # Of mail alone: the test runs no manager.
    kinds = [each["kind"] for each in shown["problems"] if each["kind"] not in {"no_manager", "no_processor"}]
    return shown["actions"]["failed"], kinds, [each["role"] for each in shown["conditions"]]


def folder_of(mailbox: Mailbox, *path: str) -> Folder:
    """Return the folder at that path of display names."""
    found: Folder | None = None
    for name in path:
        [found] = [each for each in mailbox.children(found) if each.display_name == name]
    assert found is not None
    return found


def changes(world: World) -> dict[str, int]:
    return {str(each): world.calls(each) for each in CHANGING if world.calls(each)}


# Actions.


async def test_a_message_is_left_as_it_is(world: World) -> None:
    """`none` costs no call, and no action is recorded."""
    mailbox, account = await account_that(world, "none")
    await world.notify(account, await world.deliver(mailbox, 2))
    await world.import_and_act()
    assert changes(world) == {}
    assert {(each.kind, each.state, each.due) for each in await world.actions()} == {(None, None, None)}


async def test_messages_are_marked_as_read(world: World) -> None:
    """Each costs one call."""
    mailbox, account = await account_that(world, "read")
    delivered = await world.deliver(mailbox, 5)
    await world.notify(account, delivered)
    await world.import_and_act()
    assert all(each.message.is_read for each in delivered)
    assert changes(world) == {"update_message": 5}
    assert {(each.kind, each.state, each.due) for each in await world.actions()} == {("read", "done", None)}


async def test_messages_are_deleted(world: World) -> None:
    """They land in Deleted Items, by one call each, and are imported once."""
    mailbox, account = await account_that(world, "delete")
    delivered = await world.deliver(mailbox, 5)
    await world.notify(account, delivered)
    await world.import_and_act()
    assert len(mailbox.folders["deleteditems"].messages) == 5
    assert changes(world) == {"move_message": 5}
    assert {each.state for each in await world.actions()} == {"done"}
    assert len(await world.imported_ids()) == 5


@pytest.mark.parametrize("name", ["Archive", "archive"])
async def test_messages_are_moved_to_a_folder_that_exchange_makes(world: World, name: str) -> None:
    """Its id is looked up once for all of them, and so is that of the account's folder."""
    mailbox, account = await account_that(world, "move", name)
    await world.notify(account, await world.deliver(mailbox, 5))
    await world.import_and_act()
    assert len(mailbox.folders["archive"].messages) == 5
    assert changes(world) == {"move_message": 5}
    assert world.calls(Operation.GET_FOLDER) == 2
    assert world.calls(Operation.GET_MESSAGE) == 5  # none to locate one: the import has seen its folder
    assert {each.state for each in await world.actions()} == {"done"}


async def test_a_path_is_made_where_it_is_missing(world: World) -> None:
    """It is made below a folder named in English in a French mailbox; made once, listed once a level."""
    mailbox, account = await account_that(world, "move", "Inbox/Importés/2026")
    mailbox.folders["inbox"].display_name = "Boîte de réception"
    mailbox.folders["archive"].display_name = "Archives"
    await world.notify(account, await world.deliver(mailbox, 20))
    await world.import_and_act()
    target = folder_of(mailbox, "Boîte de réception", "Importés", "2026")
    assert len(target.messages) == 20
    assert world.calls(Operation.CREATE_FOLDER) == 2
    assert world.calls(Operation.LIST_FOLDERS) == 2
    assert not any(each.display_name == "Inbox" for each in mailbox.children(None))


async def test_a_path_that_is_there_is_found_in_any_letter_case(world: World) -> None:
    """It is found beyond the first page of a long list of folders, too."""
    mailbox, account = await account_that(world, "move", "BEFUNDE/straße/2026")
    for number in range(120):
        mailbox.add_folder(f"Ordner {number}")
    top = mailbox.add_folder("Befunde")
    street = mailbox.add_folder("STRASSE", parent=top)
    target = mailbox.add_folder("2026", parent=street)
    await world.notify(account, await world.deliver(mailbox, 3))
    await world.import_and_act()
    assert len(target.messages) == 3
    assert world.calls(Operation.CREATE_FOLDER) == 0


async def test_a_folder_can_be_named_by_its_id(world: World) -> None:
    """An administrator copies the id from another program."""
    mailbox = world.new_mailbox("Laboratoire")
    target = mailbox.add_folder("Fertig / erledigt")
    account = await world.add_account(mailbox, after_import="move", move_to_folder=target.folder_id)
    await world.notify(account, await world.deliver(mailbox, 3))
    await world.import_and_act()
    assert len(target.messages) == 3
    assert world.calls(Operation.LIST_FOLDERS) == 0


async def test_a_folder_that_was_deleted_is_recreated(world: World) -> None:
    """The cached id is no longer valid: Graph's 404 is about it, not about the message."""
    mailbox, account = await account_that(world, "move", "Fertig")
    await world.notify(account, await world.deliver(mailbox, 1))
    async with world.processing():
        await until(world.queue_is_empty)
        await until(world.actions_ended)
        first = folder_of(mailbox, "Fertig")
        del mailbox.folders[first.folder_id]
        await world.notify(account, await world.deliver(mailbox, 1))
        await until(world.queue_is_empty)
        await until(world.actions_ended)
    second = folder_of(mailbox, "Fertig")
    assert second is not first
    assert len(second.messages) == 1
    assert [each.state for each in await world.actions()] == ["done", "done"]


async def test_two_tasks_make_a_folder_once(world: World) -> None:
    """The second of several processes finds the folder that the first made: Graph refuses a name that is taken."""
    mailbox = world.new_mailbox("Laboratoire")
    finders = [MailFolders(world.graph, MailReader(world.graph), clock=world.clock) for _ in range(4)]
    found = await asyncio.gather(*(each.folder_id(world.opened(mailbox), "A/B/C", make=True) for each in finders))
    assert set(found) == {folder_of(mailbox, "A", "B", "C").folder_id}


async def test_an_id_that_is_none_is_no_name(world: World) -> None:
    """No folder is to be named like an id."""
    mailbox = world.new_mailbox("Laboratoire")
    folders = MailFolders(world.graph, MailReader(world.graph), clock=world.clock)
    with pytest.raises(FolderNotFound):
        await folders.folder_id(world.opened(mailbox), "A" * 120, make=True)
    assert world.calls(Operation.CREATE_FOLDER) == 0


# Repetition.


async def test_repeated_deliveries_act_once(world: World) -> None:
    """A known message is not acted on again."""
    mailbox, account = await account_that(world, "move", "Archive")
    delivered = await world.deliver(mailbox, 4)
    for _ in range(3):
        await world.notify(account, delivered)
    await world.import_and_act()
    await world.notify(account, delivered)
    await world.import_and_act()
    assert changes(world) == {"move_message": 4}


@pytest.mark.parametrize(("kind", "move_to"), [("read", None), ("move", "Archive/2026"), ("delete", None)])
async def test_what_a_dead_process_left_is_taken_up(world: World, kind: str, move_to: str | None) -> None:
    """Killed between the commits and the actions: any processor takes over, once the due time has come."""
    mailbox, _account = await account_that(world, kind, move_to)
    delivered = await world.deliver(mailbox, 4)
    await leave_pending(world, kind, delivered)
    assert changes(world) == {}
    await world.import_and_act()
    assert sum(changes(world).values()) == 4
    assert {each.state for each in await world.actions()} == {"done"}
    assert len(mailbox.folders["inbox"].messages) == (4 if kind == "read" else 0)


async def test_what_was_done_but_not_noted_is_not_done_twice(world: World) -> None:
    """Killed after Graph deleted and before it was recorded: the messages are found there."""
    mailbox, _account = await account_that(world, "delete")
    delivered = await world.deliver(mailbox, 3)
    await leave_pending(world, "delete", delivered)
    for each in delivered:
        mailbox.delete(each.message)
    await world.import_and_act()
    assert changes(world) == {}
    assert len(mailbox.folders["deleteditems"].messages) == 3
    assert {each.state for each in await world.actions()} == {"done"}


@pytest.mark.parametrize(("kind", "move_to"), [("move", "Archive"), ("delete", None)])
@pytest.mark.parametrize("below_the_folder", [False, True])
async def test_what_was_filed_elsewhere_before_a_late_import_is_left_alone(
    world: World, kind: str, move_to: str | None, below_the_folder: bool
) -> None:
    """A rule or its owner moved it while it waited in the queue: it is found by its id, and imported from there."""
    mailbox, account = await account_that(world, kind, move_to)
    filed, kept, done = await world.deliver(mailbox, 3)
    own = mailbox.add_folder("Projekt", parent=mailbox.folders["inbox"] if below_the_folder else None)
    target = mailbox.folders["archive" if kind == "move" else "deleteditems"]
    world.simulator.move_message(mailbox, filed.message_id, own.folder_id)
    world.simulator.move_message(mailbox, done.message_id, target.folder_id)
    await world.notify(account, [filed, kept, done])
    await world.import_and_act()
    assert [each.mail for each in own.messages] == [filed.message.mail]
    assert {each.graph_id: each.state for each in await world.actions()} == {
        filed.message_id: "gone",
        kept.message_id: "done",
        done.message_id: "done",
    }
    assert changes(world) == {"move_message": 1}
    assert world.calls(Operation.GET_MESSAGE) == 3


async def test_what_is_filed_elsewhere_while_it_is_imported_is_left_alone(world: World) -> None:
    """Its folder was seen when the import began, and that took long: the message is located again."""
    mailbox, account = await account_that(world, "delete")
    own = mailbox.add_folder("Projekt")
    [delivered] = await world.deliver(mailbox, 1)

    class Slow(MailReader):
        async def message(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # passed through
            found = await super().message(*args, **options)
            world.simulator.move_message(mailbox, delivered.message_id, own.folder_id)
            world.clock.advance(seconds=15)
            return found

    await world.notify(account, [delivered])
    await world.import_and_act(reader=Slow(world.graph))
    assert [each.mail for each in own.messages] == [delivered.message.mail]
    assert [each.state for each in await world.actions()] == ["gone"]


@pytest.mark.parametrize("named", ["inbox", "Boîte de réception", "INBOX/Labo", "its id"])
async def test_the_account_s_folder_is_known_by_any_of_its_names(world: World, named: str) -> None:
    """Its mail is acted on at once, with no call to locate a message."""
    mailbox = world.new_mailbox("Laboratoire")
    folder = mailbox.folders["inbox"]
    folder.display_name = "Boîte de réception"
    if named == "INBOX/Labo":
        folder = mailbox.add_folder("Labo", parent=folder)
    settings = {"folder": folder.folder_id if named == "its id" else named, "after_import": "delete"}
    account = await world.add_account(mailbox, **settings)
    delivered = [await world.simulator.deliver(mailbox, Mail(), folder.folder_id) for _ in range(3)]
    await world.notify(account, delivered)
    await world.import_and_act()
    assert changes(world) == {"move_message": 3}
    assert world.calls(Operation.GET_MESSAGE) == 3
    assert {each.state for each in await world.actions()} == {"done"}


async def test_mail_of_a_folder_that_was_recreated_is_acted_on(world: World) -> None:
    """Another folder has the account's path now, with another id than the one in the cache."""
    mailbox = world.new_mailbox("Laboratoire")
    account = await world.add_account(mailbox, folder="Befunde", after_import="delete")
    async with world.processing():
        for _ in range(2):
            folder = mailbox.add_folder("Befunde")
            await world.notify(account, [await world.simulator.deliver(mailbox, Mail(), folder.folder_id)])
            await until(world.queue_is_empty)
            await until(world.actions_ended)
            del mailbox.folders[folder.folder_id]
    assert [each.state for each in await world.actions()] == ["done", "done"]


async def test_a_message_is_not_deleted_twice_when_the_answer_is_lost(world: World) -> None:
    """The connection breaks after Graph acted: the message is located, and not deleted from Deleted Items, too."""
    mailbox, account = await account_that(world, "delete")
    await world.notify(account, await world.deliver(mailbox, 1))
    world.fault(FaultKind.ANSWER_LOST, operation=Operation.MOVE_MESSAGE, count=1)
    async with world.processing():
        await until(lambda: _attempts(world, 1))
        world.clock.advance(minutes=5)
        await until(world.actions_ended)
    assert len(mailbox.folders["deleteditems"].messages) == 1
    [row] = await world.actions()
    assert row.state == "done"


async def test_what_was_filed_elsewhere_meanwhile_is_left_alone(world: World) -> None:
    """The mailbox's owner moved it into a folder of his own before its turn came."""
    mailbox, _account = await account_that(world, "delete")
    filed, kept = await world.deliver(mailbox, 2)
    await leave_pending(world, "delete", [filed, kept])
    own = mailbox.add_folder("Projekt")
    world.simulator.move_message(mailbox, filed.message_id, own.folder_id)
    await world.import_and_act()
    assert [each.mail for each in own.messages] == [filed.message.mail]
    assert {each.graph_id: each.state for each in await world.actions()} == {
        filed.message_id: "gone",
        kept.message_id: "done",
    }


@pytest.mark.parametrize(("kind", "move_to"), [("read", None), ("move", "Archive"), ("delete", None)])
async def test_a_message_that_is_gone_is_done(world: World, kind: str, move_to: str | None) -> None:
    """Deleted for good meanwhile: 404, once more after two minutes, recorded on its row, and not tried again."""
    mailbox, _account = await account_that(world, kind, move_to)
    delivered = await world.deliver(mailbox, 2)
    await leave_pending(world, kind, delivered)
    for each in delivered:
        world.simulator.remove_message(mailbox, each.message_id)
    async with world.processing():
        await until(lambda: _ended_after_advancing(world), pause=0.05)
    assert [(each.state, each.due) for each in await world.actions()] == [("gone", None)] * 2
    assert len(await world.imported_ids()) == 2


@pytest.mark.parametrize(("kind", "move_to"), [("read", None), ("move", "Archive"), ("delete", None)])
async def test_a_404_that_passes_costs_no_action(world: World, kind: str, move_to: str | None) -> None:
    """A mailbox that is moved answers so for a moment: its messages are not gone."""
    mailbox, _account = await account_that(world, kind, move_to)
    delivered = await world.deliver(mailbox, 2)
    await leave_pending(world, kind, delivered)
    for operation in (Operation.GET_MESSAGE, Operation.UPDATE_MESSAGE):
        world.fault(FaultKind.REFUSED, operation=operation, status=404, error_code="ErrorItemNotFound", count=2)
    async with world.processing():
        await until(lambda: _ended_after_advancing(world), pause=0.05)
    assert [(each.state, each.attempts) for each in await world.actions()] == [("done", 0)] * 2


async def test_two_processors_do_not_do_the_same(world: World) -> None:
    """Each action is one call, whichever processor finds it due."""
    mailbox, _account = await account_that(world, "move", "Archive")
    delivered = await world.deliver(mailbox, 30)
    await leave_pending(world, "move", delivered)
    queue = world.new_queue()
    async with world.processing(), world.processing(queue=queue):
        await until(world.actions_ended)
    await queue.close()
    assert changes(world) == {"move_message": 30}
    assert world.simulator.statistics()["throttled"] == 0


# Failures.


async def test_without_the_right_actions_wait_and_imports_go_on(world: World) -> None:
    """403: Mail.Read is granted, Mail.ReadWrite is not. The administrator sees it; once granted, all is done."""
    mailbox, account = await account_that(world, "move", "Archive")
    withdraw_right_to_write(world)
    await world.notify(account, await world.deliver(mailbox, 6))
    async with world.processing():
        await until(lambda: _imported(world, 6))
        await until(world.queue_is_empty)
        await until(world.conditions)
        await world.notify(account, await world.deliver(mailbox, 2))
        await until(lambda: _imported(world, 8))
        [condition] = await world.conditions()
        assert (condition.role, condition.reason) == ("afterimport", "AccessDenied")
        assert "Mail.ReadWrite" in condition.detail
        assert {each.state for each in await world.actions()} == {"pending"}
        tried = world.calls(Operation.MOVE_MESSAGE)
        world.application.roles = DEFAULT_ROLES
        world.simulator.tokens.revoke_all()
        await until(lambda: _ended_after_advancing(world), pause=0.05)
    assert tried <= 4
    assert {(each.state, each.attempts) for each in await world.actions()} == {("done", 0)}
    assert await world.conditions() == []


@pytest.mark.parametrize("count", [1, 2])
async def test_messages_that_are_refused_hold_up_no_other(world: World, count: int) -> None:
    """They end as failed with Graph's error; the others are marked, and the account has no condition."""
    mailbox, account = await account_that(world, "read")
    delivered = await world.deliver(mailbox, count + 2)
    refused, others = delivered[:count], delivered[count:]
    for each in refused:
        world.fault(FaultKind.FORBIDDEN, operation=Operation.UPDATE_MESSAGE, message_id=each.message_id)
    await world.notify(account, refused)
    async with world.processing():
        await until(world.queue_is_empty)
        for each in others:
            await world.notify(account, [each])
            await until(functools.partial(_read_after_advancing, world, each), pause=0.05)
        await until(lambda: _ended_after_advancing(world), pause=0.05)
    states = {row.graph_id: row.state for row in await world.actions()}
    assert states == {each.message_id: "done" for each in others} | {each.message_id: "failed" for each in refused}
    details = [row.detail for row in await world.actions() if row.state == "failed"]
    assert all(each is not None and "ErrorAccessDenied" in each for each in details)
    assert await world.conditions() == []


@pytest.mark.parametrize(
    ("fault", "facts"),
    [
        (FaultKind.THROTTLED, {"retry_after": 5.0}),
        (FaultKind.UNAVAILABLE, {"status": 503}),
        (FaultKind.RESET, {}),
    ],
)
async def test_an_outage_is_waited_out(world: World, fault: FaultKind, facts: dict[str, Any]) -> None:
    """429, 503 and broken connections: tried again until it is done, and nothing is imported again."""
    mailbox, account = await account_that(world, "read")
    delivered = await world.deliver(mailbox, 3)
    world.fault(fault, operation=Operation.UPDATE_MESSAGE, count=10, **facts)
    await world.notify(account, delivered)
    async with world.processing():
        await until(world.queue_is_empty)
        await until(lambda: _ended_after_advancing(world), pause=0.05)
    assert all(each.message.is_read for each in delivered)
    assert {each.state for each in await world.actions()} == {"done"}
    assert world.calls(Operation.GET_MESSAGE) == 3


async def test_what_cannot_be_done_ends_as_failed(world: World) -> None:
    """Some attempts, each later than the one before; the reason is recorded, and it is never fetched again."""
    mailbox, account = await account_that(world, "move", "Archive")
    [delivered] = await world.deliver(mailbox, 1)
    world.fault(FaultKind.UNAVAILABLE, operation=Operation.MOVE_MESSAGE, retry_after=300.0)
    await world.notify(account, [delivered])
    with structlog.testing.capture_logs() as events:
        async with world.processing():
            await until(world.queue_is_empty)
            for number in range(1, 20):
                await until(functools.partial(_attempts, world, number))
                world.clock.advance(hours=3)
            await until(world.actions_ended)
    [row] = await world.actions()
    assert (row.state, row.attempts, row.due) == ("failed", 20, None)
    assert row.detail is not None
    assert "Laboratoire" in row.detail
    assert [each["event"] for each in events].count("after_import_given_up") == 1
    assert world.calls(Operation.GET_MESSAGE) < 25  # to locate it, each time


@pytest.mark.parametrize(("now", "move_to"), [("none", None), ("read", None), ("move", "Archive")])
async def test_an_account_that_changed_its_mind_is_obeyed(
    world: World, command: Callable[..., Any], now: str, move_to: str | None
) -> None:
    """A deletion is dropped once the administrator changes the setting, and is no problem; it is retried if wrong."""
    mailbox, _account = await account_that(world, "delete")
    await leave_pending(world, "delete", await world.deliver(mailbox, 2))
    await set_action(world, "Laboratoire", now, move_to)
    await world.import_and_act()
    assert {each.state for each in await world.actions()} == {"failed"}
    assert await troubles(command) == (0, [], [])
    reported = await command("accounts", "retry-actions", "Laboratoire")
    assert "0 actions" in reported.output
    assert "2 actions were left out" in reported.output
    assert {each.state for each in await world.actions()} == {"failed"}
    assert changes(world) == {}

    await set_action(world, "Laboratoire", "delete", None)
    assert await troubles(command) == (2, ["after_import_failing"], [])
    assert "2 actions" in (await command("accounts", "retry-actions", "Laboratoire")).output
    await world.import_and_act()
    assert changes(world) == {"move_message": 2}
    assert await troubles(command) == (0, [], [])


async def test_the_problem_of_an_action_ends_with_the_action(world: World, command: Callable[..., Any]) -> None:
    """The right to write is missing, and instead of granting it the administrator switches the action off."""
    mailbox, account = await account_that(world, "delete")
    withdraw_right_to_write(world)
    await world.notify(account, await world.deliver(mailbox, 3))
    async with world.processing():
        await until(lambda: _imported(world, 3))
        await until(world.queue_is_empty)
        await until(world.conditions)
        assert await troubles(command) == (0, ["after_import_failing"], ["afterimport"])
        await set_action(world, "Laboratoire", "none", None)
        await until(lambda: _released_after_advancing(world, minutes=1), pause=0.05)
        await until(lambda: _ended_after_advancing(world), pause=0.05)
    assert await troubles(command) == (0, [], [])
    assert len(mailbox.folders["inbox"].messages) == 3


async def test_a_hold_ends_with_the_last_message_that_waited(world: World) -> None:
    """As when they were deleted from the database: nothing will be tried that shows whether it still holds."""
    mailbox, account = await account_that(world, "delete")
    withdraw_right_to_write(world)
    await world.notify(account, await world.deliver(mailbox, 2))
    async with world.processing():
        await until(world.conditions)
        world.clock.advance(minutes=2)
        await until(world.queue_is_empty)
        assert [each.role for each in await world.conditions()] == ["afterimport"]

        def purge(connection: Connection) -> int:
            old = retention.old_messages(connection, account, before=world.clock(), after=None, limit=10)
            return retention.delete_messages(connection, old)

        assert await world.database.write(purge) == 2
        await until(lambda: _released_after_advancing(world, minutes=1), pause=0.05)


async def test_what_changes_nothing_does_not_show_that_the_account_may_write(world: World) -> None:
    """A message that is gone costs no call that needs the right: refused ones still wait for it, uncounted."""
    mailbox, _account = await account_that(world, "delete")
    refused = await world.deliver(mailbox, 2)
    await leave_pending(world, "delete", refused)
    withdraw_right_to_write(world)
    async with world.processing():
        await until(world.conditions)
        [before] = await world.conditions()
        [filed] = await world.deliver(mailbox, 1)
        importer = importer_of(
            MailReader(world.graph), world.database, ImportOptions(), clock=world.clock, sleep=world.sleeps
        )
        await importer.run(world.opened(mailbox), filed.message_id, correlation="late", then="delete")
        await importer.store.close()
        world.simulator.move_message(mailbox, filed.message_id, mailbox.add_folder("Projekt").folder_id)

        holds: set[datetime] = set()

        async def held_again() -> bool:
            world.clock.advance(minutes=3)
            if {each.graph_id: each.state for each in await world.actions()}[filed.message_id] == "gone":
                holds.update(each.next_attempt for each in await world.conditions())
            return len(holds) > 4

        await until(held_again, pause=0.05)
        [after] = await world.conditions()
    assert (after.reason, after.since) == (before.reason, before.since)
    states = {each.graph_id: (each.state, each.attempts) for each in await world.actions()}
    assert states == {filed.message_id: ("gone", 0), **{each.message_id: ("pending", 0) for each in refused}}


async def test_actions_of_a_disabled_account_wait(world: World) -> None:
    """Its mailbox is not touched until the account is enabled."""
    mailbox, _account = await account_that(world, "read")
    await leave_pending(world, "read", await world.deliver(mailbox, 2))
    await world.set_enabled("Laboratoire", False)
    async with world.processing():
        await until(lambda: _put_off(world))
        assert changes(world) == {}
        await world.set_enabled("Laboratoire", True)
        await until(lambda: _ended_after_advancing(world), pause=0.05)
    assert {each.state for each in await world.actions()} == {"done"}


# Operators.


async def test_failed_actions_are_shown_and_retried(world: World, command: Callable[..., Any]) -> None:
    """`accounts show` counts them, `accounts retry-actions` has them tried again."""
    mailbox, _account = await account_that(world, "delete")
    await leave_pending(world, "delete", await world.deliver(mailbox, 2))
    await set_action(world, "Laboratoire", "none", None)
    await world.import_and_act()
    await set_action(world, "Laboratoire", "delete", None)
    shown = await command("accounts", "show", "Laboratoire", "--json")
    assert '"failed": 2' in shown.output
    assert "2 failed" in (await command("accounts", "list")).output
    reported = await command("accounts", "retry-actions", "Laboratoire")
    assert "2 actions" in reported.output
    await world.import_and_act()
    assert changes(world) == {"move_message": 2}
    shown = await command("accounts", "show", "Laboratoire", "--json")
    assert '"failed": 0' in shown.output


@pytest.mark.parametrize("lacks", ["attachment", "original"])
async def test_what_is_not_all_stored_is_left_in_the_mailbox(
    world: World, command: Callable[..., Any], lacks: str
) -> None:
    """It may still be there. Once imported whole, it is acted on; or an operator forces the action."""
    mailbox, account = await account_that(world, "delete")
    mail = Mail(attachments=(file_attachment("a.csv", b"1"), file_attachment("b.csv", b"2")))
    [poor, whole] = [*await world.deliver(mailbox, 1, mail), *await world.deliver(mailbox, 1)]
    kind, operation = FaultKind.CORRUPT, Operation.GET_MIME
    if lacks == "attachment":
        world.fault(kind, attachment_id=poor.message.attachments[1].attachment_id)
    else:
        world.fault(kind, operation=operation)
    keep_mime = lacks == "original"
    forced = ("import", "Laboratoire", "--id", poor.message_id, "--force")
    assert (await command("import", "Laboratoire", "--id", poor.message_id, keep_mime=keep_mime)).exit_code == 0

    [action] = await world.actions()
    assert (action.kind, action.state, action.due, action.attempts) == ("delete", "failed", None, 0)
    assert f"({lacks}{' 2' if lacks == 'attachment' else ''}: unreadable)" in (action.detail or "")
    assert "1 failed" in (await command("accounts", "list")).output
    assert "Not all of the message is in the database" in (await command("trace", poor.message_id)).output
    reported = await command("accounts", "retry-actions", "Laboratoire")
    assert "0 actions" in reported.output
    assert "1 message is not all in the database" in reported.output
    await world.notify(account, [whole])
    world.simulator.faults.clear()
    await world.import_and_act()
    assert [each.state for each in await world.actions()] == ["failed", "done"]

    assert (await command(*forced, keep_mime=keep_mime)).exit_code == 0
    await world.import_and_act()
    assert [each.state for each in await world.actions()] == ["done", "done"]
    assert len(mailbox.folders["deleteditems"].messages) == 2


async def test_what_is_not_all_stored_is_acted_on_when_an_operator_wants_it(
    world: World, command: Callable[..., Any]
) -> None:
    """A processor does it no sooner, though it imported the message itself."""
    mailbox, account = await account_that(world, "delete")
    mail = Mail(attachments=(file_attachment("a.csv", bytes(1024 * 1024 + 1)),))
    await world.notify(account, await world.deliver(mailbox, 1, mail))
    with structlog.testing.capture_logs() as events:
        await world.import_and_act(kept=AttachmentLimits(attachment_mb=1))
    assert [each.state for each in await world.actions()] == ["failed"]
    assert "after_import_withheld" in [each["event"] for each in events]
    assert changes(world) == {}
    reported = await command("accounts", "retry-actions", "Laboratoire", "--even-incomplete")
    assert "1 action of" in reported.output
    await world.import_and_act()
    assert [each.state for each in await world.actions()] == ["done"]


async def _attempts(world: World, count: int) -> bool:
    return [each.attempts for each in await world.actions()] == [count]


async def _imported(world: World, count: int) -> bool:
    return len(await world.imported_ids()) == count


async def _put_off(world: World) -> bool:
    rows = await world.actions()
    later = world.clock() + timedelta(minutes=10)
    return all(each.due is not None and each.due > later for each in rows)


async def _ended_after_advancing(world: World) -> bool:
    world.clock.advance(minutes=3)
    return await world.actions_ended()


async def _released_after_advancing(world: World, *, minutes: float) -> bool:
    world.clock.advance(minutes=minutes)
    return not await world.conditions()


async def _read_after_advancing(world: World, delivered: DeliveredMessage) -> bool:
    await _ended_after_advancing(world)
    return delivered.message.is_read
