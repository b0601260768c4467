"""The delivery, put together: for the role, for commands, benchmarks and tests."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random
from typing import Final

from prometheus_client import CollectorRegistry

from background.pulse import Pulse
from console.settings import Settings
from db.engine import Database
from delivery.archives import ArchiveLimits
from delivery.checking import ArchiveLists, RuleChecker
from delivery.contents import Contents
from delivery.deliverer import FOLDERS_AT_ONCE, MAX_HANGING, Deliverer
from delivery.folder_lane import LaneContext, OpenFolder
from delivery.folders import is_below, open_folder
from delivery.metrics import DeliveryMetrics
from threads import DaemonThreads

_READING: Final = 4


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """What a process, or a test, passes to its delivery. `owner`: the process, as in `tblProcess`."""

    owner: str
    clock: Callable[[], datetime]
    random: Random
    registry: CollectorRegistry
    pulse: Pulse
    monotonic: Callable[[], float] = time.monotonic
    poll_seconds: float = 1.0


def archive_limits_of(settings: Settings) -> ArchiveLimits:
    """The bounds of `.zip` files: together as large as a message may be."""
    return ArchiveLimits(total_bytes=settings.message_limit_mb * 1024 * 1024)


def archive_lists_of(settings: Settings, database: Database) -> ArchiveLists:
    """The reader of the lists of attached archives."""
    limits = archive_limits_of(settings)
    return ArchiveLists(Contents(database.engine, limits), limits)


def deliverer_of(
    settings: Settings, database: Database, context: DeliveryContext, *, open_folders: OpenFolder | None = None
) -> Deliverer:
    """The delivery of one process. `open_folders`: opens folders in place of those below `delivery_roots`."""
    roots = settings.delivery_folders
    metrics = DeliveryMetrics(context.registry)
    limits = archive_limits_of(settings)
    contents = Contents(database.engine, limits)
    lanes = LaneContext(
        database=database,
        contents=contents,
        open_folder=open_folders or partial(open_folder, roots=roots),
        owner=context.owner,
        threads=DaemonThreads("import folder", limit=FOLDERS_AT_ONCE + MAX_HANGING),
        reading=DaemonThreads("content", limit=_READING),
        clock=context.clock,
        monotonic=context.monotonic,
        random=context.random,
        metrics=metrics,
    )
    checker = RuleChecker(database, ArchiveLists(contents, limits), clock=context.clock, metrics=metrics)
    return Deliverer(
        checker,
        lanes,
        is_served=lambda folder: is_below(folder, roots),
        pulse=context.pulse,
        poll_seconds=context.poll_seconds,
    )


async def run_delivery(settings: Settings, database: Database, context: DeliveryContext, stop: asyncio.Event) -> None:
    """Check and save until `stop` is set."""
    await deliverer_of(settings, database, context).run(stop)
