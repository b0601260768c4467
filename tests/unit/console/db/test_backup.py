"""`mail-importer db backup`: a checked copy of a SQLite database in use."""

import json
import os
import shutil
import sqlite3
import stat
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Engine

from db.schema import revisions
from tests.databases import Gateway
from tests.migration import past
from tests.unit.console.conftest import NOW

Run = Callable[..., Result]
NAME = "mail-importer-20260331T120000Z.db"


@pytest.fixture
def file(engine: Engine) -> Path:
    """The database, upgraded, with a table in which each transaction of another program writes a pair."""
    path = Path(str(engine.url.database))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE pairs (number INTEGER, half INTEGER)")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir()
    return made


def pairs(database: Path) -> list[tuple[int, int]]:
    """The numbers in the table, with how many rows each has."""
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute("SELECT number, count(*) FROM pairs GROUP BY number").fetchall()


@contextmanager
def writing(database: Path) -> Iterator[threading.Event]:
    """Another connection writes pairs meanwhile; the event is set once it began."""
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        with closing(sqlite3.connect(database, timeout=30)) as other:
            number = 0
            while not ended.is_set():
                with other:
                    other.execute("INSERT INTO pairs VALUES (?, 1)", (number,))
                    other.execute("INSERT INTO pairs VALUES (?, 2)", (number,))
                number += 1
                begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield begun
    finally:
        ended.set()
        thread.join()


def test_a_copy_of_a_database_in_use_is_of_one_moment(file: Path, folder: Path, run: Run) -> None:
    """Each transaction is in it whole or not at all, and the writer never waits for it to end."""
    with writing(file) as begun:
        assert begun.wait(10)
        result = run("db", "backup", str(folder), "--json")
        at_the_end = len(pairs(file))
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    copy = folder / NAME
    assert list(folder.iterdir()) == [copy]
    assert (found["file"], found["revision"], found["messages"]) == (str(copy), revisions.HEAD, 0)
    assert found["bytes"] == copy.stat().st_size
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    counts = pairs(copy)
    assert 0 < len(counts) <= at_the_end
    assert {count for _, count in counts} == {2}


def test_an_open_transaction_is_not_in_it_and_does_not_stop_it(file: Path, folder: Path, run: Run) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO pairs VALUES (1, 1)")
        result = run("db", "backup", str(folder / "now.db"))
        other.execute("COMMIT")
    assert result.exit_code == 0, result.stderr
    assert "is a checked copy" in result.stderr
    assert pairs(folder / "now.db") == []
    assert pairs(file) == [(1, 1)]


def test_a_copy_works_as_the_gateway_database(
    file: Path, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore is nothing but to put it in the place of the database."""
    assert file.exists()
    assert run("db", "backup", str(folder)).exit_code == 0
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", f"sqlite:///{folder / NAME}")
    assert "is up to date" in run("db", "upgrade").stderr
    assert run("db", "check").exit_code == 0


def test_a_database_of_an_earlier_version_is_copied_before_its_upgrade(
    tmp_path: Path, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(f"sqlite:///{tmp_path / 'old.db'}")
    engine = gateway.engine()
    past.make(engine, "0009")
    engine.dispose()
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", gateway.url)
    result = run("db", "backup", str(folder), "--json")
    assert (result.exit_code, json.loads(result.stdout)["revision"]) == (0, "0009")


def test_an_existing_file_is_left_alone(file: Path, folder: Path, run: Run) -> None:
    (folder / "mine.db").write_text("mine")
    result = run("db", "backup", str(folder / "mine.db"))
    assert result.exit_code == 1
    assert "exists" in result.stderr
    assert (folder / "mine.db").read_text() == "mine"
    assert run("db", "backup", str(file)).exit_code == 1
    assert pairs(file) == []


def test_keep_deletes_older_backups_and_nothing_else(file: Path, folder: Path, run: Run) -> None:
    older = [folder / f"mail-importer-202603{day}T020000Z.db" for day in (27, 28, 29)]
    others = [folder / "notes.db", folder / "mail-importer-20260301T020000Z.db.gz"]
    for each in (*older, *others):
        each.touch()
    result = run("db", "backup", str(folder), "--keep", "2", "--json")
    assert json.loads(result.stdout)["deleted"] == [str(each) for each in older[:2]]
    assert set(folder.iterdir()) == {older[2], folder / NAME, *others}
    assert run("db", "backup", str(folder / "one.db"), "--keep", "2").exit_code == 2
    assert file.exists()


def test_what_a_killed_backup_left_is_deleted_a_day_later(file: Path, folder: Path, run: Run) -> None:
    """Each would take the room of a whole copy."""
    left, recent = folder / f".{NAME}.abc_1234", folder / f".{NAME}.xyz_5678"
    for each, age in ((left, timedelta(hours=25)), (recent, timedelta(hours=1))):
        each.touch()
        time = (NOW - age).timestamp()
        os.utime(each, (time, time))
    assert run("db", "backup", str(folder)).exit_code == 0
    assert set(folder.iterdir()) == {recent, folder / NAME}
    assert file.exists()


def test_a_full_disk_is_reported_before_anything_is_written(
    file: Path, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = folder / "mail-importer-20260301T020000Z.db"
    older.touch()
    usage = namedtuple("usage", "total used free")  # noqa: PYI024  # as that of shutil
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - file.stat().st_size, file.stat().st_size))
    result = run("db", "backup", str(folder), "--keep", "1")
    assert result.exit_code == 1
    assert f"The disk of {folder} has" in result.stderr
    assert list(folder.iterdir()) == [older]


def test_a_damaged_database_leaves_no_copy_and_keeps_the_older_ones(file: Path, folder: Path, run: Run) -> None:
    older = folder / "mail-importer-20260301T020000Z.db"
    older.touch()
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [page] = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'tblEmailMessage'").fetchone()
        [size] = other.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(b"\xff" * size)
    result = run("db", "backup", str(folder), "--keep", "1")
    assert result.exit_code == 1
    assert "cannot be copied" in result.stderr or "is damaged" in result.stderr
    assert list(folder.iterdir()) == [older]


def test_a_missing_database_or_folder_is_reported(tmp_path: Path, folder: Path, run: Run) -> None:
    result = run("db", "backup", str(folder))
    assert (result.exit_code, list(folder.iterdir())) == (1, [])
    assert "no tables of mail-importer" in result.stderr
    assert run("db", "upgrade").exit_code == 0
    result = run("db", "backup", str(tmp_path / "missing" / "copy.db"))
    assert result.exit_code == 1
    assert "cannot be used" in result.stderr


@pytest.mark.parametrize(
    ("url", "statement"),
    [
        ("postgresql+psycopg://host/MonitorPro", "pg_dump --format=custom"),
        ("mssql+pyodbc://host/MonitorPro", "BACKUP DATABASE"),
    ],
)
def test_a_server_is_backed_up_with_its_own_tools(
    url: str, statement: str, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing connects to it."""
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", url)
    result = run("db", "backup", str(folder))
    assert result.exit_code == 1
    assert statement in result.stderr
