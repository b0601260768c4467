"""Tables fit a terminal of 80 columns, in each language, with their widest contents; colours only on a terminal."""

import asyncio
import os
import pty
import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from sqlalchemy import Connection, Engine, text

from bus.database.adapter import DatabaseQueue
from bus.notification import Notification
from console.invocation import Invocation
from console.main import cli
from console.translation.language import LANGUAGES
from db.engine import Database, make_engine, run_writing
from db.queries import accounts, audit, subscriptions
from tests.fork_server import ForkServer
from tests.unit.console.conftest import CLIENT, NOW, TENANT, THUMBPRINT, USER, Run

WIDTH = 80
LONG = "Laboratoire d’analyses de la maison mère, deuxième étage"


@pytest.fixture
def busy(engine: Engine, run: Run) -> Engine:
    """A gateway with long values in all columns of all tables."""
    settings = accounts.AccountSettings(LONG, TENANT, CLIENT, USER, THUMBPRINT, import_since=NOW)

    def work(connection: Connection) -> None:
        number = accounts.add(connection, settings, now=NOW)
        for role in ("processor", "subscriptions"):
            accounts.set_condition(
                connection,
                accounts.Condition(number, role, "SubscriptionExists", "It cannot be read. " * 9, NOW, NOW),
            )
        held = subscriptions.HeldSubscription(
            account_id=number,
            subscription_id=USER,
            resource="users/x",
            notification_url="https://mail.example.com/notifications",
            key_fingerprint="f",
            granted=NOW,
            created=NOW,
            expires=NOW + timedelta(days=2, hours=23),
        )
        subscriptions.hold(connection, held, now=NOW)
        begun = audit.begin(
            connection, action="retry-actions", who="administrateur", host="importation-de-courrier-07",
            queue="database", selection=f"account {LONG}", why="ticket 4711, comme convenu", now=NOW,
        )  # fmt: skip
        audit.end(connection, begun, messages=123456, now=NOW)
        connection.execute(text('DROP INDEX "IX_tblEmailMessage_nAccountID_dtReceived"'))

    run_writing(engine, work)
    asyncio.run(fill())
    run("certificates", "new", "--subject", LONG)
    return engine


async def fill() -> None:
    database = Database(make_engine("sqlite:///mail-importer.db"))
    queue = DatabaseQueue(database, clock=lambda: NOW)
    try:
        await queue.put([Notification(1, USER, "created", "AAkALg" * 20, None, NOW, USER).to_message()])
        [delivery] = await queue.receive(1, wait=timedelta(0))
        await queue.dead_letter(delivery, reason="MalformedNotification", description="It cannot be read.")
        await queue.put([Notification(1, USER, "created", "AAkALh" * 20, None, NOW, USER).to_message()])
    finally:
        await queue.close()
        await database.close()


TABLES = (
    "accounts list", "accounts show", "accounts history", "certificates list", "queue status", "queue list",
    "queue list --dead-letters", "queue audit", "queue check", "db check", "db current", "db purge --older-than 9d",
    "queue replay --all --dry-run",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("busy", "at_terminal")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("command", TABLES)
def test_a_table_fits_80_columns(command: str, language: str, run: Run) -> None:
    words = [*command.split(), *([LONG] if command == "accounts show" else [])]
    result = run("--language", language, *words)
    assert result.stdout.strip(), result.stderr
    assert max(map(cell_len, result.stdout.splitlines())) <= WIDTH
    assert "\x1b" not in result.stdout


def on_terminal(server: ForkServer, folder: Path, *options: str, **environment: str) -> str:
    """Output of `certificates list` to a terminal."""
    ours, theirs = pty.openpty()
    process = server.start(
        *("-m", "console", *options, "certificates", "list"),
        cwd=folder,
        stdout=theirs,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    assert process.wait(60) == 0
    os.close(theirs)
    printed = os.read(ours, 65536).decode()
    os.close(ours)
    return printed


@pytest.mark.slow
@pytest.mark.usefixtures("busy")
def test_a_test_of_settings_has_no_colours_for_those_who_want_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its marks are coloured by other means than tables."""
    for name in ("GRAPH_URL", "AUTHORITY_URL"):
        monkeypatch.setenv(f"MAIL_IMPORTER_{name}", "https://127.0.0.1:9")

    def marks() -> str:
        result = CliRunner().invoke(cli, ["accounts", "test", LONG], obj=Invocation(clock=lambda: NOW), color=True)
        assert "FAILED" in result.stdout
        return result.stdout

    assert "\x1b" in marks()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in marks()


@pytest.mark.slow
def test_colours_are_for_terminals_and_for_those_who_want_them(
    run: Run, fork_server: ForkServer, tmp_path: Path
) -> None:
    run("certificates", "new", "--subject", "x")
    assert "\x1b[1m" in on_terminal(fork_server, tmp_path)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", on_terminal(fork_server, tmp_path, NO_COLOR="1"))
    assert "\x1b" not in run("certificates", "list").stdout
    assert "\x1b" not in on_terminal(fork_server, tmp_path, "--color", "never")
    assert "\x1b[1m" in on_terminal(fork_server, tmp_path, "--color", "always", NO_COLOR="1")
