"""Errors of the SDK, explained to an operator.

The conditions are those of the SDK's own list (`azure.servicebus.exceptions`); it has retried by itself before
(docs/servicebus.md, section 7).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.servicebus import exceptions as sdk

from bus.errors import LockLost, QueueError, QueueUnavailable
from phrases import Phrase

T = TypeVar("T")

_BUSY_SECONDS: Final = 10.0
"""Wait that Service Bus requests of throttled clients."""
_FOR_A_PERSON_SECONDS: Final = 30.0
"""For errors that an operator must correct."""

FROM_THE_SDK: Final = (AzureError, ValueError, OSError, TimeoutError, asyncio.InvalidStateError)
"""All errors of the SDK: its own, `ValueError` of a closed or settled object, and those of a socket."""

LOST_LOCK: Final = Phrase("The lock of the delivery expired; the message may be another consumer's by now.")


class QueueRef:
    """The name of a queue, for the texts."""

    def __init__(self, host: str, queue: str) -> None:
        self.host = host
        self.queue = queue

    def __str__(self) -> str:
        return Phrase("Service Bus queue {queue!r} at {host}", queue=self.queue, host=self.host)


_LOST: Final = (sdk.MessageLockLostError, sdk.MessageAlreadySettled, sdk.MessageNotFoundError)

_EXPLAINED: Final[tuple[tuple[tuple[type[BaseException], ...], Callable[[QueueRef], Phrase], float | None], ...]] = (
    (
        (sdk.ServiceBusServerBusyError,),
        lambda place: Phrase("{place} is throttled: it demands a pause.", place=place),
        _BUSY_SECONDS,
    ),
    (
        (sdk.MessagingEntityNotFoundError,),
        lambda place: Phrase(
            "{place} does not exist. Create it (mail-importer queue check shows how), or correct servicebus_queue.",
            place=place,
        ),
        _FOR_A_PERSON_SECONDS,
    ),
    (
        (sdk.MessagingEntityDisabledError,),
        lambda place: Phrase("{place} is disabled. Enable it in the portal.", place=place),
        _FOR_A_PERSON_SECONDS,
    ),
    (
        (sdk.ServiceBusQuotaExceededError,),
        lambda place: Phrase(
            "{place} is full, or has too many connections. Let the processors empty it, purge dead letters, or give "
            "it a larger size.",
            place=place,
        ),
        _FOR_A_PERSON_SECONDS,
    ),
    (
        (sdk.ServiceBusAuthenticationError, sdk.ServiceBusAuthorizationError),
        lambda place: Phrase(
            "{place} refuses the sign-in. Check the connection string, or that the application has the roles Azure "
            "Service Bus Data Sender (every role) and Data Receiver (processor, subscription manager).",
            place=place,
        ),
        _FOR_A_PERSON_SECONDS,
    ),
    (
        (sdk.MessageSizeExceededError,),
        lambda place: Phrase("{place} accepts no message as large as this one.", place=place),
        None,
    ),
    (
        (sdk.OperationTimeoutError, TimeoutError),
        lambda place: Phrase("{place} did not answer in time.", place=place),
        None,
    ),
    (
        (sdk.ServiceBusConnectionError, sdk.ServiceBusCommunicationError, OSError),
        lambda place: Phrase(
            "{place} cannot be reached. Check network, DNS, and that outgoing port 5671 is open (or set "
            "servicebus_transport to websockets, which uses 443).",
            place=place,
        ),
        None,
    ),
)
"""Error types, their text, and the seconds to wait, requested or sensible. The first match applies."""


def explain(error: BaseException, place: QueueRef) -> QueueError:
    """Return the error as a `QueueError`, with advice."""
    if isinstance(error, QueueError):
        return error
    if isinstance(error, _LOST):
        return LockLost(LOST_LOCK)
    refused = _refusal(error)
    if refused is not None:
        return QueueUnavailable(
            Phrase("{place} cannot be signed in to. {refused}", place=place, refused=refused),
            retry_after=_FOR_A_PERSON_SECONDS,
        )
    for types, explained, seconds in _EXPLAINED:
        if isinstance(error, types):
            return QueueUnavailable(explained(place), retry_after=seconds)
    # Its text may quote the offending data; its type is enough to search for.
    return QueueUnavailable(Phrase("{place} failed ({name}).", place=place, name=type(error).__name__))


def _refusal(error: BaseException | None) -> ClientAuthenticationError | None:
    """The error of the certificate sign-in, however deep the SDK wrapped it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ClientAuthenticationError):
            return error
        seen.add(id(error))
        error = getattr(error, "inner_exception", None) or error.__cause__ or error.__context__
    return None


async def translated(call: Awaitable[T], place: QueueRef) -> T:
    """The result of the SDK's call.

    Raises:
        LockLost, QueueUnavailable
    """
    try:
        return await call
    except FROM_THE_SDK as exc:
        raise explain(exc, place) from exc
