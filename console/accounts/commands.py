"""`mail-importer accounts`: the mailboxes and their state."""

import click

from console.invocation import example
from console.lazy_commands import LazyCommand, LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "add": LazyCommand("console.accounts.edit:add"),
        "disable": LazyCommand("console.accounts.switch:disable"),
        "enable": LazyCommand("console.accounts.switch:enable"),
        "export": LazyCommand("console.accounts.bulk:export"),
        "folders": LazyCommand("console.accounts.folders:folders"),
        "history": LazyCommand("console.accounts.history:show_history"),
        "import": LazyCommand("console.accounts.bulk:import_"),
        "list": LazyCommand("console.accounts.list:list_accounts"),
        "remove": LazyCommand("console.accounts.switch:remove"),
        "retry-actions": LazyCommand("console.accounts.switch:retry_actions"),
        "show": LazyCommand("console.accounts.list:show"),
        "test": LazyCommand("console.checks.command:test"),
        "update": LazyCommand("console.accounts.edit:update"),
    },
    epilog=example("mail-importer accounts list"),
)
def accounts() -> None:
    """Add, change, show, enable, disable and remove accounts.

    An account is a mailbox, and the application registration and certificate that open it.
    """
