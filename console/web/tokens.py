"""Random ids, their hashes, and values derived from them. The database holds hashes: reading it opens nothing."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RandomBytes = Callable[[int], bytes]

_ID_BYTES: Final = 32
_NONCE_BYTES: Final = 12


def new_id(random: RandomBytes) -> str:
    """A random id of 256 bits, for a cookie or an address."""
    return base64.urlsafe_b64encode(random(_ID_BYTES)).rstrip(b"=").decode()


def key_of(secret: str) -> str:
    """The hash under which the database keeps a secret: SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def derived(secret: str, use: str) -> str:
    """A value that proves knowledge of the secret, for one use; the secret is not found from it."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), use.encode(), hashlib.sha256).hexdigest()


def is_derived(given: str, secret: str, use: str) -> bool:
    """True if `given` is what `derived` returns; compared in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), derived(secret, use).encode())


def sealed(text: str, secret: str, random: RandomBytes) -> str:
    """The text, encrypted with a key that only the secret yields."""
    nonce = random(_NONCE_BYTES)
    return base64.b64encode(nonce + _cipher(secret).encrypt(nonce, text.encode(), None)).decode()


def unsealed(text: str, secret: str) -> str | None:
    """The text that was sealed; None if it was not sealed with that secret."""
    try:
        raw = base64.b64decode(text, validate=True)
        return _cipher(secret).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
    except (ValueError, InvalidTag):
        return None


def _cipher(secret: str) -> AESGCM:
    return AESGCM(bytes.fromhex(derived(secret, "seal")))
