"""Words that stand for themselves in the database and in JSON, as a person reads them in a table."""

from collections.abc import Mapping
from typing import Final

from phrases import Phrase

_WORDS: Final[Mapping[str, Phrase]] = {
    # What is to be done in a mailbox after an import.
    "pending": Phrase("pending"),
    "failed": Phrase("failed"),
    "done": Phrase("done"),
    "gone": Phrase("gone"),
    # Where a subscription is.
    "active": Phrase("active"),
    # How much a difference of the schema matters.
    "blocks": Phrase("blocks"),
    "missing": Phrase("missing"),
    "differs": Phrase("differs"),
    "accepted": Phrase("accepted"),
    "advice": Phrase("advice"),
    # What a check found.
    "ok": Phrase("ok"),
    "wrong": Phrase("wrong"),
    "unknown": Phrase("unknown"),
    # Where a message of the queue is.
    "dead": Phrase("dead"),
    "in work": Phrase("in work"),
    "waiting": Phrase("waiting"),
    "scheduled": Phrase("scheduled"),
    # Where a message of the mailbox is, or what became of it.
    "moved": Phrase("moved"),
    "deleted": Phrase("deleted"),
    "copy": Phrase("copy"),
    "scanning": Phrase("waits"),
    # Who writes why an account has trouble.
    "row": Phrase("row"),
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
