"""Files that commands write for the user."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from console.output import failure
from phrases import Phrase


@contextmanager
def written(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A file that appears once it is whole, readable for its owner alone.

    Raises:
        click.ClickException: it exists already and may not be replaced (`force`), or it cannot be written.
    """
    if not force and path.exists():
        raise failure(Phrase("The file {path} exists. Overwrite it with --force, or name another one.", path=path))
    try:
        number, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as exc:
        raise _cannot_write(path, exc) from exc
    try:
        try:
            with os.fdopen(number, "wb") as target:
                yield target
            _put(Path(beside), path, force=force)
        except OSError as exc:
            raise _cannot_write(path, exc) from exc
    finally:
        Path(beside).unlink(missing_ok=True)


def _put(beside: Path, path: Path, *, force: bool) -> None:
    if force:
        beside.replace(path)
        return
    # Fails where the file was created meanwhile; not every file system supports links.
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:
        with path.open("xb"):
            pass
        beside.replace(path)


def _cannot_write(path: Path, exc: OSError) -> click.ClickException:
    return failure(Phrase("The file {path} cannot be written: {why}.", path=path, why=exc.strerror or exc))
