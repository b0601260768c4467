"""The service control manager as a test sees it: of a process (`HostedService`), and of a host (`StandInServices`)."""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from console.service.faults import explained
from console.service.protocol import ERROR_SERVICE_NEVER_STARTED, Definition, ServiceFacts, State
from tests.fork_server import ForkServer

_PENDING: Final = {"START_PENDING", "STOP_PENDING"}
_NEXT: Final = {
    "START_PENDING": {"START_PENDING", "RUNNING", "STOP_PENDING", "STOPPED"},
    "RUNNING": {"RUNNING", "STOP_PENDING", "STOPPED"},
    "STOP_PENDING": {"STOP_PENDING", "STOPPED"},
    "STOPPED": set[str](),
}
_SECONDS: Final = 40.0


class HostedService:
    """A service process of `tests.doubles.service_host`, and all that it reported."""

    def __init__(self, server: ForkServer, role: str, environment: Mapping[str, str], folder: Path) -> None:
        inward, self._stdin = os.pipe()
        self._stdout, outward = os.pipe()
        self.process = server.start(
            "-m", "tests.doubles.service_host", role,
            env=environment, cwd=folder, stdin=inward, stdout=outward, stderr=outward,
        )  # fmt: skip
        os.close(inward)
        os.close(outward)
        self.reports: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.other: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with os.fdopen(self._stdout, encoding="utf-8") as lines:
            for line in lines:
                with self._changed:
                    self._sort(line)
                    self._changed.notify_all()

    def _sort(self, line: str) -> None:
        try:
            facts = json.loads(line)
        except ValueError:
            self.other.append(line)
            return
        if "state" in facts:
            self.reports.append(facts)
        elif "answer" in facts:
            self.answers.append(facts["answer"])
        else:
            self.events.append(facts)

    def control(self, *controls: str) -> None:
        """Send controls, one after the other."""
        os.write(self._stdin, "".join(f"{each}\n" for each in controls).encode())

    def wait_for(self, state: str, seconds: float = _SECONDS) -> dict[str, Any]:
        """The report of this state."""
        with self._changed:
            there = self._changed.wait_for(lambda: any(each["state"] == state for each in self.reports), seconds)
        assert there, f"no {state}: {self.reports[-1:]} {self.events} {self.other}"
        return next(each for each in self.reports if each["state"] == state)

    def end(self) -> dict[str, Any]:
        """Wait for the end of the process; the last report, after the protocol was checked."""
        self.wait_for("STOPPED")
        self.process.wait(20)
        os.close(self._stdin)
        self._reader.join(10)
        assert not self.other, self.other
        self._check()
        return self.reports[-1]

    def event(self, number: int) -> str:
        """The text of the one event with this id."""
        [found] = [each["text"] for each in self.events if each["event"] == number]
        return str(found)

    def _check(self) -> None:
        """What Windows requires of the reports; a service that breaks it is taken for one that hangs."""
        assert self.reports[0]["state"] == "START_PENDING"
        for before, after in zip(self.reports, self.reports[1:], strict=False):
            assert after["state"] in _NEXT[before["state"]], (before, after)
            if before["state"] in _PENDING:
                assert (after["at"] - before["at"]) * 1000 < before["wait_hint"], "the wait hint was exceeded"
            if before["state"] in _PENDING and after["state"] == before["state"]:
                assert after["checkpoint"] > before["checkpoint"]
        for each in self.reports:
            assert bool(each["accepted"]) == (each["state"] == "RUNNING")
            assert (each["wait_hint"] > 0) == (each["checkpoint"] > 0) == (each["state"] in _PENDING)
        assert [each["state"] for each in self.reports].count("STOPPED") == 1


class StandInServices:
    """The services of a host, as `ServiceManager`: with the errors of Windows, and without a process.

    `outcome`: the state and the exit codes that a start leads to, after one look at it.
    """

    def __init__(self, *, administrator: bool = True) -> None:
        self.installed: dict[str, Definition] = {}
        self.passwords: dict[str, str | None] = {}
        self.sources: set[str] = set()
        self.logons: list[str] = []
        self.outcome: tuple[State, int, int] = (State.RUNNING, 0, 0)
        self.refusals: dict[str, int] = {}
        """The error of Windows by the name of a call."""
        self._administrator = administrator
        self._states: dict[str, tuple[State, int, int]] = {}

    def is_administrator(self) -> bool:
        return self._administrator

    def create(self, definition: Definition, password: str | None) -> Sequence[str]:
        self._refuse("create", definition.key)
        if definition.key in self.installed:
            raise explained(1073, definition.key, "exists")
        self.installed[definition.key] = definition
        self.passwords[definition.key] = password
        self._states[definition.key] = (State.STOPPED, ERROR_SERVICE_NEVER_STARTED, 0)
        return []

    def allow_logon(self, account: str) -> None:
        self._refuse("allow_logon", account)
        self.logons.append(account)

    def start(self, key: str) -> None:
        self._require(key)
        self._refuse("start", key)
        if self._states[key][0] is not State.STOPPED:
            raise explained(1056, key, "running")
        self._states[key] = (State.START_PENDING, 0, 0)

    def stop(self, key: str) -> None:
        self._require(key)
        self._refuse("stop", key)
        if self._states[key][0] is not State.RUNNING:
            raise explained(1062, key, "not active")
        self._states[key] = (State.STOP_PENDING, 0, 0)

    def delete(self, key: str) -> None:
        self._require(key)
        self._refuse("delete", key)
        del self.installed[key]

    def query(self, key: str) -> ServiceFacts | None:
        self._refuse("query", key)
        definition = self.installed.get(key)
        if definition is None:
            return None
        state, exit_code, specific = self._states[key]
        if state is State.START_PENDING:
            self._states[key] = self.outcome
        elif state is State.STOP_PENDING:
            self._states[key] = (State.STOPPED, 0, 0)
        pid = None if state is State.STOPPED else 4711
        return ServiceFacts(key, state, definition.account, "delayed", pid, exit_code, specific)

    def register_events(self, source: str) -> None:
        self._refuse("register_events", source)
        self.sources.add(source)

    def unregister_events(self, source: str) -> None:
        self.sources.discard(source)

    def _require(self, key: str) -> None:
        if key not in self.installed:
            raise explained(1060, key, "does not exist")

    def _refuse(self, call: str, key: str) -> None:
        if call in self.refusals:
            raise explained(self.refusals[call], key, "refused")
