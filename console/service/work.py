"""The roles as a Windows service runs them: settings, logs, events, start, stop and end."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import click
import structlog

from console import logs
from console.expected_errors import is_expected
from console.run import Work, open_log_file, serve
from console.service.events import SERVICE_FAILED, SETTINGS_WRONG, START_OVERDUE, EventLog, EventSink
from console.service.lifecycle import Ending, ServiceLifecycle
from console.service.names import ALL_ROLES
from console.settings import Settings, SettingsError
from console.settings_sources import config_file, load_settings
from console.wiring.process import run_until_requested
from console.wiring.roles import ALL

_OVERDUE_SECONDS: Final = 1.0
"""For the event of an overdue start or stop to be written."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class _NoStream:
    """The stream of a service without a log file: Windows has none for it."""

    def write(self, text: str, /) -> object:
        return len(text)

    def flush(self) -> None:
        """Do nothing."""

    def isatty(self) -> bool:
        return False


def roles_of(role: str) -> tuple[str, ...]:
    """The roles that a service runs."""
    return ALL if role == ALL_ROLES else (role,)


def run_service(
    role: str,
    lifecycle: ServiceLifecycle,
    sink: EventSink,
    *,
    exit_process: Callable[[int], None] = os._exit,
) -> Ending:
    """Run the roles until the SCM stops the service or they fail; never raises.

    The working folder is that of the settings file, where relative paths of it start. `exit_process`: ends a process
    whose stop is overdue.
    """
    with closing(EventLog(sink, monotonic=time.monotonic)) as events, ExitStack() as resources:
        logs.configure(_NoStream(), "json", observer=events.observe)
        try:
            os.chdir(_folder(config_file()))
            settings = load_settings()
            write_log = _open_logs(settings, role, events.observe, resources)
            _serve(settings, role, lifecycle, events, exit_process, write_log)
        except SettingsError as exc:
            log.error(SETTINGS_WRONG, problems=[str(each) for each in exc.problems], detail=_CORRECT)  # noqa: TRY400  # the problems say it all
            return Ending.WRONG_SETTINGS
        except click.ClickException as exc:
            log.error(SERVICE_FAILED, error=exc.message)  # noqa: TRY400  # the sentence is for an operator
            return Ending.FAILED
        except Exception as exc:  # whatever ends it, the SCM must learn of it
            if is_expected(exc):
                log.error(SERVICE_FAILED, error=str(exc))  # noqa: TRY400  # the sentence is for an operator
            else:
                log.exception(SERVICE_FAILED, error_type=type(exc).__name__)
            return Ending.FAILED
        return Ending.CLEAN


_CORRECT: Final = "Correct them (mail-importer config check), then start the service; it does not restart by itself."


def end_overdue_start(lifecycle: ServiceLifecycle, *, exit_process: Callable[[int], None] = os._exit) -> None:
    """End a process whose roles do not start in time, as a failure: Windows starts it again."""
    log.critical(START_OVERDUE)
    time.sleep(_OVERDUE_SECONDS)
    lifecycle.ended(Ending.FAILED)
    exit_process(Ending.FAILED.value)


def _folder(config: Path) -> Path:
    """The folder of the settings file.

    Raises:
        SettingsError: there is none, as `load_settings` explains.
    """
    if not config.parent.is_dir():
        load_settings()
    return config.parent


def _open_logs(
    settings: Settings, role: str, observe: Callable[[Mapping[str, Any]], None], resources: ExitStack
) -> Callable[[str], None]:
    """Send the logs to their file; return what takes those of other processes, as lines of JSON."""

    def report_fault(error: OSError) -> None:
        # Not through the log, whose file is what fails.
        fields = {"error": error.strerror or str(error), "path": str(settings.log_file)}
        observe({"event": "log_file_failed", "level": "error", **fields})

    file = open_log_file(settings, roles_of(role), report_fault)
    if file is None:
        return logs.relay(_NoStream(), "json", observer=observe)
    logs.configure(file, settings.log_format, observer=observe)
    resources.callback(logs.configure, _NoStream(), "json", observer=observe)
    resources.callback(file.close)
    return logs.relay(file, settings.log_format, observer=observe)


def _serve(
    settings: Settings,
    role: str,
    lifecycle: ServiceLifecycle,
    events: EventLog,
    exit_process: Callable[[int], None],
    write_log: Callable[[str], None],
) -> None:
    def stop_overdue() -> None:
        events.close()
        lifecycle.ended(Ending.STOP_OVERDUE)
        exit_process(Ending.STOP_OVERDUE.value)

    def run_until_stopped(work: Work) -> None:
        run_until_requested(work, lifecycle.listen, on_overdue=stop_overdue)

    serve(
        settings,
        roles_of(role),
        run_until_stopped,
        reload=asyncio.Event(),
        on_started=lambda _started: lifecycle.running(),
        write_log=write_log,
    )
