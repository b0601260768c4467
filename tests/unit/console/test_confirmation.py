"""The confirmation of what cannot be undone, in each language."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from db.engine import run_reading, run_writing
from db.queries import accounts
from tests.unit.console.conftest import Run

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _laboratory(engine: Engine) -> None:
    settings = accounts.AccountSettings("laboratory", "t", "c", "u", "p")
    run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))


@pytest.mark.parametrize(
    ("language", "typed", "is_done"),
    [
        ("en", "y\n", True),
        ("en", "what?\nYES\n", True),
        ("en", "n\n", False),
        ("en", "\n", False),
        ("fr", "o\n", True),
        ("fr", "oui\n", True),
        ("fr", "non\n", False),
    ],
)
def test_each_language_has_its_answers(run: Run, engine: Engine, language: str, typed: str, is_done: bool) -> None:
    result = run("--language", language, "accounts", "remove", "laboratory", typed=typed)
    assert result.exit_code == (0 if is_done else 1)
    assert ("[y/N]" if language == "en" else "[o/N]") in result.stderr
    assert ("Answer y or n." in result.stderr) == ("?" in typed)
    assert run_reading(engine, accounts.every) == [] if is_done else True


def test_an_answer_that_does_not_come_is_wrong_usage(run: Run) -> None:
    result = run("accounts", "remove", "laboratory", typed="")
    assert result.exit_code == 2
    assert "add --yes" in result.stderr
