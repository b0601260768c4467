"""Import folders: files appear in them whole, once, and overwrite nothing.

A file is written under a temporary name, which begins with a dot, and then published: renamed in one step, which
succeeds once. Nothing else is created; a folder that is missing may be a share that is not mounted. All calls block.
"""

import errno
import os
import secrets
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from types import TracebackType
from typing import Final, Self, TypeVar

from delivery import names
from delivery.directory import TEMPORARY_ENDING, Directory
from delivery.errors import NAME_TOO_LONG, FolderRefused, FolderUnavailable, NameRefused, NameTaken, TemporaryGone
from delivery.folder_faults import attempt, error_number
from phrases import Phrase

if sys.platform == "win32":
    from delivery.windows import below_root, open_directory
else:
    from delivery.posix import below_root, open_directory

T = TypeVar("T")

_OF_NAMES: Final = frozenset({errno.EINVAL, errno.EILSEQ, errno.EISDIR})
_CHECKED_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole on disk. `sha256`: hexadecimal."""

    size: int
    sha256: str


class ImportFolder:
    """An open folder. Names are single components. Safe to use from several threads until it is closed.

    Every method raises:
        FolderUnavailable: the folder is missing, full, read-only, or does not respond.
        HostFault: this host lacks memory or file handles.
    """

    def __init__(self, path: str, directory: Directory) -> None:
        self.path: Final = path
        self._directory: Final = directory

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def identity(self) -> str:
        """Equal for the same folder after restarts and remounts; another one's if it was replaced or is not mounted."""
        return self._directory.identity

    def is_same(self, identity: str) -> bool:
        """True if the identity, recorded before or by another host, is that of this folder.

        The time of its creation counts where both know it: not every system reports it.
        """
        number, _, born = identity.partition("-")
        own_number, _, own_born = self.identity.partition("-")
        return number == own_number and (not born or not own_born or born == own_born)

    def write(self, temporary: str, pieces: Iterable[bytes]) -> Written:
        """Write a new file, and it and its name to disk. If anything fails, also in `pieces`, it is deleted.

        Raises:
            NameTaken: there is one of that name; it was not touched.
            NameRefused: the file system accepts no such name.
        """
        handle = self._named(lambda: self._directory.create(names.checked(temporary)))
        try:
            written = self._fill(handle, pieces)
            # After a power failure a missing temporary file means that it was published: its name must outlast one.
            self._attempt(self._directory.flush)
        except BaseException:
            with suppress(OSError, FolderUnavailable):
                self._directory.unlink(temporary)
            raise
        return written

    def exists(self, name: str) -> bool:
        """True if there is a file, folder or link of this name.

        Raises:
            NameRefused: the file system accepts no such name.
        """
        return self._named(lambda: self._directory.exists(names.checked(name)))

    def remove(self, name: str) -> bool:
        """Delete a file; return False if there is none."""
        return self._named(lambda: _unless_missing(partial(self._directory.unlink, names.checked(name))))

    def publish(self, temporary: str, name: str) -> None:
        """Rename the temporary file, in one step, and write the names to disk.

        Safe to repeat: after a crash, with the same name, in a folder that `is_same`.

        Raises:
            NameTaken: there is something of that name; nothing was changed. Try another (`free_name`).
            TemporaryGone: it was published before, or another program took it.
            NameRefused: the file system accepts no such name; NameTooLong: try `shortened`.
        """
        rename = partial(self._directory.rename, names.checked(temporary), names.checked(name))
        renamed = self._named(lambda: _unless_missing(rename))
        if not renamed and self.exists(temporary):  # SMB: the name, not the file
            raise _refused()
        # Also if it was renamed before: only now is that certain to outlast a power failure.
        self._attempt(self._directory.flush)
        if not renamed:
            raise TemporaryGone(
                "TemporaryGone",
                Phrase("The temporary file is no longer in the import folder {folder}.", folder=self.path),
            )

    def probe(self) -> None:
        """Write, publish and delete a small file, under names that begin with a dot.

        Raises:
            FolderUnavailable: no file could be saved.
        """
        # Names of its own: other processes may probe the folder at the same time.
        written, published = (temporary_name("check", secrets.token_hex(16)) for _ in range(2))
        try:
            self.write(written, [bytes(_CHECKED_BYTES)])
            self.publish(written, published)
        finally:
            self.remove(written)
            self.remove(published)

    def free_name(self, name: str, taken: Collection[str] = ()) -> str:
        """The name, or where it is taken `name (2).csv`, with a number that is free now; shortened if it is too long.

        `taken`: names, in one letter case (`casefold`), that other files are about to get.

        Raises:
            NameRefused: the file system accepts no such name.
        """
        variant = partial(names.numbered, name, limit=self._directory.name_limit)

        def is_taken(number: int) -> bool:
            candidate = variant(number=number)
            return candidate.casefold() in taken or self.exists(candidate)

        if not is_taken(1):
            return variant(number=1)
        below, free = 1, 2
        while is_taken(free):
            below, free = free, free * 2
        while free - below > 1:
            middle = (below + free) // 2
            if is_taken(middle):
                below = middle
            else:
                free = middle
        return variant(number=free)

    def shortened(self, name: str) -> str:
        """A shorter name, for one that the file system found too long.

        Raises:
            NameRefused: it is short already.
        """
        return names.shortened(name)

    def close(self) -> None:
        """Release the folder."""
        self._directory.close()

    def _fill(self, handle: int, pieces: Iterable[bytes]) -> Written:
        size, digest = 0, sha256()
        try:
            for piece in pieces:
                self._attempt(partial(_write, handle, piece))
                digest.update(piece)
                size += len(piece)
            self._attempt(partial(os.fsync, handle))
        except BaseException:
            with suppress(OSError):
                os.close(handle)
            raise
        # Some file servers report only now that the quota is used up.
        self._attempt(partial(os.close, handle))
        return Written(size, digest.hexdigest())

    def _attempt(self, call: Callable[[], T]) -> T:
        return attempt(self.path, call)

    def _named(self, call: Callable[[], T]) -> T:
        """Return the result of a call that has a name as argument."""
        return self._attempt(partial(_with_name, call))


