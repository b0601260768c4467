"""The interface of every certificate store."""

import builtins
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from graph.certificates.certificate import Certificate
from graph.errors import CertificateError


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One entry of a store's list: a certificate, or an unusable file with the reason."""

    path: Path | None
    """The file; None in a store that has none."""
    certificate: Certificate | None
    error: CertificateError | None = None
    """The reason for which the file, or the certificate for sign-in, is unusable: the key is missing or not readable.

    None also for an authority without its key, which serves the chains of others.
    """

    @property
    def problem(self) -> str | None:
        """The text of `error`, without its advice."""
        return None if self.error is None else self.error.summary


class CertificateStore(Protocol):
    """Certificates by thumbprint. Safe to use from several threads; its contents may change at any time.

    Every call may block. Thumbprints may be given as pasted.
    """

    @property
    def name(self) -> str:
        """The value of the setting certificate_store: a folder, or for example `windows:LocalMachine/My`."""
        ...

    def find(self, thumbprint: str) -> Certificate:
        """Return the certificate with a key that signs.

        Raises:
            CertificateError: there is none, or its key cannot be used; the text names what was found instead.
            GraphUnavailable: the store is another service, which does not answer for now.
        """
        ...

    def expiry(self, thumbprint: str) -> datetime:
        """Return the end of the certificate's validity (aware, UTC), with or without its key.

        Raises:
            CertificateError: there is none; the text names what was found instead.
        """
        ...

    def list(self) -> builtins.list[StoreEntry]:
        """List all contents, each certificate once, without its key. Never raises for unusable contents."""
        ...
