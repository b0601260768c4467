"""Subscriptions to change notifications. (Signatures; the body follows.)"""

from dataclasses import dataclass
from datetime import datetime

from graph.client import GraphClient
from graph.mailbox import Mailbox


@dataclass(frozen=True, slots=True)
class GraphSubscription:
    """A subscription as Graph has it. `clientState` is never returned by a list."""

    id: str
    resource: str
    change_type: str
    notification_url: str
    lifecycle_url: str | None
    expires: datetime
    application_id: str | None = None


def mail_resource(user_id: str, folder: str = "inbox") -> str:
    """`users/{id}/mailFolders('inbox')/messages` for a well-known name, `…/mailFolders/{id}/messages` for an id."""
    raise NotImplementedError


class SubscriptionClient:
    """Creates, lists, renews and deletes the subscriptions of the mailbox's application."""

    def __init__(self, client: GraphClient) -> None:
        raise NotImplementedError

    async def create(
        self,
        mailbox: Mailbox,
        *,
        resource: str,
        notification_url: str,
        lifecycle_url: str,
        client_state: str,
        expires: datetime,
        change_type: str = "created",
    ) -> GraphSubscription:
        """Raises EndpointNotValidated, ExpirationTooFar, SubscriptionExists, and what `request` does."""
        raise NotImplementedError

    async def list(self, mailbox: Mailbox) -> list[GraphSubscription]:
        """All of that application in the tenant."""
        raise NotImplementedError

    async def get(self, mailbox: Mailbox, subscription_id: str) -> GraphSubscription:
        """Raises SubscriptionGone."""
        raise NotImplementedError

    async def renew(self, mailbox: Mailbox, subscription_id: str, expires: datetime) -> datetime:
        """The expiry Graph granted, which may be another. Raises SubscriptionGone, ExpirationTooFar."""
        raise NotImplementedError

    async def delete(self, mailbox: Mailbox, subscription_id: str) -> None:
        """Safe to repeat: one already gone is done."""
        raise NotImplementedError
