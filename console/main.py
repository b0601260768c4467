"""The command `mail-importer`: the list of its commands, and the handling of their errors.

A command's module is loaded when the command is called, so that help appears at once, and a role starts without the
imports of other commands. Commands read the settings themselves: help works when they are wrong.
"""

import gc
import os
import sys
from collections.abc import Mapping
from gettext import gettext
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from console import terminal
from console.expected_errors import is_expected
from console.lazy_commands import LazyCommand, LazyGroup
from console.translation import language
from operatingsystem import use_utf8
from phrases import Phrase

COMMANDS: Final[Mapping[str, LazyCommand]] = {
    "demo": LazyCommand("console.demo.commands:demo", "Show the whole pipeline at work on this machine."),
    "run": LazyCommand("console.run:run", "Run all roles, or one of them, until stopped."),
    "service": LazyCommand("console.service.commands:service", "Install and control the Windows service."),
    "config": LazyCommand("console.config.commands:config", "Show and check the settings, and write a file of them."),
    "db": LazyCommand("console.db.commands:db", "Bring the schema of the gateway database up to date."),
    "status": LazyCommand("console.status.commands:status", "Show the state of the whole installation."),
    "accounts": LazyCommand(
        "console.accounts.commands:accounts", "Add, change, show, enable, disable and remove accounts."
    ),
    "rules": LazyCommand("console.rules.commands:rules_group", "Add, change, test and apply import rules."),
    "delivery": LazyCommand(
        "console.delivery.commands:delivery", "List the files that rules save, and retry what failed."
    ),
    "subscriptions": LazyCommand(
        "console.subscriptions.commands:subscriptions", "Compare Graph's subscriptions with the database's."
    ),
    "verify": LazyCommand("console.messages.verify:verify", "Compare a mailbox's folder with the database."),
    "import": LazyCommand("console.messages.import_:import_", "Fetch now what a mailbox has and the database lacks."),
    "export": LazyCommand("console.messages.export:export", "Write a message to a file: its original, or as JSON."),
    "messages": LazyCommand("console.messages.list:messages", "List messages, by sender, subject, state and more."),
    "trace": LazyCommand("console.messages.trace:trace", "Locate an e-mail: every step of it."),
    "certificates": LazyCommand("console.certificates.commands:certificates", "Show and create certificates."),
    "console": LazyCommand("console.users.commands:console", "Manage users of the web console, and open it."),
    "alerts": LazyCommand("console.alerts.commands:alerts", "Show and test the targets of alerts."),
    "queue": LazyCommand("console.queue.commands:queue", "Inspect the queue and replay dead letters."),
    "completion": LazyCommand("console.completion:completion", "Complete commands and account names in a shell."),
    "simulator": LazyCommand("console.demo.simulator:simulator", "Simulate Microsoft Graph, to try things."),
}


class MainGroup(LazyGroup):
    """The root, which lists its commands without loading them; expected errors end as one sentence, not a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # the signature is click's
        """The names, in the order of the table."""
        return list(self.lazy)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # the signature is click's
        """List the commands without loading them."""
        with formatter.section(gettext("Commands")):
            formatter.write_dl([(name, language.translated_help(entry.summary)) for name, entry in self.lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands without loading them."""
        names = [
            CompletionItem(name, help=language.translated_help(entry.summary))
            for name, entry in self.lazy.items()
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, in the language of the environment: errors and requests for help may precede `--language`."""
        language.choose(ctx, language.of_environment(os.environ))
        terminal.choose_colour(ctx, "auto")
        with terminal.output_faults():  # help and version are written here
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's own
        """Run the command; expected errors end with exit status 1 and their reason."""
        try:
            with terminal.output_faults():
                return super().invoke(ctx)
        except Exception as exc:
            if is_expected(exc):
                raise click.ClickException(language.reason_of(exc)) from exc
            raise


def _speak(context: click.Context, _parameter: click.Parameter, given: str | None) -> None:
    if given is not None:
        language.choose(context, given)


def _colour(context: click.Context, _parameter: click.Parameter, choice: str | None) -> None:
    if choice is not None:
        terminal.choose_colour(context, choice)


def _verbose(context: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given:
        terminal.choose_verbose(context)


_EPILOG: Final = Phrase.joined(
    language.block(
        Phrase(
            "Exit status: 0 done; 1 the work failed, the reason is on standard error;\n             2 wrong usage or "
            "wrong settings."
        ),
        Phrase(
            "Settings:    variables MAIL_IMPORTER_…, then the TOML file that\n             MAIL_IMPORTER_CONFIG "
            "names, else ./mail-importer.toml."
        ),
    ),
    language.block(Phrase("Example:"), Phrase.verbatim("  mail-importer demo")),
    by="\n\n",
)


@click.group(
    cls=MainGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
@click.version_option(package_name="mail-importer", prog_name="mail-importer")
@click.option(
    "--language",
    type=click.Choice(language.LANGUAGES),
    envvar=language.VARIABLE,
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    callback=_speak,
    help="Language of the output (default: from the locale).",
)
@click.option(
    "--color",
    type=click.Choice(terminal.COLOURS),
    is_eager=True,
    expose_value=False,
    callback=_colour,
    help="Colour the output (default: on a terminal, unless NO_COLOR is set).",
)
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_verbose,
    help="Print the logs of the command on standard error.",
)
def cli() -> None:
    """Import the e-mail of Exchange Online mailboxes into the gateway database.

    It is imported as it arrives: Microsoft Graph notifies the receiver, the queue keeps the notification, the processor
    fetches the message.
    """


def _open_missing_streams() -> None:
    """Have nothing in and out of streams that the caller closed (`<&-`, `>&-`): otherwise each use would fail.

    Nor does a file that is opened later become standard output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # until the process ends


def _escape_what_is_missing() -> None:
    """Escape the characters that the encoding of standard output lacks: names and subjects have any."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run `mail-importer` with the arguments of this process."""
    _open_missing_streams()
    use_utf8((sys.stdout, sys.stderr))
    _escape_what_is_missing()
    try:
        cli.main(prog_name="mail-importer")
    finally:
        gc.freeze()  # the interpreter would go through all modules once more before it ends
