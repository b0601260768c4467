"""The signed assertion by which an application proves that it holds the key of its certificate.

The holder of the key signs, a file's key in memory, the Windows store or a device: it need not be exported.

Source: docs/graph.md, section 9 (https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials).
"""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from jwt.algorithms import RSAPSSAlgorithm

from graph.certificates import Certificate, SigningKey

_ALGORITHM: Final = "PS256"
_LIFE: Final = timedelta(minutes=10)
_CLOCK_SKEW: Final = timedelta(minutes=5)


def client_assertion(
    certificate: Certificate, key: SigningKey, *, client_id: str, token_url: str, now: datetime
) -> str:
    """Return the assertion of an application for one sign-in at `token_url`. Blocks, as the key does.

    Valid from five minutes before `now` (aware), against clock skew, until ten minutes after.

    Raises:
        CertificateError: the key does not sign.
    """
    claims = {
        "aud": token_url,
        "iss": client_id,
        "sub": client_id,
        "jti": str(uuid.uuid4()),
        "iat": int(now.timestamp()),
        "nbf": int((now - _CLOCK_SKEW).timestamp()),
        "exp": int((now + _LIFE).timestamp()),
    }
    encoder = jwt.PyJWS(algorithms=[])
    encoder.register_algorithm(_ALGORITHM, _SignedByHolder(RSAPSSAlgorithm.SHA256))
    signing_key: Any = key  # jwt declares the keys of its own algorithms only
    return encoder.encode(
        json.dumps(claims, separators=(",", ":")).encode(),
        signing_key,
        _ALGORITHM,
        headers={"x5t#S256": certificate.x5t_s256},
    )


class _SignedByHolder(RSAPSSAlgorithm):
    """PS256 with the signature computed by the holder of the key."""

    def prepare_key(self, key: Any) -> Any:  # noqa: ANN401  # as jwt declares it
        return key

    def check_key_length(self, key: Any) -> None:  # noqa: ANN401  # as jwt declares it
        """Accept any length: Entra ID checked it when the certificate was uploaded."""

    def sign(self, msg: bytes, key: SigningKey) -> bytes:  # type: ignore[override]  # jwt declares no such keys
        return key.sign(msg)
