"""Sessions: begun by a sign-in, found by the cookie, ended by time, by the user, or with the user's rights."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from console.web.entra import EntraSignIn
from console.web.entra_errors import SignInEnded, SignInMisconfigured, SignInRejected, SignInUnavailable
from console.web.rights import Role, allows, known_roles
from console.web.tokens import RandomBytes, key_of, new_id, sealed, unsealed
from db.engine import Database
from db.errors import DatabaseError
from db.queries import console_sessions, console_users
from db.queries.console_sessions import ENTRA, LINK, LOCAL, StoredSession

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_USE_NOTED_EVERY: Final = timedelta(minutes=1)
RIGHTS_READ_EVERY: Final = timedelta(minutes=4)
"""Age at which roles and groups are read again, so that a role removed at Entra ends within five minutes."""
_RIGHTS_TRUSTED_FOR: Final = timedelta(minutes=5)
LINK_ROLES: Final = frozenset({Role.ADMINISTRATOR, Role.READER})
"""The roles of the one-time link: its maker has access to the database itself."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The ends of a session: `idle` after its last request, `absolute` after the sign-in."""

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class User:
    """The user of a request. `kind`, `subject`: its identity.

    `session_id`: the secret of the cookie; None at the API.
    """

    kind: str
    subject: str
    name: str
    roles: frozenset[Role]
    groups: tuple[str, ...]
    address: str
    session_id: str | None = None

    @property
    def key(self) -> str:
        """The identity as one text."""
        return f"{self.kind} {self.subject}"

    def may(self, needed: Role) -> bool:
        """True if a role of the user includes the needed one."""
        return allows(self.roles, needed)


class RightsUnknown(Exception):
    """The user's rights are too old, and cannot be read again now. The text is a Phrase."""


