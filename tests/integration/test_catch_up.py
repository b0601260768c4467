"""Every message of the folder is imported once, regardless of the webhooks."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select, update

from bus.database.adapter import DatabaseQueue
from bus.errors import QueueUnavailable
from bus.queue import Message
from db.queries import accounts, folders, missed
from db.queries.accounts import Condition
from db.queries.schedule import NEVER
from db.tables import account_settings, folder_sync, subscription_schedule
from phrases import Phrase
from simulator.api import delta_calls
from simulator.api.notifications import LifecycleEvent
from simulator.calls import Answer, Call, Operation, json_answer
from simulator.content.mail import Mail
from simulator.faults import FaultKind
from simulator.state.mail_server import DeliveredMessage
from simulator.state.mailboxes import Mailbox
from subscriptions import catch_up
from tests.integration.manager_world import Office
from tests.waiting import until

MakeOffice = Callable[..., Awaitable[Office]]
SWEEP = timedelta(minutes=15)


async def silently(office: Office, mailbox: Mailbox, count: int, **options: object) -> list[DeliveredMessage]:
    """Deliver mail without a notification."""
    return [
        await office.world.simulator.deliver(mailbox, Mail(subject=f"{number}"), notify=False, **options)  # type: ignore[arg-type]  # passed through
        for number in range(count)
    ]


def ids(*messages: DeliveredMessage) -> list[str]:
    return sorted(each.message_id for each in messages)


async def imported(office: Office, messages: list[DeliveredMessage]) -> bool:
    return await office.world.imported_ids() == ids(*messages)


async def swept(office: Office, account: int) -> datetime | None:
    return (await office.world.database.read(folders.swept)).get(account)


async def is_swept(office: Office, account: int) -> bool:
    return await swept(office, account) is not None and await _turn_is_over(office, account)


async def _turn_is_over(office: Office, account: int) -> bool:
    """A pass ends before its next due time is set: a clock moved in between would change that."""
    leased = await office.world.database.read(
        lambda c: c.scalar(select(folder_sync.c.dtLeaseUntil).where(folder_sync.c.nAccountID == account))
    )
    return leased is None


async def link(office: Office, account: int) -> str | None:
    found: str | None = await office.world.database.read(
        lambda c: c.scalar(select(folder_sync.c.sLink).where(folder_sync.c.nAccountID == account))
    )
    return found


async def test_mail_that_came_before_the_subscription_but_after_the_account_is_imported(office: Office) -> None:
    """Subscribe first, then delta: nothing falls between. Mail from before the account is skipped."""
    mailbox = office.world.new_mailbox("Nord")
    await silently(office, mailbox, 3)
    office.world.clock.advance(minutes=1)
    await office.world.add_account(mailbox, import_since=office.world.clock())
    office.world.clock.advance(minutes=1)
    early = await silently(office, mailbox, 2)
    async with office.receiving(), office.managing(), office.world.processing():
        await until(lambda: imported(office, early))
        assert office.world.calls(Operation.DELTA_MESSAGES) == 1


async def test_before_it_is_decided_from_when_to_import_nothing_is(office: Office) -> None:
    """Graph may send `missed` before the first turn after an upgrade: no reason to import mail that was never meant."""
    mailbox, account = await office.world.account_of("Nord")
    await silently(office, mailbox, 3)
    office.world.clock.advance(minutes=1)
    await office.world.database.write(lambda c: folders.note_gap(c, account, now=office.world.clock()))
    async with office.receiving(), office.managing(), office.world.processing():
        await until(lambda: office.in_step(1))
        office.world.clock.advance(seconds=15)
        await until(lambda: is_swept(office, account))
        await until(office.at_rest)
    assert await office.world.queue_is_empty()
    assert await office.world.imported_ids() == []


@pytest.mark.parametrize("since", ["all", "a date"])
async def test_the_first_pass_goes_back_as_far_as_the_administrator_says(office: Office, since: str) -> None:
    """It spans several pages; a message that was received before the date is skipped."""
    office.page_size = 7
    mailbox = office.world.new_mailbox("Nord")
    now = office.world.clock()
    old = await silently(office, mailbox, 10, received=now - timedelta(days=40))
    recent = await silently(office, mailbox, 20, received=now - timedelta(days=20))
    moment = datetime(1900, 1, 1, tzinfo=UTC) if since == "all" else now - timedelta(days=30)
    account = await office.world.add_account(mailbox, import_since=moment)
    wanted = old + recent if since == "all" else recent
    async with office.receiving(), office.managing(), office.world.processing():
        await until(lambda: is_swept(office, account))
        await until(lambda: imported(office, wanted))
    assert office.world.calls(Operation.DELTA_MESSAGES) == 5


@pytest.mark.parametrize("path", ["notifications", "lifecycle"])
async def test_missed_notifications_are_caught_up_with(office: Office, path: str) -> None:
    """Graph admits that it lost some; the subscription stays. The event may come to either address."""
    mailbox, account = await office.world.account_of("Nord")
    async with office.receiving(), office.managing(), office.world.processing():
        await until(lambda: is_swept(office, account))
        lost = await silently(office, mailbox, 30)
        (subscription,) = office.at_graph()
        subscription.lifecycle_notification_url = f"{office.url}/{path}"
        office.world.simulator.send_lifecycle(subscription, LifecycleEvent.MISSED)
        await until(lambda: imported(office, lost))
    assert office.at_graph() == [subscription]
    assert await office.world.database.read(missed.summaries) == {}


async def test_a_wish_to_reauthorize_is_one_renewal(office: Office) -> None:
    """One renewal however often it is repeated within ten minutes; never a POST to reauthorize beside it."""
    mailbox, account = await office.world.account_of("Nord")
    simulator = office.world.simulator
    async with office.receiving(), office.managing(), office.world.processing():
        await until(lambda: is_swept(office, account))
        (subscription,) = office.at_graph()
        office.world.clock.advance(minutes=5)
        for _ in range(3):
            simulator.send_lifecycle(subscription, LifecycleEvent.REAUTHORIZATION_REQUIRED)
        await simulator.settled()
        await until(office.world.queue_is_empty)
        assert simulator.renewed == {}, "the creation did it"
        office.world.clock.advance(minutes=20)
        for _ in range(3):
            simulator.send_lifecycle(subscription, LifecycleEvent.REAUTHORIZATION_REQUIRED)
        await until(lambda: simulator.renewed)
        office.world.clock.advance(minutes=5)
        simulator.send_lifecycle(subscription, LifecycleEvent.REAUTHORIZATION_REQUIRED)
        await simulator.settled()
        await until(office.world.queue_is_empty)
        office.world.clock.advance(minutes=11)
        assert len(simulator.renewed[subscription.subscription_id]) == 1
        simulator.send_lifecycle(subscription, LifecycleEvent.REAUTHORIZATION_REQUIRED)
        await until(lambda: len(simulator.renewed[subscription.subscription_id]) == 2)
    assert simulator.reauthorized == {}
    assert office.at_graph(mailbox) == [subscription]
    assert not await office.world.dead_letters()


async def test_a_wish_that_cannot_be_granted_now_is_kept(office: Office) -> None:
    """Graph does not respond: the renewal is tried again, until it is done."""
    _, account = await office.world.account_of("Nord")
    simulator = office.world.simulator
    async with office.receiving(), office.managing(), office.world.processing():
        await until(lambda: is_swept(office, account))
        (subscription,) = office.at_graph()
        office.world.clock.advance(minutes=20)
        outage = office.world.fault(FaultKind.UNAVAILABLE, operation=Operation.UPDATE_SUBSCRIPTION, status=503)
        simulator.send_lifecycle(subscription, LifecycleEvent.REAUTHORIZATION_REQUIRED)
        await until(lambda: office.world.calls(Operation.UPDATE_SUBSCRIPTION))
        simulator.faults.remove(outage)
        await until(lambda: _renewed_after_waiting(office, subscription.subscription_id))


async def _renewed_after_waiting(office: Office, subscription_id: str) -> bool:
    office.world.clock.advance(seconds=20)
    await until(office.at_rest)
    return subscription_id in office.world.simulator.renewed


async def test_a_removed_subscription_is_recreated_and_the_gap_caught_up_with(office: Office) -> None:
    """It holds while access is gone for a time, too: the account shows the reason, and the waits grow."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(), world.processing():
        await until(lambda: is_swept(office, account))
        (old,) = office.at_graph()
        world.application.denied.add(mailbox.user_id)
        world.simulator.send_lifecycle(old, LifecycleEvent.SUBSCRIPTION_REMOVED)
        lost = await silently(office, mailbox, 5)
        await until(world.conditions)
        conditions = {each.role: each for each in await world.conditions()}
        assert conditions["subscriptions"].reason == "AccessDenied"
        assert office.at_graph() == []
        world.application.denied.clear()
        await until(lambda: _in_step_after_waiting(office))
        await until(lambda: imported(office, lost))
        await until(lambda: _no_trouble(office))


