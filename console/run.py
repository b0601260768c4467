"""`run`: one host with all roles, or one role of several hosts."""

import asyncio
import ssl
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, closing, nullcontext
from pathlib import Path
from typing import Any, Final

import click

from console import logs
from console.invocation import example
from console.log_file import LogFile, LogFileLimits, LogFileUnavailable
from console.metrics_endpoint import MetricsUnavailable
from console.output import failure
from console.setting_values import host_and_port
from console.settings import MAX_PROCESSES, Settings, SettingsError, names_windows_store
from console.settings_sources import load_settings
from console.translation.help import Group
from console.wiring.clock import utc_now
from console.wiring.process import run_until_signalled
from console.wiring.roles import ALL, ConsoleContext, ConsoleUnavailable, Started, Supervision, run_roles
from db.queries.processes import CONSOLE, DELIVERY, PROCESSOR, RECEIVER, SUBSCRIPTIONS
from hostfaults import host_fault_of
from phrases import Phrase


@click.group(cls=Group, epilog=example("mail-importer run all"))
def run() -> None:
    """Run all roles, or one of them, until stopped.

    SIGTERM stops cleanly: no new work is begun, what is in flight is finished or abandoned. SIGHUP makes the receiver
    and the web console read their TLS certificates again. Logs go to standard output, or to the file of the setting
    log_file.
    """


_OF_SEVERAL_PROCESSES: Final = ((RECEIVER,), (PROCESSOR,), ALL)
"""Roles of which a host may have several processes under one supervisor."""

_processes_option = click.option(
    "--processes",
    type=click.IntRange(1, MAX_PROCESSES),
    metavar="N",
    help="Number of processes, restarted when they end (default: the setting processes).",
)


@run.command(name="all", epilog=example("mail-importer run all"))
@_processes_option
def run_all(processes: int | None) -> None:
    """Run receiver, processor, subscription manager, delivery and web console.

    Of several processes the first one has all roles, each other one receiver and processor.
    """
    _run(*ALL, processes=processes)


@run.command(epilog=example("mail-importer run receiver", "mail-importer run receiver --processes 2"))
@_processes_option
def receiver(processes: int | None) -> None:
    """Receive change notifications and queue them."""
    _run(RECEIVER, processes=processes)


@run.command(epilog=example("mail-importer run processor", "mail-importer run processor --processes 2"))
@_processes_option
def processor(processes: int | None) -> None:
    """Import the messages that the queue names; on as many hosts as needed."""
    _run(PROCESSOR, processes=processes)


@run.command(epilog=example("mail-importer run subscriptions"))
def subscriptions() -> None:
    """Keep one Graph subscription for each enabled account; several share the work."""
    _run(SUBSCRIPTIONS)


@run.command(epilog=example("mail-importer run delivery"))
def delivery() -> None:
    """Save the files that import rules select into their folders; on each host that reaches the folders."""
    _run(DELIVERY)


@run.command(name="console", epilog=example("mail-importer run console"))
def web_console() -> None:
    """Serve the web console, in which operators see mail, problems and failures, and administrators the accounts."""
    _run(CONSOLE)


async def start_console(settings: Settings, context: ConsoleContext, resources: AsyncExitStack) -> int:
    """Start the web console; it is loaded by processes of this role alone."""
    from console.web import start  # noqa: PLC0415  # see above

    return await start.start_console(settings, context, resources)


def _run(*roles: str, processes: int | None = None) -> None:
    settings = load_settings()
    if processes is not None:
        settings = settings.model_copy(update={"processes": processes})
    file = open_log_file(settings, roles)
    with nullcontext() if file is None else closing(file):
        stream = logs.tolerant(sys.stdout if file is None else file, settings.log_format)
        logs.configure(stream, settings.log_format)
        reload = asyncio.Event()
        serve(
            settings,
            roles,
            lambda work: run_until_signalled(work, reload=reload),
            reload=reload,
            write_log=logs.relay(stream, settings.log_format),
        )


def _print_log_fault(error: OSError) -> None:
    if sys.stderr is not None:  # a service of Windows has none
        sys.stderr.write(f"log_file cannot be written: {error.strerror or error}; work continues without it\n")


