"""Resident memory of processes that have nothing to do: `run all` and `run receiver`, on SQLite without accounts.

Baseline of the same run: Python without anything imported.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.figure import Figure
from bench.resources import resident
from console.wiring.clock import utc_now
from db.engine import make_engine
from db.schema import migration

_GOALS: Final = {"all": 80, "receiver": 45}
_SECONDS: Final = 15.0


def main() -> None:
    """Print the figures."""
    print(f"resident memory {_SECONDS:.0f} s after the start:")
    for each in figures():
        print(f"  {each.name:20} {each.value:5.0f} MB (to reach: {each.goal:.0f}); {each.baseline}")


def figures() -> Iterator[Figure]:
    """Of both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'gateway.db'}"
        engine = make_engine(url)
        migration.upgrade(engine, now=utc_now())
        engine.dispose()
        bare = _memory([sys.executable, "-c", "import time; time.sleep(60)"], folder, url, seconds=1)
        for role, goal in _GOALS.items():
            found = _memory([sys.executable, "-m", "console", "run", role], folder, url, seconds=_SECONDS)
            yield Figure(
                f"idle `run {role}`", found, "MB", goal, f"bare Python {bare:.0f} MB", is_most=True, shown=".0f"
            )


def _memory(command: list[str], folder: Path, url: str, *, seconds: float) -> float:
    given = {name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")}
    given |= {
        "MAIL_IMPORTER_DATABASE_URL": url,
        "MAIL_IMPORTER_CERTIFICATE_STORE": str(folder),
        "MAIL_IMPORTER_METRICS_PORT": "0",
        "MAIL_IMPORTER_RECEIVER_PORT": str(_free_port()),
        "MAIL_IMPORTER_CONSOLE_PORT": str(_free_port()),
    }
    process = subprocess.Popen(command, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        return resident(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


if __name__ == "__main__":
    main()
