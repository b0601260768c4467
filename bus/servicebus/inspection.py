"""Checks of the queue's properties; `deploy/servicebus` sets them so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.servicebus.aio.management import ServiceBusAdministrationClient
from azure.servicebus.management import QueueProperties

from bus.errors import QueueUnavailable
from bus.servicebus.errors import QueueRef
from phrases import Phrase

_FORBIDDEN: Final = frozenset({401, 403})
_LARGEST_DOCUMENT_KILOBYTES: Final = 256


class State(StrEnum):
    """The result of a check."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: the actual value, the required one, and the reason."""

    name: Phrase
    found: Phrase
    wanted: Phrase
    state: State
    why: Phrase


@dataclass(frozen=True, slots=True)
class _Rule:
    name: Phrase
    read: Callable[[QueueProperties], Any]
    fits: Callable[[Any], bool]
    wanted: Phrase
    why: Phrase

    def judge(self, properties: QueueProperties) -> Finding:
        found = self.read(properties)
        if found is None:
            return Finding(self.name, Phrase("not reported"), self.wanted, State.UNKNOWN, self.why)
        state = State.OK if self.fits(found) else State.WRONG
        found_text = (Phrase("yes") if found else Phrase("no")) if isinstance(found, bool) else Phrase.of(found)
        return Finding(self.name, found_text, self.wanted, state, self.why)


_RULES: Final = (
    _Rule(
        Phrase("lock duration"),
        lambda each: each.lock_duration,
        lambda found: found >= timedelta(seconds=30),
        Phrase("30 s to 5 min; 1 min is good"),
        Phrase("A processor renews its locks, but not within seconds of a pause."),
    ),
    _Rule(
        Phrase("maximum of deliveries"),
        lambda each: each.max_delivery_count,
        lambda found: found >= 10,
        Phrase("{least} or more", least=10),
        Phrase("With fewer, messages become dead letters before the processor gave up."),
    ),
    _Rule(
        Phrase("duplicate detection"),
        lambda each: each.requires_duplicate_detection,
        bool,
        Phrase("yes; can only be chosen when the queue is made"),
        Phrase("Graph repeats itself, and the SDK sends again what it is not sure of."),
    ),
    _Rule(
        Phrase("duplicate detection window"),
        lambda each: each.duplicate_detection_history_time_window,
        lambda found: timedelta(minutes=5) <= found,
        Phrase("5 min or more; 10 min is good"),
        Phrase("Repeats come within minutes."),
    ),
    _Rule(
        Phrase("dead letters on expiry"),
        lambda each: each.dead_lettering_on_message_expiration,
        bool,
        Phrase("yes"),
        Phrase("Without it, a message that is too old vanishes without a trace."),
    ),
    _Rule(
        Phrase("time to live"),
        lambda each: each.default_message_time_to_live,
        lambda found: found >= timedelta(days=1),
        Phrase("1 day or more; 14 days are good"),
        Phrase("An outage of the database may last longer than a night."),
    ),
    _Rule(
        Phrase("sessions"),
        lambda each: each.requires_session,
        lambda found: not found,
        Phrase("no; can only be chosen when the queue is made"),
        Phrase("No message of mail-importer has a session: none would be received."),
    ),
    _Rule(
        Phrase("partitioning"),
        lambda each: each.enable_partitioning,
        lambda found: not found,
        Phrase("no; can only be chosen when the queue is made"),
        Phrase(
            "Of a partitioned queue not all messages are shown: counts are too low, queue replay and purge miss some."
        ),
    ),
    _Rule(
        Phrase("forwarding"),
        lambda each: bool(each.forward_to or each.forward_dead_lettered_messages_to),
        lambda found: not found,
        Phrase("no"),
        Phrase("Messages, or dead letters, that are forwarded to another queue are neither imported nor shown."),
    ),
    _Rule(
        Phrase("message size in KB"),
        lambda each: each.max_message_size_in_kilobytes,
        lambda found: found >= _LARGEST_DOCUMENT_KILOBYTES,
        Phrase("{least} or more", least=_LARGEST_DOCUMENT_KILOBYTES),
        Phrase("What Standard and Premium have anyway."),
    ),
    _Rule(
        Phrase("status"),
        lambda each: each.status,
        lambda found: str(found).endswith(("Active", "ACTIVE")),
        Phrase("Active"),
        Phrase(""),
    ),
)


def judge(properties: QueueProperties) -> Sequence[Finding]:
    """Check the queue against all rules."""
    return [rule.judge(properties) for rule in _RULES]


async def examine(administration: ServiceBusAdministrationClient, place: QueueRef) -> Sequence[Finding]:
    """Read the properties and check them; unknown, all of them, when the identity may not read them.

    Raises:
        QueueUnavailable: the queue does not exist, or cannot be queried.
    """
    try:
        properties = await administration.get_queue(place.queue)
    except ResourceNotFoundError as exc:
        raise QueueUnavailable(
            Phrase("{place} does not exist. {how_to_create}", place=place, how_to_create=how_to_create(place))
        ) from exc
    except ClientAuthenticationError as exc:
        return [_unreadable(Phrase.of(exc.status_code) if exc.status_code else Phrase("the sign-in failed"))]
    except HttpResponseError as exc:
        if exc.status_code in _FORBIDDEN:
            return [_unreadable(Phrase.of(exc.status_code))]
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


def how_to_create(place: QueueRef) -> Phrase:
    """The instructions that create the queue."""
    namespace = place.host.partition(".")[0]
    return Phrase(
        "Create it with deploy/servicebus/azuredeploy.json, or: az servicebus queue create --resource-group GROUP "
        "--namespace-name {namespace} --name {queue} --lock-duration PT1M --max-delivery-count 10 "
        "--duplicate-detection true --duplicate-detection-history-time-window PT10M "
        "--enable-dead-lettering-on-message-expiration true --default-message-time-to-live P14D",
        namespace=namespace,
        queue=place.queue,
    )


def _unreadable(why: Phrase) -> Finding:
    return Finding(
        Phrase("properties"),
        Phrase("may not be read ({why})", why=why),
        Phrase("read with the right Manage, or the role Azure Service Bus Data Owner"),
        State.UNKNOWN,
        Phrase("Sending and receiving need less; check the portal, or run this with another identity."),
    )
