"""Two processes of `run delivery`, killed again and again, and an auto importer that moves files away at once."""

import asyncio
import hashlib
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Connection, Engine, func, not_, select, update

from db.engine import Database, run_reading, run_writing
from db.outcomes import FileState
from db.queries import rules
from db.queries.messages import MessageStore
from db.records import AttachmentRecord
from db.tables import email_file, message
from rules.rule import Rule
from tests.acceptance.conftest import stop
from tests.databases import EVERY_BACKEND, Gateway
from tests.doubles import fuse_share
from tests.doubles.rule_mail import attached, mail
from tests.fork_server import ForkedProcess, ForkServer
from tests.waiting import until

MESSAGES: Final = 150
LARGE: Final = 10
KILLS: Final = 20

_WATCHER: Final = """
import os, sys, time
source, target = sys.argv[1:]
number = 0
while True:
    for name in os.listdir(source):
        if not name.startswith("."):
            number += 1
            os.rename(os.path.join(source, name), os.path.join(target, f"{number}-{name}"))
    time.sleep(0.002)  # else it takes a whole core
"""


@dataclass
class Host:
    """A host with the product, whose rules save into one folder, and its processes."""

    directory: Path
    gateway: Gateway
    server: ForkServer
    engine: Engine
    processes: list[ForkedProcess] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.directory / "roots" / "import"

    @property
    def taken(self) -> Path:
        return self.directory / "taken"

    def start(self, *command: str) -> ForkedProcess:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")}
        environment |= self.gateway.environment
        environment |= {
            "MAIL_IMPORTER_LANGUAGE": "en",
            "MAIL_IMPORTER_METRICS_PORT": "0",
            "MAIL_IMPORTER_DELIVERY_ROOTS": str(self.folder.parent),
        }
        with (self.directory / f"{len(self.processes)}.log").open("wb") as log:
            process = self.server.start(*command, env=environment, cwd=self.directory, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def deliver(self) -> ForkedProcess:
        return self.start("-m", "console", "run", "delivery")

    def end_claims(self, running: Sequence[ForkedProcess]) -> None:
        """Have files due that dead processes claimed."""
        row = email_file.c
        living = [f"%{each.pid}%" for each in running]
        dead = [row.sState == FileState.PENDING.value, *(not_(row.sOwner.like(each)) for each in living)]
        run_writing(self.engine, lambda c: c.execute(update(email_file).where(*dead).values(dtDue=datetime.now(UTC))))

    def count(self, state: FileState) -> int:
        statement = select(func.count()).select_from(email_file).where(email_file.c.sState == state.value)
        return int(run_reading(self.engine, lambda c: c.execute(statement).scalar_one()))

    async def receive(self, messages: list[list[AttachmentRecord]], *folders: Path) -> None:
        """Store a rule for each folder, and then these messages."""
        now = datetime.now(UTC)
        database = Database(self.engine)
        store = MessageStore(database, clock=lambda: datetime.now(UTC))

        def add(connection: Connection) -> None:
            with rules.editing(connection, now=now - timedelta(hours=1)) as editor:
                for each in folders or [self.folder]:
                    editor.add(Rule(name=each.name, folder=str(each)))

        await database.write(add)
        for number, parts in enumerate(messages):
            await store.save(mail(f"m{number}", parts))
        await store.close()


@pytest.fixture
def host(gateway: Gateway, fork_server: ForkServer) -> Iterator[Host]:
    # Addresses of some sockets are short.
    with tempfile.TemporaryDirectory(prefix="mail-importer-") as folder:
        made = Host(Path(folder), gateway, fork_server, gateway.engine())
        made.folder.mkdir(parents=True)
        made.taken.mkdir()
        yield made
        for each in made.processes:
            each.kill()
            each.wait()
        made.engine.dispose()


def _digests(folder: Path) -> Counter[str]:
    return Counter(hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_kind", EVERY_BACKEND, indirect=True)
async def test_killed_again_and_again_they_deliver_each_file_once(host: Host) -> None:
    dice = random.Random(11)
    contents = [[dice.randbytes(dice.randrange(1, 20_000)) for _ in range(2)] for _ in range(MESSAGES)]
    contents += [[dice.randbytes(dice.randrange(5, 21) * 1024 * 1024)] for _ in range(LARGE)]
    dice.shuffle(contents)
    # Names that are taken again and again.
    await host.receive([[attached(place, "a.csv", each) for place, each in enumerate(parts)] for parts in contents])
    watcher = host.start("-c", _WATCHER, str(host.folder), str(host.taken))
    running = [host.deliver(), host.deliver()]
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.1, 1.0))
        number = dice.randrange(2)
        running[number].kill()
        running[number].wait()
        host.end_claims(running[1 - number : 2 - number])
        running[number] = host.deliver()

    async def all_saved() -> bool:
        return host.count(FileState.SAVED) == sum(map(len, contents))

    await until(all_saved, "all files are saved", seconds=200, pause=2.0)
    for each in running:
        stop(each)
    await until(_is_empty(host), "the watcher has taken all files, and no temporary one is left")
    watcher.kill()
    watcher.wait()
    expected = Counter(hashlib.sha256(each).hexdigest() for parts in contents for each in parts)
    assert _digests(host.taken) == expected
    statement = select(message.c.sRuleState).distinct()
    assert run_reading(host.engine, lambda c: list(c.scalars(statement))) == ["green"]


def _is_empty(host: Host) -> Callable[[], Awaitable[bool]]:
    async def is_empty() -> bool:
        return not any(host.folder.iterdir())

    return is_empty


@pytest.mark.slow
async def test_a_delivery_stops_in_time_while_it_writes_large_files(host: Host) -> None:
    large = [os.urandom(20 * 1024 * 1024) for _ in range(8)]
    await host.receive([[attached(0, "large.bin", each)] for each in large])
    running = host.deliver()

    async def is_writing() -> bool:
        return any(host.folder.iterdir())

    await until(is_writing, "a file is being written")
    began = time.monotonic()
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=15) == 0
    assert time.monotonic() - began < 10
    assert all(each.name.startswith(".") or each.read_bytes() in large for each in host.folder.iterdir())
    host.deliver()

    async def all_saved() -> bool:
        return host.count(FileState.SAVED) == len(large)

    await until(all_saved, "all files are saved", seconds=60)
    assert _digests(host.folder) == Counter(hashlib.sha256(each).hexdigest() for each in large)


@pytest.mark.slow
async def test_a_delivery_serves_others_and_stops_in_time_while_a_share_hangs(host: Host) -> None:
    lacking = fuse_share.missing()
    if lacking:
        pytest.skip(f"a share that hangs cannot be mounted: {lacking}")
    source, folder = host.directory / "source", host.folder.parent / "share"
    source.mkdir()
    folder.mkdir()
    with fuse_share.mounted(source, folder) as share:
        share.hang()
        await host.receive([[attached(0, "a.csv", b"1;2")]], host.folder, folder)
        running = host.deliver()

        async def is_served() -> bool:
            return _digests(host.folder).total() == 1

        await until(is_served, "the other folder is served")
        assert stop(running) < 10
        share.go_on()
        host.end_claims([])
        host.deliver()

        async def all_saved() -> bool:
            return host.count(FileState.SAVED) == 2

        await until(all_saved, "the file has arrived on the share")
        assert [each.read_bytes() for each in source.iterdir()] == [b"1;2"]
