"""Queue messages: a small JSON document with a version, that carries ids and never the content of a mail."""

import hashlib
import json
from binascii import b2a_base64
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from bus.queue import Message, MessageId
from phrases import Phrase

VERSION: Final = 1

_ID_END: Final = 16
"""The part of an Exchange id in which the messages of a mailbox differ, base64 of 12 bytes: a counter, and what it
counts in."""
_FORMER_ID_END: Final = 64
_LARGEST_ACCOUNT: Final = 2**63 - 1


class UnreadableNotification(Exception):
    """The document is no notification, or of a version unknown to this program. `reason` is a fixed word."""

    def __init__(self, reason: str, description: Phrase) -> None:
        super().__init__(description)
        self.reason = reason


class Source(StrEnum):
    """The origin of a notification."""

    GRAPH = "graph"
    """A webhook."""
    SWEEP = "sweep"
    """A sweep of the folder found the message, and its webhook was overdue."""
    CATCH_UP = "catch-up"
    """A pass through the folder found it where no webhook was expected."""
    OPERATOR = "operator"
    """An operator requested it."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A genuine change notification of one account, or its substitute.

    `change_type` is Graph's value, also when unknown to this program; `message_id` (the immutable id) is None when
    Graph sent none. The processor interprets both. `received`: the time it arrived, or the message was found.
    `traceparent`: of the trace that it began, as of the W3C; None: telemetry is off.
    """

    account_id: int
    subscription_id: str | None
    change_type: str | None
    message_id: str | None
    etag: str | None
    received: datetime
    correlation: str
    lifecycle_event: str | None = None
    source: Source = Source.GRAPH
    traceparent: str | None = None

    @classmethod
    def of_found(
        cls, account_id: int, message_id: str, *, source: Source, found: datetime, correlation: str
    ) -> "Notification":
        """Return the substitute for a webhook: the message was found in its folder."""
        return cls(
            account_id=account_id,
            subscription_id=None,
            change_type="created",
            message_id=message_id,
            etag=None,
            received=found,
            correlation=correlation,
            source=source,
        )

    def to_message(self) -> Message:
        """Return the message to put. The same notification, delivered again by Graph, gives the same message id.

        The id begins with the end of Graph's: where the ids of mail that arrives together differ there in a counter
        only, their keys are adjacent in an index instead of dirtying a page each. Exchange making them so is
        unconfirmed (Graph calls ids opaque): speed depends on it, nothing else; bench/receiver.py measures both. Ids
        are short because those of many mailboxes are scattered: the more keys fit on a page, the fewer pages are
        written.
        """
        # Without a message id two of them cannot be distinguished: a repeated lifecycle event may be intended.
        what = self.message_id if self.message_id is not None else self.correlation
        facts = f"{self.account_id}\0{self.change_type}\0{self.lifecycle_event}\0{what}\0{self.etag}"
        if self.source is not Source.GRAPH:
            facts += f"\0{self.source}"
            # Found or requested again, it is queued again: a duplicate would be dropped while the delta link moves on,
            # by Service Bus silently. An imported message costs one lookup.
            facts += f"\0{self.correlation}"
        digest = hashlib.blake2b(facts.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        encoded = b2a_base64(digest, newline=False).decode("ascii")
        return Message(
            MessageId(_id_prefix(self.account_id, what, _ID_END) + encoded), self._to_json(), self.account_id
        )

    def _to_json(self) -> str:
        # Written directly, in half the time of an encoder: this is the receiver's hot path.
        traceparent = "" if self.traceparent is None else f',"traceparent":{encode_basestring_ascii(self.traceparent)}'
        return (
            f'{{"version":{VERSION},"account":{self.account_id},"subscription":{_json(self.subscription_id)},'
            f'"changeType":{_json(self.change_type)},"lifecycleEvent":{_json(self.lifecycle_event)},'
            f'"message":{_json(self.message_id)},"etag":{_json(self.etag)},"received":"{_iso(self.received)}",'
            f'"correlation":{encode_basestring_ascii(self.correlation)},"source":"{self.source}"{traceparent}}}'
        )

    @classmethod
    def from_json(cls, body: str) -> "Notification":
        """Parse a document of `to_message`. Unknown properties are accepted: a newer program may add some.

        Every value is valid in a query: one that a database rejects would end the processor, again at every start.

        Raises:
            UnreadableNotification: reason `NotJson`, `UnknownVersion` or `Incomplete`.
        """
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise UnreadableNotification("NotJson", Phrase("The queue message is not JSON: {why}.", why=exc)) from exc
        version = document.get("version") if isinstance(document, dict) else None
        if version != VERSION:
            raise UnreadableNotification(
                "UnknownVersion",
                Phrase(
                    "The queue message has version {version!r}; this program reads version {known}. Run the version "
                    "that wrote it, then replay.",
                    version=version,
                    known=VERSION,
                ),
            )
        try:
            return cls(
                account_id=_account_id(document),
                subscription_id=_optional_text(document, "subscription"),
                change_type=_optional_text(document, "changeType"),
                message_id=_optional_text(document, "message"),
                etag=_optional_text(document, "etag"),
                received=_aware_time(document, "received"),
                correlation=_typed(document, "correlation", str),
                lifecycle_event=_optional_text(document, "lifecycleEvent"),
                source=Source(document.get("source", Source.GRAPH)),
                traceparent=_optional_text(document, "traceparent"),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise UnreadableNotification(
                "Incomplete", Phrase("The queue message lacks or garbles a property: {why}.", why=exc)
            ) from exc


def id_prefixes(account_id: int, message_id: str) -> tuple[str, ...]:
    """The begins of the ids of all queue messages of that message, also of former versions; a full stop ends each.

    Those of other messages of the account may begin so, too, if their Graph ids end alike.
    """
    return tuple(_id_prefix(account_id, message_id, length) for length in (_ID_END, _FORMER_ID_END))


def _id_prefix(account_id: int, what: str, length: int) -> str:
    neighbourhood = what[-length:] if what.isascii() and what.isprintable() else ""
    return f"{account_id}.{neighbourhood}."


def _json(text: str | None) -> str:
    return "null" if text is None else encode_basestring_ascii(text)


@lru_cache(maxsize=16)
def _iso(moment: datetime) -> str:
    """All items of a request, and of a page, have the same time."""
    return moment.isoformat()


def _account_id(document: dict[str, Any]) -> int:
    account_id: int = _typed(document, "account", int)
    if not 0 < account_id <= _LARGEST_ACCOUNT:
        raise ValueError("account is no number of an account")
    return account_id


def _aware_time(document: dict[str, Any], key: str) -> datetime:
    moment = datetime.fromisoformat(_typed(document, key, str))
    if moment.tzinfo is None:
        raise ValueError(f"{key} has no time zone")
    return moment


def _typed(document: dict[str, Any], key: str, kind: type[Any]) -> Any:  # noqa: ANN401  # the requested kind
    value = document[key]
    if not isinstance(value, kind):
        raise TypeError(f"{key} is {type(value).__name__}, not {kind.__name__}")
    return value


def _optional_text(document: dict[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{key} is {type(value).__name__}, not text")
    return value
