"""A restore to yesterday: what comes back by itself, what `verify --repair` brings, and what comes twice.

What is shown here is what docs/backup.md promises.
"""

import asyncio
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import delete, select, update

from db.tables import account_settings, call_budget, email_file, folder_sync, graph_subscription, message
from simulator.api.notifications import LifecycleEvent
from tests.acceptance.conftest import Site, stop
from tests.databases import Gateway, PostgreSQL
from tests.paths import ROOT
from tests.waiting import until

BEFORE: Final = 8
AFTER: Final = 9
WHILE_DOWN: Final = 3
STATIONS: Final = ("station 0", "station 1", "station 2")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def _done(result: subprocess.CompletedProcess[str]) -> str:
    """The output of a command that succeeded."""
    assert result.returncode == 0, result.stderr
    return result.stdout


async def _run(program: Path, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(program, *arguments)
    assert await process.wait() == 0


def _rule(site: Site, name: str) -> Path:
    """Add a rule that saves the text of each message into a folder of its own."""
    folder = site.directory / name
    folder.mkdir()
    options = ("--folder", str(folder), "--save-body", "text", "--no-save-attachments")
    _done(site.call("rules", "add", name, *options))
    return folder


def _files(folder: Path) -> int:
    return sum(not each.name.startswith(".") for each in folder.iterdir())


async def _arrive(site: Site, messages: int, mailboxes: int) -> None:
    """Let mail arrive, and wait until all is in the database, and saved by both rules."""
    total = len(await site.control.ledger()) + messages
    await site.control.start_traffic(messages, mailboxes=mailboxes, seed=total)
    await site.imported_once(total)

    async def all_saved() -> bool:
        return len(site.rows(select(email_file.c.nFileID).where(email_file.c.sState == "saved"))) == 2 * total

    await until(all_saved, "all files are saved")


def _held(site: Site) -> set[str]:
    return {row[0] for row in site.rows(select(graph_subscription.c.sSubscriptionID))}


async def _held_is_what_graph_has(site: Site, accounts: int) -> None:
    async def is_so() -> bool:
        there = [each["id"] for each in await site.control.subscriptions()]
        return len(there) == accounts and set(there) == _held(site)

    await until(is_so, f"Graph has a subscription for each of {accounts} accounts, and no other", seconds=60)


def _lose_the_database(site: Site) -> None:
    site.engine.dispose()
    for each in (site.directory / "gateway.db", *site.directory.glob("gateway.db-*")):
        each.unlink(missing_ok=True)


async def _drill_finds_what_came_after(site: Site) -> None:
    """The drill of docs/backup.md, on a spare host: it changes nothing, and counts the mail that the backup lacks."""
    command = {"COMMAND": f"{sys.executable} -m console", "PYTHONPATH": str(ROOT)}
    drill = ("sh", str(ROOT / "deploy" / "drill.sh"), "backup.db", "1d")
    process = await asyncio.create_subprocess_exec(
        *drill, cwd=site.directory, env={**site.environment, **command}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors
    missing = re.findall(r"station \d: (\d+) missing", output.decode())
    assert len(missing) == 2, output
    assert 0 < sum(map(int, missing)) < AFTER
    assert "the backup is good" in output.decode()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_restore_and_verify_bring_all_mail_back_once(site: Site) -> None:
    """Subscriptions and an account that the backup does not know are put in order as well.

    Files of mail that was imported after the backup are saved a second time, unless rules are disabled meanwhile.
    """
    site.settings["MAIL_IMPORTER_DELIVERY_ROOTS"] = str(site.directory)
    watched, spared = _rule(site, "watched"), _rule(site, "spared")
    _done(site.call("accounts", "export", "--output", "accounts.csv"))
    site.execute(delete(account_settings).where(account_settings.c.sAccountName == STATIONS[2]))
    running = site.start("run", "all")
    await _held_is_what_graph_has(site, 2)
    await _arrive(site, BEFORE, mailboxes=2)
    _done(await asyncio.to_thread(site.call, "db", "backup", "backup.db"))

    # After the backup: a mailbox is added, a subscription is made anew, mail is imported, files are taken.
    _done(await asyncio.to_thread(site.call, "accounts", "import", "accounts.csv"))
    await _held_is_what_graph_has(site, 3)
    lost = min(_held(site))
    await site.control.send_lifecycle(LifecycleEvent.SUBSCRIPTION_REMOVED, lost)

    async def made_anew() -> bool:
        return lost not in _held(site)

    await until(made_anew, "another subscription")
    await _held_is_what_graph_has(site, 3)
    await _arrive(site, AFTER, mailboxes=3)
    await _drill_finds_what_came_after(site)
    running.kill()
    running.wait()
    taken = list(watched.iterdir())[::2]
    for each in taken:
        each.unlink()
    lost_at = datetime.now(UTC)

    async def next_second() -> bool:
        return datetime.now(UTC).replace(microsecond=0) > lost_at

    await until(next_second, "times of receipt, which have whole seconds, differ")
    await site.control.start_traffic(WHILE_DOWN, seed=1)
    total = BEFORE + AFTER + WHILE_DOWN

    _lose_the_database(site)
    (site.directory / "backup.db").rename(site.directory / "gateway.db")
    _done(site.call("db", "upgrade"))
    assert site.count(message) == BEFORE
    # As if the backup were of yesterday: then managers had not compared subscriptions within the last minute.
    site.execute(delete(call_budget))
    _done(site.call("rules", "disable", "spared"))
    _done(site.call("accounts", "import", "accounts.csv"))
    running = site.start("run", "all")
    await _held_is_what_graph_has(site, 3)
    repaired = [await asyncio.to_thread(site.call, "verify", name, "--repair") for name in STATIONS]
    assert {each.returncode for each in repaired} <= {0, 1}
    await site.imported_once(total)
    assert [site.call("verify", name).returncode for name in STATIONS] == [0, 0, 0]

    async def saved_again() -> bool:
        return _files(watched) + len(taken) >= total + AFTER

    await until(saved_again, "what was imported anew is saved anew")
    _done(site.call("rules", "enable", "spared"))
    since = lost_at.isoformat(timespec="seconds")
    _done(await asyncio.to_thread(site.call, "rules", "apply", "--since", since, "--rule", "spared", "--yes"))

    async def spared_saved() -> bool:
        return _files(spared) >= total

    await until(spared_saved, "the mail that came after the loss is saved")
    status = json.loads(site.call("status", "--json").stdout)
    assert status["problems"] == []
    assert stop(running) < 10
    assert (_files(watched) + len(taken), _files(spared)) == (total + AFTER, total)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_dump_of_postgresql_and_a_sweep_bring_all_mail_back_once(
    site: Site, postgresql_databases: PostgreSQL
) -> None:
    """`pg_dump` beside running roles, `pg_restore` into an empty database; sweeps find what came since."""
    server = postgresql_databases.server
    running = site.start("run", "all")
    await site.subscribed()
    await site.control.start_traffic(4)
    await site.imported_once(4)
    options = ["--format=custom", "--file", str(site.directory / "gateway.dump")]
    url = site.gateway.url.replace("+psycopg", "")
    await _run(server.programs / "pg_dump", *options, url)
    await site.control.start_traffic(5, seed=1)
    await site.imported_once(9)
    assert stop(running) < 10

    server.execute('CREATE DATABASE "restored"')
    try:
        site.gateway = Gateway(server.url("restored"))
        target = ["--exit-on-error", "--no-owner", "--dbname", site.gateway.url.replace("+psycopg", "")]
        await _run(server.programs / "pg_restore", *target, str(site.directory / "gateway.dump"))
        _done(site.call("db", "check"))
        assert site.count(message) == 4
        # As if the dump were of yesterday: each folder is due, and swept from the place where it was then.
        site.execute(update(folder_sync).values(dtDue=datetime.now(UTC) - timedelta(days=1)))
        running = site.start("run", "all")
        await _held_is_what_graph_has(site, 3)
        await site.imported_once(9)
        assert stop(running) < 10
    finally:
        site.close()
        server.execute('DROP DATABASE "restored" WITH (FORCE)')
