"""Display labels for the codes in the database and in JSON."""

from collections.abc import Mapping
from typing import Final

from phrases import Phrase

_WORDS: Final[Mapping[str, Phrase]] = {
    # State of the action in a mailbox after an import.
    "pending": Phrase("pending"),
    "failed": Phrase("failed"),
    "done": Phrase("done"),
    "gone": Phrase("gone"),
    # State of a subscription.
    "active": Phrase("active"),
    # Weight of a difference of the schema.
    "blocks": Phrase("blocks"),
    "missing": Phrase("missing"),
    "differs": Phrase("differs"),
    "accepted": Phrase("accepted"),
    "advice": Phrase("advice"),
    # Result of a check.
    "ok": Phrase("ok"),
    "wrong": Phrase("wrong"),
    "unknown": Phrase("unknown"),
    # State of a message of the queue.
    "dead": Phrase("dead"),
    "in work": Phrase("in work"),
    "waiting": Phrase("waiting"),
    "scheduled": Phrase("scheduled"),
    # State or outcome of a message of the mailbox.
    "moved": Phrase("moved"),
    "deleted": Phrase("deleted"),
    "copy": Phrase("copy"),
    "scanning": Phrase("waits"),
    # Severity of a problem.
    "warning": Phrase("warning"),
    "error": Phrase("error"),
    # Source of a condition of an account.
    "row": Phrase("row"),
    "receiver": Phrase("receiver"),
    "processor": Phrase("processor"),
    "subscriptions": Phrase("subscriptions"),
    "sweep": Phrase("sweep"),
    "notifications": Phrase("notifications"),
    "certificate": Phrase("certificate"),
    "afterimport": Phrase("after import"),
}


def word(code: str) -> Phrase:
    """The word for a code; the code itself where it has none."""
    return _WORDS.get(code) or Phrase.verbatim(code)
