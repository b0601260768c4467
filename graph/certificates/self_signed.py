"""Creation of self-signed certificates."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from graph.certificates.certificate import Certificate, SoftwareKey, described
from graph.certificates.private_files import write_file
from phrases import Phrase

_MAX_NAME: Final = 64  # ub-common-name of RFC 5280
_CLOCK_SKEW: Final = timedelta(minutes=5)


def make_self_signed(common_name: str, *, now: datetime, days: int = 730, key_bits: int = 3072) -> Certificate:
    """Create an RSA key and its self-signed certificate, in memory. Blocks: the key takes up to a few seconds.

    Valid from five minutes before `now` (aware), against clock skew, until `days` days after `now`.

    Raises:
        ValueError: the name is empty or longer than 64 characters, or the key shorter than 2048 bits.
    """
    if not common_name.strip() or len(common_name) > _MAX_NAME:
        raise ValueError(
            Phrase(
                "The common name of a certificate has 1 to {most} characters, not {n}.",
                most=_MAX_NAME,
                n=len(common_name),
            )
        )
    if key_bits < 2048 or days < 1:
        raise ValueError(Phrase("A certificate needs a key of at least 2048 bits and a life of at least one day."))
    key = rsa.generate_private_key(public_exponent=65537, key_size=key_bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return described(certificate, has_private_key=True, key=SoftwareKey(key))


def write_pair(certificate: Certificate, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `NAME.pem` (key and certificate, mode 0600) and `NAME.cer` (the public part, to upload); return both paths.

    The folder is created if it is missing. Nothing is ever overwritten.

    Raises:
        ValueError: the certificate has no key here, or the name is not a plain file name.
        FileExistsError: one of the files exists already.
        OSError: the folder cannot be written to.
    """
    if certificate.private_key_pem is None:
        raise ValueError(f"Certificate {certificate.thumbprint} has no private key to write.")
    if not name or name != Path(name).name or name.startswith("."):
        raise ValueError(f"{name!r} cannot be the name of a file.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    both, public = folder / f"{name}.pem", folder / f"{name}.cer"
    if public.exists():
        raise FileExistsError(f"{public} exists already; choose another name.")
    public_part = certificate.public_pem.encode()
    write_file(both, certificate.private_key_pem + public_part, private=True)
    write_file(public, public_part, private=False)
    return both, public
