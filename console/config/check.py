"""`config check`: the settings, as far as they can be tried without network."""

import click

from console.config.checks import problems
from console.invocation import example
from console.output import Report, prints_data
from console.settings import SettingsError
from console.settings_sources import Sources
from console.translation.help import Command
from phrases import Phrase


@click.command(cls=Command, epilog=example("mail-importer config check"))
@prints_data
def check() -> Report:
    """Check the settings, and all on this host that they name; connects to nothing.

    All problems are reported at once: unknown and wrong settings; a certificate store, TLS files or roots that cannot
    be used; a driver that is missing; a SQLite database in a folder without the right to write; an incomplete queue;
    targets of alerts that are no URLs; ports that are used twice. Exit status 1 when there is one.
    """
    try:
        found = [*problems(Sources().settings())]
    except SettingsError as exc:
        found = [*exc.problems]
    if not found:
        return Report([], [Phrase("The settings have no problem.")])
    count = Phrase.counted("{n} problem of the settings:", "{n} problems of the settings:", n=len(found))
    return Report([{"problem": each} for each in found], failure=Phrase.joined(count, *found, by="\n  "))
