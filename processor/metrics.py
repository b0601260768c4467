"""Metrics of the processor."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bus.notification import Source


class ProcessorMetrics:
    """The processor's metrics, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter(
            "mail_importer_deliveries",
            "Deliveries by outcome: imported, replaced, known, duplicate, seen, gone, lifecycle, retried, waiting, "
            "scanning, deferred, dead_lettered, handed_back.",
            ["outcome"],
            registry=registry,
        )
        self.lifecycle_events = Counter(
            "mail_importer_lifecycle_notifications",
            "Lifecycle notifications: taken, or ignored because done already or of a subscription held no more.",
            ["event", "outcome"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "mail_importer_dead_letters", "Deliveries put aside, by reason.", ["reason"], registry=registry
        )
        self.left_out = Counter(
            "mail_importer_messages_left_out",
            "Messages that the filters of their account left out, by reason; each is in tblEmailSeen.",
            ["reason"],
            registry=registry,
        )
        self.seconds = Histogram(
            "mail_importer_import_seconds",
            "From the notification's arrival at the receiver to the committed row.",
            registry=registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0),
        )
        latency = Histogram(
            "mail_importer_message_latency_seconds",
            "From the time the mailbox received a message to its committed row, by what made it known: graph "
            "(a notification), sweep, catch-up (also of old mail), operator.",
            ["source"],
            registry=registry,
            buckets=(0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
        )
        self.latency = {source: latency.labels(source) for source in Source}
        self.replaced_characters = Counter(
            "mail_importer_replaced_characters",
            "Lone surrogates and NUL in texts of mail, which no database takes: U+FFFD stands in their place.",
            registry=registry,
        )
        self.in_flight = Gauge("mail_importer_deliveries_in_hand", "Deliveries being worked on.", registry=registry)
        self.held_accounts = Gauge(
            "mail_importer_held_accounts", "Accounts whose work waits for an administrator.", registry=registry
        )
        self.held_after_import = Gauge(
            "mail_importer_held_after_import",
            "Accounts whose imported mail cannot be marked, moved or deleted until an administrator acts.",
            registry=registry,
        )
        self.after_import = Counter(
            "mail_importer_after_import",
            "Attempts to mark, move or delete imported mail, by action and by what became of them: done, gone, "
            "retried, failed, waiting.",
            ["action", "outcome"],
            registry=registry,
        )
        self.trace_rows_lost = Counter(
            "mail_importer_trace_rows_lost",
            "Attempts that are missing in the trace because the database was away.",
            registry=registry,
        )
