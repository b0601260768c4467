"""Metrics of the subscription manager."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class ManagerMetrics:
    """The subscription manager's metrics, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.actions = Counter(
            "mail_importer_subscription_actions",
            "Subscriptions created, renewed, adopted, deleted.",
            ["action"],
            registry=registry,
        )
        self.failures = Counter(
            "mail_importer_account_turns_failed",
            "Turns of accounts that failed, by duty: subscriptions or sweep.",
            ["duty"],
            registry=registry,
        )
        self.sweeps = Counter(
            "mail_importer_sweeps",
            "Looks into a folder that came to their end, of all of it or of what is new.",
            ["kind"],
            registry=registry,
        )
        self.found = Counter(
            "mail_importer_sweep_messages",
            "Messages that a sweep queued because the database lacked them.",
            registry=registry,
        )
        self.resets = Counter(
            "mail_importer_delta_links_lost",
            "Delta links that Graph no longer took, so that the whole folder was gone through.",
            registry=registry,
        )
        self.missed = Counter(
            "mail_importer_notifications_missed",
            "Messages of which Graph did not notify within three minutes.",
            registry=registry,
        )
        self.certificate_expires = Gauge(
            "mail_importer_certificate_expires_timestamp_seconds",
            "When a certificate that an account signs in with ends.",
            ["thumbprint"],
            registry=registry,
        )
