"""`mail-importer db`."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from sqlalchemy import Engine, text

Run = Callable[..., Result]


def test_upgrade_makes_the_schema_and_may_be_repeated(run: Run) -> None:
    first = run("db", "upgrade")
    assert (first.exit_code, first.stdout) == (0, "")
    assert "from nothing to revision" in first.stderr
    again = run("db", "upgrade")
    assert again.exit_code == 0
    assert "is up to date" in again.stderr


def test_current_fails_before_the_upgrade_and_says_what_to_do(run: Run) -> None:
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
