"""A monitored installation: a processor, a manager, the monitor with its probes, and alerts, all in this process."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import Connection

from alerts.alerter import Alerter
from availability import Availability
from background.pulse import Pulse
from console.wiring.alerts import AlertObserver, alerter_of
from console.wiring.disk import disk_of
from console.wiring.graph import open_graph
from console.wiring.monitoring import metrics_of, outage_watch_of, recovery_of
from db.heartbeat import LEASE, Heartbeat
from db.queries import accounts, problems, processes
from db.queries.processes import PROCESSOR, SUBSCRIPTIONS, Process
from monitoring.monitor import Monitor, MonitorLimits
from monitoring.outages import OutageLimits
from tests.doubles.alert_receivers import Mailbox, Webhook, smtp_server, webhook
from tests.doubles.relay import Relay
from tests.integration.manager_world import Office
from tests.integration.world import World, run_command
from tests.waiting import until

ROUND = timedelta(seconds=10)
"""Interval of the monitor's rounds."""
BOUND = timedelta(seconds=60)
"""Time within which a problem is seen after its cause, and cleared after its end."""
UNTIL_ALERTED = timedelta(minutes=3)

Found = dict[tuple[str, str | None], str]
"""Texts of problems by kind and account."""


class Monitored:
    """Its roles run; time passes only in `step`, as fast as they do their work."""

    def __init__(
        self,
        office: Office,
        heartbeat: Heartbeat,
        monitor: Monitor,
        alerter: Alerter,
        mail: Mailbox,
        hook: Webhook,
        registry: CollectorRegistry,
    ) -> None:
        self.office = office
        self.heartbeat = heartbeat
        self.monitor = monitor
        self.alerter = alerter
        self.mail = mail
        self.hook = hook
        self.registry = registry
        self.works: Callable[[], Awaitable[bool]] = self._at_rest
        """True once all work that is due is done."""
        self._next_round = self.clock()

    @property
    def world(self) -> World:
        return self.office.world

    @property
    def clock(self) -> Callable[[], datetime]:
        return self.world.clock

    async def step(self, seconds: float = 2.0) -> None:
        """Let time pass, and all work be done that is due by then."""
        self.world.clock.advance(seconds=seconds)
        await until(self.works)
        now = self.clock()
        if now >= self._next_round:
            self._next_round = now + ROUND
            await self.monitor.round()

    async def seen(
        self,
        *wanted: tuple[str, str | None],
        left: Collection[tuple[str, str | None]] = (),
        within: timedelta = BOUND,
    ) -> None:
        """Let time pass until these are the problems, one each and no others but some of `left`."""
        end = self.clock() + within
        await self.monitor.round()
        while (found := set(await self.found())) - set(left) != set(wanted):
            now = self.clock()
            if now >= end:
                missing, surplus = set(wanted) - found, found - set(wanted)
                raise AssertionError(f"missing: {missing}; too many: {surplus}; {await self.world.conditions()}")
            await self.step(2.0 if within <= BOUND else 10.0)

    async def alerted(self, found: Found, *, over: bool = False) -> None:
        """Let time pass until both targets were told of all of these, or of their end; then check that it was once."""

        def told() -> list[str]:
            paragraphs = [part for post in self.hook.posts for part in post["message"].split("\n\n")]
            return [part for part in paragraphs if part.startswith("Resolved" if over else "New problem")]

        def untold() -> Found:
            return {each: text for each, text in found.items() if not any(_names(part, each, text) for part in told())}

        end = self.clock() + UNTIL_ALERTED
        while untold() or len(self.mail.messages) != len(self.hook.posts):
            assert self.clock() < end, f"not told: {untold()}; told: {told()}"
            await self.step(10.0)
        assert len(told()) == len(found), told()

    async def found(self) -> Found:
        """The open problems by kind and account."""
        names = await self.world.database.read(_names_of_accounts)
        stored = await self.world.database.read(problems.open_problems)
        found = {(each.kind, names.get(each.account_id)): "".join(each.text) for each in stored}
        assert len(found) == len(stored)
        return found

    def measured(self) -> dict[tuple[str, str], float]:
        """The problems in the metrics, by kind and severity."""
        return {
            (each.labels["kind"], each.labels["severity"]): each.value
            for family in self.registry.collect()
            if family.name == "mail_importer_problems"
            for each in family.samples
        }

    async def status(self) -> dict[str, Any]:
        """The output of `status --json`."""
        shown: dict[str, Any] = await self._printed("status", "--json")
        return shown

    async def accounts(self) -> dict[str, list[str]]:
        """The kinds of the problems that `accounts list --json` has, by account."""
        listed = await self._printed("accounts", "list", "--json")
        return {each["name"]: sorted(one["kind"] for one in each["problems"]) for each in listed}

    async def _printed(self, *arguments: str) -> Any:  # noqa: ANN401  # JSON
        now = self.clock()
        for each in (self.heartbeat, self.world.heartbeat):  # their time is that of the machine
            beat = each.process
            await self.world.database.write(lambda c, beat=beat: processes.beat(c, beat, now=now, until=now + LEASE))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        result = await run_command(self.world, *arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    async def works_on(self) -> bool:
        """Let a moment pass, where work never ends: `works` in the place of `at_rest`."""
        await asyncio.sleep(0.05)
        return not self.alerter._sending

    async def _at_rest(self) -> bool:
        queue = await self.world.queue.status()
        at_rest = not queue.active and not queue.locked and not self.alerter._sending
        return at_rest and await self.office.at_rest()


def _names(paragraph: str, problem: tuple[str, str | None], text: str) -> bool:
    """True of a paragraph of an alert about this problem."""
    account = problem[1]
    # Not all: the role that found it last words it, and numbers change.
    return (text[:52] in paragraph or text[-60:] in paragraph) and (
        account is None or f"\nAccount: {account}\n" in paragraph
    )


def _names_of_accounts(connection: Connection) -> dict[int | None, str]:
    return {each.account_id: each.settings.name for each in accounts.every(connection)}


class Port:
    """An address before the simulator, where it may not listen for a time."""

    def __init__(self, simulator_url: str) -> None:
        _, _, port = simulator_url.rpartition(":")
        self._server = ("127.0.0.1", int(port))
        self._relay = Relay(self._server)
        self._port = int(self._relay.address[1])
        self.url = f"https://127.0.0.1:{self._port}"

    def close(self) -> None:
        """Refuse connections, as a service that is not running."""
        self._relay.stop()

    def open(self) -> None:
        """Listen again."""
        self._relay = Relay(self._server, port=self._port)


@asynccontextmanager
async def monitored(
    office: Office, *, more_targets: str = "", graph: Port | None = None, sign_in: Port | None = None
) -> AsyncIterator[Monitored]:
    """The installation with all roles but processor and manager, which a test starts.

    `more_targets`: of alerts. `graph`, `sign_in`: addresses at which it calls these services.
    """
    world = office.world

    def monotonic() -> float:
        return time.monotonic() + world.clock.ahead.total_seconds()

    async with AsyncExitStack() as stack:
        mail, hook = stack.enter_context(smtp_server()), stack.enter_context(webhook())
        world.settings = world.settings.model_copy(
            update={
                "alerts": SecretStr(f"{mail.url} {hook.url()} {more_targets}"),
                "alert_language": "en",
                "graph_url": graph.url if graph is not None else world.settings.graph_url,
                "authority_url": sign_in.url if sign_in is not None else world.settings.authority_url,
            }
        )
        alerter = alerter_of(world.settings, world.database, clock=world.clock)
        assert alerter is not None
        stack.push_async_callback(alerter.close)
        process = Process("monitored", world.heartbeat.process.host, (PROCESSOR, SUBSCRIPTIONS), "1", world.clock())
        heartbeat = await stack.enter_async_context(Heartbeat(world.database, process, clock=world.clock).kept())
        availability = Availability(clock=world.clock, monotonic=monotonic)
        context = replace(world.context, call_seconds=2.0)
        world.services = await stack.enter_async_context(open_graph(world.settings, world.slots, context, availability))
        recovery = recovery_of(world.database, world.services, clock=world.clock, monotonic=monotonic)
        stack.push_async_callback(recovery.lost)
        limits = OutageLimits(every_seconds=0.05, probe_seconds=2.0, written_again_after=0.05)
        watch = outage_watch_of(world.database, process.name, availability, world.services, Pulse(), limits)
        stop = asyncio.Event()
        watching = asyncio.create_task(watch.run(stop))
        registry = CollectorRegistry()
        monitor = Monitor(
            world.database,
            world.queue,
            heartbeat,
            [AlertObserver(alerter), recovery, metrics_of(world.settings, world.database, world.services, registry)],
            clock=world.clock,
            disk=disk_of(world.settings),
            limits=MonitorLimits(queue_every_seconds=0.0),
        )
        yield Monitored(office, heartbeat, monitor, alerter, mail, hook, registry)
        stop.set()
        await watching
