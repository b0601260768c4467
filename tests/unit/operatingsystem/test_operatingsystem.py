"""The differences between the systems. What is of Windows alone runs under Wine, by `make wine`."""

import ast
import io
import os
import sys
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import operatingsystem
from operatingsystem import others_access, user_name, user_number, windows
from tests.paths import ROOT


def test_both_systems_offer_the_same() -> None:
    """A caller imports the names from the package, and type checks for either system find them."""
    offered = set(operatingsystem.__all__)
    for system in ("posix", "windows"):
        tree = ast.parse((ROOT / "operatingsystem" / f"{system}.py").read_text("utf-8"))
        names = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.ClassDef)}
        names |= {
            each.target.id
            for each in ast.walk(tree)
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        }
        assert offered <= names, system


@pytest.mark.skipif(sys.platform == "win32", reason="modes mean nothing there")
@pytest.mark.parametrize(("mode", "shown"), [(0o600, 0), (0o640, 0o640), (0o604, 0o604), (0o400, 0)])
def test_a_file_open_to_others_is_noticed(mode: int, shown: int, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.touch()
    file.chmod(mode)
    assert others_access(str(file)) == shown


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        others_access(str(tmp_path / "none"))


def test_the_user_has_a_name() -> None:
    assert user_name()
    assert user_number() == (str(os.getuid()) if sys.platform != "win32" else "")


@pytest.mark.parametrize(("chosen", "encoding"), [("", "utf-8"), ("cp1252", "cp1252")])
def test_output_of_windows_that_is_no_terminal_is_utf8(
    chosen: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject in Greek ends no command whose output goes to a file; a chosen encoding stays."""
    monkeypatch.setenv("PYTHONIOENCODING", chosen)
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="cp1252", errors="replace")
    windows.use_utf8((stream, io.StringIO()))
    stream.write("Σ")
    stream.flush()
    assert written.getvalue().decode(encoding) == ("Σ" if encoding == "utf-8" else "?")


class _Jobs(ModuleType):
    """A stand-in of win32job: one job, with its limits as Windows holds them."""

    JobObjectExtendedLimitInformation = 9
    JOB_OBJECT_LIMIT_JOB_TIME = 0x4
    JOB_OBJECT_LIMIT_PROCESS_MEMORY = 0x100
    JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION = 0x400

    def __init__(self) -> None:
        super().__init__("win32job")
        self.made = 0
        self.processes: list[int] = []
        self.limits: dict[str, Any] = {"BasicLimitInformation": {"LimitFlags": 0, "PerJobUserTimeLimit": 0}}
        self.refused = ""

    def _raise_if_refused(self, function: str) -> None:
        if function == self.refused:
            raise _WindowsError(5, function, "Access is denied.")

    def CreateJobObject(self, _security: None, _name: str) -> int:  # noqa: N802  # Windows's name
        self._raise_if_refused("CreateJobObject")
        self.made += 1
        return 44

    def AssignProcessToJobObject(self, job: int, process: int) -> None:  # noqa: N802  # as above
        assert job == 44
        self._raise_if_refused("AssignProcessToJobObject")
        self.processes.append(process)

    def QueryInformationJobObject(self, job: int, kind: int) -> dict[str, Any]:  # noqa: N802  # as above
        assert (job, kind) == (44, self.JobObjectExtendedLimitInformation)
        self._raise_if_refused("QueryInformationJobObject")
        return deepcopy(self.limits)

    def SetInformationJobObject(self, job: int, kind: int, limits: dict[str, Any]) -> None:  # noqa: N802  # as above
        assert (job, kind) == (44, self.JobObjectExtendedLimitInformation)
        self._raise_if_refused("SetInformationJobObject")
        self.limits = limits


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> _Jobs:
    jobs = _Jobs()
    process, types = ModuleType("win32process"), ModuleType("pywintypes")
    vars(process).update(
        GetCurrentProcess=lambda: -1, GetProcessMemoryInfo=lambda _process: {"PeakPagefileUsage": 5_000_000}
    )
    vars(types).update(error=_WindowsError)
    for module in (jobs, process, types):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return jobs


class _WindowsError(Exception):
    """`pywintypes.error`."""


def test_a_worker_process_of_windows_is_limited_by_one_job(jobs: _Jobs) -> None:
    """Each call has computing time of its own, in units of 100 ns; a crash makes no report, which would be mail."""
    limits = windows.ProcessLimits()
    for seconds, memory in ((1.5, 2**28), (3.0, 2**29)):
        limits.set(seconds, memory)
        basic = jobs.limits["BasicLimitInformation"]
        assert (basic["LimitFlags"], basic["PerJobUserTimeLimit"]) == (0x504, seconds * 10_000_000 + 1)
        assert jobs.limits["ProcessMemoryLimit"] == memory
    assert (jobs.made, jobs.processes) == (1, [-1])
    assert windows.peak_memory_bytes() == 5_000_000


@pytest.mark.parametrize(
    "refused",
    ["CreateJobObject", "AssignProcessToJobObject", "QueryInformationJobObject", "SetInformationJobObject"],
)
def test_a_worker_process_that_windows_does_not_limit_serves(refused: str, jobs: _Jobs) -> None:
    """A job with limits of the user interface takes none in, for example; the parent's clock is the only limit then."""
    jobs.refused = refused
    limits = windows.ProcessLimits()
    for _ in range(2):
        limits.set(1.0, 2**28)
    assert not jobs.limits["BasicLimitInformation"]["LimitFlags"]
