"""Outcome of a delivery by the type of its error."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from availability import Service
from bus.notification import UnreadableNotification
from bus.queue import Delivery, MessageId
from db.queries.failures import Failure
from db.queries.messages import MessageRefused
from graph.errors import GraphUnavailable, ItemCorrupt, ItemDenied, ItemGone, ItemUnconvertible, RequestRejected
from phrases import Phrase
from processor.errors import MessageChanged, Unprocessable
from processor.process_pool import PoolUnusable
from processor.retry_policy import MAX_ATTEMPTS, decide, retry_of_missing
from processor.settlement import Abandon, DeadLetter

NOW = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)


def _delivery(count: int, age: timedelta = timedelta(0)) -> Delivery:
    return Delivery(MessageId("m"), "{}", 1, NOW - age, count, NOW + timedelta(minutes=1), handle=None)


def _decision(error: Exception, count: int = 1, age: timedelta = timedelta(0)) -> DeadLetter | Abandon:
    return decide(error, _delivery(count, age), now=NOW, random=Random(3))


@pytest.mark.parametrize("count", [1, 5, 9])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unprocessable("UnknownChangeType", Phrase("Only 'created' is imported.")), "UnknownChangeType"),
        (UnreadableNotification("NotJson", Phrase("The queue message is not JSON.")), "NotJson"),
        (MessageRefused(Phrase("The gateway database refuses the message.")), "MessageRefused"),
        (ItemUnconvertible(Phrase("Exchange cannot convert this item."), status=500), "ItemUnconvertible"),
    ],
)
def test_what_no_attempt_can_mend_is_put_aside_at_once(error: Exception, reason: str, count: int) -> None:
    """With its own reason and its own words."""
    assert _decision(error, count) == DeadLetter(reason, Phrase.of(error))


@pytest.mark.parametrize("count", [1, MAX_ATTEMPTS, 9])
@pytest.mark.parametrize("status", [None, 408, 429, 503, 509])
def test_an_outage_is_not_held_against_the_message(status: int | None, count: int) -> None:
    """Abandoned uncounted, however often, for a day."""
    decision = _decision(GraphUnavailable(Phrase("down"), status=status), count, timedelta(hours=23))

    assert isinstance(decision, Abandon)
    assert not decision.counted
    assert timedelta(seconds=30) <= decision.delay <= timedelta(seconds=45)
    assert decision.cause == "GraphUnavailable"


@pytest.mark.parametrize(("asked", "least"), [(None, 30), (0, 30), (5.0, 30), (120.0, 120), (500.0, 500)])
def test_an_outage_waits_at_least_what_graph_asked(asked: float | None, least: int) -> None:
    """And never less than the usual pause."""
    decision = _decision(GraphUnavailable(Phrase("slow down"), status=429, retry_after=asked))

    assert isinstance(decision, Abandon)
    assert timedelta(seconds=least) <= decision.delay <= timedelta(seconds=least * 1.5)


@pytest.mark.parametrize("asked", [600.0, 86_400.0, 1e9])
def test_an_outage_waits_ten_minutes_at_most(asked: float) -> None:
    """It holds for any request; and waits end at different moments."""
    error = GraphUnavailable(Phrase("slow down"), status=503, retry_after=asked)
    random = Random(1)
    decisions = [decide(error, _delivery(1), now=NOW, random=random) for _ in range(20)]
    delays = {each.delay for each in decisions if isinstance(each, Abandon)}

    assert timedelta(minutes=9) <= min(delays) < max(delays) <= timedelta(minutes=10)
    assert len(delays) == 20


def test_a_mailbox_that_is_moved_is_not_held_against_the_message() -> None:
    """The status beside its code does not matter."""
    error = GraphUnavailable(Phrase("moved"), status=500, code="ErrorMailboxMoveInProgress", mailbox_down=True)
    decision = _decision(error, MAX_ATTEMPTS, timedelta(hours=5))

    assert isinstance(decision, Abandon)
    assert not decision.counted


@pytest.mark.parametrize("status", [None, 503])
def test_an_outage_longer_than_a_day_counts(status: int | None) -> None:
    """A failure that lasts so long is left to an operator."""
    error = GraphUnavailable(Phrase("down"), status=status)
    day = timedelta(hours=24)

    decisions = [_decision(error, count, day) for count in range(1, MAX_ATTEMPTS + 1)]
    retries = [each for each in decisions if isinstance(each, Abandon)]

    assert all(each.counted for each in retries)
    # It may have waited for its account until now, and Graph may throttle what was held.
    assert sum((each.delay for each in retries), timedelta(0)) > timedelta(hours=2)
    assert decisions[len(retries) :] == [DeadLetter("GraphUnavailable", Phrase("Tried 5 times. down"))]


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("facts", [{"service": Service.SIGN_IN}, {"mailbox_down": True}])
@pytest.mark.parametrize("count", [1, MAX_ATTEMPTS, 9])
def test_an_outage_with_the_status_of_a_fault_of_an_item_is_one(status: int, facts: dict[str, Any], count: int) -> None:
    """A sign-in that does not succeed says nothing of a message, nor does a mailbox whose inbox does not open."""
    decision = _decision(GraphUnavailable(Phrase("down"), status=status, **facts), count)

    assert isinstance(decision, Abandon)
    assert not decision.counted


def test_a_counted_attempt_waits_at_least_what_graph_asked() -> None:
    decision = _decision(GraphUnavailable(Phrase("slow down"), status=500, retry_after=300.0))

    assert isinstance(decision, Abandon)
    assert decision.delay >= timedelta(seconds=300)


_OF_THE_ITEM = [
    GraphUnavailable(Phrase("a"), status=500),
    GraphUnavailable(Phrase("b"), status=502),
    ItemGone(Phrase("d"), status=404),
    ItemCorrupt(Phrase("e"), status=500),
    ItemDenied(Phrase("i"), status=403),
    RequestRejected(Phrase("f"), status=400),
    MessageChanged(Phrase("g")),
    ValueError("h"),
]


@pytest.mark.parametrize("error", _OF_THE_ITEM, ids=lambda error: type(error).__name__ + str(error))
@pytest.mark.parametrize(("count", "seconds"), [(1, 5), (2, 30), (3, 120), (4, 600)])
def test_trouble_with_one_item_counts_and_waits_longer_each_time(error: Exception, count: int, seconds: int) -> None:
    """Five seconds, half a minute, two, ten; a fifth more or less."""
    decision = _decision(error, count)

    assert isinstance(decision, Abandon)
    assert decision.counted
    assert timedelta(seconds=seconds * 0.8) <= decision.delay <= timedelta(seconds=seconds * 1.2)
    assert decision.cause == type(error).__name__


@pytest.mark.parametrize("error", _OF_THE_ITEM, ids=lambda error: type(error).__name__ + str(error))
@pytest.mark.parametrize("count", [MAX_ATTEMPTS, MAX_ATTEMPTS + 3])
def test_trouble_with_one_item_ends_as_a_dead_letter(error: Exception, count: int) -> None:
    """After five attempts, also when a lost lock has made it more; the reason is the type."""
    decision = _decision(error, count)

    assert isinstance(decision, DeadLetter)
    assert decision.reason == type(error).__name__
    assert f"Tried {count} times." in decision.description


def test_what_graph_has_not_ready_in_time_waits_for_a_quiet_hour() -> None:
    """A large download is requested once more soon and once in an hour; then an operator decides."""
    error = GraphUnavailable(Phrase("GET /users/x was answered 504."), status=504)

    soon, later, last = (_decision(error, count) for count in (1, 2, 3))

    assert isinstance(soon, Abandon)
    assert isinstance(later, Abandon)
    assert soon.counted
    assert later.counted
    assert timedelta(seconds=24) <= soon.delay <= timedelta(seconds=36)
    assert timedelta(minutes=48) <= later.delay <= timedelta(minutes=72)
    assert last == DeadLetter("GraphUnavailable", Phrase("Tried 3 times. GET /users/x was answered 504."))


def _failure(reason: str, ago: timedelta) -> Failure:
    return Failure(1, "m", 1, NOW - ago, NOW, reason, None)


def _attempts_at_missing(age: timedelta, count: int = 1, last: Failure | None = None) -> list[Abandon]:
    """The retries of a message that answers 404 for ever, put so long ago; `last`: how it failed before."""
    retries: list[Abandon] = []
    while (retry := retry_of_missing(_delivery(count, age), last, now=NOW, random=Random(1))) is not None:
        retries.append(retry)
        age, count = age + retry.delay, count + retry.counted
        if retry.counted:
            last = _failure("ItemGone", retry.delay)
    return retries


def test_a_missing_message_is_asked_for_again_for_ten_minutes() -> None:
    """The waits are short at first, then longer and longer, uncounted; and they end."""
    retries = _attempts_at_missing(timedelta(0))

    assert retries[0].delay < timedelta(seconds=10)
    assert timedelta(minutes=10) <= sum((each.delay for each in retries), timedelta(0)) < timedelta(minutes=20)
    assert len(retries) < 12
    assert not retries[0].counted


@pytest.mark.parametrize("age", [timedelta(minutes=11), timedelta(days=3), -timedelta(days=3)])
def test_a_missing_message_that_waited_in_the_queue_is_asked_for_again_too(age: timedelta) -> None:
    """It holds when a clock was set back, too: more than a minute, and a few times only."""
    retries = _attempts_at_missing(age)

    assert sum((each.delay for each in retries), timedelta(0)) > timedelta(minutes=1)
    assert len(retries) <= 3


@pytest.mark.parametrize("count", [3, MAX_ATTEMPTS, 9])
def test_attempts_that_failed_otherwise_do_not_make_a_missing_message_gone(count: int) -> None:
    """A mailbox that moves answers 404 for a moment, perhaps after hours of other trouble."""
    retries = _attempts_at_missing(timedelta(hours=2), count, _failure("GraphUnavailable", timedelta(hours=1)))

    assert sum((each.delay for each in retries), timedelta(0)) > timedelta(minutes=2)
    assert len(retries) == 2


def test_an_unexpected_error_is_not_quoted() -> None:
    """Its text may be mail; the log names the place."""
    decision = _decision(ValueError("could not read: Dear Ms Lefèvre"), MAX_ATTEMPTS)

    assert isinstance(decision, DeadLetter)
    assert "Lef" not in decision.description
    assert "delivery_failed" in decision.description


def test_a_foreseen_error_is_quoted() -> None:
    """It was written for the operator."""
    decision = _decision(RequestRejected(Phrase("GET /users/x was answered 400.")), MAX_ATTEMPTS)
    assert decision == DeadLetter("RequestRejected", Phrase("Tried 5 times. GET /users/x was answered 400."))


def test_delays_spread() -> None:
    """A thousand deliveries that failed together do not come back together."""
    random = Random(1)
    error = GraphUnavailable(Phrase("down"), status=503)
    decisions = [decide(error, _delivery(1), now=NOW, random=random) for _ in range(50)]
    assert len({decision.delay for decision in decisions if isinstance(decision, Abandon)}) == 50


def test_a_machine_that_starts_no_process_is_waited_for_a_day() -> None:
    error = PoolUnusable(Phrase("no process starts"))
    within, after = _decision(error, 5, timedelta(hours=23)), _decision(error, MAX_ATTEMPTS, timedelta(hours=25))
    assert isinstance(within, Abandon)
    assert not within.counted
    assert isinstance(after, DeadLetter)


@pytest.mark.parametrize("facts", [{"status": 200}, {"unanswered": True}])
def test_what_comes_neither_whole_nor_as_asked_is_asked_for_less_and_less_often(facts: dict[str, Any]) -> None:
    """A download that breaks off each time: requested for a day, uncounted, but not every half minute."""
    error = GraphUnavailable(Phrase("a page"), **facts)
    delays = []
    for age in (timedelta(0), timedelta(minutes=4), timedelta(hours=23)):
        decision = _decision(error, 1, age)
        assert isinstance(decision, Abandon)
        assert not decision.counted
        delays.append(decision.delay)
    assert timedelta(seconds=30) <= delays[0] < timedelta(minutes=1)
    assert timedelta(minutes=2) <= delays[1] <= timedelta(minutes=3)
    assert timedelta(minutes=9) <= delays[2] <= timedelta(minutes=10)
