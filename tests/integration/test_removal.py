"""An account that is removed, and taken up again by adding its mailbox and folder."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select

from db.queries import accounts, installation, missed, subscriptions, trace
from db.queries.accounts import Condition
from db.queries.history import changes
from db.queries.problems import Problem, ProblemKind
from db.queries.trace import TracedMessage
from db.tables import account_condition, folder_sync, message, missed_notification, subscription_schedule
from monitoring import facts
from monitoring.evaluation import evaluate
from monitoring.facts import Facts
from simulator.state.mailboxes import Mailbox
from tests.integration.manager_world import Office
from tests.integration.world import run_command
from tests.waiting import until

SWEEP = timedelta(minutes=15)


async def add(office: Office, mailbox: Mailbox, name: str, *more: str) -> dict[str, object]:
    world = office.world
    result = await run_command(
        world,
        *("accounts", "add", "--name", name, "--tenant-id", world.application.tenant_id),
        *("--client-id", world.application.client_id, "--user-id", mailbox.user_id),
        *("--thumbprint", world.certificate.thumbprint, "--no-secure-certificate-access", "--json", *more),
    )
    assert result.exit_code == 0, result.stderr
    found: dict[str, object] = json.loads(result.stdout)
    return found


async def remove(office: Office, name: str) -> str:
    result = await run_command(office.world, "accounts", "remove", name, "--yes", "--json")
    assert result.exit_code == 0, result.stderr
    present: str = json.loads(result.stdout)["present_name"]
    return present


async def is_retired(office: Office, account: int) -> bool:
    def read(connection: Connection) -> bool:
        tables = (subscription_schedule, folder_sync, account_condition, missed_notification)
        return not any(
            connection.scalar(select(table.c.nAccountID).where(table.c.nAccountID == account)) for table in tables
        )

    return await office.world.database.read(read)


async def stored(office: Office) -> list[tuple[int, str]]:
    """Number of the account and Graph id of each message."""
    columns = (message.c.nAccountID, message.c.sGraphMessageID)
    return await office.world.database.read(lambda c: sorted((row[0], row[1]) for row in c.execute(select(*columns))))


async def test_an_account_that_returns_keeps_its_mail_and_gets_what_it_missed(office: Office) -> None:
    """Nothing is stored twice; mail that arrived meanwhile is imported once, and belongs to the same number."""
    world = office.world
    mailbox = world.new_mailbox("Nord")
    number = (await add(office, mailbox, "Nord"))["account_id"]
    assert isinstance(number, int)
    async with office.receiving(), office.managing(sweeping=SWEEP), world.processing():
        await until(lambda: office.in_step(1))
        before = [each.message_id for each in await world.deliver(mailbox, 3)]
        await until(lambda: _has(office, 3))
        present = await remove(office, "Nord")
        await until(lambda: office.in_step(0))
        await until(lambda: is_retired(office, number))

        meanwhile = [each.message_id for each in await world.deliver(mailbox, 2)]
        world.clock.advance(days=3)
        await until(office.at_rest)
        assert len(await stored(office)) == 3
        returned = world.clock()
        again = await add(office, mailbox, "Nord revenu")
        assert again["account_id"] == number
        assert (again["action"], again["taken_up"], again["messages"]) == ("taken_up", present, 3)
        await until(lambda: office.in_step(1))
        await until(lambda: _has(office, 5))
        after = [each.message_id for each in await world.deliver(mailbox, 1)]
        await until(lambda: _has(office, 6))
        world.clock.advance(hours=1)
        await until(office.at_rest)
        await until(world.queue_is_empty)

    assert await stored(office) == sorted((number, each) for each in [*before, *meanwhile, *after])
    attempts = await world.database.read(lambda c: trace.attempts(c, [TracedMessage(number, each) for each in before]))
    assert all(each.started < returned for each in attempts), "what is known is not even queued"
    actions = [each.action for each in await world.database.read(changes)]
    assert actions == ["added", "removed", "taken_up"]


async def _has(office: Office, count: int) -> bool:
    return len(await stored(office)) == count


async def test_a_removed_account_makes_no_call_and_is_no_problem(office: Office) -> None:
    """Whatever was wrong with it, waits for it, or comes for it yet."""
    world = office.world
    mailbox = world.new_mailbox("Nord")
    account = await world.add_account(mailbox, after_import="read")
    async with office.receiving(), office.managing(sweeping=SWEEP, reconciling=True), world.processing():
        await until(lambda: office.in_step(1))
        await world.put_body(json.dumps({"version": 99}), account_id=account)
        await until(lambda: _dead(office, 1))
        await world.database.write(lambda c: c.execute(insert(message), _failed_action(account)))
        await _trouble(office, account)
        assert {each.kind for each in await _problems(office)} >= {"after_import_failing", "dead_letters"}
        await remove(office, "Nord")
        await until(lambda: office.in_step(0))
        await until(lambda: is_retired(office, account))
        await _trouble(office, account)
        await until(office.at_rest)

        calls = dict(world.simulator.statistics()["calls"])
        await world.notify(account, await world.deliver(mailbox, 2))
        await world.queue.put(
            [world.notification(account, None, lifecycle_event="missed", change_type=None).to_message()]
        )
        await until(world.queue_is_empty)
        for _ in range(5):
            world.clock.advance(hours=7)
            await until(office.at_rest)
        assert dict(world.simulator.statistics()["calls"]) == calls
        assert await _problems(office) == []
        assert await world.conditions() == []

    assert await stored(office) == [(account, "action")]
    assert len(await world.dead_letters()) == 1


async def _dead(office: Office, count: int) -> bool:
    return len(await office.world.dead_letters()) == count


def _failed_action(account: int) -> dict[str, object]:
    return {
        "nAccountID": account,
        "sGraphMessageID": "action",
        "bHasAttachments": False,
        "dtImported": datetime(2026, 1, 1, tzinfo=UTC),
        "sAfterImport": "read",
        "sAfterImportState": "failed",
    }


async def _trouble(office: Office, account: int) -> None:
    """What a process writes that does not know yet that the account was removed."""
    now = office.world.clock()
    condition = Condition(account, "processor", "AccessDenied", "no", now, now + timedelta(days=1))
    await office.world.database.write(lambda c: accounts.set_condition(c, condition))


async def _problems(office: Office) -> list[Problem]:
    world, status = office.world, await office.world.queue.status()
    now = world.clock()
    read = await world.database.read(lambda c: facts.read(c, status, now=now))
    found = evaluate(Facts(now, read, alive=(), queue=status))
    return [each for each in found if each.account_id is not None or each.kind is ProblemKind.DEAD_LETTERS]


async def test_folder_and_tenant_decide_whether_an_account_returns(office: Office) -> None:
    """Another folder of the mailbox is another account; purged mail stays away, whatever start is given."""
    world = office.world
    mailbox = world.new_mailbox("Nord")
    mailbox.add_folder("Resultats")
    number = (await add(office, mailbox, "Nord", "--import-since", "all"))["account_id"]
    await remove(office, "Nord")
    assert (await add(office, mailbox, "Nord", "--folder", "Resultats"))["account_id"] != number
    again = await add(office, mailbox, "Nord 2", "--folder", "INBOX")
    assert (again["account_id"], again["import_since"]) == (number, "1900-01-01T00:00:00Z")


@pytest.mark.slow
async def test_many_removed_accounts_cost_nothing(office: Office) -> None:
    """The manager's comparison finds none of them, and no poll reads them."""
    world = office.world
    await world.account_of("Nord")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))

    def removed(connection: Connection) -> None:
        for number in range(200):
            settings = accounts.AccountSettings(f"r{number}", "tenant", "client", f"r{number}@example.com", "AB" * 20)
            removed_id = accounts.add(connection, settings, now=world.clock())
            accounts.mark_removed(connection, f"r{number}", now=world.clock())
            accounts.retire(connection, removed_id)

    await world.database.write(removed)
    assert await world.database.read(lambda c: accounts.changed(c, now=world.clock(), limit=5)) == []
    assert await world.database.read(installation.enabled_accounts) == 1
    async with office.managing("two"):
        world.clock.advance(seconds=6)
        await until(office.at_rest)
        assert await world.database.read(subscriptions.held)
        assert await world.database.read(missed.summaries) == {}
    assert await office.in_step(1)
