"""The command as a whole: help, exit statuses, and its output streams."""

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from bus.errors import QueueUnavailable
from console.lazy_commands import LazyCommand
from console.main import COMMANDS, MainGroup
from db.errors import DatabaseUnavailable
from graph.errors import GraphUnavailable
from phrases import Phrase
from tests.paths import ROOT

Run = Callable[..., Result]
RunProcess = Callable[..., subprocess.CompletedProcess[str]]

ADD = (
    "accounts", "add", "--name", "laboratory",
    "--tenant-id", "11111111-2222-3333-4444-555555555555", "--client-id", "66666666-7777-8888-9999-aaaaaaaaaaaa",
    "--user-id", "bbbbbbbb-cccc-dddd-eeee-ffffffffffff", "--thumbprint", "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B",
)  # fmt: skip


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from walk(each, (*path, name))


@pytest.fixture(params=COMMANDS)
def tree(request: pytest.FixtureRequest) -> list[tuple[tuple[str, ...], click.Command]]:
    """A command and all below it."""
    name: str = request.param
    return list(walk(COMMANDS[name].load(), (name,)))


def test_every_command_has_help_with_an_example_within_80_columns(
    tree: list[tuple[tuple[str, ...], click.Command]], run: Run
) -> None:
    for path, command in tree:
        assert command.help, f"{path} says nothing"
        for option in command.params:
            assert isinstance(option, click.Argument) or option.to_info_dict()["help"], f"{path}: {option.name}"
        out = run(*path, "--help").stdout
        assert "Example" in out, f"{path} has no example"
        assert "mail-importer " + " ".join(path) in out.split("Example")[1], f"{path}: the example is another's"
        assert max(len(line) for line in out.splitlines()) <= 80, f"{path} is too wide"


def test_every_command_that_prints_data_prints_json_too(tree: list[tuple[tuple[str, ...], click.Command]]) -> None:
    for path, command in tree:
        if path[-1] in {"list", "show", "status", "current", "test"}:
            assert any("--json" in option.opts for option in command.params), path


def test_help_lists_every_command_with_its_line_and_the_exit_statuses(run: Run) -> None:
    out = run("--help").stdout
    for name, entry in COMMANDS.items():
        assert f"{name} " in out
        assert entry.summary in out
    assert "Exit status" in out


def test_help_loads_no_command() -> None:
    code = "import sys; from console.main import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "console.main" in out
    assert not {"asyncio", "sqlalchemy", "aiohttp", "pydantic", "console.settings", "rich"} & set(out.split())


def test_help_works_with_broken_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_QEUE", "x")
    for arguments in (["--help"], ["accounts", "--help"], ["accounts", "list", "--help"], ["--version"]):
        assert run(*arguments).exit_code == 0


def test_a_misspelt_command_is_wrong_usage_with_the_right_one(run: Run) -> None:
    result = run("acounts")
    assert result.exit_code == 2
    assert "accounts" in result.stderr


def test_wrong_settings_end_every_command_with_2_and_without_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_RECEIVER_PORT", "http")
    for arguments in (["accounts", "list"], ["certificates", "list"], ["queue", "status"], ["db", "current"], ADD):
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "receiver_port" in result.stderr


@pytest.mark.parametrize(
    "error",
    [
        GraphUnavailable(Phrase("Graph is away.")),
        DatabaseUnavailable(Phrase("It is locked.")),
        QueueUnavailable(Phrase("It is full.")),
    ],
)
def test_an_error_written_for_operators_ends_with_1_and_its_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = CliRunner().invoke(group_that_raises(error, monkeypatch), ["fail"])
    assert (result.exit_code, result.stderr) == (1, f"Error: {error}\n")


def test_an_unexpected_error_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(group_that_raises(ZeroDivisionError(), monkeypatch), ["fail"])
    assert isinstance(result.exception, ZeroDivisionError)


def group_that_raises(error: Exception, monkeypatch: pytest.MonkeyPatch) -> MainGroup:
    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(LazyCommand, "load", lambda _: fail)
    return MainGroup(name="mail-importer", lazy={"fail": LazyCommand("nowhere:fail", "Fail.")})


@pytest.mark.parametrize(
    "arguments", [["accounts", "list"], ["queue", "status"], ADD, ["accounts", "remove", "x", "--yes"]]
)
def test_a_database_without_schema_is_refused_with_the_command_to_run(arguments: list[str], run: Run) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert "Run: mail-importer db upgrade" in result.stderr
    assert list(Path().iterdir()) == [], "looking makes no file"


# The installed command, as a process.


@pytest.mark.slow
def test_the_installed_command_adds_and_lists_an_account(run_process: RunProcess, tmp_path: Path) -> None:
    assert run_process("db", "upgrade").returncode == 0
    added = run_process(*ADD)
    assert (added.returncode, added.stdout) == (0, "")
    listed = run_process("accounts", "list", "--json")
    assert listed.returncode == 0
    assert "No processor is alive" in listed.stderr
    assert [account["name"] for account in json.loads(listed.stdout)] == ["laboratory"]
    rows = sqlite3.connect(tmp_path / "mail-importer.db")
    try:
        assert rows.execute('SELECT "sAccountName", "bEnabled" FROM "tblEmailAccountSettings"').fetchall() == [
            ("laboratory", 1)
        ]
    finally:
        rows.close()


