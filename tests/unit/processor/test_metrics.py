"""Metrics of deliveries."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from bus.notification import Notification, Source
from bus.queue import Delivery, MessageId
from db.outcomes import Outcome
from processor.importer import ImportResult
from processor.metrics import ProcessorMetrics
from processor.settlement import Complete, DeliveryMetrics, InFlight
from tests.doubles.clock import SettableClock


@pytest.mark.parametrize(
    ("source", "age", "latency"), [(Source.GRAPH, 40, 40.0), (Source.SWEEP, 1000, 1000.0), (Source.GRAPH, -2, 0.0)]
)
def test_latency_counts_from_the_mailbox_by_source(source: Source, age: int, latency: float) -> None:
    """A clock that is behind Exchange's shows no time before the message came."""
    registry, clock = CollectorRegistry(), SettableClock()
    now = clock()
    work = InFlight(Delivery(MessageId("m"), "", 1, now, 1, now, None), now)
    work.notification = Notification(
        1, "s", "created", "m", None, now - timedelta(seconds=5), "correlation", source=source
    )
    result = ImportResult(Outcome.IMPORTED, received=now - timedelta(seconds=age))
    DeliveryMetrics(ProcessorMetrics(registry), clock=clock).settled(work, Complete(Outcome.IMPORTED, result))
    name = "mail_importer_message_latency_seconds"
    assert registry.get_sample_value(f"{name}_sum", {"source": source}) == latency
    assert registry.get_sample_value(f"{name}_count", {"source": source}) == 1
    assert registry.get_sample_value("mail_importer_import_seconds_sum") == 5
