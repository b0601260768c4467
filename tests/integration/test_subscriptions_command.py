"""`mail-importer subscriptions`: Graph's side and the database's, compared, corrected and deleted."""

import json
from typing import Any

import pytest

from db.queries import accounts, audit, subscriptions
from simulator.calls import Operation
from simulator.faults import FaultKind
from simulator.state.mailboxes import Mailbox
from tests.integration.manager_world import Office, create_another
from tests.integration.world import run_command
from tests.waiting import until


@pytest.fixture
async def served(office: Office) -> Mailbox:
    """The mailbox of the account Nord, which has a subscription; the manager is gone."""
    mailbox, _ = await office.world.account_of("Nord")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
    return mailbox


async def rows(office: Office, *options: str) -> list[dict[str, Any]]:
    result = await run_command(office.world, "subscriptions", "list", "--json", *options, notification_url=office.url)
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


async def states(office: Office) -> list[tuple[str | None, str]]:
    return [(row["account"], row["state"]) for row in await rows(office)]


async def test_each_state_is_told(office: Office, served: Mailbox) -> None:
    world = office.world
    (there,) = office.at_graph()
    (row,) = await rows(office)
    assert (row["account"], row["state"], row["subscription_id"]) == ("Nord", "active", there.subscription_id)
    assert row["notification_url"] == f"{office.url}/notifications"
    sud, _ = await world.account_of("Sud")
    world.fault(FaultKind.VALIDATION_SKIPPED)
    await create_another(office, sud, office.url, folder="inbox")
    world.fault(FaultKind.VALIDATION_SKIPPED)
    await create_another(office, served, "https://other.example", folder="drafts")
    world.fault(FaultKind.VALIDATION_SKIPPED)
    await create_another(office, served, office.url, folder="archive")
    await world.account_of("Est")
    assert await states(office) == [
        ("Est", "missing"),
        ("Nord", "active"),
        ("Nord", "surplus"),
        ("Sud", "pending"),
        (None, "other"),
    ]
    world.simulator.subscriptions.remove(there)
    assert ("Nord", "gone") in await states(office)
    assert [each["state"] for each in await rows(office, "--account", "Est")] == ["missing"]


async def test_sync_deletes_the_surplus_and_has_the_rest_made(office: Office, served: Mailbox) -> None:
    world = office.world
    world.fault(FaultKind.VALIDATION_SKIPPED)
    await create_another(office, served, office.url, folder="archive")
    await world.account_of("Sud")
    result = await run_command(world, "subscriptions", "sync", "--json", notification_url=office.url)
    assert json.loads(result.stdout) == {"listed": 2, "deleted": 1, "gone": 0, "requested": 1}
    (there,) = office.at_graph()
    world.simulator.subscriptions.remove(there)
    result = await run_command(world, "subscriptions", "sync", "--json", notification_url=office.url)
    assert json.loads(result.stdout) == {"listed": 0, "deleted": 0, "gone": 1, "requested": 2}
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(2))


@pytest.mark.usefixtures("served")
async def test_sync_without_an_address_says_that_there_are_none(office: Office) -> None:
    result = await run_command(office.world, "subscriptions", "sync", notification_url=None)
    assert result.exit_code == 1
    assert "notification_url is not set" in result.stderr


async def test_delete_leaves_those_of_others_and_is_recorded(office: Office, served: Mailbox) -> None:
    world = office.world
    world.fault(FaultKind.VALIDATION_SKIPPED)
    other = await create_another(office, served, "https://other.example", folder="drafts")
    await world.set_enabled("Nord", False)
    options = ("--all", "--yes", "--why", "closed", "--json")
    result = await run_command(world, "subscriptions", "delete", *options, notification_url=office.url)
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"deleted": 1})
    assert [each.subscription_id for each in office.at_graph()] == [other.id]
    assert await world.database.read(subscriptions.held) == {}
    (entry,) = await world.database.read(lambda connection: audit.latest(connection, limit=10))
    assert (entry.action, entry.selection, entry.messages, entry.why) == ("subscriptions delete", "all", 1, "closed")
    result = await run_command(world, "subscriptions", "delete", "--id", other.id.upper(), "--yes")
    assert result.exit_code == 0, result.stderr
    assert office.at_graph() == []


@pytest.mark.usefixtures("served")
async def test_delete_of_an_account_has_another_made(office: Office) -> None:
    (before,) = office.at_graph()
    result = await run_command(
        office.world, "subscriptions", "delete", "--account", "Nord", "--yes", notification_url=office.url
    )
    assert result.exit_code == 0, result.stderr
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
    assert office.at_graph()[0].subscription_id != before.subscription_id


@pytest.mark.parametrize("options", [(), ("--all", "--account", "Nord"), ("--id", "x", "--all")])
async def test_what_to_delete_is_named_in_one_way(office: Office, options: tuple[str, ...]) -> None:
    result = await run_command(office.world, "subscriptions", "delete", "--yes", *options)
    assert result.exit_code == 2


@pytest.mark.usefixtures("served")
async def test_nothing_is_deleted_without_a_yes_or_by_an_unknown_id(office: Office) -> None:
    unasked = await run_command(office.world, "subscriptions", "delete", "--all", notification_url=office.url)
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    unknown = await run_command(office.world, "subscriptions", "delete", "--id", "no-such", "--yes")
    assert (unknown.exit_code, "of no subscription" in unknown.stderr) == (1, True)
    assert len(office.at_graph()) == 1


@pytest.mark.usefixtures("served")
async def test_an_application_that_is_refused_is_told_and_the_status_shows_it(office: Office) -> None:
    world = office.world
    world.fault(FaultKind.FORBIDDEN, operation=Operation.LIST_SUBSCRIPTIONS)
    result = await run_command(world, "subscriptions", "list", notification_url=office.url)
    assert result.exit_code == 1
    assert "could not be read" in result.stderr


async def test_no_account_is_no_failure(office: Office) -> None:
    assert await rows(office) == []
    assert await office.world.database.read(accounts.every) == []
