"""Failures of a whole account: its mail waits undiminished, the mail of the others goes on."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import String, literal, update

from bus.queue import Selection
from db.queries import accounts, trace
from db.queries.trace import TracedMessage
from db.tables import account_settings
from simulator.calls import Operation
from simulator.state.mailboxes import MailboxState
from tests.contract.queue_contract import replay
from tests.integration.world import World
from tests.waiting import until

Trouble = Callable[[World, str], None]


def _no_access(world: World, user_id: str) -> None:
    world.application.denied.add(user_id)


def _access(world: World, user_id: str) -> None:
    world.application.denied.discard(user_id)


def _state(state: MailboxState) -> Trouble:
    def change(world: World, user_id: str) -> None:
        mailbox = world.simulator.mailboxes.named(user_id)
        assert mailbox is not None
        mailbox.state = state

    return change


_READY = _state(MailboxState.READY)


@pytest.mark.parametrize(
    ("break_it", "mend_it", "reason"),
    [
        pytest.param(_no_access, _access, "AccessDenied", id="403"),
        pytest.param(_state(MailboxState.NOT_ENABLED), _READY, "MailboxNotFound", id="404-not-enabled"),
        pytest.param(_state(MailboxState.NO_SUCH_USER), _READY, "MailboxNotFound", id="404-no-such-user"),
        pytest.param(_state(MailboxState.NO_INBOX), _READY, "MailboxNotFound", id="404-no-inbox"),
    ],
)
async def test_a_mailbox_without_access_waits_until_it_opens(
    world: World, break_it: Trouble, mend_it: Trouble, reason: str
) -> None:
    """Held, reported in a condition, no attempt spent; imported and the condition gone once access is back."""
    closed, closed_account = await world.account_of("Fermee")
    other, other_account = await world.account_of("Ouverte")
    waiting = await world.deliver(closed, 8)
    going_on = await world.deliver(other, 8)
    break_it(world, closed.user_id)
    await world.notify(closed_account, waiting)
    await world.notify(other_account, going_on)

    async with world.processing():
        await until(lambda: _imported(world, other_account, 8))
        await until(lambda: _scheduled(world, 8))
        (condition,) = await world.conditions()
        assert (condition.account_id, condition.role, condition.reason) == (closed_account, "processor", reason)
        assert condition.next_attempt > condition.since
        # Retried in vain: the message has not moved towards a dead letter.
        world.clock.advance(seconds=60)
        await until(lambda: _scheduled(world, 8))
        assert {each.delivery_count for each in await world.waiting()} == {0}
        mend_it(world, closed.user_id)
        world.clock.advance(minutes=5)
        await until(world.queue_is_empty)

    assert len(await world.imported_ids()) == 16
    assert not await world.dead_letters()
    assert not await world.conditions()


async def test_a_missing_certificate_holds_its_account_only(world: World, tmp_path: Path) -> None:
    """The certificate is missing from the store: mail waits until it is back."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 4)
    pair = world.store / "importer.pem"
    away = tmp_path / "importer.pem"
    pair.rename(away)
    await world.notify(account, delivered)

    async with world.processing():
        await until(lambda: _scheduled(world, 4))
        (condition,) = await world.conditions()
        assert condition.reason == "CertificateKeyMissing"
        assert "Laboratoire" in condition.detail
        assert {each.delivery_count for each in await world.waiting()} == {0}
        away.rename(pair)
        world.clock.advance(minutes=2)
        await until(world.queue_is_empty)

    assert len(await world.imported_ids()) == 4
    assert not await world.dead_letters()
    assert not await world.conditions()


