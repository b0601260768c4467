"""docs/metrics.md names every metric, with its type and labels, and no other."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from background.pulse import Pulse
from console.process_metrics import add_process_metrics
from console.settings import Settings
from console.supervision.messages import Assignment
from console.supervision.metrics import WorkerMetrics
from console.supervision.supervisor import Supervisor
from console.web.metrics import ConsoleMetrics
from db.engine import Database, make_engine
from db.heartbeat import Heartbeat
from db.queries.processes import Process
from delivery.metrics import DeliveryMetrics
from graph.metrics import GraphMetrics
from graph.slots import LocalSlots
from monitoring.metrics import InstallationMetrics
from processor.metrics import ProcessorMetrics
from receiver.metrics import ReceiverMetrics
from subscriptions.metrics import ManagerMetrics

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2027, 3, 8, 9, 0, tzinfo=UTC)


async def every_metric() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Type and labels of each metric that any process can serve, by its name in a query."""
    registry = CollectorRegistry()
    database = Database(make_engine("sqlite://"))
    process = Process("one", "host", ("processor",), "0", NOW)
    add_process_metrics(
        registry,
        version="0",
        roles=["processor"],
        pulse=Pulse(),
        database=database,
        heartbeat=Heartbeat(database, process, clock=lambda: NOW),
    )
    await database.close()
    ReceiverMetrics(registry)
    ProcessorMetrics(registry)
    ManagerMetrics(registry)
    DeliveryMetrics(registry)
    ConsoleMetrics(registry)
    GraphMetrics(registry, LocalSlots())
    InstallationMetrics(registry, clock=lambda: NOW)
    assigned = Assignment(1, Settings(), ("processor",), "en")
    of_supervisor = CollectorRegistry()
    of_supervisor.register(WorkerMetrics(Supervisor(2, lambda _number, _pid: assigned, lambda _line: None)))
    found = {}
    for collector in (*registry._collector_to_names, *of_supervisor._collector_to_names):
        families: list[Any] = list(collector.describe()) if hasattr(collector, "describe") else []
        for family in families:
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels: tuple[str, ...] = tuple(getattr(family, "_labelnames", getattr(collector, "_labelnames", ())))
            if name.startswith("mail_importer_"):
                found[name] = (family.type, labels)
    return found


def _documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(mail_importer_\w+)` \| (\w+) \|(.*?)\| .+ \|$", text, re.MULTILINE)
    return {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


async def test_every_metric_is_documented() -> None:
    """And each in the document exists."""
    assert _documented() == await every_metric()


async def test_metrics_have_names_as_prometheus_advises() -> None:
    """Base units; a counter ends in `_total`, and nothing else does."""
    for name, (kind, _) in (await every_metric()).items():
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search("_(milliseconds|minutes|hours|ms|kb|mb)(_|$)", name), name
