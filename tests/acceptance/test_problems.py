"""Problems of whole processes, provoked for real: each is seen within a minute, and cleared within a minute of its end.

tests/integration/test_problems.py has all other causes, and the alerts.
"""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from db.tables import problem
from simulator.control_client import SimulatorControl
from tests.acceptance.conftest import Site, running_site, start_simulator, stop
from tests.databases import Databases
from tests.doubles.broker.process import running_broker
from tests.doubles.outages import FragilePostgreSQL
from tests.fork_server import ForkedProcess, ForkServer
from tests.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.slow
_BOUND_SECONDS = 60.0


class Watched:
    """A site whose simulator can be killed; its settings are those of the roles."""

    def __init__(self, site: Site, simulator: ForkedProcess, port: int, folder: Path) -> None:
        self.site = site
        self.simulator = simulator
        self.port = port
        self.folder = folder

    def kill_simulator(self) -> None:
        self.simulator.kill()
        self.simulator.wait(10)

    def restart_simulator(self) -> None:
        self.simulator, _ = start_simulator(self.site.server, self.folder, port=self.port)

    async def seen(self, *kinds: str) -> dict[str, Any]:
        """Wait until these are the open problems; return the output of `status --json`, which has the same."""

        async def are_these() -> bool:
            found = self.site.rows(select(problem.c.sKind).where(problem.c.dtCleared.is_(None)))
            return sorted(kind for (kind,) in found) == sorted(kinds)

        await until(are_these, f"the problems {kinds}", seconds=_BOUND_SECONDS, pause=0.5)
        shown = self.status()
        assert sorted(each["kind"] for each in shown["problems"]) == sorted(kinds)
        return shown

    def status(self) -> dict[str, Any]:
        """The output of `status --json`."""
        called = self.site.call("status", "--json")
        assert called.returncode == 0, called.stderr
        shown: dict[str, Any] = json.loads(called.stdout)
        return shown


@pytest.fixture
async def watched(tmp_path: Path, set_up_host: Path, fork_server: ForkServer) -> AsyncIterator[Watched]:
    shutil.copytree(set_up_host, tmp_path / "host")
    port = free_port()
    simulator, ready = start_simulator(fork_server, tmp_path / "simulator", port=port)
    control = SimulatorControl(ready["url"], Path(ready["ca_file"]))
    made = Watched(Site(tmp_path / "host", ready, control, fork_server), simulator, port, tmp_path / "simulator")
    async with running_site(made.site):
        yield made
    made.kill_simulator()


async def test_graph_that_is_killed_is_one_problem_until_it_is_back(watched: Watched) -> None:
    """All of it: Graph and the sign-in service are one process here. No account has a problem of its own."""
    site = watched.site
    running = site.start("run", "all")
    await site.subscribed()
    await watched.seen()
    watched.kill_simulator()
    shown = await watched.seen("graph_unreachable")
    assert shown["verdict"] == "down"
    assert "Connection refused" in shown["problems"][0]["text"]
    listed = json.loads(site.call("accounts", "list", "--json").stdout)
    assert [each["problems"] for each in listed] == [[], [], []]
    watched.restart_simulator()
    assert (await watched.seen())["verdict"] == "ok"
    assert stop(running) < 10


@pytest.mark.timeout(300)
async def test_processes_that_are_killed_are_seen_until_others_take_their_place(watched: Watched) -> None:
    site = watched.site
    site.start("run", "receiver")
    first, second = site.start("run", "processor"), site.start("run", "processor")
    manager = site.start("run", "subscriptions")
    await site.subscribed()
    await watched.seen()
    manager.kill()
    shown = await watched.seen("no_manager")
    assert (shown["verdict"], shown["problems"][0]["severity"]) == ("degraded", "error")
    assert [each["alive"] for each in shown["roles"] if each["role"] == "subscriptions"] == [False]
    site.start("run", "subscriptions")
    first.kill()
    shown = await watched.seen("process_lost")
    assert (shown["verdict"], shown["problems"][0]["severity"]) == ("degraded", "warning")
    second.kill()
    assert (await watched.seen("no_processor"))["verdict"] == "down"
    for _ in range(2):
        site.start("run", "processor")
    assert (await watched.seen())["verdict"] == "ok"


async def test_a_queue_and_a_database_that_are_gone(
    watched: Watched, postgresql_databases: Databases, tmp_path: Path
) -> None:
    """Service Bus refuses connections, then the database does; `status` shows each with its real error."""
    site = watched.site
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(running_broker())
        gateway = stack.enter_context(postgresql_databases.migrated(tmp_path))
        fragile = FragilePostgreSQL(gateway)
        stack.callback(fragile.close)
        site.settings = {
            **fragile.through.environment,
            "MAIL_IMPORTER_QUEUE": "servicebus",
            "MAIL_IMPORTER_SERVICEBUS_CONNECTION_STRING": broker.connection_string,
        }
        site.move_to(gateway)
        running = site.start("run", "all")
        await site.subscribed()
        await watched.seen()
        broker.refuse(on=True)
        shown = await watched.seen("queue_unreachable")
        assert (shown["verdict"], shown["queue"]["waiting"]) == ("down", None)
        broker.refuse(on=False)
        assert (await watched.seen())["verdict"] == "ok"
        with fragile.gone():
            shown = watched.status()
            assert (shown["verdict"], [each["kind"] for each in shown["problems"]]) == ("down", ["database_trouble"])
            assert site.call("status", "--check").returncode == 1
        assert (await watched.seen())["verdict"] == "ok"
        assert stop(running) < 10
