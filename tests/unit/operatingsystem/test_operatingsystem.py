"""The differences between the systems. What is of Windows alone runs under Wine, by `make wine`."""

import ast
import io
import os
import sys
from pathlib import Path

import pytest

import operatingsystem
from operatingsystem import others_access, user_name, user_number, windows
from tests.paths import ROOT


def test_both_systems_offer_the_same() -> None:
    """A caller imports the names from the package, and type checks for either system find them."""
    offered = set(operatingsystem.__all__)
    for system in ("posix", "windows"):
        tree = ast.parse((ROOT / "operatingsystem" / f"{system}.py").read_text("utf-8"))
        names = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
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
