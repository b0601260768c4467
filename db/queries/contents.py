"""Contents and texts too large for memory: written within a transaction, and contents read, in pieces."""

import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    Select,
    Table,
    Text,
    TextClause,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
    text,
    update,
)

from db.columns import long_text
from db.engine import run_reading
from db.insertion import quoted_name
from db.locking import by_row
from longtext import LongText

PIECE_BYTES: Final = 128 * 8040
"""The size in memory at a time. SQL Server appends multiples of 8,040 bytes best
(https://learn.microsoft.com/sql/t-sql/queries/update-transact-sql, Updating Large Value Data Types)."""

READ_BYTES: Final = 6 * 1024 * 1024
"""Bytes of a piece that is read. PostgreSQL unpacks the whole value for each, so they are not small; 3 divides it, so
that pieces in base64 are one text when joined."""


class ContentDiffers(Exception):
    """The content does not have exactly the announced number of bytes."""


def insert_with_content(
    connection: Connection, table: Table, row: dict[str, Any], source: IO[bytes], *, size: int, key: tuple[str, ...]
) -> None:
    """Insert a row whose `biContent` is the first `size` bytes of the open file, which has no more.

    `key`: the columns of `row` that identify it in the table.

    Raises:
        ContentDiffers: it has more or fewer bytes. Roll back.
    """

    def write(content: object) -> None:
        connection.execute(insert(table).inline().values(**row, biContent=content))

    _write_content(connection, table, write, lambda: _number(connection, table, row, key), source, size)


def update_with_content(
    connection: Connection, table: Table, number: int, row: dict[str, Any], source: IO[bytes], *, size: int
) -> None:
    """Give the row of that number these values, and the first `size` bytes of the open file as its `biContent`.

    Raises:
        ContentDiffers: as `insert_with_content`.
    """

    def write(content: object) -> None:
        changed = update(table).where(_number_column(table) == number).values(**row, biContent=content)
        connection.execute(by_row(changed))

    _write_content(connection, table, write, lambda: number, source, size)


def reserved_room(connection: Connection, long: LongText) -> object:
    """A placeholder for a long text until `write_long_text` writes it, in the same transaction."""
    if connection.dialect.name == "sqlite":
        return cast(func.zeroblob(long.facts.size), Text)
    return ""


def write_long_text(connection: Connection, table: Table, number: int, column: str, long: LongText) -> None:
    """Write a long text into the row of that number, in place of `reserved_room`."""
    if connection.dialect.name == "sqlite":
        # https://www.sqlite.org/c3ref/blob_open.html accepts columns of text as well, and leaves their length.
        with _driver(connection).blobopen(table.name, column, number) as blob:
            for block in long.blocks(PIECE_BYTES):
                blob.write(block)
    elif connection.dialect.name == "postgresql":
        with _large_object(connection, long.blocks(PIECE_BYTES)) as oid:
            value = func.convert_from(func.lo_get(oid), "UTF8")
            connection.execute(update(table).where(_number_column(table) == number).values({column: value}))
    else:
        append = append_text(quoted_name(connection, table), column, _number_column(table).name, number)
        for piece in long.pieces(PIECE_BYTES):
            connection.execute(append, {"piece": piece})


def pieces_of(engine: Engine, table: Table, number: int, *, size: int) -> Iterator[bytes]:
    """The `size` bytes of `biContent` in the row of that number, in pieces of READ_BYTES; each read by itself.

    Raises:
        ContentDiffers: the content has changed or is gone.
        DatabaseUnavailable
    """
    for offset in range(0, size, READ_BYTES):
        length = min(READ_BYTES, size - offset)
        piece = run_reading(engine, partial(_piece, table=table, number=number, offset=offset, length=length))
        if piece is None or len(piece) != length:
            raise ContentDiffers(f"The content ends before its size of {size} bytes.")
        yield piece


