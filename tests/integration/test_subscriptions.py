"""Each enabled account has one subscription at Graph, and it lives as long as the account."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import Connection, LargeBinary, literal, select, update

from db.queries import accounts
from db.tables import account_condition, account_settings, call_budget, folder_sync, subscription_schedule
from simulator.calls import Operation
from simulator.content.mail import Mail
from simulator.faults import FaultKind
from tests.integration.manager_world import Office, create_another
from tests.waiting import until

MakeOffice = Callable[..., Awaitable[Office]]


async def test_every_enabled_account_gets_one(office: Office) -> None:
    """Both addresses validated by the real receiver; at most 10,000 minutes; the state proves the account."""
    mailboxes = [await office.world.account_of(name) for name in ("Nord", "Sud", "Est")]
    await office.world.set_enabled("Est", False)
    began = office.world.clock()

    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(2))

    keys = await office.world.keys()
    held = await office.held()
    for mailbox, account in mailboxes[:2]:
        (there,) = office.at_graph(mailbox)
        row = held[account]
        assert row.subscription_id == there.subscription_id
        assert row.expires == there.expires.replace(microsecond=row.expires.microsecond)
        assert there.change_type == "created"
        assert there.resource == f"users/{mailbox.user_id}/mailFolders('inbox')/messages"
        assert there.notification_url == f"{office.url}/notifications"
        assert there.lifecycle_notification_url == f"{office.url}/lifecycle"
        assert there.immutable_ids
        assert keys.verify(there.client_state) == account
        life = there.expires - began
        assert timedelta(minutes=9_990) < life <= timedelta(minutes=10_000, seconds=30)
    assert office.at_graph(mailboxes[2][0]) == []
    assert office.world.calls(Operation.CREATE_SUBSCRIPTION) == 2
    assert await office.world.conditions() == []


async def test_a_lower_ceiling_is_kept_to_and_remembered(make_office: MakeOffice) -> None:
    """Graph returns the life it grants; only the first account has to try twice."""
    office = await make_office(longest_minutes=4230)
    await office.world.account_of("Nord")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        assert office.world.calls(Operation.CREATE_SUBSCRIPTION) == 2
        await office.world.account_of("Sud")
        await until(lambda: office.in_step(2))

    assert office.world.calls(Operation.CREATE_SUBSCRIPTION) == 3
    for there in office.at_graph():
        left = there.expires - office.world.clock()
        assert timedelta(minutes=4_200) < left <= timedelta(minutes=4_230)


async def test_it_is_renewed_when_a_third_of_its_life_is_left(office: Office) -> None:
    """It is not much earlier, and it stays the same subscription."""
    _, account = await office.world.account_of("Nord")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        await until(lambda: _is_later(office, account))
        before = (await office.held())[account]
        life = before.expires - before.granted
        due = await office.due(account)
        assert before.expires - life / 3 - life / 10 <= due <= before.expires - life / 3

        office.world.clock.advance(seconds=(due - office.world.clock()).total_seconds() + 1)
        await until(lambda: office.world.calls(Operation.UPDATE_SUBSCRIPTION))
        await until(lambda: _is_later(office, account))

    after = (await office.held())[account]
    assert after.subscription_id == before.subscription_id
    assert after.expires > before.expires + life / 2
    (there,) = office.at_graph()
    assert abs(there.expires - after.expires) < timedelta(seconds=1)
    assert office.world.calls(Operation.CREATE_SUBSCRIPTION) == 1


async def test_one_that_is_gone_at_its_renewal_is_made_again(office: Office) -> None:
    """A 404 is final: never the same PATCH again."""
    _, account = await office.world.account_of("Nord")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        await until(lambda: _is_later(office, account))
        (old,) = office.at_graph()
        office.world.simulator.subscriptions.remove(old)
        office.world.clock.advance(minutes=6_700)
        await until(lambda: office.in_step(1))

    (new,) = office.at_graph()
    assert new.subscription_id != old.subscription_id
    assert office.world.calls(Operation.UPDATE_SUBSCRIPTION) == 1


async def test_one_that_expired_while_no_manager_ran_is_made_again(office: Office) -> None:
    """The host was off for a long time."""
    await office.world.account_of("Nord")
    async with office.receiving():
        async with office.managing():
            await until(lambda: office.in_step(1))
        office.world.clock.advance(days=30)
        assert office.at_graph() == []
        async with office.managing():
            await until(lambda: office.in_step(1))


async def test_one_that_vanished_is_found_at_start_up(office: Office) -> None:
    """Microsoft removed it: its renewal is not awaited to find out."""
    await office.world.account_of("Nord")
    _, kept_account = await office.world.account_of("Sud")
    async with office.receiving():
        async with office.managing():
            await until(lambda: office.in_step(2))
        kept = (await office.held())[kept_account].subscription_id
        gone = next(each for each in office.at_graph() if each.subscription_id != kept)
        office.world.simulator.subscriptions.remove(gone)
        async with office.managing(reconciling=True):
            await until(lambda: office.in_step(2))

    assert (await office.held())[kept_account].subscription_id == kept
    assert office.world.calls(Operation.CREATE_SUBSCRIPTION) == 3


async def test_several_managers_check_once_for_all(office: Office) -> None:
    """Each check lists all subscriptions of the application: a thousand calls for 100,000 mailboxes."""
    await office.world.account_of("Nord")
    async with office.receiving(), office.managing("one", reconciling=True), office.managing("two", reconciling=True):
        await until(lambda: office.in_step(1))
        await until(lambda: office.world.calls(Operation.LIST_SUBSCRIPTIONS) == 1)
        (gone,) = office.at_graph()
        office.world.simulator.subscriptions.remove(gone)
        office.world.clock.advance(minutes=67)  # both are due
        await until(lambda: office.in_step(1))

    assert office.world.calls(Operation.LIST_SUBSCRIPTIONS) == 2


@pytest.mark.parametrize("warm", [True, False], ids=["refused-409", "found-by-list"])
async def test_one_that_a_crash_left_unnoted_is_adopted(office: Office, warm: bool) -> None:
    """Made with the present key, as the last attempt proves: no mail is missed in between, none is recreated.

    `warm`: the manager's list was made before it, so that only Graph's 409 shows it.
    """
    key = (await office.world.keys()).fingerprint()
    async with office.receiving(), office.managing():
        if warm:
            _, other = await office.world.account_of("Sud")
            await until(lambda: office.in_step(1))
            (listed,) = office.at_graph()
            await office.forget(other, listed.subscription_id, attempt=key)
            await until(lambda: office.in_step(1))
        mailbox, account = await office.world.account_of("Nord")
        await until(lambda: office.at_graph(mailbox))
        await until(lambda: _is_later(office, account))
        (there,) = office.at_graph(mailbox)
        creations = office.world.calls(Operation.CREATE_SUBSCRIPTION)
        await office.forget(account, there.subscription_id, attempt=key)
        await until(lambda: _is_held(office, account))

    assert office.at_graph(mailbox) == [there]
    assert office.world.calls(Operation.CREATE_SUBSCRIPTION) == creations + (1 if warm else 0)
    assert office.world.calls(Operation.DELETE_SUBSCRIPTION) == 0


@pytest.mark.parametrize("warm", [True, False], ids=["refused-409", "found-by-list"])
@pytest.mark.parametrize("fingerprint", ["0123456789ab", None])
async def test_one_made_with_another_key_is_replaced(office: Office, warm: bool, fingerprint: str | None) -> None:
    """The receiver would refuse its notifications."""
    _, account = await office.world.account_of("Nord")
    async with office.receiving():
        async with office.managing():
            await until(lambda: office.in_step(1))
            await until(lambda: _is_later(office, account))
            (old,) = office.at_graph()
            if warm:
                await office.forget(account, old.subscription_id, attempt=fingerprint)
                await until(lambda: office.in_step(1))
        if not warm:
            await office.forget(account, old.subscription_id, attempt=fingerprint)
            async with office.managing("two"):
                await until(lambda: office.in_step(1))

    (new,) = office.at_graph()
    assert new.subscription_id != old.subscription_id
    assert (await office.world.keys()).verify(new.client_state) == account


async def test_surplus_ones_go_and_those_of_others_stay(make_office: MakeOffice) -> None:
    """Graph's guard against two is uneven; another installation may share the application."""
    office = await make_office(refuse_duplicates=False)
    world = office.world
    mailbox, account = await world.account_of("Nord")
    async with office.receiving():
        async with office.managing():
            await until(lambda: office.in_step(1))
        kept = (await office.held())[account].subscription_id
        world.fault(FaultKind.VALIDATION_SKIPPED)
        made = {}
        for address in (office.url, "https://other.example"):
            made[address] = await create_another(office, mailbox, address)
        assert len(office.at_graph()) == 3
        async with office.managing("two", reconciling=True):
            await until(lambda: len(office.at_graph()) == 2)

    assert {each.subscription_id for each in office.at_graph()} == {kept, made["https://other.example"].id}


