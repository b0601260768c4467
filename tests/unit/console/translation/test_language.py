"""Language of the output."""

import json
from collections.abc import Mapping

import pytest
from sqlalchemy import Engine

from console.translation.language import of_environment
from db.engine import run_writing
from db.queries import accounts
from tests.unit.console.conftest import CLIENT, NOW, TENANT, THUMBPRINT, USER, Run

ENGLISH = "There are no accounts."
FRENCH = "Aucun compte n’existe."


@pytest.mark.parametrize(
    ("environment", "of_windows", "language"),
    [
        ({}, "", "en"),
        ({"LANG": "fr_FR.UTF-8"}, "", "fr"),
        ({"LANG": "fr_CA"}, "", "fr"),
        ({"LANG": "de_DE.UTF-8"}, "", "en"),
        ({"LANG": "C"}, "", "en"),
        ({"LC_MESSAGES": "fr_FR.UTF-8", "LANG": "en_US.UTF-8"}, "", "fr"),
        ({"LC_ALL": "C.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8", "LANG": "fr_FR.UTF-8"}, "", "en"),
        ({"LC_ALL": "", "LANG": "fr_FR.UTF-8"}, "", "fr"),
        ({"MAIL_IMPORTER_LANGUAGE": "en", "LC_ALL": "fr_FR.UTF-8"}, "", "en"),
        ({}, "fr_FR", "fr"),
        ({}, "de_DE", "en"),
        ({"LANG": "en_US.UTF-8"}, "fr_FR", "en"),
    ],
)
def test_the_environment_asks_for_a_language(environment: Mapping[str, str], of_windows: str, language: str) -> None:
    assert of_environment(environment, lambda: of_windows) == language


def test_the_option_wins_over_the_variable_and_that_over_the_locale(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("db", "upgrade")
    monkeypatch.delenv("MAIL_IMPORTER_LANGUAGE")
    monkeypatch.setenv("LC_ALL", "C")
    assert ENGLISH in run("accounts", "list").stderr
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert FRENCH in run("accounts", "list").stderr
    monkeypatch.setenv("MAIL_IMPORTER_LANGUAGE", "en")
    assert ENGLISH in run("accounts", "list").stderr
    assert FRENCH in run("--language", "fr", "accounts", "list").stderr
    assert ENGLISH in run("accounts", "list").stderr


def test_help_speaks_the_language_of_the_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_LANGUAGE", "fr")
    assert "Utilisation" in run("--help").stdout
    assert "Utilisation" in run("queue", "list", "--help").stdout


def test_a_language_that_is_not_here_is_wrong_settings_which_name_the_choices(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_LANGUAGE", "de")
    result = run("accounts", "list")
    assert result.exit_code == 2
    for part in ("MAIL_IMPORTER_LANGUAGE", "'de'", "'en'", "'fr'"):
        assert part in result.stderr


def test_wrong_usage_is_reported_in_the_language_of_the_locale_before_the_option_is_read(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAIL_IMPORTER_LANGUAGE")
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert "L’option '--nonsense' n’existe pas." in run("--nonsense").stderr
    assert "Option manquante" in run("--language", "fr", "accounts", "add", "--name", "x").stderr


def test_wrong_settings_are_reported_in_french(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_QEUE", "database")
    monkeypatch.setenv("MAIL_IMPORTER_RECEIVER_PORT", "70000")
    monkeypatch.setenv("MAIL_IMPORTER_CLOUD", "moon")
    monkeypatch.setenv("MAIL_IMPORTER_NOTIFICATION_URL", "http://mail.example.com")
    result = run("--language", "fr", "accounts", "list")
    assert result.exit_code == 2
    for part in (
        "les paramètres sont incorrects",
        "Suggestion\u00a0: MAIL_IMPORTER_QUEUE",
        "inférieure ou égale à 65535",
        "'global', 'usgov', 'dod', 'china'",
        "doit commencer par https://",
    ):
        assert part in result.stderr
    assert "Input should" not in result.stderr


def test_tables_are_in_french_and_json_never_is(run: Run, engine: Engine) -> None:
    settings = accounts.AccountSettings("laboratory", TENANT, CLIENT, USER, THUMBPRINT)
    run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))
    shown = run("--language", "fr", "accounts", "show", "laboratory").stdout
    assert "Boîte aux lettres" in shown
    assert "oui" in shown
    record = json.loads(run("--language", "fr", "accounts", "show", "laboratory", "--json").stdout)
    assert record == json.loads(run("accounts", "show", "laboratory", "--json").stdout)
    assert record["enabled"] is True


def test_each_invocation_chooses_again(run: Run) -> None:
    run("--language", "fr", "--help")
    assert "Usage:" in run("--help").stdout
    assert "Error: Missing option" in run("accounts", "add").stderr