def _piece(connection: Connection, *, table: Table, number: int, offset: int, length: int) -> bytes | None:
    if connection.dialect.name != "sqlite":
        found = connection.scalar(read_piece(table, number, offset=offset, length=length))
        return None if found is None else bytes(found)
    # Any function of SQLite would load the whole value into memory.
    column = _number_column(table)
    if connection.scalar(select(column).where(column == number, table.c.biContent.is_not(None))) is None:
        return None
    with _driver(connection).blobopen(table.name, table.c.biContent.name, number, readonly=True) as blob:
        blob.seek(min(offset, len(blob)))
        return bytes(blob.read(length))


def read_piece(table: Table, number: int, *, offset: int, length: int) -> Select[Any]:
    """The query of servers for bytes of `biContent`."""
    part = func.substring(table.c.biContent, offset + 1, length, type_=LargeBinary)
    return select(part).where(_number_column(table) == number)


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


def _write_content(
    connection: Connection,
    table: Table,
    write: Callable[[object], None],
    number: Callable[[], int],
    source: IO[bytes],
    size: int,
) -> None:
    """Write the row by `write`, which is passed the initial content for this database; then the content.

    `number`: of the row, once it is written.
    """
    source.seek(0)
    pieces = _pieces(source, size)
    if connection.dialect.name == "postgresql":
        _by_large_object(connection, write, pieces)
    elif connection.dialect.name == "sqlite":
        # https://www.sqlite.org/c3ref/blob_open.html: room first, then the bytes.
        write(func.zeroblob(size))
        with _driver(connection).blobopen(table.name, table.c.biContent.name, number()) as blob:
            for piece in pieces:
                blob.write(piece)
    else:
        write(b"")
        append = append_piece(quoted_name(connection, table), _number_column(table).name, number())
        for piece in pieces:
            connection.execute(append, {"piece": piece})


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: Any = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("the sqlite dialect without sqlite3")
    return driver


def _by_large_object(connection: Connection, write: Callable[[object], None], pieces: Iterator[bytes]) -> None:
    with _large_object(connection, pieces) as oid:
        write(func.lo_get(oid))


@contextmanager
def _large_object(connection: Connection, pieces: Iterator[bytes]) -> Generator[int]:
    """Assemble the pieces on the server, since a value is written whole.

    https://www.postgresql.org/docs/current/lo-funcs.html; the large object ends with the transaction, too.
    """
    oid: int = connection.execute(select(func.lo_from_bytea(0, literal(b"", LargeBinary)))).scalar_one()
    offset = 0
    for piece in pieces:
        connection.scalar(select(func.lo_put(oid, offset, literal(piece, LargeBinary))))
        offset += len(piece)
    yield oid
    connection.scalar(select(func.lo_unlink(oid)))


def append_piece(table: str, column: str, number: int) -> TextClause:
    """The statement of SQL Server for each `piece`; `table`: its quoted name, `column`: its key."""
    return text(
        f"UPDATE {table} SET [biContent].WRITE(:piece, NULL, NULL) WHERE [{column}] = :number"  # noqa: S608  # fixed names
    ).bindparams(bindparam("piece", type_=LargeBinary), number=number)


def append_text(table: str, column: str, key: str, number: int) -> TextClause:
    """Appends each `piece` of a long text on SQL Server; `table`: its quoted name, `key`: its key."""
    return text(
        f"UPDATE {table} SET [{column}].WRITE(:piece, NULL, NULL) WHERE [{key}] = :number"  # noqa: S608  # fixed names
    ).bindparams(bindparam("piece", type_=long_text()), number=number)


def _number_column(table: Table) -> Column[Any]:
    [column] = table.primary_key.columns
    return column


def _number(connection: Connection, table: Table, row: dict[str, Any], key: tuple[str, ...]) -> int:
    column = _number_column(table)
    if column.name in row:
        return int(row[column.name])
    place: list[ColumnElement[bool]] = [table.c[name] == row[name] for name in key]
    return int(connection.scalars(select(column).where(*place)).one())
