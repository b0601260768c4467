"""Passwords: Argon2id, on threads of their own, a few at a time: each takes 64 MiB and tens of milliseconds.

Parameters: RFC 9106, section 4, second recommendation; those of `argon2-cffi`.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple, Unpack

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from phrases import Phrase
from threads import DaemonThreads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 1000
_AT_ONCE: Final = 2
_WAITING: Final = 32
_NEVER: Final = "no password has this hash"


class Busy(Exception):
    """Too many passwords are being checked."""


class WeakPassword(Exception):
    """The password is refused. The text is a Phrase with the reason."""


def require_strong(password: str, name: str) -> None:
    """Refuse passwords that are guessed first (NIST SP 800-63B, section 3.1.1.2: length, and no rules of composition).

    Raises:
        WeakPassword
    """
    if len(password) < MIN_LENGTH:
        raise WeakPassword(Phrase("The password has fewer than {least} characters.", least=MIN_LENGTH))
    if len(password) > MAX_LENGTH:
        raise WeakPassword(Phrase("The password has more than {most} characters.", most=MAX_LENGTH))
    if len(set(password)) < MIN_LENGTH // 2 or password.casefold() in {name.casefold(), name.casefold() * 2}:
        raise WeakPassword(Phrase("The password is too easy to guess: use several words."))


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._threads = DaemonThreads("passwords", limit=_AT_ONCE)
        self._waiting = 0
        self._decoy = ""

    def hash(self, password: str) -> str:
        """The hash of a password. Blocks."""
        return self._hasher.hash(password)

    async def hashed(self, password: str) -> str:
        """As `hash`, on a thread.

        Raises:
            Busy
        """
        return await self._run(self.hash, password)

    async def matches(self, password: str, stored: str | None) -> bool:
        """True if the password has that hash. For None, an unknown user, it takes as long, and returns False.

        Raises:
            Busy
        """
        if len(password) > MAX_LENGTH:
            return False
        return await self._run(self._verify, password, stored)

    def needs_rehash(self, stored: str) -> bool:
        """True if the hash was made with other parameters than are used now."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, password: str, stored: str | None) -> bool:
        self._decoy = self._decoy or self._hasher.hash(_NEVER)
        try:
            self._hasher.verify(stored or self._decoy, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    async def _run(self, work: Callable[[Unpack[Ts]], T], *arguments: *Ts) -> T:
        if self._waiting >= _WAITING:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._waiting -= 1
