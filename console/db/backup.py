"""`mail-importer db backup`: a copy of a SQLite database that is in use."""

import contextlib
import os
import re
import shutil
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import click
from sqlalchemy import Engine

from console.files import new_file
from console.invocation import Invocation, example, pass_invocation
from console.output import Report, failure, megabytes, prints_data, wrong_usage
from console.translation.help import Command
from db import sqlite_copy
from db.schema import revisions
from phrases import Phrase

_RESERVE_BYTES: Final = 64 * 1024 * 1024
"""Room that is left on the disk: roles may write there, too."""
_NAME: Final = re.compile(r"mail-importer-\d{8}T\d{6}Z\.db")
_UNFINISHED: Final = re.compile(r"\." + _NAME.pattern + r"\.\w+")
_UNFINISHED_FOR: Final = timedelta(days=1)
_SERVERS: Final = {
    "postgresql": "pg_dump --format=custom --file=gateway.dump DATABASE",
    "mssql": "BACKUP DATABASE [MonitorPro] TO DISK = N'gateway.bak' WITH CHECKSUM, COMPRESSION",
}


@click.command(
    cls=Command,
    epilog=example("mail-importer db backup /var/backups/mail-importer --keep 14", "mail-importer db backup before.db"),
)
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    type=click.IntRange(min=1, max=10_000),
    help="Of the backups in the folder, keep the newest so many; default: all.",
)
@prints_data
@pass_invocation
def backup(invocation: Invocation, target: Path, keep: int | None) -> Report:
    """Copy the gateway database, if it is SQLite, while roles use it.

    TARGET is a new file, or an existing folder, in which the file is named after the time. The copy is of one moment,
    checked page by page, and appears under its name once it is whole and on the disk; only its owner may read it, as
    it holds mail and a key. To restore it, stop all roles and put it in the place of the database: docs/backup.md.

    A database on a server is backed up with the tools of that server.
    """
    settings = invocation.settings
    if settings.database_backend in _SERVERS:
        raise failure(
            Phrase(
                "{database} is backed up with the tools of its server, which also return to any moment: {statement}",
                database=settings.shown_database_url,
                statement=_SERVERS[settings.database_backend],
            )
        )
    is_folder = os.path.isdir(target)  # noqa: PTH112  # that of pathlib fails where a folder may not be searched
    if keep is not None and not is_folder:
        raise wrong_usage(Phrase("--keep needs a folder as TARGET, and {target} is none.", target=target))
    started = invocation.clock()
    if is_folder:
        _delete_unfinished(target, started - _UNFINISHED_FOR)
    file = target / f"mail-importer-{started:%Y%m%dT%H%M%S}Z.db" if is_folder else target
    with invocation.gateway(current=False, unhurried=True) as engine:
        if revisions.state(engine).current is None:
            raise failure(
                Phrase(
                    "There is nothing to copy: {database} has no tables of mail-importer.",
                    database=settings.shown_database_url,
                )
            )
        contents = _copied(engine, file)
    size = file.stat().st_size
    deleted = [] if keep is None else _prune(target, keep, made=file)
    facts = {
        "database": settings.shown_database_url,
        "file": str(file),
        "started": started,
        "seconds": round((invocation.clock() - started).total_seconds(), 3),
        "bytes": size,
        **asdict(contents),
        "deleted": [str(each) for each in deleted],
    }
    text = Phrase(
        "{file} is a checked copy: {size}, revision {revision}, messages: {messages}.",
        file=file,
        size=megabytes(size),
        revision=contents.revision,
        messages=contents.messages,
    )
    pruned = Phrase.counted("{n} older backup was deleted.", "{n} older backups were deleted.", n=len(deleted))
    return Report(facts, [text, pruned] if deleted else [text])


def _copied(engine: Engine, file: Path) -> sqlite_copy.Contents:
    _require_room(file.absolute().parent, sqlite_copy.size_of(engine))
    with new_file(file) as copy:
        sqlite_copy.copy_into(engine, copy)
        return sqlite_copy.check(copy)


def _require_room(folder: Path, needed: int) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as exc:
        raise failure(
            Phrase("The folder {folder} cannot be used: {why}.", folder=folder, why=exc.strerror or exc)
        ) from exc
    if free < needed + _RESERVE_BYTES:
        raise failure(
            Phrase(
                "The disk of {folder} has {free} free; the copy needs {needed}, and {reserve} are to stay free. Delete "
                "old backups there (--keep), or name a folder of another disk.",
                folder=folder,
                free=megabytes(free),
                needed=megabytes(needed),
                reserve=megabytes(_RESERVE_BYTES),
            )
        )


def _delete_unfinished(folder: Path, before: datetime) -> None:
    """Delete what a process that was killed at its work left behind before that time."""
    for each in folder.iterdir():
        # A fault here must not keep the backup from being made.
        with contextlib.suppress(OSError):
            if _UNFINISHED.fullmatch(each.name) and each.stat().st_mtime < before.timestamp():
                each.unlink()


def _prune(folder: Path, keep: int, *, made: Path) -> list[Path]:
    """Delete all but the newest backups, whose names sort by time; return those deleted.

    `made` stays, even if the clock was put back and its name is not the newest.
    """
    others = sorted(each for each in folder.iterdir() if _NAME.fullmatch(each.name) and each != made)
    old = others[: max(0, len(others) - (keep - 1))]
    for each in old:
        try:
            each.unlink(missing_ok=True)
        except OSError as exc:
            raise failure(
                Phrase(
                    "The backup was made, but the old one {file} cannot be deleted: {why}.",
                    file=each,
                    why=exc.strerror or exc,
                )
            ) from exc
    return old