def _print_line(line: str) -> None:
    if sys.stdout is not None:
        sys.stdout.write(line)
        sys.stdout.flush()


def open_log_file(
    settings: Settings, roles: tuple[str, ...], on_fault: Callable[[OSError], None] = _print_log_fault
) -> LogFile | None:
    """The log file of a process with these roles; None without the setting.

    It is open, unless the host has a fault, such as a full disk: then it is opened once that is over, and the lines
    until then go to standard output.

    Raises:
        SettingsError: it cannot be written for another reason.
    """
    if settings.log_file is None:
        return None
    limits = LogFileLimits(settings.log_file_mb * 1024 * 1024, settings.log_file_count)
    role = roles[0] if len(roles) == 1 else None
    file = LogFile(settings.log_file, role, limits, utc_now, time.monotonic, on_fault, _print_line)
    try:
        file.open()
    except LogFileUnavailable as exc:
        reason = Phrase("log_file: 32 processes of this host write to {path} already.", path=settings.log_file)
        raise SettingsError(reason) from exc
    except OSError as exc:
        if host_fault_of(exc) is not None:
            file.open_later(exc)
            return file
        raise SettingsError(
            Phrase(
                "log_file: {path} cannot be written: {why}. Name another file, or give the account of this process the "
                "right to write there.",
                path=settings.log_file,
                why=exc.strerror or exc,
            )
        ) from exc
    return file


Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


def serve(
    settings: Settings,
    roles: tuple[str, ...],
    run_until_stopped: Callable[[Work], None],
    *,
    reload: asyncio.Event | None = None,
    on_started: Callable[[Started], None] = lambda _started: None,
    write_log: Callable[[str], None] | None = None,
    supervision: Supervision | None = None,
) -> None:
    """Run the roles by `run_until_stopped`, and explain to an operator an address or a file that they cannot use.

    `write_log`: takes lines of JSON of other processes, where the settings may ask for several. `supervision`: of a
    process that is one of them.

    Raises:
        click.ClickException: that explanation.
        SettingsError, DatabaseError: as `run_roles` raises them.
    """

    async def work(stop: asyncio.Event) -> None:
        if settings.processes > 1 and roles in _OF_SEVERAL_PROCESSES and write_log is not None:
            from console.supervision.start import supervise  # noqa: PLC0415  # by the process that needs it

            await supervise(settings, roles, stop, write_log, reload=reload, on_started=on_started)
            return
        await run_roles(
            settings,
            roles,
            stop,
            reload=reload,
            on_started=on_started,
            start_console=start_console,
            supervision=supervision,
        )

    try:
        run_until_stopped(work)
    except MetricsUnavailable as exc:
        address = host_and_port(settings.metrics_host, settings.metrics_port)
        raise failure(
            Phrase(
                "The metrics cannot be served on {address} (metrics_host, metrics_port): {why}.",
                address=address,
                why=exc,
            )
        ) from exc
    except ConsoleUnavailable as exc:
        raise failure(_console_failure(exc.__cause__, settings)) from exc
    except OSError as exc:
        if isinstance(exc, ssl.SSLError) or exc.filename is not None:
            raise failure(_certificate_failure(settings.receiver_tls_cert, RECEIVER, exc)) from exc
        address = host_and_port(settings.receiver_host, settings.receiver_port)
        raise failure(
            Phrase("The receiver cannot listen on {address}: {why}.", address=address, why=exc.strerror or exc)
        ) from exc


def _certificate_failure(certificate: Path | None, role: str, error: OSError) -> Phrase:
    if certificate is not None and names_windows_store(certificate):
        return Phrase("{role}_tls_cert cannot be used: {why}.", role=role, why=error)
    return Phrase("{role}_tls_cert and {role}_tls_key cannot be used: {why}.", role=role, why=error)


def _console_failure(error: BaseException | None, settings: Settings) -> Phrase:
    if isinstance(error, ssl.SSLError) or (isinstance(error, OSError) and error.filename is not None):
        return _certificate_failure(settings.console_tls_cert, CONSOLE, error)
    why = error.strerror or error if isinstance(error, OSError) else error
    address = host_and_port(settings.console_host, settings.console_port)
    return Phrase("The web console cannot listen on {address}: {why}.", address=address, why=why)
