"""Completion in a shell."""

import subprocess
import sys

import pytest
from sqlalchemy import Engine

from db.engine import run_writing
from db.queries import accounts
from tests.unit.console.conftest import CLIENT, NOW, TENANT, THUMBPRINT, USER, Run, RunProcess


@pytest.fixture
def laboratory(engine: Engine) -> None:
    settings = accounts.AccountSettings("laboratory", TENANT, CLIENT, USER, THUMBPRINT)
    run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))


def complete(run_process: RunProcess, words: str, **environment: str) -> list[str]:
    """Bash's completions for the last word."""
    count = len(words.split(" ")) - 1
    result = run_process(
        _MAIL_IMPORTER_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(count), **environment
    )
    assert result.stderr == ""
    return [line.partition(",")[2] for line in result.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_the_command(shell: str, run: Run) -> None:
    out = run("completion", shell).stdout
    assert f"_MAIL_IMPORTER_COMPLETE={shell}_complete" in out
    assert "mail-importer" in out


def test_bash_takes_its_script(run: Run) -> None:
    script = run("completion", "bash").stdout
    reported = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p mail-importer"], capture_output=True, text=True, check=True
    )
    assert "_mail_importer_completion" in reported.stdout


def test_commands_and_options_are_completed(run_process: RunProcess) -> None:
    assert complete(run_process, "mail-importer acc") == ["accounts"]
    assert complete(run_process, "mail-importer queue re") == ["replay"]
    assert "--dead-letters" in complete(run_process, "mail-importer queue list --")


@pytest.mark.usefixtures("laboratory")
@pytest.mark.parametrize(
    "words",
    [
        "accounts show l", "accounts update ", "accounts remove lab", "accounts history la", "verify l", "import l",
        "trace x --account l", "queue list --account l", "queue replay --account l", "db purge --account l",
    ],
)  # fmt: skip
def test_account_names_are_completed_where_one_is_asked_for(words: str, run_process: RunProcess) -> None:
    assert complete(run_process, f"mail-importer {words}") == ["laboratory"]


@pytest.mark.usefixtures("laboratory")
def test_names_that_begin_otherwise_are_not_offered(run_process: RunProcess) -> None:
    assert complete(run_process, "mail-importer accounts show x") == []


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"MAIL_IMPORTER_DATABASE_URL": "sqlite:////nowhere/at/all.db"},
        {"MAIL_IMPORTER_DATABASE_URL": "nonsense"},
        {"MAIL_IMPORTER_QEUE": "x"},
        {"MAIL_IMPORTER_DATABASE_URL": "mssql+pyodbc://u:p@127.0.0.1:9/x?driver=No such driver"},
    ],
    ids=["no file", "no folder", "no URL", "wrong settings", "no driver"],
)
def test_a_database_that_cannot_be_read_offers_nothing_and_says_nothing(
    environment: dict[str, str], run_process: RunProcess
) -> None:
    assert complete(run_process, "mail-importer accounts show l", **environment) == []


def test_completing_commands_loads_none() -> None:
    code = (
        "import sys; from console.main import cli; import click;"
        "c = click.Context(cli); names = [each.value for each in cli.shell_complete(c, 'acc')];"
        "print(*names); print(*sys.modules, file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["accounts"]
    assert not {"sqlalchemy", "pydantic", "console.settings", "rich"} & set(result.stderr.split())
