"""Users of the web console that sign in with a password, their tokens, and failed sign-ins.

Passwords and tokens arrive hashed. Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from db.errors import UserExists, UserNotFound
from db.queries.entry_lists import lines, stored
from db.tables import console_attempt, console_token
from db.tables import console_user as table
from longtext import fitting
from phrases import Phrase

MAX_NAME_LENGTH: Final = 200
_user, _token, _attempt = table.c, console_token.c, console_attempt.c


@dataclass(frozen=True, slots=True)
class User:
    """A user. `roles`: words of the console; `groups`: for `AccountSettings.console_access`."""

    user_id: int
    name: str
    password_hash: str = field(repr=False)
    roles: frozenset[str]
    groups: tuple[str, ...]
    created: datetime
    password_changed: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token of a user, without its secret."""

    token_id: int
    name: str
    created: datetime
    expires: datetime


def name_of(text: str) -> str:
    """The form in which names are stored and compared."""
    return fitting(text.strip().casefold(), MAX_NAME_LENGTH) or ""


def every(connection: Connection) -> list[User]:
    """All users, by name."""
    return [_read(row) for row in connection.execute(select(table).order_by(_user.sUserName))]


def exists(connection: Connection) -> bool:
    """True if there is a user."""
    return connection.scalar(select(_user.nUserID).order_by(_user.nUserID).limit(1)) is not None


def find(connection: Connection, name: str) -> User | None:
    """The user of that name, in any letter case."""
    row = connection.execute(select(table).where(_user.sUserName == name_of(name))).one_or_none()
    return None if row is None else _read(row)


def by_id(connection: Connection, user_id: int) -> User | None:
    """The user of that number."""
    row = connection.execute(select(table).where(_user.nUserID == user_id)).one_or_none()
    return None if row is None else _read(row)


def by_name(connection: Connection, name: str) -> User:
    """The user of that name.

    Raises:
        UserNotFound
    """
    found = find(connection, name)
    if found is None:
        raise UserNotFound(Phrase("There is no user named {name!r}. See: mail-importer console users list", name=name))
    return found


def add(
    connection: Connection,
    name: str,
    *,
    password_hash: str,
    roles: Collection[str],
    groups: Collection[str],
    now: datetime,
) -> None:
    """Add a user.

    Raises:
        UserExists
    """
    if find(connection, name) is not None:
        raise UserExists(Phrase("There is a user named {name!r} already.", name=name))
    connection.execute(
        insert(table).values(
            sUserName=name_of(name),
            sPasswordHash=password_hash,
            sRoles=" ".join(sorted(roles)),
            sGroups=stored(groups),
            dtCreated=now,
            dtPasswordChanged=now,
        )
    )


def change_rights(connection: Connection, name: str, *, roles: Collection[str], groups: Collection[str]) -> None:
    """Give a user other roles and groups.

    Raises:
        UserNotFound
    """
    user = by_name(connection, name)
    values = {"sRoles": " ".join(sorted(roles)), "sGroups": stored(groups)}
    connection.execute(update(table).where(_user.nUserID == user.user_id).values(**values))


def change_password(connection: Connection, user_id: int, password_hash: str, *, now: datetime) -> None:
    """Give a user another password, and delete the tokens, which may have been made with a stolen one."""
    connection.execute(delete(console_token).where(_token.nUserID == user_id))
    values = {"sPasswordHash": password_hash, "dtPasswordChanged": now}
    connection.execute(update(table).where(_user.nUserID == user_id).values(**values))


def upgrade_hash(connection: Connection, user_id: int, password_hash: str) -> None:
    """Replace the hash of the same password, made with present parameters."""
    connection.execute(update(table).where(_user.nUserID == user_id).values(sPasswordHash=password_hash))


def remove(connection: Connection, user_id: int) -> None:
    """Delete a user with its tokens."""
    connection.execute(delete(console_token).where(_token.nUserID == user_id))
    connection.execute(delete(table).where(_user.nUserID == user_id))


# Tokens.


def add_token(
    connection: Connection, user_id: int, name: str, token_hash: str, *, now: datetime, life: timedelta
) -> None:
    """Record a token of a user."""
    values = {
        "nUserID": user_id,
        "sTokenHash": token_hash,
        "sTokenName": name,
        "dtCreated": now,
        "dtExpires": now + life,
    }
    connection.execute(insert(console_token).values(**values))


def tokens(connection: Connection, user_id: int) -> list[Token]:
    """The tokens of a user, the oldest first."""
    columns = (_token.nTokenID, _token.sTokenName, _token.dtCreated, _token.dtExpires)
    rows = connection.execute(select(*columns).where(_token.nUserID == user_id).order_by(_token.nTokenID))
    return [Token(*row) for row in rows]


def remove_token(connection: Connection, user_id: int, token_id: int) -> bool:
    """Delete a token of a user; False: it has no such token."""
    mine = delete(console_token).where(_token.nTokenID == token_id, _token.nUserID == user_id)
    return bool(connection.execute(mine).rowcount)


def has_same_password(connection: Connection, user: User) -> bool:
    """True if the user is there, and the password was not changed since it was read."""
    found = by_id(connection, user.user_id)
    return found is not None and found.password_changed == user.password_changed


def user_of_token(connection: Connection, token_hash: str, *, now: datetime) -> User | None:
    """The user whose valid token it is."""
    user_id = connection.scalar(select(_token.nUserID).where(_token.sTokenHash == token_hash, _token.dtExpires > now))
    return None if user_id is None else by_id(connection, user_id)


# Failed sign-ins.


def failures_since(connection: Connection, key: str, *, since: datetime, until: datetime) -> int:
    """The failed sign-ins of a key (a hash of a user name or an address) in its window, if that began after `since`.

    `until`: a window that begins later is of a clock that was set back.
    """
    counted = select(_attempt.nFailures).where(_attempt.sKey == key, _attempt.dtFirst > since, _attempt.dtFirst < until)
    return connection.scalar(counted) or 0


def note_failure(connection: Connection, key: str, *, since: datetime, now: datetime) -> None:
    """Count a failed sign-in; a window that began before `since`, or in the future, begins anew."""
    current = (_attempt.sKey == key, _attempt.dtFirst > since, _attempt.dtFirst <= now)
    counted = update(console_attempt).where(*current).values(nFailures=_attempt.nFailures + 1)
    if connection.execute(counted).rowcount:
        return
    anew = update(console_attempt).where(_attempt.sKey == key).values(nFailures=1, dtFirst=now)
    if not connection.execute(anew).rowcount:
        connection.execute(insert(console_attempt).values(sKey=key, nFailures=1, dtFirst=now))


def take_back_failure(connection: Connection, key: str) -> None:
    """Count one failure less."""
    mine = update(console_attempt).where(_attempt.sKey == key, _attempt.nFailures > 0)
    connection.execute(mine.values(nFailures=_attempt.nFailures - 1))


def forget_failures(connection: Connection, key: str) -> None:
    """Count anew, after a sign-in that succeeded."""
    connection.execute(delete(console_attempt).where(_attempt.sKey == key))


def delete_failures(connection: Connection, *, before: datetime) -> None:
    """Delete counts whose window is over."""
    connection.execute(delete(console_attempt).where(_attempt.dtFirst < before))


def _read(row: Row[Any]) -> User:
    return User(
        row.nUserID,
        row.sUserName,
        row.sPasswordHash,
        frozenset(row.sRoles.split()),
        lines(row.sGroups),
        row.dtCreated,
        row.dtPasswordChanged,
    )
