"""The store of subscriptions: their facts, the changes that they match, their lifetimes (docs/graph.md, section 1)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from simulator.calls import GraphError, utc_text
from simulator.state.mailboxes import Change, ChangeKind, Folder, Mailbox
from simulator.state.tenants import Application

_FOLDER_RESOURCE = re.compile(
    r"/?users(?:/|\(')(?P<user>[^/']+)(?:'\))?(?:/mailFolders(?:/|\(')(?P<folder>[^/']+)(?:'\))?)?/messages/?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SubscriptionRules:
    """Times and quotas of docs/graph.md, section 1; `refuse_duplicates` off is the uneven enforcement users report."""

    longest_minutes: int = 10_070
    shortest_minutes: int = 45
    longest_client_state: int = 128
    per_mailbox: int = 1_000
    refuse_duplicates: bool = True
    validation_timeout_secs: float = 10.0
    list_page: int = 100


@dataclass(eq=False)
class Subscription:
    """One subscription; `immutable_ids` is the id format its notifications carry, fixed when it was made."""

    subscription_id: str
    application: Application
    mailbox: Mailbox
    folder: Folder | None
    change_types: frozenset[ChangeKind]
    change_type: str
    resource: str
    notification_url: str
    lifecycle_notification_url: str | None
    client_state: str | None
    expires: datetime
    immutable_ids: bool
    latest_supported_tls_version: str = "v1_2"

    def matches(self, change: Change) -> bool:
        """Check whether the change raises a notification; subfolders are not included (docs/graph.md, section 1)."""
        return change.kind in self.change_types and (self.folder is None or self.folder is change.folder)

    def as_json(self, *, with_client_state: bool) -> dict[str, Any]:
        """Return the subscription as Graph gives it; a list leaves `clientState` null."""
        return {
            "id": self.subscription_id,
            "resource": self.resource,
            "applicationId": self.application.client_id,
            "changeType": self.change_type,
            "clientState": self.client_state if with_client_state else None,
            "notificationUrl": self.notification_url,
            "notificationQueryOptions": None,
            "lifecycleNotificationUrl": self.lifecycle_notification_url,
            "expirationDateTime": utc_text(self.expires)[:-1] + f".{self.expires.microsecond:06}Z",
            "creatorId": self.application.service_principal_id,
            "includeResourceData": None,
            "latestSupportedTlsVersion": self.latest_supported_tls_version,
            "encryptionCertificate": None,
            "encryptionCertificateId": None,
            "notificationUrlAppId": None,
        }


def parse_resource(resource: str) -> tuple[str, str | None]:
    """Return user and folder (`None`: the whole mailbox) of a resource path.

    Raises:
        GraphError: 400; filters and resource data are not simulated.
    """
    found = _FOLDER_RESOURCE.fullmatch(resource)
    if found is None:
        raise GraphError(400, "InvalidRequest", f"Invalid 'resource' attribute: '{resource}'.")
    return found["user"], found["folder"]


class Subscriptions:
    """The living subscriptions. An expired one vanishes the moment its time has come."""

    def __init__(self, rules: SubscriptionRules, clock: Callable[[], datetime]) -> None:
        self.rules = rules
        self._clock = clock
        self._by_id: dict[str, Subscription] = {}
        self._by_mailbox: dict[str, dict[str, Subscription]] = {}

    def add(self, subscription: Subscription) -> None:
        """Add a subscription.

        Raises:
            GraphError: 409 `ObjectIdentifierInUse` for a duplicate, 403 over the mailbox's quota.
        """
        self.check_addable(subscription)
        self._by_id[subscription.subscription_id] = subscription
        of_mailbox = self._by_mailbox.setdefault(subscription.mailbox.user_id, {})
        of_mailbox[subscription.subscription_id] = subscription

    def check_addable(self, subscription: Subscription) -> None:
        """Raise as `add` would."""
        siblings = list(self._of_mailbox(subscription.mailbox))
        if self.rules.refuse_duplicates:
            for other in siblings:
                if _same_request(other, subscription):
                    text = f"Subscription Id {other.subscription_id} already exists for the requested combination"
                    raise GraphError(409, "ObjectIdentifierInUse", text)
        if len(siblings) >= self.rules.per_mailbox:
            text = (
                "Operation: Create; Exception: [Status Code: Forbidden; Reason: Resource has reached its limit of "
                f"{self.rules.per_mailbox} subscriptions]"
            )
            raise GraphError(403, "ExtensionError", text)

    def get(self, application: Application, subscription_id: str) -> Subscription:
        """Return a living subscription of that application.

        Raises:
            GraphError: 404 `ResourceNotFound`.
        """
        subscription = self.find(subscription_id)
        if subscription is None or subscription.application is not application:
            raise GraphError(404, "ResourceNotFound", "The object was not found.")
        return subscription

    def find(self, subscription_id: str) -> Subscription | None:
        """Return a living subscription by id."""
        subscription = self._by_id.get(subscription_id.lower())
        if subscription is not None and subscription.expires <= self._clock():
            self.remove(subscription)
            return None
        return subscription

    def all(self, application: Application | None = None) -> list[Subscription]:
        """Return the living subscriptions, of all applications or of one."""
        living = [s for s in map(self.find, list(self._by_id)) if s is not None]
        return [s for s in living if application is None or s.application is application]

    def remove(self, subscription: Subscription) -> None:
        """Remove a subscription; a repeat does nothing."""
        self._by_id.pop(subscription.subscription_id, None)
        self._by_mailbox.get(subscription.mailbox.user_id, {}).pop(subscription.subscription_id, None)

    def matching(self, change: Change) -> list[Subscription]:
        """Return the living subscriptions the change concerns."""
        of_mailbox = self._by_mailbox.get(change.mailbox.user_id)
        if not of_mailbox:
            return []
        now = self._clock()
        return [s for s in of_mailbox.values() if s.expires > now and s.matches(change)]

    def expiry(self, asked: object) -> datetime:
        """Return the expiry granted for the `expirationDateTime` requested.

        Under 45 minutes is raised to 45; over the ceiling is refused (docs/graph.md, section 1).

        Raises:
            GraphError: 400.
        """
        try:
            moment = datetime.fromisoformat(asked) if isinstance(asked, str) else None
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise GraphError(400, "InvalidRequest", "Invalid 'expirationDateTime' attribute.")
        now = self._clock()
        if moment > now + timedelta(minutes=self.rules.longest_minutes):
            text = f"Subscription expiration can only be {self.rules.longest_minutes} minutes in the future."
            raise GraphError(400, "ExtensionError", text)
        return max(moment, now + timedelta(minutes=self.rules.shortest_minutes))

    def _of_mailbox(self, mailbox: Mailbox) -> Iterator[Subscription]:
        for subscription_id in list(self._by_mailbox.get(mailbox.user_id, {})):
            subscription = self.find(subscription_id)
            if subscription is not None:
                yield subscription


def _same_request(one: Subscription, other: Subscription) -> bool:
    return (
        one.application is other.application
        and one.change_types == other.change_types
        and one.mailbox is other.mailbox
        and one.folder is other.folder
    )
