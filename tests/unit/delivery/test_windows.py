"""The path rules of Windows, which hold on any system."""

from pathlib import PureWindowsPath

import pytest

from delivery.errors import FolderRefused
from delivery.windows import below_root, long_path, same_path

DRIVE = "D:\\imports"
SHARE = "\\\\server\\share\\imports"


@pytest.mark.parametrize(
    ("path", "roots", "names"),
    [
        ("D:\\imports\\a\\b", [DRIVE], ("a", "b")),
        ("d:/IMPORTS/a/", [DRIVE], ("a",)),
        ("D:\\imports", [DRIVE], ()),
        ("D:\\imports\\a\\b", [DRIVE, "D:\\imports\\a"], ("b",)),
        ("D:\\imports\\a", ["D:\\"], ("imports", "a")),
        ("\\\\SERVER\\share\\imports\\a", [SHARE], ("a",)),
        ("\\\\server\\share\\a", ["\\\\server\\share"], ("a",)),
        ("D:\\imports\\größe.d\\a b", [DRIVE], ("größe.d", "a b")),
        ("D:\\imports\\a", ["imports", "", DRIVE], ("a",)),
    ],
)
def test_paths_are_compared_by_components_and_without_letter_case(
    path: str, roots: list[str], names: tuple[str, ...]
) -> None:
    assert below_root(path, roots)[1] == names


@pytest.mark.parametrize(
    "path", ["D:\\imports2", "E:\\imports\\a", "D:\\", "\\\\server\\other\\imports", "\\\\other\\share\\imports"]
)
def test_other_folders_are_outside(path: str) -> None:
    with pytest.raises(FolderRefused) as caught:
        below_root(path, [DRIVE, SHARE])
    assert caught.value.reason == "OutsideRoots"


@pytest.mark.parametrize(
    "path",
    [
        *("imports\\a", "D:imports", "\\imports", "", "D:\\imports\\..\\a", "D:\\imports\\a\0"),
        *("\\\\?\\D:\\imports\\a", "\\\\.\\D:\\imports", "\\\\?\\UNC\\server\\share\\imports", "//?/D:/imports"),
        *("D:\\imports\\a:b", "D:\\imports\\a::$DATA", "D:\\imports\\a.", "D:\\imports\\a ", "D:\\imports\\a\\..."),
        *("D:\\imports\\NUL", "D:\\imports\\con.txt", "D:\\imports\\COM¹", "D:\\imports\\aux .d", "D:\\imports\\a*"),
        "D:\\imports\\conout$",
    ],
)
def test_what_windows_takes_for_something_else_is_refused(path: str) -> None:
    with pytest.raises(FolderRefused) as caught:
        below_root(path, [DRIVE, "\\\\?\\D:\\imports", ""])
    assert caught.value.reason == "PathInvalid"


def test_long_paths_have_the_prefix() -> None:
    assert long_path(PureWindowsPath(DRIVE)) == "\\\\?\\D:\\imports"
    assert long_path(PureWindowsPath(SHARE)) == "\\\\?\\UNC\\server\\share\\imports"


def test_paths_are_the_same_without_prefix_and_letter_case() -> None:
    assert same_path("\\\\?\\D:\\Imports\\a", "d:\\imports\\A")
    assert same_path("\\\\?\\UNC\\Server\\share\\a", "\\\\server\\share\\A")
    assert not same_path("D:\\imports\\a", "D:\\other\\a")
