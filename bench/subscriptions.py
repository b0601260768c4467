"""Subscriptions of many accounts: 10,000 made by one manager, or 100,000 kept by three, for a simulated week.

Baseline of the same run: the minimum of calls, a creation, one renewal before its life of 6.9 days ends, and a first
delta query of the folder for each account; of accounts that are kept only, the renewal. Each manager is a process of
its own, one on SQLite, several on PostgreSQL. Time is simulated: it advances when the managers have done all due work,
so that a week takes minutes.

    python -m bench subscriptions [--accounts N] [--managers N] [--kept] [--step SECONDS] [--days N]

With `--kept` a manager makes the subscription of one account; those of the others are put beside it, at the simulator
and in the database, as if they had been made in the hours before, within Graph's limits. For 100,000 accounts, as their
creation takes another 20 minutes here and shows nothing that 10,000 do not. `--step`: simulated time that passes at
once while nothing is due; each manager polls in it. `--days`: less than a week; the first renewals are after four.
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from pathlib import Path
from random import Random
from typing import Any, Final

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, event, func, insert, select

from background.pulse import Pulse
from bench.figure import Figure
from bench.resources import cpu_seconds, peak
from bench.stage import settings_at
from bus.database.adapter import DatabaseQueue
from console import logs
from console.settings import Settings
from console.wiring.graph import open_graph
from console.wiring.process import freeze_gc
from console.wiring.subscriptions import ManagerContext, manager_of
from db.engine import Database, make_engine, run_writing
from db.queries import accounts
from db.queries.schedule import FOLDERS, NEVER, SUBSCRIPTIONS
from db.schema import migration, revisions
from db.tables import account_settings, folder_sync, graph_subscription, subscription_schedule
from graph.certificates import make_self_signed, write_pair
from graph.client_state import ClientStateKeys
from graph.slots import LocalSlots
from graph.subscriptions import mail_resource
from simulator.control_client import SimulatorControl
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox
from simulator.state.subscriptions import SubscriptionRules
from subscriptions.manager import ManagerLimits
from subscriptions.metrics import ManagerMetrics
from subscriptions.plan import renewal_due
from tests.databases import PostgreSQLServer

_ACCOUNTS: Final = 10_000
_FEW_ACCOUNTS: Final = 6_000
_GOAL: Final = 1.05
_GOAL_MEGABYTES: Final = 300
_WEEK: Final = 7
_STEP_SECONDS: Final = 600
_IDLE_SECONDS: Final = 3
_PAGE_SECONDS: Final = 0.3
_MADE_A_SECOND: Final = 20
"""Creations that the managers' own limit allows."""
_POLLS_A_MINUTE: Final = 60
_COMPARISONS_A_MINUTE: Final = 12
_KINDS: Final = (
    *("create_subscription", "update_subscription", "list_subscriptions", "delete_subscription", "delta_messages"),
)
_URL: Final = "https://mail-in.example"


@dataclass(frozen=True, slots=True)
class _Load:
    """Options of a run: `kept` accounts have their subscriptions already."""

    accounts: int = _ACCOUNTS
    managers: int = 1
    kept: bool = False
    step: timedelta = timedelta(seconds=_STEP_SECONDS)
    days: int = _WEEK

    @property
    def least_calls(self) -> int:
        """A renewal for each account in a week; and a creation and a delta query where it is new."""
        renewals = 1 if self.days == _WEEK else 0
        return (renewals if self.kept else renewals + 2) * self.accounts


