"""`mail-importer service`, with a stand-in of the services of a host."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from console.service import commands, installation, preflight
from console.service.names import SERVICES
from console.service.protocol import State
from tests.doubles.service_manager import StandInServices
from tests.paths import ROOT
from tests.unit.console.conftest import Run

CONFIG = Path("mail-importer.toml")


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> StandInServices:
    """A Windows host with settings; its program is the interpreter of this test, which is in no profile."""
    services = StandInServices()
    monkeypatch.setattr(commands, "open_manager", lambda: services)
    monkeypatch.setattr(commands, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/nobody-of-this-test"))
    monkeypatch.setattr(installation, "check", _checked)
    CONFIG.write_text("receiver_port = 8080\n")
    return services


def _checked(_command: object, environment: dict[str, str], _folder: Path) -> preflight.Checked:
    return preflight.Checked(sys.prefix, environment.get("MAIL_IMPORTER_LOG_FILE"))


def rows(run: Run, *arguments: str) -> list[dict[str, Any]]:
    return list(json.loads(run("service", "status", *arguments, "--json").stdout))


@pytest.mark.parametrize("command", ["install", "start", "stop", "remove", "status"])
def test_on_other_systems_the_refusal_names_what_to_use(run: Run, command: str) -> None:
    result = run("service", command)
    assert result.exit_code == 2
    assert "exist on Windows only" in result.stderr
    assert "deploy/systemd" in result.stderr


def test_a_service_from_install_to_remove(run: Run, services: StandInServices) -> None:
    """Installed with its virtual account, started, stopped and removed; each state with its next step."""
    assert run("service", "status").stderr == (
        "No service is installed. Install it with: mail-importer service install\n"
    )
    installed = run("service", "install", "receiver")
    assert installed.exit_code == 0, installed.stderr
    assert "Start it with: mail-importer service start receiver" in installed.stderr
    [row] = rows(run)
    assert row == {
        "role": "receiver",
        "service": "MailImporterReceiver",
        "state": "stopped",
        "account": r"NT SERVICE\MailImporterReceiver",
        "start": "delayed",
        "pid": None,
        "exit_code": None,
        "advice": "Start it: mail-importer service start receiver",
    }
    assert run("service", "start", "receiver").stderr == "The service MailImporterReceiver runs.\n"
    [row] = rows(run, "receiver")
    assert (row["state"], row["pid"], row["advice"]) == ("running", 4711, None)
    assert run("service", "start", "receiver").exit_code == 0
    assert run("service", "stop", "receiver").stderr == "The service MailImporterReceiver is stopped.\n"
    assert run("service", "stop", "receiver").stderr == "The service MailImporterReceiver does not run.\n"
    assert services.sources == {"mail-importer"}
    assert run("service", "remove", "receiver").exit_code == 0
    assert not services.installed
    assert not services.sources


def test_what_a_service_is_made_of(run: Run, services: StandInServices, tmp_path: Path) -> None:
    """The interpreter with the module of the host; variables of where the settings are, none of the settings."""
    result = run("service", "install", "--metrics-port", "9465", "--depends-on", "MSSQLSERVER", "--start")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.endswith("The service MailImporter runs.\n")
    made = services.installed["MailImporter"]
    assert made.display == "MonitorPro mail-importer (all)"
    assert made.command[1:] == ["-P", "-m", "console.service.host", "all"]
    assert made.depends_on == ("MSSQLSERVER",)
    assert services.passwords == {"MailImporter": None}
    variables = {name: value for name, value in made.environment.items() if name.startswith("MAIL_IMPORTER_")}
    assert variables == {
        "MAIL_IMPORTER_CONFIG": str(tmp_path / "mail-importer.toml"),
        "MAIL_IMPORTER_LOG_FILE": str(tmp_path / "logs" / "mail-importer.log"),
        "MAIL_IMPORTER_METRICS_PORT": "9465",
    }


def test_a_virtual_environment_is_run_by_its_base_interpreter(
    run: Run, services: StandInServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """venv's python.exe would start a second process, of which Windows warns at each start."""
    monkeypatch.setattr(sys, "_base_executable", "C:/Python/python.exe", raising=False)
    assert run("service", "install").exit_code == 0
    made = services.installed["MailImporter"]
    assert made.command[0] == "C:/Python/python.exe"
    assert made.environment["__PYVENV_LAUNCHER__"] == sys.executable


@pytest.mark.parametrize(
    ("account", "password", "rights"),
    [(r"CONTOSO\mail$", None, [r"CONTOSO\mail$"]), (r"CONTOSO\mail", "typed", [r"CONTOSO\mail"])],
    ids=["gmsa", "user"],
)
def test_other_accounts_get_the_right_to_log_on(
    run: Run, services: StandInServices, account: str, password: str | None, rights: list[str]
) -> None:
    """A gMSA has no password; that of another account is asked for, and is neither argument nor variable."""
    result = run("service", "install", "--account", account, typed="typed\n")
    assert result.exit_code == 0, result.stderr
    assert services.installed["MailImporter"].account == account
    assert services.passwords["MailImporter"] == password
    assert services.logons == rights
    assert "typed" not in result.output


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        ("LocalSystem", "every right on this host"),
        (r"NT AUTHORITY\SYSTEM", "every right on this host"),
        (r"NT AUTHORITY\NetworkService", "shared with other services"),
        (r"NT SERVICE\Other", r"The virtual account of this service is NT SERVICE\MailImporter."),
        ("mail", "has no domain"),
    ],
)
def test_accounts_with_too_many_rights_are_refused(
    run: Run, services: StandInServices, account: str, reason: str
) -> None:
    result = run("service", "install", "--account", account)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert not services.installed


