"""What is under `deploy/` can be used as it is."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_UNITS = sorted((_ROOT / "deploy" / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", _UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing to say."""
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is missing: tests/system-packages.sh should have installed it")
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    installed = Path(sys.executable).with_name("mail-importer")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text("utf-8").replace("/opt/mail-importer/bin/mail-importer", str(installed)), "utf-8")
    found = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_there_is_a_unit_for_each_role() -> None:
    """One host, or one role of several hosts."""
    commands = {line for unit in _UNITS for line in unit.read_text("utf-8").splitlines() if "ExecStart=" in line}
    assert {command.split("mail-importer run ")[1] for command in commands} == {
        "all",
        "receiver",
        "processor",
        "subscriptions",
    }


def test_image_holds_every_package() -> None:
    """A package forgotten in the Dockerfile would be missed only when its role starts."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))
    dockerfile = (_ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {package} {package}\n" in dockerfile