async def _in_step_after_waiting(office: Office) -> bool:
    office.world.clock.advance(seconds=30)
    await until(office.at_rest)
    return await office.in_step(1)


async def _no_trouble(office: Office) -> bool:
    return not await office.world.conditions()


async def test_a_late_word_of_an_older_subscription_changes_nothing(office: Office) -> None:
    """Graph guarantees no order."""
    _, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(), world.processing():
        await until(lambda: is_swept(office, account))
        for event in ("subscriptionRemoved", "reauthorizationRequired"):
            late = world.notification(
                account, None, subscription_id="an-older-one", change_type=None, lifecycle_event=event
            )
            await world.queue.put([late.to_message()])
        await until(world.queue_is_empty)
        await until(lambda: office.in_step(1))
    assert world.calls(Operation.CREATE_SUBSCRIPTION) == 1
    assert not await world.dead_letters()


LOST = [
    pytest.param(410, "SyncStateNotFound", id="410"),
    pytest.param(400, "syncStateNotFound", id="400"),
    pytest.param(404, "SyncStateNotFound", id="404"),
    pytest.param(400, "resyncRequired", id="resync"),
    pytest.param(410, "ResyncRequired", id="410 resync"),
]


@pytest.mark.parametrize(("status", "code"), LOST)
async def test_a_lost_link_leads_to_a_full_pass_that_queues_what_lacks(office: Office, status: int, code: str) -> None:
    """Any spelling of the error counts; messages in the database are not fetched again."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(sweeping=SWEEP), world.processing():
        await until(lambda: is_swept(office, account))
        known = await world.deliver(mailbox, 5)
        await until(lambda: imported(office, known))
        first = await swept(office, account)
        lost = await silently(office, mailbox, 3)
        fetched = world.calls(Operation.GET_MESSAGE)
        world.fault(FaultKind.SYNC_STATE_LOST, status=status, error_code=code, count=1)
        world.clock.advance(minutes=20)
        await until(lambda: imported(office, known + lost))
        assert await swept(office, account) != first
    assert world.calls(Operation.GET_MESSAGE) - fetched == 3
    assert not await world.conditions()


async def test_a_link_that_leads_elsewhere_is_dropped(office: Office) -> None:
    """The cloud was changed, or the row tampered with: the token goes nowhere else."""
    mailbox, account = await office.world.account_of("Nord")
    async with office.receiving(), office.managing(sweeping=SWEEP), office.world.processing():
        await until(lambda: is_swept(office, account))
        lost = await silently(office, mailbox, 3)
        await office.world.database.write(
            lambda c: c.execute(update(folder_sync).values(sLink="https://elsewhere.example/v1.0/delta?$deltatoken=x"))
        )
        office.world.clock.advance(minutes=20)
        await until(lambda: imported(office, lost))


@pytest.mark.parametrize(
    "kind", [FaultKind.DELTA_REPLAYED, FaultKind.DELTA_DUPLICATED, FaultKind.DELTA_EMPTY_PAGE, FaultKind.DELTA_DELAYED]
)
async def test_what_delta_query_does_by_the_way_does_no_harm(office: Office, kind: FaultKind) -> None:
    """Replays, duplicates, empty pages, and delayed changes."""
    office.page_size = 3
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(sweeping=SWEEP), world.processing():
        await until(lambda: is_swept(office, account))
        world.fault(kind, probability=0.5)
        sent: list[DeliveredMessage] = []
        for _ in range(3):
            sent += await silently(office, mailbox, 5)
            before = await swept(office, account)
            world.clock.advance(minutes=20)
            await until(lambda before=before: _swept_since(office, account, before))
        world.simulator.faults.clear()
        world.clock.advance(minutes=20)
        await until(lambda: imported(office, sent))
        await until(world.queue_is_empty)


async def _swept_since(office: Office, account: int, before: datetime | None) -> bool:
    return await swept(office, account) != before and await _turn_is_over(office, account)


async def test_what_left_the_folder_again_is_not_asked_for(office: Office) -> None:
    """An `@removed` entry is no message."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(sweeping=SWEEP), world.processing():
        await until(lambda: is_swept(office, account))
        gone, moved, stays = await silently(office, mailbox, 3)
        world.simulator.remove_message(mailbox, gone.message_id)
        world.simulator.move_message(mailbox, moved.message_id, "archive")
        world.clock.advance(minutes=20)
        await until(lambda: imported(office, [stays]))
        await until(world.queue_is_empty)
    assert world.calls(Operation.GET_MESSAGE) == 1


