"""Many processes write the same messages at once, while others read."""

import asyncio
import json
import subprocess
import sys
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, func, select

from db.engine import run_reading
from db.tables import attachment, message, recipient
from tests.databases import Gateway
from tests.paths import ROOT

WRITERS: Final = 8
MESSAGES: Final = 2000

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
    print("ready", flush=True)
    sys.stdin.readline()

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
async def test_each_message_is_written_by_one_of_eight_and_read_whole(
    gateway: Gateway, database_engine: Engine
) -> None:
    """Each of 2,000 messages is saved by exactly one process; a concurrent reader sees it with all below it."""
    writers = [
        await asyncio.create_subprocess_exec(
            *[sys.executable, "-c", _WRITER, str(seed), *gateway.arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for seed in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert await writer.stdout.readline() == b"ready\n"
    done = [asyncio.create_task(writer.communicate(b"\n")) for writer in writers]
    halves = 0
    while not all(each.done() for each in done):
        halves += await asyncio.to_thread(run_reading, database_engine, not_whole)
    saved = [json.loads((await each)[0]) for each in done]

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
