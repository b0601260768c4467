"""The bars of `console.progress`, drawn by rich."""

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

from console.progress import OnProgress
from console.terminal import error_console
from console.translation.language import translated
from phrases import Phrase


@contextmanager
def counting() -> Iterator[OnProgress]:
    """See `console.progress.counting`."""
    with _bar(SpinnerColumn(), TextColumn("{task.description}")) as bar:
        task = bar.add_task(translated(Phrase("Beginning")), total=None)
        yield lambda activity, done: bar.update(task, description=translated(_so_far(activity, done)))


@contextmanager
def counting_of(activity: Phrase) -> Iterator[Callable[[int, int], None]]:
    """See `console.progress.counting_of`."""
    with _bar(TextColumn(translated(activity)), BarColumn(), MofNCompleteColumn()) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _bar(*columns: ProgressColumn) -> Progress:
    console = error_console()
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal)


def _so_far(activity: Phrase, done: int) -> Phrase:
    return Phrase.counted("{activity}: {n} message", "{activity}: {n} messages", n=done, activity=activity)
