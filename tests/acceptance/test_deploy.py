"""The files under `deploy/` can be used unchanged."""

import ctypes
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from bus.servicebus.connection import ServiceBusAddress
from console.main import cli
from console.settings import Settings
from tests.paths import ROOT
from tests.system_packages import without_system_package
from tools.lock_file import EXTRAS, read_lock, runtime

_DEPLOY = ROOT / "deploy"
_UNITS = sorted((_DEPLOY / "systemd").glob("*.service"))
_QUEUE: Final = {
    "lockDuration": "PT1M",
    "maxDeliveryCount": 10,
    "requiresDuplicateDetection": True,
    "duplicateDetectionHistoryTimeWindow": "PT10M",
    "deadLetteringOnMessageExpiration": True,
    "defaultMessageTimeToLive": "P14D",
    "requiresSession": False,
    "enableBatchedOperations": True,
    "enablePartitioning": False,
}
_EMULATOR_BOUNDS: Final = {"defaultMessageTimeToLive": "PT1H", "duplicateDetectionHistoryTimeWindow": "PT5M"}
"""Upper bounds of the emulator: its Config-schema.json, in Azure/azure-service-bus-emulator-installer."""
_CONNECT: Final = """
import sys
from db.connection import ConnectionOptions
from db.engine import make_engine, run_reading
engine = make_engine(sys.argv[1], ConnectionOptions(login_seconds=1))
print(engine.url.query["driver"])
run_reading(engine, lambda _: None)
"""
_GET_MDWE: Final = 66
"""PR_GET_MDWE: https://man7.org/linux/man-pages/man2/PR_SET_MDWE.2const.html"""
_NO_NEW_CODE: Final = """
import ctypes, mmap, os, subprocess, sys
set_mdwe, refuse_exec_gain = 65, 1
assert ctypes.CDLL(None).prctl(set_mdwe, refuse_exec_gain, 0, 0, 0) == 0
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    pass
else:
    sys.exit("it is not denied")
modules = "argon2, cryptography.x509, ctypes, lxml.html, msal, nh3, psycopg, pydantic, pyodbc, re2, sqlalchemy"
driver = "from db.backends.odbc import packaged_driver; packaged_driver()"
loaded = f"import {modules}; ctypes.CFUNCTYPE(None)(print); {driver}; print('loaded')"
subprocess.run([sys.argv[1], "-c", loaded], check=True)
os.execv(sys.argv[1], [sys.argv[1], "-m", "console", *sys.argv[2:]])
"""


def _tool(name: str, *arguments: str | Path) -> str:
    """Output of a tool of the dev dependencies; it must succeed."""
    command = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    output = found.stdout + found.stderr
    assert found.returncode == 0, output
    return output


def _made_secret(folder: Path, name: str) -> str:
    """The secrets that `new-secrets.sh` makes for SQL Server and the emulator."""
    shutil.copy(_DEPLOY / "new-secrets.sh", folder)
    subprocess.run(["sh", str(folder / "new-secrets.sh"), "sqlserver"], check=True, stdout=subprocess.DEVNULL)
    return (folder / "secrets" / "mail-importer" / name).read_text("utf-8").strip()


def _template() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_DEPLOY / "servicebus" / "azuredeploy.json").read_text("utf-8"))
    return loaded


def _of_type(kind: str) -> list[dict[str, Any]]:
    return [each for each in _template()["resources"] if each["type"] == kind]


# systemd


