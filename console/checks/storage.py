"""Checks of the gateway database and the queue. Neither keeps anything of them."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from console.checks.runner import Check, Finding, passed
from console.settings import Settings
from console.wiring.queue import open_queue
from db.engine import Database
from db.queries.dry_run import rolled_back
from phrases import Phrase

DATABASE: Final = "database"
QUEUE: Final = "queue"


class StorageChecks:
    """The checks for database and queue. `trial`: the write that is tried and rolled back."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        trial: Callable[[Connection], object],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._trial = trial
        self._clock = clock

    def checks(self) -> list[Check]:
        """The checks, in order."""
        needs = (DATABASE,) if self._settings.queue == "database" else ()
        return [
            Check(DATABASE, Phrase("The database can be written to"), self._write, seconds=15),
            Check(QUEUE, Phrase("The queue accepts messages"), self._ask_queue, needs, 15),
        ]

    async def _write(self) -> Finding:
        await asyncio.to_thread(rolled_back, self._database.engine, self._trial)
        url = self._settings.shown_database_url
        return passed(Phrase("a message was written and undone, in {url}", url=url), {"url": url})

    async def _ask_queue(self) -> Finding:
        async with open_queue(self._settings, self._database, clock=self._clock) as queue:
            await queue.check()
        if self._settings.queue == "servicebus":
            name = self._settings.servicebus_queue
            return passed(Phrase("Azure Service Bus, {name}", name=name), {"kind": "servicebus", "name": name})
        return passed(Phrase("a table of the database"), {"kind": "database"})
