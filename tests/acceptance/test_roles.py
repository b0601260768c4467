"""The roles as an operator runs them: one process or several, stopped, killed, started again."""

import asyncio
import json
import signal
import socket
import sqlite3
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import delete, func, select

from db.tables import message, queue_message
from simulator.authority import Authority
from simulator.faults import Fault, FaultKind
from tests.acceptance.conftest import Site, stop
from tests.databases import Gateway
from tests.doubles.collector import collecting
from tests.ports import free_port
from tests.waiting import until

_on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""Marks tests that are independent of a server."""


async def _ready(site: Site) -> None:
    async def answers() -> bool:
        try:
            return (await site.get("/health/ready"))[0] == 200
        except aiohttp.ClientError:
            return False

    await until(answers, "the receiver is ready")


@pytest.mark.representative
async def test_one_process_imports_what_arrives_and_stops_within_ten_seconds(site: Site) -> None:
    """`run all` subscribes, imports each mail exactly once and ends by SIGTERM with exit status 0."""
    running = site.start("run", "all")
    await site.subscribed()
    await site.control.start_traffic(30, per_second=30)
    await site.imported_once(30)
    assert stop(running) < 10
    status = site.call("queue", "status", "--json")
    assert json.loads(status.stdout)["dead"] == 0


async def test_three_processes_do_the_same(site: Site) -> None:
    """Receiver, processor and subscription manager each run alone and meet in the database only.

    With OpenTelemetry each message is one trace, from the notification in one process to the commit in another.
    """
    async with collecting() as collector:
        roles = [
            site.start("run", role, **collector.environment) for role in ("receiver", "processor", "subscriptions")
        ]
        await site.subscribed()
        await site.control.start_traffic(30, per_second=30)
        await site.imported_once(30)

        async def measured() -> bool:
            imports = collector.metrics.get("mail_importer_import_seconds")
            return imports is not None and imports.histogram.data_points[0].count == 30

        await until(measured, "30 imports in the metrics")
        stops = [asyncio.to_thread(stop, role) for role in roles]
        assert all(seconds < 10 for seconds in await asyncio.gather(*stops))
    of_receiver = {each.span: each for each in collector.spans if each.roles == "receiver"}
    imports = [each for each in collector.spans if each.attributes.get("mail_importer.outcome") == "imported"]
    assert len(imports) == 30
    for each in imports:
        begin = of_receiver[each.parent]
        assert (begin.name, begin.trace, each.roles) == ("accept notifications", each.trace, "processor")
        assert begin.begin <= each.end
        inside = {other.name for other in collector.spans if other.parent == each.span}
        assert inside == {"fetch from Microsoft Graph", "write and settle"}


async def test_killed_processors_lose_and_double_nothing(site: Site) -> None:
    """A processor killed at its work leaves everything to the next one."""
    site.start("run", "receiver")
    site.start("run", "subscriptions")
    await site.subscribed()
    await site.control.start_traffic(150, per_second=150)
    for _ in range(2):
        before = site.count(message)
        killed = site.start("run", "processor")

        async def at_work(before: int = before) -> bool:
            return site.count(message) > before

        await until(at_work, "the processor imports")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    site.start("run", "processor")
    await site.imported_once(150)


@pytest.mark.representative
async def test_notifications_wait_while_no_processor_runs(site: Site) -> None:
    """Notifications answered with 202 are in the queue, whichever process was killed since.

    The processor that starts then makes the four calls at once that Graph allows for a mailbox.
    """
    receiver = site.start("run", "receiver")
    manager = site.start("run", "subscriptions")
    await site.subscribed()
    await site.control.start_traffic(20)

    async def all_queued() -> bool:
        return site.count(queue_message) == 20

    await until(all_queued, "20 messages in the queue")
    receiver.kill()
    manager.kill()
    await site.control.add_fault(Fault(FaultKind.LATENCY, seconds=0.2))
    site.start("run", "processor")
    await site.imported_once(20)
    assert max((await site.control.statistics())["concurrency_high_water"].values()) == 4


async def test_restart_keeps_the_subscriptions(site: Site) -> None:
    """A second start adopts the existing subscriptions: no account ever has two."""
    for _ in range(2):
        running = site.start("run", "all")
        await site.subscribed()
        await _ready(site)
        stop(running)
    assert len(await site.control.subscriptions()) == 3


async def test_disabled_account_loses_its_subscription_at_graph(site: Site) -> None:
    """`accounts disable` and `remove` take effect without a restart."""
    site.start("run", "all")
    await site.subscribed()
    assert site.call("accounts", "disable", "station 0").returncode == 0
    assert site.call("accounts", "remove", "station 1", "--yes").returncode == 0

    async def only_one() -> bool:
        return len(await site.control.subscriptions()) == 1

    await until(only_one, "the two subscriptions are deleted at Graph", seconds=10)
    listed = json.loads(site.call("accounts", "list", "--json").stdout)
    assert [each["name"] for each in listed] == ["station 0", "station 2"]


async def test_probes_and_metrics_are_correct(site: Site) -> None:
    """Health, metrics and log of a running host report its true state."""
    port = free_port()
    running = site.start("run", "all", MAIL_IMPORTER_METRICS_PORT=str(port))
    await _ready(site)
    await site.subscribed()
    await site.control.start_traffic(5)
    await site.imported_once(5)
    metrics = (await site.get("/metrics", port))[1]
    assert (await site.get("/metrics"))[0] == 404
    assert 'mail_importer_notifications_total{outcome="genuine"} 5.0' in metrics
    assert 'mail_importer_deliveries_total{outcome="imported"} 5.0' in metrics
    stop(running)
    log = [json.loads(line) for line in (site.directory / "run-all-0.log").read_text("utf-8").splitlines()]
    imported = [line for line in log if line["event"] == "message_imported"]
    queued = [each for line in log if line["event"] == "notification_queued" for each in line["correlations"]]
    in_rows = {row[0] for row in site.rows(select(message.c.sCorrelationID))}
    assert {line["correlation"] for line in imported} == in_rows
    assert all(any(row.startswith(request) for request in queued) for row in in_rows)


@pytest.mark.slow
@_on_sqlite
async def test_each_role_reports_whether_it_can_work(site: Site) -> None:
    """`/health/ready` at its metrics_port: the reasons are fixed words, and the processes live on."""
    ports = {role: free_port() for role in ("receiver", "processor", "subscriptions")}
    for role, port in ports.items():
        site.start("run", role, MAIL_IMPORTER_METRICS_PORT=str(port))

    async def health() -> dict[str, object]:
        found: dict[str, object] = {}
        for role, port in ports.items():
            try:
                found[role] = json.loads((await site.get("/health/ready", port))[1])
            except aiohttp.ClientError:
                found[role] = None
        return found

    async def all_ready() -> bool:
        return all(each == {"status": "ok"} for each in (await health()).values())

    async def as_expected() -> bool:
        return await health() == {
            "receiver": {"status": "unavailable", "reasons": ["queue"]},
            "processor": {"status": "unavailable", "reasons": ["heartbeat"]},
            "subscriptions": {"status": "unavailable", "reasons": ["heartbeat", "queue"]},
        }

    await until(all_ready, "three roles are ready")
    with sqlite3.connect(site.gateway.file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        await until(as_expected, "the lock of another program is noticed", seconds=60, pause=1)
        for port in ports.values():
            assert await site.get("/health/live", port) == (200, '{"status": "ok"}')
        other.execute("ROLLBACK")
    other.close()
    await until(all_ready, "three roles are ready again", seconds=60, pause=1)


def test_outdated_schema_is_refused_with_the_command_to_run(site: Site, empty_gateway: Gateway) -> None:
    """No role starts on a database that was not upgraded."""
    for role in ("all", "receiver", "processor", "subscriptions"):
        refused = site.call("run", role, **empty_gateway.environment)
        assert refused.returncode == 1
        assert "mail-importer db upgrade" in refused.stderr


@_on_sqlite
async def test_a_role_warns_of_a_database_that_others_can_read(site: Site) -> None:
    """A SQLite file of an earlier version has the mode of the umask."""
    (site.directory / "gateway.db").chmod(0o644)
    site.start("run", "receiver")
    await _ready(site)
    log = [json.loads(line) for line in (site.directory / "run-receiver-0.log").read_text("utf-8").splitlines()]
    (warning,) = (each for each in log if each["event"] == "database_open_to_others")
    assert "gateway.db (0644)" in warning["detail"]


@_on_sqlite
async def test_a_renewed_certificate_is_served_without_a_restart(site: Site, tmp_path: Path) -> None:
    """SIGHUP makes the receiver read its files at once; it also notices by itself that they changed."""
    authority = Authority(tmp_path, datetime.now(UTC))
    pair = authority.issue("receiver")
    running = site.start(
        *("run", "receiver"),
        MAIL_IMPORTER_RECEIVER_TLS_CERT=str(pair.certificate_file),
        MAIL_IMPORTER_RECEIVER_TLS_KEY=str(pair.key_file),
    )

    async def serves_the_file() -> bool:
        try:
            shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", site.port), timeout=5)
        except OSError:
            return False
        return pair.certificate_file.read_text("ascii").startswith(shown.strip())

    await until(serves_the_file, "the receiver serves its certificate")
    authority.issue("receiver")
    running.send_signal(signal.SIGHUP)
    await until(serves_the_file, "the receiver serves the certificate that is there at SIGHUP")
    authority.issue("receiver")
    await until(serves_the_file, "the receiver notices that its certificate was replaced")
    assert running.poll() is None
    assert stop(running) < 10


@_on_sqlite
def test_a_receiver_whose_certificate_cannot_be_read_is_reported(site: Site) -> None:
    """The error is not that it cannot listen; it names the file."""
    refused = site.call(
        *("run", "receiver"),
        MAIL_IMPORTER_RECEIVER_TLS_CERT=site.ready["ca_file"],
        MAIL_IMPORTER_RECEIVER_TLS_KEY=str(site.directory / "missing.key"),
    )
    assert refused.returncode == 1
    assert "receiver_tls_cert and receiver_tls_key cannot be used" in refused.stderr
    assert "missing.key" in refused.stderr


@_on_sqlite
def test_a_receiver_whose_private_key_is_encrypted_is_reported(site: Site, tmp_path: Path) -> None:
    """The error has the reason alone, without the form of the exception that carries it."""
    pair = Authority(tmp_path, datetime.now(UTC)).issue("receiver")
    key = load_pem_private_key(pair.key_file.read_bytes(), None)
    pair.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    refused = site.call(
        *("run", "receiver"),
        MAIL_IMPORTER_RECEIVER_TLS_CERT=str(pair.certificate_file),
        MAIL_IMPORTER_RECEIVER_TLS_KEY=str(pair.key_file),
    )
    assert refused.returncode == 1
    assert (
        "receiver_tls_cert and receiver_tls_key cannot be used: the private key is encrypted; receiver_tls_key takes "
        "an unencrypted one."
    ) in " ".join(refused.stderr.split())


async def test_a_site_without_an_inbound_address_imports_by_sweeps(site: Site) -> None:
    """No subscription, no reachable receiver: the role reports it, and the mail is imported nevertheless."""
    await site.control.start_traffic(10)
    site.start("run", "all", MAIL_IMPORTER_NOTIFICATION_URL="")
    for name in ("station 0", "station 1", "station 2"):
        updated = site.call("accounts", "update", name, "--import-since", "all")
        assert updated.returncode == 0, updated.stderr
    await site.imported_once(10)
    assert await site.control.subscriptions() == []
    log = (site.directory / "run-all-0.log").read_text("utf-8")
    assert "no_inbound_address" in log
    shown = site.call("accounts", "show", "station 0", MAIL_IMPORTER_NOTIFICATION_URL="")
    assert "works on sweeps alone" in " ".join(shown.stdout.split())


@pytest.mark.representative
async def test_verify_shows_and_repairs_what_is_missing(site: Site) -> None:
    """Exit status 1 with its ids, 0 once it is imported, for any cause of the loss."""
    running = site.start("run", "all")
    await site.subscribed()
    await site.control.start_traffic(9)
    await site.imported_once(9)
    stop(running)
    whole = site.call("verify", "station 0")
    assert (whole.returncode, whole.stderr) == (0, "")
    site.execute(delete(message).where(message.c.nMessageID.in_(select(func.min(message.c.nMessageID)))))
    names = ("station 0", "station 1", "station 2")
    answers = {name: site.call("verify", name, "--repair", "--json") for name in names}
    (broken,) = (answer for answer in answers.values() if answer.returncode)
    assert broken.returncode == 1
    found = json.loads(broken.stdout)
    assert (found["missing"], found["queued"], len(found["differences"])) == (1, 1, 1)
    assert "1 was queued" in broken.stderr
    site.start("run", "processor")
    await site.imported_once(9)
    assert [site.call("verify", name).returncode for name in names] == [0, 0, 0]


def test_taken_port_is_reported_in_a_sentence(site: Site) -> None:
    """Two receivers on one address: the second names the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = site.call("run", "receiver", MAIL_IMPORTER_RECEIVER_PORT=port)
    assert refused.returncode == 1
    assert port in refused.stderr
    assert "Traceback" not in refused.stderr


def test_unreadable_ca_bundle_is_reported_in_a_sentence(site: Site) -> None:
    """A misspelt path in ca_bundle names the setting's file."""
    refused: subprocess.CompletedProcess[str] = site.call("run", "processor", MAIL_IMPORTER_CA_BUNDLE="/nowhere.pem")
    assert refused.returncode in {1, 2}
    assert "/nowhere.pem" in refused.stderr
    assert "Traceback" not in refused.stderr
