"""Thumbprints, which name certificates, and their normalisation after pasting."""

import re
import unicodedata
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from graph.application import NO_CERTIFICATE
from graph.errors import CertificateError, CertificateFault
from phrases import Phrase

_SHA1_DIGITS: Final = 40
_SHA256_DIGITS: Final = 64
_OPENSSL_LABEL: Final = re.compile(r"^(?:SHA-?(?:1|256))?(?:FINGERPRINT|THUMBPRINT)=?|^SHA-?(?:1|256)=")


def normalise_thumbprint(text: str) -> str:
    """Return the 40 upper-case hexadecimal digits of a SHA-1 thumbprint as pasted.

    Spaces, colons, dashes, lower case and invisible characters (the U+200E that the Windows dialog puts in front, a
    byte order mark, no-break spaces) may occur anywhere; openssl's label may precede it.

    Raises:
        CertificateError: it is not a SHA-1 thumbprint; the text gives the reason.
    """
    if text == NO_CERTIFICATE:
        raise CertificateError(
            Phrase("No certificate is named, and the setting graph_credential is 'certificate'."),
            advice=Phrase(
                "Give the account one (--thumbprint), or have the host's identity sign in (graph_credential)."
            ),
            fault=CertificateFault.BAD_THUMBPRINT,
        )
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


def invisible_signs(text: str) -> str:
    """The invisible characters in a pasted text, as `U+200E, U+FEFF`; blanks and line ends do not count."""
    found = {sign for sign in text if not sign.isprintable() and sign not in " \t\r\n"}
    return ", ".join(f"U+{ord(sign):04X}" for sign in sorted(found))


def sha1_thumbprint(certificate: x509.Certificate) -> str:
    """The thumbprint that identifies a certificate for users: 40 upper-case hexadecimal digits."""
    # SHA-1 is an identifier here, not a protection.
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 (the thumbprint is defined so)


def _bad_thumbprint(problem: Phrase) -> CertificateError:
    return CertificateError(
        Phrase("The certificate thumbprint is not usable: {problem}.", problem=problem),
        advice=Phrase(
            "Copy the 40 digits shown as 'Thumbprint' in the Entra portal, or by 'mail-importer certificates list'."
        ),
        fault=CertificateFault.BAD_THUMBPRINT,
    )
