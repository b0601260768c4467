"""`mail-importer console users`."""

import codecs
import json

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from console.main import cli
from console.web.passwords import Passwords
from db.engine import run_reading
from db.queries import console_users
from tests.unit.console.conftest import Run

ADD = ("console", "users", "add", "marie", "--role", "Viewer")
PASSWORD = "cheval à agrafes ✅"


@pytest.mark.parametrize("start", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_password_is_read_as_a_browser_sends_it(engine: Engine, start: bytes, end: bytes) -> None:
    """In UTF-8, whatever the locale; without the mark of a file."""
    added = CliRunner().invoke(cli, [*ADD, "--password-stdin"], input=start + PASSWORD.encode() + end)
    assert added.exit_code == 0, added.stderr
    user = run_reading(engine, lambda connection: console_users.by_name(connection, "marie"))
    assert Passwords()._verify(PASSWORD, user.password_hash)


@pytest.mark.usefixtures("engine")
def test_a_password_in_another_encoding_is_refused() -> None:
    refused = CliRunner().invoke(cli, [*ADD, "--password-stdin"], input="cheval à agrafes\n".encode("cp850"))
    assert refused.exit_code == 1
    assert "The password is not UTF-8 text." in refused.stderr


@pytest.mark.usefixtures("engine")
def test_the_prompts_for_a_password_leave_the_output_to_the_json(run: Run) -> None:
    added = run(*ADD, "--json", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert json.loads(added.stdout) == {"name": "marie", "action": "added"}
    assert "Password" in added.stderr
