"""Access tokens for Graph, by certificate. (Signatures; the body follows.)"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from graph.certificates import Certificate
from graph.mailbox import Mailbox


class Certificates(Protocol):
    """Where certificates come from: `certificates.CertificateStore`, or another store."""

    def find(self, thumbprint: str) -> Certificate:
        """The certificate with its key, or CertificateError."""
        ...


class TokenSource:
    """Tokens per tenant, application and certificate: cached, refreshed early, one sign-in at a time each."""

    def __init__(
        self,
        certificates: Certificates,
        *,
        authority_url: str,
        graph_url: str,
        ca_bundle: Path | None = None,
        connect_seconds: float = 10.0,
        read_seconds: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        raise NotImplementedError

    async def token(self, mailbox: Mailbox) -> str:
        """A token good for some minutes; CertificateError, SignInRefused, GraphUnavailable."""
        raise NotImplementedError

    async def fresh(self, mailbox: Mailbox, rejected: str) -> str:
        """A token other than `rejected`, which Graph answered with 401."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections to the sign-in service."""
        raise NotImplementedError
