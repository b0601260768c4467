"""Notifications to systemd (sd_notify(3)): the roles serve, the process stops, and it is not stuck (`WatchdogSec=`)."""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from typing import Final, Protocol

import structlog

_MAX_PAUSE_SECONDS: Final = 10.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Beating(Protocol):
    """A source of the loops that are stuck: `background.pulse.Pulse`, or that of several processes."""

    def stuck(self) -> list[str]:
        """The loops that are stuck."""
        ...


class ServiceManager:
    """The socket at which systemd takes notifications of this process. Without one, each is dropped."""

    def __init__(self, address: str | None, *, watchdog_seconds: float | None = None) -> None:
        """`address`: of NOTIFY_SOCKET; `watchdog_seconds`: silence after which systemd ends the process."""
        # A leading @ stands for the zero byte of an abstract address.
        self._address = "\0" + address[1:] if address is not None and address.startswith("@") else address
        self._watchdog_seconds = watchdog_seconds

    @classmethod
    def of(cls, environment: Mapping[str, str], *, process_id: int) -> "ServiceManager":
        """The service manager that the environment names; the watchdog may be meant for another process."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        watched = environment.get("WATCHDOG_PID", str(process_id)) == str(process_id) and microseconds.isdecimal()
        seconds = int(microseconds) / 1_000_000 if watched and int(microseconds) else None
        return cls(environment.get("NOTIFY_SOCKET") or None, watchdog_seconds=seconds)

    async def attend(self, pulse: Beating, stop: asyncio.Event) -> None:
        """Report that the process serves, then that it lives, while no loop is stuck, and at last that it stops.

        It runs on the event loop, so that one that hangs is silent, too.
        """
        self._notify("READY=1")
        pause = min((self._watchdog_seconds or _MAX_PAUSE_SECONDS) / 3, _MAX_PAUSE_SECONDS)
        was_stuck = False
        while not stop.is_set():
            stuck = pulse.stuck()
            if stuck and not was_stuck and self._watchdog_seconds is not None:
                log.error("watchdog_withheld", loops=stuck, restarted_after_seconds=self._watchdog_seconds)
            was_stuck = bool(stuck)
            if not stuck:
                self._notify("WATCHDOG=1")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        self._notify("STOPPING=1")

    def _notify(self, state: str) -> None:
        if self._address is None:
            return
        try:
            # By getattr: systemd and Unix sockets are not on Windows, for which the types are checked, too.
            with socket.socket(getattr(socket, "AF_UNIX"), socket.SOCK_DGRAM) as sending:  # noqa: B009  # see above
                sending.setblocking(False)
                sending.sendto(state.encode(), self._address)
        except OSError as exc:
            log.warning("service_manager_not_notified", state=state, error=exc.strerror)
