"""The roles as a Windows service: real roles in a real process, under a stand-in of the service control manager."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.engine import make_engine
from db.schema import migration
from tests.doubles.service_manager import HostedService
from tests.fork_server import ForkServer

Serve = Callable[..., HostedService]


@pytest.fixture
def serve(fork_server: ForkServer, tmp_path: Path) -> Iterator[Serve]:
    """Start the service of a role, with these settings beside those of a host."""
    started: list[HostedService] = []

    def call(role: str, **settings: str | int) -> HostedService:
        values: dict[str, str | int] = {
            **dict.fromkeys(("receiver_port", "console_port", "metrics_port"), 0),
            "log_file": "logs/site.log",
            **settings,
        }
        config = tmp_path / "site.toml"
        config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")}
        environment["MAIL_IMPORTER_CONFIG"] = str(config)
        elsewhere = tmp_path / "system32"
        elsewhere.mkdir(exist_ok=True)
        service = HostedService(fork_server, role, environment, elsewhere)
        started.append(service)
        return service

    yield call
    for each in started:
        each.process.kill()


@pytest.fixture
def _database(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'mail-importer.db'}")
    migration.upgrade(engine, now=datetime(2026, 11, 30, tzinfo=UTC))
    engine.dispose()


@pytest.mark.usefixtures("_database")
@pytest.mark.parametrize("controls", [("STOP", "STOP", "SHUTDOWN"), ("PRESHUTDOWN",)], ids=["stop", "shutdown"])
def test_all_roles_start_and_stop_cleanly(serve: Serve, tmp_path: Path, controls: tuple[str, ...]) -> None:
    """In the folder of the settings file; the log is in its file, start and stop are events."""
    service = serve("all")
    begin = service.wait_for("RUNNING")["at"]
    service.control("INTERROGATE", *controls)
    last = service.end()
    assert (last["exit_code"], last["service_exit_code"]) == (0, 0)
    assert service.process.returncode == 0
    assert last["at"] - begin < 10
    assert service.answers[0] == 0
    assert service.event(1).startswith("roles_started")
    assert f"signal: SERVICE_CONTROL_{controls[0]}" in "".join(each["text"] for each in service.events)
    assert service.event(3).startswith("roles_stopped")
    log = (tmp_path / "logs" / "site.log").read_text().splitlines()
    assert {"roles_started", "roles_stopped"} <= {json.loads(line)["event"] for line in log}


@pytest.mark.slow
@pytest.mark.usefixtures("_database")
def test_several_processes_are_one_service(serve: Serve, tmp_path: Path) -> None:
    """Running once all serve; a killed one is restarted, which is an event; the stop reaches all."""
    service = serve("receiver", processes=2)
    service.wait_for("RUNNING")
    log = tmp_path / "logs" / "site-receiver.log"

    def serving() -> list[int]:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line["process"] for line in lines if line["event"] == "worker_started"]

    workers = serving()
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    deadline = time.monotonic() + 30
    while len(serving()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    service.control("STOP")
    last = service.end()
    assert (last["exit_code"], last["service_exit_code"]) == (0, 0)
    texts = [each["text"] for each in service.events]
    assert [sum(text.startswith(name) for text in texts) for name in ("roles_started", "worker_ended")] == [1, 1]
    assert sum("stop_requested" in text for text in texts) == 1


@pytest.mark.usefixtures("_database")
def test_the_reason_of_a_process_is_that_of_its_service(serve: Serve) -> None:
    service = serve("receiver", processes=2, receiver_tls_cert="no.pem", receiver_tls_key="no.pem")
    last = service.end()
    assert last["exit_code"] == 1066
    assert "receiver_tls_cert and receiver_tls_key cannot be used" in service.event(7)


def test_wrong_settings_end_without_a_restart(serve: Serve) -> None:
    """Windows runs no recovery action after exit code 0; the specific code and the event have the reason."""
    service = serve("receiver", receiver_prot=1, log_file_mb="many")
    last = service.end()
    assert (last["exit_code"], last["service_exit_code"]) == (0, 0x20000002)
    assert service.process.returncode == 2
    event = service.event(6)
    assert "receiver_prot" in event
    assert "log_file_mb" in event
    assert "many" not in event


def test_a_log_file_that_cannot_be_written_is_a_wrong_setting(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    service = serve("receiver", log_file="file/site.log")
    assert service.end()["service_exit_code"] == 0x20000002
    assert "log_file: " in service.event(6)


def test_a_database_that_is_not_there_is_a_failure_after_which_windows_restarts(serve: Serve) -> None:
    service = serve("processor")
    last = service.end()
    assert (last["exit_code"], last["service_exit_code"]) == (1066, 0x20000001)
    assert service.process.returncode == 1
    assert "mail-importer db upgrade" in service.event(7)


@pytest.mark.usefixtures("_database")
def test_an_address_in_use_is_a_failure_with_its_reason(serve: Serve) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        service = serve("receiver", receiver_port=other.getsockname()[1])
        last = service.end()
    assert last["exit_code"] == 1066
    assert "The receiver cannot listen on 127.0.0.1:" in service.event(7)


@pytest.mark.usefixtures("_database")
def test_run_writes_its_logs_to_the_file_of_the_role(fork_server: ForkServer, tmp_path: Path) -> None:
    """On every system; standard output stays empty then."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")}
    for name, value in (("LOG_FILE", "logs/site.log"), ("RECEIVER_PORT", "0"), ("METRICS_PORT", "0")):
        environment[f"MAIL_IMPORTER_{name}"] = value
    log = tmp_path / "logs" / "site-receiver.log"
    with (tmp_path / "stdout").open("w+") as output:
        process = fork_server.start(
            "-m", "console", "run", "receiver", env=environment, cwd=tmp_path, stdout=output, stderr=output
        )
        deadline = time.monotonic() + 30
        while not (log.exists() and "roles_started" in log.read_text()):
            assert time.monotonic() < deadline, (tmp_path / "stdout").read_text()
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        assert process.wait(15) == 0
    assert "roles_stopped" in log.read_text()
    assert (tmp_path / "stdout").read_text() == ""
