"""A certificate as the rest of the product uses it, and its signing key."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from graph.certificates.thumbprints import sha1_thumbprint

MAX_CHAIN: Final = 8
UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)
"""The exceptions of the library for unparsable input."""
PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
"""The padding of PS256 (RFC 7518, section 3.5)."""


class SigningKey(Protocol):
    """A private key that signs, kept in a file, in the Windows store or in a device."""

    def sign(self, message: bytes) -> bytes:
        """Sign by PS256: RSASSA-PSS with SHA-256, MGF1 with SHA-256, 32 bytes of salt. May block.

        Raises:
            CertificateError: the key cannot be used (any more).
            GraphUnavailable: another service holds the key, and does not answer for now.
        """
        ...


@dataclass(frozen=True, slots=True)
class SoftwareKey:
    """A key in memory, from a file."""

    key: rsa.RSAPrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Implement `SigningKey`."""
        return self.key.sign(message, PSS, hashes.SHA256())

    def pem(self) -> bytes:
        """Return PKCS#8 without encryption."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, and its private key if requested; the key is never in the repr."""

    thumbprint: str
    """SHA-1 of the DER form, 40 upper-case hexadecimal digits."""
    thumbprint_sha256: str
    subject: str
    issuer: str
    serial: str
    """Upper-case hexadecimal."""
    not_before: datetime
    """Aware, UTC; so is `not_after`."""
    not_after: datetime
    self_signed: bool
    has_private_key: bool
    """True if its private key is there and can be read."""
    public_pem: str
    chain_pem: tuple[str, ...] = ()
    """The issuers found beside it, nearest first."""
    key: SigningKey | None = field(default=None, repr=False, compare=False)
    """From `CertificateStore.find` and `make_self_signed` only."""

    @property
    def x5t_s256(self) -> str:
        """Its name in an assertion: SHA-256 of the DER form in base64url without padding (RFC 7515, section 4.1.8)."""
        return base64.urlsafe_b64encode(bytes.fromhex(self.thumbprint_sha256)).decode().rstrip("=")

    @property
    def private_key_pem(self) -> bytes | None:
        """PKCS#8 without encryption; None when the key was not requested, or is never exported."""
        return self.key.pem() if isinstance(self.key, SoftwareKey) else None


def described(
    certificate: x509.Certificate,
    *,
    has_private_key: bool,
    key: SigningKey | None = None,
    chain: Iterable[x509.Certificate] = (),
) -> Certificate:
    """Build the `Certificate` that the user interface and the sign-in need."""
    return Certificate(
        thumbprint=sha1_thumbprint(certificate),
        thumbprint_sha256=certificate.fingerprint(hashes.SHA256()).hex().upper(),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:X}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        self_signed=is_self_signed(certificate),
        has_private_key=has_private_key,
        public_pem=as_pem(certificate),
        chain_pem=tuple(as_pem(other) for other in chain),
        key=key,
    )


def as_pem(certificate: x509.Certificate) -> str:
    """The public part, as text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def public_key_of(holder: x509.Certificate | PrivateKeyTypes) -> bytes:
    """The public key in DER, equal for a certificate and its private key; empty for a kind unknown to the library."""
    try:
        return holder.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except UNREADABLE:
        return b""


def is_self_signed(certificate: x509.Certificate) -> bool:
    """True if it is its own issuer, by name and by signature."""
    if certificate.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def is_authority(certificate: x509.Certificate) -> bool:
    """True if it may issue others: then it serves their chains, and its key is not needed."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (*UNREADABLE, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False


def issuers_among(pool: Sequence[x509.Certificate], certificate: x509.Certificate) -> list[x509.Certificate]:
    """The issuers of a certificate that are in the pool, nearest first; by name, signatures are not checked."""
    chain: list[x509.Certificate] = []
    current = certificate
    while len(chain) < MAX_CHAIN and current.subject != current.issuer:
        above = next((other for other in pool if other.subject == current.issuer and other not in chain), None)
        if above is None:
            break
        chain.append(above)
        current = above
    return chain
