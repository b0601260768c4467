"""The service under the service control manager of Windows itself, or of Wine, with pywin32.

On a real Windows it needs the rights of an administrator and installs a service for its time, so that it runs there
only where `MAIL_IMPORTER_TEST_SERVICE` is set.
"""

import ctypes
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from console.main import cli
from console.service import commands
from console.service.installation import Program, tried_program
from console.service.names import ServiceName
from tests.paths import ROOT
from tests.ports import free_port

if sys.platform != "win32":
    pytest.skip("needs Windows or Wine", allow_module_level=True)

_WINE = hasattr(ctypes.CDLL("ntdll"), "wine_get_version")

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not _WINE and not os.environ.get("MAIL_IMPORTER_TEST_SERVICE"), reason="it would install a service here"
    ),
]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--language", "en", *arguments])


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A host with settings and a database; the port of its receiver. The service is removed at the end."""
    port = free_port()
    config = tmp_path / "mail-importer.toml"
    config.write_text(f"receiver_port = {port}\nconsole_port = 0\nmetrics_port = 0\n")
    monkeypatch.setenv("MAIL_IMPORTER_CONFIG", str(config))
    monkeypatch.chdir(tmp_path)
    assert run("db", "upgrade").exit_code == 0
    if _WINE:
        monkeypatch.setattr(commands, "tried_program", _with_variables(tmp_path / "launch.py"))
    yield port
    removed = run("service", "remove")
    assert removed.exit_code == 0 or "not installed" in removed.stderr, removed.output


def _with_variables(launcher: Path) -> Callable[..., Program]:
    """The program of the service behind one that sets its variables: Wine 8 does not read those of a service."""

    def tried(service: ServiceName, environment: dict[str, str], folder: Path) -> Program:
        program = tried_program(service, environment, folder)
        lines = [
            "import os, sys",
            f"os.environ.update({dict(program.environment)!r})",
            f"sys.path.insert(0, {str(ROOT)!r})",
            "from console.service.host import main",
            f"os._exit(main([{program.command[-1]!r}]))",
        ]
        launcher.write_text("\n".join(lines), "utf-8")
        return Program([program.command[0], str(launcher)], program.environment, program.log_file)

    return tried


def _log(folder: Path) -> Path:
    return folder / "logs" / "mail-importer.log"


def state() -> dict[str, Any]:
    """The row of the service. Wine shows one that was just created after a moment only."""
    deadline = time.monotonic() + 10
    while True:
        [row] = json.loads(run("service", "status", "all", "--json").stdout)
        if row["state"] != "not_installed" or time.monotonic() > deadline:
            return dict(row)


def test_a_service_is_installed_started_stopped_and_removed(port: int, tmp_path: Path) -> None:
    """By the real calls of pywin32: the receiver answers while the service runs, and the stop is clean."""
    installed = run("service", "install")
    assert installed.exit_code == 0, installed.output
    assert (state()["state"], state()["account"]) == ("stopped", r"NT SERVICE\MailImporter")
    assert "is installed already" in run("service", "install").output
    started = run("service", "start")
    assert (started.exit_code, started.stderr) == (0, "The service MailImporter runs.\n"), started.stderr
    running = state()
    assert (running["state"], running["exit_code"]) == ("running", None)
    assert running["pid"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10) as response:
        assert json.load(response) == {"status": "ok"}
    began = time.monotonic()
    stopped = run("service", "stop")
    assert (stopped.exit_code, stopped.stderr) == (0, "The service MailImporter is stopped.\n")
    assert time.monotonic() - began < 12
    assert (state()["state"], state()["exit_code"]) == ("stopped", 0)
    events = [json.loads(line)["event"] for line in _log(tmp_path).read_text("utf-8").splitlines()]
    assert [each for each in events if each in {"roles_started", "stop_requested", "roles_stopped"}] == [
        "roles_started",
        "stop_requested",
        "roles_stopped",
    ]
    assert run("service", "remove").exit_code == 0
    assert "not_installed" in run("service", "status", "all", "--json").stdout


def test_a_service_with_wrong_settings_ends_with_its_exit_code(port: int, tmp_path: Path) -> None:
    """Windows keeps the specific code also where it is to run no recovery action."""
    assert port
    assert run("service", "install").exit_code == 0
    (tmp_path / "mail-importer.toml").write_text("receiver_prot = 1\n")
    started = run("service", "start")
    assert started.exit_code == 1
    assert "mail-importer config check" in started.stderr
    assert (state()["state"], state()["exit_code"]) == ("stopped", 2)
