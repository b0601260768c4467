"""A file arrives once and whole, at whichever call the process is killed, and whatever program takes it away."""

import ctypes
import errno
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from delivery import linux
from delivery.errors import NameTaken, TemporaryGone
from delivery.folders import ImportFolder, open_folder, temporary_name
from tests.unit.delivery.processes import ended, killed_at_call, started

P = ParamSpec("P")
T = TypeVar("T")

TEMPORARY = ".mail-importer-7-a.part"
NAME = "report.csv"
CONTENT = b"content" * 20_000
CALLS = ("open", "write", "fsync", "close", "stat", "fstat", "link", "unlink")


class Record:
    """The database of this test: what it knows of the file outlasts any kill."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replace = os.replace

    def set(self, **fields: str) -> None:
        """Commit. By calls that are not counted."""
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(fields))
        self._replace(new, self._path)

    def get(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return found


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: hundreds of files are written to a disk that other tests use."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "imports").mkdir()
    (tmp_path / "taken").mkdir()
    return tmp_path / "imports"


def _renames_with_flags() -> None:
    """As on this disk."""


def _renames_without_flags() -> None:
    def rename(*_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1

    linux._rename = rename


def _stays(_: Path) -> None:
    """No watcher came."""


def _moved_away(place: Path) -> None:
    for file in place.glob("[!.]*"):
        file.rename(place.parent / "taken" / file.name)


def _copied_away(place: Path) -> None:
    """As a move to another disk: the last name of the file is deleted."""
    for file in place.glob("[!.]*"):
        shutil.copyfile(file, place.parent / "taken" / file.name)
        file.unlink()


def _instrument(call: Callable[[], None]) -> None:
    """Have `call` run before each call of the operating system that the product makes."""

    def before(function: Callable[P, T]) -> Callable[P, T]:
        def wrapped(*args: P.args, **keywords: P.kwargs) -> T:
            call()
            return function(*args, **keywords)

        return wrapped

    for name in CALLS:
        setattr(os, name, before(getattr(os, name)))
    linux._rename = before(linux._rename)


def _publish(folder: ImportFolder, record: Record) -> None:
    with suppress(TemporaryGone):
        folder.publish(TEMPORARY, record.get()["target"])
    record.set(state="saved")


def _attempt(folder: ImportFolder, record: Record) -> None:
    """Steps 1 to 4 of the protocol."""
    written = folder.write(TEMPORARY, [CONTENT[:1000], CONTENT[1000:]])
    assert written.sha256 == sha256(CONTENT).hexdigest()
    record.set(state="whole", identity=folder.identity, target=folder.free_name(NAME))
    _publish(folder, record)


def _recover(folder: ImportFolder, record: Record) -> None:
    """Continue after a crash, by the rules of the protocol."""
    known = record.get()
    if not known:
        folder.remove(TEMPORARY)
        _attempt(folder, record)
    elif known["state"] == "whole":
        assert folder.is_same(known["identity"])
        _publish(folder, record)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("renames", "watch"),
    [
        (_renames_with_flags, _stays),
        (_renames_with_flags, _moved_away),
        (_renames_with_flags, _copied_away),
        (_renames_without_flags, _stays),
        (_renames_without_flags, _moved_away),
        (_renames_without_flags, _copied_away),
    ],
)
def test_a_kill_at_any_call_leaves_one_whole_file_after_recovery(
    place: Path, tmp_path: Path, renames: Callable[[], None], watch: Callable[[Path], None]
) -> None:
    record = Record(tmp_path / "record.json")

    def first(call: Callable[[], None]) -> None:
        renames()
        with open_folder(str(place), [str(tmp_path)]) as folder:
            _instrument(call)
            _attempt(folder, record)

    def second() -> None:
        renames()
        with open_folder(str(place), [str(tmp_path)]) as folder:
            _recover(folder, record)

    kills = 0
    while killed_at_call(first, kills + 1):
        kills += 1
        watch(place)
        assert ended(started(second)) == 0
        assert record.get() == {"state": "saved"}
        found = [*place.iterdir(), *(tmp_path / "taken").iterdir()]
        assert [(file.name, file.read_bytes() == CONTENT) for file in found] == [(NAME, True)], kills
        found[0].unlink()
        (tmp_path / "record.json").unlink()
    assert kills > 10


@pytest.mark.slow
@pytest.mark.parametrize("renames", [_renames_with_flags, _renames_without_flags])
def test_kills_during_recovery_do_no_more_harm(place: Path, tmp_path: Path, renames: Callable[[], None]) -> None:
    record = Record(tmp_path / "record.json")

    def work(call: Callable[[], None]) -> None:
        renames()
        with open_folder(str(place), [str(tmp_path)]) as folder:
            _instrument(call)
            _recover(folder, record)

    for first in range(6, 36, 3):
        killed_at_call(work, first)
        killed_at_call(work, 1 + first * 7 % 29)
        killed_at_call(work, 1000)
        assert [(file.name, file.read_bytes() == CONTENT) for file in place.iterdir()] == [(NAME, True)]
        (place / NAME).unlink()
        (tmp_path / "record.json").unlink()


def _content(number: int) -> bytes:
    """A file that shows whether it is whole."""
    body = f"{number}\n".encode() * (1 + number * 37)
    return sha256(body).hexdigest().encode() + body


def _is_whole(content: bytes) -> bool:
    return content[:64] == sha256(content[64:]).hexdigest().encode()


def _save(folder: ImportFolder, number: int) -> None:
    temporary = temporary_name(number, str(os.getpid()))
    content = _content(number)
    folder.write(temporary, [content[:100], content[100:]])
    while True:
        try:
            folder.publish(temporary, folder.free_name(NAME))
        except NameTaken:
            continue
        return


def _saver(place: Path, numbers: range, renames: Callable[[], None]) -> int:
    def work() -> None:
        renames()
        with open_folder(str(place), [str(place)]) as folder:
            for number in numbers:
                _save(folder, number)

    return started(work)


@pytest.mark.slow
@pytest.mark.parametrize("renames", [_renames_with_flags, _renames_without_flags])
def test_two_processes_save_files_of_one_name_into_one_folder(place: Path, renames: Callable[[], None]) -> None:
    savers = [_saver(place, range(first, first + 200), renames) for first in (0, 200)]
    assert [ended(saver) for saver in savers] == [0, 0]
    found = Counter(file.read_bytes() for file in place.iterdir())
    assert found == Counter(_content(number) for number in range(400))


@pytest.mark.slow
@pytest.mark.parametrize("renames", [_renames_with_flags, _renames_without_flags])
def test_a_watcher_that_takes_files_at_once_gets_each_whole_and_once(
    place: Path, tmp_path: Path, renames: Callable[[], None]
) -> None:
    done = tmp_path / "done"

    def watch() -> None:
        count = 0
        while True:
            last = done.exists()
            for file in [each for each in place.iterdir() if not each.name.startswith(".")]:
                assert _is_whole(file.read_bytes()), file.name
                file.rename(tmp_path / "taken" / str(count))
                count += 1
            if last:
                return

    watcher = started(watch)
    savers = [_saver(place, range(first, first + 100), renames) for first in (0, 100)]
    assert [ended(saver) for saver in savers] == [0, 0]
    done.touch()
    assert ended(watcher) == 0
    assert not list(place.iterdir())
    found = Counter(file.read_bytes() for file in (tmp_path / "taken").iterdir())
    assert found == Counter(_content(number) for number in range(200))
