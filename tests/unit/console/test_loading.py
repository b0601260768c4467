"""Modules that commands and roles leave out: each takes computing time at the start, and memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from console.wiring.clock import utc_now
from db.engine import make_engine, run_writing
from db.queries import accounts
from db.queries.accounts import AccountSettings

_PROGRAM: Final = """
import atexit, sys
atexit.register(lambda: print("loaded:", *sys.modules, file=sys.stderr))
from console.main import main
main()
"""
_SERVICES: Final = frozenset({"azure", "apprise", "opentelemetry", "pyodbc", "psycopg"})
_DRAWN: Final = frozenset({"rich.console", "rich.progress", "pygments"})
_OF_OTHER_DATABASES: Final = frozenset({"sqlalchemy.dialects.mssql", "sqlalchemy.dialects.postgresql"})
_OF_OTHER_STORES: Final = frozenset({"graph.certificates.windows.store", "graph.certificates.keyvault"})
_ELSEWHERE: Final = frozenset({"db.schema.comparison", "simulator"})
_NEVER: Final = _SERVICES | _DRAWN | _OF_OTHER_DATABASES | _OF_OTHER_STORES | _ELSEWHERE
_SIGN_IN: Final = frozenset({"msal", "requests"})
_CERTIFICATES: Final = frozenset({"cryptography", "asn1crypto", "graph.certificates"})
_CONTENTS: Final = frozenset({"lxml", "inscriptis", "processor.content.mapping"})
_PAGES: Final = frozenset({"console.web", "jinja2", "argon2"})
_IN_COMMANDS: Final = _NEVER | _SIGN_IN | _CERTIFICATES | _CONTENTS | _PAGES | {"aiohttp", "prometheus_client"}
_ROLES: Final = {
    "receiver": "receiver.app",
    "processor": "processor.worker",
    "subscriptions": "subscriptions.manager",
    "delivery": "delivery.deliverer",
    "console": "console.web.start",
}


def _other_roles_than(role: str) -> set[str]:
    return {module for other, module in _ROLES.items() if other != role}


_LEFT_OUT: Final = {
    "receiver": _NEVER | _SIGN_IN | _CERTIFICATES | _CONTENTS | _PAGES | _other_roles_than("receiver"),
    "processor": _NEVER | _PAGES | _other_roles_than("processor"),
    "subscriptions": _NEVER | _CONTENTS | _PAGES | _other_roles_than("subscriptions"),
    "delivery": _NEVER | _SIGN_IN | _CERTIFICATES | _CONTENTS | _PAGES | _other_roles_than("delivery"),
    "console": _NEVER | {"receiver.app", "subscriptions.manager"},  # its pages import messages, and apply rules
}


def loaded(stderr: str) -> set[str]:
    (line,) = (each for each in stderr.splitlines() if each.startswith("loaded: "))
    return set(line.split()[1:])


@contextmanager
def process(database: Path, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    free = dict.fromkeys(("METRICS_PORT", "RECEIVER_PORT", "CONSOLE_PORT"), "0")
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "MAIL_IMPORTER_DATABASE_URL": f"sqlite:///{database}",
            "MAIL_IMPORTER_DELIVERY_ROOTS": str(folder),
            **{f"MAIL_IMPORTER_{name}": value for name, value in free.items()},
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["accounts list", "db current", "messages list", "queue status", "rules list", "status"]
)
def test_a_command_on_the_database_loads_no_more_than_it_needs(
    command: str, database_file: Path, tmp_path: Path
) -> None:
    with process(database_file, tmp_path, *command.split()) as running:
        _, stderr = running.communicate()
    assert running.returncode == 0
    assert "sqlalchemy" in loaded(stderr)
    assert _IN_COMMANDS & loaded(stderr) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "left_out"), [("accounts list", _IN_COMMANDS | {"rules.words"}), ("status", _NEVER | {"rules.words"})]
)
def test_certificates_of_accounts_are_read_where_they_are_shown(
    command: str, left_out: frozenset[str], database_file: Path, tmp_path: Path
) -> None:
    settings = AccountSettings("laboratory", "tenant", "client", "user", "AB" * 20, False)
    engine = make_engine(f"sqlite:///{database_file}")
    run_writing(engine, lambda connection: accounts.add(connection, settings, now=utc_now()))
    engine.dispose()
    with process(database_file, tmp_path, *command.split()) as running:
        stdout, stderr = running.communicate()
    assert running.returncode == 0
    assert "laboratory" in stdout or command == "status"
    assert left_out & loaded(stderr) == set()


@pytest.mark.slow
@pytest.mark.parametrize("role", _ROLES)
def test_a_role_loads_no_more_than_it_needs(role: str, database_file: Path, tmp_path: Path) -> None:
    with process(database_file, tmp_path, "run", role) as running:
        assert running.stdout is not None
        assert any("roles_started" in line for line in running.stdout)
        running.send_signal(signal.SIGTERM)
        _, stderr = running.communicate()
    assert running.returncode == 0
    assert _ROLES[role] in loaded(stderr)
    assert _LEFT_OUT[role] & loaded(stderr) == set()