async def test_a_sign_in_refused_holds_the_account(world: World) -> None:
    """The administrator removed the certificate from the registration."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 2)
    registered = list(world.application.certificates)
    world.application.certificates.clear()
    await world.notify(account, delivered)

    async with world.processing():
        await until(lambda: _scheduled(world, 2))
        (condition,) = await world.conditions()
        assert condition.reason == "SignInRefused"
        world.application.certificates.extend(registered)
        world.clock.advance(minutes=2)
        await until(world.queue_is_empty)

    assert len(await world.imported_ids()) == 2
    assert not await world.conditions()


async def test_a_hold_spares_graph_the_calls(world: World) -> None:
    """While an account is held, further mail of it is postponed without a futile call of Graph."""
    closed, account = await world.account_of("Fermee")
    delivered = await world.deliver(closed, 20)
    _no_access(world, closed.user_id)
    await world.notify(account, delivered[:1])

    async with world.processing():
        await until(lambda: _scheduled(world, 1))
        asked = world.simulator.statistics()["answers"]["403"]
        await world.notify(account, delivered[1:])
        await until(lambda: _scheduled(world, 20))

    assert world.simulator.statistics()["answers"]["403"] == asked


async def test_a_processor_that_starts_again_keeps_the_hold(world: World) -> None:
    """The hold recorded by an earlier process is in force, and its condition goes when the account works again."""
    closed, account = await world.account_of("Fermee")
    delivered = await world.deliver(closed, 2)
    _no_access(world, closed.user_id)
    await world.notify(account, delivered)
    async with world.processing():
        await until(lambda: _scheduled(world, 2))
    (before,) = await world.conditions()

    _access(world, closed.user_id)
    calls = world.calls(Operation.GET_MESSAGE)
    await world.notify(account, [each.message_id for each in delivered])
    async with world.processing():
        await until(lambda: _scheduled(world, 4))
        assert world.calls(Operation.GET_MESSAGE) == calls
        assert await world.conditions() == [before]
        world.clock.advance(minutes=2)
        await until(world.queue_is_empty)

    assert len(await world.imported_ids()) == 2
    assert not await world.conditions()


async def test_repeated_refusals_are_reported_once_and_spread_out(world: World) -> None:
    """The waits grow, and `since` gives the beginning."""
    closed, account = await world.account_of("Fermee")
    delivered = await world.deliver(closed, 1)
    _no_access(world, closed.user_id)
    await world.notify(account, delivered)

    with structlog.testing.capture_logs() as events:
        async with world.processing():
            for attempt in range(1, 4):
                await until(lambda attempt=attempt: sum(e["event"] == "account_held" for e in events) == attempt)
                await until(lambda: _scheduled(world, 1))
                world.clock.advance(minutes=5)

    seconds = [event["seconds"] for event in events if event["event"] == "account_held"][:3]
    assert seconds == [30, 60, 120]
    (condition,) = await world.conditions()
    assert condition.since < condition.next_attempt - timedelta(minutes=2)


async def test_mail_of_a_disabled_account_is_imported_after_enable_and_replay(world: World) -> None:
    """The dead letter's text names these steps."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 3)
    await world.set_enabled("Laboratoire", False)
    await world.notify(account, delivered)
    await world.import_all()
    dead = await world.dead_letters()
    assert [each.reason for each in dead] == ["AccountDisabled"] * 3
    assert all("Enable it, then replay" in (each.description or "") for each in dead)

    await world.set_enabled("Laboratoire", True)
    assert await replay(world.queue, Selection(reason="AccountDisabled")) == 3
    await world.import_all()

    assert await world.imported_ids() == sorted(each.message_id for each in delivered)
    assert not await world.dead_letters()


async def test_mail_of_an_account_removed_while_processors_run_is_dropped(world: World) -> None:
    """The account cache is a few seconds old at most; the trace has the reason, and no operator is concerned."""
    mailbox, account = await world.account_of("Laboratoire")
    first, second = await world.deliver(mailbox, 2)
    async with world.processing():
        await world.notify(account, [first])
        await until(world.queue_is_empty)
        await world.database.write(lambda c: accounts.mark_removed(c, "Laboratoire", now=world.clock()))
        world.clock.advance(seconds=6)
        await world.notify(account, [second])
        await until(world.queue_is_empty)

    assert await world.imported_ids() == [first.message_id]
    assert await world.dead_letters() == []
    [row] = await world.database.read(lambda c: trace.attempts(c, [TracedMessage(account, second.message_id)]))
    assert (row.outcome, row.reason) == ("dropped", "AccountRemoved")


async def test_mail_of_an_account_that_was_just_taken_up_is_not_dropped(world: World) -> None:
    """The sweep does not queue it again: what the processor knows of a removed account is never old."""
    mailbox, account = await world.account_of("Laboratoire")
    first, second = await world.deliver(mailbox, 2)
    async with world.processing():
        await world.database.write(lambda c: accounts.mark_removed(c, "Laboratoire", now=world.clock()))
        await world.notify(account, [first])
        await until(world.queue_is_empty)
        assert await world.add_account(mailbox) == account
        await world.notify(account, [first, second])
        await until(world.queue_is_empty)

    assert await world.imported_ids() == sorted([first.message_id, second.message_id])


async def _imported(world: World, account_id: int, count: int) -> bool:
    return (await world.database.read(accounts.imported_counts)).get(account_id) == count


async def _scheduled(world: World, count: int) -> bool:
    status = await world.queue.status()
    return status.scheduled == count and not status.locked and not status.active


async def test_an_account_whose_row_cannot_be_read_waits_alone(world: World) -> None:
    """Its mail waits with the reason until the row is corrected; the other account's is imported."""
    (fine, good), (spoilt, bad) = await world.account_of("Ouverte"), await world.account_of("Abimee")
    delivered = [*await world.deliver(fine, 3), *await world.deliver(spoilt, 3)]
    await _set_import_since(world, bad, "2026-11-29 25:00")
    await world.notify(good, delivered[:3])
    await world.notify(bad, delivered[3:])

    async with world.processing():
        await until(lambda: _imported(world, good, 3))
        await until(lambda: _scheduled(world, 3))
        (condition,) = await world.conditions()
        assert (condition.account_id, condition.reason) == (bad, "AccountUnusable")
        assert "dtImportSince holds '2026-11-29 25:00'" in condition.detail
        assert {each.delivery_count for each in await world.waiting()} == {0}
        await _set_import_since(world, bad, "2026-01-01 00:00:00.000000")
        world.clock.advance(minutes=2)
        await until(world.queue_is_empty)

    assert len(await world.imported_ids()) == 6
    assert not await world.conditions()


async def _set_import_since(world: World, account: int, value: str) -> None:
    settings = account_settings.c
    spoil = update(account_settings).where(settings.nAccountID == account)
    await world.database.write(lambda c: c.execute(spoil.values(dtImportSince=literal(value, String()))))
