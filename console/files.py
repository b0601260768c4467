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


def is_there(path: Path) -> bool:
    """True if there is a file, or anything else, of that name.

    Raises:
        click.ClickException: it cannot be written, since its folder may not be searched, or no file can be named so.
    """
    try:
        return path.exists()
    except OSError as exc:
        raise _cannot_write(path, exc) from exc


@contextmanager
def written(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A file that appears once it is whole, readable for its owner alone.

    Raises:
        click.ClickException: it exists already and may not be replaced (`force`), or it cannot be written.
    """
    if not force and is_there(path):
        raise failure(Phrase("The file {path} exists. Overwrite it with --force, or name another one.", path=path))
    with _beside(path, force=force) as made, made.open("wb") as target:
        yield target


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """An empty file, readable for its owner alone, which gets the name `path`, durably, when the context ends well.

    Raises:
        click.ClickException: a file of that name exists, or it cannot be written.
    """
    if is_there(path):
        raise failure(Phrase("The file {path} exists. Name another one.", path=path))
    with _beside(path, force=False) as made:
        yield made
    if os.name == "posix":  # Windows flushes names with the file
        number = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextmanager
def _beside(path: Path, *, force: bool) -> Iterator[Path]:
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(number)
    except OSError as exc:
        raise _cannot_write(path, exc) from exc
    made = Path(name)
    try:
        yield made
        _put(made, path, force=force)
    except OSError as exc:
        raise _cannot_write(path, exc) from exc
    finally:
        made.unlink(missing_ok=True)


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
