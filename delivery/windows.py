r"""Import folders on Windows: by paths (`\\?\`), whose components are checked before each step.

Sources: https://learn.microsoft.com/windows/win32/fileio/naming-a-file and
https://learn.microsoft.com/windows/win32/fileio/reparse-point-tags.
"""

import errno
import ntpath
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import Final

from delivery.folder_faults import link_in_path, outside_roots, path_invalid

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
_MAX_NAME: Final = 255
_NO_FILE: Final = 2
"""ERROR_FILE_NOT_FOUND."""
_NAME_SURROGATE: Final = 0x2000_0000
"""The bit of reparse tags that lead elsewhere: symbolic links, junctions, mount points; not DFS, not cloud files."""
_RESERVED: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f]|[. ]$')
_DEVICE: Final = re.compile(r"(?:CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])", re.IGNORECASE)
_LONG: Final = "\\\\?\\"
_LONG_SHARE: Final = "\\\\?\\UNC\\"


class WindowsDirectory:
    """A folder; see `delivery.directory`. Another program cannot move it while a file in it is open."""

    def __init__(self, path: str, root: PureWindowsPath, names: Sequence[str]) -> None:
        self._path: Final = path
        self._names: Final = tuple(names)
        self._root: Final = long_path(root)
        self._folder: Final = ntpath.join(self._root, *names)
        self.name_limit: Final = _MAX_NAME
        self._refuse_links()
        self.identity: Final = _identity(self._folder)

    def create(self, name: str) -> int:
        """Create a file and return its handle."""
        self._require()
        place = self._place(name)
        handle = os.open(place, _NEW_FILE, 0o666)
        # While it is open, no folder above it can be renamed: what is checked now stays so.
        if not self._is_inside(place, name):
            os.close(handle)
            with suppress(OSError):
                Path(place).unlink()
            raise link_in_path(self._path, self._names[-1] if self._names else self._path)
        return handle

    def exists(self, name: str) -> bool:
        """True if there is something of this name."""
        self._require()
        try:
            os.lstat(self._place(name))
        except FileNotFoundError as exc:
            # Python takes servers that do not respond for missing files, too.
            if getattr(exc, "winerror", _NO_FILE) != _NO_FILE:
                raise
            return False
        return True

    def unlink(self, name: str) -> None:
        """Delete a file."""
        self._require()
        Path(self._place(name)).unlink()

    def rename(self, temporary: str, name: str) -> None:
        """Rename a file; Windows overwrites none unless it is asked to."""
        self._require()
        Path(self._place(temporary)).rename(self._place(name))

    def flush(self) -> None:
        """Do nothing: NTFS writes the changes of folders to its journal in their order."""

    def close(self) -> None:
        """Do nothing: there is no handle."""

    def _place(self, name: str) -> str:
        return ntpath.join(self._folder, name)

    def _require(self) -> None:
        self._refuse_links()
        if _identity(self._folder) != self.identity:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _refuse_links(self) -> None:
        place = self._root
        for name in self._names:
            place = ntpath.join(place, name)
            if getattr(os.lstat(place), "st_reparse_tag", 0) & _NAME_SURROGATE:
                raise link_in_path(self._path, name)

    def _is_inside(self, place: str, name: str) -> bool:
        real_root = os.path.realpath(self._root, strict=True)
        return same_path(os.path.realpath(place, strict=True), ntpath.join(real_root, *self._names, name))


def open_directory(path: str, roots: Sequence[str]) -> WindowsDirectory:
    """Open a folder that is a root, or below one.

    Raises:
        FolderRefused: it is not, or a link leads there.
        OSError: it cannot be opened.
    """
    root, names = below_root(path, roots)
    return WindowsDirectory(path, root, names)


def below_root(path: str, roots: Sequence[str]) -> tuple[PureWindowsPath, tuple[str, ...]]:
    """The innermost root that holds the path, and the names that lead from there to the folder.

    Raises:
        FolderRefused: there is none, or the path is not absolute, or has names that Windows takes for something else.
    """
    folder = PureWindowsPath(path)
    if not _is_plain(folder):
        raise path_invalid(path)
    above = [root for root in map(PureWindowsPath, roots) if _is_plain(root) and folder.is_relative_to(root)]
    if not above:
        raise outside_roots(path, roots)
    root = max(above, key=lambda each: len(each.parts))
    return root, folder.parts[len(root.parts) :]


def long_path(path: PureWindowsPath) -> str:
    r"""The path with the prefix that lifts the limit of 260 characters: `\\?\D:\a`, `\\?\UNC\server\share\a`."""
    plain = str(path)
    return _LONG_SHARE + plain[2:] if plain.startswith("\\\\") else _LONG + plain


def same_path(one: str, other: str) -> bool:
    """True if the paths are the same, letter case and prefix aside."""
    return ntpath.normcase(_without_prefix(one)) == ntpath.normcase(_without_prefix(other))


def _without_prefix(path: str) -> str:
    if path.startswith(_LONG_SHARE):
        return "\\\\" + path.removeprefix(_LONG_SHARE)
    return path.removeprefix(_LONG)


def _is_plain(path: PureWindowsPath) -> bool:
    """True for an absolute path on a drive or share, of plain names; not with the prefixes of devices."""
    drive_is_plain = re.fullmatch(r"[A-Za-z]:|\\\\[^\\.?][^\\?]*\\[^\\?]+", path.drive) is not None
    return path.is_absolute() and drive_is_plain and all(map(_is_plain_name, path.parts[1:]))


def _is_plain_name(name: str) -> bool:
    return _RESERVED.search(name) is None and _DEVICE.fullmatch(name.partition(".")[0].strip()) is None


def _identity(folder: str) -> str:
    """The file index, and the time of creation (`st_ctime` on Windows), in microseconds."""
    status = Path(folder).stat()
    return f"{status.st_ino:x}-{status.st_ctime_ns // 1000:x}"
