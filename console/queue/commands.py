"""`mail-importer queue`: operation of the queue."""

import click

from console.invocation import example
from console.lazy_commands import LazyCommand, LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "audit": LazyCommand("console.queue.list:list_audit"),
        "check": LazyCommand("console.queue.check:check"),
        "list": LazyCommand("console.queue.list:list_messages"),
        "purge": LazyCommand("console.queue.bulk:purge"),
        "replay": LazyCommand("console.queue.bulk:replay"),
        "status": LazyCommand("console.queue.status:status"),
    },
    epilog=example("mail-importer queue status"),
)
def queue() -> None:
    """Inspect the queue and replay dead letters.

    A dead letter is a notification that could not be processed and was set aside with its reason.
    """
