"""The bytes of a file that is to be saved, read from the database into a file of this host."""

import contextlib
import gzip
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import IO, Any, Final

from sqlalchemy import Connection, Engine, select

from db.engine import run_reading
from db.outcomes import FilePart
from db.queries import files
from db.queries.contents import ContentDiffers, pieces_of
from db.queries.files import Claimed, Source
from db.tables import account_settings, attachment, email_file, email_rule, message, original
from delivery import archives
from delivery.archives import ArchiveLimits
from delivery.errors import ContentMissing
from phrases import Phrase
from rules.selection import has_key

_IN_MEMORY: Final = 1024 * 1024
_PIECE: Final = 1024 * 1024
_MAX_CHANGES: Final = 3
_TABLES: Final = {table.name: table for table in (attachment, original)}


class Contents:
    """Reads what a file consists of. Every method blocks."""

    def __init__(self, engine: Engine, limits: ArchiveLimits) -> None:
        self._engine = engine
        self._limits = limits

    def read(self, file: Claimed) -> IO[bytes]:
        """The content, at its start; the caller closes it.

        Raises:
            ContentMissing: the database does not have it, or not as it was.
            DatabaseUnavailable
            OSError: this host has no room for it.
        """
        return _spooled(partial(self._write, file))

    def read_attachment(self, message_id: int, position: int) -> IO[bytes]:
        """An attachment, as `read`."""
        find = partial(files.attachment_source, message_id=message_id, position=position)
        return _spooled(lambda target: self._copy(lambda: self._source(find), target))

    def _write(self, file: Claimed, target: IO[bytes]) -> None:
        match FilePart(file.part):
            case FilePart.ATTACHMENT:
                self._copy(lambda: self._source_of_attachment(file), target)
            case FilePart.ZIP:
                self._write_member(file, target)
            case FilePart.ORIGINAL:
                self._write_original(file, target)
            case FilePart.METADATA:
                target.write(self._metadata(file))
            case FilePart.TEXT | FilePart.HTML as part:
                text = run_reading(self._engine, partial(files.body_of, message_id=file.message_id, part=part))
                if text is None:
                    raise _not_there()
                # With the mark that programs of Windows need to read it as UTF-8; a browser takes it as well.
                target.write(text.encode("utf-8-sig", "replace"))

    def _source_of_attachment(self, file: Claimed) -> Source:
        """Found by its key: its position is another one where the message was imported again since."""
        if file.position is None:
            raise _not_there()
        is_it = partial(has_key, file.key, member=file.member)
        return self._source(
            partial(files.find_attachment, message_id=file.message_id, position=file.position, is_it=is_it)
        )

    def _source(self, find: Callable[[Connection], Source | None]) -> Source:
        found = run_reading(self._engine, find)
        if found is None:
            raise _not_there()
        return found

    def _copy(self, find: Callable[[], Source], target: IO[bytes]) -> Source:
        """Write the bytes to an empty file; again from the start if the message is imported once more meanwhile."""
        for _ in range(_MAX_CHANGES):
            source = find()
            target.seek(0)
            target.truncate()
            digest = sha256()
            with contextlib.suppress(ContentDiffers):
                for piece in pieces_of(self._engine, _TABLES[source.table], source.number, size=source.size):
                    target.write(piece)
                    digest.update(piece)
                if source.sha256 in {None, digest.hexdigest()}:
                    return source
        raise _not_there()

    def _write_member(self, file: Claimed, target: IO[bytes]) -> None:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as archive:
            self._copy(lambda: self._source_of_attachment(file), archive)
            archive.seek(0)
            for piece in archives.pieces_of(archive, file.member_number or 0, self._limits):
                target.write(piece)

    def _write_original(self, file: Claimed, target: IO[bytes]) -> None:
        for _ in range(_MAX_CHANGES):
            target.seek(0)
            target.truncate()
            # Another import between two pieces gives bytes that do not belong together.
            with contextlib.suppress(gzip.BadGzipFile, EOFError, zlib.error):
                self._unpack_original(file, target)
                return
        raise _not_there()

    def _unpack_original(self, file: Claimed, target: IO[bytes]) -> None:
        find = partial(files.original_source, message_id=file.message_id)
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as packed:
            source = self._copy(lambda: self._source(find), packed)
            packed.seek(0)
            if source.compression is None:
                shutil.copyfileobj(packed, target, _PIECE)
                return
            with gzip.GzipFile(fileobj=packed, mode="rb") as unpacked:
                shutil.copyfileobj(unpacked, target, _PIECE)

    def _metadata(self, file: Claimed) -> bytes:
        found = run_reading(self._engine, partial(_facts, file=file))
        if found is None:
            raise _not_there()
        return json.dumps(found, ensure_ascii=False, indent=2).encode() + b"\n"


def _spooled(write: Callable[[IO[bytes]], object]) -> IO[bytes]:
    spooled = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # the caller closes it
    try:
        write(spooled)
        spooled.seek(0)
    except BaseException:
        spooled.close()
        raise
    return spooled


def _facts(connection: Connection, *, file: Claimed) -> dict[str, Any] | None:
    """The content of a file with metadata: of the message, and of the file that it describes."""
    row, data, account = message.c, email_file.c, account_settings.c
    found = connection.execute(
        select(
            row.nMessageID,
            row.nAccountID,
            row.sInternetMessageID,
            row.sGraphMessageID,
            row.sFromName,
            row.sFromAddress,
            row.sSubject,
            row.dtSent,
            row.dtReceived,
            row.dtImported,
            account.sAccountName,
            account.sUserID,
        )
        .outerjoin_from(message, account_settings, account.nAccountID == row.nAccountID)
        .where(row.nMessageID == file.message_id)
    ).one_or_none()
    of = connection.execute(select(email_file).where(data.nFileID == file.described)).one_or_none()
    if found is None or of is None:
        return None
    sent_as = of.sMember
    if sent_as is None and of.nPosition is not None:
        is_it = partial(has_key, of.sKey, member=None)
        sent_as = files.attachment_name(connection, file.message_id, of.nPosition, is_it=is_it)
    return {
        "version": 1,
        "account": found.sAccountName,
        "account_number": found.nAccountID,
        "mailbox": found.sUserID,
        "message": found.nMessageID,
        "message_id": found.sInternetMessageID,
        "graph_message_id": found.sGraphMessageID,
        "sender": found.sFromAddress,
        "sender_name": found.sFromName,
        "subject": found.sSubject,
        "sent": _iso(found.dtSent),
        "received": _iso(found.dtReceived),
        "imported": _iso(found.dtImported),
        "rule": of.nRuleID,
        "rule_name": connection.scalar(select(email_rule.c.sName).where(email_rule.c.nRuleID == of.nRuleID)),
        "part": of.sPart,
        "file": of.nFileID,
        "file_name_as_sent": sent_as,
        "size": of.nSize,
        "sha256": of.sSHA256,
    }


def _iso(time: Any) -> str | None:  # noqa: ANN401  # a time of the database, or none
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def _not_there() -> ContentMissing:
    return ContentMissing(
        "NotStored",
        Phrase(
            "The database does not have this part of the message any more: it was purged, or replaced. Import the "
            "message again: mail-importer import NAME --force --id ID"
        ),
    )
