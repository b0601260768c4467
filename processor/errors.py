"""Errors that the processor itself finds in a delivery; those of Graph and of the database have types of their own."""

from datetime import timedelta

from graph.errors import AccountError
from phrases import Phrase


class Unprocessable(Exception):
    """No number of attempts will import this. `reason` is a fixed word for the dead letter."""

    def __init__(self, reason: str, description: Phrase) -> None:
        super().__init__(description)
        self.reason = reason


class RemovedAccount(Unprocessable):
    """The account was removed: nothing of it is imported, and nothing is kept for an operator."""

    def __init__(self, account_id: int) -> None:
        text = Phrase("Account {account_id} was removed; its mail is not imported.", account_id=account_id)
        super().__init__("AccountRemoved", text)


class MessageChanged(Exception):
    """The message changed while it was being fetched, or is not all there yet; fetch it from the start again."""


class AccountUnusable(AccountError):
    """The account's row holds values that cannot be used; its mail waits until an administrator corrects it."""


class ScanInProgress(Exception):
    """Defender still scans attachments of the message: placeholders replace them. Fetch again after `delay`."""

    def __init__(self, description: Phrase, delay: timedelta) -> None:
        super().__init__(description)
        self.delay = delay


class FiltersInvalid(AccountError):
    """The filters of the account make no sense; its mail waits until an administrator corrects them."""
