"""The import folder of a rule: absolute on one of the systems, and a folder there."""

import pytest

from rules.folders import BadFolder, check_folder


@pytest.mark.parametrize(
    "folder",
    [
        "/",
        "/srv/import/Prüfberichte",
        "/srv/a:b/con",
        "C:\\",
        "d:/import",
        "D:\\Import\\試験",
        "\\\\server\\share",
        "\\\\server\\share$\\Import\\",
        "D:\\Import\\console",
    ],
)
def test_folders(folder: str) -> None:
    """A folder of POSIX, of a drive, or of a share."""
    check_folder(folder)


@pytest.mark.parametrize(
    ("folder", "cause"),
    [
        ("", "not absolute"),
        ("import", "not absolute"),
        ("./import", "not absolute"),
        ("\\import", "not absolute"),
        ("D:import", "not absolute"),
        ("D:", "not absolute"),
        ("\\\\server", "not absolute"),
        ("\\\\?\\D:\\import", "not absolute"),
        ("\\\\.\\D:\\import", "not absolute"),
        ("~/import", "not absolute"),
        ("/srv/../etc", "has .."),
        ("D:\\import\\..\\x", "has .."),
        ("/srv/..", "has .."),
        ("/srv/a\x00b", "control"),
        ("/srv/a\nb", "control"),
        ("/srv/a\udcffb", "control"),
        ("D:\\import\\NUL", "device"),
        ("D:\\com1.txt\\x", "device"),
        ("D:\\import\\a:stream", "reserved"),
        ("\\\\server\\share\\a:b", "reserved"),
        ("D:\\import\\a?", "reserved"),
        ("D:\\import.\\a", "dot or a blank"),
        ("D:\\import \\a", "dot or a blank"),
        ("D:\\import\\.\\a", "dot or a blank"),
        ("/" + "a" * 1000, "1000"),
    ],
)
def test_bad_folders(folder: str, cause: str) -> None:
    """What is no such folder is refused, with the cause."""
    with pytest.raises(BadFolder) as caught:
        check_folder(folder)
    assert cause in str(caught.value)