@pytest.mark.parametrize("unit", _UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_after_the_clock_is_set(unit: Path) -> None:
    """Leases and due times written by a wrong clock delay mail."""
    lines = [line.partition("=") for line in unit.read_text("utf-8").splitlines()]
    for directive in ("Wants", "After"):
        assert "time-sync.target" in next(value for name, _, value in lines if name == directive).split()


@pytest.mark.parametrize("unit", _UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` reports nothing."""
    if shutil.which("systemd-analyze") is None:
        without_system_package("systemd")
    installed = Path(sys.executable).with_name("mail-importer")
    copy = tmp_path / unit.name.replace("@.", "@400d.")
    copy.write_text(unit.read_text("utf-8").replace("/opt/mail-importer/bin/mail-importer", str(installed)), "utf-8")
    found = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


@pytest.mark.parametrize("unit", _UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_the_unit_well_protected(unit: Path) -> None:
    """`systemd-analyze security` gives points of exposure, 100 at most; removing the rest would cost a function."""
    if shutil.which("systemd-analyze") is None:
        without_system_package("systemd")
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.slow
def test_the_product_makes_no_code_at_run_time(tmp_path: Path) -> None:
    """Each unit denies memory that is written and executed, and every library of the product, a driver too, works so.

    By prctl of Linux 6.3, with which systemd does it since version 254; before, it filters system calls to this effect.
    """
    assert all("\nMemoryDenyWriteExecute=yes\n" in unit.read_text("utf-8") for unit in _UNITS)
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_GET_MDWE, 0, 0, 0, 0) < 0:
        pytest.skip("needs Linux 6.3")
    arguments = ["demo", "--messages", "10", "--mailboxes", "1", "--directory", str(tmp_path)]
    command = [sys.executable, "-c", _NO_NEW_CODE, sys.executable, *arguments]
    found = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.startswith("loaded\n")


def test_there_is_a_unit_for_each_role() -> None:
    """One host, or one role of several hosts."""
    commands = {line for unit in _UNITS for line in unit.read_text("utf-8").splitlines() if "ExecStart=" in line}
    assert {command.split("mail-importer run ")[1] for command in commands if " run " in command} == {
        "all",
        "receiver",
        "processor",
        "subscriptions",
        "delivery",
        "console",
    }


@pytest.mark.parametrize("timer", sorted((_DEPLOY / "systemd").glob("*.timer")), ids=lambda timer: timer.name)
def test_a_timer_starts_a_purge_that_does_not_prompt(timer: Path) -> None:
    """It is enabled by the administrator alone, with an age."""
    unit = timer.with_suffix(".service").read_text("utf-8")
    (words,) = [shlex.split(line) for line in unit.splitlines() if line.startswith("ExecStart=")]
    given = [word.replace("%i", "400d").replace("%n", timer.name) for word in words[1:]]
    found = CliRunner().invoke(cli, [*given, "--help"])
    assert found.exit_code == 0, found.output
    assert "--yes" in given
    if shutil.which("systemd-analyze") is None:
        without_system_package("systemd")
    (when,) = re.findall(r"^OnCalendar=(.+)$", timer.read_text("utf-8"), re.MULTILINE)
    subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, check=True)


# The image


def test_image_holds_every_package() -> None:
    """A package forgotten in the Dockerfile would be missed only when its role starts."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    dockerfile = (_DEPLOY / "Dockerfile").read_text("utf-8")
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {package} {package}\n" in dockerfile


def test_base_image_is_pinned_by_digest() -> None:
    """A tag moves: the same commit would build another image tomorrow."""
    dockerfile = (_DEPLOY / "Dockerfile").read_text("utf-8")
    assert re.search(r"^ARG PYTHON=[\w.-]+@sha256:[0-9a-f]{64}$", dockerfile, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"python:${PYTHON}", "runtime"}


def test_hadolint_takes_the_dockerfile() -> None:
    """The linter of Dockerfiles, and of the shell in them, reports nothing."""
    assert _tool("hadolint", "--no-color", _DEPLOY / "Dockerfile") == ""


def test_what_the_image_is_built_of_is_in_the_build_context() -> None:
    """Every copied file exists, and `.dockerignore` leaves it in."""
    ignored = {line.strip("/") for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()}
    copied = re.findall(r"^COPY (?!--from)(.+)$", (_DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    sources = [source for line in copied for source in line.split()[:-1]]
    assert len(sources) > len(copied)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not {source, source.split("/")[0]} & ignored, source


def test_image_leaves_out_the_tools_that_built_it() -> None:
    """All that the lock has and the product does not run with."""
    lock = read_lock(EXTRAS)
    assert "requirements-extras.lock" in (_DEPLOY / "Dockerfile").read_text("utf-8")
    text = (_DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    (removed,) = re.findall(r"pip uninstall --yes (.+)", text)
    assert set(removed.split()) == {"pip", *lock} - set(runtime(lock))


def test_image_is_labelled_with_its_version_and_checks_any_role() -> None:
    """The package gets the same version, as the build has no repository to ask."""
    text = (_DEPLOY / "Dockerfile").read_text("utf-8")
    assert 'SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MAIL_IMPORTER="${VERSION:-0.0.0}"' in text
    assert 'org.opencontainers.image.version="${VERSION:-0.0.0}"' in text
    (check,) = re.findall(r"^  CMD (\[.*\])$", text, re.MULTILINE)
    program = json.loads(check)[-1]
    compile(program, "HEALTHCHECK", "exec")
    assert f"or {Settings().metrics_port}}}/health/live" in program


def test_history_secrets_and_leftovers_stay_out_of_the_build_context() -> None:
    """A later `COPY . .` must not publish them."""
    ignored = set((ROOT / ".dockerignore").read_text("utf-8").splitlines())
    assert {".git", ".venv", "**/.env", "deploy/secrets", "certificates", "**/__pycache__", "*.db*"} <= ignored


def test_odbc_driver_of_the_image_is_found_and_loads(tmp_path: Path) -> None:
    """The program finds Microsoft's driver in the installed package; the driver tries the server and reports that."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the image is a Linux one")
    package = Path(pytest.importorskip("mssql_python_odbc").__file__).parent
    # Copied as in the Dockerfile, without the files that it removes.
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("rhel", "suse"))
    url = _made_secret(tmp_path, "database_url")
    found = subprocess.run(
        [sys.executable, "-c", _CONNECT, url.replace("@sqlserver/", "@127.0.0.1:1/")],
        # No other driver is known there.
        env=os.environ | {"ODBCSYSINI": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "libodbc.so" in found.stderr:
        without_system_package("unixodbc")
    assert found.stdout.startswith(str(tmp_path))
    assert "no server answers at the host and port of database_url" in found.stderr


# Service Bus


def test_template_makes_the_queue_right() -> None:
    """Some properties cannot be changed once the queue exists."""
    (queue,) = _of_type("Microsoft.ServiceBus/namespaces/queues")
    assert queue["properties"] == _QUEUE
    assert _template()["parameters"]["queueName"]["defaultValue"] == Settings().servicebus_queue


def test_template_asks_for_current_tls_and_can_do_without_keys() -> None:
    (namespace,) = _of_type("Microsoft.ServiceBus/namespaces")
    assert namespace["properties"] == {
        "minimumTlsVersion": "1.2",
        "disableLocalAuth": "[parameters('disableLocalAuth')]",
    }
    # Basic knows no duplicates.
    assert _template()["parameters"]["sku"]["allowedValues"] == ["Standard", "Premium"]


def test_template_lets_receivers_send_and_workers_do_both() -> None:
    """https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/integration"""
    variables = _template()["variables"]
    assert variables["dataSender"] == "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39"
    assert variables["dataReceiver"] == "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0"
    granted = {}
    for assignment in _of_type("Microsoft.Authorization/roleAssignments"):
        assert assignment["scope"] == "[variables('queueScope')]"
        (whom,) = re.findall(r"variables\('(\w+)'\)\[copyIndex", assignment["properties"]["principalId"])
        (role,) = re.findall(r"variables\('(data\w+)'\)", assignment["properties"]["roleDefinitionId"])
        granted[role] = set(re.findall(r"parameters\('(\w+)'\)", variables[whom]))
    assert granted == {
        "dataSender": {"senderPrincipalIds", "workerPrincipalIds"},
        "dataReceiver": {"workerPrincipalIds"},
    }


@pytest.mark.parametrize("kind", ["parameters", "variables"])
def test_template_refers_to_what_it_declares(kind: str) -> None:
    """All of it, and nothing else: Azure would report it only at deployment."""
    template = _template()
    used = set(re.findall(rf"{kind}\('(\w+)'\)", json.dumps(template)))
    assert used == set(template[kind])


def test_emulator_has_the_queue_of_the_template() -> None:
    """Equal in all properties that both know, except for the emulator's bounds."""
    user = json.loads((_DEPLOY / "servicebus" / "config.json").read_text("utf-8"))["UserConfig"]
    (namespace,) = user["Namespaces"]
    assert namespace["Name"] == "sbemulatorns"  # the only name that it accepts
    (queue,) = namespace["Queues"]
    assert queue["Name"] == Settings().servicebus_queue
    properties = {name[0].lower() + name[1:]: value for name, value in queue["Properties"].items()}
    assert {name: properties.get(name) for name in _QUEUE if not name.startswith("enable")} == {
        name: _EMULATOR_BOUNDS.get(name, value) for name, value in _QUEUE.items() if not name.startswith("enable")
    }


def test_emulator_is_reached_where_the_compose_file_has_it(tmp_path: Path) -> None:
    """It is reached by the name of its service, and without TLS, which it lacks."""
    text = _made_secret(tmp_path, "servicebus_connection_string")
    services = YAML(typ="safe").load(_DEPLOY / "compose.yaml")["services"]
    assert ServiceBusAddress(Settings().servicebus_queue, connection_string=text).host in services
    assert "UseDevelopmentEmulator=true" in text


def test_az_command_of_the_readme_makes_the_same_queue() -> None:
    """The command is for deployments without a template."""
    readme = (_DEPLOY / "README.md").read_text("utf-8").replace("\\\n", " ")
    (command,) = re.findall(r"^ +az servicebus queue create .*$", readme, re.MULTILINE)
    words = shlex.split(command)
    options = dict(zip(words[4::2], words[5::2], strict=True))
    names = {
        "requiresDuplicateDetection": "--enable-duplicate-detection",
        "requiresSession": "--enable-session",
        "deadLetteringOnMessageExpiration": "--enable-dead-lettering-on-message-expiration",
    }
    for name, value in _QUEUE.items():
        option = names.get(name, "--" + re.sub("[A-Z]", lambda found: "-" + found.group().lower(), name))
        assert options[option] == (str(value).lower() if isinstance(value, bool) else str(value)), option


def test_script_for_windows_reads_what_the_command_prints(tmp_path: Path) -> None:
    """The script is not run here: the fields it reads from `certificates show --json` must exist under that name."""
    script = (_DEPLOY / "windows" / "verify-store.ps1").read_text("ascii")
    environment = {**os.environ, "MAIL_IMPORTER_CERTIFICATE_STORE": str(tmp_path)}
    command = [sys.executable, "-m", "console", "certificates", "new", "--subject", "trial", "--json"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
    asked = set(re.findall(r"\$shown\.(\w+)", script))
    assert asked >= {"thumbprint", "fault", "key_matches"}
    assert asked <= json.loads(made.stdout).keys()