@pytest.mark.parametrize(
    ("arguments", "environment", "status"),
    [
        (["db", "upgrade"], {}, 0),
        (["db", "current"], {}, 1),
        (["certificates", "show", "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B"], {}, 1),
        (["db", "current"], {"MAIL_IMPORTER_DATABASE_URL": "sqlite:////nowhere/at/all.db"}, 1),
        (["db", "upgrade"], {"MAIL_IMPORTER_DATABASE_URL": "sqlite:////nowhere/at/all.db"}, 1),
        (["accounts"], {}, 2),
        (["accounts", "add"], {}, 2),
        (["queue", "replay"], {}, 2),
        (["queue", "status"], {"MAIL_IMPORTER_QUEUE": "servicebus"}, 2),
        (["accounts", "list"], {"MAIL_IMPORTER_CONFIG": "nowhere.toml"}, 2),
        (["accounts", "list"], {"MAIL_IMPORTER_SWEEP_INTERVALL": "1"}, 2),
    ],
)
def test_the_exit_status_distinguishes_done_failed_and_wrong(
    arguments: list[str], environment: dict[str, str], status: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = run(*arguments)
    assert result.exit_code == status, result.stderr
    assert status == 0 or result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status"), [(["--version"], 0), (["accounts", "list"], 1), (["queue", "status", "--frobnicate"], 2)]
)
def test_the_process_ends_with_the_exit_status(arguments: list[str], status: int, run_process: RunProcess) -> None:
    result = run_process(*arguments)
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    assert status == 0 or result.stderr


@pytest.mark.slow
def test_a_file_that_is_no_database_fails_with_a_sentence(run_process: RunProcess, tmp_path: Path) -> None:
    (tmp_path / "mail-importer.db").write_bytes(b"Dear reader, " * 500)
    result = run_process("accounts", "list")
    assert (result.returncode, result.stdout) == (1, "")
    assert "not a SQLite database" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "arguments",
    [
        ["accounts", "export", "--output"],
        ["config", "init"],
        ["certificates", "convert", "one.pem"],
        ["db", "backup"],
    ],
)
def test_a_file_that_cannot_be_looked_for_is_one_that_cannot_be_written(arguments: list[str], run: Run) -> None:
    """As one in a folder that the user may not search."""
    Path("one.pem").touch()
    result = run(*arguments, "x" * 300 + ".pem")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be written: File name too long." in result.stderr


def test_a_database_that_cannot_be_looked_for_cannot_be_opened(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one in a folder that the user may not search."""
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", f"sqlite:///{'x' * 300}.db")
    result = run("accounts", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "its file cannot be opened" in result.stderr
    nagios = run("status", "--check", "--format", "nagios")
    assert (nagios.exit_code, nagios.stdout.split()[1]) == (2, "CRITICAL")


def test_python_m_console_is_the_same_command() -> None:
    out = subprocess.run([sys.executable, "-m", "console", "--version"], capture_output=True, text=True, check=True)
    assert out.stdout.startswith("mail-importer")


@pytest.mark.parametrize(
    ("command", "status", "reason"),
    [
        ("accounts remove laboratory", 2, "add --yes"),
        ("accounts import --format csv -", 1, "no heading"),
        ("console users add marie --role Viewer --password-stdin", 1, "fewer than 12"),
        ("console users add marie --role Viewer", 1, "Aborted!"),
    ],
)
@pytest.mark.slow
@pytest.mark.usefixtures("engine")
@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX closes the stream")
def test_a_command_whose_input_is_closed_finds_it_empty(command: str, status: int, reason: str, run: Run) -> None:
    assert run(*ADD).exit_code == 0
    ended = in_shell(f"{command} <&-")
    assert (ended.returncode, b"Traceback" in ended.stderr) == (status, False), ended.stderr
    assert reason.encode() in ended.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
@pytest.mark.skipif(sys.platform == "win32", reason="output is UTF-8 there")
def test_characters_that_the_encoding_of_the_output_lacks_are_escaped(run: Run) -> None:
    """As in a locale of one byte a character, where a name or a subject would end the command."""
    assert run("accounts", "add", "--name", "Prüfstelle ✅", *ADD[4:]).exit_code == 0
    shown = in_shell("accounts list", PYTHONIOENCODING="cp1252")
    assert (shown.returncode, b"Traceback" in shown.stderr) == (0, False)
    assert "Prüfstelle \\u2705\t".encode("cp1252") in shown.stdout


def in_shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in the folder of the test."""
    return subprocess.run(
        ["sh", "-c", f"{shlex.quote(sys.executable)} -m console {command}"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX closes the stream")
def test_a_command_works_where_a_stream_is_closed(closed: str) -> None:
    """Output for that stream is discarded."""
    ended = in_shell(f"config show {closed}")
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("command", ["--help", "--version", "config show"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_output_that_finds_no_room_ends_with_the_reason(command: str, unbuffered: str) -> None:
    ended = in_shell(f"--language en {command} >/dev/full", PYTHONUNBUFFERED=unbuffered)
    reason = b"Error: The output cannot be written: No space left on device.\n"
    assert (ended.returncode, ended.stderr) == (1, reason)