@dataclass(frozen=True, slots=True)
class _Result:
    """`made_after`: simulated time until all accounts were swept.

    Of the time that follows: `statements` a simulated minute but those of polls, and `seconds` of ours. Of each
    manager: `peaks` of memory, `cpu_seconds`, and those that it needs to find nothing to do (`idle_seconds`).
    """

    calls: dict[str, int]
    throttled: int
    alive: int
    made_after: timedelta
    made_in: float
    seconds: float
    statements: float
    peaks: list[float]
    cpu_seconds: list[float]
    idle_seconds: list[float]

    @property
    def ours(self) -> int:
        """The calls that count against the least."""
        return sum(self.calls.get(kind, 0) for kind in _KINDS)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser("python -m bench subscriptions")
    parser.add_argument("--accounts", type=int, default=_ACCOUNTS)
    parser.add_argument("--managers", type=int, default=1)
    parser.add_argument("--kept", action="store_true", help="their subscriptions are there already")
    parser.add_argument("--days", type=int, default=_WEEK)
    parser.add_argument("--step", type=int, default=_STEP_SECONDS, metavar="SECONDS")
    given = parser.parse_args(list(dropwhile(lambda each: not each.startswith("-"), sys.argv[1:])))
    load = _Load(given.accounts, given.managers, given.kept, timedelta(seconds=given.step), given.days)
    _print(load, asyncio.run(_measure(load)))


def figures() -> Iterator[Figure]:
    """Fewer accounts than `main` has, made and kept by three managers."""
    load = _Load(_FEW_ACCOUNTS, 3, step=timedelta(hours=1))
    found = asyncio.run(_measure(load))
    title = f"{load.accounts:,} accounts made and kept for a week by three managers"
    least = f"least {load.least_calls:,} calls"
    yield Figure(f"{title}: calls ÷ least", found.ours / load.least_calls, "times", _GOAL, least, is_most=True)
    yield Figure(f"{title}: memory of each", max(found.peaks), "MB", _GOAL_MEGABYTES, is_most=True, shown=".0f")


# Simulated time.


class _Time:
    """Simulated time, shared by all processes."""

    def __init__(self, seconds: "Synchronized[float]") -> None:
        self._seconds = seconds

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self._seconds.value, UTC)

    def advance(self, by: timedelta) -> None:
        self._seconds.value += by.total_seconds()


class _Sleepers:
    """Calls of this process that wait for simulated time to pass; `count` shows their number to other processes."""

    def __init__(self, clock: _Time, count: "SynchronizedArray[int]", place: int) -> None:
        self._clock = clock
        self._count = count
        self._place = place
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []
        self._waking: asyncio.Task[None] | None = None

    async def sleep(self, seconds: float) -> None:
        """Wait until that much simulated time has passed."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._clock() + timedelta(seconds=seconds), woken))
        self._count[self._place] = len(self._sleepers)
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake())
        await woken

    async def _wake(self) -> None:
        while self._sleepers:
            await asyncio.sleep(0.003)
            now = self._clock()
            due = [woken for until, woken in self._sleepers if until <= now]
            self._sleepers = [each for each in self._sleepers if each[0] > now and not each[1].done()]
            self._count[self._place] = len(self._sleepers)
            for woken in due:
                if not woken.done():
                    woken.set_result(None)


# A manager.


@dataclass(frozen=True)
class _Place:
    """Input of a manager's process. `sleepers` (see `_Sleepers`), `statements` and `polls` are counts by manager."""

    folder: Path
    url: str
    ca_file: Path
    database_url: str
    seconds: "Synchronized[float]"
    sleepers: "SynchronizedArray[int]"
    statements: "SynchronizedArray[int]"
    polls: "SynchronizedArray[int]"

    @property
    def settings(self) -> Settings:
        """The settings of the product."""
        return settings_at(self.url, self.ca_file, self.folder).model_copy(
            update={"notification_url": _URL, "sweep_interval": 0}
        )


class _CountedPulse(Pulse):
    """Counts the polls of a manager for other processes."""

    def __init__(self, polls: "SynchronizedArray[int]", place: int) -> None:
        super().__init__()
        self._polls = polls
        self._place = place

    def beat(self, loop: str, *, pause: float = 0.0) -> None:
        super().beat(loop, pause=pause)
        self._polls[self._place] += 1


