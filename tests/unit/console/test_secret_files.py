"""Settings from files of secrets, as Docker, Kubernetes and systemd provide them."""

import json
import os
import sys
from pathlib import Path

import pytest

from console.settings_sources import load_settings
from tests.unit.console.conftest import Run
from tests.unit.console.test_settings import FILE, KEY, refused


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that MAIL_IMPORTER_SECRETS names."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("MAIL_IMPORTER_SECRETS", str(folder))
    return folder


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of credentials, as systemd makes it."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_is_the_setting_that_it_is_named_like(end: str, secrets: Path) -> None:
    (secrets / "client_state_secret").write_bytes((KEY + end).encode())
    (secrets / "receiver_port").write_bytes(("8443" + end).encode())
    (secrets / "keep_mime").write_bytes(("true" + end).encode())
    settings = load_settings()
    assert settings.client_state_secret is not None
    assert settings.client_state_secret.get_secret_value() == KEY
    assert (settings.receiver_port, settings.keep_mime) == (8443, True)


def test_the_environment_wins_over_secrets_and_they_win_over_the_file(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FILE.write_text("receiver_port = 1\nconsole_port = 1\nmetrics_port = 1\n")
    (secrets / "receiver_port").write_text("2")
    (secrets / "console_port").write_text("2")
    monkeypatch.setenv("MAIL_IMPORTER_RECEIVER_PORT", "3")
    settings = load_settings()
    assert (settings.receiver_port, settings.console_port, settings.metrics_port) == (3, 2, 1)


def test_a_volume_of_kubernetes_is_read(secrets: Path) -> None:
    """Its files are links into a hidden folder of the current version."""
    (secrets / "..2026_11_30").mkdir()
    (secrets / "..data").symlink_to("..2026_11_30")
    (secrets / "..data" / "receiver_port").write_text("8443")
    (secrets / "receiver_port").symlink_to("..data/receiver_port")
    assert load_settings().receiver_port == 8443


def test_a_pem_file_is_the_file_that_its_setting_names(secrets: Path) -> None:
    for name in ("receiver_tls_cert", "receiver_tls_key"):
        (secrets / name).write_text("-----BEGIN CERTIFICATE-----\n")
    (secrets / "ca_bundle").write_text("/etc/roots.pem\n")
    settings = load_settings()
    assert settings.receiver_tls_key == secrets / "receiver_tls_key"
    assert settings.ca_bundle == Path("/etc/roots.pem")


def test_show_names_the_file_of_a_secret_and_not_its_value(run: Run, secrets: Path) -> None:
    (secrets / "client_state_secret").write_text(KEY)
    rows = {row["setting"]: row for row in json.loads(run("config", "show", "--json").stdout)}
    row = rows["client_state_secret"]
    assert (row["value"], row["source"], row["file"]) == ("set", "secret", str(secrets / "client_state_secret"))
    assert f"client_state_secret\tset\tsecret file {secrets / 'client_state_secret'}\n" in run("config", "show").stdout


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"hunter2\0", "it holds binary data"),
        (b"hunter2\xff", "it is not UTF-8"),
        (b"hunter2\n" * 200_000, "it is larger than 1048576 bytes"),
    ],
    ids=["empty", "blank", "binary", "not UTF-8", "large"],
)
def test_a_file_that_cannot_be_a_secret_is_named_and_not_shown(content: bytes, reason: str, secrets: Path) -> None:
    (secrets / "alerts").write_bytes(content)
    assert refused() == f"alerts: file {secrets / 'alerts'} cannot be used: {reason}."


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a file that root cannot read either is one of /proc")
def test_a_file_that_cannot_be_read_is_named_with_the_reason(secrets: Path) -> None:
    (secrets / "alerts").symlink_to("/proc/self/mem")
    assert refused() == f"alerts: file {secrets / 'alerts'} cannot be used: {os.strerror(5)}."


def test_a_pipe_does_not_block_the_start(secrets: Path) -> None:
    os.mkfifo(secrets / "alerts")
    assert "it is no file" in refused()


def test_a_wrong_value_is_reported_with_the_path_of_its_file(run: Run, secrets: Path) -> None:
    (secrets / "receiver_port").write_text("hunter2")
    text = run("config", "check").stderr
    assert f"receiver_port: Input should be a whole number (set in secret file {secrets / 'receiver_port'})" in text
    assert "hunter2" not in text


def test_a_file_that_is_no_setting_is_an_error(secrets: Path) -> None:
    (secrets / "MAIL_IMPORTER_CLIENT_STATE_SECRT").write_text(KEY)
    text = refused()
    assert f"there is no such setting (set in file {secrets / 'MAIL_IMPORTER_CLIENT_STATE_SECRT'})" in text
    assert "Did you mean client_state_secret?" in text


def test_a_folder_of_something_else_is_reported_in_few_lines(secrets: Path) -> None:
    for number in range(50):
        (secrets / f"song-{number}.mp3").touch()
    text = refused()
    assert len(text.splitlines()) == 7
    assert f"45 more files of the folder {secrets} are no settings either" in text


@pytest.mark.parametrize("variable", ["MAIL_IMPORTER_SECRETS", "CREDENTIALS_DIRECTORY"])
def test_a_folder_that_is_missing_is_an_error(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults would be used in place of secrets."""
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    assert refused() == f"{variable}: there is no folder {tmp_path / 'nowhere'}."
    (tmp_path / "nowhere").touch()
    assert refused() == f"{variable}: the folder {tmp_path / 'nowhere'} cannot be read: Not a directory."


def test_credentials_of_systemd_are_read(credentials: Path) -> None:
    """A unit may have others, which are not meant for the product."""
    (credentials / "receiver_port").write_text("8443")
    (credentials / "mail-importer_receiver_port").write_text("1")  # of LoadCredential=mail-importer:FOLDER
    (credentials / "mail-importer_console_port").write_text("8444")
    (credentials / "mail-importer.metrics_port").write_text("8445")
    (credentials / "receiver.key").write_bytes(b"\0")
    settings = load_settings()
    assert (settings.receiver_port, settings.console_port, settings.metrics_port) == (8443, 8444, 8445)


def test_a_misspelt_credential_of_the_product_is_an_error(credentials: Path) -> None:
    (credentials / "mail-importer_recever_port").write_text("8443")
    assert "mail-importer_recever_port: there is no such setting" in refused()


def test_the_variable_of_the_product_wins_over_systemd(secrets: Path, credentials: Path) -> None:
    (secrets / "receiver_port").write_text("8443")
    (credentials / "console_port").write_text("8444")
    settings = load_settings()
    assert (settings.receiver_port, settings.console_port) == (8443, 8081)
