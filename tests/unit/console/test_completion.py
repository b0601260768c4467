"""Completion in a shell."""

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from console.main import cli
from db.engine import run_writing
from db.queries import accounts
from tests import powershell
from tests.unit.console.conftest import CLIENT, NOW, TENANT, THUMBPRINT, USER, Run, RunProcess


@pytest.fixture
def laboratory(engine: Engine) -> None:
    settings = accounts.AccountSettings("laboratory", TENANT, CLIENT, USER, THUMBPRINT)
    run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))


Complete = Callable[..., list[str]]


@pytest.fixture
def complete() -> Complete:
    """Return Bash's completions for the last word, by the variables that its script sets."""

    def call(words: str) -> list[str]:
        result = CliRunner().invoke(cli, [], prog_name="mail-importer", env=asked_of_bash(words))
        assert (result.stderr, result.exception) == ("", None)
        return completions(result.stdout)

    return call


def asked_of_bash(words: str) -> dict[str, str]:
    count = len(words.split(" ")) - 1
    return {"_MAIL_IMPORTER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(count)}


def completions(stdout: str) -> list[str]:
    return [line.partition(",")[2] for line in stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_of_each_shell_asks_the_command(shell: str, run: Run) -> None:
    out = run("completion", shell).stdout
    assert {"_MAIL_IMPORTER_COMPLETE", f"{shell}_complete", "mail-importer"} <= set(re.findall(r"[\w-]+", out))


def test_bash_takes_its_script(run: Run) -> None:
    script = run("completion", "bash").stdout
    reported = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p mail-importer"], capture_output=True, text=True, check=True
    )
    assert "_mail_importer_completion" in reported.stdout


def test_script_for_powershell_is_powershell(run: Run) -> None:
    root = powershell.parse(run("completion", "powershell").stdout)
    assert powershell.errors(root) == []
    assert "Register-ArgumentCompleter" in [powershell.name(each) for each in powershell.commands(root)]


@pytest.mark.usefixtures("laboratory")
@pytest.mark.parametrize(
    ("words", "count", "values"),
    [("mail-importer queue re", 2, ["replay"]), ("mail-importer accounts show ", 3, ["laboratory"])],
)
def test_powershell_gets_three_lines_for_each_completion(words: str, count: int, values: list[str]) -> None:
    """Type, value and help, by the variables that the script sets: the count leaves out a word that is begun."""
    environment = {"_MAIL_IMPORTER_COMPLETE": "powershell_complete", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    result = CliRunner().invoke(cli, [], prog_name="mail-importer", env=environment)
    lines = result.stdout.splitlines()
    assert (lines[::3], lines[1::3]) == (["plain"] * len(values), values)
    assert len(lines) == 3 * len(values)


def test_commands_and_options_are_completed(complete: Complete) -> None:
    assert complete("mail-importer acc") == ["accounts"]
    assert complete("mail-importer queue re") == ["replay"]
    assert "--dead-letters" in complete("mail-importer queue list --")


@pytest.mark.slow
@pytest.mark.usefixtures("laboratory")
def test_the_installed_command_completes(run_process: RunProcess) -> None:
    result = run_process(**asked_of_bash("mail-importer accounts show l"))
    assert (completions(result.stdout), result.stderr) == (["laboratory"], "")


@pytest.mark.usefixtures("laboratory")
@pytest.mark.parametrize(
    "words",
    [
        "accounts show l", "accounts update ", "accounts remove lab", "accounts history la", "verify l", "import l",
        "trace x --account l", "queue list --account l", "queue replay --account l", "db purge --account l",
    ],
)  # fmt: skip
def test_account_names_are_completed_where_one_is_asked_for(words: str, complete: Complete) -> None:
    assert complete(f"mail-importer {words}") == ["laboratory"]


@pytest.mark.usefixtures("laboratory")
def test_names_that_begin_otherwise_are_not_offered(complete: Complete) -> None:
    assert complete("mail-importer accounts show x") == []


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
    environment: dict[str, str], complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert complete("mail-importer accounts show l") == []


def test_completing_commands_loads_none() -> None:
    code = (
        "import sys; from console.main import cli; import click;"
        "c = click.Context(cli); names = [each.value for each in cli.shell_complete(c, 'acc')];"
        "print(*names); print(*sys.modules, file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["accounts"]
    assert not {"sqlalchemy", "pydantic", "console.settings", "rich"} & set(result.stderr.split())
