"""The settings: their sources, their refusal, and the errors for it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from console.settings import (
    CLOUDS,
    Settings,
    SettingsError,
)
from console.settings_sources import load_settings

KEY = "k3y-" * 8
FILE = Path("mail-importer.toml")


def refused() -> str:
    """The whole text of the error."""
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.exit_code == 2
    return caught.value.format_message()


def test_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert settings.model_dump(exclude_none=True) == {
        "database_url": SecretStr("sqlite:///mail-importer.db"),
        "database_pool_size": 16,
        "database_statement_timeout": 60,
        "database_login_timeout": 15,
        "database_isolation": "READ COMMITTED",
        "database_credential": "certificate",
        "queue": "database",
        "servicebus_queue": "mail-notifications",
        "servicebus_transport": "amqp",
        "servicebus_credential": "certificate",
        "receiver_host": "127.0.0.1",
        "receiver_port": 8080,
        "receiver_body_limit_mb": 1,
        "receiver_connections_per_address": 256,
        "metrics_host": "127.0.0.1",
        "metrics_port": 9464,
        "metrics_accounts": "auto",
        "processes": 1,
        "alert_repeat_hours": 24,
        "alert_minimum_severity": "warning",
        "console_host": "127.0.0.1",
        "console_port": 8081,
        "console_auth": "local",
        "console_local_remote": False,
        "console_idle_minutes": 30,
        "console_session_hours": 12,
        "console_activity_days": 365,
        "graph_credential": "certificate",
        "certificate_store": "./certificates",
        "keyvault_credential": "managed_identity",
        "cloud": "global",
        "graph_url": "https://graph.microsoft.com",
        "authority_url": "https://login.microsoftonline.com",
        "sweep_interval": 900,
        "trace_days": 90,
        "internet_headers": "selected",
        "attachment_limit_mb": 150,
        "message_limit_mb": 150,
        "keep_mime": False,
        "log_file_mb": 20,
        "log_file_count": 10,
    }


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('console_auth = "entra"', "console_tenant_id: is not set; console_auth 'entra' needs it"),
        ('console_host = "0.0.0.0"', "console_tls_cert: is not set, and console_host is an address for other hosts"),
        ('console_tls_cert = "a.pem"', "console_tls_cert is set and console_tls_key is not"),
    ],
)
def test_settings_of_the_console_that_do_not_go_together_are_refused(line: str, text: str) -> None:
    FILE.write_text(line)
    assert text in refused()


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ("", "http://127.0.0.1:8081"),
        ('console_host = "::1"', "http://[::1]:8081"),
        ('console_host = "[::1]"', "http://[::1]:8081"),
        ('console_host = "0.0.0.0"\nconsole_url = "https://console.example.com"', "https://console.example.com"),
        ('console_tls_cert = "a.pem"\nconsole_tls_key = "a.key"', "https://127.0.0.1:8081"),
    ],
)
def test_the_console_has_an_address_for_browsers(lines: str, address: str) -> None:
    FILE.write_text(lines)
    assert load_settings().console_address == address


def test_settings_that_have_no_default_are_none() -> None:
    settings = load_settings()
    assert {key for key, value in settings.model_dump().items() if value is None} == {
        "database_schema",
        "database_tenant_id",
        "database_client_id",
        "database_thumbprint",
        "servicebus_connection_string",
        "servicebus_namespace",
        "servicebus_tenant_id",
        "servicebus_client_id",
        "servicebus_thumbprint",
        "notification_url",
        "console_url",
        "console_tls_cert",
        "console_tls_key",
        "console_proxies",
        "console_tenant_id",
        "console_client_id",
        "console_thumbprint",
        "delivery_roots",
        "client_state_secret",
        "client_state_secret_previous",
        "receiver_tls_cert",
        "receiver_tls_key",
        "managed_identity_client_id",
        "certificate_password",
        "ca_bundle",
        "log_format",
        "log_file",
        "alerts",
        "alert_language",
        "alert_quiet",
    }


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.write_text('receiver_port = 1\nconsole_port = 2\nreceiver_host = "0.0.0.0"\n')
    monkeypatch.setenv("MAIL_IMPORTER_RECEIVER_PORT", "3")
    settings = load_settings()
    assert (settings.receiver_port, settings.console_port, settings.receiver_host) == (3, 2, "0.0.0.0")
    assert settings.sweep_interval == 900


def test_the_named_file_is_read_instead_of_the_one_in_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    FILE.write_text("receiver_port = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("console_port = 2\n")
    monkeypatch.setenv("MAIL_IMPORTER_CONFIG", str(other))
    settings = load_settings()
    assert (settings.receiver_port, settings.console_port) == (8080, 2)


def test_a_named_file_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_CONFIG", "nowhere.toml")
    assert "MAIL_IMPORTER_CONFIG" in refused()
    assert "nowhere.toml" in refused()


@pytest.mark.parametrize("content", [b"receiver_port = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_not_toml_is_an_error_that_names_it(content: bytes) -> None:
    FILE.write_bytes(content)
    assert str(FILE.absolute()) in refused()


def test_a_file_that_cannot_be_read_is_an_error_that_names_it() -> None:
    FILE.mkdir()
    assert "mail-importer.toml cannot be read" in refused()


def test_a_misspelt_key_in_the_file_is_named_with_the_right_one() -> None:
    FILE.write_text("reciever_port = 1\n")
    text = refused()
    assert "reciever_port" in text
    assert "Did you mean receiver_port?" in text
    assert str(FILE.absolute()) in text


def test_a_table_in_the_file_is_an_unknown_key() -> None:
    FILE.write_text("[receiver]\nport = 1\n")
    assert "receiver: there is no such setting" in refused()


def test_a_misspelt_variable_is_named_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_ULR", "sqlite:///x.db")
    assert "MAIL_IMPORTER_DATABASE_ULR" in refused()
    assert "Did you mean MAIL_IMPORTER_DATABASE_URL?" in refused()


def test_a_key_like_no_other_gets_no_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_XYZZY", "1")
    assert "MAIL_IMPORTER_XYZZY" in refused()
    assert "Did you mean" not in refused()


def test_variables_of_tests_and_empty_ones_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_TEST_SERVICEBUS", "1")
    monkeypatch.setenv("MAIL_IMPORTER_RECEIVER_PORT", "")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('receiver_port = "http"', "receiver_port"),
        ("receiver_port = true", "receiver_port"),
        ("receiver_body_limit_mb = 5", "receiver_body_limit_mb"),
        ("receiver_connections_per_address = -1", "receiver_connections_per_address"),
        ("console_port = 65536", "console_port"),
        ('console_url = "http://mail.example.com"', "console_url"),
        ('console_auth = "ldap"', "console_auth"),
        ('console_proxies = "10.0.0.1 proxy"', "console_proxies"),
        ('console_proxies = "10.0.0.1/16"', "console_proxies"),
        ('console_proxies = "10.0.0.1 ::/0"', "console_proxies"),
        ("console_idle_minutes = 0", "console_idle_minutes"),
        ("sweep_interval = -1", "sweep_interval"),
        ("sweep_interval = 0.5", "sweep_interval"),
        ("trace_days = 0", "trace_days"),
        ("attachment_limit_mb = 0", "attachment_limit_mb"),
        ("message_limit_mb = 3000", "message_limit_mb"),
        ("keep_mime = 1", "keep_mime"),
        ('keep_mime = "on"', "keep_mime"),
        ("database_url = 5", "database_url"),
        ('database_url = "no database"', "database_url"),
        ('database_url = "oracel://host/db"', "database_url"),
        ('database_url = "mssql+mssqlpython://host/gateway"', "database_url"),
        ('database_schema = "imp"', "database_schema"),
        ("database_pool_size = 1", "database_pool_size"),
        ("database_pool_size = true", "database_pool_size"),
        ("database_statement_timeout = 0", "database_statement_timeout"),
        ("database_login_timeout = 3601", "database_login_timeout"),
        ('database_isolation = "READ UNCOMMITTED"', "database_isolation"),
        ('queue = "rabbitmq"', "queue"),
        ('cloud = "mars"', "cloud"),
        ('log_format = "xml"', "log_format"),
        ('receiver_host = " "', "receiver_host"),
        ('receiver_host = "https://mail.example.com"', "receiver_host"),
        ('metrics_host = "[::1]:9090"', "metrics_host"),
        ('metrics_host = "[]"', "metrics_host"),
        ('console_host = "localhost:8081"', "console_host"),
        ('client_state_secret = "short"', "client_state_secret"),
        ('client_state_secret_previous = "short"', "client_state_secret_previous"),
        ('graph_url = "graph.microsoft.com"', "graph_url"),
        ('authority_url = "http://localhost:1"', "authority_url"),
        ('notification_url = "http://mail.example.com"', "notification_url"),
        ('notification_url = "https://mail.example.com/notifications"', "notification_url"),
        ('notification_url = "https://mail.example.com?a=b"', "notification_url"),
        ('notification_url = "https://user@mail.example.com"', "notification_url"),
        ('notification_url = "https://mail.example.com:port"', "notification_url"),
        ('notification_url = "ftp://mail.example.com"', "notification_url"),
        ('notification_url = "https://"', "notification_url"),
        ('receiver_tls_cert = "cert.pem"', "receiver_tls_key"),
        ('receiver_tls_key = "key.pem"', "receiver_tls_cert"),
        ("ca_bundle = 1", "ca_bundle"),
        ("certificate_store = []", "certificate_store"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_key_and_place(line: str, key: str) -> None:
    FILE.write_text(f"{line}\n")
    text = refused()
    assert key in text
    assert str(FILE.absolute()) in text or "receiver_tls" in key
    assert "\n" not in text, "one problem, one line"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://mail.example.com", "https://mail.example.com"),
        ("https://Mail.Example.com/", "https://mail.example.com"),
        ("https://mail.example.com:8443", "https://mail.example.com:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.2:8080/", "http://127.0.0.2:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_right_notification_url_is_kept_without_path(given: str, kept: str) -> None:
    assert Settings(notification_url=given).notification_url == kept


def test_everything_wrong_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_QEUE", "database")
    monkeypatch.setenv("MAIL_IMPORTER_SWEEP_INTERVAL", "often")
    FILE.write_text('lgo_format = "json"\nreceiver_port = "x"\nreceiver_tls_cert = "c.pem"\ncloud = "mars"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "MAIL_IMPORTER_QEUE",
        "lgo_format",
        "receiver_port",
        "receiver_tls_key",
        "cloud",
        "sweep_interval",
    ]
    assert "set in the environment as MAIL_IMPORTER_SWEEP_INTERVAL" in caught.value.format_message()


def test_no_value_of_a_setting_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in Settings.model_fields:
        monkeypatch.setenv(f"MAIL_IMPORTER_{key.upper()}", "hunter2\n")
    monkeypatch.setenv("MAIL_IMPORTER_CLIENT_STATE_SECRT", "hunter2")
    FILE.write_text('certificate_pasword = "hunter2"\n')
    assert "hunter2" not in refused()


def test_secrets_are_not_shown() -> None:
    settings = Settings(
        database_url=SecretStr("mssql+pyodbc://importer:hunter2@host/gateway?PWD=hunter2"),
        client_state_secret=SecretStr(KEY),
        certificate_password=SecretStr("hunter2"),
        servicebus_connection_string=SecretStr("SharedAccessKey=hunter2"),
    )
    assert "hunter2" not in repr(settings)
    assert KEY not in repr(settings)
    assert settings.shown_database_url == "mssql+pyodbc://importer:***@host/gateway"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_sets_both_addresses(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_CLOUD", cloud)
    settings = load_settings()
    assert (settings.graph_url, settings.authority_url) == (CLOUDS[cloud].graph_url, CLOUDS[cloud].authority_url)


def test_an_address_that_is_set_wins_over_its_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_CLOUD", "china")
    monkeypatch.setenv("MAIL_IMPORTER_GRAPH_URL", "https://localhost:4433/")
    settings = load_settings()
    assert settings.graph_url == "https://localhost:4433"
    assert settings.authority_url == CLOUDS["china"].authority_url


def test_settings_made_by_hand_ignore_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_RECEIVER_PORT", "1")
    assert Settings().receiver_port == 8080


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().receiver_port = 1


def test_the_service_bus_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_QUEUE", "servicebus")
    assert "servicebus_namespace: neither it nor servicebus_connection_string is set" in refused()


def test_a_namespace_needs_who_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_QUEUE", "servicebus")
    monkeypatch.setenv("MAIL_IMPORTER_SERVICEBUS_NAMESPACE", "riviere.servicebus.windows.net")
    monkeypatch.setenv("MAIL_IMPORTER_SERVICEBUS_CLIENT_ID", "client")
    text = refused()
    assert "servicebus_tenant_id: is not set" in text
    assert "servicebus_thumbprint: is not set" in text
    assert "servicebus_client_id" not in text


SQL_SERVER = "mssql+pyodbc://host/gateway"
SIGNS_IN: dict[str, Any] = {
    "database_tenant_id": "tenant",
    "database_client_id": "client",
    "database_thumbprint": "AB" * 20,
}


@pytest.mark.parametrize("schema", ["1st", "a.b", "a b", "a]", 'a"b', "ä", " ", "x" * 129])
def test_a_schema_is_a_plain_name(monkeypatch: pytest.MonkeyPatch, schema: str) -> None:
    """It becomes part of every statement."""
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", SQL_SERVER)
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_SCHEMA", schema)
    assert "database_schema: is no plain name" in refused()


def test_settings_of_a_server_are_taken() -> None:
    """All of them are, at once."""
    settings = Settings(
        database_url=SecretStr(SQL_SERVER),
        database_schema="mail_in",
        database_pool_size=40,
        database_statement_timeout=5,
        database_login_timeout=3,
        database_isolation="SNAPSHOT",
        **SIGNS_IN,
    )
    assert (settings.database_schema, settings.database_isolation) == ("mail_in", "SNAPSHOT")


@pytest.mark.parametrize("driver", ["mssql+mssqlpython", "postgresql+asyncpg", "oracel"])
def test_a_driver_that_is_not_supported_is_named_with_the_usable_ones(
    monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    """SQLAlchemy knows the first two, whose errors mail-importer does not."""
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", f"{driver}://importer:hunter2@host/gateway")
    text = refused()
    assert f"database_url: names the database driver {driver!r}, which is not supported" in text
    assert "use mssql+pyodbc, postgresql+psycopg or sqlite" in text
    assert "hunter2" not in text


def test_sqlite_has_no_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema in the settings shows that a server was meant."""
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_SCHEMA", "dbo")
    assert "database_schema: is set and database_url is of SQLite, which has no schemas" in refused()


