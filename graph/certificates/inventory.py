"""Texts common to both kinds of store."""

from collections.abc import Iterable
from typing import Final

from cryptography import x509

from graph.certificates.thumbprints import sha1_thumbprint
from graph.errors import CertificateError, CertificateFault
from phrases import Phrase

_MAX_LIST: Final = 20


def inventory(held: Iterable[tuple[x509.Certificate, str]]) -> Phrase:
    """A sentence that lists the contents of a store: each certificate by thumbprint and another name."""
    names = sorted({f"{sha1_thumbprint(certificate)} ({name})" for certificate, name in held})
    if not names:
        return Phrase("It holds no certificate.")
    listed = ", ".join(names[:_MAX_LIST])
    more = len(names) - _MAX_LIST
    if more <= 0:
        return Phrase("It holds {listed}.", listed=listed)
    return Phrase("It holds {listed} and {more} more.", listed=listed, more=more)


def not_rsa(thumbprint: str, where: str) -> CertificateError:
    """The error for a key that Entra ID does not accept."""
    return CertificateError(
        Phrase("Certificate {thumbprint} in {where} has a key that is not RSA.", thumbprint=thumbprint, where=where),
        advice=Phrase("Entra ID accepts RSA certificates only: create another with 'mail-importer certificates new'."),
        fault=CertificateFault.KEY_NOT_RSA,
    )
