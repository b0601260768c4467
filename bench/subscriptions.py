"""Subscriptions of 10,000 accounts on one manager: created, then kept for a simulated week.

Baseline of the same run: the minimum of calls, a creation, one renewal before its life of 6.9 days ends, and a first
delta query of the folder for each account. Statements per minute are compared with those of an idle manager. Time is
simulated: it advances when the manager has done all due work, so that a week takes minutes.
"""

import asyncio
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, event, func, select

from bench.stage import settings_at
from bus.database.adapter import DatabaseQueue
from console import logs
from console.wiring.graph import open_graph
from console.wiring.subscriptions import ManagerContext, manager_of
from db.engine import Database, make_engine, run_writing
from db.queries.schedule import FOLDERS, SUBSCRIPTIONS
from db.schema import revisions
from db.tables import account_settings, folder_sync, graph_subscription
from graph.certificates import make_self_signed, write_pair
from graph.client_state import ClientStateKeys
from graph.slots import LocalSlots
from simulator.control_client import SimulatorControl
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator
from simulator.state.subscriptions import SubscriptionRules
from subscriptions.manager import ManagerLimits, SubscriptionManager
from subscriptions.metrics import ManagerMetrics

_ACCOUNTS = 10_000
_WEEK = timedelta(days=7)
_STEP = timedelta(minutes=1)
_POLLS_A_MINUTE = 60
_COMPARISONS_A_MINUTE = 12
_MEGABYTE = 1024 * 1024


def main() -> None:
    """Print the figures."""
    asyncio.run(_measure())


