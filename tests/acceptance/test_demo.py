"""The demo, the first contact of a new user."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

import pytest


def _demo(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console", "demo", "--directory", str(directory), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_demo_imports_everything_exactly_once(tmp_path: Path) -> None:
    """Exit status 0, and a table with every mail of every mailbox.

    A second demo replaces the first; it runs where pyodbc cannot be imported.
    """
    shown = _demo(tmp_path / "demo", "--messages", "40", "--mailboxes", "3", "--json")
    assert shown.returncode == 0, shown.stderr
    rows = json.loads(shown.stdout)
    assert len(rows) == 3
    assert sum(row["arrived"] for row in rows) == 40
    assert all(row["arrived"] == row["notified"] == row["imported"] for row in rows)
    assert all(0 < row["p50_seconds"] <= row["p99_seconds"] for row in rows)
    assert "gateway.db" in shown.stderr
    assert "SELECT" in shown.stderr
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pyodbc.py").write_text(
        'raise ImportError("libodbc.so.2: cannot open shared object file: No such file or directory")\n', "ascii"
    )
    again = _demo(tmp_path / "demo", "--messages", "3", "--mailboxes", "1", PYTHONPATH=str(broken))
    assert again.returncode == 0, again.stderr


def test_demo_that_is_kept_running_works_on_and_shows_its_mail_in_the_console(tmp_path: Path) -> None:
    """It prints a link that opens; its roles answer and log as before."""
    directory = tmp_path / "demo"
    arguments = ["--keep", "--directory", str(directory), "--messages", "2", "--mailboxes", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "console", "demo", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as kept:
        assert kept.stderr is not None
        deadline = threading.Timer(100, kept.kill)
        deadline.start()
        try:
            lines = iter(kept.stderr.readline, "")
            link = next(found[0] for line in lines if (found := re.search(r"http://\S+/sign-in/link/\S+", line)))
            with urllib.request.urlopen(link, timeout=30) as page:
                assert b"<form" in page.read()
            events = [json.loads(line) for line in (directory / "mail-importer.log").read_text("utf-8").splitlines()]
            [port] = [each["port"] for each in events if each["event"] == "receiver_listening"]
            asked = f"http://127.0.0.1:{port}/notifications"
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(asked, data=b"not of Graph", timeout=30)
            with refused.value:
                assert refused.value.code == HTTPStatus.BAD_REQUEST
            until = time.monotonic() + 20
            while "delivery_refused" not in (directory / "mail-importer.log").read_text("utf-8"):
                assert time.monotonic() < until
                time.sleep(0.05)
            kept.send_signal(signal.SIGINT)
            kept.stderr.read()
        finally:
            deadline.cancel()
            kept.kill()


def test_demo_spares_what_is_not_its_own(tmp_path: Path) -> None:
    """A folder with foreign files in it is refused, untouched."""
    mine = tmp_path / "mine.txt"
    mine.write_text("precious", "ascii")
    refused = _demo(tmp_path, "--messages", "1")
    assert refused.returncode == 1
    assert "--directory" in refused.stderr
    assert mine.read_text("ascii") == "precious"
