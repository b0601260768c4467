"""`mail-importer service`: install, start, stop and remove the Windows service, and its state."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from console.invocation import example
from console.output import Column, Listing, failure, prints_data, tell, wrong_usage
from console.service.faults import SERVICE_ALREADY_RUNNING, SERVICE_NOT_ACTIVE, ServiceError
from console.service.installation import (
    Account,
    account_of,
    environment_of,
    require_shared_place,
    tried_program,
)
from console.service.names import ALL_ROLES, EVENT_SOURCE, SERVICES, ServiceName
from console.service.protocol import (
    APPLICATION_ERROR,
    ERROR_SERVICE_NEVER_STARTED,
    ERROR_SERVICE_SPECIFIC_ERROR,
    Definition,
    ServiceFacts,
    ServiceManager,
    State,
)
from console.settings_sources import config_file
from console.translation.help import Group
from console.translation.language import translated
from phrases import Phrase

_START_SECONDS: Final = 200.0
"""More than a start may take."""
_STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.25
_MAX_PORT: Final = 65535
_WRONG_SETTINGS: Final = 2

_role = click.argument("role", type=click.Choice(list(SERVICES)), default=ALL_ROLES, metavar="[ROLE]")


def open_manager() -> ServiceManager:
    """The service control manager of this host.

    Raises:
        click.UsageError: this is not Windows.
    """
    if sys.platform != "win32":
        raise wrong_usage(
            Phrase(
                "Services of this kind exist on Windows only. Here, use a unit of systemd (deploy/systemd), or "
                "mail-importer run."
            )
        )
    from console.service.windows import WindowsServiceManager  # noqa: PLC0415  # of Windows

    return WindowsServiceManager()


@click.group(cls=Group, epilog=example("mail-importer service install --start", "mail-importer service status"))
def service() -> None:
    """Install and control the Windows service, for all roles of this host or for one of them.

    ROLE is all (the default), receiver, processor, subscriptions, delivery or console. Except for the state, the rights
    of an administrator are needed.
    """


@service.command(
    epilog=example(
        "mail-importer service install --start",
        r"mail-importer service install receiver --account CONTOSO\mail$",
    )
)
@_role
@click.option(
    "--account",
    metavar="ACCOUNT",
    help="Account of the service: a gMSA as DOMAIN\\NAME$, or another one, whose password is asked for. Without "
    "it: the virtual account of the service.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File of the settings. Default: the one that this command reads.",
)
@click.option(
    "--log-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Log file of the service. Default: log_file of the settings, or logs\\mail-importer.log beside them.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, _MAX_PORT),
    help="Port of its metrics, where several services run on this host; 0: none.",
)
@click.option(
    "--depends-on",
    multiple=True,
    metavar="SERVICE",
    help="Service of this host that is started before, such as MSSQLSERVER. May be repeated.",
)
@click.option("--start", is_flag=True, help="Start the service at once.")
def install(
    role: str,
    account: str | None,
    config: Path | None,
    log_file: Path | None,
    metrics_port: int | None,
    depends_on: tuple[str, ...],
    start: bool,
) -> None:
    """Install the service of ROLE: it starts with Windows, and again after a failure.

    The settings are checked first, by the program of the service. It stores where they are, and its own log file and
    port, not the settings themselves.
    """
    manager, named = _administered(), SERVICES[role]
    owner = account_of(account, named)
    log_file = None if log_file is None else log_file.absolute()
    path = _config_path(config)
    _require_free(manager, named)
    require_shared_place([Path(sys.prefix), Path(sys.base_prefix)], Path.home())
    program = tried_program(named, environment_of(path, log_file, metrics_port), path.parent)
    if program.log_file is None:
        # Without one, what is not in the event log would be lost.
        log_file = path.parent / "logs" / "mail-importer.log"
        program = tried_program(named, environment_of(path, log_file, metrics_port), path.parent)
    definition = Definition(
        named.key, named.display, named.description, program.command, owner.name, program.environment, depends_on
    )
    _create(manager, definition, owner)
    tell(Phrase("The service {key} is installed; its account is {account}.", key=named.key, account=owner.name))
    tell(
        Phrase(
            "The account needs the right to read {folder} and to write {logs}: deploy/windows/install.ps1 gives both.",
            folder=path.parent,
            logs=Path(program.log_file or path.parent).parent,
        )
    )
    if start:
        _start(manager, named)
    else:
        tell(Phrase("Start it with: mail-importer service start {role}", role=role))


def _create(manager: ServiceManager, definition: Definition, owner: Account) -> None:
    password = None
    if owner.needs_password:
        prompt = translated(Phrase("Password of {account}", account=owner.name))
        password = click.prompt(prompt, hide_input=True, err=True)
    if owner.needs_right:
        manager.allow_logon(owner.name)
    manager.register_events(EVENT_SOURCE)
    for name in manager.create(definition, password):
        tell(Phrase("This Windows does not support a setting of services: {name}.", name=name))


@service.command(epilog=example("mail-importer service start"))
@_role
def start(role: str) -> None:
    """Start the service of ROLE, and wait until its roles run."""
    _start(_administered(), SERVICES[role])


@service.command(epilog=example("mail-importer service stop"))
@_role
def stop(role: str) -> None:
    """Stop the service of ROLE cleanly, and wait for its end: within 10 s."""
    manager, named = _administered(), SERVICES[role]
    if _stop(manager, named):
        tell(Phrase("The service {key} is stopped.", key=named.key))
    else:
        tell(Phrase("The service {key} does not run.", key=named.key))


@service.command(epilog=example("mail-importer service remove"))
@_role
def remove(role: str) -> None:
    """Stop and remove the service of ROLE. Settings, logs and the database stay."""
    manager, named = _administered(), SERVICES[role]
    _stop(manager, named)
    manager.delete(named.key)
    if not any(manager.query(each.key) for each in SERVICES.values()):
        manager.unregister_events(EVENT_SOURCE)
    tell(Phrase("The service {key} is removed.", key=named.key))


@service.command(epilog=example("mail-importer service status", "mail-importer service status receiver --json"))
@click.argument("role", type=click.Choice(list(SERVICES)), required=False, metavar="[ROLE]")
@prints_data
def status(role: str | None) -> Listing:
    """Show the state of the installed services, or of that of ROLE, and the next step.

    The exit code is that of the last end: 0 clean, 1 a role failed, 2 wrong settings, 3 the stop took too long.
    """
    manager = open_manager()
    chosen = list(SERVICES.values()) if role is None else [SERVICES[role]]
    found = [(each, manager.query(each.key)) for each in chosen]
    rows = [_row(named, facts) for named, facts in found if facts is not None or role is not None]
    return Listing(_COLUMNS, rows, _NONE_INSTALLED, details=_DETAILS)


_NONE_INSTALLED: Final = Phrase("No service is installed. Install it with: mail-importer service install")


def _state_name(state: State | None) -> str:
    return "not_installed" if state is None else state.name.lower()


_STATE_LABELS: Final = {
    "not_installed": Phrase("not installed"),
    "stopped": Phrase("stopped"),
    "start_pending": Phrase("starting"),
    "stop_pending": Phrase("stopping"),
    "running": Phrase("running"),
    "continue_pending": Phrase("continuing"),
    "pause_pending": Phrase("pausing"),
    "paused": Phrase("paused"),
}
_START_LABELS: Final = {
    "delayed": Phrase("automatic, delayed"),
    "automatic": Phrase("automatic"),
    "manual": Phrase("manual"),
    "disabled": Phrase("disabled"),
}
_COLUMNS: Final = (
    Column("role", Phrase("Role")),
    Column("service", Phrase("Service"), whole=True),
    Column("state", Phrase("State"), show=lambda state: _STATE_LABELS[state], priority=3),
    Column("account", Phrase("Account"), priority=1),
    Column("start", Phrase("Start"), show=lambda start: _START_LABELS.get(start, "–")),
    Column("pid", Phrase("Process"), right=True),
    Column("exit_code", Phrase("Exit code"), right=True, priority=2),
)
_DETAILS: Final = (Column("advice", Phrase("What to do")),)


def _row(named: ServiceName, facts: ServiceFacts | None) -> dict[str, Any]:
    return {
        "role": named.role,
        "service": named.key,
        "state": _state_name(None if facts is None else facts.state),
        "account": None if facts is None else facts.account,
        "start": None if facts is None else facts.start,
        "pid": None if facts is None else facts.pid,
        "exit_code": None if facts is None else _exit_code(facts),
        "advice": _advice(named, facts),
    }


def _exit_code(facts: ServiceFacts) -> int | None:
    """The exit status of the product, an error of Windows, or None: it runs, or never ran."""
    if facts.state is not State.STOPPED or facts.exit_code == ERROR_SERVICE_NEVER_STARTED:
        return None
    if facts.exit_code == ERROR_SERVICE_SPECIFIC_ERROR or facts.service_exit_code & APPLICATION_ERROR:
        return facts.service_exit_code & ~APPLICATION_ERROR
    return facts.exit_code


def _advice(named: ServiceName, facts: ServiceFacts | None) -> Phrase | None:
    if facts is None:
        return Phrase("Install it: mail-importer service install {role}", role=named.role)
    if facts.start == "disabled":
        return Phrase("Enable it: sc.exe config {key} start= delayed-auto", key=named.key)
    if facts.state is not State.STOPPED:
        return None
    code = _exit_code(facts)
    if code == _WRONG_SETTINGS:
        return Phrase(
            "The settings are wrong: mail-importer config check names the reason; then mail-importer service "
            "start {role}",
            role=named.role,
        )
    if code:
        return Phrase(
            "It failed: the Application event log (source mail-importer) and the log file have the reason. Windows "
            "starts it again, unless its start was refused; or: mail-importer service start {role}",
            role=named.role,
        )
    return Phrase("Start it: mail-importer service start {role}", role=named.role)


def _administered() -> ServiceManager:
    manager = open_manager()
    if not manager.is_administrator():
        raise failure(
            Phrase("Services are managed by administrators: start PowerShell with Run as administrator, and repeat.")
        )
    return manager


def _config_path(given: Path | None) -> Path:
    path = config_file() if given is None else given.absolute()
    if not path.is_file():
        raise failure(
            Phrase(
                "There is no file of settings {path}. Create one with mail-importer config init, or name it with "
                "--config.",
                path=path,
            )
        )
    return path


def _require_free(manager: ServiceManager, named: ServiceName) -> None:
    """Refuse a second service, and `all` beside a service of one role: both would serve the same addresses."""
    installed = [each for each in SERVICES.values() if manager.query(each.key) is not None]
    for other in installed:
        if other == named:
            raise failure(
                Phrase(
                    "The service {key} is installed already. Remove it first: mail-importer service remove {role}",
                    key=named.key,
                    role=named.role,
                )
            )
        if ALL_ROLES in (other.role, named.role):
            raise failure(
                Phrase(
                    "The service {other} runs roles of {key} already. Remove it first: mail-importer service remove "
                    "{role}",
                    other=other.key,
                    key=named.key,
                    role=other.role,
                )
            )


def _start(manager: ServiceManager, named: ServiceName) -> None:
    try:
        manager.start(named.key)
    except ServiceError as exc:
        if exc.code != SERVICE_ALREADY_RUNNING:
            raise
    facts = _await(manager, named, lambda state: state in (State.RUNNING, State.STOPPED), _START_SECONDS)
    if facts.state is State.RUNNING:
        tell(Phrase("The service {key} runs.", key=named.key))
        return
    if facts.state is State.STOPPED:
        raise failure(
            Phrase(
                "The service {key} ended as it started. {advice}",
                key=named.key,
                advice=_advice(named, facts) or Phrase("See the Application event log, source mail-importer."),
            )
        )
    raise failure(
        Phrase(
            "The service {key} has not started within {seconds} s. See the Application event log, source "
            "mail-importer.",
            key=named.key,
            seconds=int(_START_SECONDS),
        )
    )


def _stop(manager: ServiceManager, named: ServiceName) -> bool:
    """Stop the service; False: it did not run."""
    try:
        manager.stop(named.key)
    except ServiceError as exc:
        if exc.code == SERVICE_NOT_ACTIVE:
            return False
        raise
    facts = _await(manager, named, lambda state: state is State.STOPPED, _STOP_SECONDS)
    if facts.state is not State.STOPPED:
        raise failure(
            Phrase(
                "The service {key} has not stopped within {seconds} s. End its process {pid} in the task manager.",
                key=named.key,
                seconds=int(_STOP_SECONDS),
                pid=facts.pid or "–",
            )
        )
    return True


def _await(
    manager: ServiceManager, named: ServiceName, reached: Callable[[State], bool], seconds: float
) -> ServiceFacts:
    """The service once its state is reached, or after the time; it is asked for several times a second."""
    deadline = time.monotonic() + seconds
    while True:
        facts = manager.query(named.key)
        if facts is None:
            raise failure(Phrase("The service {key} is not installed.", key=named.key))
        if reached(facts.state) or time.monotonic() > deadline:
            return facts
        time.sleep(_POLL_SECONDS)
