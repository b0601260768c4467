"""`mail-importer completion`: the script that makes a shell complete commands, options and account names."""

import click
from click.shell_completion import get_completion_class

from console.invocation import example
from console.translation.help import Command

_NAME = "mail-importer"
_VARIABLE = "_MAIL_IMPORTER_COMPLETE"
"""Derived from the name by click."""


@click.command(
    cls=Command,
    epilog=example(
        'eval "$(mail-importer completion bash)"',
        'eval "$(mail-importer completion zsh)"',
        "mail-importer completion fish | source",
        "mail-importer completion powershell | Out-String | Invoke-Expression",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the shell script that completes commands, options and account names.

    Run it when the shell starts: by ~/.bashrc, ~/.zshrc, ~/.config/fish/config.fish, or the file that PowerShell names
    in $PROFILE. Account names are read from the gateway database, if the settings of the shell name one.
    """
    script = get_completion_class(shell)
    if script is None:
        raise TypeError(f"click completes nothing in {shell}")
    click.echo(script(context.find_root().command, {}, _NAME, _VARIABLE).source(), nl=False)
