"""The role `delivery`: checks imported mail against the rules, and saves what they select, folder by folder.

A folder that is missing, full or does not answer waits, with growing pauses, and holds up no other: each has a task and
calls of its own.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

import background
from background.pulse import Pulse
from db.errors import DatabaseUnavailable
from db.leases import is_over
from db.queries import files
from db.queries.files import MAX_WAIT, DueFolder
from delivery.checking import RuleChecker
from delivery.errors import FolderRefused, FolderUnavailable
from delivery.folder_lane import FolderHangs, FolderLane, LaneContext
from hostfaults import HostFault, host_fault_of

FOLDERS_AT_ONCE: Final = 16
MAX_HANGING: Final = 48
"""Folders that may hang at the same time; with those at work, the number of threads."""
_TURN_SECONDS: Final = 10.0
"""Time after which a folder with more files makes room for others."""
_OLDEST: Final = 500
_FORGOTTEN_AFTER: Final = 2 * MAX_WAIT
_MAX_ELSEWHERE: Final = 20_000
"""Twice as many as there may be rules: were they forgotten, they would hide the others again and again."""
_FIRST_PAUSE: Final = timedelta(minutes=1)
_PROBED_AFTER: Final = timedelta(seconds=30)
_ATTEND_SECONDS: Final = 10.0
_HOST_PAUSE_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 7.0
_CANCEL_SECONDS: Final = 1.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Pause:
    """A folder that is left alone until then. `failures`: in a row; `cause`: of the last, which its files have since
    `marked`."""

    until: datetime
    failures: int
    cause: FolderUnavailable | None = None
    marked: datetime | None = None


class Deliverer:
    """Works until it is stopped; any number of processes may, on as many hosts as see the folders."""

    def __init__(
        self,
        checker: RuleChecker,
        context: LaneContext,
        *,
        is_served: Callable[[str], bool],
        pulse: Pulse,
        poll_seconds: float = 1.0,
    ) -> None:
        """`is_served`: true of a folder below the roots of this host."""
        self._checker = checker
        self._context = context
        self._is_served = is_served
        self._pulse = pulse
        self._poll_seconds = poll_seconds
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._pauses: dict[str, _Pause] = {}
        self._hanging: dict[str, asyncio.Future[object]] = {}
        self._elsewhere: dict[str, str] = {}
        """Folders that are not below the roots of this host: another one serves them."""
        self._interrupted: set[str] = set()
        """Folders whose turn ended before they were empty: others come first."""
        self._has_new = asyncio.Event()
        self._paused_until = 0.0
        """By the monotonic clock: this host lacks room, or handles, or the database takes nothing."""
        self._is_blocked = False
        self._attended_at = 0.0
        """By the monotonic clock: the last look at folders that are left alone."""

    async def run(self, stop: asyncio.Event) -> None:
        """Check and save until `stop` is set; finish what is under way, within seconds."""
        loops = (
            background.restarted(lambda: self._check(stop), name="rule check"),
            background.restarted(lambda: self._deliver(stop), name="delivery"),
        )
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.gather(*(background.unless(stopping, each) for each in loops))
        finally:
            stopping.cancel()
            await self._finish()

    async def _finish(self) -> None:
        lanes = list(self._lanes.values())
        if lanes:
            _, late = await asyncio.wait(lanes, timeout=_STOP_SECONDS)
            await background.cancel(*late, within=_CANCEL_SECONDS)

    # Checking.

    async def _check(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._pulse.beat("rule_check")
            checked, pause = 0, self._pause()
            try:
                checked = await self._checker.check_some()
            except DatabaseUnavailable:  # its watch reports it
                pass
            except HostFault as exc:
                pause = _HOST_PAUSE_SECONDS
                log.warning("rule_check_paused", error=str(exc), retry_in=pause)
            if checked:
                self._has_new.set()
            else:
                await asyncio.sleep(pause)

    def _pause(self) -> float:
        return self._poll_seconds * self._context.random.uniform(0.8, 1.2)

    # Saving.

    async def _deliver(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._pulse.beat("delivery")
            self._has_new.clear()
            started = 0
            if self._context.monotonic() >= self._paused_until:
                try:
                    started = await self._start_lanes(stop)
                except DatabaseUnavailable:  # its watch reports it
                    started = 0
            if not started:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._has_new.wait(), self._pause())

    async def _start_lanes(self, stop: asyncio.Event) -> int:
        self._forget_answered()
        room = self._room()
        if room <= 0:
            return 0
        now = self._context.clock()
        await self._attend(now)
        waiting = self._waiting(now)
        self._context.metrics.folders_waiting.set(len(waiting))
        without = {*self._lanes, *self._hanging, *self._elsewhere, *waiting}
        served = await self._due(without | self._interrupted, now)
        if len(served) < room and self._interrupted:
            self._interrupted.clear()
            served += await self._due(without | {each.key for each in served}, now)
        for folder in served[:room]:
            self._lanes[folder.key] = asyncio.create_task(self._lane(folder, stop), name=f"folder {folder.key[:8]}")
        return len(served[:room])

    def _room(self) -> int:
        """The number of lanes that may be started: each, and each that hangs, has a thread."""
        threads = FOLDERS_AT_ONCE + MAX_HANGING - len(self._hanging)
        blocked = threads <= 0
        if blocked != self._is_blocked:
            self._is_blocked = blocked
            if blocked:
                log.error("delivery_blocked", folders_hanging=len(self._hanging))
            else:
                log.info("delivery_unblocked", folders_hanging=len(self._hanging))
        return min(FOLDERS_AT_ONCE, threads) - len(self._lanes)

    def _waiting(self, now: datetime) -> set[str]:
        """The folders that are left alone now; what is known of others is forgotten in time."""
        self._pauses = {
            key: each
            for key, each in self._pauses.items()
            if not is_over(each.until + _FORGOTTEN_AFTER, now, longest=MAX_WAIT + _FORGOTTEN_AFTER)
        }
        return {key for key, each in self._pauses.items() if not is_over(each.until, now, longest=MAX_WAIT)}

    async def _attend(self, now: datetime) -> None:
        """Have new files of folders that are left alone say why, and try those at once that an operator retries."""
        monotonic = self._context.monotonic()
        if monotonic - self._attended_at < _ATTEND_SECONDS:
            return
        self._attended_at = monotonic
        for key, pause in list(self._pauses.items()):
            if key in self._lanes:
                continue
            self._pulse.beat("delivery")  # there may be many, and the database slow
            if pause.marked is not None and await self._was_retried(key, pause.marked, now):
                pause.until = now
            else:
                await self._mark(key, pause, now, at_once=False)

    async def _was_retried(self, key: str, since: datetime, now: datetime) -> bool:
        return await self._context.database.read(
            lambda connection: files.was_retried(connection, key, since=since, now=now)
        )

    async def _mark(self, key: str, pause: _Pause, now: datetime, *, at_once: bool) -> None:
        """Have the due files of the folder say why they wait: all of them `at_once`, or some."""
        cause = pause.cause
        if cause is None:
            return
        marks = partial(files.mark_folder, folder_key=key, reason=cause.reason, detail=cause.phrase, now=now)
        pause.marked = None
        with contextlib.suppress(DatabaseUnavailable):  # its watch reports it
            found = await self._context.database.write(marks)
            while at_once and found == files.MARKED_AT_ONCE:
                found = await self._context.database.write(marks)
            pause.marked = None if found == files.MARKED_AT_ONCE else now

    async def _due(self, without: set[str], now: datetime) -> list[DueFolder]:
        due = await self._context.database.read(
            lambda connection: files.due_folders(connection, now=now, without=without, limit=_OLDEST)
        )
        return [each for each in due if self._serves(each)]

    def _serves(self, folder: DueFolder) -> bool:
        if self._is_served(folder.path):
            return True
        if len(self._elsewhere) >= _MAX_ELSEWHERE:
            self._elsewhere.clear()
        self._elsewhere[folder.key] = folder.path
        log.info("folder_elsewhere", folder=folder.path)
        return False

    async def _lane(self, folder: DueFolder, stop: asyncio.Event) -> None:
        lane = FolderLane(self._context, folder)
        try:
            has_more = await lane.run(stop, seconds=_TURN_SECONDS)
        except FolderHangs as exc:
            self._hanging[folder.key] = exc.call
            self._context.metrics.folders_hanging.set(len(self._hanging))
            await self._put_off(folder, exc, was_open=lane.is_open)
        except FolderUnavailable as exc:
            await self._put_off(folder, exc, was_open=lane.is_open)
        except DatabaseUnavailable:  # its watch reports it; the claims end by themselves
            log.debug("folder_lane_interrupted", folder=folder.path)
            # One that is read-only still tells what is due.
            self._paused_until = max(self._paused_until, self._context.monotonic() + self._pause())
        except (HostFault, OSError, MemoryError) as exc:
            self._pause_host(exc)
        except Exception as exc:  # noqa: BLE001  # other folders go on, and this one later
            background.report_failure("folder lane", exc, restarted_in=_FIRST_PAUSE.total_seconds())
            self._pauses[folder.key] = _Pause(self._context.clock() + _FIRST_PAUSE, 1)
        else:
            if has_more:
                self._interrupted.add(folder.key)
            if self._pauses.pop(folder.key, None) is not None:
                log.info("folder_available", folder=folder.path)
        finally:
            del self._lanes[folder.key]
            self._has_new.set()

    async def _put_off(self, folder: DueFolder, exc: FolderUnavailable, *, was_open: bool) -> None:
        """Leave the folder alone for a while, and have its files say why.

        To open a folder costs nothing: one that cannot be is probed again soon.
        """
        before = self._pauses.get(folder.key)
        failures = 1 if before is None else before.failures + 1
        pause = _PROBED_AFTER
        if was_open:
            pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), MAX_WAIT) * self._context.random.uniform(0.8, 1.0)
        now = self._context.clock()
        made = self._pauses[folder.key] = _Pause(now + pause, failures, exc)
        self._context.metrics.folder_failures.labels(exc.reason).inc()
        if failures.bit_count() == 1:  # ever less often
            log.warning(
                "folder_refused" if isinstance(exc, FolderRefused) else "folder_unavailable",
                folder=folder.path,
                reason=exc.reason,
                error=str(exc),
                failures=failures,
                retry_in=round(pause.total_seconds()),
            )
        await self._mark(folder.key, made, now, at_once=True)

    def _pause_host(self, exc: Exception) -> None:
        fault = host_fault_of(exc)
        if fault is None:
            background.report_failure("folder lane", exc, restarted_in=_HOST_PAUSE_SECONDS)
        else:
            log.warning("delivery_paused", error=str(fault), retry_in=_HOST_PAUSE_SECONDS)
        self._paused_until = self._context.monotonic() + _HOST_PAUSE_SECONDS

    def _forget_answered(self) -> None:
        answered = [key for key, call in self._hanging.items() if call.done()]
        for key in answered:
            call = self._hanging.pop(key)
            if not call.cancelled():
                call.exception()  # read, so that it is not reported as never retrieved
            self._pauses.pop(key, None)
        if answered:
            self._context.metrics.folders_hanging.set(len(self._hanging))
