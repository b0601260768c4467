"""The view of a test on a terminal of 80 columns: a line per check as it ends, and below it the details."""

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import click

from console import terminal
from console.checks.runner import Check, Result, Step, count
from console.output import json_is_printed, printable
from console.terminal import error_console
from console.translation.language import translated
from phrases import Phrase

_WIDEST: Final = 100
_MARK_WIDTH: Final = 10
_INDENT: Final = " " * (_MARK_WIDTH + 2)
MARKS: Final = {
    Result.PASSED: (Phrase("passed"), "green"),
    Result.WARNED: (Phrase("warning"), "yellow"),
    Result.FAILED: (Phrase("FAILED"), "red"),
    Result.NOT_TRIED: (Phrase("not tried"), None),
    Result.NOT_NEEDED: (Phrase("not needed"), None),
}
"""The word and the colour of each result."""


def begun(check: Check) -> AbstractContextManager[object]:
    """Show the running check on standard error; nothing unless it and standard output are terminals."""
    console = error_console()
    return console.status(translated(check.title)) if console.is_terminal and terminal.width() else nullcontext()


def ended(step: Step) -> None:
    """Print a finished check, in one line."""
    click.echo(_line(step, terminal.width()), err=json_is_printed())


def failures(steps: Sequence[Step]) -> None:
    """Print what did not pass, with causes and remedies; the failures last."""
    for result in (Result.WARNED, Result.FAILED):
        for step in steps:
            if step.finding.result is result:
                lines = _details(step, min(terminal.width() or _WIDEST, _WIDEST))
                click.echo("\n" + "\n".join(lines), err=json_is_printed())


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


def _line(step: Step, width: int | None) -> str:
    finding = step.finding
    tried = finding.result not in {Result.NOT_TRIED, Result.NOT_NEEDED}
    seconds = f"  {step.seconds:.1f} s" if tried else ""
    title, text = printable(translated(step.title)), printable(translated(_named(step)))
    if width is not None:
        room = max(width - _MARK_WIDTH - 2 - len(seconds), len(title))
        text = f"{text[: room - 1]}…" if len(text) > room else f"{text:<{room}}"
    dimmed = click.style(text[len(title) :], dim=True) if finding.found else text[len(title) :]
    return f"{_mark(finding.result)}  {text[: len(title)]}{dimmed}{seconds}".rstrip()


def _named(step: Step) -> Phrase:
    found = step.finding.found
    return Phrase("{heading}: {text}", heading=step.title, text=found) if found else step.title


def _mark(result: Result) -> str:
    word, colour = MARKS[result]
    return click.style(f"{printable(translated(word)):<{_MARK_WIDTH}}", fg=colour, bold=result is Result.FAILED)


def _details(step: Step, width: int) -> list[str]:
    finding = step.finding
    lines = [f"{_mark(finding.result)}  {printable(translated(step.title))}"]
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
