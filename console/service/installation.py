"""Decisions about a service before Windows is asked: its account, its program, its variables."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from console.output import failure, wrong_value
from console.service.names import ServiceName
from console.service.preflight import check
from console.settings import PREFIX, SettingsError
from console.settings_sources import CONFIG_VARIABLE
from phrases import Phrase

_LAUNCHER: Final = "__PYVENV_LAUNCHER__"
"""By it Python's base interpreter knows the virtual environment, as venv's python.exe and `multiprocessing` set it."""
_SHARED: Final = frozenset({"networkservice", "localservice", "network service", "local service"})
_SYSTEM: Final = frozenset({"localsystem", "system"})
_LOCAL: Final = frozenset({".", "nt authority", "nt-autorität", "autorite nt", "autorité nt"})


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a service. `needs_password`: it is one of a person's kind, with a password of its own."""

    name: str
    needs_password: bool = False
    needs_right: bool = False
    """The right to log on as a service must be given; the virtual account has it."""


def account_of(given: str | None, service: ServiceName) -> Account:
    """The account for `--account`; None: the virtual account of the service.

    Raises:
        click.BadParameter: Windows would accept it, but it has too many rights, or shares them.
    """
    if given is None or given.casefold() == service.virtual_account.casefold():
        return Account(service.virtual_account)
    domain, _, name = given.rpartition("\\")
    bare = name.casefold()
    if bare in _SYSTEM and domain.casefold() in {"", *_LOCAL}:
        raise wrong_value(
            Phrase(
                "LocalSystem has every right on this host, which the importer does not need. Leave --account out for "
                "the account of the service alone, or name a group managed service account: DOMAIN\\NAME$."
            ),
            of="--account",
        )
    if bare in _SHARED and domain.casefold() in {"", *_LOCAL}:
        raise wrong_value(
            Phrase(
                "{account} is shared with other services, which could then read keys and settings. Leave --account out "
                "for the account of the service alone, or name a group managed service account: DOMAIN\\NAME$.",
                account=given,
            ),
            of="--account",
        )
    if domain.casefold() == "nt service":
        raise wrong_value(
            Phrase("The virtual account of this service is {account}.", account=service.virtual_account), of="--account"
        )
    if not domain and "@" not in given:
        raise wrong_value(
            Phrase("{account} has no domain. Forms: DOMAIN\\NAME$ (gMSA), DOMAIN\\NAME, .\\NAME.", account=given),
            of="--account",
        )
    return Account(given, needs_password=not given.endswith("$"), needs_right=True)


@dataclass(frozen=True, slots=True)
class Program:
    """The program of a service, which was tried. `log_file`: of its settings."""

    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: str | None


def environment_of(config: Path, log_file: Path | None, metrics_port: int | None) -> dict[str, str]:
    """The variables of a service. They stand in the registry, readable for all users: no secret is among them."""
    environment = {CONFIG_VARIABLE: str(config)}
    if log_file is not None:
        environment[f"{PREFIX}LOG_FILE"] = str(log_file)
    if metrics_port is not None:
        environment[f"{PREFIX}METRICS_PORT"] = str(metrics_port)
    return environment


def tried_program(service: ServiceName, environment: Mapping[str, str], folder: Path) -> Program:
    """The interpreter with its arguments, after it has read the settings as the service will.

    In a virtual environment it is the base interpreter, so that the process that Windows starts is the service: venv's
    python.exe starts another one, which Windows reports with a warning at each start (event 7039).

    Raises:
        SettingsError: the settings are wrong.
        click.ClickException: the program does not run.
    """
    problem: str | None = None
    for python, extra in _interpreters():
        command = [python, "-P", "-m", "console.service.host", service.role]
        variables = {**environment, **extra}
        checked = check(command, variables, folder)
        if checked.is_settings and checked.problem is not None:
            raise SettingsError(Phrase.verbatim(checked.problem.removeprefix("Error: ")))
        if checked.prefix is not None and Path(checked.prefix) == Path(sys.prefix):
            return Program(command, variables, checked.log_file)
        problem = checked.problem or checked.prefix
    raise failure(
        Phrase("The program of the service does not run: {why}. Install mail-importer anew.", why=problem or "–")
    )


def _interpreters() -> list[tuple[str, dict[str, str]]]:
    base: str = getattr(sys, "_base_executable", sys.executable)
    if base == sys.executable:
        return [(sys.executable, {})]
    return [(base, {_LAUNCHER: sys.executable}), (sys.executable, {})]


def require_shared_place(paths: Sequence[Path], home: Path) -> None:
    """Refuse programs in the profile of a user, which the account of a service cannot read.

    Raises:
        click.ClickException
    """
    for path in paths:
        if path.is_relative_to(home):
            raise failure(
                Phrase(
                    "{path} is in the profile of a user, where the account of a service has no rights. Install Python "
                    "for all users, and mail-importer below C:\\Program Files.",
                    path=path,
                )
            )
