"""Processes of the command on Windows: their output, and their end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

_SLEEPS = """
import asyncio
from console.wiring.process import run_until_signalled
async def work(stop):
    print("ready", flush=True)
    await stop.wait()
    print("stopped", flush=True)
run_until_signalled(work)
"""


def test_output_that_goes_to_a_program_is_utf8() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    done = subprocess.run(
        [sys.executable, "-m", "console", "--help"],
        env=environment | {"MAIL_IMPORTER_LANGUAGE": "fr", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert "Importer le courrier de boîtes aux lettres" in done.stdout.decode("utf-8")


def test_ctrl_break_stops_cleanly(wine: bool, tmp_path: Path) -> None:
    if wine:
        pytest.skip("Wine sends no Ctrl+Break where there is no console")
    process = subprocess.Popen(
        [sys.executable, "-c", _SLEEPS],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,  # type: ignore[attr-defined,unused-ignore]  # of Windows
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    process.send_signal(signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined,unused-ignore]  # of Windows
    assert process.communicate(timeout=30)[0].splitlines()[-1] == "stopped"
    assert process.returncode == 0