def test_without_the_rights_of_an_administrator_nothing_is_tried(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "open_manager", lambda: StandInServices(administrator=False))
    for command in ("install", "start", "stop", "remove"):
        result = run("service", command)
        assert result.exit_code == 1
        assert "Run as administrator" in result.stderr
    assert run("service", "status").exit_code == 0


def test_a_second_service_for_the_same_roles_is_refused(run: Run, services: StandInServices) -> None:
    assert run("service", "install", "receiver").exit_code == 0
    again = run("service", "install", "receiver")
    assert (again.exit_code, "is installed already" in again.stderr) == (1, True)
    beside = run("service", "install")
    assert "MailImporterReceiver runs roles of MailImporter already" in beside.stderr
    assert run("service", "install", "processor").exit_code == 0
    assert set(services.installed) == {"MailImporterReceiver", "MailImporterProcessor"}


@pytest.mark.parametrize(
    ("call", "command", "code", "reason"),
    [
        ("create", "install", 5, "Access to the service MailImporter was denied"),
        ("create", "install", 1073, "is installed already"),
        ("create", "install", 1072, "marked for deletion"),
        ("create", "install", 1057, "does not know the account"),
        ("start", "start", 1069, "Log on as a service"),
        ("start", "start", 1053, "did not answer Windows within 30 s"),
        ("start", "start", 1058, "is disabled"),
        ("start", "start", 1068, "depends on cannot be started"),
        ("start", "start", 1234, "Windows reports error 1234 for the service MailImporter: refused."),
        ("query", "status", 5, "Access to the service"),
    ],
)
def test_errors_of_windows_are_explained(
    run: Run, services: StandInServices, call: str, command: str, code: int, reason: str
) -> None:
    if command == "start":
        assert run("service", "install").exit_code == 0
    services.refusals[call] = code
    result = run("service", command)
    assert result.exit_code == 1
    assert reason in result.stderr


@pytest.mark.parametrize("command", ["start", "stop", "remove"])
def test_a_service_that_is_not_installed(run: Run, services: StandInServices, command: str) -> None:
    result = run("service", command, "delivery")
    assert (result.exit_code, result.stderr) == (1, "Error: The service MailImporterDelivery is not installed.\n")
    [row] = rows(run, "delivery")
    assert (row["state"], row["advice"]) == ("not_installed", "Install it: mail-importer service install delivery")
    assert not services.installed


@pytest.mark.parametrize(
    ("outcome", "code", "advice"),
    [
        ((State.STOPPED, 0, 0x20000002), 2, "mail-importer config check names the reason"),
        ((State.STOPPED, 1066, 0x20000001), 1, "It failed"),
        ((State.STOPPED, 1067, 0), 1067, "It failed"),
        ((State.STOPPED, 0, 0), 0, "Start it"),
    ],
)
def test_a_start_that_fails_says_what_to_do(
    run: Run, services: StandInServices, outcome: tuple[State, int, int], code: int, advice: str
) -> None:
    assert run("service", "install").exit_code == 0
    services.outcome = outcome
    result = run("service", "start")
    assert result.exit_code == 1
    assert "ended as it started" in result.stderr
    assert advice in result.stderr
    [row] = rows(run)
    assert row["exit_code"] == code
    assert advice in row["advice"]


def test_without_settings_nothing_is_installed(run: Run, services: StandInServices) -> None:
    CONFIG.unlink()
    result = run("service", "install")
    assert result.exit_code == 1
    assert "mail-importer config init" in result.stderr
    assert not services.installed


def test_programs_in_the_profile_of_a_user_are_refused(
    run: Run, services: StandInServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path(sys.prefix).parent)
    result = run("service", "install")
    assert "in the profile of a user" in result.stderr
    assert not services.installed


def test_the_program_reads_the_settings_before_it_becomes_a_service(
    services: StandInServices, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process, with the arguments and the variables of the service."""
    monkeypatch.setattr(installation, "check", preflight.check)
    monkeypatch.setenv("PYTHONPATH", str(Path(commands.__file__).parents[2]))
    CONFIG.write_text('log_file = "logs/site.log"\n')
    assert run("service", "install").exit_code == 0
    assert "MAIL_IMPORTER_LOG_FILE" not in services.installed["MailImporter"].environment
    assert run("service", "remove").exit_code == 0
    CONFIG.write_text("receiver_port = true\n")
    result = run("service", "install")
    assert (result.exit_code, "receiver_port" in result.stderr) == (2, True)
    assert not services.installed


def test_a_program_that_does_not_run_is_not_installed(
    services: StandInServices, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "check", preflight.check)
    monkeypatch.setattr(subprocess, "run", _missing)
    result = run("service", "install")
    assert result.exit_code == 1
    assert "The program of the service does not run: no such file" in result.stderr
    assert not services.installed


def _missing(*_arguments: object, **_options: object) -> None:
    raise OSError("no such file")


def test_the_document_has_each_service() -> None:
    text = (ROOT / "docs" / "windows-service.md").read_text("utf-8")
    for named in SERVICES.values():
        assert f"`{named.key}` | {named.display} |" in text
