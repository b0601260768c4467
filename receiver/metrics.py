"""The receiver's metrics. Graph does not report that it finds an endpoint slow: the response times must show it."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Graph delays everything after 10 % of responses over 3 s (docs/graph.md, section 3): fine steps well below that.
_ANSWER_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 10.0)


class ReceiverMetrics:
    """The receiver's metrics, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        notifications = Counter(
            "mail_importer_notifications",
            "Items delivered by Graph: genuine ones are queued, forged ones are not; "
            "malformed ones are genuine but lack what their processing needs.",
            ["outcome"],
            registry=registry,
        )
        self.genuine = notifications.labels("genuine")
        self.forged = notifications.labels("forged")
        self.malformed = notifications.labels("malformed")
        self.dropped = Counter(
            "mail_importer_receiver_deliveries_dropped",
            "Deliveries whose first hundred items were all forged: the others were neither read nor counted.",
            registry=registry,
        )
        self.answers = Counter(
            "mail_importer_receiver_answers", "Answers by status code.", ["path", "code"], registry=registry
        )
        self.seconds = Histogram(
            "mail_importer_receiver_answer_seconds",
            "Time from the request's headers to the answer.",
            registry=registry,
            buckets=_ANSWER_SECONDS,
        )
        self.waiting = Gauge(
            "mail_importer_receiver_waiting", "Requests that wait for the queue to take their items.", registry=registry
        )
        self.connections_refused = Counter(
            "mail_importer_receiver_connections_refused",
            "Connections closed at once because too many were open.",
            registry=registry,
        )
        self.connections_dropped = Counter(
            "mail_importer_receiver_connections_dropped",
            "Idle connections closed early, to make room for new ones.",
            registry=registry,
        )
        self.certificate_expires = Gauge(
            "mail_importer_receiver_certificate_expires_timestamp_seconds",
            "When the certificate that the receiver shows ends; 0: it shows none.",
            registry=registry,
        )
