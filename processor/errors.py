"""What the processor itself finds wrong with a delivery; trouble at Graph and in the database has types of its own."""


class Unprocessable(Exception):
    """No number of attempts will import this. `reason` is a fixed word for the dead letter."""

    def __init__(self, reason: str, description: str) -> None:
        super().__init__(description)
        self.reason = reason


class MessageChanged(Exception):
    """The message changed while it was being fetched; from the start again."""
