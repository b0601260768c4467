"""The sign-in with Entra, as a credential of the SDK."""

import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

RESOURCE: Final = "https://servicebus.azure.net"
"""Resource of the tokens, in every cloud."""

Issue = Callable[[], Awaitable[tuple[str, float]]]
"""A token for `RESOURCE`, and its lifetime in seconds."""


class EntraCredential:
    """Satisfies `AsyncTokenCredential`.

    The SDK requests a token at every link, so `issue` should cache them (docs/servicebus.md, section 6).
    """

    def __init__(self, issue: Issue, *, refused: type[Exception]) -> None:
        """`refused`: the error of `issue`, its text for an operator."""
        self._issue = issue
        self._refused = refused

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401  # the SDK's own
        """A token.

        Raises:
            ClientAuthenticationError: the sign-in failed.
        """
        try:
            token, seconds = await self._issue()
        except self._refused as exc:
            raise ClientAuthenticationError(str(exc)) from exc
        return AccessToken(token, int(time.time() + seconds))

    async def close(self) -> None:
        """Close nothing: the issuer of tokens belongs to its owner."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()
