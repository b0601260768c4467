"""Where certificates are kept: what every store can do."""

import builtins
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from graph.certificates.certificate import Certificate
from graph.errors import CertificateError


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One line of a store's list: a certificate, or a file that is of no use, with the reason."""

    path: Path | None
    """The file; None in a store that has none."""
    certificate: Certificate | None
    error: CertificateError | None = None
    """Why the file is of no use, or nobody can sign in with the certificate: the key is missing or not readable.

    None also for an authority without its key, which is there for the chain of others.
    """

    @property
    def problem(self) -> str | None:
        """What `error` says, without its advice."""
        return None if self.error is None else self.error.summary


class CertificateStore(Protocol):
    """Certificates by thumbprint. Safe to use from several threads; what it holds may change at any time.

    Every call may block. Thumbprints may be given as they were pasted.
    """

    @property
    def name(self) -> str:
        """What the setting certificate_store says: a folder, or for example `windows:LocalMachine/My`."""
        ...

    def find(self, thumbprint: str) -> Certificate:
        """The certificate with a key that signs.

        Raises:
            CertificateError: there is none, or its key cannot be used; the text says what was found instead.
        """
        ...

    def expiry(self, thumbprint: str) -> datetime:
        """The last moment the certificate is valid (aware, UTC), with or without its key.

        Raises:
            CertificateError: there is none; the text says what was found instead.
        """
        ...

    def list(self) -> builtins.list[StoreEntry]:
        """Everything in it, each certificate once, without its key. Never raises for what is of no use in it."""
        ...
