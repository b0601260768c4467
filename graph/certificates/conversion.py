"""Conversion of certificate files: selection of the contents, and their output.

The suffix decides the form of a file: `.pfx` and `.p12` hold certificate, key and chain; `.pem` all that there is;
`.cer` and `.crt` the certificate alone; `.key` the private key alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from graph.certificates.certificate import issuers_among, public_key_of
from graph.certificates.files import PKCS12_SUFFIXES, PUBLIC_SUFFIXES, CertificateFile
from graph.certificates.thumbprints import sha1_thumbprint
from graph.errors import CertificateError, CertificateFault
from phrases import Phrase

# .NET accepts at most 600,000 iterations in one file, for its key, its certificates and its checksum together
# (KB5025823, https://support.microsoft.com/topic/bf81c936-af2b-446e-9f7a-016f4713b46b).
_ITERATIONS: Final = 100_000
_LEGACY_ITERATIONS: Final = 2_000  # the number Windows itself uses with the old algorithms

LOCKED: Final = frozenset({CertificateFault.PASSWORD_MISSING, CertificateFault.PASSWORD_WRONG})
"""The faults that another password may correct."""
_PASSWORD: Final = Phrase("Give its password by --password-file, or by the setting certificate_password.")

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Contents:
    """The joint contents of several files."""

    certificate: x509.Certificate | None
    key: Key | None = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()
    """The issuers, nearest first, then all other certificates."""

    @property
    def thumbprint(self) -> str | None:
        """SHA-1 of the certificate."""
        return None if self.certificate is None else sha1_thumbprint(self.certificate)


@dataclass(frozen=True, slots=True)
class Converted:
    """The bytes of a file to write, and a summary of its contents."""

    data: bytes = field(repr=False)
    has_certificate: bool
    has_key: bool
    chain: int
    """Number of certificates beside the own one."""


def gathered(files: Sequence[CertificateFile]) -> Contents:
    """Merge the contents of the files: the certificate is the key's, or the one that issued none of the others.

    Raises:
        CertificateError: a file cannot be read, there are several keys, or the key belongs to none of the certificates.
    """
    for file in files:
        if file.problem is not None:
            raise CertificateError(
                Phrase("{path}: {problem}.", path=file.path, problem=file.problem.text),
                advice=_PASSWORD if file.problem.fault in LOCKED else Phrase(""),
                fault=file.problem.fault,
            )
    certificates = list(dict.fromkeys(found for file in files for found in file.certificates))
    key = _only_key(files)
    certificate = _own(certificates, key)
    if key is not None and certificate is None and certificates:
        raise CertificateError(
            Phrase("The private key belongs to none of the certificates in {files}.", files=_names(files)),
            advice=Phrase("Give the certificate and the key that were made together."),
            fault=CertificateFault.KEY_MISMATCH,
        )
    others = [other for other in certificates if other != certificate]
    above = [] if certificate is None else issuers_among(others, certificate)
    return Contents(certificate, key, (*above, *(other for other in others if other not in above)))


def converted(
    contents: Contents, path: Path, *, password: str | None = None, der: bool = False, legacy: bool = False
) -> Converted:
    """Return the contents in the form that the suffix of the file requires.

    Args:
        contents: from `gathered`.
        path: its suffix decides.
        password: encrypts the private key; None leaves it unencrypted.
        der: DER instead of PEM, for one certificate or one key.
        legacy: 3DES and SHA-1 instead of AES-256 and SHA-256 in a PKCS#12 file, for Windows before Server 2019.

    Raises:
        CertificateError: a part that the form needs is missing.
        ValueError: the suffix is unknown, or DER is requested for a PEM file.
    """
    suffix = path.suffix.lower()
    encoding = Encoding.DER if der else Encoding.PEM
    if suffix in PKCS12_SUFFIXES:
        certificate, key = _certificate_of(contents, path), _key_of(contents, path)
        data = _pkcs12(certificate, key, contents.chain, password, legacy=legacy)
        return Converted(data, True, True, len(contents.chain))
    if suffix in PUBLIC_SUFFIXES:
        return Converted(_certificate_of(contents, path).public_bytes(encoding), True, False, 0)
    if suffix == ".key":
        return Converted(_key_bytes(_key_of(contents, path), encoding, password), False, True, 0)
    if suffix == ".pem" and not der:
        parts = [] if contents.key is None else [_key_bytes(contents.key, encoding, password)]
        own = [] if contents.certificate is None else [contents.certificate]
        parts += [each.public_bytes(encoding) for each in (*own, *contents.chain)]
        return Converted(b"".join(parts), bool(own), contents.key is not None, len(contents.chain))
    raise ValueError(f"{path} cannot be written in that form.")


def _only_key(files: Sequence[CertificateFile]) -> Key | None:
    keys = {public_key_of(key): key for file in files for key in file.keys}
    if len(keys) > 1:
        raise CertificateError(
            Phrase("There are several private keys in {files}.", files=_names(files)),
            advice=Phrase("Give a file with one of them."),
            fault=CertificateFault.KEY_MISMATCH,
        )
    key: PrivateKeyTypes | None = next(iter(keys.values()), None)
    if key is None or isinstance(key, Key):
        return key
    raise CertificateError(
        Phrase("The private key in {files} is neither RSA nor of an elliptic curve.", files=_names(files)),
        advice=Phrase("Entra ID accepts RSA certificates only: create another with 'mail-importer certificates new'."),
        fault=CertificateFault.KEY_NOT_RSA,
    )


def _own(certificates: Sequence[x509.Certificate], key: Key | None) -> x509.Certificate | None:
    if key is not None:
        return next((each for each in certificates if public_key_of(each) == public_key_of(key)), None)
    issuers = {each.issuer for each in certificates if each.issuer != each.subject}
    return next((each for each in certificates if each.subject not in issuers), None)


def _certificate_of(contents: Contents, path: Path) -> x509.Certificate:
    if contents.certificate is None:
        raise CertificateError(
            Phrase("There is no certificate to write to {path}.", path=path),
            advice=Phrase("Give the file with the certificate first, and the private key by --key."),
            fault=CertificateFault.NOT_FOUND,
        )
    return contents.certificate


def _key_of(contents: Contents, path: Path) -> Key:
    if contents.key is None:
        raise CertificateError(
            Phrase("There is no private key to write to {path}.", path=path),
            advice=Phrase("Give the file that holds it by --key."),
            fault=CertificateFault.KEY_MISSING,
        )
    return contents.key


def _key_bytes(key: Key, encoding: Encoding, password: str | None) -> bytes:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password.encode())
    return key.private_bytes(encoding, PrivateFormat.PKCS8, encryption)


def _pkcs12(
    certificate: x509.Certificate,
    key: Key,
    chain: Sequence[x509.Certificate],
    password: str | None,
    *,
    legacy: bool,
) -> bytes:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value).encode() if names else None
    encryption: KeySerializationEncryption = NoEncryption()
    if password is not None:
        builder = PrivateFormat.PKCS12.encryption_builder()
        if legacy:
            encryption = (
                builder.kdf_rounds(_LEGACY_ITERATIONS)
                .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
                .hmac_hash(hashes.SHA1())  # noqa: S303  # the only one old Windows reads
                .build(password.encode())
            )
        else:
            encryption = (
                builder.kdf_rounds(_ITERATIONS)
                .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
                .hmac_hash(hashes.SHA256())
                .build(password.encode())
            )
    return pkcs12.serialize_key_and_certificates(name, key, certificate, chain or None, encryption)


def _names(files: Sequence[CertificateFile]) -> str:
    return ", ".join(str(file.path) for file in files)