def _manage(pipe: Pipe, place: _Place, number: int) -> None:
    """Run a manager until the pipe has something."""
    with (place.folder / f"log-{number}").open("w", encoding="utf-8") as log:
        logs.configure(log, "json")
        asyncio.run(_run_manager(pipe, place, number))


async def _run_manager(pipe: Pipe, place: _Place, number: int) -> None:
    clock = _Time(place.seconds)
    engine = make_engine(place.database_url)
    database = Database(engine)

    def count(*_: object) -> None:
        place.statements[number] += 1

    event.listen(engine, "before_cursor_execute", count)
    async with open_graph(place.settings, LocalSlots()) as graph:
        secret = await database.read(revisions.stored_client_state_secret)
        queue = DatabaseQueue(database, clock=clock)
        # The time of the manager is simulated, that of sign-in real.
        context = ManagerContext(
            f"bench-{number}",
            clock,
            Random(number),
            ManagerMetrics(CollectorRegistry()),
            sleep=_Sleepers(clock, place.sleepers, number).sleep,
            limits=ManagerLimits(poll_seconds=0.02),
            pulse=_CountedPulse(place.polls, number),
        )
        manager = manager_of(place.settings, graph, database, queue, ClientStateKeys(secret or ""), context)
        stop = asyncio.Event()
        freeze_gc()
        running = asyncio.create_task(manager.run(stop))
        await asyncio.to_thread(pipe.recv)
        stop.set()
        await running
        await queue.close()
    await database.close()


# The scene.


@dataclass(frozen=True)
class _Scene:
    time: _Time
    place: _Place
    database: Database
    control: SimulatorControl
    simulator: Pipe
    users: list[str]
    managers: list[tuple[SpawnProcess, Pipe]]

    @property
    def has_sleepers(self) -> bool:
        """True if a call of a manager waits for simulated time to pass."""
        return any(self.place.sleepers[number] for number in range(len(self.managers)))

    def polls(self) -> list[int]:
        """Of each manager so far."""
        return [self.place.polls[number] for number in range(len(self.managers))]

    def busy_statements(self) -> int:
        """Statements of all managers so far, but those of polls: two in each, which find nothing due."""
        return sum(self.place.statements[number] for number in range(len(self.managers))) - 2 * sum(self.polls())

    async def polled(self) -> None:
        """Wait until each manager has begun and ended a poll from now on."""
        before = self.polls()
        while any(now < earlier + 2 for now, earlier in zip(self.polls(), before, strict=True)):  # noqa: ASYNC110  # other processes
            await asyncio.sleep(0.004)

    def cpu_seconds(self) -> list[float]:
        """Of each manager so far."""
        return [cpu_seconds(process.pid or 0) for process, _ in self.managers]

    async def at_rest(self) -> bool:
        """True if nothing is due and no lease is held."""
        now = self.time()

        def busy(connection: Connection) -> bool:
            return any(
                each.anything_due(connection, now=now)
                or connection.scalar(select(each.table.c.nAccountID).where(each.table.c.sOwner.is_not(None)).limit(1))
                for each in (FOLDERS, SUBSCRIPTIONS)
            )

        return not await self.database.read(busy)

    async def alive(self) -> int:
        """Subscriptions that have not expired."""
        held = graph_subscription.c
        living = select(func.count()).select_from(graph_subscription).where(held.dtExpires > self.time())
        return await self.database.read(lambda connection: connection.scalar(living) or 0)

    async def calls(self) -> int:
        """Calls of Graph so far."""
        return int(sum((await self.control.statistics())["calls"].values()))

    def peaks(self) -> list[float]:
        """Megabytes that each manager had at most."""
        return [peak(process.pid or 0) for process, _ in self.managers]

    async def end(self) -> None:
        """Stop the managers."""
        for process, pipe in self.managers:
            pipe.send(None)
            await asyncio.to_thread(process.join)


