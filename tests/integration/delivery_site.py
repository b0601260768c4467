"""A site whose rules save files: database, import folder, deliveries that may die at any step, and a folder watcher."""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, select

from background.pulse import Pulse
from console.settings import Settings
from console.wiring.delivery import DeliveryContext, archive_lists_of, deliverer_of
from db.engine import Database
from db.outcomes import FileState
from db.queries import rules
from db.queries.files import LEASE
from db.queries.messages import MessageStore
from db.records import MessageRecord
from db.tables import email_file, message
from delivery.checking import RuleChecker
from delivery.deliverer import Deliverer
from delivery.folders import ImportFolder, Written, open_folder
from delivery.metrics import DeliveryMetrics
from rules.rule import Rule
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.waiting import until

T = TypeVar("T")

POLL_SECONDS: Final = 0.01


class Killed(BaseException):
    """The death of a process: code that handles exceptions does not see it."""


class Fate:
    """The steps of one process, and the one after which it is dead. Shared by all that it does."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.steps = 0
        self.dies_at = dies_at
        self.dead = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def step(self) -> None:
        """Take a step, or die; the dead take none. On any thread."""
        self.steps += 1
        if self.dies_at is not None and self.steps >= self.dies_at:
            self._loop.call_soon_threadsafe(self.dead.set)
            raise Killed


_OF_DELIVERIES: Final = frozenset({"import folder", "content", "rule check"})
"""Names of threads."""


class MortalDatabase(Database):
    """A database whose process may die before each transaction, and after its commit.

    Its engine is that of its site: to close it ends the threads alone, as those of others have connections of it.
    """

    fate: Fate

    async def read(self, work: Callable[[Connection], T]) -> T:
        self.fate.step()
        return await super().read(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        self.fate.step()
        result = await super().write(work)
        self.fate.step()
        return result

    def _shut_down(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()


class MortalFolder(ImportFolder):
    """A folder whose process may die before and after each call."""

    fate: Fate
    after_each: Callable[[], None]

    def _stepping(self, call: Callable[[], T]) -> T:
        self.fate.step()
        result = call()
        self.after_each()
        self.fate.step()
        return result

    def write(self, temporary: str, pieces: Iterable[bytes]) -> Written:
        return self._stepping(lambda: ImportFolder.write(self, temporary, self._in_steps(pieces)))

    def _in_steps(self, pieces: Iterable[bytes]) -> Iterable[bytes]:
        for piece in pieces:
            yield piece
            self.after_each()

    def exists(self, name: str) -> bool:
        return self._stepping(lambda: ImportFolder.exists(self, name))

    def remove(self, name: str) -> bool:
        return self._stepping(lambda: ImportFolder.remove(self, name))

    def publish(self, temporary: str, name: str) -> None:
        self._stepping(lambda: ImportFolder.publish(self, temporary, name))


@dataclass(slots=True)
class Watcher:
    """An auto importer: moves each file away at once that does not look temporary."""

    folder: Path
    taken: list[tuple[str, bytes]] = field(default_factory=list)

    def look(self) -> None:
        """Take what is there."""
        for each in sorted(self.folder.iterdir()):
            if not each.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    content = each.read_bytes()
                    each.unlink()
                    self.taken.append((each.name, content))


class Site:
    """One installation. `folder`: that of most rules, below the only root."""

    def __init__(self, gateway: Gateway, tmp_path: Path) -> None:
        self.gateway = gateway
        self.root = tmp_path / "roots"
        self.folder = self.root / "import"
        self.folder.mkdir(parents=True)
        self.clock = SettableClock()
        self.settings = Settings(delivery_roots=str(self.root))
        self.engine = gateway.engine()
        self.database = Database(self.engine)
        self.store = MessageStore(self.database, clock=self.clock)
        self.watcher = Watcher(self.folder)
        self._passed = 0.0
        self._mortal: list[MortalDatabase] = []

    async def close(self) -> None:
        await self.store.close()
        # Threads go on after a death, and use connections of the engine.
        await self.threads_end()
        for each in self._mortal:
            await each.close()
        await self.database.close()
        self.engine.dispose()

    async def threads_end(self) -> None:
        """Wait for the threads of all deliveries."""
        await until(lambda: not {each.name for each in threading.enumerate()} & _OF_DELIVERIES)

    async def add_rule(self, **changes: Any) -> int:  # noqa: ANN401  # any field
        """A rule; `folder` is that of the site. Its number."""
        rule = Rule(**({"name": "Results", "folder": str(self.folder)} | changes))

        def add(connection: Connection) -> int:
            with rules.editing(connection, now=self.clock() - timedelta(hours=1)) as editor:
                return editor.add(rule).rule.rule_id

        return await self.database.write(add)

    async def receive(self, *messages: MessageRecord) -> None:
        for each in messages:
            await self.store.save(each)

    # Deliveries.

    def deliverer(self, fate: Fate | None = None, *, name: str = "host one", watched: bool = False) -> Deliverer:
        """A delivery of this site. With a fate it may die, and `watched`: files are taken between its steps."""
        if fate is None:
            return deliverer_of(self.settings, self.database, self._context(name))
        database = MortalDatabase(self.engine)
        database.fate = fate
        self._mortal.append(database)

        def opened(path: str) -> ImportFolder:
            found = open_folder(path, self.settings.delivery_folders)
            mortal = MortalFolder(path, found._directory)
            mortal.fate = fate
            mortal.after_each = self.watcher.look if watched else lambda: None
            return mortal

        return deliverer_of(self.settings, database, self._context(name), open_folders=opened)

    def _context(self, name: str) -> DeliveryContext:
        return DeliveryContext(
            owner=name,
            clock=self.clock,
            random=random.Random(7),
            registry=CollectorRegistry(),
            pulse=Pulse(),
            poll_seconds=POLL_SECONDS,
            monotonic=lambda: time.monotonic() + self._passed,
        )

    def pass_time(self, *, seconds: float) -> None:
        """Let the monotonic clock of all deliveries go on."""
        self._passed += seconds

    @contextlib.asynccontextmanager
    async def delivering(self, *deliverers: Deliverer) -> AsyncIterator[None]:
        """Run deliveries, or one that does not die, while the context lasts."""
        stop = asyncio.Event()
        running = [asyncio.create_task(each.run(stop)) for each in deliverers or (self.deliverer(),)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*running)

    async def die(self, fate: Fate, *, watched: bool = False) -> None:
        """Run a delivery until its death, or until all is settled."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.deliverer(fate, watched=watched).run(stop))
        dying = asyncio.create_task(fate.dead.wait())
        settling = asyncio.create_task(until(self.is_settled))
        await asyncio.wait([running, dying, settling], return_when=asyncio.FIRST_COMPLETED)
        fate.dies_at = 0 if fate.dead.is_set() else fate.dies_at
        stop.set()
        running.cancel()
        for each in (dying, settling):
            each.cancel()
        await asyncio.gather(running, dying, settling, return_exceptions=True)
        await self.threads_end()  # a process that is killed leaves none that goes on
        self.clock.advance(LEASE + timedelta(seconds=1))

    # What came of it.

    async def is_settled(self) -> bool:
        """True once every message is checked, and no file is pending."""
        return await self.database.read(_is_settled)

    async def settle_checks(self) -> None:
        """Check all messages, and save nothing."""
        lists = archive_lists_of(self.settings, self.database)
        metrics = DeliveryMetrics(CollectorRegistry())
        while await RuleChecker(self.database, lists, clock=self.clock, metrics=metrics).check_some():
            pass

    async def settle(self) -> None:
        """Run a delivery until all is settled, the watcher included."""
        async with self.delivering():
            await until(self.is_settled)
        self.watcher.look()

    async def files(self, column: str = "sState") -> list[Any]:
        statement = select(email_file.c[column]).order_by(email_file.c.nFileID)
        return await self.database.read(lambda c: list(c.scalars(statement)))

    async def states(self) -> list[tuple[str | None, int | None]]:
        """State and number of matched rules of each message."""
        statement = select(message.c.sRuleState, message.c.nRulesMatched).order_by(message.c.nMessageID)
        return await self.database.read(lambda c: [(row[0], row[1]) for row in c.execute(statement)])

    async def states_are(self, *states: str) -> bool:
        """True if the messages have these states, in the order of their import."""
        return [state for state, _ in await self.states()] == list(states)

    @property
    def saved(self) -> Sequence[tuple[str, bytes]]:
        """Names and contents of all files that ever were in the folder, sorted."""
        there = [(each.name, each.read_bytes()) for each in self.folder.iterdir() if not each.name.startswith(".")]
        return sorted(self.watcher.taken + there)

    @property
    def leftovers(self) -> list[str]:
        """Temporary files."""
        return [each.name for each in self.folder.iterdir() if each.name.startswith(".")]


def _is_settled(connection: Connection) -> bool:
    unchecked = select(message.c.nMessageID).where(message.c.sRuleState == "white", message.c.nRulesMatched.is_(None))
    pending = select(email_file.c.nFileID).where(email_file.c.sState == FileState.PENDING.value)
    return (
        connection.execute(unchecked.limit(1)).first() is None and connection.execute(pending.limit(1)).first() is None
    )
