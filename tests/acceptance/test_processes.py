"""Several processes of a host under one supervisor (`--processes`), as an operator runs them."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import func, select

from db.tables import message
from db.tables import problem as found_problem
from simulator.faults import Fault, FaultKind
from tests.acceptance.conftest import Site, stop
from tests.fork_server import ForkedProcess
from tests.ports import free_port
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]  # each starts several processes


class Host:
    """A site whose roles run in two processes, with one metrics page."""

    def __init__(self, site: Site, role: str, **environment: str) -> None:
        self.site = site
        self.metrics_port = free_port()
        self.running: ForkedProcess = site.start(
            *("run", role, "--processes", "2"), MAIL_IMPORTER_METRICS_PORT=str(self.metrics_port), **environment
        )
        self._log = site.directory / f"run-{role}---processes-2-{len(site.processes) - 1}.log"

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]

    def workers(self) -> dict[int, int]:
        """The process of each worker that served last, by its number."""
        return {line["worker"]: line["process"] for line in self.log if line["event"] == "worker_started"}

    async def is_ready(self) -> bool:
        try:
            return (await self.site.get("/health/ready", self.metrics_port))[0] == 200
        except aiohttp.ClientError:
            return False

    async def ready(self) -> None:
        await until(self.is_ready, "both workers are ready", seconds=120)

    async def metric(self, name: str) -> float:
        """The sum of a metric's series."""
        page = (await self.site.get("/metrics", self.metrics_port))[1]
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (.+)$", page, re.MULTILINE))


def _is_gone(pid: int) -> bool:
    """True of a process that has ended, also where its parent does not ask for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.representative
async def test_a_killed_process_is_restarted_and_nothing_is_lost(site: Site) -> None:
    """Under load; all stop within the time of one process, with exit status 0."""
    host = Host(site, "all")
    await host.ready()
    await site.subscribed()
    await site.control.add_fault(Fault(FaultKind.LATENCY, seconds=0.1))
    for number in (2, 1):
        # Of its own for each: until one process serves again, the other one may import all there is.
        await site.control.start_traffic(75, per_second=50)
        await site.keeps_importing()
        killed = host.workers()[number]
        os.kill(killed, signal.SIGKILL)

        async def is_restarted(number: int = number, killed: int = killed) -> bool:
            return host.workers()[number] != killed and await host.is_ready()

        await until(is_restarted, f"worker {number} serves again", seconds=120)
    await site.imported_once(150)
    assert await host.metric("mail_importer_worker_restarts_total") == 2
    workers = host.workers().values()
    assert stop(host.running) < 10
    assert all(_is_gone(pid) for pid in workers)
    events = [line["event"] for line in host.log]
    assert events.count("worker_ended") == 2
    assert events[-1] == "roles_stopped"


async def test_a_process_that_cannot_be_restarted_for_a_setting_ends_no_other(site: Site) -> None:
    """Files that settings name are read at each start. It is shown, and started once the file is right again."""
    targets = site.directory / "targets"
    targets.write_text("json://127.0.0.1:9/\n", "utf-8")
    targets.chmod(0o600)
    host = Host(site, "all", MAIL_IMPORTER_ALERTS=str(targets))
    await host.ready()
    targets.chmod(0o644)
    os.kill(host.workers()[2], signal.SIGKILL)

    def shown() -> list[str]:
        row = found_problem.c
        query = select(row.sText).where(row.sKind == "worker_not_started", row.nClosed == 0)
        return [text for (text,) in site.rows(query)]

    await until(shown, "the problem", seconds=120)
    [text] = shown()
    assert "alerts: the file" in text
    assert await host.metric("mail_importer_workers") == 2
    assert {line["worker"] for line in host.log if line["event"] == "worker_not_started"} == {2}
    assert not await host.is_ready()
    targets.chmod(0o600)
    await host.ready()
    await until(lambda: not shown(), "the end of the problem", seconds=60)
    assert stop(host.running) < 10


async def test_both_receive_on_one_port_and_one_page_has_the_sums(site: Site) -> None:
    """Each notification is counted once on the page, whichever process received it and whichever imported it."""
    host = Host(site, "all")
    await host.ready()
    await site.subscribed()
    await site.control.add_fault(Fault(FaultKind.LATENCY, seconds=0.2))  # work for both
    await site.control.start_traffic(60)
    await site.imported_once(60)
    async with (
        aiohttp.TCPConnector(force_close=True) as connector,
        aiohttp.ClientSession(connector=connector) as session,
    ):

        async def both_answer() -> bool:
            url = f"http://127.0.0.1:{site.port}/notifications?validationToken=a"
            await asyncio.gather(*(session.get(url) for _ in range(20)))
            return {line["worker"] for line in host.log if line["event"] == "endpoint_validated"} == {1, 2}

        await until(both_answer, "both processes answer")
    assert await host.metric("mail_importer_notifications_total") == 60
    assert await host.metric("mail_importer_import_seconds_count") == 60
    assert site.rows(select(func.count()).select_from(message)) == [(60,)]


async def test_processes_end_with_their_supervisor(site: Site) -> None:
    """Also when it is killed: no process is left that nothing supervises."""
    host = Host(site, "processor")
    await host.ready()
    workers = list(host.workers().values())
    assert len(workers) == 2
    host.running.kill()
    host.running.wait()

    async def all_gone() -> bool:
        return all(_is_gone(pid) for pid in workers)

    await until(all_gone, "the workers end", seconds=15)


def test_a_start_that_cannot_succeed_ends_with_the_reason(site: Site) -> None:
    """As of one process, and at once: nothing is tried again."""
    for problem, role, settings in (
        ("ca_bundle", "processor", {"MAIL_IMPORTER_CA_BUNDLE": "/nowhere.pem"}),
        (
            "receiver_tls_cert",
            "receiver",
            {"MAIL_IMPORTER_RECEIVER_TLS_CERT": "/no.pem", "MAIL_IMPORTER_RECEIVER_TLS_KEY": "/no"},
        ),
    ):
        alone = site.call("run", role, **settings)
        refused = site.call("run", role, "--processes", "2", **settings)
        assert refused.returncode == alone.returncode
        assert refused.stderr == alone.stderr
        assert problem in refused.stderr


def test_a_taken_port_is_reported_in_a_sentence(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = site.call("run", "receiver", "--processes", "2", MAIL_IMPORTER_RECEIVER_PORT=port)
    assert refused.returncode == 1
    reason = f"Address already in use (127.0.0.1:{port})."
    assert f"The receiver cannot listen on 127.0.0.1:{port}: {reason}" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


async def test_systemd_learns_of_all_together(site: Site, systemd: socket.socket) -> None:
    """It is notified once both serve, by the supervisor alone; the setting asks for processes like the option."""
    address = systemd.getsockname()
    running = site.start(
        *("run", "receiver"), MAIL_IMPORTER_PROCESSES="2", NOTIFY_SOCKET=address, WATCHDOG_USEC="300000"
    )
    assert await asyncio.to_thread(systemd.recv, 100) == b"READY=1"
    log = [json.loads(line) for line in (site.directory / "run-receiver-0.log").read_text("utf-8").splitlines()]
    assert sorted(line["worker"] for line in log if line["event"] == "worker_started") == [1, 2]
    assert await asyncio.to_thread(systemd.recv, 100) == b"WATCHDOG=1"
    assert stop(running) < 10
    states = set()
    systemd.settimeout(0.1)
    try:
        while True:
            states.add(systemd.recv(100))
    except TimeoutError:
        assert b"STOPPING=1" in states <= {b"WATCHDOG=1", b"STOPPING=1"}
