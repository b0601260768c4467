"""What the subscription manager counts."""

from prometheus_client import CollectorRegistry, Counter


class ManagerMetrics:
    """The subscription manager's metrics, in the registry they are given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.actions = Counter(
            "mail_importer_subscription_actions",
            "Subscriptions created, renewed, adopted, deleted, and turns that failed.",
            ["action"],
            registry=registry,
        )
