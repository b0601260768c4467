"""Copies of an e-mail, told by what they have in common when their Graph ids differ.

Even an immutable id is given anew by a drag in Outlook, a restore or a re-import (graph.md section 11). A message with
the internet message id, the time of receipt and the size of an imported one of the account is therefore not imported
again: `tblEmailDuplicate` says which it equals. Of two hosts that import two copies at the same time, the key of
`tblEmailIdentity` refuses the second, whose transaction is run again and finds the first.

Every function takes the connection of a transaction; see `db.engine`.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from db.keys import are_among, graph_ids, in_queries
from db.tables import duplicate, message, message_identity

SAME: Final = "SameIdTimeAndSize"
SAME_BUT_SIZE: Final = "SameIdAndTime"
"""Why a message is taken for a copy; the second where the size of one of them is not known."""

_row = message.c
_copy = duplicate.c


@dataclass(frozen=True, slots=True)
class Features:
    """What tells a message from others but its copies; of none whose id or time is not known. `size` in bytes."""

    account_id: int
    internet_message_id: str | None
    received: datetime | None
    size: int | None

    @property
    def are_telling(self) -> bool:
        """Whether there can be a copy."""
        return bool(self.internet_message_id) and self.received is not None

    @property
    def identity(self) -> str:
        """The features as one text of 64 characters."""
        received = None if self.received is None else self.received.astimezone(UTC).isoformat()
        return hashlib.sha256(f"{received}|{self.size}|{self.internet_message_id}".encode()).hexdigest()

    def reason_to_equal(self, other: "Features") -> str | None:
        """Why the other is taken for a copy; None: it is another message."""
        mine = (self.account_id, self.internet_message_id, self.received)
        if not self.are_telling or mine != (other.account_id, other.internet_message_id, other.received):
            return None
        if self.size is None or other.size is None:
            return SAME_BUT_SIZE
        return SAME if self.size == other.size else None


@dataclass(frozen=True, slots=True)
class Original:
    """An imported message."""

    message_id: int
    graph_id: str
    features: Features


@dataclass(frozen=True, slots=True)
class Copy:
    """A row of `tblEmailDuplicate`."""

    account_id: int
    graph_id: str
    message_id: int
    """The message that it equals."""
    seen: datetime
    reason: str


def originals(connection: Connection, wanted: Collection[Features]) -> list[Original]:
    """The imported messages of which these may be copies, the oldest first; a few more do no harm.

    By the index on account and time of receipt, so that messages are found, too, that older programs imported.
    """
    telling = [each for each in wanted if each.are_telling]
    if not telling:
        return []
    rows = connection.execute(
        select(
            _row.nMessageID, _row.sGraphMessageID, _row.nAccountID, _row.sInternetMessageID, _row.dtReceived, _row.nSize
        )
        .where(
            _row.nAccountID.in_({each.account_id for each in telling}),
            _row.dtReceived.in_({each.received for each in telling}),
            _row.sInternetMessageID.in_({each.internet_message_id for each in telling}),
        )
        .order_by(_row.nMessageID)
    )
    return [Original(row[0], row[1], Features(*row[2:])) for row in rows]


def claim(connection: Connection, messages: Sequence[tuple[int, Features]]) -> None:
    """Have nobody else import copies of these messages, just written under these numbers, in this very moment."""
    rows = [
        {"nMessageID": number, "nAccountID": features.account_id, "sIdentity": features.identity}
        for number, features in messages
        if features.are_telling
    ]
    if rows:
        connection.execute(insert(message_identity), rows)


def claim_anew(connection: Connection, message_id: int, features: Features) -> None:
    """As `claim`, of a message that was replaced, or that is a copy imported all the same: the first keeps it."""
    identity = message_identity.c
    connection.execute(delete(message_identity).where(identity.nMessageID == message_id))
    taken = select(identity.nMessageID).where(
        identity.nAccountID == features.account_id, identity.sIdentity == features.identity
    )
    if connection.scalar(taken) is None:
        claim(connection, [(message_id, features)])


def note(connection: Connection, copies: Sequence[Copy]) -> None:
    """Record copies that were not imported, none of which is recorded yet."""
    rows = [
        {
            "nAccountID": each.account_id,
            "sGraphMessageID": each.graph_id,
            "nMessageID": each.message_id,
            "dtSeen": each.seen,
            "sReason": each.reason,
        }
        for each in copies
    ]
    if rows:
        connection.execute(insert(duplicate).inline(), rows)


def forget(connection: Connection, account_id: int, graph_id: str) -> None:
    """This one is imported all the same."""
    connection.execute(delete(duplicate).where(_copy.nAccountID == account_id, _copy.sGraphMessageID == graph_id))


def of_ids(connection: Connection, keys: Collection[tuple[int, str]]) -> list[Copy]:
    """The records of these messages, by account and Graph id, as far as they are copies."""
    found = [copy for chunk in in_queries(keys) for copy in _found(connection, are_among(duplicate, chunk))]
    return [each for each in found if (each.account_id, each.graph_id) in keys]


def of_messages(connection: Connection, message_ids: Collection[int]) -> list[Copy]:
    """The copies of these messages, in the order in which they were met."""
    chunks = in_queries(message_ids)
    found = [copy for chunk in chunks for copy in _found(connection, _copy.nMessageID.in_(chunk))]
    return sorted(found, key=lambda each: each.seen)


def ids_of_account(connection: Connection, account_id: int, *, after: str, most: int) -> list[str]:
    """Up to `most` Graph ids of copies of the account, beginning after that one (`""`: with the first)."""
    return graph_ids(connection, duplicate, account_id, after=after, most=most)


def _found(connection: Connection, condition: ColumnElement[bool]) -> Iterator[Copy]:
    columns = (_copy.nAccountID, _copy.sGraphMessageID, _copy.nMessageID, _copy.dtSeen, _copy.sReason)
    yield from (Copy(*row) for row in connection.execute(select(*columns).where(condition)).all())
