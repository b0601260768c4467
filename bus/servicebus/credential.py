"""The sign-in by certificate, as the SDK wants a credential."""

import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

RESOURCE: Final = "https://servicebus.azure.net"
"""What tokens are asked for, in every cloud."""

Issue = Callable[[], Awaitable[tuple[str, float]]]
"""A token for `RESOURCE`, and how many seconds it is good for."""


class CertificateCredential:
    """Satisfies `AsyncTokenCredential`. The SDK asks at every link, so `issue` should remember its tokens."""

    def __init__(self, issue: Issue, *, refused: type[Exception]) -> None:
        """`refused`: what `issue` raises, its text for an operator."""
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
        """Nothing to close: what issues the tokens is its owner's."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()
