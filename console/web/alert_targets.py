"""The targets of alerts, opened once, when the first page needs them: Apprise is large, and keeps a file for each."""

import asyncio
from typing import TYPE_CHECKING, Final

from console.settings import Settings
from console.wiring.alerts import open_alert_targets
from threads import DaemonThreads

if TYPE_CHECKING:
    from alerts.services import Target


class AlertTargets:
    """The targets of the settings, and of nothing else: no page takes an address to send to."""

    def __init__(self, settings: Settings) -> None:
        self._settings: Final = settings
        self._threads: Final = DaemonThreads("alert targets", limit=1)
        self._opening: Final = asyncio.Lock()
        self._opened: tuple[Target, ...] | None = None

    async def get(self) -> "tuple[Target, ...]":
        """The targets.

        Raises:
            SettingsError: one of them cannot be used.
        """
        async with self._opening:
            if self._opened is None:
                loop = asyncio.get_running_loop()
                self._opened = await loop.run_in_executor(self._threads, open_alert_targets, self._settings)
            return self._opened
