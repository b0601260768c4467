"""The confirmation of what cannot be undone."""

import sys

import click

from console.output import wrong_usage
from console.translation.language import translated
from phrases import Phrase


def confirm(question: Phrase, *, yes: bool) -> None:
    """Prompt at the terminal, unless `yes`.

    Raises:
        click.Abort: the answer is no (exit status 1).
        click.UsageError: there is no terminal to answer at (exit status 2).
    """
    if yes:
        return
    try:
        agreed = click.confirm(translated(question), err=True)
    except click.Abort as exc:
        if sys.stdin is not None and sys.stdin.isatty():
            raise  # Ctrl-C
        click.echo(err=True)  # below the prompt
        raise wrong_usage(Phrase("This needs a confirmation, and there is no terminal: add --yes.")) from exc
    if not agreed:
        raise click.Abort
