"""`mail-importer db`."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Engine, text

from db.schema import revisions

Run = Callable[..., Result]


def test_upgrade_makes_the_schema_and_may_be_repeated(run: Run) -> None:
    first = run("db", "upgrade")
    assert (first.exit_code, first.stdout) == (0, "")
    assert "from nothing to revision" in first.stderr
    again = run("db", "upgrade")
    assert again.exit_code == 0
    assert "is up to date" in again.stderr


def test_current_fails_before_the_upgrade_and_reports_what_to_do(run: Run) -> None:
    result = run("db", "current", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["revision"] is None
    assert "mail-importer db upgrade" in result.stderr


def test_current_prints_revision_and_head(run: Run, engine: Engine) -> None:
    result = run("db", "current", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["revision"] == found["head"]
    assert found["current"] is True
    assert engine.dialect.name == "sqlite"


@pytest.mark.parametrize("command", ["upgrade", "current"])
def test_a_schema_of_a_newer_version_is_left_alone(command: str, run: Run, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text('UPDATE "tblMailImporterVersion" SET version_num = :new'), {"new": "9999"})
    result = run("db", command)
    assert result.exit_code == 1
    assert "newer" in result.stderr


def test_options_of_the_url_are_not_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", "sqlite:///./a.db?timeout=7")
    assert json.loads(run("db", "current", "--json").stdout)["database"] == "sqlite:///./a.db"


def test_check_finds_nothing_after_the_upgrade(run: Run, engine: Engine) -> None:
    assert engine.dialect.name == "sqlite"
    result = run("db", "check")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "as it should be" in result.stderr
    assert json.loads(run("db", "check", "--json").stdout) == []


def test_check_shows_what_differs_and_what_to_do(run: Run, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text('DROP INDEX "IX_tblMessageTrace_dtEnded"'))
    result = run("db", "check", "--json")
    assert result.exit_code == 1
    [found] = json.loads(result.stdout)
    assert (found["table"], found["item"]) == ("tblMessageTrace", "IX_tblMessageTrace_dtEnded")
    assert found["remedy"] == 'Run: CREATE INDEX "IX_tblMessageTrace_dtEnded" ON "tblMessageTrace" ("dtEnded")'
    assert "1 difference" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["upgrade", "check"])
def test_a_database_file_that_others_can_read_is_warned_of(command: str, run: Run, tmp_path: Path) -> None:
    """Files of earlier versions have the mode of the umask; the advice is the command that corrects it."""
    assert "chmod" not in run("db", "upgrade").stderr
    file = tmp_path / "mail-importer.db"
    file.chmod(0o640)
    result = run("db", command)
    assert result.exit_code == 0
    assert "mail-importer.db (0640)" in result.stderr
    assert "chmod 600 " in result.stderr
    file.chmod(0o600)
    assert "chmod" not in run("db", command).stderr


def test_check_comes_after_the_upgrade(run: Run) -> None:
    result = run("db", "check")
    assert result.exit_code == 1
    assert "Run: mail-importer db upgrade" in result.stderr


@pytest.mark.parametrize("url", ["mssql+pyodbc://host/gateway?driver=any", "postgresql+psycopg://host/gateway"])
def test_the_script_is_printed_without_a_server(url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", url)
    result = run("db", "upgrade", "--sql")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("-- mail-importer")


def test_sqlite_needs_no_script(run: Run) -> None:
    result = run("db", "upgrade", "--sql")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "mail-importer db upgrade" in result.stderr


def test_an_upgrade_shows_all_that_is_in_its_way(run: Run, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mail-importer.db") as connection:
        connection.execute('CREATE TABLE "tblEmailAccountSettings" ("nAccountID" text, "sFolder" varchar(9))')
    result = run("db", "upgrade")
    assert result.exit_code == 1
    assert "tblEmailAccountSettings.nAccountID: found text" in result.stderr
    assert "tblEmailAccountSettings.sFolder: found varchar(9), wanted varchar(450)" in result.stderr
    assert "nothing was changed" in result.stderr


def test_an_upgrade_states_what_it_did_as_json(run: Run) -> None:
    first, second = (json.loads(run("db", "upgrade", "--json").stdout) for _ in range(2))
    assert first == {
        "database": "sqlite:///mail-importer.db",
        "before": None,
        "revision": revisions.HEAD,
        "changed": True,
    }
    assert second == {**first, "before": revisions.HEAD, "changed": False}
    assert run("db", "upgrade", "--sql", "--json").exit_code == 2
