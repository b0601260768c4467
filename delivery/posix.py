"""Import folders on Linux: every step goes through handles, so that no link below the root leads out of it."""

import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Final

from delivery import linux
from delivery.directory import TEMPORARY_ENDING
from delivery.folder_faults import NoAtomicRenameError, link_in_path, outside_roots, path_invalid

if sys.platform == "win32":
    raise ImportError("delivery.windows is for this system")

_FOLDER: Final = os.O_DIRECTORY | os.O_CLOEXEC
_PASSED: Final = _FOLDER | os.O_PATH
"""Folders on the way: the right to pass is enough."""
_HELD: Final = _FOLDER | os.O_RDONLY
"""The folder itself: names in it are written to disk, which takes the right to list it."""
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: Final = 0o666
"""Another program reads the file: the umask (UMask of systemd), or the default ACL of the folder, decides which one."""
_MAX_NAME: Final = 255
_MARKED: Final = ".link"
"""Follows the temporary name in that of the marker."""
_MAX_MARKERS: Final = 300
_CLOCK_TICK: Final = 0.005
"""Seconds; the markers together outlast the second that some file systems count in."""

# NFS, and some of FUSE, know no flags of a rename: https://man7.org/linux/man-pages/man2/rename.2.html, under EINVAL.
_NO_FLAGS: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_NO_FLUSH: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class PosixDirectory:
    """An open folder; see `delivery.directory`."""

    def __init__(self, path: str, root: str, names: Sequence[str]) -> None:
        self._way: Final = (path, root, tuple(names))
        self._handle: Final = _walk(*self._way)
        try:
            self.identity: Final = _identity(self._handle)
            self.name_limit: Final = _name_limit(self._handle)
        except BaseException:
            os.close(self._handle)
            raise

    def create(self, name: str) -> int:
        """Create a file and return its handle."""
        return os.open(name, _NEW_FILE, _MODE, dir_fd=self._handle)

    def exists(self, name: str) -> bool:
        """True if there is something of this name."""
        try:
            self._status(name)
        except FileNotFoundError:
            self._require()
            return False
        return True

    def unlink(self, name: str) -> None:
        """Delete a file, and the marker of an attempt to link it."""
        try:
            os.unlink(name, dir_fd=self._handle)
        finally:
            if name.endswith(TEMPORARY_ENDING):
                self._discard(name + _MARKED)

    def rename(self, temporary: str, name: str) -> None:
        """Rename a file without overwriting, in one step."""
        try:
            self._rename_or_link(temporary, name)
        except FileNotFoundError:
            self._discard(temporary + _MARKED)  # the rest of an attempt that was killed
            raise

    def flush(self) -> None:
        """Write the names in the folder to disk."""
        try:
            os.fsync(self._handle)
        except OSError as exc:
            # File systems without it write names at once, or leave that to their server.
            if exc.errno not in _NO_FLUSH:
                raise

    def close(self) -> None:
        """Close the handle."""
        os.close(self._handle)

    def _rename_or_link(self, temporary: str, name: str) -> None:
        try:
            linux.rename_exclusively(self._handle, temporary, name)
        except FileExistsError:
            if not self._are_one(temporary, name):
                raise
            self.unlink(temporary)
        except OSError as exc:
            if exc.errno not in _NO_FLAGS:
                raise
            self._link(temporary, name)

    def _link(self, temporary: str, name: str) -> None:
        """Give the file the name as a second one, which fails if it is taken, and delete the first one.

        A crash in between leaves a file with two names, or, if another program deleted the second one after copying
        it, with a change later than the marker: the next attempt finds that, and only deletes the first one.
        """
        if not self._was_linked(temporary):
            self._mark(temporary)
            self._add_name(temporary, name)
        self.unlink(temporary)

    def _was_linked(self, temporary: str) -> bool:
        status = self._status(temporary)
        if status.st_nlink > 1:
            return True
        try:
            marked = self._status(temporary + _MARKED)
        except FileNotFoundError:
            return False
        # Linking and deleting change the inode; both times are of the clock of the server.
        return status.st_ctime_ns >= marked.st_ctime_ns

    def _mark(self, temporary: str) -> None:
        """Create an empty file that is newer than the last change of the temporary one, and durable."""
        marker = temporary + _MARKED
        changed = self._status(temporary).st_ctime_ns
        for _ in range(_MAX_MARKERS):
            self._discard(marker)
            os.close(self.create(marker))  # anew, not touched: shares exist that let no time be set
            if self._status(marker).st_ctime_ns > changed:
                self.flush()
                return
            time.sleep(_CLOCK_TICK)
        self._discard(marker)  # without a clock of changes it would mean nothing

    def _add_name(self, temporary: str, name: str) -> None:
        try:
            os.link(temporary, name, src_dir_fd=self._handle, dst_dir_fd=self._handle, follow_symlinks=False)
        except FileExistsError:
            # NFS repeats a call whose response was lost, and finds what it did itself.
            if not self._are_one(temporary, name):
                self._discard(temporary + _MARKED)
                raise
        except OSError as exc:
            # After other errors, a response that was lost among them, the marker helps to find out what was done.
            if exc.errno not in _NO_LINKS:
                raise
            self._discard(temporary + _MARKED)
            if self._renames_exclusively():  # so it was the name that the rename could not do with
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from exc
            raise NoAtomicRenameError(exc.errno, exc.strerror) from exc

    def _renames_exclusively(self) -> bool:
        """True if the file system renames without overwriting: tried with an empty file."""
        old, new = (f".mail-importer-probe-{secrets.token_hex(8)}{TEMPORARY_ENDING}" for _ in range(2))
        os.close(self.create(old))
        try:
            linux.rename_exclusively(self._handle, old, new)
        except OSError as exc:
            if exc.errno not in _NO_FLAGS:
                raise
            return False
        finally:
            self._discard(old)
            self._discard(new)
        return True

    def _discard(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._handle)

    def _are_one(self, first: str, second: str) -> bool:
        """True for two names of one file. Some file systems number no files; those have no second names either."""
        try:
            status = self._status(first)
            return status.st_nlink > 1 and os.path.samestat(status, self._status(second))
        except FileNotFoundError:
            return False

    def _status(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self._handle, follow_symlinks=False)

    def _require(self) -> None:
        """Raise FileNotFoundError if the folder was removed: nothing is known then of the files that were in it."""
        if os.fstat(self._handle).st_nlink:
            return
        # Some file systems (FUSE) count no links of any folder.
        found = _walk(*self._way)
        try:
            same = os.path.sameopenfile(found, self._handle)
        finally:
            os.close(found)
        if not same:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def open_directory(path: str, roots: Sequence[str]) -> PosixDirectory:
    """Open a folder that is a root, or below one.

    Raises:
        FolderRefused: it is not, or a link leads there.
        OSError: it cannot be opened.
    """
    root, names = below_root(path, roots)
    return PosixDirectory(path, root, names)


