"""The overview, gathered for one command: it needs no live role, and reports what it cannot read as a problem."""

import gc
from typing import Final

from console.invocation import Invocation
from console.loop import run_async
from console.wiring.overview import OverviewReader, trouble_of, without_database
from console.wiring.queue import open_queue
from db.errors import DatabaseError
from monitoring.overview import Overview

_COUNTING_SECONDS: Final = 1.5
"""Less than half of the bound of the queue's answer: a queue of 100,000 messages answers, too."""


def overview_of(invocation: Invocation, *, with_certificates: bool = True) -> Overview:
    """The state of the installation now; see `OverviewReader.read`.

    Raises:
        SettingsError: the settings are wrong.
    """
    gc.freeze()  # rounds of the collector through what was loaded would take a tenth of the time, with 10,000 accounts
    try:
        return run_async(_gathered(invocation, with_certificates=with_certificates))
    except DatabaseError as exc:
        return without_database(trouble_of(exc), invocation.clock())


async def _gathered(invocation: Invocation, *, with_certificates: bool) -> Overview:
    settings, clock = invocation.settings, invocation.clock
    async with (
        invocation.database() as database,
        open_queue(settings, database, clock=clock, counting_seconds=_COUNTING_SECONDS) as queue,
    ):
        return await OverviewReader(settings, database, queue, clock=clock).read(with_certificates=with_certificates)