async def _measure(load: _Load) -> _Result:
    async with _scene(load) as scene:
        began, start = time.perf_counter(), scene.time()
        await _until_made(scene, 1 if load.kept else load.accounts)
        if load.kept:
            await _put_others(scene)
        made_in, made_after = time.perf_counter() - began, scene.time() - start
        idle = await _idle(scene)
        before = (await scene.control.statistics())["calls"] if load.kept else {}
        used, statements = scene.cpu_seconds(), scene.busy_statements()
        began, from_now = time.perf_counter(), scene.time()
        await _live_on(scene, (from_now if load.kept else start) + timedelta(days=load.days), load.step)
        seconds, minutes = time.perf_counter() - began, (scene.time() - from_now) / timedelta(minutes=1)
        figures = await scene.control.statistics()
        result = _Result(
            calls={kind: count - before.get(kind, 0) for kind, count in figures["calls"].items()},
            throttled=figures["throttled"],
            alive=await scene.alive(),
            made_after=made_after,
            made_in=made_in,
            seconds=seconds,
            statements=(scene.busy_statements() - statements) / minutes,
            peaks=scene.peaks(),
            cpu_seconds=[after - earlier for after, earlier in zip(scene.cpu_seconds(), used, strict=True)],
            idle_seconds=[each * seconds for each in idle],
        )
        await scene.end()
        return result


async def _idle(scene: _Scene) -> list[float]:
    """CPU seconds of each manager in a second without anything to do."""
    while not await scene.at_rest():  # noqa: ASYNC110  # other processes
        await asyncio.sleep(0.02)
    before = scene.cpu_seconds()
    await asyncio.sleep(_IDLE_SECONDS)
    return [(after - earlier) / _IDLE_SECONDS for after, earlier in zip(scene.cpu_seconds(), before, strict=True)]


async def _until_made(scene: _Scene, number: int) -> None:
    """Advance simulated time by two seconds at a time, each when all possible work is done."""

    def count(connection: Connection) -> int:
        swept = select(func.count()).select_from(folder_sync).where(folder_sync.c.dtSwept.is_not(None))
        return connection.scalar(swept) or 0

    while await scene.database.read(count) < number:
        before, now = -1, await scene.calls()
        while now != before:  # calls are still made
            await asyncio.sleep(0.03)
            before, now = now, await scene.calls()
        scene.time.advance(timedelta(seconds=2))


async def _live_on(scene: _Scene, end: datetime, step: timedelta) -> None:
    made = await scene.calls()
    while scene.time() < end:
        scene.time.advance(step)
        await scene.polled()
        while (now := await _settled(scene)) != made:
            made = now
            # Nothing is due while a list of all subscriptions is under way, of which each page takes its time.
            await asyncio.sleep(0 if scene.has_sleepers else _PAGE_SECONDS)


async def _settled(scene: _Scene) -> int:
    """Let simulated time pass until nothing is due and no call waits for it; return the calls so far."""
    while not await scene.at_rest() or scene.has_sleepers:
        await asyncio.sleep(0.004)
        if scene.has_sleepers:
            scene.time.advance(timedelta(seconds=1))
    return await scene.calls()


