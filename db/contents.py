"""Contents too large for memory: written piece by piece into the row of their attachment, within its transaction."""

import sqlite3
from collections.abc import Iterator
from typing import IO, Any, Final

from sqlalchemy import Connection, LargeBinary, TextClause, bindparam, func, insert, literal, select, text

from db.tables import attachment

PIECE_BYTES: Final = 128 * 8040
"""What is in memory at a time. SQL Server appends multiples of 8,040 bytes best
(https://learn.microsoft.com/sql/t-sql/queries/update-transact-sql, Updating Large Value Data Types)."""

_row = attachment.c


class ContentDiffers(Exception):
    """The file does not hold the bytes that it was said to hold."""


def insert_with_content(connection: Connection, row: dict[str, Any], source: IO[bytes]) -> None:
    """Insert a row of `tblEmailAttachment` whose `biContent` is the first `nSize` bytes of the open file, all it has.

    Raises:
        ContentDiffers: it has more or fewer bytes. Roll back.
    """
    source.seek(0)
    pieces = _pieces(source, row["nSize"])
    if connection.dialect.name == "sqlite":
        _into_reserved_room(connection, row, pieces)
    elif connection.dialect.name == "postgresql":
        _by_large_object(connection, row, pieces)
    else:
        _appended(connection, row, pieces)


def _pieces(source: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = source.read(min(left, PIECE_BYTES))
        if not piece:
            raise ContentDiffers(f"The content ends {left} bytes before its size.")
        left -= len(piece)
        yield piece
    if source.read(1):
        raise ContentDiffers("The content goes on after its size.")


def _into_reserved_room(connection: Connection, row: dict[str, Any], pieces: Iterator[bytes]) -> None:
    # https://www.sqlite.org/c3ref/blob_open.html: room first, then the bytes.
    connection.execute(insert(attachment).inline().values(**row, biContent=func.zeroblob(row["nSize"])))
    driver: Any = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("the sqlite dialect without sqlite3")
    with driver.blobopen(attachment.name, _row.biContent.name, _number(connection, row)) as blob:
        for piece in pieces:
            blob.write(piece)


def _by_large_object(connection: Connection, row: dict[str, Any], pieces: Iterator[bytes]) -> None:
    # A value is written whole, so the pieces are put together on the server
    # (https://www.postgresql.org/docs/current/lo-funcs.html); the large object goes with the transaction, too.
    oid = connection.scalar(select(func.lo_from_bytea(0, literal(b"", LargeBinary))))
    offset = 0
    for piece in pieces:
        connection.execute(select(func.lo_put(oid, offset, literal(piece, LargeBinary))))
        offset += len(piece)
    connection.execute(insert(attachment).inline().values(**row, biContent=func.lo_get(oid)))
    connection.execute(select(func.lo_unlink(oid)))


def _appended(connection: Connection, row: dict[str, Any], pieces: Iterator[bytes]) -> None:
    connection.execute(insert(attachment).inline(), [{**row, "biContent": b""}])
    append = append_piece(_quoted_name(connection), _number(connection, row))
    for piece in pieces:
        connection.execute(append, {"piece": piece})


def append_piece(table: str, number: int) -> TextClause:
    """What SQL Server is told for each `piece`; `table`: its quoted name."""
    return text(
        f"UPDATE {table} SET [biContent].WRITE(:piece, NULL, NULL) WHERE [nAttachmentID] = :number"  # noqa: S608  # our own names
    ).bindparams(bindparam("piece", type_=LargeBinary), number=number)


def _number(connection: Connection, row: dict[str, Any]) -> int:
    place = (_row.nMessageID == row["nMessageID"]) & (_row.nPosition == row["nPosition"])
    return int(connection.scalars(select(_row.nAttachmentID).where(place)).one())


def _quoted_name(connection: Connection) -> str:
    # Text that SQLAlchemy does not read is not moved into the schema of the engine.
    schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    quote = connection.dialect.identifier_preparer.quote
    return ".".join(quote(name) for name in (schema, attachment.name) if name)
