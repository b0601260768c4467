"""Reading what people have: certificates and keys in `.pem`, `.pfx`, `.p12`, `.cer`, `.crt` and `.key` files.

A name says little: `.cer` may be PEM or DER, `.key` too, and a `.pem` holds anything in any order.
"""

import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12

from graph.certificates.certificate import UNREADABLE
from graph.errors import CertificateFault
from phrases import Phrase

PKCS12_SUFFIXES: Final = frozenset({".pfx", ".p12"})
PUBLIC_SUFFIXES: Final = frozenset({".cer", ".crt"})
SUFFIXES: Final = PKCS12_SUFFIXES | PUBLIC_SUFFIXES | {".pem", ".key"}

_LARGEST_FILE: Final = 1 << 20
_PEM_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_CERTIFICATE_LABELS: Final = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE"})
_ENCRYPTED_PKCS8: Final = re.compile(rb"\x2a\x86\x48\x86\xf7\x0d\x01[\x05\x0c]")
"""The beginning of an object identifier of PKCS#5 or PKCS#12, which names how a PKCS#8 key is encrypted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file, or its private key, is of no use."""

    fault: CertificateFault
    text: Phrase
    """A predicate: it follows the name of the file."""


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """What one file holds."""

    path: Path
    certificates: tuple[x509.Certificate, ...] = ()
    keys: tuple[PrivateKeyTypes, ...] = field(default=(), repr=False)
    problem: Problem | None = None


def read_file(path: Path, password: bytes | None) -> CertificateFile:
    """What the file holds; whatever is wrong with it is in `problem`. Never raises.

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
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        # Notepad's "Unicode"; ASCII is all that PEM needs.
        data = data.decode("utf-16", "replace").encode("ascii", "replace")
    if path.suffix.lower() in PKCS12_SUFFIXES:
        return _read_pkcs12(path, data, password)
    if b"-----BEGIN " in data:
        return _read_pem(path, data, password)
    return _read_der(path, data, password)


def _read_pem(path: Path, data: bytes, password: bytes | None) -> CertificateFile:
    certificates: list[x509.Certificate] = []
    keys: list[PrivateKeyTypes] = []
    problem: Problem | None = None
    for block in _PEM_BLOCK.finditer(data):
        try:
            if block[1] in _CERTIFICATE_LABELS:
                certificates.append(x509.load_pem_x509_certificate(block[0]))
            elif block[1].endswith(b"PRIVATE KEY"):
                encrypted = b"ENCRYPTED" in block[0]
                if encrypted and password is None:
                    problem = _PASSWORD_MISSING
                    continue
                keys.append(serialization.load_pem_private_key(block[0], password if encrypted else None))
        except UNREADABLE:
            # The library's own text is not repeated: it tells an administrator nothing, and no key may leak by it.
            problem = _broken_block(block[0], block[1])
    if not certificates and not keys and problem is None:
        problem = _unreadable(Phrase("holds neither a certificate nor a private key"))
    return CertificateFile(path, tuple(certificates), tuple(keys), problem)


def _broken_block(block: bytes, label: bytes) -> Problem:
    if b"ENCRYPTED" in block:
        return _PASSWORD_WRONG
    if label.endswith(b"PRIVATE KEY"):
        return _unreadable(Phrase("its private key is damaged or of an unknown kind"))
    return _unreadable(Phrase("its certificate is damaged or of an unknown kind"))


def _read_pkcs12(path: Path, data: bytes, password: bytes | None) -> CertificateFile:
    # Without a password there are two habits, none at all and an empty one, and files of both kinds.
    for attempt in dict.fromkeys([password, None, b""]):
        try:
            store = pkcs12.load_pkcs12(data, attempt)
        except UnsupportedAlgorithm:
            return _useless(
                path, Phrase("is encrypted in a way that is no longer supported; export it anew with AES-256")
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


def _read_der(path: Path, data: bytes, password: bytes | None) -> CertificateFile:
    readers: list[Callable[[], CertificateFile]] = [
        lambda: CertificateFile(path, certificates=(x509.load_der_x509_certificate(data),)),
        lambda: CertificateFile(path, keys=(serialization.load_der_private_key(data, None),)),
        lambda: CertificateFile(path, keys=(serialization.load_der_private_key(data, password),)),
    ]
    for reader in readers:
        try:
            return reader()
        except UNREADABLE:
            continue
    if _ENCRYPTED_PKCS8.search(data, 0, 40):
        return CertificateFile(path, problem=_PASSWORD_MISSING if password is None else _PASSWORD_WRONG)
    if path.suffix.lower() == ".key":
        return _useless(path, Phrase("holds no private key that can be read"))
    return _useless(path, Phrase("holds no certificate that can be read"))


def _forbidden(path: Path) -> Problem:
    """Who may read the file, for the administrator who wonders why this process may not."""
    public = path.suffix.lower() in PUBLIC_SUFFIXES
    fault = CertificateFault.UNREADABLE if public else CertificateFault.KEY_UNREADABLE
    plain = Problem(fault, Phrase("may not be read by the user of this process, only by another user"))
    if sys.platform == "win32":
        return plain
    try:
        owner, mode = path.owner(), stat.S_IMODE(path.stat().st_mode)
    except (OSError, KeyError):  # the owner is no user any more
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