async def _put_others(scene: _Scene) -> None:
    """Give the other accounts what a manager made for the first one, at Graph and in the database, in one step."""
    while not await scene.at_rest():  # noqa: ASYNC110  # another process
        await asyncio.sleep(0.02)
    await asyncio.to_thread(scene.simulator.send, scene.users)
    ids = await asyncio.to_thread(scene.simulator.recv)
    now = scene.time()

    def put(connection: Connection) -> None:
        [first] = accounts.every(connection)
        made, served, swept = (
            connection.execute(select(table)).mappings().one()
            for table in (graph_subscription, subscription_schedule, folder_sync)
        )
        values = dict(connection.execute(select(account_settings)).mappings().one())
        chance, life = Random(2), made["dtExpires"] - made["dtGranted"]
        connection.execute(
            insert(account_settings), [{**values, **each} for each in _names(scene.users, first.account_id)]
        )
        fingerprints = {each.account_id: each.fingerprint for each in accounts.every(connection)}
        rows: dict[Any, list[dict[str, Any]]] = {graph_subscription: [], subscription_schedule: [], folder_sync: []}
        for place, (user, subscription) in enumerate(zip(scene.users[1:], ids, strict=True), 1):
            number, granted = first.account_id + place, now - timedelta(seconds=place / _MADE_A_SECOND)
            resource_of = mail_resource(user, "inbox")
            rows[graph_subscription].append(
                {
                    **made,
                    "sSubscriptionID": subscription,
                    "nAccountID": number,
                    "sResource": resource_of,
                    "dtGranted": granted,
                    "dtCreated": granted,
                    "dtExpires": granted + life,
                }
            )
            due = renewal_due(granted, granted + life, jitter=chance.random())
            rows[subscription_schedule].append(
                {**served, "nAccountID": number, "dtDue": due, "sServed": fingerprints[number]}
            )
            rows[folder_sync].append({**swept, "nAccountID": number, "dtDue": NEVER, "sResource": resource_of})
        for table, each in rows.items():
            connection.execute(insert(table), each)

    await scene.database.write(put)


def _names(users: list[str], first: int) -> Iterator[dict[str, Any]]:
    for number, user in enumerate(users[1:], 1):
        yield {"nAccountID": first + number, "sAccountName": f"station {number}", "sUserID": user}


def _print(load: _Load, found: _Result) -> None:
    done = "kept" if load.kept else "made, then kept"
    print(f"subscriptions, {load.accounts:,} accounts {done} for {load.days} days by {load.managers} managers:")
    if not load.kept:
        print(
            f"  made within {found.made_after.total_seconds():.0f} s of simulated time, {found.made_in:.0f} s of ours"
        )
    print(f"  {found.alive:,} alive at the end, after {found.seconds:.0f} s")
    print(
        f"  least calls {load.least_calls:,}, ours {found.ours:,}: "
        + ", ".join(f"{kind} {found.calls.get(kind, 0):,}" for kind in _KINDS)
    )
    if load.least_calls:
        print(f"  ratio {found.ours / load.least_calls:.3f} (to reach: {_GOAL})")
    print(f"  429s: {found.throttled} (to reach: 0)")
    print(f"  peak memory of each manager {_joined(found.peaks)} MB (to reach: {_GOAL_MEGABYTES})")
    busy = sum(found.cpu_seconds) - sum(found.idle_seconds)
    print(
        f"  CPU time of each manager {_joined(found.cpu_seconds)} s, of which {_joined(found.idle_seconds)} s for "
        f"polls that find nothing; {busy / load.accounts * 1000:.1f} ms a renewal"
    )
    # In production a manager polls each second, and compares every five.
    idle = (2 * _POLLS_A_MINUTE + _COMPARISONS_A_MINUTE) * load.managers
    print(f"  database: {found.statements + idle:.0f} statements a minute; with no account {idle}")


def _joined(values: list[float]) -> str:
    return ", ".join(f"{each:.0f}" for each in values)


