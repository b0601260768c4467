"""The key with which the sign-in service signs tokens, and its public part as a JSON Web Key Set.

Source: https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-signature
"""

import base64
import hashlib
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm


class TokenSigner:
    """Signs with RS256. A key is made when the first token needs it; `rotate` makes another one."""

    def __init__(self) -> None:
        self._keys: list[rsa.RSAPrivateKey] = []

    def sign(self, claims: dict[str, Any]) -> str:
        """Return the claims as a signed JWT, which names its key by `kid`."""
        key = self._key()
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": _key_id(key)})

    def rotate(self) -> None:
        """Sign with a new key from now on; the last one stays published, for the tokens that it signed."""
        self._keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048), *self._keys[:1]]

    def key_set(self) -> dict[str, Any]:
        """Return the public keys, as `jwks_uri` answers them."""
        self._key()
        return {"keys": [_public(key) for key in self._keys]}

    def _key(self) -> rsa.RSAPrivateKey:
        if not self._keys:
            self.rotate()
        return self._keys[0]


def _public(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    values = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    identifier = _key_id(key)
    return {"kty": "RSA", "use": "sig", "kid": identifier, "x5t": identifier, "n": values["n"], "e": values["e"]}


def _key_id(key: rsa.RSAPrivateKey) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha1(der, usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
