"""A throw-away certificate authority, so that the product's TLS is exercised without a real certificate."""

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator.tls import trusting

_LIFETIME = timedelta(days=30)
_EARLIER = timedelta(days=1)
_LEAST_LEFT = timedelta(days=1)
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class IssuedCertificate:
    """Paths of the certificate (with its chain) and of the key, both PEM."""

    certificate_file: Path
    key_file: Path

    def server_context(self) -> ssl.SSLContext:
        """Return a TLS context for a server that presents this certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context


class Authority:
    """Signs server certificates for loopback names; its own is in `ca_file`.

    It is kept in the directory: clients that trust it still do after a restart. A day before its end, or when its files
    are damaged, a new one takes its place.

    `now` is the machine's time, not the simulated one: TLS libraries check certificates by the machine's clock.
    """

    def __init__(self, directory: Path, now: datetime) -> None:
        self._directory = directory
        self._now = now
        self._name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, "mail-importer simulator throw-away authority")]
        )
        self.ca_file = directory / "ca.pem"
        self._key_file = directory / "ca.key"
        self._key = self._kept_key() or self._make()

    def issue(self, label: str, names: tuple[str, ...] = LOOPBACK_NAMES) -> IssuedCertificate:
        """Make a server certificate for `names` (DNS names and IP addresses), in `LABEL.pem` and `LABEL.key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        issued = IssuedCertificate(self._directory / f"{label}.pem", self._directory / f"{label}.key")
        issued.certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        _write_key(issued.key_file, key)
        return issued

    def client_context(self) -> ssl.SSLContext:
        """Return a TLS context for a client that trusts this authority beside the machine's own."""
        return trusting(self.ca_file)

    def _kept_key(self) -> ec.EllipticCurvePrivateKey | None:
        """The key of an earlier start, if its certificate is there and valid for some time; else None."""
        try:
            key = load_pem_private_key(self._key_file.read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            return None
        return key if certificate.not_valid_after_utc >= self._now + _LEAST_LEFT else None

    def _make(self) -> ec.EllipticCurvePrivateKey:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign_authority(key)
        _write_key(self._key_file, key)
        self.ca_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        return key

    def _sign_authority(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            self._builder(self._name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )

    def _builder(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _EARLIER)
            .not_valid_after(self._now + _LIFETIME)
        )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
