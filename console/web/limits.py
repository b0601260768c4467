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
MAX_OF_BOTH: Final = 10
"""Failures of a user name from an address, within the window, after which none of its passwords is tried from there."""
MAX_OF_USER: Final = 100
"""As above, from any address: many more, or anyone could lock a user out."""
MAX_OF_ADDRESS: Final = 50
"""As above, of one IPv4 address or IPv6 /64 network: several people may sit behind it."""


class SignInLimits:
    """Counts sign-ins that failed, or are not decided yet."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, name: str, address: str) -> bool:
        """Count an attempt as failed, before it is known: True if its password may be tried.

        However many come at once, no more passwords are tried than the limits say.

        Raises:
            DatabaseUnavailable
        """
        now = self._clock()

        def work(connection: Connection) -> bool:
            limits = sorted(_limits(name, address).items())  # in one order, so that no two wait for each other
            for key, _ in limits:
                console_users.note_failure(connection, key, since=now - WINDOW, now=now)
            return all(_failures(connection, key, now) <= most for key, most in limits)

        return await self._database.write(work)

    async def succeeded(self, name: str, address: str) -> None:
        """Count the failures of the user anew; of the address, take back the attempt that succeeded."""
        of_both, of_user, of_address = _limits(name, address)

        def work(connection: Connection) -> None:
            for key in (of_both, of_user):
                console_users.forget_failures(connection, key)
            console_users.take_back_failure(connection, of_address)

        await self._database.write(work)

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


def _limits(name: str, address: str) -> dict[str, int]:
    """The keys under which an attempt is counted, with the most failures of each."""
    user, network = f"user {console_users.name_of(name)}", f"address {network_of(address)}"
    return {
        key_of(f"{user} {network}"): MAX_OF_BOTH,
        key_of(user): MAX_OF_USER,
        key_of(network): MAX_OF_ADDRESS,
    }


def _failures(connection: Connection, key: str, now: datetime) -> int:
    return console_users.failures_since(connection, key, since=now - WINDOW, until=now + WINDOW)
