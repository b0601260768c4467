"""Metrics of the delivery."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class DeliveryMetrics:
    """The metrics of the role `delivery`, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.checked = Counter(
            "mail_importer_rule_checks",
            "Messages checked against the import rules: matched, unmatched, failed.",
            ["outcome"],
            registry=registry,
        )
        self.check_seconds = Histogram(
            "mail_importer_rule_check_seconds",
            "From the import of a message to the result of its check against the import rules.",
            registry=registry,
            buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0),
        )
        self.files = Counter(
            "mail_importer_files",
            "Attempts to save a file into an import folder, by outcome: saved, retried, failed.",
            ["outcome"],
            registry=registry,
        )
        self.bytes = Counter("mail_importer_file_bytes", "Bytes saved into import folders.", registry=registry)
        self.folder_failures = Counter(
            "mail_importer_folder_failures",
            "Times at which nothing could be saved into an import folder, by reason.",
            ["reason"],
            registry=registry,
        )
        self.folders_waiting = Gauge(
            "mail_importer_folders_waiting",
            "Import folders into which nothing can be saved now, and which are tried again later.",
            registry=registry,
        )
        self.folders_hanging = Gauge(
            "mail_importer_folders_hanging",
            "Import folders that do not answer: a thread of this process waits for each.",
            registry=registry,
        )
