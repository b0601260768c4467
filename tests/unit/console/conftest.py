"""Commands in a folder of their own, in an environment without the product's settings."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from console import terminal
from console.invocation import Invocation
from console.main import cli
from console.settings import Settings
from console.translation.language import VARIABLE
from db.engine import make_engine
from db.schema import migration

NOW: Final = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
TENANT: Final = "11111111-2222-3333-4444-555555555555"
CLIENT: Final = "66666666-7777-8888-9999-aaaaaaaaaaaa"
USER: Final = "bbbbbbbb-cccc-dddd-eeee-ffffffffffff"
THUMBPRINT: Final = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B"

Run = Callable[..., Result]
RunProcess = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove settings from outside, and use a folder of the test for relative paths."""
    for name in os.environ:
        if name.upper().startswith("MAIL_IMPORTER_") and name != VARIABLE:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Run:
    """Run a command in this process, at the time `NOW`."""

    def call(*arguments: str, typed: str | None = None) -> Result:
        result = CliRunner().invoke(cli, list(arguments), input=typed, obj=Invocation(clock=lambda: NOW))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal of 80 columns."""
    monkeypatch.setattr(terminal, "width", lambda: 80)


@pytest.fixture
def run_process(tmp_path: Path) -> RunProcess:
    """Run the installed command as a process."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("mail-importer")), *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


@pytest.fixture(scope="session")
def _upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway database, made once: hundreds of tests begin with one."""
    path = tmp_path_factory.mktemp("gateway") / "mail-importer.db"
    made = make_engine(f"sqlite:///{path}")
    migration.upgrade(made, now=NOW)
    made.dispose()
    return path


@pytest.fixture
def engine(_upgraded: Path) -> Iterator[Engine]:
    """The gateway database that the commands use, its schema current."""
    shutil.copy(_upgraded, "mail-importer.db")
    made = make_engine(Settings().database_url.get_secret_value())
    yield made
    made.dispose()
