"""`mail-importer status`: one screen for the whole installation."""

import json
import sys
import time
from contextlib import suppress
from typing import Final

import click

from console import terminal
from console.installation import overview_of
from console.invocation import Invocation, example, pass_invocation
from console.output import as_json, failure, printable, wrong_usage
from console.status.view import nagios_line, nagios_status, screen
from console.translation.help import Command
from console.translation.language import translated
from monitoring.overview import Overview, Verdict
from phrases import Phrase

_REFRESH_SECONDS: Final = 5.0


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer status", "mail-importer status --check", "mail-importer status --check --format nagios"
    ),
)
@click.option("--check", is_flag=True, help="Exit with status 1 when something needs a person.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["screen", "nagios"]),
    default="screen",
    help="nagios: one line with performance data, and the exit status of a plugin: 0, 1 warning, 2 critical.",
)
@click.option("--watch", is_flag=True, help="Refresh every five seconds, until Ctrl+C.")
@click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
@pass_invocation
def status(invocation: Invocation, *, check: bool, form: str, watch: bool, in_json: bool) -> None:
    """Show the state of the whole installation: problems and their remedies, roles, queue, accounts in trouble.

    It works from any host that reaches the gateway database, also while no role is alive. The receiver in front of
    Service Bus, which has no database, is not among the roles: its own metrics show it.
    """
    if sum((form != "screen", watch, in_json)) > 1:
        raise wrong_usage(Phrase("Choose one of --format nagios, --watch and --json."))
    if form == "nagios":
        overview = overview_of(invocation)
        click.echo(" ".join(printable(translated(nagios_line(overview))).split()))
        sys.exit(nagios_status(overview))
    if watch:
        _watch(invocation)
        return
    overview = overview_of(invocation)
    if in_json:
        click.echo(json.dumps(overview.data(), indent=2, default=as_json))
    else:
        _print(overview)
    if check and overview.verdict is not Verdict.OK:
        raise failure(
            Phrase.counted("{n} problem needs a person.", "{n} problems need a person.", n=len(overview.problems))
        )


def _watch(invocation: Invocation) -> None:
    if terminal.width() is None:
        raise wrong_usage(Phrase("--watch needs a terminal; elsewhere, call the command again and again."))
    with suppress(KeyboardInterrupt):  # the way to end it
        while True:
            overview = overview_of(invocation)
            click.clear()
            _print(overview)
            time.sleep(_REFRESH_SECONDS)


def _print(overview: Overview) -> None:
    for place, part in enumerate(screen(overview)):
        if place:
            click.echo()
        part.print()
