"""A process with the roles as a Windows service, and a stand-in of the service control manager (SCM) inside it.

`python -m tests.doubles.service_host ROLE`: names of controls are read from standard input, a line each; what the
service reports, and its events, are JSON lines on standard output. The stand-in calls as Windows does: the service
begins on a thread of its own, controls arrive one after the other, and the dispatcher returns once the service has
reported `STOPPED`.
"""

import json
import os
import sys
import threading
import time
from typing import Any

from console.service.events import Event
from console.service.host import host
from console.service.lifecycle import Ending, ServiceLifecycle
from console.service.protocol import Control, Controlled, State, Status
from console.service.work import end_overdue_start, run_service


class StandInManager:
    """The SCM of one service: `Dispatcher`, `StatusSink` and `EventSink`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def dispatch(self, service: Controlled) -> None:
        threading.Thread(target=service.attach, args=[self], daemon=True).start()
        threading.Thread(target=self._control, args=[service], daemon=True).start()
        self._stopped.wait()

    def report(self, told: Status | Event) -> None:
        if isinstance(told, Event):
            self._print({"event": told.id, "severity": told.severity.name, "text": told.text})
            return
        self._print(
            {
                "state": told.state.name,
                "accepted": int(told.accepted),
                "exit_code": told.exit_code,
                "service_exit_code": told.service_exit_code,
                "checkpoint": told.checkpoint,
                "wait_hint": told.wait_hint,
                "at": time.monotonic(),
            }
        )
        if told.state is State.STOPPED:
            self._stopped.set()

    def _control(self, service: Controlled) -> None:
        for line in sys.stdin:
            code = Control[line.strip()] if line.strip() in Control.__members__ else int(line)
            self._print({"answer": service.control(code)})

    def _print(self, facts: dict[str, Any]) -> None:
        with self._lock:
            sys.stdout.write(json.dumps(facts) + "\n")
            sys.stdout.flush()


def main() -> int:
    role = sys.argv[1]
    manager = StandInManager()
    lifecycle = ServiceLifecycle(on_start_overdue=lambda: end_overdue_start(lifecycle))

    def work(running: ServiceLifecycle) -> Ending:
        return run_service(role, running, manager)

    return host(manager, work, lifecycle)


if __name__ == "__main__":
    _status = main()
    os._exit(_status)
