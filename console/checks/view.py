"""The view of a test on a terminal of 80 columns: a line per check as it ends, and below it the details."""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import click
from rich.console import Console

from console.checks.runner import Check, Result, Step, count
from console.output import printable
from console.translation.language import translated
from phrases import Phrase

_WIDEST: Final = 100
_MARK_WIDTH: Final = 10
_INDENT: Final = " " * (_MARK_WIDTH + 2)
_MARKS: Final = {
    Result.PASSED: (Phrase("passed"), "green"),
    Result.WARNED: (Phrase("warning"), "yellow"),
    Result.FAILED: (Phrase("FAILED"), "red"),
    Result.NOT_TRIED: (Phrase("not tried"), None),
    Result.NOT_NEEDED: (Phrase("not needed"), None),
}


def begun(check: Check) -> AbstractContextManager[object]:
    """Show the running check on standard error; nothing unless it and standard output are terminals."""
    console = Console(stderr=True)
    return console.status(translated(check.title)) if console.is_terminal and sys.stdout.isatty() else nullcontext()


def ended(step: Step) -> None:
    """Print a finished check."""
    click.echo("\n".join(_lines(step, min(shutil.get_terminal_size().columns, _WIDEST))))


def summary(steps: Sequence[Step]) -> Phrase:
    """Summarise the result in one sentence."""
    return Phrase(
        "{all} checks: {passed} passed, {warned} with a warning, {failed} failed, {rest} not tried or not needed.",
        all=len(steps),
        passed=count(steps, Result.PASSED),
        warned=count(steps, Result.WARNED),
        failed=count(steps, Result.FAILED),
        rest=count(steps, Result.NOT_TRIED) + count(steps, Result.NOT_NEEDED),
    )


def _lines(step: Step, width: int) -> list[str]:
    finding = step.finding
    word, colour = _MARKS[finding.result]
    tried = finding.result not in {Result.NOT_TRIED, Result.NOT_NEEDED}
    seconds = f"{step.seconds:6.1f} s" if tried else ""
    title = printable(translated(step.title))
    mark = click.style(f"{printable(translated(word)):<{_MARK_WIDTH}}", fg=colour, bold=finding.result is Result.FAILED)
    room = max(width - _MARK_WIDTH - 2 - len(seconds), len(title))
    lines = [f"{mark}  {title:<{room}}{seconds}".rstrip()]
    lines += _wrapped(finding.found, width, dim=True)
    lines += _wrapped(finding.cause, width)
    if finding.remedy:
        lines += _wrapped(Phrase("What to do: {cure}", cure=finding.remedy), width)
    return lines


def _wrapped(text: Phrase, width: int, *, dim: bool = False) -> list[str]:
    if not text:
        return []
    lines = textwrap.wrap(
        printable(translated(text)),
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
    )
    return [click.style(line, dim=True) for line in lines] if dim else lines
