"""`config`: the settings with their sources, their checks, and the file to begin with."""

import json
import re
import stat
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

from console.config.meanings import meanings
from console.settings import Settings
from console.settings_sources import load_settings
from console.translation.language import LANGUAGES
from graph.certificates import make_self_signed, write_pair
from tests.unit.console.conftest import NOW, Run

FILE = Path("mail-importer.toml")
SECRET = "s3cr3t-" * 6


@pytest.fixture
def usable() -> None:
    """A host on which the defaults work."""
    Path("certificates").mkdir()


# show


def test_each_setting_is_shown_with_its_value_and_its_source(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.write_text("# a comment\nreceiver_port = 1\nconsole_port = 2\n")
    monkeypatch.setenv("MAIL_IMPORTER_RECEIVER_PORT", "3")
    rows = {row["setting"]: row for row in json.loads(run("config", "show", "--json").stdout)}
    assert list(rows) == list(Settings.model_fields)
    assert (
        rows["receiver_port"] | {"value": 3, "source": "environment", "variable": "MAIL_IMPORTER_RECEIVER_PORT"}
        == (rows["receiver_port"])
    )
    assert (
        rows["console_port"] | {"value": 2, "source": "file", "file": str(FILE.absolute()), "line": 3}
        == (rows["console_port"])
    )
    assert (
        rows["keep_mime"] | {"value": False, "source": "default", "variable": None, "file": None} == rows["keep_mime"]
    )
    assert f"console_port\t2\tfile {FILE.absolute()}, line 3\n" in run("config", "show").stdout


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_of_a_secret_only_that_it_is_set_is_shown(
    arguments: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "CLIENT_STATE_SECRET": SECRET,
        "CERTIFICATE_PASSWORD": SECRET,
        "ALERTS": f"mailto://me:{SECRET}@example.com",
        "DATABASE_URL": f"postgresql+psycopg://me:{SECRET}@db/mail?password={SECRET}",
        "SERVICEBUS_CONNECTION_STRING": f"Endpoint=sb://x/;SharedAccessKey={SECRET}",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(f"MAIL_IMPORTER_{name}", value)
    out = run("config", "show", *arguments).stdout
    assert SECRET not in out
    assert "postgresql+psycopg://me:***@db/mail" in out
    if not arguments:
        for name in set(secrets) - {"DATABASE_URL"}:
            assert f"{name.lower()}\tset\t" in out


def test_every_secret_is_of_the_type_that_is_masked() -> None:
    names = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert {"alerts", "certificate_password", "client_state_secret", "servicebus_connection_string"} < names


# check


@pytest.mark.usefixtures("usable")
def test_settings_without_a_problem_are_reported_so(run: Run) -> None:
    result = run("config", "check")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "The settings have no problem.\n")
    assert json.loads(run("config", "check", "--json").stdout) == []


def test_wrong_settings_are_all_reported_with_exit_status_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.write_text("reciever_port = 1\nkeep_mime = 3\n")
    monkeypatch.setenv("MAIL_IMPORTER_ALERT_QUIET", "at night")
    result = run("config", "check")
    assert result.exit_code == 1
    for name in ("reciever_port", "keep_mime", "alert_quiet"):
        assert f"  {name}: " in result.stderr


def test_everything_that_the_settings_name_is_tried_at_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (make_self_signed(name, now=NOW, key_bits=2048) for name in ("one", "other"))
    for made in (one, other):
        write_pair(made, tmp_path / "tls", made.subject.removeprefix("CN="))
    targets = tmp_path / "targets"
    targets.write_text("mailto://me@example.com\n")
    targets.chmod(0o644)
    for name, value in {
        "CERTIFICATE_STORE": "nowhere",
        "CA_BUNDLE": "nowhere.pem",
        "DATABASE_URL": "sqlite:///nowhere/mail.db",
        "RECEIVER_TLS_CERT": str(tmp_path / "tls" / "one.cer"),
        "RECEIVER_TLS_KEY": str(tmp_path / "tls" / "other.pem"),
        "METRICS_PORT": "8080",
        "ALERTS": str(targets),
        "DELIVERY_ROOTS": str(tmp_path / "import"),
    }.items():
        monkeypatch.setenv(f"MAIL_IMPORTER_{name}", value)
    result = run("config", "check", "--json")
    assert result.exit_code == 1
    found = [row["problem"] for row in json.loads(result.stdout)]
    for words in (
        "certificate_store: ", "ca_bundle", f"no folder {tmp_path / 'nowhere'}",
        "receiver_tls_cert and receiver_tls_key",
        "receiver_port and metrics_port are both 8080", f"chmod 600 {targets}",
        f"delivery_roots: there is no folder {tmp_path / 'import'}",
    ):  # fmt: skip
        assert any(words in each for each in found), (words, found)
    assert len(found) == 7


@pytest.mark.usefixtures("usable")
def test_a_file_of_the_store_that_cannot_be_read_is_a_problem(run: Run) -> None:
    Path("certificates", "broken.pem").write_text("x")
    result = run("config", "check")
    assert result.exit_code == 1
    assert "broken.pem" in result.stderr


# init


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_to_begin_with_has_every_setting_and_changes_none(language: str, run: Run) -> None:
    assert run("--language", language, "config", "init").exit_code == 0
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600
    text = FILE.read_text("utf-8")
    assert tomllib.loads(text) == {}
    assert re.findall(r"^#(\w+) = ", text, re.MULTILINE) == list(Settings.model_fields)
    assert load_settings() == Settings()


def test_the_defaults_in_the_file_are_those_of_the_program(run: Run) -> None:
    run("config", "init")
    values = tomllib.loads(re.sub(r"^#(?! )", "", FILE.read_text("utf-8"), flags=re.MULTILINE))
    FILE.unlink()
    for name, value in values.items():
        default = getattr(Settings(), name)
        shown = default.get_secret_value() if isinstance(default, SecretStr) else default
        assert value in ({shown} if Settings.model_fields[name].default_factory is None and shown is not None else {""})


def test_a_file_that_exists_is_replaced_by_force_only(run: Run) -> None:
    FILE.write_text("receiver_port = 1\n")
    assert run("config", "init").exit_code == 1
    assert FILE.read_text() == "receiver_port = 1\n"
    result = run("config", "init", "--force", "--json")
    assert json.loads(result.stdout) == {"file": str(FILE.absolute()), "action": "written"}
    assert "#receiver_port = 8080" in FILE.read_text()


def test_the_file_is_written_where_the_user_says_or_the_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_CONFIG", "named.toml")
    run("config", "init")
    run("config", "init", "other.toml")
    assert Path("named.toml").read_text() == Path("other.toml").read_text()


def test_every_setting_has_a_meaning_in_one_sentence_or_more() -> None:
    assert list(meanings()) == list(Settings.model_fields)
    assert all(text[0].isupper() or text[0] == "`" for text in meanings().values())
    assert all(text.endswith(".") for text in meanings().values())
