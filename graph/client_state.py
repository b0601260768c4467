"""A `clientState` with its own proof.

`mi1.<account id>.<HMAC-SHA256, base64url>`: the receiver distinguishes genuine from forged notifications with the key
alone, without a database, from the first second of a subscription's life: it may run where no database is in reach
(README.md, *Several hosts?*). Graph accepts at most 128 characters (docs/graph.md, section 1); this one has at most 67.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from typing import Final

_PREFIX: Final = "mi1."
_PURPOSE: Final = b"mail-importer clientState 1\0"
_MAX_LENGTH: Final = 128
_KEY_MINIMUM: Final = 32
_LARGEST_ACCOUNT: Final = 2**63 - 1
# [0-9] and not \d: the latter also matches Arabic-Indic digits, and int() would read them.
_SHAPE: Final = re.compile(r"mi1\.([1-9][0-9]{0,18})\.[A-Za-z0-9_-]{43}")


class ClientStateKeys:
    """Signs and verifies `clientState` with the current key, and verifies with the previous one.

    Args:
        current: the setting client_state_secret, at least 32 characters.
        previous: the setting client_state_secret_previous, accepted while subscriptions made with it live.
        remembered: number of verified states cached, so that a subscription's second notification costs a look-up.

    Raises:
        ValueError: a key is too short; the text names the setting, never the key.
    """

    __slots__ = ("_keys", "_remembered", "_verified")

    def __init__(self, current: bytes | str, previous: bytes | str | None = None, *, remembered: int = 16_384) -> None:
        self._keys = [_key(current, "client_state_secret")]
        if previous is not None:
            self._keys.append(_key(previous, "client_state_secret_previous"))
        self._verified: dict[str, int] = {}
        self._remembered = remembered

    def __repr__(self) -> str:
        return f"ClientStateKeys(fingerprint={self.fingerprint()!r}, previous={len(self._keys) > 1})"

    def sign(self, account_id: int) -> str:
        """Return the state for an account's subscriptions: constant for one key, at most 67 characters, URL-safe.

        Raises:
            ValueError: the id is not a positive 64-bit number.
        """
        if not 0 < account_id <= _LARGEST_ACCOUNT:
            raise ValueError(f"An account id is a positive 64-bit number, not {account_id}.")
        return _state(self._keys[0], account_id)

    def verify(self, state: object) -> int | None:
        """Return the account id in a genuine state; None for any other value from the JSON. Never raises."""
        if not isinstance(state, str) or len(state) > _MAX_LENGTH:
            return None
        # The look-up compares texts only when their randomised 64-bit hashes are equal: it reveals nothing to a forger.
        known = self._verified.get(state)
        if known is not None:
            return known
        shape = _SHAPE.fullmatch(state)
        if shape is None:
            return None
        account_id = int(shape[1])
        if account_id > _LARGEST_ACCOUNT:
            return None
        genuine = False
        for key in self._keys:
            genuine |= hmac.compare_digest(_state(key, account_id), state)
        if not genuine:
            return None
        self._remember(state, account_id)
        return account_id

    def is_current(self, state: object) -> bool:
        """True if the state was signed with the current key; one of the previous key must be replaced in time."""
        account_id = self.verify(state)
        return account_id is not None and isinstance(state, str) and hmac.compare_digest(self.sign(account_id), state)

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that identify the key and reveal nothing about it."""
        return hmac.digest(self._keys[0], b"mail-importer key fingerprint", "sha256").hex()[:12]

    def _remember(self, state: str, account_id: int) -> None:
        # Only genuine states arrive here, so a flood of forged ones cannot evict them.
        if len(self._verified) >= self._remembered:
            del self._verified[next(iter(self._verified))]
        self._verified[state] = account_id


def _key(secret: bytes | str, setting: str) -> bytes:
    key = secret.encode() if isinstance(secret, str) else bytes(secret)
    if len(secret) < _KEY_MINIMUM:
        raise ValueError(
            f"The setting {setting} has {len(secret)} characters; at least {_KEY_MINIMUM} are needed. "
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return key


def _state(key: bytes, account_id: int) -> str:
    proof = hmac.digest(key, _PURPOSE + str(account_id).encode(), "sha256")
    return f"{_PREFIX}{account_id}.{urlsafe_b64encode(proof).rstrip(b'=').decode()}"
