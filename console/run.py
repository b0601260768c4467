"""`run`: one host with all roles, or one role of several hosts."""

import asyncio
import ssl
import sys
from contextlib import AsyncExitStack

import click

from console import logs
from console.invocation import example
from console.metrics_endpoint import MetricsUnavailable
from console.output import failure
from console.settings import Settings
from console.settings_sources import load_settings
from console.translation.help import Group
from console.wiring.process import run_until_signalled
from console.wiring.roles import ALL, ConsoleContext, ConsoleUnavailable, run_roles
from db.queries.processes import CONSOLE, DELIVERY, PROCESSOR, RECEIVER, SUBSCRIPTIONS
from phrases import Phrase


@click.group(cls=Group, epilog=example("mail-importer run all"))
def run() -> None:
    """Run all roles, or one of them, until stopped.

    SIGTERM stops cleanly: no new work is begun, what is in flight is finished or abandoned. SIGHUP makes the receiver
    and the web console read their TLS certificates again. Logs go to standard output.
    """


@run.command(name="all", epilog=example("mail-importer run all"))
def run_all() -> None:
    """Run receiver, processor, subscription manager, delivery and web console in one process."""
    _run(*ALL)


@run.command(epilog=example("mail-importer run receiver"))
def receiver() -> None:
    """Receive change notifications and queue them."""
    _run(RECEIVER)


@run.command(epilog=example("mail-importer run processor"))
def processor() -> None:
    """Import the messages that the queue names; on as many hosts as needed."""
    _run(PROCESSOR)


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


def _run(*roles: str) -> None:
    settings = load_settings()
    logs.configure(sys.stdout, settings.log_format)
    reload = asyncio.Event()
    try:
        run_until_signalled(
            lambda stop: run_roles(settings, roles, stop, reload=reload, start_console=start_console), reload=reload
        )
    except MetricsUnavailable as exc:
        address = f"{settings.metrics_host}:{settings.metrics_port}"
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
            raise failure(Phrase("receiver_tls_cert and receiver_tls_key cannot be used: {why}.", why=exc)) from exc
        address = f"{settings.receiver_host}:{settings.receiver_port}"
        raise failure(
            Phrase("The receiver cannot listen on {address}: {why}.", address=address, why=exc.strerror or exc)
        ) from exc


def _console_failure(error: BaseException | None, settings: Settings) -> Phrase:
    if isinstance(error, ssl.SSLError) or (isinstance(error, OSError) and error.filename is not None):
        return Phrase("console_tls_cert and console_tls_key cannot be used: {why}.", why=error)
    why = error.strerror or error if isinstance(error, OSError) else error
    address = f"{settings.console_host}:{settings.console_port}"
    return Phrase("The web console cannot listen on {address}: {why}.", address=address, why=why)
