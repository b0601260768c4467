"""The CPython for Windows under Wine. What runs on it is in tests/windows; `make wine` runs that."""

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.paths import ROOT
from tools.wine import WindowsPython, available, pinned, windows_path

if sys.platform == "win32":
    pytest.skip("Wine is for other systems", allow_module_level=True)


def test_the_packages_are_the_locked_ones_for_windows() -> None:
    """With those that the lock files have for Windows only, and without those that have no wheel for it."""
    names = {Requirement(line).name for line in pinned()}
    assert {"aiohttp", "cryptography", "lxml", "pytest", "tzdata"} <= names
    assert "python-qpid-proton" not in names
    assert all("==" in line for line in pinned())


def test_a_path_is_below_drive_z() -> None:
    assert windows_path(Path("/var/lib/x.toml")) == r"Z:\var\lib\x.toml"


@pytest.mark.slow
def test_the_command_runs_under_wine() -> None:
    folder = ROOT / ".wine"
    if not available() or not (folder / "complete").is_file():
        pytest.skip("needs Wine and its Python: make wine")
    status, output = WindowsPython(folder).run(
        ["-m", "console", "--help"], environment={"MAIL_IMPORTER_LANGUAGE": "fr"}, timeout=100
    )
    assert status == 0, output
    assert "Importer le courrier de boîtes aux lettres" in output
