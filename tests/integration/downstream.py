"""The example of docs/downstream.md, run as a program that copied it: another engine, and a table of its own."""

import importlib.util
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from types import ModuleType
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    insert,
    select,
)

from db.tables import message
from tests.databases import Gateway
from tests.paths import ROOT

CONSUMER: Final = "lab"
inbox: Final = Table(
    "tblLabInbox",
    MetaData(),
    Column("nRow", Integer, primary_key=True),
    Column("nMessageID", BigInteger, nullable=False),
)


def example(*, limit: int = 100) -> ModuleType:
    """The example as a module of its own, which waits for transactions, and not for the time beside it."""
    spec = importlib.util.spec_from_file_location("consume", ROOT / "docs" / "examples" / "consume.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.__dict__.update(PATIENCE=timedelta(0), LIMIT=limit)
    return made


def engine_of(gateway: Gateway) -> Engine:
    """An engine as the example makes it; the schema of a test on SQL Server is its own."""
    made = create_engine(gateway.url)
    return made if gateway.schema is None else made.execution_options(schema_translate_map={None: gateway.schema})


def keep(connection: Connection, mail: Any) -> None:  # noqa: ANN401  # a row
    """The work of the consumer: one row for each message, more if it is taken more than once."""
    connection.execute(insert(inbox).values(nMessageID=mail.nMessageID))


def consumed(connection: Connection) -> list[int]:
    return list(connection.scalars(select(inbox.c.nMessageID).order_by(inbox.c.nMessageID)))


def add_message(connection: Connection, name: str) -> int:
    """Import a message as far as a consumer sees it; return its number."""
    row = {"nAccountID": 1, "sGraphMessageID": name, "bHasAttachments": False, "dtImported": datetime(2027, 1, 1)}  # noqa: DTZ001  # as stored
    stored = _stored()
    connection.execute(insert(stored).values(row))
    return int(connection.scalars(select(stored.c.nMessageID).where(stored.c.sGraphMessageID == name)).one())


@cache
def _stored() -> Table:
    """The table with plain types; SQLAlchemy compiles its statements again for each such object."""
    return Table(message.name, MetaData(), *(Column(each.name, _plain(each.type)) for each in message.columns))


def _plain(type_: Any) -> Any:  # noqa: ANN401  # SQLAlchemy's type
    return getattr(type_, "impl", type_)


def die_at(engine: Engine, statement: int, *, after: bool) -> None:
    """Kill this process at its statement of that number, counted from 1: before the server has it, or after."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            signal.raise_signal(signal.SIGKILL)

    event.listen(engine, "after_cursor_execute" if after else "before_cursor_execute", count)


def run_once(module: ModuleType, engine: Engine, work: Callable[[Connection, Any], None] = keep) -> None:
    module.add(engine, CONSUMER)
    module.take(engine, CONSUMER, work)
    module.move(engine, CONSUMER)


if __name__ == "__main__":
    number, moment, *arguments = sys.argv[1:]
    opened = engine_of(Gateway(*arguments))
    die_at(opened, int(number), after=moment == "after")
    run_once(example(limit=2), opened)
