"""Limits of sign-ins with a password and of tokens, counted in the database for all processes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from console.web.tokens import key_of
from db.engine import Database
from db.queries import console_users
from receiver.connections import network_of

WINDOW: Final = timedelta(minutes=15)
MAX_OF_USER: Final = 10
"""Failures within the window after which no password of that user is tried; from any address."""
MAX_OF_ADDRESS: Final = 50
"""As above, of one IPv4 address or IPv6 /64 network: several people may sit behind it."""


class SignInLimits:
    """Counts failed sign-ins."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def allows(self, name: str, address: str) -> bool:
        """True if a password may be tried.

        Raises:
            DatabaseUnavailable
        """
        now = self._clock()
        of_user, of_address = _keys(name, address)
        counts = await self._database.read(
            lambda connection: (
                _failures(connection, of_user, now),
                _failures(connection, of_address, now),
            )
        )
        return counts[0] < MAX_OF_USER and counts[1] < MAX_OF_ADDRESS

    async def note_failure(self, name: str, address: str) -> None:
        """Count a failed sign-in."""
        now = self._clock()

        def note(connection: Connection) -> None:
            for key in _keys(name, address):
                console_users.note_failure(connection, key, since=now - WINDOW, now=now)

        await self._database.write(note)

    async def note_success(self, name: str, address: str) -> None:
        """Count the failures of the user anew; those of the address stay."""
        of_user, _ = _keys(name, address)
        await self._database.write(lambda connection: console_users.forget_failures(connection, of_user))

    async def clean(self) -> None:
        """Delete counts that are over."""
        before = self._clock() - WINDOW
        await self._database.write(lambda connection: console_users.delete_failures(connection, before=before))


class TokenLimits:
    """Counts the tokens of an address that are not valid. A valid one always passes: it is no guess."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def is_over(self, address: str) -> bool:
        """Count an invalid token; True if there were too many in the window already, and it is not counted.

        Raises:
            DatabaseUnavailable
        """
        now, key = self._clock(), key_of(f"token of {network_of(address)}")

        def work(connection: Connection) -> bool:
            if _failures(connection, key, now) >= MAX_OF_ADDRESS:
                return True
            console_users.note_failure(connection, key, since=now - WINDOW, now=now)
            return False

        return await self._database.write(work)


def _keys(name: str, address: str) -> tuple[str, str]:
    return key_of(f"user {console_users.name_of(name)}"), key_of(f"address {network_of(address)}")


def _failures(connection: Connection, key: str, now: datetime) -> int:
    return console_users.failures_since(connection, key, since=now - WINDOW, until=now + WINDOW)
