"""The manual setup that README and the simulator show: the commands they print can be pasted."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

_BIN = Path(sys.executable).parent


def _environment() -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")}
    return {**bare, "PATH": f"{_BIN}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1", "MAIL_IMPORTER_LANGUAGE": "en"}


@pytest.fixture
def instructions(tmp_path: Path) -> Iterator[str]:
    """Output of `mail-importer simulator` while it runs."""
    printed = tmp_path / "printed"
    with printed.open("wb") as output:
        simulator = subprocess.Popen(
            [_BIN / "mail-importer", "simulator", "--directory", "simulator"],
            cwd=tmp_path,
            env=_environment(),
            stdout=output,
        )
    deadline = time.monotonic() + 20
    while "Mailboxes:" not in (text := printed.read_text("utf-8")):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    yield text
    simulator.terminate()
    assert simulator.wait(timeout=10) == 0


def test_what_the_simulator_prints_can_be_pasted(instructions: str, tmp_path: Path) -> None:
    """Its output alone leads to imported mail; only the thumbprint is filled in, and here the port."""
    steps, _, last = instructions.partition("To let mail arrive:")
    commands = "\n".join(line for line in steps.splitlines() if line.startswith("  "))
    port = str(free_port())
    commands = commands.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("mail-importer run all", "")
    thumbprint = "$(mail-importer certificates list --json | grep -m1 -owE '[0-9A-F]{40}')"
    curl = re.search(r"  (curl .*)", last)
    assert curl is not None
    script = f"""
set -e
{commands.replace("THE_THUMBPRINT_PRINTED_ABOVE", thumbprint)}
MAIL_IMPORTER_RECEIVER_PORT={port} mail-importer run all > run.log 2>&1 &
role=$!
trap 'kill $role' EXIT
logged() {{ for n in $(seq 400); do grep -q "$1" run.log && break; sleep 0.05; done; }}
logged subscription_created
mail-importer accounts list --json | grep -q '"state": "active"'
{curl[1]}
logged message_imported
mail-importer accounts list --json | grep -qE '"imported": [1-9]'
"""
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
