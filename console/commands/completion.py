"""`mail-importer completion`: the script that has a shell complete commands, options and account names."""

import click
from click.shell_completion import get_completion_class

from console.commands import Invocation, example
from console.settings import load_settings
from console.speaking import Command
from db import accounts
from db.engine import run_reading
from db.errors import DatabaseError
from graph.errors import GraphError

_NAME = "mail-importer"
_VARIABLE = "_MAIL_IMPORTER_COMPLETE"
"""As click makes it of the name."""
_SECONDS = 2
"""How long somebody who pressed the tabulator waits for a database."""


@click.command(
    cls=Command,
    epilog=example(
        'eval "$(mail-importer completion bash)"      # in ~/.bashrc',
        'eval "$(mail-importer completion zsh)"       # in ~/.zshrc',
        "mail-importer completion fish | source         # in ~/.config/fish/config.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that has a shell complete commands, options and account names.

    Account names come from the gateway database, if the settings of the shell lead to one.
    """
    script = get_completion_class(shell)
    if script is None:
        raise TypeError(f"click completes nothing in {shell}")
    click.echo(script(context.find_root().command, {}, _NAME, _VARIABLE).source(), nl=False)


def account_names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The accounts whose names begin so; none where they cannot be read: nobody asked for an error."""
    try:
        settings = load_settings().model_copy(update={"database_login_timeout": _SECONDS})
        with Invocation(settings).gateway() as engine:
            found = run_reading(engine, accounts.every)
    except (click.ClickException, DatabaseError, GraphError):
        return []
    return [each.settings.name for each in found if each.settings.name.startswith(incomplete)]
