"""The features by which copies of an e-mail are recognised, and their digests; `db.queries.duplicates` has the rule."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from db.outcomes import ContentState
from longtext import LongText

# A non-text is for the database to refuse. `json.dumps` would make an encoder for each call.
_ENCODE: Final = json.JSONEncoder(default=repr).encode


@dataclass(frozen=True, slots=True)
class Part:
    """Compared features of an attachment. `digest`: of its bytes, or of a link's target; None: they are not stored."""

    name: str | None
    size: int
    digest: str | None


def message_digest(
    *,
    internet_message_id: str | None,
    sent: datetime | None,
    senders: tuple[str | None, str | None],
    subject: str | None,
    body: str | LongText | None,
) -> str:
    """SHA-256 (hexadecimal) of a message without its attachments. `senders`: the addresses of `from` and `sender`."""
    moment = None if sent is None else sent.astimezone(UTC).isoformat()
    if isinstance(body, LongText):
        of_body: str | None = body.facts.sha256
    else:
        of_body = None if body is None else hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
    return _digest(internet_message_id, moment, *senders, subject, of_body)


def content_digest(of_message: str, parts: Iterable[Part]) -> str | None:
    """SHA-256 of a message with its attachments, in any order; None: the content of one of them is not known."""
    compared = [(part.name, part.size, part.digest) for part in parts]
    if any(digest is None for _, _, digest in compared):
        return None
    return _digest(of_message, *sorted(_digest(*each) for each in compared))


def part_digest(*, kind: str, state: str, sha256: str | None, link: str | None) -> str | None:
    """The `digest` of a Part: that of its bytes, or of its target."""
    if state == ContentState.LINKED:
        return _digest(kind, link)
    return sha256 if state == ContentState.STORED else None


def _digest(*facts: str | int | None) -> str:
    return hashlib.sha256(_ENCODE(facts).encode()).hexdigest()


@dataclass(frozen=True)
class DuplicateKey:
    """The features that distinguish a message from all but its copies. `content`: its `content_digest`."""

    account_id: int
    internet_message_id: str | None
    received: datetime | None
    content: str | None

    @property
    def are_telling(self) -> bool:
        """True if there can be a copy: not where the internet message id, the time or the content is unknown."""
        return bool(self.internet_message_id) and self.received is not None and self.content is not None

    @cached_property
    def identity(self) -> str:
        """The features as one text of 64 characters."""
        received = None if self.received is None else self.received.astimezone(UTC).isoformat()
        return _digest(received, self.content, self.internet_message_id)
