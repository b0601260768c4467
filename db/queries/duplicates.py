"""Duplicates of an e-mail, recognized by common features when their Graph ids differ.

Even an immutable id changes by a drag in Outlook, a restore or a re-import (docs/graph.md, section 11). A message
is a copy of an imported one of its account when both have the same internet message id, second of receipt, sender,
sent time, subject and body, and attachments of the same names, sizes and bytes. Loggers and relays reuse any few of
these for different mails, so features that cannot be compared are not equal: a message of which an attachment was not
stored has no copies. The size that Exchange counts adds nothing to that, and a drag may change it.

`tblEmailDuplicate` records the message that a copy equals. Of two hosts that import two copies at the same time, the
key of `tblEmailIdentity` refuses the second, whose transaction is run again and finds the first.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, delete, or_, select

from db.identity import DuplicateKey, Part, content_digest, message_digest, part_digest
from db.insertion import insert_rows
from db.keys import are_among, in_queries, listed, named, rounded
from db.prepared import Prepared
from db.tables import attachment, duplicate, message, message_identity

SAME: Final = "SameIdTimeAndContent"
"""The reason for which a message counts as a copy."""
SCANNED: Final = "PlaceholderOfScanned"
"""The message had placeholders for attachments that another one has: see `db.queries.scans`."""

_row = message.c
_copy = duplicate.c
_claim = message_identity.c
_COPIES: Final = select(_copy.nAccountID, _copy.sGraphMessageID, _copy.nMessageID, _copy.dtSeen, _copy.sReason)
_COPIES_OF_IDS: Final = _COPIES.where(are_among(duplicate))
_COPIES_OF_MESSAGES: Final = _COPIES.where(_copy.nMessageID.in_(listed("messages", _copy.nMessageID)))
_CLAIMED: Final = Prepared(
    select(_claim.nMessageID, _row.sGraphMessageID, _claim.nAccountID, _claim.sIdentity)
    .join_from(message_identity, message, _row.nMessageID == _claim.nMessageID)
    .where(
        _claim.nAccountID.in_(listed("accounts", _claim.nAccountID)),
        _claim.sIdentity.in_(listed("identities", _claim.sIdentity)),
    )
)
_ALIKE: Final = Prepared(
    select(_row.nMessageID, _row.sGraphMessageID, _row.nAccountID, _row.sInternetMessageID, _row.dtReceived).where(
        _row.nAccountID.in_(listed("accounts", _row.nAccountID)),
        _row.dtReceived.in_(listed("times", _row.dtReceived)),
        _row.sInternetMessageID.in_(listed("internet_ids", _row.sInternetMessageID)),
    )
)


@dataclass(frozen=True, slots=True)
class FirstImport:
    """An imported message."""

    message_id: int
    graph_id: str
    features: DuplicateKey


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row of `tblEmailDuplicate`."""

    account_id: int
    graph_id: str
    message_id: int
    """The message that it equals."""
    seen: datetime
    reason: str


def originals(connection: Connection, wanted: Collection[DuplicateKey]) -> list[FirstImport]:
    """The imported messages of which these may be copies, the oldest first; a few more do no harm.

    Messages claimed at their import are found by key. Those that older programs imported, or put in the place of
    another, have no such claim: the rows of those with equal time and internet message id, which are few, are compared.
    """
    telling = {each: each.identity for each in wanted if each.are_telling}
    if not telling:
        return []
    claimed = _claimed(connection, telling)
    numbers = {each.message_id for each in claimed}
    unclaimed = [each for each in _alike(connection, telling) if each.message_id not in numbers]
    contents = _content_digests(connection, [each.message_id for each in unclaimed])
    compared = [
        replace(each, features=replace(each.features, content=contents.get(each.message_id))) for each in unclaimed
    ]
    return sorted([*claimed, *compared], key=lambda each: each.message_id)


def _claimed(connection: Connection, wanted: Mapping[DuplicateKey, str]) -> list[FirstImport]:
    by_key = {(features.account_id, identity): features for features, identity in wanted.items()}
    found: list[FirstImport] = []
    for chunk in in_queries(by_key):
        asked = {
            "accounts": rounded(sorted({account_id for account_id, _ in chunk})),
            "identities": rounded([identity for _, identity in chunk]),
        }
        for row in _CLAIMED.rows(connection, asked):
            features = by_key.get((row[2], row[3]))
            if features is not None:
                found.append(FirstImport(row[0], row[1], features))
    return found


def _alike(connection: Connection, wanted: Collection[DuplicateKey]) -> list[FirstImport]:
    """Messages with equal account, time and internet message id; by the index on the first two."""
    asked = {
        "accounts": rounded(sorted({each.account_id for each in wanted})),
        "times": rounded(list({each.received for each in wanted})),
        "internet_ids": rounded(list({each.internet_message_id for each in wanted})),
    }
    pairs = {(each.account_id, each.internet_message_id, each.received) for each in wanted}
    return [
        FirstImport(row[0], row[1], DuplicateKey(row[2], row[3], row[4], None))
        for row in _ALIKE.rows(connection, asked)
        if tuple(row[2:]) in pairs
    ]


