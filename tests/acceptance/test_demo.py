"""The demo, the first contact of a new user."""

import json
import os
import subprocess
import sys
from pathlib import Path


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


def test_demo_spares_what_is_not_its_own(tmp_path: Path) -> None:
    """A folder with foreign files in it is refused, untouched."""
    mine = tmp_path / "mine.txt"
    mine.write_text("precious", "ascii")
    refused = _demo(tmp_path, "--messages", "1")
    assert refused.returncode == 1
    assert "--directory" in refused.stderr
    assert mine.read_text("ascii") == "precious"
