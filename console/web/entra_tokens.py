"""Verification of tokens that Entra signed for the console: signature, issuer, audience, times.

Sources: https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens (keys change, and about every
24 hours are to be read again) and https://learn.microsoft.com/entra/identity-platform/claims-validation.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

import jwt

from console.web.entra_errors import RejectionReason
from graph.responses import sanitize
from phrases import Phrase

CLOCK_SKEW_SECONDS: Final = 300
_ALGORITHM: Final = "RS256"
_MAX_TOKEN: Final = 32 * 1024
"""Characters; 200 groups take 8,000."""
_MAX_KEY_ID: Final = 256
_MAX_KEYS: Final = 100
_KEYS_SECONDS: Final = 86_400.0
_REFETCH_SECONDS: Final = 60.0
_FAILURE_SECONDS: Final = 5.0
"""A failure to read the keys is raised again so long: callers that wait for it must not each wait in turn."""
_REQUIRED: Final = ("iss", "aud", "exp", "nbf", "iat", "tid", "oid", "sub")
_REASON_OF_CLAIM: Final = {"iss": RejectionReason.ISSUER, "aud": RejectionReason.AUDIENCE}


class InvalidToken(Exception):
    """The token is not accepted.

    Attributes:
        reason: the kind.
        why: the cause, without the token; a part of a sentence.
    """

    def __init__(self, reason: RejectionReason, why: Phrase) -> None:
        super().__init__(why)
        self.reason = reason
        self.why = why


class TokenVerifier:
    """Tokens of one issuer for one audience; the keys are kept for a day.

    Args:
        issuer: the tenant's, of version 2.0.
        audience: the client id.
        fetch_keys: returns the key set as JSON, or raises; its errors pass.
        monotonic: seconds, for the age of the keys.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        fetch_keys: Callable[[], Awaitable[Mapping[str, Any]]],
        monotonic: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._fetch_keys = fetch_keys
        self._monotonic = monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._failed: tuple[float, Exception] | None = None
        self._lock = asyncio.Lock()

    async def claims(self, token: str, *, now: datetime) -> dict[str, Any]:
        """Return the claims of a token that is valid at `now` (aware).

        Raises:
            InvalidToken: it is not; also any error of `fetch_keys`.
        """
        key = await self._key(_key_id(token))
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                # Times are checked below, by the clock that was passed in.
                options={
                    "require": list(_REQUIRED),
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError as reason:
            raise _invalid(reason) from None  # its text may hold parts of the token
        _check_times(claims, now.timestamp())
        return claims

    async def _key(self, key_id: str) -> jwt.PyJWK:
        """Return the published key of that id; read the keys again if it is unknown, but once a minute at most."""
        async with self._lock:
            age = None if self._fetched is None else self._monotonic() - self._fetched
            known = key_id in self._keys
            if age is None or age >= _KEYS_SECONDS or (not known and age >= _REFETCH_SECONDS):
                await self._fetch()
        key = self._keys.get(key_id)
        if key is None:
            raise InvalidToken(
                RejectionReason.SIGNATURE,
                Phrase("it is signed by a key that the sign-in service does not publish"),
            )
        return key

    async def _fetch(self) -> None:
        if self._failed is not None and self._monotonic() < self._failed[0] + _FAILURE_SECONDS:
            raise self._failed[1].with_traceback(None)
        try:
            self._keys = _read(await self._fetch_keys())
        except Exception as error:
            self._failed = (self._monotonic(), error)
            raise
        self._fetched = self._monotonic()


def _key_id(token: str) -> str:
    if len(token) > _MAX_TOKEN or not token.isascii():
        raise _unreadable()
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, RecursionError):  # nested without end
        raise _unreadable() from None
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm != _ALGORITHM:
        raise InvalidToken(
            RejectionReason.SIGNATURE,
            Phrase("it is signed with {algorithm} in place of RS256", algorithm=sanitize(algorithm, 20) or "?"),
        )
    if not isinstance(key_id, str) or len(key_id) > _MAX_KEY_ID:
        raise InvalidToken(RejectionReason.SIGNATURE, Phrase("it names no key of its signature"))
    return key_id


def _read(key_set: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """Return the usable keys by id; keys of other kinds are left out."""
    published = key_set.get("keys")
    found: dict[str, jwt.PyJWK] = {}
    for values in published[:_MAX_KEYS] if isinstance(published, list) else ():
        if not isinstance(values, dict) or values.get("kty") != "RSA" or values.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(values, algorithm=_ALGORITHM)
        except jwt.PyJWTError:
            continue
        if isinstance(key.key_id, str):
            found[key.key_id] = key
    return found


def _invalid(reason: jwt.InvalidTokenError) -> InvalidToken:
    match reason:
        case jwt.InvalidSignatureError():
            return InvalidToken(RejectionReason.SIGNATURE, Phrase("its signature does not fit"))
        case jwt.InvalidIssuerError():
            return InvalidToken(
                RejectionReason.ISSUER, Phrase("it was issued by another tenant or service, or in version 1.0")
            )
        case jwt.InvalidAudienceError():
            return InvalidToken(RejectionReason.AUDIENCE, Phrase("it was issued for another application"))
        case jwt.MissingRequiredClaimError():
            kind = _REASON_OF_CLAIM.get(reason.claim, RejectionReason.MALFORMED)
            return InvalidToken(kind, Phrase("the claim {claim} is missing", claim=reason.claim))
    return _unreadable()


def _unreadable() -> InvalidToken:
    return InvalidToken(RejectionReason.MALFORMED, Phrase("it cannot be read"))


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    times = [claims[name] for name in ("exp", "nbf", "iat")]
    if any(type(each) is not int for each in times):
        raise InvalidToken(RejectionReason.MALFORMED, Phrase("its times cannot be read"))
    expires, not_before, issued = times
    if now > expires + CLOCK_SKEW_SECONDS:
        raise InvalidToken(RejectionReason.EXPIRED, Phrase("it has expired"))
    if now < max(not_before, issued) - CLOCK_SKEW_SECONDS:
        raise InvalidToken(RejectionReason.NOT_YET_VALID, Phrase("it is not valid yet"))
