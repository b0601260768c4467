"""`mail-importer db grants`."""

from collections.abc import Callable

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (
            "mssql+pyodbc://u:pw@nowhere.invalid/MonitorPro",
            "GRANT SELECT ON [dbo].[tblEmailMessage] TO [mail_importer_reader];",
        ),
        ("postgresql+psycopg://u:pw@nowhere.invalid/g", 'GRANT SELECT ON "tblEmailMessage" TO "mail_importer_reader";'),
    ],
)
def test_the_script_is_in_the_language_of_the_database(
    url: str, line: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No connection is made: there is no such host."""
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", url)
    every = run("db", "grants")
    assert (every.exit_code, every.stderr) == (0, "")
    assert line in every.stdout.splitlines()
    assert "pw" not in every.stdout
    some = run("db", "grants", "--role", "reader", "--role", "receiver").stdout
    assert {
        role for role in ("receiver", "processor", "subscriptions", "operator", "reader") if f"_{role}" in some
    } == {
        "receiver",
        "reader",
    }


def test_the_schema_of_the_settings_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", "mssql+pyodbc://u:pw@nowhere.invalid/MonitorPro")
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_SCHEMA", "mail")
    assert "GRANT SELECT ON [mail].[tblEmailMessage] TO [mail_importer_reader];" in run("db", "grants").stdout


def test_on_sqlite_there_is_nothing_to_grant(run: Run) -> None:
    result = run("db", "grants")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "SQLite has no logins" in result.stderr


def test_a_role_that_is_none_is_wrong_usage(run: Run) -> None:
    assert run("db", "grants", "--role", "admin").exit_code == 2


def test_with_service_bus_no_role_needs_the_table_of_the_queue(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", "mssql+pyodbc://u:pw@nowhere.invalid/MonitorPro")
    monkeypatch.setenv("MAIL_IMPORTER_QUEUE", "servicebus")
    monkeypatch.setenv("MAIL_IMPORTER_SERVICEBUS_CONNECTION_STRING", "Endpoint=sb://x")
    found = run("db", "grants").stdout
    assert "tblNotificationQueue" not in found
    assert "The receiver opens no connection" in found
