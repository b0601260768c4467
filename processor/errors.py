"""What the processor itself finds wrong with a delivery; trouble at Graph and in the database has types of its own."""

from graph.errors import AccountError
from phrases import Phrase


class Unprocessable(Exception):
    """No number of attempts will import this. `reason` is a fixed word for the dead letter."""

    def __init__(self, reason: str, description: Phrase) -> None:
        super().__init__(description)
        self.reason = reason


class MessageChanged(Exception):
    """The message changed while it was being fetched; from the start again."""


class AccountUnusable(AccountError):
    """The row of the account holds what cannot be used; its mail waits until an administrator corrects it."""


class FiltersInvalid(AccountError):
    """The filters of the account make no sense; its mail waits until an administrator mends them."""
