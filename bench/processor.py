"""Messages per second from a simulator without latency, and from one mailbox with 100 ms.

Baseline of the same run: a bare loop that GETs the same messages, and their attachments, with the same concurrency (4
per mailbox) and inserts them with plain `sqlite3`, a durable commit (synchronous=FULL) each.
"""

import asyncio
import base64
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from bench.stage import Stage, stage
from console.wiring.process import freeze_gc
from graph.client import encode_segment
from graph.mailbox import Mailbox
from graph.messages import EXTENDED_PROPERTIES, HEADERS_FIELD, MESSAGE_FIELDS
from graph.transport import tls_context
from simulator.faults import Fault, FaultKind

_MESSAGES = 2000
_MAILBOXES = 8
# The product's own: the simulator renders a message once for each form requested.
_SELECT = f"{MESSAGE_FIELDS},{HEADERS_FIELD}"
_EXPAND = EXTENDED_PROPERTIES.replace(" ", "%20")


@dataclass(frozen=True, slots=True)
class _Cost:
    """Time of one run, and computing time of this process in it: on a shared machine only the latter is comparable."""

    seconds: float
    cpu_seconds: float

    def shown(self) -> str:
        each = self.cpu_seconds / _MESSAGES * 1000
        return f"{_MESSAGES / self.seconds:7.0f} messages/s, {each:5.2f} ms of CPU time each"


def main() -> None:
    """Print the figures."""
    asyncio.run(_without_latency())
    asyncio.run(_with_latency())


async def _without_latency() -> None:
    async with stage(_MAILBOXES) as scene:
        ledger = await scene.deliver(_MESSAGES)
        freeze_gc()
        await _bare(scene, ledger)  # unmeasured warm-up: the simulator caches its renderings, for both
        bare = await _cost(_bare(scene, ledger))
        before = await _calls(scene)
        ours = await _cost(scene.import_all(ledger))
        calls = await _calls(scene) - before
    with_attachments = sum(bool(each["attachments"]) for each in ledger)
    print(f"processor, {_MESSAGES} messages in {_MAILBOXES} mailboxes, no latency:")
    print(f"  bare loop   {bare.shown()}")
    print(f"  processor   {ours.shown()}")
    of_cpu = bare.cpu_seconds / ours.cpu_seconds
    print(f"  ratio {bare.seconds / ours.seconds:.2f}, of CPU time {of_cpu:.2f} (to reach: 0.6)")
    alone = calls - _MESSAGES - with_attachments
    print(f"  {calls / _MESSAGES:.2f} calls of Graph a message: {_MESSAGES} for messages, {with_attachments} for")
    print(f"  all of their attachments at once, {alone} for attachments alone")


async def _cost(run: Awaitable[float]) -> _Cost:
    before = time.process_time()
    seconds = await run
    return _Cost(seconds, time.process_time() - before)


async def _calls(scene: Stage) -> int:
    counted: dict[str, int] = (await scene.control.statistics())["calls"]
    return sum(counted.values())


async def _with_latency() -> None:
    seconds, messages = 0.1, 200
    async with stage(1) as scene:
        ledger = [each for each in await scene.deliver(4 * messages) if not each["attachments"]][:messages]
        await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=seconds))
        ours = await scene.import_all(ledger)
    limit = 4 / seconds
    print(f"processor, one mailbox, {seconds * 1000:.0f} ms latency, {len(ledger)} messages without attachments:")
    print(f"  processor   {len(ledger) / ours:7.1f} messages/s; 4 at a time allow {limit:.0f}")
    print(f"  ratio {len(ledger) / ours / limit:.2f} (to reach: 0.9)")


async def _bare(scene: Stage, ledger: list[dict[str, Any]]) -> float:
    account = next(iter(scene.account_of_user.values()))
    token = await scene.tokens.token(Mailbox.of(account.account_id, account.settings).application)
    headers = {"Authorization": f"Bearer {token}", "Prefer": 'IdType="ImmutableId", outlook.allow-unsafe-html'}
    waiting: dict[str, list[str]] = {}
    for entry in ledger:
        waiting.setdefault(entry["user_id"], []).append(entry["message_id"])
    connector = aiohttp.TCPConnector(ssl=tls_context(scene.ca_file), limit=0)
    with tempfile.TemporaryDirectory() as folder:
        database = _bare_database(Path(folder))
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

            async def get(path: str) -> dict[str, Any]:
                async with session.get(URL(f"{scene.url}/v1.0/{path}", encoded=True)) as response:
                    response.raise_for_status()
                    found: dict[str, Any] = json.loads(await response.read())
                    return found

            async def work(user: str) -> None:
                while waiting[user]:
                    path = f"users/{user}/messages/{encode_segment(waiting[user].pop())}"
                    found = await get(f"{path}?$select={_SELECT}&$expand={_EXPAND}")
                    parts = []
                    if found["hasAttachments"] or "cid:" in found["body"]["content"]:
                        parts = (await get(f"{path}/attachments"))["value"]
                    _insert(database, found, parts)

            loop = asyncio.get_running_loop()
            started = loop.time()
            await asyncio.gather(*(work(user) for user in waiting for _ in range(4)))
            seconds = loop.time() - started
        database.close()
    return seconds


def _bare_database(folder: Path) -> sqlite3.Connection:
    database = sqlite3.connect(folder / "bare.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, graph TEXT UNIQUE, subject TEXT, body TEXT)")
    database.execute("CREATE TABLE recipient (message INTEGER, name TEXT, address TEXT)")
    database.execute("CREATE TABLE attachment (message INTEGER, name TEXT, content BLOB)")
    return database


def _insert(database: sqlite3.Connection, found: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    database.execute("BEGIN IMMEDIATE")
    row = database.execute(
        "INSERT INTO message (graph, subject, body) VALUES (?, ?, ?)",
        (found["id"], found["subject"], found["body"]["content"]),
    ).lastrowid
    people = [each["emailAddress"] for key in ("toRecipients", "ccRecipients") for each in found[key]]
    database.executemany(
        "INSERT INTO recipient VALUES (?, ?, ?)", [(row, each.get("name"), each.get("address")) for each in people]
    )
    database.executemany(
        "INSERT INTO attachment VALUES (?, ?, ?)",
        [(row, each["name"], base64.b64decode(each.get("contentBytes") or "")) for each in parts],
    )
    database.execute("COMMIT")