def open_folder(path: str, roots: Sequence[str]) -> ImportFolder:
    """Open an existing folder that is one of the roots or below one.

    Raises:
        FolderRefused: it is below no root, or a link leads there.
        FolderUnavailable: it is missing, or cannot be opened.
        HostFault: this host lacks memory or file handles.
    """
    return ImportFolder(path, attempt(path, lambda: open_directory(path, roots)))


def is_below(path: str, roots: Sequence[str]) -> bool:
    """True of a path that is one of the roots or below one, whatever is there."""
    try:
        below_root(path, roots)
    except FolderRefused:
        return False
    return True


def check_folder(path: str, roots: Sequence[str]) -> None:
    """Open a folder and probe it.

    Raises:
        FolderUnavailable: a file could not be saved.
        HostFault: this host lacks memory or file handles.
    """
    with open_folder(path, roots) as folder:
        folder.probe()


def temporary_name(file: int | str, token: str) -> str:
    """The name of one attempt to save the file of this number. Folder watchers leave out what begins so."""
    return f".mail-importer-{file}-{token}{TEMPORARY_ENDING}"


def _write(handle: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _unless_missing(call: Callable[[], None]) -> bool:
    try:
        call()
    except FileNotFoundError:
        return False
    return True


def _with_name(call: Callable[[], T]) -> T:
    try:
        return call()
    except OSError as exc:
        number = error_number(exc)
        if number == errno.EEXIST:
            refused: NameTaken | NameRefused = NameTaken(
                "NameTaken", Phrase("There is a file of this name; it was not touched.")
            )
        elif number == errno.ENAMETOOLONG:
            refused = NameRefused(NAME_TOO_LONG, Phrase("The file system accepts no name of this length."))
        elif number in _OF_NAMES:
            refused = _refused()
        else:
            raise
    raise refused


def _refused() -> NameRefused:
    return NameRefused(
        "NameRefused", Phrase("The file system accepts no such name; give the rule a file name of plain characters.")
    )