def test_snapshot_is_a_level_of_sql_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", "postgresql+psycopg://host/gateway")
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_ISOLATION", "SNAPSHOT")
    assert "PostgreSQL calls it REPEATABLE READ" in refused()


@pytest.mark.parametrize("left_out", SIGNS_IN)
def test_a_partial_sign_in_to_the_database_is_reported(monkeypatch: pytest.MonkeyPatch, left_out: str) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", SQL_SERVER)
    for key, value in SIGNS_IN.items():
        if key != left_out:
            monkeypatch.setenv(f"MAIL_IMPORTER_{key.upper()}", value)
    assert f"go together; not set: {left_out}" in refused()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///mail-importer.db", "database_url is not of SQL Server"),
        ("postgresql+psycopg://host/gateway", "database_url is not of SQL Server"),
        ("mssql+pyodbc://importer:hunter2@host/gateway", "names a user, a password or another way"),
        ("mssql+pyodbc://gateway_dsn", "names a data source"),
    ],
)
def test_a_certificate_signs_in_to_sql_server_and_alone(url: str, reason: str) -> None:
    """It is not beside a password: it would be unclear which of the two counts."""
    with pytest.raises(ValidationError, match=reason) as caught:
        Settings(database_url=SecretStr(url), **SIGNS_IN)
    assert "hunter2" not in str(caught.value)
