"""The check of a service before it is installed: its own program, with its own variables, reads the settings."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from console.settings import SettingsError
from console.settings_sources import load_settings

_SECONDS: Final = 120
_WRONG_SETTINGS: Final = 2


@dataclass(frozen=True, slots=True)
class Checked:
    """The result. `problem`: the reason why the service would not run; `is_settings`: they are the reason."""

    prefix: str | None
    log_file: str | None
    problem: str | None = None
    is_settings: bool = False


def print_checked(_role: str) -> int:
    """Print the facts of this process as JSON; return the exit status, 2 for wrong settings."""
    try:
        settings = load_settings()
    except SettingsError as exc:
        click.echo(exc.message, err=True)
        return _WRONG_SETTINGS
    log_file = None if settings.log_file is None else str(settings.log_file.absolute())
    click.echo(json.dumps({"prefix": sys.prefix, "log_file": log_file}))
    return 0


def check(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Checked:
    """Run the program of a service with `--check`."""
    try:
        result = subprocess.run(  # noqa: S603  # the interpreter of this process, or its base
            [*command, "--check"],
            cwd=folder,
            env={**os.environ, **environment, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return Checked(None, None, str(exc))
    if result.returncode == _WRONG_SETTINGS:
        return Checked(None, None, result.stderr.strip(), is_settings=True)
    try:
        facts = json.loads(result.stdout)
        return Checked(str(facts["prefix"]), facts["log_file"])
    except (ValueError, KeyError, TypeError):
        last = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        return Checked(None, None, last)
