"""`mail-importer db purge`: counts, confirms, deletes, and records the operator."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Engine, func, select

from db.engine import Database, make_engine, run_reading, run_writing
from db.queries import accounts, audit
from db.queries.messages import MessageStore
from db.tables import attachment, message
from tests.paths import ROOT
from tests.unit.db.queries.test_messages import record

Run = Callable[..., Result]

NOW = datetime.fromisoformat("2026-03-31T12:00:00+00:00")
DAY = timedelta(days=1)


@pytest.fixture
def filled(engine: Engine) -> int:
    """Two messages older than 400 days and one younger, of the account `laboratory`; return its number."""
    settings = accounts.AccountSettings("laboratory", "t", "c", "u", "p", import_since=accounts.EVERYTHING)
    number = run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))
    asyncio.run(fill(number, 500, 401, 400))
    assert count(engine) == 3
    return number


async def fill(account_id: int, *days: int) -> None:
    database = Database(make_engine("sqlite:///mail-importer.db"))
    store = MessageStore(database, clock=lambda: NOW)
    for number, each in enumerate(days):
        await store.save(record(f"m{number}", account_id=account_id, received=NOW - each * DAY))
    await store.close()
    await database.close()


def count(engine: Engine) -> int:
    return run_reading(engine, lambda c: c.scalar(select(func.count()).select_from(message)) or 0)


def since(engine: Engine, account_id: int) -> datetime | None:
    return run_reading(engine, lambda c: accounts.import_since(c, account_id))


def test_a_dry_run_counts_and_changes_nothing(run: Run, engine: Engine, filled: int) -> None:
    result = run("db", "purge", "--older-than", "400d", "--dry-run", "--json")
    assert json.loads(result.stdout) == {
        "before": "2025-02-24T12:00:00Z",
        "purged": False,
        "messages": 2,
        "attachments": 4,
        "bytes": 8,
        "originals": 0,
        "seen": 0,
    }
    assert count(engine) == 3
    assert since(engine, filled) == accounts.EVERYTHING
    assert run_reading(engine, lambda c: audit.latest(c, limit=1)) == []


def test_it_asks_first_and_reports_what_it_would_be(run: Run, engine: Engine, filled: int) -> None:
    refused = run("db", "purge", "--older-than", "9600h", typed="n\n")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Delete 2 messages from before 2025-02-24 12:00:00 UTC with 4 attachments" in refused.stderr
    assert "will not be imported again" in refused.stderr
    assert (count(engine), since(engine, filled)) == (3, accounts.EVERYTHING)
    assert run("db", "purge", "--older-than", "9600h", typed="y\n").exit_code == 0
    assert count(engine) == 1


def test_what_was_purged_is_reported_and_on_record(run: Run, engine: Engine, filled: int) -> None:
    """The account imports no mail of that age from then on."""
    options = ("--older-than", "400d", "--yes", "--why", "ticket 7", "--json")
    result = run("db", "purge", *options)
    assert json.loads(result.stdout) == {
        "before": "2025-02-24T12:00:00Z",
        "purged": True,
        "messages": 2,
        "attachments": 4,
        "bytes": 8,
        "originals": 0,
        "seen": 0,
    }
    assert since(engine, filled) == NOW - 400 * DAY
    [entry] = run_reading(engine, lambda c: audit.latest(c, limit=10))
    assert (entry.action, entry.selection) == ("db purge", "before 2025-02-24T12:00:00+00:00")
    assert (entry.why, entry.messages, entry.ended) == ("ticket 7", 2, NOW)
    assert json.loads(run("db", "purge", *options).stdout)["messages"] == 0
    assert len(run_reading(engine, lambda c: audit.latest(c, limit=10))) == 1


@pytest.mark.usefixtures("filled")
def test_only_contents_of_attachments(run: Run, engine: Engine) -> None:
    asked = run("db", "purge", "--older-than", "400d", "--attachments-only", typed="y\n")
    assert "Delete the contents of 2 attachments and 0 originals (0.0 MB) of 2 messages" in asked.stderr
    assert count(engine) == 3
    kept = select(func.count()).where(attachment.c.biContent.is_not(None))
    assert run_reading(engine, lambda c: c.scalar(kept)) == 1
    again = run("db", "purge", "--older-than", "400d", "--attachments-only", "--yes", "--json")
    assert json.loads(again.stdout)["attachments"] == 0


@pytest.mark.usefixtures("filled")
def test_of_an_account_by_its_name(run: Run, engine: Engine) -> None:
    asyncio.run(fill(77, 500))
    unknown = run("db", "purge", "--older-than", "400d", "--account", "nobody", "--yes")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "no account named 'nobody'" in unknown.stderr
    done = run("db", "purge", "--older-than", "400d", "--account", "laboratory", "--yes")
    assert done.exit_code == 0
    assert count(engine) == 2
    [entry] = run_reading(engine, lambda c: audit.latest(c, limit=10))
    assert entry.selection == "before 2025-02-24T12:00:00+00:00 --account laboratory"
    assert run("db", "purge", "--older-than", "400d", "--yes").exit_code == 0
    assert count(engine) == 1, "those of an account that is no more have no name to call them by"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("age", "said"),
    [
        ("400", "no age such as 400d"),
        ("400 days", "no age such as 400d"),
        ("-1d", "no age such as 400d"),
        ("2y", "no age such as 400d"),
        ("", "no age such as 400d"),
        ("0d", "less than a day"),
        ("23h", "less than a day"),
        ("999999d", "No mail is as old"),
        ("999999999d", "No mail is as old"),
    ],
)
def test_an_age_that_is_none_is_wrong_usage(age: str, said: str, run: Run) -> None:
    result = run("db", "purge", "--older-than", age, "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in " ".join(result.stderr.split())


# The command, with a pause between two transactions that only Ctrl-C ends. A process that a shell starts in the
# background, like some test runs, ignores Ctrl-C, and so would the command that inherits it.
_WAITS_AFTER_THE_FIRST_TRANSACTION = """
import signal
from console import main
from console.db import purge_batches
signal.signal(signal.SIGINT, signal.default_int_handler)
purge_batches._PAUSE_SECONDS = 600.0
main.main()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_ctrl_c_ends_it_between_two_transactions(engine: Engine, tmp_path: Path) -> None:
    """Completed work is reported and recorded; run again it goes on."""
    asyncio.run(fill(5, 500))
    before = count(engine)
    with subprocess.Popen(
        [sys.executable, "-c", _WAITS_AFTER_THE_FIRST_TRANSACTION, "db", "purge", "--older-than", "400d", "--yes"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            while count(engine) == before:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out, count(engine)) == (1, "", 1)
    assert "Broken off. 3 messages are done" in err
    [entry] = run_reading(engine, lambda c: audit.latest(c, limit=10))
    assert (entry.messages, entry.ended is not None) == (3, True)
