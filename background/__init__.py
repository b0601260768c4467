"""Background tasks that never fail unseen: an endless one is restarted, the failure of a short one is logged.

A task whose failure nothing awaits would end unreported, and leave a process that looks alive and does nothing.
CancelledError ends a task as usual.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

_FIRST_PAUSE_SECONDS: Final = 1.0
_MAX_PAUSE_SECONDS: Final = 30.0
_CANCEL_SECONDS: Final = 0.5

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def restarted(
    work: Callable[[], Awaitable[None]],
    *,
    name: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run `work` until it returns; after an exception, restart it.

    The pause before a restart doubles from 1 s to 30 s, and is reset once `work` has run for longer than 30 s.
    """
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE_SECONDS
    while True:
        began = loop.time()
        try:
            await work()
        except Exception as exc:  # noqa: BLE001  # any other end would leave the process alive and useless
            if loop.time() - began > _MAX_PAUSE_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            report_failure(name, exc, restarted_in=pause)
        else:
            return
        await sleep(pause)
        pause = min(2 * pause, _MAX_PAUSE_SECONDS)


def start(work: Coroutine[Any, Any, None], *, name: str) -> "asyncio.Task[None]":
    """Start a task for `work` whose failure is logged, even if it is awaited too."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(log_failure)
    return task


async def cancel(*tasks: "asyncio.Task[Any]", within: float) -> None:
    """Cancel the tasks and wait `within` seconds at most for them to end. Tasks that go on are logged and left."""
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=within)
    if late:
        log.warning(
            "tasks_not_ended", tasks=sorted({task.get_name() for task in late}), count=len(late), seconds=within
        )


async def unless(stopping: "asyncio.Task[Any]", work: Coroutine[Any, Any, None]) -> None:
    """Await the work, cut off once `stopping` is done: what hangs does not keep the process from its end."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait([stopping, working], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        await cancel(working, within=_CANCEL_SECONDS)


def log_failure(task: "asyncio.Task[Any]") -> None:
    """Log the exception with which a task ended, if any: a done callback for tasks that may be left unawaited."""
    failure = None if task.cancelled() else task.exception()
    if isinstance(failure, Exception):
        report_failure(task.get_name(), failure)


def places_of(error: BaseException) -> list[str]:
    """The frames an unexpected error passed through, for the log; without its text, which may quote mail."""
    return [f"{each.filename}:{each.lineno} {each.name}" for each in traceback.extract_tb(error.__traceback__)]


def report_failure(name: str, exc: Exception, **facts: object) -> None:
    """Log an unexpected error of background work: its type and place, not its text."""
    log.error("background_task_failed", task=name, error_type=type(exc).__name__, where=places_of(exc), **facts)
