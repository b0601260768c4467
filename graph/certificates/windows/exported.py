"""The certificate of a server with its key, taken out of a Windows store: OpenSSL has no use for a key that stays."""

from dataclasses import dataclass, field

from asn1crypto.pkcs12 import Pfx, SafeContents
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

TlsKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class ExportedPair:
    """A certificate, the issuers that the store has of it (nearest first), and its private key."""

    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...]
    key: TlsKey = field(repr=False)

    @property
    def chain_pem(self) -> bytes:
        """The certificate and its issuers, without a root, which clients have."""
        sent = (self.certificate, *(each for each in self.issuers if each.subject != each.issuer))
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in sent)


def key_in(pfx: bytes, password: str) -> TlsKey:
    """The private key of a PKCS#12 file that Windows wrote.

    Raises:
        ValueError: it holds none that can be read, or one of another kind.
    """
    secret = password.encode()
    key: object
    try:
        key = pkcs12.load_pkcs12(pfx, secret).key
    except (UnsupportedAlgorithm, ValueError):
        # Older Windows encrypts the certificate beside the key by RC2, which OpenSSL 3 refuses; the key by 3DES.
        key = _key_alone(pfx, secret)
    if not isinstance(key, TlsKey):
        raise ValueError("no private key of RSA or of an elliptic curve")  # noqa: TRY004  # as documented
    return key


def _key_alone(pfx: bytes, password: bytes) -> object:
    for part in Pfx.load(pfx).authenticated_safe:
        if part["content_type"].native != "data":
            continue
        for bag in SafeContents.load(part["content"].native):
            if bag["bag_id"].native == "pkcs8_shrouded_key_bag":
                return serialization.load_der_private_key(bag["bag_value"].dump(), password)
    return None
