"""Peak memory of the process above idle, while one attachment of 150 MB goes from Graph into SQLite.

Baseline of the same run: the same bytes read whole and inserted as one value.
"""

import asyncio
import hashlib
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench.stage import Stage, stage
from db.tables import attachment
from graph.client import encode_segment
from graph.mailbox import Mailbox

_MEGABYTE = 1024 * 1024
_SIZE = 150 * _MEGABYTE


def main() -> None:
    """Print the figures."""
    asyncio.run(_measure())


async def _measure() -> None:
    async with stage(1, large_bytes=_SIZE) as scene:
        [large] = await scene.control.ledger()
        small = [each for each in await scene.deliver(50) if each["message_id"] != large["message_id"]]
        await scene.import_all(small)  # one-time loading does not count
        idle = _forget_peak()
        seconds = await scene.import_all([large])
        ours = _peak() - idle
        await _check(scene, large)
        idle = _forget_peak()
        await _bare(scene, large)
        bare = _peak() - idle
    print(f"attachment of {_SIZE // _MEGABYTE} MB, peak memory above idle:")
    print(f"  bare, whole   {bare / _MEGABYTE:7.0f} MB")
    print(f"  processor     {ours / _MEGABYTE:7.0f} MB (to reach: under 64), {_SIZE / _MEGABYTE / seconds:.0f} MB/s")
    print(f"  ratio {ours / bare:.2f}")


async def _check(scene: Stage, large: dict[str, Any]) -> None:
    digest = await scene.database.read(
        lambda connection: connection.scalar(select(attachment.c.sSHA256).where(attachment.c.nSize == _SIZE))
    )
    if digest != large["attachments"][0]["sha256"]:
        raise RuntimeError("the attachment was altered on its way")


async def _bare(scene: Stage, large: dict[str, Any]) -> None:
    account = scene.account_of_user[large["user_id"]]
    mailbox = Mailbox.of(account.account_id, account.settings)
    part = large["attachments"][0]["attachment_id"]
    path = f"users/{large['user_id']}/messages/{encode_segment(large['message_id'])}"
    async with scene.client.stream(mailbox, f"{path}/attachments/{encode_segment(part)}/$value") as pieces:
        content = b"".join([piece async for piece in pieces])
    hashlib.sha256(content)
    database = sqlite3.connect(scene.folder / "bare.db")
    database.execute("CREATE TABLE attachment (content BLOB)")
    database.execute("INSERT INTO attachment VALUES (?)", (content,))
    database.commit()
    database.close()


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return _peak()


def _peak() -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell the peak memory of a process")
