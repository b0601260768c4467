"""The progress of a command, at a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from console.terminal import error_console
from console.translation.language import translated
from phrases import Phrase

OnProgress = Callable[[Phrase, int], None]
"""Called with the activity, and the number of messages done."""


@contextmanager
def counting() -> Iterator[OnProgress]:
    """Show the activity on standard error meanwhile; nothing where that is no terminal."""
    with _bar(SpinnerColumn(), TextColumn("{task.description}")) as bar:
        task = bar.add_task(translated(Phrase("Beginning")), total=None)
        yield lambda activity, done: bar.update(task, description=translated(_so_far(activity, done)))


@contextmanager
def counting_of(activity: Phrase) -> Iterator[Callable[[int, int], None]]:
    """As `counting`, for one activity on a known number of messages: called with those done, and their number."""
    with _bar(TextColumn(translated(activity)), BarColumn(), MofNCompleteColumn()) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _bar(*columns: ProgressColumn) -> Progress:
    console = error_console()
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal)


def _so_far(activity: Phrase, done: int) -> Phrase:
    return Phrase.counted("{activity}: {n} message", "{activity}: {n} messages", n=done, activity=activity)
