"""Upkeep of the console's tables: sessions, tickets and counts that are over, and old activities."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

import background
from console.web.services import Services
from db.errors import DatabaseUnavailable
from db.queries import console_activity

_PAUSE_SECONDS: Final = 300.0
_MAX_BATCHES: Final = 100

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def keep_up(services: Services, stop: asyncio.Event) -> None:
    """Delete what is over, now and then, until `stop` is set."""
    await background.restarted(lambda: _repeat(services, stop), name="console upkeep")


async def _repeat(services: Services, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await keep_up_once(services)
        except DatabaseUnavailable as exc:
            log.warning("console_upkeep_failed", error=str(exc))
        try:
            async with asyncio.timeout(_PAUSE_SECONDS):
                await stop.wait()
        except TimeoutError:
            continue


async def keep_up_once(services: Services) -> None:
    """Delete what is over now.

    Raises:
        DatabaseUnavailable
    """
    await services.sessions.clean()
    await services.sign_in_limits.clean()
    before = services.clock() - timedelta(days=services.settings.console_activity_days)
    for _ in range(_MAX_BATCHES):
        if not await services.database.write(lambda connection: console_activity.delete_before(connection, before)):
            return
