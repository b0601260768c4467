"""Sessions of the web console, and tickets of sign-ins that are begun; both are found by a hash of their secret.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from db.queries.entry_lists import lines, stored
from db.tables import console_session as table
from db.tables import console_ticket
from longtext import fitting

LOCAL: Final = "local"
ENTRA: Final = "entra"
LINK: Final = "link"
"""The kinds of sign-in: with a password, at Entra, by the one-time link of `console open`."""

_NAME_LENGTH: Final = 200
_ADDRESS_LENGTH: Final = 100
_session, _ticket = table.c, console_ticket.c


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session. `subject`: the number of a local user, or the object ID at Entra; `checked`: of roles and groups."""

    key: str = field(repr=False)
    kind: str
    subject: str
    name: str
    roles: frozenset[str]
    groups: tuple[str, ...]
    address: str
    created: datetime
    used: datetime
    checked: datetime
    sealed_token: str | None = field(default=None, repr=False)


def add(connection: Connection, session: StoredSession) -> None:
    """Record a session that begins."""
    connection.execute(
        insert(table).values(
            sSessionHash=session.key,
            sKind=session.kind,
            sSubject=fitting(session.subject, _NAME_LENGTH),
            sUserName=fitting(session.name, _NAME_LENGTH),
            sAddress=fitting(session.address, _ADDRESS_LENGTH),
            dtCreated=session.created,
            dtUsed=session.used,
            **_rights(session.roles, session.groups, session.checked, session.sealed_token),
        )
    )


def find(connection: Connection, key: str) -> StoredSession | None:
    """The session with that hash."""
    row = connection.execute(select(table).where(_session.sSessionHash == key)).one_or_none()
    return None if row is None else _read(row)


def of_subject(connection: Connection, kind: str, subject: str) -> list[StoredSession]:
    """The sessions of a user, the newest first."""
    rows = connection.execute(
        select(table).where(_session.sSubject == subject, _session.sKind == kind).order_by(_session.dtCreated.desc())
    )
    return [_read(row) for row in rows]


def note_use(connection: Connection, key: str, *, now: datetime) -> None:
    """Record a request of the session."""
    connection.execute(update(table).where(_session.sSessionHash == key).values(dtUsed=now))


def note_rights(
    connection: Connection,
    key: str,
    *,
    roles: Collection[str],
    groups: Collection[str],
    sealed_token: str | None,
    now: datetime,
) -> None:
    """Record roles and groups that were read again."""
    values = _rights(roles, groups, now, sealed_token)
    connection.execute(update(table).where(_session.sSessionHash == key).values(**values))


def end(connection: Connection, key: str) -> None:
    """Delete a session."""
    connection.execute(delete(table).where(_session.sSessionHash == key))


def end_all(connection: Connection, kind: str, subject: str, *, but: str | None = None) -> int:
    """Delete all sessions of a user, except that with the hash `but`; return their number."""
    mine = delete(table).where(_session.sSubject == subject, _session.sKind == kind)
    if but is not None:
        mine = mine.where(_session.sSessionHash != but)
    return connection.execute(mine).rowcount


def delete_over(connection: Connection, *, created_before: datetime, used_before: datetime, now: datetime) -> None:
    """Delete sessions that are over, and tickets."""
    connection.execute(delete(table).where(_session.dtCreated < created_before))
    connection.execute(delete(table).where(_session.dtUsed < used_before))
    connection.execute(delete(console_ticket).where(_ticket.dtExpires < now))


def add_ticket(connection: Connection, key: str, *, kind: str, detail: str, expires: datetime) -> None:
    """Record a sign-in that is begun."""
    values = {"sTicketHash": key, "sKind": kind, "sDetail": detail, "dtExpires": expires}
    connection.execute(insert(console_ticket).values(**values))


def ticket(connection: Connection, key: str, *, kind: str, now: datetime) -> str | None:
    """The detail of a valid ticket, which stays."""
    valid = (_ticket.sTicketHash == key, _ticket.sKind == kind, _ticket.dtExpires > now)
    return connection.scalar(select(_ticket.sDetail).where(*valid))


def use_ticket(connection: Connection, key: str, *, kind: str, now: datetime) -> str | None:
    """The detail of a valid ticket, which is used up: of two callers one gets it."""
    detail = ticket(connection, key, kind=kind, now=now)
    used = connection.execute(delete(console_ticket).where(_ticket.sTicketHash == key, _ticket.sKind == kind)).rowcount
    return detail if used else None


def _rights(
    roles: Collection[str], groups: Collection[str], checked: datetime, sealed_token: str | None
) -> dict[str, Any]:
    return {
        "sRoles": " ".join(sorted(roles)),
        "sGroups": stored(groups),
        "dtChecked": checked,
        "sSealedToken": sealed_token,
    }


def _read(row: Row[Any]) -> StoredSession:
    return StoredSession(
        row.sSessionHash,
        row.sKind,
        row.sSubject,
        row.sUserName,
        frozenset(row.sRoles.split()),
        lines(row.sGroups),
        row.sAddress,
        row.dtCreated,
        row.dtUsed,
        row.dtChecked,
        row.sSealedToken,
    )