async def test_a_manager_that_starts_again_within_a_minute_compares_again(make_office: MakeOffice) -> None:
    """Its former self compared before it died, and may have left a subscription that no row holds."""
    office = await make_office(refuse_duplicates=False)
    world = office.world
    mailbox, _ = await world.account_of("Nord")
    async with office.receiving():
        async with office.managing(reconciling=True):
            await until(lambda: office.in_step(1))
            await until(lambda: world.database.read(_has_compared))
        await create_another(office, mailbox, office.url)
        async with office.managing("two", reconciling=True):
            await until(office.at_rest)
            world.clock.advance(seconds=70)
            await until(lambda: office.in_step(1))


def _has_compared(connection: Connection) -> bool:
    return connection.scalar(select(call_budget.c.nUsed).where(call_budget.c.sBudget.startswith("reconcile/"))) == 1


async def test_a_disabled_account_loses_its_subscription_and_gets_another(office: Office) -> None:
    """Deleted at Graph too: no notifications for a disabled account."""
    await office.world.account_of("Nord")
    await office.world.account_of("Sud")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(2))
        await office.world.set_enabled("Nord", False)
        await until(lambda: office.in_step(1))
        await office.world.set_enabled("Nord", True)
        await until(lambda: office.in_step(2))


async def test_a_removed_account_leaves_its_row_behind_and_nothing_to_do(office: Office) -> None:
    """Subscription, schedules and condition are gone; its name is free at once, and its own mailbox takes it up."""
    mailbox, account = await office.world.account_of("Nord")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        await office.world.database.write(lambda c: accounts.mark_removed(c, "Nord", now=office.world.clock()))
        await until(lambda: office.in_step(0))
        await until(lambda: _is_retired(office, account))
        other = await office.world.add_account(office.world.new_mailbox("Autre"), "Nord")
        assert other != account
        await until(lambda: office.in_step(1))
        assert await office.world.add_account(mailbox, "Nord 2") == account
        await until(lambda: office.in_step(2))


