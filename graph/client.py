"""HTTP with Microsoft Graph, within its limits. (Signatures; the body follows.)"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from graph.mailbox import Mailbox

Observer = Callable[[str, int, float], None]
"""Called after every attempt: kind ("get", "post", …, "stream"), HTTP status (0: none came), seconds."""


class Tokens(Protocol):
    """Where tokens come from: `token.TokenSource`."""

    async def token(self, mailbox: Mailbox) -> str:
        """A token for the mailbox's application."""
        ...

    async def fresh(self, mailbox: Mailbox, rejected: str) -> str:
        """Another one, because Graph answered 401 to `rejected`."""
        ...


def encode_segment(identifier: str) -> str:
    """The whole id as one segment of a path: everything but letters, digits, `-`, `.`, `_`, `~` percent-encoded."""
    raise NotImplementedError


def open_session(
    graph_url: str,
    *,
    ca_bundle: Path | None = None,
    connections: int = 100,
    connect_seconds: float = 10.0,
    read_seconds: float = 40.0,
) -> aiohttp.ClientSession:
    """The HTTP session for Graph: TLS 1.2 at least, system roots and those of `ca_bundle`, HTTPS_PROXY and NO_PROXY."""
    raise NotImplementedError


class GraphClient:
    """Calls of Graph with token, retries and at most four at once per mailbox."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        tokens: Tokens,
        *,
        base_url: str,
        calls_per_mailbox: int = 4,
        deadline_seconds: float = 60.0,
        observer: Observer | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        raise NotImplementedError

    async def request(
        self,
        mailbox: Mailbox,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        deadline_seconds: float | None = None,
        counted: bool = True,
    ) -> Any:
        """Decoded JSON, or None on 204. `url`: a path below /v1.0 with encoded ids, or a nextLink. Raises GraphError."""
        raise NotImplementedError

    def stream(
        self,
        mailbox: Mailbox,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        deadline_seconds: float | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The body in chunks of at most 64 KiB; the mailbox's slot is held until the context ends."""
        raise NotImplementedError