async def test_the_link_moves_only_behind_what_is_queued(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue refuses puts in the middle of a long pass: no message is skipped afterwards."""
    office.page_size = 4
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(sweeping=SWEEP):
        await until(lambda: is_swept(office, account))
        lost = await silently(office, mailbox, 12)
        before = await link(office, account)
        put = world.queue.put
        puts = 0

        async def fail_twice(messages: object) -> None:
            nonlocal puts
            puts += 1
            if puts in {1, 3}:
                raise QueueUnavailable(Phrase("the disk is full"))
            await put(messages)  # type: ignore[arg-type]  # passed through

        monkeypatch.setattr(world.queue, "put", fail_twice)
        world.clock.advance(minutes=20)
        await until(lambda: puts == 1)
        assert await link(office, account) == before
        async with world.processing():
            await until(lambda: _imported_after_waiting(office, lost))
    assert puts == 5


async def test_the_next_page_is_read_while_one_is_queued(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Graph takes longer for a page than the queue. The link stays until the page before it is queued."""
    office.page_size = 4
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(sweeping=SWEEP):
        await until(lambda: is_swept(office, account))
        await silently(office, mailbox, 12)
        before, calls = await link(office, account), world.calls(Operation.DELTA_MESSAGES)
        going = _held_put(world.queue, monkeypatch)
        world.clock.advance(minutes=20)
        await until(lambda: _has_called(office, calls + 2))
        assert await link(office, account) == before
        assert not await _queued(office, 12)
        going.set()
        await until(lambda: _queued(office, 12))
        await until(lambda: is_swept(office, account))
    assert world.calls(Operation.DELTA_MESSAGES) == calls + 3


async def test_a_link_lost_while_a_page_is_queued_loses_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is queued and its link recorded first; then the folder is gone through from its beginning."""
    office.page_size = 4
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(sweeping=SWEEP):
        await until(lambda: is_swept(office, account))
        first = await swept(office, account)
        lost = await silently(office, mailbox, 12)
        calls = world.calls(Operation.DELTA_MESSAGES)
        going = _held_put(world.queue, monkeypatch)
        world.clock.advance(minutes=20)
        await until(lambda: _has_called(office, calls + 2))
        world.fault(FaultKind.SYNC_STATE_LOST, count=1)
        going.set()
        await until(lambda: _swept_since(office, account, first))
        async with world.processing():
            await until(lambda: imported(office, lost))
            await until(world.queue_is_empty)
    assert office.registry.get_sample_value("mail_importer_delta_links_lost_total") == 1


@pytest.mark.parametrize(("status", "code"), [(410, "SyncStateNotFound"), (400, "ErrorInvalidUrlQuery"), (414, "")])
async def test_a_pass_that_loses_its_next_link_again_and_again_is_reported_and_waits(
    office: Office, status: int, code: str
) -> None:
    """One that begins anew does so once at once; the error stays until a pass comes to its end."""
    world = office.world
    mailbox, account, old = await _of_three_pages(office)
    fault = world.fault(FaultKind.SYNC_STATE_LOST, status=status, error_code=code)
    async with office.receiving():
        async with office.managing(sweeping=SWEEP):
            await until(lambda: _failed(office, account, 1))
            assert world.calls(Operation.DELTA_MESSAGES) == 4
            first = await _of_sweep(office)
            assert (first.reason, first.account_id) == ("SyncStateLost", account)
            assert "does not come to its end" in first.detail
            assert "proxy" in first.detail
            await until(lambda: _failed(office, account, 2, step=5))
            assert world.calls(Operation.DELTA_MESSAGES) == 6
        async with office.managing("two", sweeping=SWEEP), world.processing():
            await until(lambda: _failed(office, account, 3, step=5))
            assert world.calls(Operation.DELTA_MESSAGES) == 8, "what another manager reported counts"
            assert (await _of_sweep(office)).since == first.since
            assert await swept(office, account) is None
            world.simulator.faults.remove(fault)
            await until(lambda: _imported_after_waiting(office, old))
            await until(lambda: _no_trouble(office))
            assert await _failed(office, account, 0)
    assert office.at_graph(mailbox)


async def test_a_pass_of_many_turns_that_loses_its_link_is_reported_until_its_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that ends between two pages is no success of it, and does not end the growing delay."""
    monkeypatch.setattr(catch_up, "_TURN", timedelta(0))
    world = office.world
    _, account, _ = await _of_three_pages(office)
    fault = world.fault(FaultKind.SYNC_STATE_LOST)
    async with office.receiving(), office.managing(sweeping=SWEEP):
        await until(lambda: _failed(office, account, 1))
        first = await _of_sweep(office)
        await until(lambda: _failed(office, account, 3, step=5))
        assert (await _of_sweep(office)).since == first.since
        world.simulator.faults.remove(fault)
        await until(lambda: _swept_after_waiting(office, account))
        await until(lambda: _no_trouble(office))
        assert await _failed(office, account, 0)


async def test_a_link_lost_once_in_a_pass_is_no_trouble(office: Office) -> None:
    """Nor is another one, once a pass came to its end."""
    _, account, _ = await _of_three_pages(office)
    with structlog.testing.capture_logs() as events:
        async with office.receiving(), office.managing(sweeping=SWEEP):
            before = None
            for _ in range(3):
                office.world.fault(FaultKind.SYNC_STATE_LOST, count=1)
                office.world.clock.advance(minutes=20)
                await until(lambda before=before: _swept_since(office, account, before))
                before = await swept(office, account)
    assert [each["event"] for each in events].count("delta_link_lost") == 3
    assert not [each for each in events if each["event"].startswith(("duty_", "turn_"))]


async def test_a_link_that_a_proxy_refuses_is_kept(office: Office) -> None:
    """The pass goes on there once it is let through, and the account shows the likely cause until then."""
    world = office.world
    _, account, old = await _of_three_pages(office)
    fault = world.fault(FaultKind.SYNC_STATE_LOST, status=407, error_code="")
    async with office.receiving(), office.managing(sweeping=SWEEP), world.processing():
        await until(lambda: _failed(office, account, 2, step=5))
        found = await _of_sweep(office)
        assert found.reason == "RequestRejected"
        assert "check the proxy" in found.detail
        assert world.calls(Operation.DELTA_MESSAGES) == 3
        world.simulator.faults.remove(fault)
        await until(lambda: _imported_after_waiting(office, old))
        await until(lambda: _no_trouble(office))
    assert world.calls(Operation.DELTA_MESSAGES) == 3 + 2


async def test_delta_links_that_are_too_long_for_a_proxy_cost_a_full_pass_each(office: Office) -> None:
    """All mail is imported nevertheless, if the folder has one page."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    world.fault(FaultKind.SYNC_STATE_LOST, status=414, error_code="")
    async with office.receiving(), office.managing(sweeping=SWEEP), world.processing():
        sent: list[DeliveredMessage] = []
        for _ in range(3):
            await until(lambda: is_swept(office, account))
            sent += await silently(office, mailbox, 2)
            world.clock.advance(minutes=20)
            await until(lambda sent=sent: imported(office, sent))
    assert not await world.conditions()


async def test_pages_that_lead_in_a_circle_are_reported(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that would never end is given up, and tried again later."""
    _, account, _ = await _of_three_pages(office)
    link_of = delta_calls._link

    def link_back(call: Call, name: str, walk: delta_calls._Round) -> str:
        """The last page leads to the second one."""
        if name == "$skiptoken":
            return link_of(call, name, walk)
        return link_of(call, "$skiptoken", replace(walk, position=4, sent=4, page=1, first=True))

    def without_end(result: dict[str, object], *rest: Any) -> Answer:  # noqa: ANN401  # passed through
        return json_answer({name.replace("deltaLink", "nextLink"): each for name, each in result.items()}, *rest)

    monkeypatch.setattr(delta_calls, "_link", link_back)
    monkeypatch.setattr(delta_calls, "json_answer", without_end)
    async with office.receiving(), office.managing(sweeping=SWEEP):
        await until(lambda: _failed(office, account, 3, step=5))
        assert "in a circle" in (await _of_sweep(office)).detail


async def _of_three_pages(office: Office) -> tuple[Mailbox, int, list[DeliveredMessage]]:
    """A mailbox whose first pass has three pages, its account, and its messages."""
    office.page_size = 4
    mailbox = office.world.new_mailbox("Nord")
    old = await silently(office, mailbox, 12)
    account = await office.world.add_account(mailbox, import_since=datetime(1900, 1, 1, tzinfo=UTC))
    return mailbox, account, old


async def _failed(office: Office, account: int, count: int, *, step: float = 0) -> bool:
    """Check whether so many turns failed, and none is under way. `step`: seconds that pass before."""
    office.world.clock.advance(seconds=step)
    await until(office.at_rest)
    row = folder_sync.c
    found = await office.world.database.read(
        lambda c: c.scalar(select(row.nFailures).where(row.nAccountID == account, row.sOwner.is_(None)))
    )
    return found == count


async def _of_sweep(office: Office) -> Condition:
    (found,) = [each for each in await office.world.conditions() if each.role == "sweep"]
    return found


async def _swept_after_waiting(office: Office, account: int) -> bool:
    office.world.clock.advance(seconds=10)
    await until(office.at_rest)
    return await is_swept(office, account)


def _held_put(queue: DatabaseQueue, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let puts wait until the event is set."""
    going, put = asyncio.Event(), queue.put

    async def wait_first(messages: Sequence[Message]) -> int:
        await going.wait()
        return await put(messages)

    monkeypatch.setattr(queue, "put", wait_first)
    return going


async def _has_called(office: Office, count: int) -> bool:
    return office.world.calls(Operation.DELTA_MESSAGES) == count


async def _imported_after_waiting(office: Office, messages: list[DeliveredMessage]) -> bool:
    office.world.clock.advance(seconds=10)
    await until(office.at_rest)
    return await imported(office, messages)


async def test_a_long_pass_pauses_while_much_is_waiting(office: Office) -> None:
    """New mail does not wait behind all older mail."""
    office.page_size, office.max_waiting = 10, 25
    mailbox = office.world.new_mailbox("Nord")
    world = office.world
    old = await silently(office, mailbox, 100)
    account = await world.add_account(mailbox, import_since=datetime(1900, 1, 1, tzinfo=UTC))
    async with office.receiving(), office.managing():
        await until(lambda: _waiting(office, 30))
        world.clock.advance(seconds=11)
        await until(lambda: _waiting(office, 40))
        async with world.processing():
            await until(lambda: _imported_after_waiting(office, old))
        await until(lambda: is_swept(office, account))


async def _waiting(office: Office, count: int) -> bool:
    return (await office.world.queue.status()).active == count


async def test_a_pass_goes_on_where_a_killed_manager_left_it(office: Office) -> None:
    """The pages that are queued already are not read again."""
    office.page_size = 10
    mailbox = office.world.new_mailbox("Nord")
    old = await silently(office, mailbox, 50)
    account = await office.world.add_account(mailbox, import_since=datetime(1900, 1, 1, tzinfo=UTC))
    async with office.receiving():
        async with office.managing():
            await until(lambda: office.world.calls(Operation.DELTA_MESSAGES) >= 2)
            office.world.fault(FaultKind.HANG, operation=Operation.DELTA_MESSAGES)
        seen = office.world.calls(Operation.DELTA_MESSAGES)
        office.world.simulator.faults.clear()
        office.world.clock.advance(minutes=2)
        async with office.managing("two"), office.world.processing():
            await until(lambda: is_swept(office, account))
            await until(lambda: imported(office, old))
    assert office.world.calls(Operation.DELTA_MESSAGES) <= 5 + 1 + (seen > 5)


# Missed notifications.


async def test_silence_is_reported_and_if_it_goes_on_the_subscription_is_recreated(office: Office) -> None:
    """Logged, counted, shown on the account; the subscription is recreated when it recurs, not before."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        async with office.receiving(), office.managing(sweeping=SWEEP), world.processing():
            await until(lambda: is_swept(office, account))
            (old,) = office.at_graph()
            world.clock.advance(hours=2)
            await until(lambda: _settled(office))
            sent = await silently(office, mailbox, 3)
            world.clock.advance(minutes=17)
            await until(lambda: imported(office, sent))
            await until(lambda: _reported_after_waiting(office, 3))
            assert office.at_graph() == [old]
            (condition,) = await world.conditions()
            assert (condition.role, condition.reason) == ("notifications", "NotificationsMissed")
            sent += await silently(office, mailbox, 2)
            world.clock.advance(minutes=17)
            await until(lambda: _reported_after_waiting(office, 5))
            await until(lambda: office.at_graph() not in ([old], []))
            (condition,) = await world.conditions()
            assert "recreated" in condition.detail
            world.clock.advance(days=1, minutes=30)
            await until(lambda: _no_trouble(office))
    reported = [event for event in events if event["event"] == "notifications_missed"]
    assert [(each["account"], each["count"], each["recreating"]) for each in reported] == [
        ("Nord", 3, False),
        ("Nord", 2, True),
    ]
    assert office.registry.get_sample_value("mail_importer_notifications_missed_total") == 5
    assert await imported(office, sent)


async def test_a_report_of_missed_notifications_ends_without_regular_sweeps(office: Office) -> None:
    """As where the interval is set to 0 within a day of a miss: its end is a due time, and no turn comes before."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    expires = world.clock() + timedelta(hours=20)
    missed_some = Condition(
        account, "notifications", "NotificationsMissed", Phrase("Some."), since=world.clock(), next_attempt=expires
    )
    await world.database.write(lambda c: accounts.set_condition(c, missed_some))
    async with office.receiving(), office.managing():
        await until(lambda: is_swept(office, account))
        first = await swept(office, account)
        assert await _sweep_due(office, account) == expires
        world.clock.advance(hours=19)
        assert await office.at_rest()
        world.clock.advance(hours=1, minutes=1)
        await until(lambda: _swept_since(office, account, first))
        assert not await world.conditions()
        assert await _sweep_due(office, account) == NEVER
    assert office.at_graph(mailbox)


async def _sweep_due(office: Office, account: int) -> datetime | None:
    row = folder_sync.c
    found: datetime | None = await office.world.database.read(
        lambda c: c.scalar(select(row.dtDue).where(row.nAccountID == account))
    )
    return found


async def _reported_after_waiting(office: Office, count: int) -> bool:
    office.world.clock.advance(seconds=20)
    await until(office.at_rest)
    found = await office.world.database.read(missed.summaries)
    return sum(each.count for each in found.values()) == count


async def _settled(office: Office) -> bool:
    """Check that nothing is due or under way."""
    now = office.world.clock()
    return await office.world.queue_is_empty() and not await office.world.database.read(
        lambda c: c.scalar(select(folder_sync.c.nAccountID).where(folder_sync.c.dtDue <= now))
    )


async def test_a_notification_that_only_waits_in_the_queue_is_not_missed(office: Office) -> None:
    """The processors were down, or behind: that is no fault of Graph's."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(sweeping=SWEEP):
        async with world.processing():
            await until(lambda: is_swept(office, account))
        world.clock.advance(hours=2)
        await until(lambda: _settled(office))
        sent = await world.deliver(mailbox, 4)
        await world.simulator.settled()
        world.clock.advance(minutes=20)
        await until(lambda: _waiting(office, 8))
        async with world.processing():
            await until(lambda: imported(office, sent))
            for _ in range(4):
                world.clock.advance(minutes=16)
                await until(lambda: _settled(office))
    assert await world.database.read(missed.summaries) == {}
    assert not await world.conditions()


async def test_a_notification_that_waits_behind_the_sweeps_own_is_taken_back(office: Office) -> None:
    """A held account's work comes back in any order."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    (sent,) = await silently(office, mailbox, 1, received=world.clock() - timedelta(minutes=10))
    sweep = world.notification(account, sent.message_id, source="sweep")
    webhook = world.notification(account, sent.message_id, received=world.clock() - timedelta(minutes=9))
    await world.queue.put([sweep.to_message()])
    await world.import_all()
    later = world.clock() + timedelta(hours=1)
    assert await world.database.read(lambda c: missed.unreported(c, account, before=later))
    await world.queue.put([webhook.to_message()])
    await world.import_all()
    assert not await world.database.read(lambda c: missed.unreported(c, account, before=later))


# Without an inbound address.


async def test_an_account_without_an_inbound_address_lives_on_sweeps(office: Office) -> None:
    """It is swept every minute; no subscription is made, and an earlier one is deleted."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        await until(lambda: is_swept(office, account))
    async with office.managing("two", webhooks=False, sweeping=SWEEP), world.processing():
        await until(lambda: office.in_step(0))
        sent: list[DeliveredMessage] = []
        for _ in range(3):
            sent += await silently(office, mailbox, 2)
            await until(lambda: _settled(office))
            world.clock.advance(seconds=67)
            await until(lambda sent=sent: imported(office, sent))
        _, fresh = await world.account_of("Sud")
        await until(lambda: is_swept(office, fresh))
    assert await world.database.read(missed.summaries) == {}


async def test_another_address_or_interval_is_taken_up_at_the_start(office: Office) -> None:
    """It is not days later, when a renewal is due: the old subscription would notify an address without a receiver."""
    _, account = await office.world.account_of("Nord")
    async with office.receiving(), office.managing():
        await until(lambda: office.in_step(1))
        await until(lambda: is_swept(office, account))
    (old,) = office.at_graph()
    office.url = office.url.replace("127.0.0.1", "localhost")
    async with office.receiving(), office.managing("two", sweeping=SWEEP):
        await until(lambda: [each.notification_url for each in office.at_graph()] == [f"{office.url}/notifications"])
        await until(lambda: office.in_step(1))
        first = await swept(office, account)
        office.world.clock.advance(minutes=17)
        await until(lambda: _swept_since(office, account, first))
    assert office.at_graph() != [old]


# Changes of the table by other programs while it runs.


async def change(office: Office, account: int, **values: object) -> None:
    """Change the row as another program does, and nothing else."""
    table = account_settings
    await office.world.database.write(
        lambda c: c.execute(update(table).where(table.c.nAccountID == account).values(**values))
    )
    office.world.clock.advance(seconds=6)


async def test_changes_of_the_row_are_taken_up_within_seconds(office: Office) -> None:
    """Added, disabled, enabled, another folder, removed; the old subscription is deleted at Graph."""
    world = office.world
    mailbox = world.new_mailbox("Nord")
    results = mailbox.add_folder("Resultats").folder_id
    year = mailbox.add_folder("2026", parent=mailbox.folders[results]).folder_id
    async with office.receiving(), office.managing():
        row = {
            "sAccountName": "Nord",
            "sTenantID": world.application.tenant_id,
            "sClientID": world.application.client_id,
            "sUserID": mailbox.user_id,
            "sCertificateThumbprint": world.certificate.thumbprint,
            "bSecureCertificateAccess": False,
            "sFolder": "Inbox",
            "sAfterImport": "none",
            "bEnabled": True,
        }
        await world.database.write(lambda c: c.execute(account_settings.insert().values(**row)))
        world.clock.advance(seconds=6)
        await until(lambda: office.in_step(1))
        (account,) = await office.held()
        await until(lambda: is_swept(office, account))
        await change(office, account, bEnabled=False)
        await until(lambda: office.in_step(0))
        await change(office, account, bEnabled=True)
        await until(lambda: office.in_step(1))
        await change(office, account, sFolder=results)
        await until(lambda: [each.folder.folder_id for each in office.at_graph() if each.folder] == [results])
        await until(lambda: office.in_step(1))
        await change(office, account, sFolder="resultats/2026")
        await until(lambda: [each.folder.folder_id for each in office.at_graph() if each.folder] == [year])
        await until(lambda: office.in_step(1))
        await change(office, account, dtRemoved=world.clock())
        await until(lambda: office.in_step(0))
        await until(lambda: _is_gone(office, account))


async def _is_gone(office: Office, account: int) -> bool:
    """Check that nothing is left to be done for it."""
    schedule = subscription_schedule.c.nAccountID
    return not await office.world.database.read(lambda c: c.scalar(select(schedule).where(schedule == account)))


async def test_another_certificate_is_tried_at_once(office: Office) -> None:
    """It is tried in the middle of a long wait after the old one failed, too."""
    world = office.world
    account = await world.add_account(world.new_mailbox("Nord"), thumbprint="AB" * 20)
    async with office.receiving(), office.managing():
        await until(world.conditions)
        await change(office, account, sCertificateThumbprint=world.certificate.thumbprint)
        await until(lambda: office.in_step(1))
        await until(lambda: _no_trouble(office))


async def test_a_folder_that_was_recreated_under_its_path_is_swept(office: Office) -> None:
    """Its id is cached for an hour; the loss of the old one is noticed at once."""
    world = office.world
    mailbox = world.new_mailbox("Nord")
    first = mailbox.add_folder("Resultats", parent=mailbox.folders["inbox"])
    account = await world.add_account(mailbox, import_since=world.clock() - timedelta(days=1))
    await change(office, account, sFolder="inbox/Resultats")
    async with office.managing(sweeping=SWEEP, webhooks=False), world.processing():
        await until(lambda: is_swept(office, account))
        del mailbox.folders[first.folder_id]
        second = mailbox.add_folder("Resultats", parent=mailbox.folders["inbox"])
        sent = await silently(office, mailbox, 2, folder=second.folder_id)
        world.clock.advance(minutes=20)
        await until(world.conditions)
        await until(lambda: _turn_is_over(office, account))
        world.clock.advance(minutes=20)
        await until(lambda: imported(office, sent))
        await until(lambda: _no_trouble(office))


async def test_another_folder_is_gone_through_from_its_beginning(office: Office) -> None:
    """The pass goes as far back as the account imports; messages in both folders are imported once."""
    mailbox = office.world.new_mailbox("Nord")
    results = mailbox.add_folder("Resultats")
    world = office.world
    account = await world.add_account(mailbox, import_since=world.clock() - timedelta(days=1))
    async with office.receiving(), office.managing(), world.processing():
        sent = await silently(office, mailbox, 2)
        await until(lambda: imported(office, sent))
        world.simulator.move_message(mailbox, sent[0].message_id, results.folder_id)
        sent += await silently(office, mailbox, 3, folder=results.folder_id)
        await change(office, account, sFolder=results.folder_id)
        await until(lambda: imported(office, sent))


async def test_what_is_listed_again_within_the_duplicate_window_is_queued_again(office: Office) -> None:
    """Gone when it was fetched, restored minutes later: the link moves only past messages queued or imported."""
    mailbox, account = await office.world.account_of("Nord")
    world = office.world
    async with office.receiving(), office.managing(webhooks=False, sweeping=SWEEP):
        await until(lambda: is_swept(office, account))
        (back,) = await silently(office, mailbox, 1)
        world.clock.advance(seconds=67)
        await until(lambda: _queued(office, 1))
        # The first was settled, whatever its outcome, and is in no table.
        (delivery,) = await world.queue.receive(1, wait=timedelta(seconds=1))
        await world.queue.complete(delivery)
        world.simulator.move_message(mailbox, back.message_id, "archive")
        world.simulator.move_message(mailbox, back.message_id, "inbox")
        world.clock.advance(seconds=67)
        await until(lambda: _queued(office, 1))
        async with world.processing():
            await until(lambda: imported(office, [back]))


async def _queued(office: Office, count: int) -> bool:
    return (await office.world.queue.status()).active == count
