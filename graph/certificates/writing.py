"""Writing files of which some hold a private key."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_file(path: Path, data: bytes, *, private: bool, replace: bool = False) -> None:
    """Write the file whole or not at all; what is there is left as it is unless `replace`.

    One that is `private` has mode 0600 from its first moment; on Windows the folder's own rights decide.

    Raises:
        FileExistsError: it is there already.
        OSError: it cannot be written.
    """
    if replace:
        _replace(path, data, private=private)
        return
    # Created with its mode, not changed afterwards: no moment in which others can read the key.
    handle = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600 if private else 0o644
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _replace(path: Path, data: bytes, *, private: bool) -> None:
    """By a new file that takes the old one's name: the old one's mode, and who has it open, do not matter."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # of mode 0600
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if not private:
            new.chmod(0o644)
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
