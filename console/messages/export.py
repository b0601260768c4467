"""`mail-importer export`: one message as a file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import click
from sqlalchemy import Connection, Engine

from console.files import written
from console.invocation import Invocation, all_account_names, as_stored, example, pass_invocation
from console.messages.export_files import CannotExport, write_json, write_original
from console.output import failure, wrong_value
from console.translation.help import Command
from db.engine import run_reading
from db.queries import accounts, exports
from db.queries.exports import Found
from phrases import Phrase
from phrases.commands import quoted

_MAX_NAMED: Final = 5
_MAX_LENGTH: Final = 1000
_WRITERS: Final[dict[str, Callable[[Engine, str, Found, IO[bytes]], None]]] = {
    "eml": write_original,
    "json": write_json,
}


def _id(context: click.Context, parameter: click.Parameter, text: str) -> str:
    bare = (as_stored(context, parameter, text) or "").strip()
    if not bare:
        raise wrong_value(Phrase("It is empty."))
    if len(bare) > _MAX_LENGTH:
        raise wrong_value(Phrase("It has {length} characters; {most} is the most.", length=len(bare), most=_MAX_LENGTH))
    return bare


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer export laboratory --id 4711 --format eml --output report.eml",
        "mail-importer export laboratory --id AAkALg… --format json > report.json",
    ),
)
@click.argument("name", callback=as_stored, shell_complete=all_account_names)
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

    eml is the original, byte for byte as Microsoft Graph returned it, if the setting keep_mime was true when the
    message was imported. json is all that the database has of the message: every field, recipients, internet headers,
    and attachments with state, reason and content (base64).

    Exit status 1 when there is no such message, or no original of it.
    """
    with invocation.gateway() as engine:
        found = run_reading(engine, lambda connection: _found(connection, name, wanted))
        try:
            with _standard_output() if output is None else written(output, force=force) as target:
                _WRITERS[kind](engine, name, found, target)
        except CannotExport as exc:
            raise failure(Phrase.of(exc)) from exc


def _found(connection: Connection, name: str, wanted: str) -> Found:
    account = accounts.with_removed(connection, name)
    found = exports.find(connection, account.account_id, wanted, limit=_MAX_NAMED + 1)
    if not found:
        raise failure(
            Phrase(
                "Account {name!r} has no imported message with that id. See: mail-importer trace {wanted}",
                name=name,
                wanted=quoted(wanted),
            )
        )
    if len(found) > 1:
        numbers = ", ".join(str(each.message_id) for each in found[:_MAX_NAMED])
        more = "" if len(found) <= _MAX_NAMED else ", …"
        raise failure(
            Phrase(
                "Several messages of account {name!r} have that internet message id. Select one by nMessageID: "
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
