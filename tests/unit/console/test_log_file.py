"""The log file of a process: rotation, bounds, several processes, and a disk that fails."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.log_file import LogFile, LogFileLimits, archives
from tests.paths import ROOT


class Times:
    """A clock that moves by a second with each look, and one that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, tzinfo=UTC)
        self.seconds = 0.0

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def times() -> Times:
    return Times()


Reserve = Callable[..., LogFile]


@pytest.fixture
def reserve(tmp_path: Path, times: Times) -> Iterator[Reserve]:
    opened: list[LogFile] = []

    def call(role: str | None = None, *, faults: list[OSError] | None = None, max_bytes: int = 100) -> LogFile:
        file = LogFile(
            tmp_path / "logs" / "mail-importer.log",
            role,
            LogFileLimits(max_bytes, 3),
            times.clock,
            times.monotonic,
            lambda error: None if faults is None else faults.append(error),
        )
        opened.append(file)
        file.open()
        return file

    yield call
    for each in opened:
        each.close()


def test_a_full_file_is_rotated_and_the_oldest_are_deleted(reserve: Reserve) -> None:
    """Every line is whole, in one file; of the rotated files there are no more than the setting has."""
    file = reserve()
    for number in range(100):
        file.write(f"line {number:04d} of the log\n")
    kept = archives(file.path)
    assert len(kept) == 3
    lines = "".join(each.read_text() for each in [*kept, file.path]).splitlines()
    assert lines == [f"line {number:04d} of the log" for number in range(100 - len(lines), 100)]
    assert all(each.stat().st_size <= 100 for each in [*kept, file.path])


def test_the_file_continues_after_a_restart(reserve: Reserve) -> None:
    first = reserve()
    first.write("before\n")
    first.close()
    again = reserve()
    again.write("after\n")
    assert again.path == first.path
    assert again.path.read_text() == "before\nafter\n"


def test_each_process_has_a_file_of_its_own(reserve: Reserve) -> None:
    """By role; a second process of a role gets a number, and the first name again once that is free."""
    files = [reserve(), reserve("receiver"), reserve("processor"), reserve("processor")]
    names = ["mail-importer.log", "mail-importer-receiver.log", "mail-importer-processor.log"]
    assert [each.path.name for each in files] == [*names, "mail-importer-processor-2.log"]
    files[2].close()
    assert reserve("processor").path.name == "mail-importer-processor.log"


def test_the_lock_holds_between_processes_and_ends_with_them(reserve: Reserve, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from datetime import datetime, UTC; import console.log_file as f;"
        "file = f.LogFile(Path(sys.argv[1]), None, f.LogFileLimits(99, 1), lambda: datetime.now(UTC), time.monotonic);"
        "file.open(); print(file.path.name, flush=True); sys.stdin.read()"
    )
    path = tmp_path / "logs" / "mail-importer.log"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mail-importer.log\n"
        assert reserve().path.name == "mail-importer-2.log"
        other.kill()
    assert reserve().path.name == "mail-importer.log"


def test_a_file_that_a_reader_keeps_from_being_renamed_is_copied_and_emptied(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows: another program has it open (sharing violation)."""

    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(errno.EACCES, "used by another process")

    monkeypatch.setattr(Path, "rename", refuse)
    file = reserve()
    for number in range(20):
        file.write(f"line {number:04d} of the log\n")
    assert file.path.stat().st_size <= 100
    assert len(archives(file.path)) == 3
    assert archives(file.path)[-1].read_text().count("\n") == 4


def test_without_room_for_a_copy_the_file_is_bounded_all_the_same(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(Path, "rename", refuse)
    monkeypatch.setattr("shutil.copyfile", refuse)
    file = reserve()
    for number in range(50):
        file.write(f"line {number:04d} of the log\n")
        assert file.path.stat().st_size <= 250
    assert file.path.read_text().endswith("line 0049 of the log\n")


def test_a_full_disk_costs_lines_and_stops_nothing(
    reserve: Reserve, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One report at its begin; afterwards the count of the lines that are missing, and no torn line."""
    faults: list[OSError] = []
    file = reserve(faults=faults, max_bytes=10_000)
    file.write('{"event": "first"}\n')
    true_write = os.write

    def write(number: int, content: memoryview) -> int:
        if len(content) < 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return true_write(number, content[: len(content) // 2])

    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        for _ in range(3):
            file.write('{"event": "lost"}\n')
    times.seconds = 6.0
    file.write('{"event": "last"}\n')
    assert len(faults) == 1
    lines = file.path.read_text().splitlines()
    assert lines[0] == '{"event": "first"}'
    assert json.loads(lines[2])["event"] == "log_lines_lost"
    assert json.loads(lines[2])["lost"] == 3
    assert lines[3:] == ['{"event": "last"}']


def test_a_real_full_disk_is_survived(times: Times, tmp_path: Path) -> None:
    """`/dev/full` refuses each write."""
    faults: list[OSError] = []
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    (tmp_path / "full.log").symlink_to("/dev/full")
    file = LogFile(tmp_path / "full.log", None, LogFileLimits(100, 1), times.clock, times.monotonic, faults.append)
    for _ in range(3):
        file.write("line\n")
        times.seconds += 6
    file.close()
    assert [each.errno for each in faults] == [errno.ENOSPC]


def test_a_file_that_cannot_be_opened_at_the_start_is_opened_later(times: Times, tmp_path: Path) -> None:
    """A host that starts with a full disk logs to its file once there is room, without a restart."""
    faults: list[OSError] = []
    printed: list[str] = []
    folder = tmp_path / "logs"
    folder.write_text("in the place of the folder")
    file = LogFile(
        folder / "mail-importer.log",
        "receiver",
        LogFileLimits(1000, 3),
        times.clock,
        times.monotonic,
        faults.append,
        printed.append,
    )
    with pytest.raises(OSError, match="File exists") as caught:
        file.open()
    file.open_later(caught.value)
    file.write("one\n")
    times.seconds += 6
    file.write("two\n")
    assert printed == ["one\n", "two\n"]
    folder.unlink()
    file.write("three\n")
    times.seconds += 6
    file.write("four\n")
    file.close()
    assert printed == ["one\n", "two\n", "three\n"]
    assert (folder / "mail-importer-receiver.log").read_text() == "four\n"
    assert faults == [caught.value]
