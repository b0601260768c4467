"""CPU time of whole commands, from the start of Python to its end, on SQLite with ten accounts.

Baselines of the same run: Python that does nothing, `--version`, which loads no command, and one query by SQLAlchemy
alone, which every command on the database pays. Modules are compiled, as they are where the product is installed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from bench.figure import Figure
from console.wiring.clock import utc_now
from db.engine import make_engine, run_writing
from db.queries import accounts
from db.queries.accounts import AccountSettings
from db.schema import migration

_RUNS: Final = 9
_ACCOUNTS: Final = 10
_GOAL_SECONDS: Final = 0.4
_WITH_GOAL: Final = ("accounts list", "queue status", "status")
_OTHERS: Final = ("db current", "messages list", "rules list", "delivery list", "config show", "certificates list")
_QUERY: Final = (
    "import sys; from sqlalchemy import create_engine, text; "
    "create_engine(sys.argv[1]).connect().execute(text('SELECT * FROM tblEmailAccountSettings')).all()"
)


def main() -> None:
    """Print the figures, those without a goal, too."""
    print(f"CPU time of commands, SQLite with {_ACCOUNTS} accounts, median of {_RUNS} calls:")
    for each in _measured(*_WITH_GOAL, *_OTHERS):
        print(f"  {each.name:50} {each.value:.3f} s; {each.baseline}")


def figures() -> Iterator[Figure]:
    """Those with a goal."""
    return _measured(*_WITH_GOAL)


def _measured(*commands: str) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'gateway.db'}"
        _make(url)
        nothing = _seconds(folder, url, "-c", "pass")
        version = _seconds(folder, url, "-m", "console", "--version")
        query = _seconds(folder, url, "-c", _QUERY, url)
        for command in commands:
            used = _seconds(folder, url, "-m", "console", *command.split())
            baseline = (
                f"{used / query:.2f} of a query by SQLAlchemy alone, {query:.3f} s "
                f"(Python alone {nothing:.3f} s, --version {version:.3f} s)"
            )
            goal = _GOAL_SECONDS if command in _WITH_GOAL else None
            yield Figure(f"{command}: whole command, CPU time", used, "s", goal, baseline, is_most=True)


def _make(url: str) -> None:
    engine = make_engine(url)
    migration.upgrade(engine, now=utc_now())
    for number in range(_ACCOUNTS):
        settings = AccountSettings(f"station{number}", "tenant", "client", f"user{number}", "0" * 40, False)
        run_writing(engine, lambda connection, settings=settings: accounts.add(connection, settings, now=utc_now()))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    engine.dispose()


def _seconds(folder: Path, url: str, *arguments: str) -> float:
    """CPU time of a call of Python; the first one, which may compile modules, does not count."""
    left_out = "PYTHONDONTWRITEBYTECODE"  # containers set it
    environment = {
        name: value for name, value in os.environ.items() if name != left_out and not name.startswith("MAIL_IMPORTER_")
    }
    environment |= {"MAIL_IMPORTER_DATABASE_URL": url, "MAIL_IMPORTER_CERTIFICATE_STORE": str(folder)}
    return median([_once(arguments, environment) for _ in range(_RUNS + 1)][1:])


def _once(arguments: tuple[str, ...], environment: dict[str, str]) -> float:
    quiet = subprocess.DEVNULL
    called = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=quiet, stderr=quiet)
    _, status, used = os.wait4(called.pid, 0)
    called.returncode = os.waitstatus_to_exitcode(status)
    if called.returncode != 0:
        raise subprocess.CalledProcessError(called.returncode, [*arguments])
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
