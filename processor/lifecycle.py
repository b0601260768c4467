"""Lifecycle notifications (docs/graph.md, section 4): noted for a subscription manager, which does what they request.

A manager polls every second; here only the note is made, in one transaction, so that a repeat does no harm.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from bus.notification import Notification
from db.engine import Database
from db.queries import accounts, folders, subscriptions
from phrases import Phrase
from processor.errors import Unprocessable

_QUIET: Final = timedelta(minutes=10)
"""Time after a renewal in which Graph must not be requested to reauthorize as well."""


class LifecycleEvent(StrEnum):
    """The events that Graph sends."""

    REAUTHORIZATION_REQUIRED = "reauthorizationRequired"
    SUBSCRIPTION_REMOVED = "subscriptionRemoved"
    MISSED = "missed"


def lifecycle_event_of(notification: Notification) -> LifecycleEvent:
    """The event of a lifecycle notification.

    Raises:
        Unprocessable: this program does not support it.
    """
    try:
        return LifecycleEvent(notification.lifecycle_event or "")
    except ValueError:
        raise Unprocessable(
            "UnknownLifecycleEvent",
            Phrase(
                "Lifecycle event {lifecycle_event!r} is unknown to this version. Replay it with a version that "
                "supports it; the sweeps import whatever is missing meanwhile.",
                lifecycle_event=notification.lifecycle_event,
            ),
        ) from None


class LifecycleHandler:
    """Handles lifecycle notifications of accounts that are in use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def handle(self, event: LifecycleEvent, notification: Notification) -> bool:
        """Note the request; return False when nothing is due: it is done already, or of a subscription held no more.

        Raises:
            DatabaseUnavailable: nothing was noted.
        """
        return await self._database.write(lambda connection: _note(connection, event, notification))


def _note(connection: Connection, event: LifecycleEvent, notification: Notification) -> bool:
    account_id, subscription_id, received = (
        notification.account_id,
        notification.subscription_id,
        notification.received,
    )
    match event:
        case LifecycleEvent.REAUTHORIZATION_REQUIRED:
            return subscriptions.ask_to_reauthorize(
                connection, account_id, subscription_id, received=received, quiet=_QUIET
            )
        case LifecycleEvent.SUBSCRIPTION_REMOVED:
            return subscriptions.lose(connection, account_id, subscription_id, now=received)
        case LifecycleEvent.MISSED:
            if accounts.is_removed(connection, account_id):
                return False
            # For any subscription: messages that it did not deliver are missing.
            folders.note_gap(connection, account_id, now=received)
            return True