async def test_a_removed_account_that_is_added_again_at_once_keeps_a_subscription(office: Office) -> None:
    """Whether the manager had deleted the old one or not."""
    mailbox, account = await office.world.account_of("Nord")
    async with office.receiving(), office.managing():
        for _ in range(5):
            await until(lambda: office.in_step(1))
            await office.world.database.write(lambda c: accounts.mark_removed(c, "Nord", now=office.world.clock()))
            assert await office.world.add_account(mailbox) == account
            await until(office.at_rest)
            await until(lambda: office.in_step(1))


async def test_a_removed_account_whose_credentials_cannot_be_read_ends_with_its_subscription(office: Office) -> None:
    """Nothing is called, and nothing is tried again and again."""
    world = office.world
    _, account = await world.account_of("Nord")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
    held = (await office.held())[account]
    spoil = update(account_settings).where(account_settings.c.nAccountID == account)
    await world.database.write(lambda c: accounts.mark_removed(c, "Nord", now=world.clock()))
    await world.database.write(lambda c: c.execute(spoil.values(sCertificateThumbprint=literal(b"x", LargeBinary()))))
    calls = world.calls(Operation.DELETE_SUBSCRIPTION)
    async with office.managing("two"):
        await until(office.at_rest)
        assert await office.due(account) == held.expires
        world.clock.advance(days=7)
        await until(lambda: _is_retired(office, account))
    assert await office.held() == {}
    assert world.calls(Operation.DELETE_SUBSCRIPTION) == calls
    assert await world.conditions() == []


async def test_another_folder_needs_another_subscription(office: Office) -> None:
    """The old one is deleted at Graph first."""
    mailbox, account = await office.world.account_of("Nord")
    folder = mailbox.add_folder("Resultats").folder_id
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        (old,) = office.at_graph()
        await office.set_folder(account, folder)
        await until(lambda: _folders(office) == [folder])
        await until(lambda: office.in_step(1))

    (new,) = office.at_graph()
    assert new.subscription_id != old.subscription_id