def below_root(path: str, roots: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The innermost root that holds the path, and the names that lead from there to the folder.

    Raises:
        FolderRefused: there is none, or the path is not absolute.
    """
    if not path.startswith("/") or "\0" in path or ".." in path.split("/") or not _is_encodable(path):
        raise path_invalid(path)
    parts = _components(path)
    for root in sorted(roots, key=lambda each: len(_components(each)), reverse=True):
        above = _components(root)
        if root.startswith("/") and parts[: len(above)] == above:
            return root, parts[len(above) :]
    raise outside_roots(path, roots)


def _components(path: str) -> tuple[str, ...]:
    return PurePosixPath(f"/{path.lstrip('/')}").parts[1:]


def _is_encodable(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def _walk(path: str, root: str, names: Sequence[str]) -> int:
    """The handle of the folder; each name is opened below the handle of the one before."""
    handle = os.open(root, _PASSED if names else _HELD)
    for place, name in enumerate(names, 1):
        outer = handle
        try:
            handle = _step(path, outer, name, _HELD if place == len(names) else _PASSED)
        finally:
            os.close(outer)
    return handle


def _step(path: str, outer: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=outer)
    except OSError as exc:
        if exc.errno in {errno.ENOTDIR, errno.ELOOP} and _is_link(outer, name):
            raise link_in_path(path, name) from None
        raise


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _identity(folder: int) -> str:
    """The inode, which remounts and other hosts keep, unlike the device; and the birth: ext4 uses inodes again."""
    inode = os.fstat(folder).st_ino
    born = linux.birth_time(folder)
    return f"{inode:x}" if born is None else f"{inode:x}-{born:x}"


def _name_limit(folder: int) -> int:
    try:
        return min(os.fpathconf(folder, "PC_NAME_MAX"), _MAX_NAME)
    except OSError:
        return _MAX_NAME
