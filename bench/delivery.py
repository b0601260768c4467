"""Files per second that are saved into import folders, on SQLite and PostgreSQL.

Messages are stored and checked beforehand; measured is from the first claim until the last file is recorded as saved.
Baseline of the same run: a loop that writes the same bytes to the same disk, and flushes, renames and flushes the
folder for each file, as each delivery must at least.
"""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, func, select

from background.pulse import Pulse
from bench.figure import Figure
from console.settings import Settings
from console.wiring.delivery import DeliveryContext, deliverer_of
from console.wiring.process import freeze_gc
from db.engine import Database
from db.queries import rules
from db.queries.messages import MessageStore
from db.tables import email_file, message
from rules.rule import Rule
from tests.databases import Gateway, PostgreSQL, PostgreSQLServer, SQLite
from tests.doubles.rule_mail import attached, mail
from tests.waiting import until

_KB: Final = 1024
_POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class _Load:
    """A load: `files` of `size` bytes into each of `folders`."""

    title: str
    size: int
    files: int
    folders: int = 1

    @property
    def number(self) -> int:
        """Files in all."""
        return self.files * self.folders


_LOADS: Final = (
    _Load("one folder, files of 10 kB", 10 * _KB, 600),
    _Load("one folder, files of 1 MB", 1024 * _KB, 60),
    _Load("50 folders, files of 10 kB", 10 * _KB, 12, folders=50),
)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Seconds, and those of CPU time."""

    seconds: float
    cpu_seconds: float

    def shown(self, files: int) -> str:
        """Files per second, and CPU time of each."""
        return f"{files / self.seconds:7.0f} files/s, {1000 * self.cpu_seconds / files:6.2f} ms of CPU time a file"


def main() -> None:
    """Print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    freeze_gc()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sqlite = SQLite(folder)
        place = folder / "postgresql"
        place.mkdir(mode=0o700)
        server = PostgreSQLServer(place, durable=True)
        try:
            for title, databases in (("SQLite", sqlite), ("PostgreSQL", PostgreSQL(server))):
                for number, load in enumerate(_LOADS):
                    run = folder / f"{title}-{number}"
                    run.mkdir()
                    with databases.migrated(run) as gateway:
                        ours, bare = _compare(load, run, gateway)
                    print(f"{title}, {load.title}:")
                    print(f"  delivery {ours.shown(load.number)}")
                    print(f"  bare     {bare.shown(load.number)}; ratio {bare.seconds / ours.seconds:.2f}")
        finally:
            server.stop()


def figures() -> Iterator[Figure]:
    """Small files into one folder, on SQLite."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    load = _LOADS[0]
    with tempfile.TemporaryDirectory() as name, SQLite(Path(name)).migrated(Path(name)) as gateway:
        ours, bare = _compare(load, Path(name), gateway)
    yield Figure(
        f"delivery ÷ bare writing, {load.title}, SQLite",
        bare.seconds / ours.seconds,
        "times",
        None,
        f"{load.number / bare.seconds:.0f} files/s",
    )


def _compare(load: _Load, run: Path, gateway: Gateway) -> tuple[_Cost, _Cost]:
    """The costs of delivery, and of the bare loop."""
    contents = [random.randbytes(load.size) for _ in range(load.files)]
    bare = _timed(lambda: _bare(run / "bare", contents, load.folders))
    return asyncio.run(_ours(gateway, run / "roots", contents, load)), bare


def _timed(work: Callable[[], None]) -> _Cost:
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return _Cost(time.perf_counter() - began, time.process_time() - began_cpu)


def _bare(root: Path, contents: list[bytes], folders: int) -> None:
    for number in range(folders):
        folder = root / str(number)
        folder.mkdir(parents=True)
        opened = os.open(folder, os.O_RDONLY)
        for place, content in enumerate(contents):
            temporary = folder / f".{place}.part"
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(folder / f"{place}.csv")
            os.fsync(opened)
        os.close(opened)


async def _ours(gateway: Gateway, root: Path, contents: list[bytes], load: _Load) -> _Cost:
    engine = gateway.engine()
    database = Database(engine)
    clock = _now
    store = MessageStore(database, clock=clock)
    for number in range(load.folders):
        (root / str(number)).mkdir(parents=True)
    await database.write(lambda connection: _add_rules(connection, root, load.folders))
    for place, content in enumerate(contents):
        await store.save(mail(f"m{place}", [attached(0, f"{place}.csv", content)]))
    context = DeliveryContext(
        owner="bench",
        clock=clock,
        random=random.Random(7),
        registry=CollectorRegistry(),
        pulse=Pulse(),
        poll_seconds=_POLL_SECONDS,
    )
    deliverer = deliverer_of(Settings(delivery_roots=str(root)), database, context)
    while await deliverer._checker.check_some():  # noqa: SLF001  # rules have a benchmark of their own
        pass
    stop = asyncio.Event()
    began, began_cpu = time.perf_counter(), time.process_time()
    running = asyncio.create_task(deliverer.run(stop))
    await until(lambda: database.read(_all_saved), seconds=300, pause=0.02)
    cost = _Cost(time.perf_counter() - began, time.process_time() - began_cpu)
    stop.set()
    await running
    assert _saved(root) == load.number
    await store.close()
    await database.close()
    return cost


def _saved(root: Path) -> int:
    return sum(1 for _ in root.rglob("*.csv"))


def _now() -> datetime:
    return datetime.now(UTC)


def _add_rules(connection: Connection, root: Path, folders: int) -> None:
    with rules.editing(connection, now=_now() - timedelta(hours=1)) as editor:
        for number in range(folders):
            editor.add(Rule(name=f"Rule {number}", folder=str(root / str(number))))


def _all_saved(connection: Connection) -> bool:
    statement = select(func.count()).select_from(message).where(message.c.sRuleState != "green")
    files = select(func.count()).select_from(email_file)
    return connection.scalar(statement) == 0 and bool(connection.scalar(files))


if __name__ == "__main__":
    main()
