"""Writer of files, some of which hold a private key."""

import os
import secrets
from pathlib import Path


def write_file(path: Path, data: bytes, *, private: bool, replace: bool = False) -> None:
    """Write the file whole or not at all; an existing file is left unchanged unless `replace`.

    A `private` file has mode 0600 from its creation; on Windows the folder's own rights decide.

    Raises:
        FileExistsError: it exists already.
        OSError: it cannot be written.
    """
    if not replace:
        _create(path, data, private=private)
        return
    # A new file replaces the old one: the old one's mode, and processes that have it open, do not matter.
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _create(new, data, private=private)
    try:
        new.replace(path)
    except OSError:
        new.unlink()
        raise


def _create(path: Path, data: bytes, *, private: bool) -> None:
    # Created with its mode, not changed afterwards: at no time can other users read the key.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, 0o600 if private else 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError:
        path.unlink()
        raise