class Sessions:
    """The sessions in the database.

    Args:
        entra: reads the rights of users that signed in at Entra; None: there are none.
    """

    def __init__(
        self,
        database: Database,
        *,
        limits: SessionLimits,
        clock: Callable[[], datetime],
        random: RandomBytes,
        entra: EntraSignIn | None,
    ) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock
        self._random = random
        self._entra = entra
        self._reading: dict[str, asyncio.Task[StoredSession | None]] = {}

    async def begin(
        self,
        kind: str,
        subject: str,
        name: str,
        *,
        roles: frozenset[Role],
        groups: tuple[str, ...],
        address: str,
        refresh_token: str | None = None,
        is_valid: Callable[[Connection], bool] = lambda _connection: True,
    ) -> User | None:
        """Begin a session under a new id, which was not known to any browser before the sign-in.

        `is_valid`: looked at in the same transaction; None: the sign-in is not valid any more.

        Raises:
            DatabaseUnavailable
        """
        session_id, now = new_id(self._random), self._clock()
        stored = StoredSession(
            key_of(session_id),
            kind,
            subject,
            name,
            frozenset(each.value for each in roles),
            groups,
            address,
            created=now,
            used=now,
            checked=now,
            sealed_token=None if refresh_token is None else sealed(refresh_token, session_id, self._random),
        )

        def add(connection: Connection) -> bool:
            if is_valid(connection):
                console_sessions.add(connection, stored)
                return True
            return False

        return _user(stored, session_id, address) if await self._database.write(add) else None

    async def find(self, session_id: str, *, address: str) -> User | None:
        """The user of a session; None: there is none, or it is over.

        Raises:
            RightsUnknown, DatabaseUnavailable
        """
        key, now = key_of(session_id), self._clock()
        stored = await self._database.read(lambda connection: console_sessions.find(connection, key))
        if stored is None or self._is_over(stored, now):
            return None
        if stored.kind == (LOCAL if self._entra is not None else ENTRA):
            return None  # users sign in another way since then
        if not timedelta(0) <= now - stored.checked < RIGHTS_READ_EVERY:
            stored = await self._with_present_rights(stored, session_id, now)
            if stored is None:
                return None
        if not timedelta(0) <= now - stored.used < _USE_NOTED_EVERY:
            await self._database.write(lambda connection: console_sessions.note_use(connection, key, now=now))
        return _user(stored, session_id, address)

    async def end(self, user: User) -> None:
        """End the session of a user."""
        if user.session_id is not None:
            key = key_of(user.session_id)
            await self._database.write(lambda connection: console_sessions.end(connection, key))

    async def end_all(self, user: User, *, but_this: bool = False) -> int:
        """End all sessions of a user; return their number."""
        but = key_of(user.session_id) if but_this and user.session_id is not None else None
        return await self._database.write(
            lambda connection: console_sessions.end_all(connection, user.kind, user.subject, but=but)
        )

    async def clean(self) -> None:
        """Delete what is over."""
        now = self._clock()
        await self._database.write(
            lambda connection: console_sessions.delete_over(
                connection, created_before=now - self._limits.absolute, used_before=now - self._limits.idle, now=now
            )
        )

    def _is_over(self, stored: StoredSession, now: datetime) -> bool:
        # A time in the future is of a clock that was set back: trusted for a minute, as a session has to end.
        early = now + _USE_NOTED_EVERY
        return (
            now - stored.created >= self._limits.absolute
            or now - stored.used >= self._limits.idle + _USE_NOTED_EVERY
            or max(stored.created, stored.used) > early
        )

    async def _with_present_rights(self, stored: StoredSession, session_id: str, now: datetime) -> StoredSession | None:
        """As `_read_rights`, once for all requests of the session that come meanwhile."""
        reading = self._reading.get(stored.key)
        if reading is None:
            reading = asyncio.create_task(self._read_rights(stored, session_id, now))
            self._reading[stored.key] = reading
            reading.add_done_callback(lambda _task: self._reading.pop(stored.key, None))
        return await asyncio.shield(reading)

    async def _read_rights(self, stored: StoredSession, session_id: str, now: datetime) -> StoredSession | None:
        try:
            found = await self._present(stored, session_id)
        except (SignInUnavailable, SignInMisconfigured) as exc:
            if timedelta(0) <= now - stored.checked < _RIGHTS_TRUSTED_FOR:
                return stored
            raise RightsUnknown(*exc.args) from exc
        if found is None or not known_roles(found.roles):
            log.info("session_ended", kind=stored.kind, user=stored.name, detail="The rights of the user ended.")
            await self._database.write(lambda connection: console_sessions.end(connection, stored.key))
            return None
        present = replace(found, checked=now)
        await self._database.write(
            lambda connection: console_sessions.note_rights(
                connection,
                stored.key,
                roles=present.roles,
                groups=present.groups,
                sealed_token=present.sealed_token,
                now=now,
            )
        )
        return present

    async def _present(self, stored: StoredSession, session_id: str) -> StoredSession | None:
        """The session with the rights that its user has now; None: it has none any more."""
        if stored.kind == LINK:
            return stored
        if stored.kind == LOCAL:
            user = await self._database.read(
                lambda connection: console_users.by_id(connection, _number(stored.subject))
            )
            return None if user is None else replace(stored, roles=user.roles, groups=user.groups)
        return await self._present_at_entra(stored, session_id)

    async def _present_at_entra(self, stored: StoredSession, session_id: str) -> StoredSession | None:
        token = None if stored.sealed_token is None else unsealed(stored.sealed_token, session_id)
        if stored.kind != ENTRA or self._entra is None or token is None:
            return None
        try:
            user = await self._entra.refresh(token)
        except (SignInEnded, SignInRejected):
            return await self._of_another_request(stored)
        if user.subject != stored.subject:
            return None
        renewed = user.refresh_token
        return replace(
            stored,
            name=user.username or user.name,
            roles=frozenset(user.roles),
            groups=tuple(sorted(user.groups)),
            sealed_token=stored.sealed_token if renewed is None else sealed(renewed, session_id, self._random),
        )

    async def _of_another_request(self, stored: StoredSession) -> StoredSession | None:
        """The session, if another request read its rights meanwhile, with a token that replaced this one."""
        try:
            again = await self._database.read(lambda connection: console_sessions.find(connection, stored.key))
        except DatabaseError:
            return None
        return again if again is not None and again.checked > stored.checked else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1


def _user(stored: StoredSession, session_id: str, address: str) -> User:
    return User(stored.kind, stored.subject, stored.name, known_roles(stored.roles), stored.groups, address, session_id)
