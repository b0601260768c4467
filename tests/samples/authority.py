"""A company's own authority, and the certificates it issues."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from graph.certificates import Certificate, SoftwareKey

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def thumbprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 (a thumbprint is defined so)

    @property
    def name(self) -> x509.Name:
        return self.certificate.subject

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, path: Path, *chain: "Issued") -> None:
        """Key, certificate and chain in one file."""
        path.write_bytes(self.key_pem + b"".join(each.pem for each in (self, *chain)))


def issue(
    name: str,
    key: Key,
    issuer: Issued | None = None,
    *,
    authority: bool = False,
    begins: datetime | None = None,
    days: int = 30,
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> Issued:
    """A certificate for the key: from yesterday (or `begins`) on, self-signed without an issuer."""
    begins = begins or datetime.now().astimezone() - timedelta(days=1)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def encrypted(certificate: Certificate, password: str, encoding: Encoding = Encoding.PEM) -> bytes:
    """Encrypt the private key of a certificate with a password."""
    assert isinstance(certificate.key, SoftwareKey)
    secret = BestAvailableEncryption(password.encode())
    return certificate.key.key.private_bytes(encoding, PrivateFormat.PKCS8, secret)
