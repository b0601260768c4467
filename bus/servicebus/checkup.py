"""Whether the queue is made as it has to be; `deploy/servicebus` makes it so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.servicebus.aio.management import ServiceBusAdministrationClient
from azure.servicebus.management import QueueProperties

from bus.errors import QueueUnavailable
from bus.servicebus.errors import Place
from phrases import Phrase

_FORBIDDEN: Final = frozenset({401, 403})
_LARGEST_DOCUMENT_KILOBYTES: Final = 256


class State(StrEnum):
    """What became of a check."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what there is, what there should be, and why."""

    name: str
    found: str
    wanted: str
    state: State
    why: str


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    read: Callable[[QueueProperties], Any]
    fits: Callable[[Any], bool]
    wanted: str
    why: str

    def judge(self, properties: QueueProperties) -> Finding:
        found = self.read(properties)
        if found is None:
            return Finding(self.name, "not told", self.wanted, State.UNKNOWN, self.why)
        state = State.OK if self.fits(found) else State.WRONG
        return Finding(self.name, str(found), self.wanted, state, self.why)


_RULES: Final = (
    _Rule(
        "lock duration",
        lambda each: each.lock_duration,
        lambda found: found >= timedelta(seconds=30),
        "30 s to 5 min; 1 min is good",
        "A processor renews its locks, but not within seconds of a pause.",
    ),
    _Rule(
        "maximum of deliveries",
        lambda each: each.max_delivery_count,
        lambda found: found >= 10,
        "10 or more",
        "With fewer, messages become dead letters before the processor gave up.",
    ),
    _Rule(
        "duplicate detection",
        lambda each: each.requires_duplicate_detection,
        bool,
        "True; can only be chosen when the queue is made",
        "Graph repeats itself, and the SDK sends again what it is not sure of.",
    ),
    _Rule(
        "duplicate detection window",
        lambda each: each.duplicate_detection_history_time_window,
        lambda found: timedelta(minutes=5) <= found,
        "5 min or more; 10 min is good",
        "Repeats come within minutes.",
    ),
    _Rule(
        "dead letters on expiry",
        lambda each: each.dead_lettering_on_message_expiration,
        bool,
        "True",
        "Without it, a message that is too old vanishes without a trace.",
    ),
    _Rule(
        "time to live",
        lambda each: each.default_message_time_to_live,
        lambda found: found >= timedelta(days=1),
        "1 day or more; 14 days are good",
        "An outage of the database may last longer than a night.",
    ),
    _Rule(
        "sessions",
        lambda each: each.requires_session,
        lambda found: not found,
        "False; can only be chosen when the queue is made",
        "No message of mail-importer has a session: none would be taken.",
    ),
    _Rule(
        "message size in KB",
        lambda each: each.max_message_size_in_kilobytes,
        lambda found: found >= _LARGEST_DOCUMENT_KILOBYTES,
        f"{_LARGEST_DOCUMENT_KILOBYTES} or more",
        "What Standard and Premium have anyway.",
    ),
    _Rule("status", lambda each: each.status, lambda found: str(found).endswith(("Active", "ACTIVE")), "Active", ""),
)


def judge(properties: QueueProperties) -> Sequence[Finding]:
    """What is right and wrong with the queue."""
    return [rule.judge(properties) for rule in _RULES]


async def examine(administration: ServiceBusAdministrationClient, place: Place) -> Sequence[Finding]:
    """Read the properties and judge them; unknown, all of them, when the identity may not read them.

    Raises:
        QueueUnavailable: the queue does not exist, or nothing can be asked.
    """
    try:
        properties = await administration.get_queue(place.queue)
    except ResourceNotFoundError as exc:
        raise QueueUnavailable(
            Phrase("{place} does not exist. {how_to_create}", place=place, how_to_create=how_to_create(place))
        ) from exc
    except ClientAuthenticationError as exc:
        return [_unreadable(str(exc.status_code or "the sign-in failed"))]
    except HttpResponseError as exc:
        if exc.status_code in _FORBIDDEN:
            return [_unreadable(str(exc.status_code))]
        raise QueueUnavailable(
            Phrase(
                "The properties of {place} cannot be read: HTTP {status_code}.",
                place=place,
                status_code=exc.status_code,
            )
        ) from exc
    except AzureError as exc:
        raise QueueUnavailable(
            Phrase(
                "The properties of {place} cannot be read over HTTPS ({name}); the emulator has none.",
                place=place,
                name=type(exc).__name__,
            )
        ) from exc
    return judge(properties)


def how_to_create(place: Place) -> str:
    """What makes the queue as it has to be."""
    namespace = place.host.partition(".")[0]
    return (
        "Create it with deploy/servicebus/azuredeploy.json, or: az servicebus queue create --resource-group GROUP "
        f"--namespace-name {namespace} --name {place.queue} --lock-duration PT1M --max-delivery-count 10 "
        "--duplicate-detection true --duplicate-detection-history-time-window PT10M "
        "--enable-dead-lettering-on-message-expiration true --default-message-time-to-live P14D"
    )


def _unreadable(why: str) -> Finding:
    return Finding(
        "properties",
        f"may not be read ({why})",
        "read with the right Manage, or the role Azure Service Bus Data Owner",
        State.UNKNOWN,
        "Sending and receiving need less; look in the portal, or run this with another identity.",
    )
