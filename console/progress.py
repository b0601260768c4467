"""The progress of a command, at a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from console.translation.language import said
from phrases import Phrase

OnProgress = Callable[[Phrase, int], None]
"""Called with the activity, and the number of messages done."""


@contextmanager
def counting() -> Iterator[OnProgress]:
    """Show the activity on standard error meanwhile; nothing where that is no terminal."""
    console = Console(stderr=True)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(said(Phrase("Beginning")), total=None)
        yield lambda activity, done: bar.update(task, description=said(_so_far(activity, done)))


def _so_far(activity: Phrase, done: int) -> Phrase:
    return Phrase.counted("{activity}: {n} message", "{activity}: {n} messages", n=done, activity=activity)