@asynccontextmanager
async def _scene(load: _Load) -> AsyncIterator[_Scene]:
    async with AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        logs.configure(resources.enter_context((folder / "log").open("w", encoding="utf-8")), "json")
        context = multiprocessing.get_context("spawn")
        seconds = context.Value("d", time.time())
        sleepers, statements, polls = (context.Array("q", load.managers) for _ in range(3))
        simulator, theirs = multiprocessing.Pipe()
        process = context.Process(target=_simulate, args=(theirs, folder, seconds, load.accounts))
        process.start()
        resources.callback(process.join)
        resources.callback(process.terminate)
        ready = await asyncio.to_thread(simulator.recv)
        clock = _Time(seconds)
        certificate = make_self_signed("bench", now=datetime.now(UTC), key_bits=2048)
        write_pair(certificate, folder / "certificates", "bench")
        control = await resources.enter_async_context(SimulatorControl(ready["url"], ready["ca_file"]))
        await control.register_certificate(ready["tenant_id"], ready["client_id"], certificate.public_pem)
        await control.add_fault(Fault(FaultKind.VALIDATION_SKIPPED))
        database_url = f"sqlite:///{folder / 'gateway.db'}"
        if load.managers > 1:
            (folder / "postgresql").mkdir(mode=0o700)
            server = PostgreSQLServer(folder / "postgresql", durable=True)
            resources.callback(server.stop)
            server.execute('CREATE DATABASE "bench"')
            database_url = server.url("bench")
        engine = make_engine(database_url)
        migration.upgrade(engine, now=clock())
        rows = list(_rows(ready, certificate.thumbprint))[: 1 if load.kept else None]
        run_writing(engine, lambda connection: connection.execute(account_settings.insert(), rows))
        database = Database(engine)
        resources.push_async_callback(database.close)
        place = _Place(folder, ready["url"], ready["ca_file"], database_url, seconds, sleepers, statements, polls)
        managers = []
        for number in range(load.managers):
            ours, its = multiprocessing.Pipe()
            manager = context.Process(target=_manage, args=(its, place, number))
            manager.start()
            resources.callback(manager.join)
            resources.callback(manager.terminate)
            managers.append((manager, ours))
        yield _Scene(clock, place, database, control, simulator, ready["users"], managers)


def _rows(ready: dict[str, Any], thumbprint: str) -> Iterator[dict[str, Any]]:
    """Rows as another program writes them: the manager has to find them."""
    for number, user in enumerate(ready["users"]):
        yield {
            "sAccountName": f"station {number}",
            "sTenantID": ready["tenant_id"],
            "sClientID": ready["client_id"],
            "sUserID": user,
            "sCertificateThumbprint": thumbprint,
            "bSecureCertificateAccess": False,
            "sFolder": "Inbox",
            "sAfterImport": "none",
            "bEnabled": True,
        }


def _simulate(pipe: Pipe, folder: Path, seconds: "Synchronized[float]", accounts: int) -> None:
    clock = _Time(seconds)

    async def run() -> None:
        directory = folder / "simulator"
        directory.mkdir()
        # Assertions are signed by the real clock, which simulated time overtakes: tokens outlive the week.
        async with Simulator(
            directory, clock=clock, token_lifetime=timedelta(days=365), subscriptions=SubscriptionRules()
        ) as simulator:
            application = simulator.add_application()
            mailboxes = [simulator.add_mailbox(f"s{number}@riviere.example") for number in range(accounts)]
            freeze_gc()
            pipe.send(
                {
                    "url": simulator.url,
                    "ca_file": simulator.ca_file,
                    "tenant_id": application.tenant_id,
                    "client_id": application.client_id,
                    "users": [each.user_id for each in mailboxes],
                }
            )
            await asyncio.to_thread(pipe.recv)
            pipe.send(_subscribe_others(simulator, mailboxes[1:]))
            await asyncio.Event().wait()

    asyncio.run(run())


def _subscribe_others(simulator: Simulator, mailboxes: list[Mailbox]) -> list[str]:
    """Add subscriptions like the only one there is; return their ids."""
    [first] = simulator.subscriptions.all()
    ids = []
    for number, mailbox in enumerate(mailboxes, 1):
        made = replace(
            first,
            subscription_id=f"00000000-0000-4000-a000-{number:012x}",
            mailbox=mailbox,
            folder=mailbox.folder("inbox"),
            resource=mail_resource(mailbox.user_id, "inbox"),
            expires=first.expires - timedelta(seconds=number / _MADE_A_SECOND),
        )
        simulator.subscriptions.add(made)
        ids.append(made.subscription_id)
    return ids


if __name__ == "__main__":
    main()
