"""Errors of sending alerts."""

from collections.abc import Sequence

from phrases import Phrase


class AlertError(Exception):
    """The root of the errors here; its text is for an operator."""


class SendFailed(AlertError):
    """The alert was not sent. The text is the reason, in English and without secrets."""


class UnusableTargets(AlertError):
    """Some URLs of targets are not understood.

    Attributes:
        numbers: their places among all, from 1.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__(
            Phrase.counted(
                "target {numbers} is no URL that Apprise understands",
                "targets {numbers} are no URLs that Apprise understands",
                n=len(numbers),
                numbers=", ".join(map(str, numbers)),
            )
        )
        self.numbers = tuple(numbers)
