"""Many processes write the same messages at once, while others read."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, func, select

from db.engine import run_reading
from db.tables import attachment, message, recipient
from tests.databases import Gateway
from tests.fork_server import ForkServer

WRITERS: Final = 8
MESSAGES: Final = 500

_WRITER: Final = f"""
import asyncio, json, random, sys
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.queries.messages import MessageStore, Outcome
from tests.databases import Gateway
from tests.unit.db.queries.test_messages import CLOCK, record

async def main(seed, *gateway):
    database = Database(Gateway(*gateway).engine())
    store = MessageStore(database, clock=CLOCK)
    names = [f"m{{n}}" for n in range({MESSAGES})]
    random.Random(int(seed)).shuffle(names)
    at_once = asyncio.Semaphore(32)

    async def save(name):
        async with at_once:
            while True:  # as a processor does: SQLite gives its lock to waiting processes in no order
                try:
                    return name if await store.save(record(name)) is Outcome.IMPORTED else None
                except DatabaseUnavailable:
                    await asyncio.sleep(0.1)

    saved = await asyncio.gather(*(save(name) for name in names))
    await store.close()
    await database.close()
    print(json.dumps([name for name in saved if name]))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_message_is_written_by_one_of_eight_and_read_whole(
    gateway: Gateway, database_engine: Engine, fork_server: ForkServer, tmp_path: Path
) -> None:
    """Each of 500 messages is saved by exactly one process; a concurrent reader sees it with all below it."""
    outputs = [tmp_path / f"saved-{seed}" for seed in range(WRITERS)]
    writers = []
    for seed, path in enumerate(outputs):
        with path.open("w") as output:
            writers.append(fork_server.start("-c", _WRITER, str(seed), *gateway.arguments, stdout=output, stderr=2))
    halves = 0
    while any(writer.poll() is None for writer in writers):
        halves += run_reading(database_engine, not_whole)
    saved = [json.loads(path.read_text()) for path in outputs]

    assert [writer.returncode for writer in writers] == [0] * WRITERS
    assert sorted(name for each in saved for name in each) == sorted(f"m{n}" for n in range(MESSAGES))
    assert sum(1 for each in saved if each) > 1, "they were to write side by side"
    assert halves == 0
    assert run_reading(database_engine, not_whole) == 0
    assert run_reading(database_engine, lambda c: c.scalar(select(func.count()).select_from(message))) == MESSAGES


def not_whole(connection: Connection) -> int:
    """Count the messages that are visible without their three recipients and two attachments."""

    def number_of(table: Any) -> Any:  # noqa: ANN401  # SQLAlchemy's expressions carry their own types
        below = select(func.count()).select_from(table).where(table.c.nMessageID == message.c.nMessageID)
        return below.scalar_subquery()

    whole = (number_of(recipient) == 3) & (number_of(attachment) == 2)
    return connection.scalar(select(func.count()).select_from(message).where(~whole)) or 0
