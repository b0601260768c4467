"""Reader of certificates and keys in `.pem`, `.pfx`, `.p12`, `.cer`, `.crt` and `.key` files.

A suffix determines little: `.cer` may be PEM or DER, `.key` too, a `.pem` holds anything in any order, a `.pfx` may be
text. So the content decides.
"""

import base64
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asn1crypto import parser
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from graph.certificates.certificate import UNREADABLE
from graph.certificates.wrappers import PEM_BLOCK, unwrapped
from graph.errors import CertificateFault
from phrases import Phrase

PKCS12_SUFFIXES: Final = frozenset({".pfx", ".p12"})
PUBLIC_SUFFIXES: Final = frozenset({".cer", ".crt"})
SUFFIXES: Final = PKCS12_SUFFIXES | PUBLIC_SUFFIXES | {".pem", ".key"}

_LARGEST_FILE: Final = 1 << 20
_PEM_BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9 #]+)-----")
_CERTIFICATE_LABELS: Final = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE"})
_TRUSTED_LABEL: Final = b"TRUSTED CERTIFICATE"
_PKCS7_LABELS: Final = frozenset({b"PKCS7", b"PKCS #7 SIGNED DATA", b"CMS"})
_OPENSSH_LABEL: Final = b"OPENSSH PRIVATE KEY"
_REQUEST_LABELS: Final = frozenset({b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"})
# A sequence, its length in any form of DER or BER, and version 3 (RFC 7292, section 4).
_PKCS12: Final = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03", re.DOTALL)
_JAVA_KEY_STORES: Final = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_ENCRYPTED_PKCS8: Final = re.compile(rb"\x2a\x86\x48\x86\xf7\x0d\x01[\x05\x0c]")
"""The beginning of an object identifier of PKCS#5 or PKCS#12, which names the encryption of a PKCS#8 key."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason for which a file, or its private key, is unusable."""

    fault: CertificateFault
    text: Phrase
    """A predicate: it follows the name of the file."""


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """The contents of one file."""

    path: Path
    certificates: tuple[x509.Certificate, ...] = ()
    keys: tuple[PrivateKeyTypes, ...] = field(default=(), repr=False)
    problem: Problem | None = None


def read_file(path: Path, password: bytes | None) -> CertificateFile:
    """Read the file; any fault of it is in `problem`. Never raises.

    Args:
        path: of any suffix.
        password: tried if the file is encrypted, and only then.
    """
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            return _useless(path, Phrase("is not a regular file"))
        if facts.st_size > _LARGEST_FILE:
            return _useless(path, Phrase("is too large for a certificate ({size} bytes)", size=facts.st_size))
        data = path.read_bytes()
    except PermissionError:
        return CertificateFile(path, problem=_forbidden(path))
    except OSError as reason:
        return _useless(path, Phrase("cannot be read: {reason}", reason=reason.strerror))
    return _read(path, data, password)


def _read(path: Path, data: bytes, password: bytes | None) -> CertificateFile:
    data = unwrapped(data)
    if b"-----BEGIN " in data:
        return _read_pem(path, data, password)
    if not data.strip(b"\0 \t\r\n"):
        return _useless(path, Phrase("is empty"))
    if data.startswith(_JAVA_KEY_STORES):
        return _useless(
            path,
            Phrase(
                "is a key store of Java; convert it: keytool -importkeystore -srckeystore {name} -destkeystore NEW.pfx "
                "-deststoretype PKCS12",
                name=path.name,
            ),
        )
    if data.lstrip()[:1] == b"<":
        return _useless(path, Phrase("is HTML or XML, and no certificate"))
    if _PKCS12.match(data):
        return _read_pkcs12(path, data, password)
    found = _read_der(data, password)
    if found is not None:
        return CertificateFile(path, found.certificates, found.keys)
    if path.suffix.lower() in PKCS12_SUFFIXES:
        return _read_pkcs12(path, data, password)
    if _ENCRYPTED_PKCS8.search(data, 0, 40):
        return CertificateFile(path, problem=_PASSWORD_MISSING if password is None else _PASSWORD_WRONG)
    if path.suffix.lower() == ".key":
        return _useless(path, Phrase("holds no private key that can be read"))
    return _useless(path, Phrase("holds no certificate that can be read"))


@dataclass(frozen=True, slots=True)
class _Found:
    """The content of one block, or of a whole file of DER."""

    certificates: tuple[x509.Certificate, ...] = ()
    keys: tuple[PrivateKeyTypes, ...] = field(default=(), repr=False)


def _read_pem(path: Path, data: bytes, password: bytes | None) -> CertificateFile:
    certificates: list[x509.Certificate] = []
    keys: list[PrivateKeyTypes] = []
    problem: Problem | None = None
    for block in PEM_BLOCK.finditer(data):
        encrypted = b"ENCRYPTED" in block[0]
        if encrypted and password is None:
            problem = _PASSWORD_MISSING
            continue
        try:
            found = _in_block(block, password if encrypted else None)
        except UNREADABLE:
            # The library's own text is not repeated: it does not help an administrator, and must not leak a key.
            problem = _broken_block(block[0], block[1])
        else:
            certificates += found.certificates
            keys += found.keys
    if not certificates and not keys and problem is None:
        problem = _unreadable(_why_nothing(data))
    return CertificateFile(path, tuple(certificates), tuple(keys), problem)


def _in_block(block: re.Match[bytes], password: bytes | None) -> _Found:
    label = block[1]
    if label in _CERTIFICATE_LABELS:
        return _Found((x509.load_pem_x509_certificate(block[0]),))
    if label == _TRUSTED_LABEL:
        return _Found((_trusted(block[2]),))
    if label in _PKCS7_LABELS:
        return _Found(tuple(pkcs7.load_der_pkcs7_certificates(base64.b64decode(block[2]))))
    if label.endswith(b"PRIVATE KEY"):
        return _Found(keys=(serialization.load_pem_private_key(block[0], password),))
    return _Found()


def _trusted(text: bytes) -> x509.Certificate:
    """The certificate from OpenSSL's own form, which appends the uses the certificate is trusted for."""
    header, content = parser.parse(base64.b64decode(text))[3:5]
    return x509.load_der_x509_certificate(header + content)


def _why_nothing(data: bytes) -> Phrase:
    """The reason for which PEM text holds neither a certificate nor a private key."""
    labels = {block[1] for block in PEM_BLOCK.finditer(data)}
    if labels & _REQUEST_LABELS:
        return Phrase("is a certificate request; the certificate that is issued for it belongs here")
    if any(label.endswith(b"PUBLIC KEY") for label in labels):
        return Phrase("holds a public key only, and no certificate")
    begun = _PEM_BEGIN.search(data)
    if not labels and begun is not None:
        return Phrase("is cut off: {line} has no END line", line=begun[0].decode("ascii"))
    return Phrase("holds neither a certificate nor a private key")


def _broken_block(block: bytes, label: bytes) -> Problem:
    if label == _OPENSSH_LABEL:
        return _unreadable(
            Phrase("its private key has the form of OpenSSH; convert it: ssh-keygen -p -m PKCS8 -f FILE")
        )
    if b"ENCRYPTED" in block:
        return _PASSWORD_WRONG
    if label.endswith(b"PRIVATE KEY"):
        return _unreadable(Phrase("its private key is damaged or of an unknown kind"))
    return _unreadable(Phrase("its certificate is damaged or of an unknown kind"))


def _read_pkcs12(path: Path, data: bytes, password: bytes | None) -> CertificateFile:
    # "No password" has two encodings, none at all and an empty one, and there are files of both kinds.
    for attempt in dict.fromkeys([password, None, b""]):
        try:
            store = pkcs12.load_pkcs12(data, attempt)
        except UnsupportedAlgorithm:
            return _useless(
                path, Phrase("is encrypted in a way that is no longer supported; export it again with AES-256")
            )
        except (ValueError, TypeError):
            continue
        found = [store.cert, *store.additional_certs]
        keys = () if store.key is None else (store.key,)
        return CertificateFile(path, tuple(entry.certificate for entry in found if entry is not None), keys)
    if password is None:
        text = Phrase("is encrypted, and no password is set for it; or it is damaged")
        return CertificateFile(path, problem=Problem(CertificateFault.PASSWORD_MISSING, text))
    text = Phrase("does not open with the password that is set (wrong password), or is damaged")
    return CertificateFile(path, problem=Problem(CertificateFault.PASSWORD_WRONG, text))


def _read_der(data: bytes, password: bytes | None) -> _Found | None:
    readers: list[Callable[[], _Found]] = [
        lambda: _Found((x509.load_der_x509_certificate(data),)),
        lambda: _Found(tuple(pkcs7.load_der_pkcs7_certificates(data))),
        lambda: _Found(keys=(serialization.load_der_private_key(data, None),)),
        lambda: _Found(keys=(serialization.load_der_private_key(data, password),)),
    ]
    for reader in readers:
        try:
            return reader()
        except UNREADABLE:
            continue
    return None


def _forbidden(path: Path) -> Problem:
    """The problem of a file that this process may not read, with its owner and mode for the administrator."""
    public = path.suffix.lower() in PUBLIC_SUFFIXES
    fault = CertificateFault.UNREADABLE if public else CertificateFault.KEY_UNREADABLE
    plain = Problem(fault, Phrase("may not be read by the user of this process, only by another user"))
    if sys.platform == "win32":
        return plain
    try:
        owner, mode = path.owner(), stat.S_IMODE(path.stat().st_mode)
    except (OSError, KeyError):  # the owner is no longer a user
        return plain
    text = Phrase(
        "may not be read by the user of this process, only by another user (owner {owner}, mode {mode:04o})",
        owner=owner,
        mode=mode,
    )
    return Problem(fault, text)


def _unreadable(text: Phrase) -> Problem:
    return Problem(CertificateFault.UNREADABLE, text)


def _useless(path: Path, text: Phrase) -> CertificateFile:
    return CertificateFile(path, problem=_unreadable(text))


_PASSWORD_MISSING: Final = Problem(
    CertificateFault.PASSWORD_MISSING, Phrase("its private key is encrypted, and no password is set for it")
)
_PASSWORD_WRONG: Final = Problem(
    CertificateFault.PASSWORD_WRONG,
    Phrase("its private key does not open with the password that is set (wrong password)"),
)
