"""Catch-up of 50,000 missed messages: messages per second from the folder into the queue.

Baselines of the same run: the receiver's own rate with bodies of 20 items, which go into the same queue; a bare loop
that pages through the same delta query and keeps nothing.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

import aiohttp
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select, update
from yarl import URL

from bench import receiver
from bench.figure import Figure
from bench.stage import Stage, stage
from bus.database.adapter import DatabaseQueue
from console.wiring.clock import utc_now
from console.wiring.process import freeze_gc
from console.wiring.subscriptions import ManagerContext, manager_of
from db.queries import folders
from db.queries.schedule import FOLDERS
from db.tables import account_settings, queue_message
from graph.client_state import ClientStateKeys
from graph.transport import tls_context
from subscriptions.metrics import ManagerMetrics

_MESSAGES = 50_000
_PAGE = 500
_GOAL = 0.6


def main() -> None:
    """Print the figures."""
    received = receiver.rate(20, "neighbours")
    bare, ours = asyncio.run(_measure())
    print(f"catch-up of {_MESSAGES} missed messages, pages of {_PAGE}:")
    print(f"  bare loop through delta   {_MESSAGES / bare:7.0f} messages/s")
    print(f"  into the queue, durably   {_MESSAGES / ours:7.0f} messages/s")
    print(f"  ratio {bare / ours:.2f}")
    if received is None:
        print("  the receiver's put, to compare, needs wrk (Debian: apt-get install wrk)")
        return
    print(f"  receiver, bodies of 20    {received:7.0f} messages/s")
    print(f"  ratio {_MESSAGES / ours / received:.2f} (to reach: {_GOAL:g})")


def figures() -> Iterator[Figure]:
    """Catch-up against the receiver. Without `wrk` there are none."""
    received = receiver.rate(20, "neighbours")
    if received is None:
        return
    _, ours = asyncio.run(_measure())
    yield Figure(
        f"catch-up of {_MESSAGES:,} ÷ the receiver's put of 20-item bodies, items/s",
        _MESSAGES / ours / received,
        "times",
        _GOAL,
        f"receiver {received:.0f} items/s",
    )


async def _measure() -> tuple[float, float]:
    """Seconds of the bare loop, and of the catch-up."""
    async with stage(1, messages=_MESSAGES) as scene:
        freeze_gc()
        return await _bare(scene), await _ours(scene)


async def _bare(scene: Stage) -> float:
    [account] = scene.account_of_user.values()
    headers = {
        "Authorization": f"Bearer {await scene.sign_in()}",
        "Prefer": f'IdType="ImmutableId", odata.maxpagesize={_PAGE}',
    }
    user = account.settings.user_id
    url = (
        f"{scene.url}/v1.0/users/{user}/mailFolders/inbox/messages/delta?$select=id,receivedDateTime&changeType=created"
    )
    seen = 0
    connector = aiohttp.TCPConnector(ssl=tls_context(scene.ca_file))
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        started = time.perf_counter()
        while True:
            async with session.get(URL(url, encoded=True)) as response:
                response.raise_for_status()
                page = json.loads(await response.read())
            seen += len(page["value"])
            if "@odata.deltaLink" in page:
                break
            url = page["@odata.nextLink"]
        seconds = time.perf_counter() - started
    if seen != _MESSAGES:
        raise RuntimeError(f"the bare loop saw {seen} of {_MESSAGES} messages")
    return seconds


async def _ours(scene: Stage) -> float:
    """Time the production manager, without webhooks, from the account's first lease to the end of its pass."""
    [account] = scene.account_of_user.values()
    since = datetime(1900, 1, 1, tzinfo=UTC)
    await scene.database.write(lambda c: c.execute(update(account_settings).values(dtImportSince=since)))
    queue = DatabaseQueue(scene.database, clock=utc_now)
    context = ManagerContext(
        "bench",
        utc_now,
        Random(1),
        ManagerMetrics(CollectorRegistry()),
        page_size=_PAGE,
        # Nothing consumes the queue here; a pass would pause at the default limit.
        max_waiting=10 * _MESSAGES,
        finds_drift=False,
    )
    manager = manager_of(scene.settings, scene.graph, scene.database, queue, ClientStateKeys("0" * 32), context)
    stop = asyncio.Event()
    started = time.perf_counter()
    await scene.database.write(lambda c: FOLDERS.request(c, account.account_id, now=utc_now()))
    running = asyncio.create_task(manager.run(stop))
    while not (await scene.database.read(folders.swept)).get(account.account_id):  # noqa: ASYNC110  # the row is what counts
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - started
    stop.set()
    await running
    queued = await scene.database.read(lambda c: c.scalar(select(func.count()).select_from(queue_message)))
    await queue.close()
    if queued != _MESSAGES:
        raise RuntimeError(f"{queued} of {_MESSAGES} messages were queued")
    return seconds
