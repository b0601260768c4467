"""Certificates: from a folder, by thumbprint. (Signatures; the body follows.)"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from graph.mailbox import Mailbox


def normalise_thumbprint(text: str) -> str:
    """The 40 upper-case hexadecimal digits of a SHA-1 thumbprint, however it was pasted; CertificateError otherwise."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its private key, if it was found; the key never shows in the repr."""

    thumbprint: str
    thumbprint_sha256: str
    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    self_signed: bool
    has_private_key: bool
    public_pem: str
    chain_pem: tuple[str, ...] = ()
    private_key_pem: bytes | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One line of the store's list: a certificate, or a file that could not be used, with the reason."""

    path: Path
    certificate: Certificate | None
    problem: str | None


class CertificateStore:
    """A folder of certificate files."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        raise NotImplementedError

    def find(self, thumbprint: str) -> Certificate:
        """The certificate, with its private key; CertificateError otherwise. Blocking: a few file look-ups."""
        raise NotImplementedError

    def list(self) -> list[StoreEntry]:
        """Everything in the folder, unreadable files with their reason. Never raises for a bad file."""
        raise NotImplementedError


def load_roots(ca_bundle: Path | None = None) -> tuple[x509.Certificate, ...]:
    """The system's trusted roots, and those of the extra bundle."""
    raise NotImplementedError


def check_usable(
    certificate: Certificate, *, now: datetime, mailbox: Mailbox, roots: tuple[x509.Certificate, ...]
) -> None:
    """CertificateError unless in date and, when `mailbox.secure_certificate_access`, chained to a root."""
    raise NotImplementedError


def make_self_signed(common_name: str, *, now: datetime, days: int = 730, key_bits: int = 3072) -> Certificate:
    """A new key and its self-signed certificate, in memory. Blocking: half a second or so."""
    raise NotImplementedError


def write_pair(certificate: Certificate, folder: Path, name: str) -> tuple[Path, Path]:
    """`NAME.pem` (key and certificate, mode 0600) and `NAME.cer` (public, to upload); never overwrites."""
    raise NotImplementedError
