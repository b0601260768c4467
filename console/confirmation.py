"""The confirmation of what cannot be undone."""

import sys
from typing import Final

import click

from console.output import tell, wrong_usage
from console.translation.language import translated
from phrases import Phrase

_YES: Final = frozenset({"y", "yes", "o", "oui"})
_NO: Final = frozenset({"", "n", "no", "non"})
"""Answers in each language, since an operator may have several."""


def confirm(question: Phrase, *, yes: bool) -> None:
    """Prompt at the terminal, unless `yes`.

    Raises:
        click.Abort: the answer is no (exit status 1).
        click.UsageError: there is no terminal to answer at (exit status 2).
    """
    if yes:
        return
    try:
        agreed = _asked(translated(Phrase("{question} [y/N]", question=question)))
    except click.Abort as exc:
        if sys.stdin.isatty():
            raise  # Ctrl-C
        click.echo(err=True)  # below the prompt
        raise wrong_usage(Phrase("This needs a confirmation, and there is no terminal: add --yes.")) from exc
    if not agreed:
        raise click.Abort


def _asked(text: str) -> bool:
    while True:
        answer = click.prompt(text, default="", show_default=False, prompt_suffix=" ", err=True).strip().lower()
        if answer in _YES or answer in _NO:
            return answer in _YES
        tell(Phrase("Answer y or n."))
