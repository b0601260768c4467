"""Memory of processes that have nothing to do: each role, and all in one process, on SQLite without accounts.

Baselines of the same run: Python without anything imported, and a server of aiohttp without a route. Resident memory
counts pages of libraries that processes share as often as there are processes; the proportional one divides them.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.figure import Figure
from bench.resources import proportional, resident
from console.wiring.clock import utc_now
from db.engine import make_engine
from db.schema import migration
from tests.ports import free_port

_GOALS: Final = {"all": 80, "receiver": 45}
_OTHERS: Final = ("processor", "subscriptions", "delivery", "console")
_SECONDS: Final = 15.0
_NOTHING: Final = "import time; time.sleep(60)"
_BARE_SERVER: Final = (
    "import asyncio; from aiohttp import web; "
    "web.run_app(web.Application(), host='127.0.0.1', port=0, print=None, handle_signals=True)"
)


def main() -> None:
    """Print the figures, those without a goal, too."""
    print(f"memory {_SECONDS:.0f} s after the start:")
    for each in _measured(*_GOALS, *_OTHERS):
        goal = "" if each.goal is None else f" (to reach: {each.goal:.0f})"
        print(f"  {each.name:20} {each.value:5.0f} MB resident{goal}; {each.baseline}")


def figures() -> Iterator[Figure]:
    """Those with a goal."""
    return _measured(*_GOALS)


def _measured(*roles: str) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'gateway.db'}"
        engine = make_engine(url)
        migration.upgrade(engine, now=utc_now())
        engine.dispose()
        bare, _ = _memory(["-c", _NOTHING], folder, url, seconds=1)
        server, servers_part = _memory(["-c", _BARE_SERVER], folder, url, seconds=3)
        for role in roles:
            found, part = _memory(["-m", "console", "run", role], folder, url, seconds=_SECONDS)
            baseline = (
                f"{part:.0f} MB proportional; bare aiohttp server {server:.0f} and {servers_part:.0f} MB, "
                f"bare Python {bare:.0f} MB"
            )
            yield Figure(f"idle `run {role}`", found, "MB", _GOALS.get(role), baseline, is_most=True, shown=".0f")


def _memory(arguments: list[str], folder: Path, url: str, *, seconds: float) -> tuple[float, float]:
    """Resident and proportional memory of Python with these arguments."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")}
    given |= {
        "MAIL_IMPORTER_DATABASE_URL": url,
        "MAIL_IMPORTER_CERTIFICATE_STORE": str(folder),
        "MAIL_IMPORTER_METRICS_PORT": "0",
        "MAIL_IMPORTER_RECEIVER_PORT": str(free_port()),
        "MAIL_IMPORTER_CONSOLE_PORT": str(free_port()),
    }
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        return resident(process.pid), proportional(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


if __name__ == "__main__":
    main()
