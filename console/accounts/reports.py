"""The report of what a command did to an account."""

from console.output import Report
from phrases import Phrase


def done(account_id: int, name: str, action: str, sentence: Phrase, **facts: object) -> Report:
    """The account, and the action in one word and in a sentence."""
    return Report({"account_id": account_id, "name": name, "action": action, **facts}, [sentence])
