"""Thumbprints: how people name a certificate, and how they paste it."""

import re
import unicodedata
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from graph.errors import CertificateError, CertificateFault
from phrases import Phrase

_SHA1_DIGITS: Final = 40
_SHA256_DIGITS: Final = 64
_OPENSSL_LABEL: Final = re.compile(r"^(?:SHA-?(?:1|256))?(?:FINGERPRINT|THUMBPRINT)=?|^SHA-?(?:1|256)=")


def normalise_thumbprint(text: str) -> str:
    """The 40 upper-case hexadecimal digits of a SHA-1 thumbprint, however it was pasted.

    Spaces, colons, dashes, lower case and invisible characters (the U+200E that the Windows dialog puts in front, a
    byte order mark, no-break spaces) may stand anywhere; openssl's label may stand in front.

    Raises:
        CertificateError: it is not a SHA-1 thumbprint; the text says why.
    """
    folded = unicodedata.normalize("NFKC", text)
    bare = "".join(sign for sign in folded if sign != ":" and unicodedata.category(sign)[0] not in "CZ" and sign != "-")
    bare = "".join(sign for sign in bare if unicodedata.category(sign) != "Pd").upper()
    digits = _OPENSSL_LABEL.sub("", bare)
    for sign in digits:
        if sign not in "0123456789ABCDEF":
            raise _bad_thumbprint(
                Phrase("it contains {sign!r} (U+{code:04X}), which is no hexadecimal digit", sign=sign, code=ord(sign))
            )
    if len(digits) == _SHA256_DIGITS:
        raise _bad_thumbprint(Phrase("it has 64 digits, so it is a SHA-256 thumbprint; the SHA-1 thumbprint is needed"))
    if len(digits) != _SHA1_DIGITS:
        raise _bad_thumbprint(Phrase("it has {n} hexadecimal digits instead of 40", n=len(digits)))
    return digits


def sha1_thumbprint(certificate: x509.Certificate) -> str:
    """The thumbprint that people know a certificate by: 40 upper-case hexadecimal digits."""
    # SHA-1 is a name here, not a protection.
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 (the thumbprint is defined so)


def _bad_thumbprint(problem: Phrase) -> CertificateError:
    return CertificateError(
        Phrase("The certificate thumbprint is not usable: {problem}.", problem=problem),
        advice=Phrase(
            "Copy the 40 digits shown as 'Thumbprint' in the Entra portal, or by 'mail-importer certificates list'."
        ),
        fault=CertificateFault.BAD_THUMBPRINT,
    )
