"""The terminal of this process: its width, and colours by `--color`, NO_COLOR (https://no-color.org) and the stream."""

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import click

from console.translation import language
from phrases import Phrase

if TYPE_CHECKING:
    from rich.console import Console

COLOURS: Final = ("auto", "always", "never")
_VERBOSE: Final = "console.terminal.verbose"


def width() -> int | None:
    """Columns of the terminal that standard output goes to; None: it goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def choose_colour(context: click.Context, choice: str) -> None:
    """Colour the output of this invocation from here on: `always`, `never`, or `auto`: on a terminal."""
    # click takes it from the context of a command, which has it from the root's.
    context.find_root().color = {"always": True, "never": False}.get(
        choice, False if os.environ.get("NO_COLOR") else None
    )


def coloured(stream: IO[Any]) -> bool:
    """Return True if output to this stream is coloured."""
    context = click.get_current_context(silent=True)
    chosen = None if context is None else context.color
    return stream.isatty() and not os.environ.get("NO_COLOR") if chosen is None else chosen


def choose_verbose(context: click.Context) -> None:
    """Show the logs of this invocation on standard error."""
    context.find_root().meta[_VERBOSE] = True


def verbose() -> bool:
    """Return True if the user wants the logs of this invocation."""
    context = click.get_current_context(silent=True)
    return context is not None and _VERBOSE in context.find_root().meta


@contextmanager
def output_faults() -> Iterator[None]:
    """Report a fault of standard output, such as a full disk behind it, as what it is.

    Raises:
        click.ClickException: the output is not whole.
    """
    try:
        yield
    except OSError as exc:
        # click ends quietly where the reader of a pipe is gone.
        if exc.errno == errno.EPIPE or _takes_output():
            raise
        why = Phrase("The output cannot be written: {why}.", why=exc.strerror)
        raise click.ClickException(language.translated(why)) from exc


def _takes_output() -> bool:
    """Return False, and discard the rest of the output, if standard output takes nothing more, not even a line end."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        # The interpreter flushes it once more at its end, with a message of its own.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
        return False
    return True


def error_console() -> "Console":
    """Return the console for progress, on standard error."""
    from rich.console import Console  # noqa: PLC0415  # takes long to load, and few commands show progress

    return Console(stderr=True, no_color=not coloured(sys.stderr))