async def test_two_accounts_on_two_folders_of_a_mailbox_do_not_disturb_each_other(office: Office) -> None:
    """Each has its own, also when one of them is switched off and on and everything is reconciled."""
    world = office.world
    mailbox = world.new_mailbox("Nord")
    first = await world.add_account(mailbox, "inbox")
    second = await world.add_account(mailbox, "archive", folder="Archive")
    async with office.receiving(), office.managing(reconciling=True):
        await until(lambda: office.in_step(2))
        kept = (await office.held())[first].subscription_id
        await world.set_enabled("archive", False)
        await until(lambda: office.in_step(1))
        await world.set_enabled("archive", True)
        await until(lambda: office.in_step(2))

    held = await office.held()
    assert held[first].subscription_id == kept
    assert held[second].resource.endswith("mailFolders('archive')/messages")


async def test_mail_comes_through_all_parts(office: Office) -> None:
    """Delivered, notified with duplicates and forgeries, queued, imported: each message once, none forged."""
    world = office.world
    mailboxes = [await world.account_of(name) for name in ("Nord", "Sud")]
    async with office.receiving(), office.managing(), world.processing():
        await until(lambda: office.in_step(2))
        world.fault(FaultKind.NOTIFICATION_DUPLICATED, probability=0.4)
        world.fault(FaultKind.NOTIFICATION_FORGED, probability=0.4)
        world.fault(FaultKind.NOTIFICATION_UNSIGNED, probability=0.4)
        world.fault(FaultKind.NOTIFICATION_REORDERED, probability=0.4)
        delivered = [
            await world.simulator.deliver(mailbox, Mail(subject=f"{number}"))
            for number in range(20)
            for mailbox, _ in mailboxes
        ]
        await until(lambda: _all_imported(office, len(delivered)))
        await world.simulator.settled()
        await until(world.queue_is_empty)

    assert await world.imported_ids() == sorted(each.message_id for each in delivered)
    assert not await world.dead_letters()


async def test_nothing_secret_is_logged(office: Office) -> None:
    """Neither a token nor a clientState is, with which any sender could forge notifications."""
    _, account = await office.world.account_of("Nord")
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        async with office.receiving(), office.managing(reconciling=True):
            await until(lambda: office.in_step(1))

    assert "subscription_created" in {event["event"] for event in events}
    said = repr(events)
    assert (await office.world.keys()).sign(account) not in said
    assert "eyJ" not in said


async def _is_later(office: Office, account: int) -> bool:
    return await office.due(account) > office.world.clock()


async def _is_held(office: Office, account: int) -> bool:
    return account in await office.held()


async def _is_retired(office: Office, account: int) -> bool:
    """Check that the row is there, and nothing is to be done for it."""

    def read(connection: Connection) -> bool:
        left = [
            connection.scalar(select(table.c.nAccountID).where(table.c.nAccountID == account))
            for table in (subscription_schedule, folder_sync, account_condition)
        ]
        return accounts.by_id(connection, [account])[account].removed and left == [None] * 3

    return await office.world.database.read(read)


def _folders(office: Office) -> list[str]:
    return [each.folder.folder_id for each in office.at_graph() if each.folder]


async def _all_imported(office: Office, count: int) -> bool:
    return len(await office.world.imported_ids()) == count


@pytest.mark.slow
@pytest.mark.parametrize("refuse_duplicates", [False, True])
async def test_one_that_can_be_neither_renewed_nor_deleted_is_replaced(
    make_office: MakeOffice, refuse_duplicates: bool
) -> None:
    """It is replaced at its renewal, or once it has expired if Graph allows no second one beside it."""
    office = await make_office(refuse_duplicates=refuse_duplicates)
    world = office.world
    _, account = await world.account_of("Nord")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        await until(lambda: _is_later(office, account))
        (old,) = office.at_graph()
        for operation in (Operation.UPDATE_SUBSCRIPTION, Operation.DELETE_SUBSCRIPTION):
            world.fault(FaultKind.FORBIDDEN, operation=operation)
        world.clock.advance(minutes=9_990 if refuse_duplicates else 7_000)
        await until(lambda: world.calls(Operation.UPDATE_SUBSCRIPTION))
        if refuse_duplicates:
            world.clock.advance(minutes=30)
        await until(lambda: _holds_another(office, account, old.subscription_id))
    assert (await office.held())[account].subscription_id in {each.subscription_id for each in office.at_graph()}


async def _holds_another(office: Office, account: int, subscription_id: str) -> bool:
    held = (await office.held()).get(account)
    return held is not None and held.subscription_id != subscription_id
