"""`mail-importer export`: one message as a file."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import click
from sqlalchemy import Connection, Engine

from console.commands import Invocation, as_stored, example, pass_invocation
from console.exporting import CannotExport, write_json, write_original
from console.language import reason_of, said
from console.output import failure
from db import accounts, exports
from db.engine import run_reading
from db.exports import Found
from phrases import Phrase

_MOST_NAMED: Final = 5
_LONGEST: Final = 1000
_WRITERS: Final[dict[str, Callable[[Engine, str, Found, IO[bytes]], None]]] = {
    "eml": write_original,
    "json": write_json,
}


def _id(context: click.Context, parameter: click.Parameter, text: str) -> str:
    bare = (as_stored(context, parameter, text) or "").strip()
    if not bare:
        raise click.BadParameter(said(Phrase("It is empty.")))
    if len(bare) > _LONGEST:
        raise click.BadParameter(
            said(Phrase("It has {length} characters; {most} is the most.", length=len(bare), most=_LONGEST))
        )
    return bare


@click.command(
    epilog=example(
        "mail-importer export laboratory --id 4711 --format eml --output report.eml",
        "mail-importer export laboratory --id AAkALg… --format json > report.json",
    )
)
@click.argument("name", callback=as_stored)
@click.option(
    "--id",
    "wanted",
    metavar="ID",
    required=True,
    callback=_id,
    help="The message: its nMessageID, its Graph id, or its internet message id, with or without < >.",
)
@click.option(
    "--format", "kind", type=click.Choice(tuple(_WRITERS)), required=True, help="eml: the original; json: all there is."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, instead of standard output; readable for you alone.",
)
@click.option("--force", is_flag=True, help="Overwrite the file of --output.")
@pass_invocation
def export(invocation: Invocation, name: str, wanted: str, kind: str, output: Path | None, force: bool) -> None:
    """Write an imported message to a file, or to standard output.

    eml is the original, byte for byte as Microsoft Graph gave it; there is one where the setting keep_mime was true
    when the message was imported. json is all that the database holds of the message: every field, recipients, internet
    headers, and attachments with state, reason and content (base64).

    Exit status 1 when there is no such message, or no original of it.
    """
    with invocation.gateway() as engine:
        found = run_reading(engine, lambda connection: _found(connection, name, wanted))
        try:
            with _standard_output() if output is None else _written(output, force=force) as target:
                _WRITERS[kind](engine, name, found, target)
        except CannotExport as exc:
            raise click.ClickException(reason_of(exc)) from exc


def _found(connection: Connection, name: str, wanted: str) -> Found:
    account = accounts.by_name(connection, name)
    found = exports.find(connection, account.account_id, wanted, most=_MOST_NAMED + 1)
    if not found:
        raise failure(
            Phrase(
                "Account {name!r} has no imported message with that id. What became of it tells: mail-importer trace "
                "{wanted}",
                name=name,
                wanted=wanted,
            )
        )
    if len(found) > 1:
        numbers = ", ".join(str(each.message_id) for each in found[:_MOST_NAMED])
        more = "" if len(found) <= _MOST_NAMED else ", …"
        raise failure(
            Phrase(
                "Several messages of account {name!r} have that internet message id. Say which by nMessageID: "
                "{numbers}",
                name=name,
                numbers=numbers + more,
            )
        )
    return found[0]


@contextmanager
def _standard_output() -> Iterator[IO[bytes]]:
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


@contextmanager
def _written(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A file that is there once it is whole."""
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
    # Fails where somebody made the file meanwhile; not every file system knows links.
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
