"""The port between import folders and the operating system."""

from typing import Final, Protocol

TEMPORARY_ENDING: Final = ".part"
"""End of the names of temporary files."""


class Directory(Protocol):
    """An open folder. Names are single components; every method raises `OSError` as the system does.

    A folder that was removed, or replaced where it is reached by its path, is a `FileNotFoundError` of each method.
    """

    @property
    def identity(self) -> str:
        """The number of the folder on its disk, and where it is known the time at which it was made."""
        ...

    @property
    def name_limit(self) -> int:
        """Bytes of the longest name."""
        ...

    def create(self, name: str) -> int:
        """Create a file that was not there, and return its handle, open for writing.

        Raises:
            FolderRefused: it was created elsewhere, through a link, and is deleted again.
        """
        ...

    def exists(self, name: str) -> bool:
        """True if there is a file, folder or link of this name."""
        ...

    def unlink(self, name: str) -> None:
        """Delete a file."""
        ...

    def rename(self, temporary: str, name: str) -> None:
        """Rename a file in one step that fails if the name is taken, or does nothing if it was renamed before.

        Raises:
            NoAtomicRenameError: the file system cannot.
        """
        ...

    def flush(self) -> None:
        """Write the names in the folder to disk."""
        ...

    def close(self) -> None:
        """Release the folder."""
        ...
