"""Takes each imported message exactly once, in one transaction with what is done with it: see docs/downstream.md.

    python consume.py DATABASE_URL CONSUMER

Copy it, and write your own `work`. It needs SQLAlchemy, and the driver of SQL Server or PostgreSQL.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    Exists,
    MetaData,
    Row,
    String,
    Table,
    create_engine,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    true,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

SCHEMA = None  # of mail-importer's tables, where it is not the login's own
PAUSE = 5.0
LIMIT = 100
PATIENCE = timedelta(minutes=10)

_tables = MetaData(schema=SCHEMA)
email = Table(
    "vEmail",
    _tables,
    Column("nMessageID", BigInteger),
    Column("sAccountName", String),
    Column("sFromAddress", String),
    Column("sSubject", String),
    Column("dtReceived", DateTime),
    Column("sBodyText", String),
    Column("sRuleState", String),
)
attachment = Table(
    "vEmailAttachment",
    _tables,
    Column("nMessageID", BigInteger),
    Column("nPosition", BigInteger),
    Column("nParentPosition", BigInteger),
    Column("sSafeFileName", String),
    Column("nSize", BigInteger),
    Column("sState", String),
)
message = Table("tblEmailMessage", _tables, Column("nMessageID", BigInteger))
consumer = Table(
    "tblEmailConsumer",
    _tables,
    Column("sConsumer", String),
    Column("nPosition", BigInteger),
    Column("dtCreated", DateTime),
    Column("dtMoved", DateTime),
    Column("nNextPosition", BigInteger),
    Column("dtNextPosition", DateTime),
    Column("sOpenTransactions", String),
)
taken = Table(
    "tblEmailTaken",
    _tables,
    Column("sConsumer", String),
    Column("nMessageID", BigInteger),
    Column("dtTaken", DateTime),
)

READY = true()
"""A condition that each message meets sooner or later, such as func.coalesce(email.c.sRuleState, "") != "white".

Messages that are of no interest are taken as well, and `work` ignores them: one that is never taken would keep the
position where it is."""

_WRITERS = text(
    "SELECT string_agg(DISTINCT virtualtransaction, ' ') FROM pg_locks WHERE mode = 'RowExclusiveLock' "
    "AND relation IN (SELECT oid FROM pg_class WHERE relname = 'tblEmailMessage')"
)


def work(connection: Connection, mail: Row[Any]) -> None:
    """Do what is to be done with a message. Writes by `connection` are kept if, and only if, the message is taken."""
    of_sender = (attachment.c.nMessageID == mail.nMessageID) & attachment.c.nParentPosition.is_(None)
    files = select(attachment.c.sSafeFileName).where(of_sender).order_by(attachment.c.nPosition)
    print(mail.nMessageID, mail.sFromAddress, mail.sSubject, *connection.scalars(files))


def add(engine: Engine, name: str) -> None:
    """Add the consumer, which begins with the oldest message that is stored."""
    try:
        with engine.begin() as connection:
            if connection.scalar(select(func.count()).where(consumer.c.sConsumer == name)) == 0:
                connection.execute(insert(consumer).values(sConsumer=name, nPosition=0, dtCreated=_now()))
    except IntegrityError:
        pass  # another instance added it just now


def take(engine: Engine, name: str, work: Callable[[Connection, Row[Any]], None] = work) -> int:
    """Take up to LIMIT messages; return how many. A message that was committed late is not too late."""
    with engine.begin() as connection:
        position = _lock(connection, name).nPosition
        new = select(email).where(email.c.nMessageID > position, ~_is_taken(name, email), READY)
        mails = connection.execute(new.order_by(email.c.nMessageID).limit(LIMIT)).all()
        for mail in mails:
            work(connection, mail)
        if mails:
            rows = [{"sConsumer": name, "nMessageID": mail.nMessageID, "dtTaken": _now()} for mail in mails]
            connection.execute(insert(taken), rows)
    return len(mails)


def move(engine: Engine, name: str) -> bool:
    """Move the position past numbers that can no longer appear, so that few messages have to be remembered as taken.

    It is done in three steps, in any number of calls: note how far messages are taken; see that all transactions that
    may have had a lower number then are over; move, if none of them left a message that is not taken.
    """
    with engine.begin() as connection:
        noted = _lock(connection, name)
        if noted.nNextPosition is None:
            _note(connection, name)
            return False
        if noted.dtNextPosition > _now() - PATIENCE or _writers(connection) & _words(noted.sOpenTransactions):
            return False
    with engine.begin() as connection:  # another one: it sees what those transactions committed
        found = _lock(connection, name)
        if (found.nNextPosition, found.dtNextPosition) != (noted.nNextPosition, noted.dtNextPosition):
            return False  # another instance moved it just now
        passed = message.c.nMessageID.between(found.nPosition + 1, found.nNextPosition)
        # SQL Server: error 1222 at a row that is not committed yet. The others have waited for those, above.
        left = select(message.c.nMessageID).where(passed, ~_is_taken(name, message)).limit(1)
        if connection.scalar(left.with_hint(message, "WITH (READCOMMITTEDLOCK, NOWAIT)", "mssql")) is not None:
            return False  # it will be taken next
        connection.execute(
            update(consumer)
            .where(consumer.c.sConsumer == name)
            .values(
                nPosition=found.nNextPosition,
                dtMoved=_now(),
                nNextPosition=None,
                dtNextPosition=None,
                sOpenTransactions=None,
            )
        )
        connection.execute(delete(taken).where(taken.c.sConsumer == name, taken.c.nMessageID <= found.nNextPosition))
    return True


def _lock(connection: Connection, name: str) -> Row[Any]:
    """Have other instances of the consumer wait for the end of this transaction; return the consumer."""
    mine = consumer.c.sConsumer == name
    connection.execute(update(consumer).where(mine).values(nPosition=consumer.c.nPosition))
    return connection.execute(select(consumer).where(mine)).one()


def _is_taken(name: str, table: Table) -> Exists:
    return exists().where(taken.c.sConsumer == name, taken.c.nMessageID == table.c.nMessageID)


def _note(connection: Connection, name: str) -> None:
    last = connection.scalar(select(func.max(taken.c.nMessageID)).where(taken.c.sConsumer == name))
    if last is not None:
        writers = " ".join(_writers(connection)) or None  # after `last` was seen
        values = {"nNextPosition": last, "dtNextPosition": _now(), "sOpenTransactions": writers}
        connection.execute(update(consumer).where(consumer.c.sConsumer == name).values(values))


def _writers(connection: Connection) -> set[str]:
    """The transactions of PostgreSQL that write messages now; each user may read these locks."""
    return _words(connection.scalar(_WRITERS)) if connection.dialect.name == "postgresql" else set()


def _words(text: str | None) -> set[str]:
    return set((text or "").split())


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def main() -> None:
    """Take messages until the program is stopped."""
    url, name = sys.argv[1:]
    engine = create_engine(url)
    while True:
        count = 0
        try:
            add(engine, name)
            count = take(engine, name)
            move(engine, name)
        except DBAPIError as exc:  # a lost connection, a deadlock, a row that is locked: nothing was taken twice
            print(f"tried again in {PAUSE} s: {exc.orig}", file=sys.stderr)
        if count < LIMIT:
            time.sleep(PAUSE)


if __name__ == "__main__":
    main()
