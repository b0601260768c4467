"""The retry policy: by the type of the error, a delivery that was not imported is retried or dead-lettered. No I/O."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from random import Random
from typing import Final

from bus.notification import UnreadableNotification
from bus.queue import Delivery
from db.outcomes import Outcome
from db.queries.failures import Failure
from db.queries.messages import MessageRefused
from graph.errors import MAX_RETRY_AFTER, SERVER_FAULTS, GraphUnavailable, ItemGone, ItemUnconvertible
from phrases import Phrase
from processor.errors import Unprocessable
from processor.process_pool import PoolUnusable
from processor.settlement import EXPECTED_ERRORS, INTERNAL_ERROR, Abandon, DeadLetter

_OUTAGE_GRACE: Final = timedelta(hours=24)
"""Time for which errors on Microsoft's side are not held against the message."""

_ITEM_DELAYS: Final = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
MAX_ATTEMPTS: Final = len(_ITEM_DELAYS) + 1
"""Attempts at an item that fails by itself, before it becomes a dead letter."""

# A message that Graph does not have ready in time is large, and costly to request: once more soon, then in an hour,
# when the load may be low.
_TIMEOUT_DELAYS: Final = (timedelta(seconds=30), timedelta(hours=1))
MAX_TIMEOUTS: Final = len(_TIMEOUT_DELAYS) + 1
"""Attempts at a message that Graph does not have ready in time, before it becomes a dead letter."""
# A message that has been in the queue for a day may have waited all the time for its account: Graph gets hours to
# serve it, whatever it does meanwhile.
_OVERDUE_DELAYS: Final = (timedelta(minutes=10), *3 * (timedelta(hours=1),))
_OUTAGE_DELAY: Final = timedelta(seconds=30)
_MAX_OUTAGE_DELAY: Final = timedelta(seconds=MAX_RETRY_AFTER)

# Exchange replicates: a message that it has just reported may answer 404 for a time (docs/graph.md, section 11). For so
# long after it was put it is requested again, uncounted, at growing intervals; after a longer wait, a few times.
_LATE_FOR: Final = timedelta(minutes=10)
_FIRST_LATE_DELAY: Final = timedelta(seconds=5)
_FIRST_OLD_DELAY: Final = timedelta(seconds=30)
_SECOND_OLD_DELAY: Final = timedelta(minutes=2)


def decide(error: Exception, delivery: Delivery, *, now: datetime, random: Random) -> DeadLetter | Abandon:
    """Decide. Failures of a whole account are decided by `processor.accounts.AccountBackoff`."""
    reason = type(error).__name__
    if isinstance(error, Unprocessable | UnreadableNotification):
        return DeadLetter(error.reason, Phrase.of(error), error)
    if isinstance(error, MessageRefused | ItemUnconvertible):
        return DeadLetter(reason, Phrase.of(error), error)
    if isinstance(error, GraphUnavailable | PoolUnusable) and is_patient(delivery, now):
        if isinstance(error, PoolUnusable):
            return _retry(_OUTAGE_DELAY * random.uniform(1.0, 1.5), error)
        if not _is_of_item(error):
            return _retry(_pause(error, now - delivery.enqueued, random), error)
    delays = _delays(error)
    if delivery.delivery_count > len(delays):
        return DeadLetter(reason, _describe(error, delivery), error)
    wait = delays[delivery.delivery_count - 1] * random.uniform(0.8, 1.2)
    asked = error.retry_after if isinstance(error, GraphUnavailable) else None
    return _retry(max(wait, timedelta(seconds=asked or 0)), error, counted=True)


def is_patient(delivery: Delivery, now: datetime) -> bool:
    """False once a delivery has been in the queue for so long that an operator must examine it."""
    return now - delivery.enqueued < _OUTAGE_GRACE


def retry_of_missing(
    delivery: Delivery, last_failure: Failure | None, *, now: datetime, random: Random
) -> Abandon | None:
    """Schedule the next attempt at a message that Graph answers 404 for; None: it is gone.

    It may yet appear until ten minutes after it was put. By then Service Bus has forgotten its id, too. Later it is
    gone if the attempt before met a 404 as well, two minutes ago; attempts that failed otherwise say nothing of it.
    """
    age = now - delivery.enqueued
    # A time far in the future is no age: a clock was set back.
    if abs(age) < _LATE_FOR:
        wait = min(max(2 * age, _FIRST_LATE_DELAY), max(_LATE_FOR - age, _FIRST_LATE_DELAY))
        return _retry(wait * random.uniform(1.0, 1.2))
    if last_failure is None or last_failure.reason != ItemGone.__name__:
        wait = _FIRST_OLD_DELAY
    elif now - last_failure.failed < _SECOND_OLD_DELAY:
        wait = _SECOND_OLD_DELAY
    else:
        return None
    return _retry(wait * random.uniform(1.0, 1.2), counted=True)


def _retry(delay: timedelta, error: Exception | None = None, *, counted: bool = False) -> Abandon:
    cause = ItemGone.__name__ if error is None else type(error).__name__
    return Abandon(Outcome.RETRIED, delay, counted, cause, error)


def _pause(error: GraphUnavailable, age: timedelta, random: Random) -> timedelta:
    """The uncounted wait for a message put so long ago."""
    wait = max(timedelta(seconds=error.retry_after or 0), _OUTAGE_DELAY)
    if error.may_be_of_item({HTTPStatus.OK}):
        # A proxy, or an answer of Exchange for this message alone: not to be fetched every minute of a day.
        wait = max(wait, min(age / 2, _MAX_OUTAGE_DELAY))
    # Spread to either side where the longest wait leaves no room above.
    shortest, longest = min(wait, _MAX_OUTAGE_DELAY * 0.9), min(wait * 1.5, _MAX_OUTAGE_DELAY)
    return shortest + (longest - shortest) * random.random()


def _delays(error: Exception) -> Sequence[timedelta]:
    """The waits after attempts that count."""
    if not isinstance(error, GraphUnavailable):
        return _ITEM_DELAYS
    if not _is_of_item(error):
        return _OVERDUE_DELAYS
    return _TIMEOUT_DELAYS if error.status == HTTPStatus.GATEWAY_TIMEOUT else _ITEM_DELAYS


def _is_of_item(error: GraphUnavailable) -> bool:
    return error.status in SERVER_FAULTS and error.may_be_of_item(SERVER_FAULTS)


def _describe(error: Exception, delivery: Delivery) -> Phrase:
    tried = Phrase.counted("Tried {n} time.", "Tried {n} times.", n=delivery.delivery_count)
    if isinstance(error, EXPECTED_ERRORS):
        return Phrase.joined(tried, Phrase.of(error))
    return Phrase.joined(tried, INTERNAL_ERROR)
