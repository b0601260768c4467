"""`mail-importer config`: show the settings with their sources, check them, write a file to begin with."""

from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from console.config.template import template
from console.files import written
from console.invocation import example
from console.lazy_commands import LazyCommand, LazyGroup
from console.output import Column, Listing, Report, prints_data, shown
from console.settings import Settings
from console.settings_sources import Sources, config_file
from phrases import Phrase


@click.group(
    cls=LazyGroup,
    lazy={"check": LazyCommand("console.config.check:check")},
    epilog=example("mail-importer config show"),
)
def config() -> None:
    """Show and check the settings, and write a file of them."""


@config.command(epilog=example("mail-importer config show", "mail-importer config show --json"))
@prints_data
def show() -> Listing:
    """Show each setting, its value and its source.

    The source is a variable of the environment, a file of secrets, a line of the settings file, or the default. Of a
    secret only that it is set is shown.
    """
    sources = Sources()
    return settings_listing(sources.settings(), sources)


def settings_listing(settings: Settings, sources: Sources) -> Listing:
    """The settings, a row each, with the sources of their values."""
    columns = [
        Column("setting", Phrase("Setting"), whole=True, priority=2),
        Column("value", Phrase("Value"), _value, priority=1),
        Column("from", Phrase("From")),
    ]
    return Listing(columns, [_row(settings, sources, name) for name in Settings.model_fields], empty=Phrase(""))


def _row(settings: Settings, sources: Sources, name: str) -> dict[str, Any]:
    origin = sources.origin(name)
    return {
        "setting": name,
        "value": settings.shown(name),
        "secret": isinstance(getattr(settings, name), SecretStr),
        "source": origin.kind,
        "variable": origin.variable,
        "file": origin.file,
        "line": origin.line,
        "from": origin.shown,
    }


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else shown(value)


@config.command(epilog=example("mail-importer config init", "mail-importer config init /etc/mail-importer.toml"))
@click.argument("path", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@prints_data
def init(path: Path | None, force: bool) -> Report:
    """Write a file of settings to begin with: each with its meaning and its default, as comments.

    PATH is the file that MAIL_IMPORTER_CONFIG names, else ./mail-importer.toml, if it is not given. It is readable for
    you alone, since it may hold secrets.
    """
    target = config_file() if path is None else path.absolute()
    with written(target, force=force) as file:
        file.write(template().encode())
    return Report({"file": target, "action": "written"}, [Phrase("The file {path} is written.", path=target)])
