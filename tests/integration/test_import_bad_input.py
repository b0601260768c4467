"""An invalid notification is dead-lettered with its reason, at once; no genuine one waits behind it."""

import json
from typing import Any

import pytest
import structlog

from tests.integration.world import World

_LONG = "A" * 1000


@pytest.mark.parametrize(
    ("changed", "reason", "said"),
    [
        ({"change_type": "updated"}, "UnknownChangeType", "'updated'"),
        ({"change_type": "teleported"}, "UnknownChangeType", "'teleported'"),
        ({"change_type": None}, "UnknownChangeType", "None"),
        ({"message_id": None}, "MalformedNotification", "resourceData.id"),
        (
            {"lifecycle_event": "teleported", "change_type": None, "message_id": None},
            "UnknownLifecycleEvent",
            "'teleported'",
        ),
        ({"message_id": _LONG}, "MessageIdTooLong", "1000"),
        ({"account_id": 4711}, "AccountUnknown", "4711"),
    ],
)
async def test_a_notification_that_cannot_be_imported(
    world: World, changed: dict[str, Any], reason: str, said: str
) -> None:
    """One dead letter with a fixed reason and a sentence for the operator; no call of Graph."""
    _, account = await world.account_of("Laboratoire")
    facts: dict[str, Any] = {"account_id": account, "message_id": "AAk" * 20, **changed}
    await world.queue.put([world.notification(**facts).to_message()])

    await world.import_all()

    (dead,) = await world.dead_letters()
    assert dead.reason == reason
    assert said in (dead.description or "")
    assert world.simulator.statistics()["calls"] == {}


_WHOLE: dict[str, Any] = {
    "version": 1,
    "account": 1,
    "message": "AAk",
    "changeType": "created",
    "received": "2027-03-01T08:15:00.1234567+00:00",
    "correlation": "c",
}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("{not json", "NotJson", id="not-json"),
        pytest.param("", "NotJson", id="empty"),
        pytest.param("[" * 200_000 + "]" * 200_000, "NotJson", id="nested"),
        pytest.param("[]", "UnknownVersion", id="list"),
        pytest.param("null", "UnknownVersion", id="null"),
        pytest.param(json.dumps({**_WHOLE, "version": 2}), "UnknownVersion", id="future"),
        pytest.param(json.dumps({**_WHOLE, "account": "1"}), "Incomplete", id="account-text"),
        pytest.param(json.dumps({**_WHOLE, "message": 17}), "Incomplete", id="message-number"),
        pytest.param(json.dumps({**_WHOLE, "received": "yesterday"}), "Incomplete", id="received-garbled"),
        pytest.param(json.dumps({"version": 1}), "Incomplete", id="missing"),
        pytest.param(json.dumps({**_WHOLE, "account": 10**30}), "Incomplete", id="account-huge"),
        pytest.param(json.dumps({**_WHOLE, "account": -1}), "Incomplete", id="account-negative"),
        pytest.param(json.dumps({**_WHOLE, "message": "AA\ud800"}), "MalformedNotification", id="half-a-character"),
        pytest.param(json.dumps({**_WHOLE, "received": "2027-03-01T08:15:00"}), "Incomplete", id="naive-time"),
    ],
)
async def test_an_unreadable_queue_message(world: World, body: str, reason: str) -> None:
    """It is dead-lettered with its reason, not retried, and it blocks nothing."""
    mailbox, account = await world.account_of("Laboratoire")
    await world.put_body(body)
    delivered = await world.deliver(mailbox, 2)
    await world.notify(account, delivered)

    await world.import_all()

    assert [each.reason for each in await world.dead_letters()] == [reason]
    assert await world.imported_ids() == sorted(each.message_id for each in delivered)


async def test_one_bad_message_among_good_ones(world: World) -> None:
    """A mix in one batch: the good ones are imported, each bad one has its own dead letter."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = await world.deliver(mailbox, 6)
    await world.put_body("{", "one")
    await world.notify(account, delivered[:3])
    await world.put_body(json.dumps({"version": 9}), "two")
    await world.notify(account, [_LONG])
    await world.notify(account, delivered[3:])

    await world.import_all()

    assert await world.imported_ids() == sorted(each.message_id for each in delivered)
    reasons = sorted(each.reason or "" for each in await world.dead_letters())
    assert reasons == ["MessageIdTooLong", "NotJson", "UnknownVersion"]


async def test_half_characters_in_a_mail_are_replaced_and_counted(world: World) -> None:
    """The mail is imported on any database, and the operator can see that it was changed."""
    mailbox, account = await world.account_of("Laboratoire")
    [delivered] = await world.deliver(mailbox, 1)
    await world.tamper(delivered, lambda json: {**json, "subject": "Nitrate \ud83d 3 mg/l\x00"})
    await world.notify(account, [delivered])
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        await world.import_all()
    [imported] = await world.imported()
    assert imported.subject == "Nitrate \ufffd 3 mg/l\ufffd"
    [reported] = [event for event in events if event["event"] == "characters_replaced"]
    assert (reported["characters"], reported["account"]) == (2, "Laboratoire")
