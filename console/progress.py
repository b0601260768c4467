"""The progress of a command, at a terminal. What draws it is loaded when it is shown: it takes long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from phrases import Phrase

OnProgress = Callable[[Phrase, int], None]
"""Called with the activity, and the number of messages done."""


@contextmanager
def counting() -> Iterator[OnProgress]:
    """Show the activity on standard error meanwhile; nothing where that is no terminal."""
    from console import progress_bar  # noqa: PLC0415  # see above

    with progress_bar.counting() as show:
        yield show


@contextmanager
def counting_of(activity: Phrase) -> Iterator[Callable[[int, int], None]]:
    """As `counting`, for one activity on a known number of messages: called with those done, and their number."""
    from console import progress_bar  # noqa: PLC0415  # see above

    with progress_bar.counting_of(activity) as show:
        yield show
