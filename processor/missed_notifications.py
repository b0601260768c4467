"""Distinguishes missed notifications from late ones.

A sweep finds a message that was not imported, and its notification is overdue. If the sweep's own delivery then imports
it, no notification was processed before: it is noted. Should the notification arrive after all, having come in time and
waited behind others, the note is retracted. A subscription manager judges the remaining notes a minute later.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from bus.notification import Notification, Source
from db.engine import Database
from db.keys import MessageKey
from db.queries import missed
from graph.subscriptions import NOTIFIED_WITHIN


class MissedNotifications:
    """Notes messages that came without a notification."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def imported(self, notification: Notification, message_id: str, received: datetime | None) -> None:
        """Note an import by a delivery; `received`: time at which the message arrived in the mailbox.

        Raises:
            DatabaseUnavailable
        """
        if notification.source is not Source.SWEEP or received is None:
            return
        key = (notification.account_id, message_id)
        await self._database.write(
            lambda connection: missed.note(connection, key, received=received, found=notification.received)
        )

    async def arrived(self, notifications: Mapping[MessageKey, Notification], known: Collection[MessageKey]) -> None:
        """Note received deliveries; their messages are imported already if they are in `known`.

        Raises:
            DatabaseUnavailable
        """
        late = [key for key in known if key in notifications and notifications[key].source is Source.GRAPH]
        if not late:
            return
        suspected = await self._database.read(lambda connection: missed.suspected(connection, late))
        in_time = [
            # In this order: a mail may bear the last moment of the calendar.
            key
            for key, received in suspected.items()
            if notifications[key].received - NOTIFIED_WITHIN <= received
        ]
        if in_time:
            await self._database.write(lambda connection: missed.retract(connection, in_time))