class _Time:
    """Simulated time, shared with the simulator's process."""

    def __init__(self, seconds: "Synchronized[float]") -> None:
        self._seconds = seconds
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self._seconds.value, UTC)

    @property
    def has_sleepers(self) -> bool:
        return bool(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until that much simulated time has passed."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._seconds.value + seconds, woken))
        await woken

    def advance(self, by: timedelta) -> None:
        self._seconds.value += by.total_seconds()
        due = [woken for until, woken in self._sleepers if until <= self._seconds.value and not woken.done()]
        self._sleepers = [each for each in self._sleepers if each[0] > self._seconds.value]
        for woken in due:
            woken.set_result(None)


@dataclass
class _Scene:
    time: _Time
    database: Database
    control: SimulatorControl
    manager: SubscriptionManager
    statements: list[int] = field(default_factory=lambda: [0])

    async def at_rest(self) -> bool:
        """True if nothing is due and no lease is held."""
        now = self.time()
        counted = self.statements[0]

        def busy(connection: Connection) -> bool:
            return any(
                each.anything_due(connection, now=now)
                or connection.scalar(select(each.table.c.nAccountID).where(each.table.c.sOwner.is_not(None)).limit(1))
                for each in (FOLDERS, SUBSCRIPTIONS)
            )

        found = not await self.database.read(busy)
        self.statements[0] = counted  # the benchmark's own do not count
        return found


async def _measure() -> None:
    async with _scene() as scene:
        stop = asyncio.Event()
        running = asyncio.create_task(scene.manager.run(stop))
        began, start = time.perf_counter(), scene.time()
        await _until_made(scene)
        created_in, made_after = time.perf_counter() - began, scene.time() - start
        scene.statements[0] = 0
        minutes = await _live_on(scene, start + _WEEK)
        statements = scene.statements[0]
        stop.set()
        await running
        figures = await scene.control.statistics()
        alive = await scene.database.read(
            lambda c: c.scalar(
                select(func.count())
                .select_from(graph_subscription)
                .where(graph_subscription.c.dtExpires > scene.time())
            )
        )
    _print(figures, alive or 0, made_after, created_in, statements, minutes, time.perf_counter() - began)


async def _until_made(scene: _Scene) -> None:
    """Advance simulated time by two seconds at a time, each when all possible work is done."""

    def count(connection: Connection) -> int:
        swept = select(func.count()).select_from(folder_sync).where(folder_sync.c.dtSwept.is_not(None))
        return connection.scalar(swept) or 0

    while await scene.database.read(count) < _ACCOUNTS:
        before, now = -1, await _calls(scene)
        while now != before:  # calls are still made
            await asyncio.sleep(0.02)
            before, now = now, await _calls(scene)
        scene.time.advance(timedelta(seconds=2))


async def _calls(scene: _Scene) -> int:
    return int(sum((await scene.control.statistics())["calls"].values()))


async def _live_on(scene: _Scene, end: datetime) -> int:
    minutes = 0
    while scene.time() < end:
        scene.time.advance(_STEP)
        minutes += 1
        await asyncio.sleep(0.004)
        while not await scene.at_rest():
            await asyncio.sleep(0.004)
            if scene.time.has_sleepers:
                scene.time.advance(timedelta(seconds=1))
    return minutes


def _print(
    figures: dict[str, Any],
    alive: int,
    made_after: timedelta,
    created_in: float,
    statements: int,
    minutes: int,
    seconds: float,
) -> None:
    calls = figures["calls"]
    kinds = (
        "create_subscription",
        "update_subscription",
        "list_subscriptions",
        "delete_subscription",
        "delta_messages",
    )
    ours, least = sum(calls.get(kind, 0) for kind in kinds), 3 * _ACCOUNTS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MEGABYTE
    # Here a manager polls, and compares, once a simulated minute; in production each second, and every five.
    unseen = (_POLLS_A_MINUTE - 1) * 2 + _COMPARISONS_A_MINUTE - 1
    idle = _POLLS_A_MINUTE * 2 + _COMPARISONS_A_MINUTE
    print(f"subscriptions, {_ACCOUNTS} accounts made, then kept for a week ({seconds:.0f} s):")
    print(f"  made within {made_after.total_seconds():.0f} s of simulated time, {created_in:.0f} s of ours")
    print(f"  {alive} alive at the end")
    print(f"  least calls {least}, ours {ours}: " + ", ".join(f"{kind} {calls.get(kind, 0)}" for kind in kinds))
    print(f"  ratio {ours / least:.3f} (to reach: 1.1); 429s: {figures['throttled']} (to reach: 0)")
    print(f"  database: {statements / minutes + unseen:.0f} statements a minute; with no account {idle}")
    print(f"  peak memory of the manager {peak:.0f} MB (to reach: under 200)")


@asynccontextmanager
async def _scene() -> AsyncIterator[_Scene]:
    async with AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        logs.configure(resources.enter_context((folder / "log").open("w", encoding="utf-8")), "json")
        context = multiprocessing.get_context("spawn")
        seconds = context.Value("d", time.time())
        ours, theirs = multiprocessing.Pipe()
        process = context.Process(target=_simulate, args=(theirs, folder, seconds))
        process.start()
        resources.callback(process.join)
        resources.callback(process.terminate)
        ready = await asyncio.to_thread(ours.recv)
        clock = _Time(seconds)
        certificate = make_self_signed("bench", now=datetime.now(UTC), key_bits=2048)
        write_pair(certificate, folder / "certificates", "bench")
        control = await resources.enter_async_context(SimulatorControl(ready["url"], ready["ca_file"]))
        await control.register_certificate(ready["tenant_id"], ready["client_id"], certificate.public_pem)
        await control.add_fault(Fault(FaultKind.VALIDATION_SKIPPED))
        engine = make_engine(f"sqlite:///{folder / 'gateway.db'}")
        revisions.upgrade(engine, now=clock())
        run_writing(engine, lambda c: c.execute(account_settings.insert(), list(_rows(ready, certificate.thumbprint))))
        database = Database(engine)
        resources.push_async_callback(database.close)
        settings = settings_at(ready["url"], ready["ca_file"], folder).model_copy(
            update={"notification_url": "https://mail-in.example", "sweep_interval": 0}
        )
        graph = await resources.enter_async_context(open_graph(settings, LocalSlots()))
        secret = await database.read(revisions.stored_client_state_secret)
        # The time of the manager is simulated, that of sign-in real.
        manager = manager_of(
            settings,
            graph,
            database,
            DatabaseQueue(database, clock=clock),
            ClientStateKeys(secret or ""),
            ManagerContext(
                f"bench-{os.getpid()}",
                clock,
                Random(1),
                ManagerMetrics(CollectorRegistry()),
                sleep=clock.sleep,
                limits=ManagerLimits(poll_seconds=0.02),
            ),
        )
        scene = _Scene(clock, database, control, manager)

        def count(*_: object) -> None:
            scene.statements[0] += 1

        event.listen(engine, "before_cursor_execute", count)
        yield scene


def _rows(ready: dict[str, Any], thumbprint: str) -> Any:  # noqa: ANN401  # rows as SQLAlchemy takes them
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


def _simulate(pipe: Pipe, folder: Path, seconds: "Synchronized[float]") -> None:
    def clock() -> datetime:
        return datetime.fromtimestamp(seconds.value, UTC)

    async def run() -> None:
        directory = folder / "simulator"
        directory.mkdir()
        # Assertions are signed by the real clock, which simulated time overtakes: tokens outlive the week.
        async with Simulator(
            directory, clock=clock, token_lifetime=timedelta(days=365), subscriptions=SubscriptionRules()
        ) as simulator:
            application = simulator.add_application()
            users = [simulator.add_mailbox(f"s{number}@riviere.example").user_id for number in range(_ACCOUNTS)]
            pipe.send(
                {
                    "url": simulator.url,
                    "ca_file": simulator.ca_file,
                    "tenant_id": application.tenant_id,
                    "client_id": application.client_id,
                    "users": users,
                }
            )
            await asyncio.Event().wait()

    asyncio.run(run())
