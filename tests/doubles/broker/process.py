"""The broker for tests: a process of its own, and its controls."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.paths import ROOT


class BrokerProcess:
    """A running broker."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.port: int = ready["port"]
        self.connection_string: str = ready["connection_string"]
        self._control: str = ready["control"]
        self.ahead = 0.0
        """Seconds that its queues are ahead of the clock."""

    def reset(self) -> None:
        """Empty its queues, end its faults."""
        self._post("reset", {})
        self.ahead = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass for its queues."""
        self._post("advance", {"seconds": seconds})
        self.ahead += seconds

    def fault(self, kind: str, where: str, **options: float) -> None:
        """Inject a fault; see `tests.doubles.broker.faults.Fault`."""
        self._post("fault", {"kind": kind, "where": where, **options})

    def clear_faults(self) -> None:
        """End all faults."""
        self._post("clear", {})

    def drop(self) -> None:
        """Break every connection."""
        self._post("drop", {})

    def refuse(self, *, on: bool) -> None:
        """Accept no connections, and break the existing ones."""
        self._post("refuse", {"on": on})

    def state(self) -> dict[str, Any]:
        """Contents of its queues."""
        with urllib.request.urlopen(f"{self._control}/state", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _post(self, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(f"{self._control}/{path}", json.dumps(body).encode(), method="POST")
        urllib.request.urlopen(request, timeout=10).close()


@contextmanager
def running_broker(*options: str) -> Iterator[BrokerProcess]:
    """A broker for the lifetime of the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.doubles.broker", *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield BrokerProcess(json.loads(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
