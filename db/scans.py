"""Messages whose attachments Defender still scans (`tblEmailScan`), until the files are here.

Dynamic Delivery delivers a message at once with placeholders in the place of its attachments; the scanned message takes
its place, with the same internet message id (https://learn.microsoft.com/defender-office-365/safe-attachments-about,
and KB 4522769). A row is written when a placeholder is first met, and goes when the scanned message is imported.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from db.keys import in_queries
from db.locking import by_row, locking
from db.tables import scan

KEPT_FOR: Final = timedelta(days=1)
"""How long after it was first met the scanned message still takes the place of one with placeholders."""

_row = scan.c


@dataclass(frozen=True, slots=True)
class Scan:
    """A row of `tblEmailScan`. `message_id`: the message that was imported without its files; None: it waits."""

    account_id: int
    graph_id: str
    letter: str
    first_seen: datetime
    until: datetime
    message_id: int | None = None

    @property
    def key(self) -> tuple[int, str]:
        """The message it is about."""
        return (self.account_id, self.graph_id)


def note(connection: Connection, found: Scan) -> None:
    """Write the row unless there is one; those of the account whose time is over go."""
    old = and_(_row.nAccountID == found.account_id, _row.dtFirstSeen < found.first_seen - KEPT_FOR)
    numbers = list(connection.scalars(select(_row.nScanID).where(old)))
    if numbers:
        connection.execute(by_row(delete(scan).where(_row.nScanID.in_(numbers))))
    if connection.scalar(select(_row.nScanID).where(_of(found.key))) is None:
        connection.execute(
            insert(scan).inline(),
            {
                "nAccountID": found.account_id,
                "sGraphMessageID": found.graph_id,
                "sLetterDigest": found.letter,
                "dtFirstSeen": found.first_seen,
                "dtUntil": found.until,
            },
        )


def lock(connection: Connection, keys: Collection[tuple[int, str]]) -> None:
    """Keep the rows of these messages from other writers: a scanned message may be taking their place."""
    for key in sorted(keys):
        connection.execute(locking(select(_row.nScanID).where(_of(key)), scan)).all()


def of_letters(connection: Connection, letters: Collection[tuple[int, str]], *, now: datetime) -> list[Scan]:
    """The rows, oldest first, by account and `db.copies.letter_digest`; kept from other writers."""
    found: list[Scan] = []
    columns = (_row.nAccountID, _row.sGraphMessageID, _row.sLetterDigest, _row.dtFirstSeen, _row.dtUntil)
    for chunk in in_queries(letters):
        wanted = and_(
            _row.nAccountID.in_({account_id for account_id, _ in chunk}),
            _row.sLetterDigest.in_([letter for _, letter in chunk]),
            _row.dtFirstSeen > now - KEPT_FOR,
        )
        rows = connection.execute(locking(select(*columns, _row.nMessageID).where(wanted), scan)).all()
        found += [Scan(*row) for row in rows]
    return sorted((each for each in found if (each.account_id, each.letter) in letters), key=lambda s: s.first_seen)


def imported(connection: Connection, key: tuple[int, str], message_id: int) -> None:
    """The message was imported without its files."""
    connection.execute(by_row(update(scan).where(_of(key)).values(nMessageID=message_id)))


def forget(connection: Connection, key: tuple[int, str]) -> None:
    """The files are here."""
    connection.execute(by_row(delete(scan).where(_of(key))))


def waiting(connection: Connection, account_id: int, *, now: datetime) -> list[str]:
    """The Graph ids of messages of the account that wait to be imported with their files; none whose time is over."""
    waits = and_(_row.nAccountID == account_id, _row.nMessageID.is_(None), _row.dtUntil > now)
    return list(connection.scalars(select(_row.sGraphMessageID).where(waits)))


def _of(key: tuple[int, str]) -> ColumnElement[bool]:
    return and_(_row.nAccountID == key[0], _row.sGraphMessageID == key[1])
