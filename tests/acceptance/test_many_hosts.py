"""Several processors, killed at random: nothing is lost or duplicated, and Graph gets no more calls than it allows."""

import asyncio
import json
import random
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import load_pem_x509_certificate
from sqlalchemy import select, update

from db.engine import run_reading, run_writing
from db.outcomes import ActionKind
from db.queries import accounts
from db.tables import message
from simulator.control_client import SimulatorControl
from simulator.faults import Fault, FaultKind
from tests.acceptance.conftest import Site, running_simulator, running_site, stop
from tests.databases import EVERY_BACKEND, Databases
from tests.doubles.broker.process import BrokerProcess, running_broker
from tests.doubles.clock import SettableClock
from tests.fork_server import ForkServer
from tests.waiting import until

MESSAGES = 300
MAILBOXES = 12
SECRET = "the same at every host, and not made up by one of them"


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    # Messages locked by a killed process come back when their locks end.
    with running_broker("--lock-seconds", "10") as running:
        yield running


@pytest.fixture(params=[*EVERY_BACKEND, "servicebus"])
async def crowd(
    request: pytest.FixtureRequest, tmp_path: Path, set_up_host: Path, fork_server: ForkServer
) -> AsyncIterator[Site]:
    """A host ready to run the roles, with many accounts; its queue is a table of either database, or Service Bus."""
    directory = tmp_path / "host"
    shutil.copytree(set_up_host, directory)
    async with AsyncExitStack() as stack:
        ready = stack.enter_context(running_simulator(fork_server, tmp_path / "simulator", MAILBOXES))
        site = Site(directory, ready, SimulatorControl(ready["url"], Path(ready["ca_file"])), fork_server)
        if request.param in {"postgresql", "mssql"}:
            databases: Databases = request.getfixturevalue(f"{request.param}_databases")
            site.gateway = stack.enter_context(databases.migrated(tmp_path))
        if request.param == "servicebus":
            broker: BrokerProcess = request.getfixturevalue("broker")
            site.settings = {
                "MAIL_IMPORTER_QUEUE": "servicebus",
                "MAIL_IMPORTER_SERVICEBUS_CONNECTION_STRING": broker.connection_string,
                "MAIL_IMPORTER_CLIENT_STATE_SECRET": SECRET,
            }
        add_accounts(site)
        yield await stack.enter_async_context(running_site(site))


def add_accounts(site: Site) -> None:
    [public] = (site.directory / "certificates").glob("*.cer")
    thumbprint = load_pem_x509_certificate(public.read_bytes()).fingerprint(hashes.SHA1()).hex()  # noqa: S303  # as Entra names it
    there = {each.settings.user_id for each in run_reading(site.engine, accounts.every)}
    for number, mailbox in enumerate(site.ready["mailboxes"]):
        if mailbox["user_id"] in there:
            continue
        after_import = [*ActionKind][number % len(ActionKind)]
        settings = accounts.AccountSettings(
            mailbox["user_id"],
            site.ready["tenant_id"],
            site.ready["client_id"],
            mailbox["user_id"],
            thumbprint,
            secure_certificate_access=False,
            after_import=after_import,
            move_to_folder="Inbox/Imported" if after_import == "move" else None,
        )
        run_writing(site.engine, _adding(settings))


def _adding(settings: accounts.AccountSettings) -> Callable[..., object]:
    return lambda connection: accounts.add(connection, settings, now=SettableClock()())


def _states(site: Site, state: str | None) -> int:
    """Count the messages that are in that state after their import."""
    return len(site.rows(select(message.c.nMessageID).where(message.c.sAfterImportState == state)))


def _end_leases(site: Site) -> None:
    """Simulate two minutes passing: leases held by killed processes are due."""
    pending = update(message).where(message.c.sAfterImportState == "pending")
    site.execute(pending.values(dtAfterImportDue=SettableClock()()))


def receiver_settings(site: Site) -> dict[str, str]:
    """Settings of a receiver that, with Service Bus, cannot reach the database."""
    return {"MAIL_IMPORTER_DATABASE_URL": "sqlite:////nowhere/at/all.db"} if site.settings else {}


@pytest.mark.timeout(360)
async def test_three_processors_killed_at_random(crowd: Site) -> None:
    """Every message is imported exactly once, on either queue, with at most one call in a thousand too many for Graph.

    The action in the mailbox is applied to every one of them, too.
    """
    await crowd.control.add_fault(Fault(FaultKind.LATENCY, seconds=0.05))
    crowd.start("run", "receiver", **receiver_settings(crowd))
    crowd.start("run", "subscriptions")
    processors = [crowd.start("run", "processor") for _ in range(3)]
    await crowd.subscribed()
    await crowd.control.start_traffic(MESSAGES, per_second=100)
    dice = random.Random(4)
    for share in (0.1, 0.3, 0.5, 0.7):

        async def reached(goal: float = share * MESSAGES) -> bool:
            return crowd.count(message) >= goal

        await until(reached, f"{share:.0%} of the messages in the database", seconds=60)
        number = dice.randrange(3)
        processors[number].send_signal(signal.SIGKILL)
        processors[number].wait()
        processors[number] = crowd.start("run", "processor")
    await crowd.imported_once(MESSAGES)

    async def is_drained() -> bool:
        status = json.loads((await asyncio.to_thread(crowd.call, "queue", "status", "--json")).stdout)
        assert status["dead"] == 0
        return bool(status["waiting"] + (status["locked"] or 0) == 0)

    # Further deliveries of imported messages: some had been locked by a killed processor, others see those later.
    await until(is_drained, "the queue is empty", seconds=120, pause=2.0)
    pending = _states(crowd, "pending")
    _end_leases(crowd)

    async def all_done() -> bool:
        return not _states(crowd, "pending")

    await until(all_done, f"what was left of {pending} actions done", seconds=60)
    acted = MESSAGES - _states(crowd, None)
    assert acted > MESSAGES / 4
    assert _states(crowd, "done") == acted
    found = await crowd.control.statistics()
    assert max(found["concurrency_high_water"].values()) <= 4
    assert found["throttled"] * 1000 < sum(found["calls"].values())
    assert all(stop(each) < 10 for each in processors)
