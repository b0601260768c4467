"""The items of change and lifecycle notifications (docs/graph.md, sections 3 and 4)."""

from enum import StrEnum
from random import Random
from typing import Any

from simulator.calls import utc_text, utc_text_7
from simulator.state.mailboxes import Change
from simulator.state.subscriptions import Subscription


class LifecycleEvent(StrEnum):
    """The three lifecycle events."""

    REAUTHORIZATION_REQUIRED = "reauthorizationRequired"
    SUBSCRIPTION_REMOVED = "subscriptionRemoved"
    MISSED = "missed"


def change_item(subscription: Subscription, change: Change, random: Random) -> dict[str, Any]:
    """Return one item of a change notification, `resource` in one of the shapes seen (docs/graph.md, section 3)."""
    message_id = change.immutable_id if subscription.immutable_ids else change.default_id
    resource = _resource(change.mailbox.user_id, change.mailbox.tenant_id, message_id, random)
    return {
        "subscriptionId": subscription.subscription_id,
        "subscriptionExpirationDateTime": utc_text_7(subscription.expires),
        "clientState": subscription.client_state,
        "changeType": str(change.kind),
        "tenantId": change.mailbox.tenant_id,
        "resource": resource,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Message",
            "@odata.id": resource,
            "@odata.etag": f'W/"{change.change_key}"',
            "id": message_id,
        },
    }


def lifecycle_item(subscription: Subscription, event: LifecycleEvent, *, as_in_production: bool) -> dict[str, Any]:
    """Return one item of a lifecycle notification, as documented or as seen in reality (docs/graph.md, section 4)."""
    common = {
        "subscriptionId": subscription.subscription_id,
        "subscriptionExpirationDateTime": utc_text(subscription.expires),
        "clientState": subscription.client_state,
        "lifecycleEvent": str(event),
    }
    tenant = subscription.application.tenant_id
    if not as_in_production:
        return {**common, "tenantId": tenant}
    path = f"Subscriptions/{subscription.subscription_id}"
    data = {"@odata.type": "#microsoft.graph.subscription", "@odata.id": path, "id": subscription.subscription_id}
    nulls = {"changeType": None, "encryptedContent": None, "id": None}
    return {**common, "organizationId": tenant, "resource": path, "resourceData": data, **nulls}


def _resource(user_id: str, tenant_id: str, message_id: str, random: Random) -> str:
    match random.randrange(3):
        case 0:
            return f"Users/{user_id}/Messages/{message_id}"
        case 1:
            return f"users/{user_id}@{tenant_id}/messages/{message_id}"
        case _:
            return f"Users('{user_id}')/messages('{message_id}')"