def stored_digests(connection: Connection, message_ids: Collection[int]) -> dict[int, str]:
    """The `message_digest` of imported messages, made of their rows."""
    found: dict[int, str] = {}
    columns = (_row.nMessageID, _row.sInternetMessageID, _row.dtSent, _row.sFromAddress, _row.sSenderAddress)
    # One at a time: a body may be large.
    for number in message_ids:
        for row in connection.execute(select(*columns, _row.sSubject, _row.sBody).where(_row.nMessageID == number)):
            found[row[0]] = message_digest(
                internet_message_id=row[1], sent=row[2], senders=(row[3], row[4]), subject=row[5], body=row[6]
            )
    return found


def _content_digests(connection: Connection, message_ids: Collection[int]) -> dict[int, str | None]:
    parts: dict[int, list[Part]] = {}
    part = attachment.c
    columns = (part.nMessageID, part.sFileName, part.nSize, part.sKind, part.sState, part.sSHA256, part.sLink)
    for chunk in in_queries(message_ids):
        listed = part.nMessageID.in_(chunk) & part.nParentPosition.is_(None)
        for row in connection.execute(select(*columns).where(listed)):
            digest = part_digest(kind=row[3], state=row[4], sha256=row[5], link=row[6])
            parts.setdefault(row[0], []).append(Part(row[1], row[2], digest))
    digests = stored_digests(connection, message_ids)
    return {number: content_digest(of_message, parts.get(number, ())) for number, of_message in digests.items()}


def claim(connection: Connection, messages: Sequence[tuple[int, DuplicateKey]]) -> None:
    """Keep others from importing copies of these messages, just written under these numbers, at the same time."""
    rows = [
        {"nMessageID": number, "nAccountID": features.account_id, "sIdentity": features.identity}
        for number, features in messages
        if features.are_telling
    ]
    insert_rows(connection, message_identity, rows)


def claim_anew(connection: Connection, message_id: int, features: DuplicateKey) -> None:
    """Like `claim_unless_taken`, of a message that was replaced, or that is a copy imported by force."""
    connection.execute(delete(message_identity).where(message_identity.c.nMessageID == message_id))
    claim_unless_taken(connection, message_id, features)


def claim_unless_taken(connection: Connection, message_id: int, features: DuplicateKey) -> None:
    """Like `claim`; the first claim stays, of an identity and of a message."""
    identity = message_identity.c
    same = and_(identity.nAccountID == features.account_id, identity.sIdentity == features.identity)
    taken = select(identity.nMessageID).where(or_(identity.nMessageID == message_id, same))
    if connection.execute(taken).first() is None:
        claim(connection, [(message_id, features)])


def note(connection: Connection, copies: Sequence[Duplicate]) -> None:
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
    insert_rows(connection, duplicate, rows)


def forget(connection: Connection, account_id: int, graph_id: str) -> None:
    """Delete the record of this copy: it is imported by force."""
    connection.execute(delete(duplicate).where(_copy.nAccountID == account_id, _copy.sGraphMessageID == graph_id))


def of_ids(connection: Connection, keys: Collection[tuple[int, str]]) -> list[Duplicate]:
    """The records of those messages, by account and Graph id, that are copies."""
    found = [copy for chunk in in_queries(keys) for copy in _found(connection, _COPIES_OF_IDS, named(chunk))]
    return [each for each in found if (each.account_id, each.graph_id) in keys]


def of_messages(connection: Connection, message_ids: Collection[int]) -> list[Duplicate]:
    """The copies of these messages, in the order in which they were met."""
    chunks = in_queries(message_ids)
    found = [copy for chunk in chunks for copy in _found(connection, _COPIES_OF_MESSAGES, {"messages": chunk})]
    return sorted(found, key=lambda each: each.seen)


def page_of_account(connection: Connection, account_id: int, *, after: str, limit: int) -> list[tuple[Duplicate, str]]:
    """Up to `limit` copies of the account by Graph id, beginning after that one (`""`: with the first).

    Each with the Graph id of the message that it equals.
    """
    statement = (
        _COPIES.add_columns(_row.sGraphMessageID)
        .join_from(duplicate, message, _row.nMessageID == _copy.nMessageID)
        .where(_copy.nAccountID == account_id, _copy.sGraphMessageID > after)
        .order_by(_copy.sGraphMessageID)
        .limit(limit)
    )
    return [(Duplicate(*row[:-1]), row[-1]) for row in connection.execute(statement)]


def _found(connection: Connection, statement: Select[Any], parameters: dict[str, Any]) -> Iterator[Duplicate]:
    yield from (Duplicate(*row) for row in connection.execute(statement, parameters).all())
