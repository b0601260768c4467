"""The check of the import folders of an account's rules."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from console.checks.folders import FOLDERS, ImportFolderChecks
from console.checks.runner import Finding, Result, run_checks
from console.settings import Settings
from db.engine import Database, run_writing
from delivery.errors import FolderRefused, FolderUnavailable
from hostfaults import HostFault
from phrases import Phrase
from tests.doubles.rule_files import add_rule

ACCOUNT = 7


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "import"
    folder.mkdir()
    return folder


@pytest.fixture
def find(engine: Engine, root: Path) -> Callable[..., Finding]:
    """Run the check for account 7, on a host with this root; or with a double of the call into the folder."""

    def run(*, roots: str | None = str(root), **options: Any) -> Finding:  # noqa: ANN401  # any argument
        async def work() -> Finding:
            database = Database(engine)
            checks = ImportFolderChecks(Settings(delivery_roots=roots), database, ACCOUNT, **options).checks()
            [step] = await run_checks(checks)
            await database.close()
            assert step.name == FOLDERS
            json.dumps(step.data())
            return step.finding

        return asyncio.run(work())

    return run


def add(engine: Engine, name: str, folder: Path | str, **columns: Any) -> None:  # noqa: ANN401  # any column
    run_writing(engine, partial(add_rule, name=name, sFolder=str(folder), **columns))


def raising(error: Exception) -> Callable[[str, Sequence[str]], None]:
    def check(_folder: str, _roots: Sequence[str]) -> None:
        raise error

    return check


def test_without_a_rule_there_is_nothing_to_check(find: Callable[..., Finding], engine: Engine, tmp_path: Path) -> None:
    """Rules that are disabled, or of another account, do not count."""
    add(engine, "disabled", tmp_path / "missing", bEnabled=False)
    add(engine, "of another", tmp_path / "missing", nAccountID=ACCOUNT + 1)
    assert find().result is Result.NOT_NEEDED


def test_a_host_without_roots_saves_nothing(find: Callable[..., Finding], engine: Engine, root: Path) -> None:
    add(engine, "Results", root)
    found = find(roots=None)
    assert (found.result, "delivery_roots" in found.found) == (Result.NOT_NEEDED, True)


def test_folders_are_written_to_and_left_empty(find: Callable[..., Finding], engine: Engine, root: Path) -> None:
    """Those of the account, and those of all; each once."""
    (root / "mine").mkdir()
    add(engine, "of all", root)
    add(engine, "of all, too", root)
    add(engine, "mine", root / "mine", nAccountID=ACCOUNT)
    found = find()
    assert (found.result, found.found) == (Result.PASSED, "a file was saved in each of 2 folders, and deleted")
    assert [each.name for each in root.rglob("*")] == ["mine"]


def test_a_folder_that_is_missing_fails_with_its_cause(
    find: Callable[..., Finding], engine: Engine, root: Path
) -> None:
    add(engine, "works", root)
    add(engine, "Results", root / "missing")
    found = find()
    assert (found.result, found.code) == (Result.FAILED, "folderMissing")
    assert str(root / "missing") in found.cause
    assert "Test as the user that runs the delivery" in found.remedy
    assert found.facts["folders"] == {str(root): "ok", str(root / "missing"): "folderMissing"}


def test_a_folder_that_another_host_may_serve_is_a_warning(
    find: Callable[..., Finding], engine: Engine, tmp_path: Path
) -> None:
    add(engine, "Results", tmp_path / "elsewhere")
    found = find()
    assert (found.result, found.code) == (Result.WARNED, "outsideRoots")
    both = find(check=raising(FolderRefused("LinkInPath", Phrase("A link."))))
    assert (both.result, both.code) == (Result.WARNED, "linkInPath")


def test_a_folder_that_hangs_ends_the_check_in_time(find: Callable[..., Finding], engine: Engine, root: Path) -> None:
    add(engine, "Results", root)
    released = threading.Event()
    found = find(check=lambda _folder, _roots: released.wait(60), seconds=0.1)
    released.set()
    assert (found.result, found.code) == (Result.FAILED, "folderHangs")
    assert str(root) in found.cause


def test_of_many_folders_some_are_named(find: Callable[..., Finding], engine: Engine, root: Path) -> None:
    for number in range(12):
        add(engine, f"rule {number}", root / str(number), nPosition=number + 1)
    found = find(check=raising(FolderUnavailable("FolderFull", Phrase("It is full."))))
    assert found.cause.count("It is full.") == 5
    assert "7 more folders fail." in found.cause


def test_a_fault_of_this_host_is_a_failure(find: Callable[..., Finding], engine: Engine, root: Path) -> None:
    add(engine, "Results", root)
    assert find(check=raising(HostFault(Phrase("No memory.")))).result is Result.FAILED
