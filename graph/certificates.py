"""Certificates: from a folder, by the thumbprint the administrator pasted.

The store reads what people have: `.pem` with certificate and key in any order, `.pfx` and `.p12`, `.cer` and `.crt`
with the public part only, `.key` beside them. What is wrong with a file is said in plain words, since a certificate
that does not work is the most frequent fault of a new installation.

Sources: graph.md section 9; Entra takes RSA certificates only
(https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials).
"""

import builtins
import os
import re
import stat
import threading
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from graph.errors import CertificateError
from graph.mailbox import Mailbox

SUFFIXES: Final = frozenset({".pem", ".pfx", ".p12", ".cer", ".crt", ".key"})
_SHA1_DIGITS: Final = 40
_SHA256_DIGITS: Final = 64
_LARGEST_FILE: Final = 1 << 20
_LONGEST_LIST: Final = 20
_LONGEST_CHAIN: Final = 8
_LONGEST_NAME: Final = 64  # ub-common-name of RFC 5280
_CLOCK_SKEW: Final = timedelta(minutes=5)
_OPENSSL_LABEL: Final = re.compile(r"^(?:SHA-?(?:1|256))?(?:FINGERPRINT|THUMBPRINT)=?|^SHA-?(?:1|256)=")
_PEM_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_CERTIFICATE_LABELS: Final = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE"})
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


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
            raise _bad_thumbprint(f"it contains {sign!r} (U+{ord(sign):04X}), which is no hexadecimal digit")
    if len(digits) == _SHA256_DIGITS:
        raise _bad_thumbprint("it has 64 digits, so it is a SHA-256 thumbprint; the SHA-1 thumbprint is needed")
    if len(digits) != _SHA1_DIGITS:
        raise _bad_thumbprint(f"it has {len(digits)} hexadecimal digits instead of 40")
    return digits


def _bad_thumbprint(problem: str) -> CertificateError:
    return CertificateError(
        f"The certificate thumbprint is not usable: {problem}.",
        advice="Copy the 40 digits shown as 'Thumbprint' in the Entra portal, or by 'mail-importer certificates list'.",
    )


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, and its private key if asked for; the key never shows in the repr."""

    thumbprint: str
    """SHA-1 of the DER form, 40 upper-case hexadecimal digits."""
    thumbprint_sha256: str
    subject: str
    issuer: str
    serial: str
    """Upper-case hexadecimal."""
    not_before: datetime
    """Aware, UTC; so is `not_after`."""
    not_after: datetime
    self_signed: bool
    has_private_key: bool
    public_pem: str
    chain_pem: tuple[str, ...] = ()
    """The issuers that were found beside it, nearest first."""
    private_key_pem: bytes | None = field(default=None, repr=False, compare=False)
    """PKCS#8 without encryption, from `CertificateStore.find` and `make_self_signed` only."""


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One line of the store's list: a certificate, or a file that is of no use, with the reason."""

    path: Path
    certificate: Certificate | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class _File:
    """What one file holds."""

    path: Path
    certificates: tuple[x509.Certificate, ...] = ()
    keys: tuple[PrivateKeyTypes, ...] = field(default=(), repr=False)
    problem: str | None = None


class CertificateStore:
    """A folder of certificate files, which may change while the program runs.

    Args:
        folder: the setting certificate_store.
        password: the setting certificate_password, tried on every encrypted file.

    Safe to use from several threads. Every call looks at the names, times and sizes in the folder and reads only what
    has changed.
    """

    def __init__(self, folder: Path, password: str | None = None) -> None:
        self._folder = folder
        self._password = password.encode() if password else None
        self._read: dict[Path, tuple[tuple[int, ...], _File]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"CertificateStore({str(self._folder)!r})"

    def find(self, thumbprint: str) -> Certificate:
        """The certificate with its private key. Blocking: it looks at the folder.

        Raises:
            CertificateError: there is none, or it cannot be used to sign in; the text says what was found instead.
        """
        files = self._files()
        return self._with_key(self._found(thumbprint, files), files)

    def expiry(self, thumbprint: str) -> datetime:
        """The last moment the certificate is valid (aware, UTC), with or without its key. Blocking, as `find`.

        Raises:
            CertificateError: there is none; the text says what was found instead.
        """
        return self._found(thumbprint, self._files()).not_valid_after_utc

    def list(self) -> builtins.list[StoreEntry]:
        """Everything in the folder, by path; each certificate once, without its key. Never raises for a bad file."""
        try:
            files = self._files()
        except CertificateError as missing:
            return [StoreEntry(self._folder, None, missing.summary)]
        keys = _by_public_key(files)
        best: dict[str, StoreEntry] = {}
        others: list[StoreEntry] = []
        for file in sorted(files, key=lambda file: (not file.keys, file.path)):
            if file.problem:
                others.append(StoreEntry(file.path, None, file.problem))
            own = [found for found in file.certificates if _public_key(found) in keys]
            for found in own or file.certificates:
                entry = StoreEntry(file.path, _summary(found, has_private_key=_public_key(found) in keys), None)
                best.setdefault(_sha1(found), entry)
        return sorted([*best.values(), *others], key=lambda entry: entry.path)

    def _found(self, thumbprint: str, files: Sequence[_File]) -> x509.Certificate:
        wanted = normalise_thumbprint(thumbprint)
        for file in files:
            for found in file.certificates:
                if _sha1(found) == wanted:
                    return found
        raise CertificateError(
            f"Certificate {wanted} is not in the folder {self._folder}. {_inventory(files)}",
            advice=(
                "Put the file with certificate and private key (.pem or .pfx) there, or correct the thumbprint of the "
                "account."
            ),
        )

    def _with_key(self, found: x509.Certificate, files: Sequence[_File]) -> Certificate:
        key = _by_public_key(files).get(_public_key(found))
        where = ", ".join(sorted({str(file.path) for file in files if found in file.certificates}))
        if key is None:
            raise self._keyless(found, where, files)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise CertificateError(
                f"Certificate {_sha1(found)} in {where} has a key that is not RSA.",
                advice="Entra ID takes RSA certificates only: make another with 'mail-importer certificates new'.",
            )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        everything = [other for file in files for other in file.certificates]
        return _summary(found, has_private_key=True, private_key_pem=pem, chain=_issuers(found, everything))

    def _keyless(self, found: x509.Certificate, where: str, files: Sequence[_File]) -> CertificateError:
        thumbprint = _sha1(found)
        strangers = [file for file in files if found in file.certificates and file.keys]
        faults = _faults(files)
        if strangers:
            problem = f"The private key in {strangers[0].path} belongs to another certificate than {thumbprint}."
        else:
            problem = f"Of certificate {thumbprint} only the public part is in the folder {self._folder} (in {where})."
        return CertificateError(
            f"{problem} {faults}".strip(),
            advice="Put the private key beside it: a .pem or .pfx with both, or a .key file.",
        )

    def _files(self) -> builtins.list[_File]:
        """What the folder holds now. One stat per file when nothing changed."""
        with self._lock:
            try:
                paths = sorted(path for path in self._folder.iterdir() if path.suffix.lower() in SUFFIXES)
            except OSError as reason:
                raise CertificateError(
                    f"The certificate folder {self._folder} cannot be read: {reason.strerror}.",
                    advice=(
                        "Correct the setting certificate_store, or make one with 'mail-importer certificates new'."
                    ),
                ) from reason
            current = {path: known for path in paths if (known := self._current(path)) is not None}
            self._read = current
            return [file for _, file in current.values()]

    def _current(self, path: Path) -> tuple[tuple[int, ...], _File] | None:
        try:
            facts = path.stat()
        except FileNotFoundError:
            return None  # removed since the folder was read
        except OSError as reason:
            return (), _File(path, problem=f"cannot be read: {reason.strerror}")
        if stat.S_ISDIR(facts.st_mode):
            return None
        stamp = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino)
        known = self._read.get(path)
        if known is not None and known[0] == stamp:
            return known
        if not stat.S_ISREG(facts.st_mode):
            return stamp, _File(path, problem="is not a regular file")
        if facts.st_size > _LARGEST_FILE:
            return stamp, _File(path, problem=f"is too large for a certificate ({facts.st_size} bytes)")
        return stamp, _read_file(path, self._password)


# --- Reading files ---------------------------------------------------------------------------------------------------


def _read_file(path: Path, password: bytes | None) -> _File:
    try:
        data = path.read_bytes()
    except PermissionError:
        return _File(path, problem="may be read by another user only: give it to the user of this service")
    except OSError as reason:
        return _File(path, problem=f"cannot be read: {reason.strerror}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        # Notepad's "Unicode"; ASCII is all that PEM needs.
        data = data.decode("utf-16", "replace").encode("ascii", "replace")
    if path.suffix.lower() in {".pfx", ".p12"}:
        return _read_pkcs12(path, data, password)
    if b"-----BEGIN " in data:
        return _read_pem(path, data, password)
    return _read_der(path, data, password)


def _read_pem(path: Path, data: bytes, password: bytes | None) -> _File:
    certificates: list[x509.Certificate] = []
    keys: list[PrivateKeyTypes] = []
    problem: str | None = None
    for block in _PEM_BLOCK.finditer(data):
        try:
            if block[1] in _CERTIFICATE_LABELS:
                certificates.append(x509.load_pem_x509_certificate(block[0]))
            elif block[1].endswith(b"PRIVATE KEY"):
                encrypted = b"ENCRYPTED" in block[0]
                if encrypted and password is None:
                    problem = "its private key is encrypted, and the setting certificate_password is not set"
                    continue
                keys.append(serialization.load_pem_private_key(block[0], password if encrypted else None))
        except _UNREADABLE:
            # The library's own text is not repeated: it tells an administrator nothing, and no key may leak by it.
            problem = _broken_block(block[0], block[1])
    if not certificates and not keys and problem is None:
        problem = "holds neither a certificate nor a private key"
    return _File(path, tuple(certificates), tuple(keys), problem)


def _broken_block(block: bytes, label: bytes) -> str:
    if b"ENCRYPTED" in block:
        return "its private key does not open with certificate_password (wrong password)"
    kind = "private key" if label.endswith(b"PRIVATE KEY") else "certificate"
    return f"its {kind} is damaged or of an unknown kind"


def _read_pkcs12(path: Path, data: bytes, password: bytes | None) -> _File:
    # Without a password there are two habits, none at all and an empty one, and files of both kinds.
    for attempt in dict.fromkeys([password, None, b""]):
        try:
            store = pkcs12.load_pkcs12(data, attempt)
        except UnsupportedAlgorithm:
            return _File(path, problem="is encrypted in a way that is no longer supported; export it anew with AES-256")
        except (ValueError, TypeError):
            continue
        found = [store.cert, *store.additional_certs]
        keys = () if store.key is None else (store.key,)
        return _File(path, tuple(entry.certificate for entry in found if entry is not None), keys)
    if password is None:
        return _File(path, problem="needs a password (the setting certificate_password is not set), or is damaged")
    return _File(path, problem="does not open with certificate_password (wrong password), or is damaged")


def _read_der(path: Path, data: bytes, password: bytes | None) -> _File:
    readers: list[Callable[[], _File]] = [
        lambda: _File(path, certificates=(x509.load_der_x509_certificate(data),)),
        lambda: _File(path, keys=(serialization.load_der_private_key(data, None),)),
        lambda: _File(path, keys=(serialization.load_der_private_key(data, password),)),
    ]
    for reader in readers:
        try:
            return reader()
        except _UNREADABLE:
            continue
    kind = "private key" if path.suffix.lower() == ".key" else "certificate"
    return _File(path, problem=f"holds no {kind} that can be read (or its password is wrong)")


# --- Facts of a certificate ------------------------------------------------------------------------------------------


def _sha1(certificate: x509.Certificate) -> str:
    # SHA-1 is the name administrators know a certificate by, not a protection.
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 (the thumbprint is defined so)


def _public_key(holder: x509.Certificate | PrivateKeyTypes) -> bytes:
    """Equal for a certificate and its private key; empty for a kind of key the library does not know."""
    try:
        return holder.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except _UNREADABLE:
        return b""


def _by_public_key(files: Iterable[_File]) -> dict[bytes, PrivateKeyTypes]:
    keys = {_public_key(key): key for file in files for key in file.keys}
    keys.pop(b"", None)
    return keys


def _is_self_signed(certificate: x509.Certificate) -> bool:
    if certificate.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _issuers(certificate: x509.Certificate, pool: Sequence[x509.Certificate]) -> builtins.list[x509.Certificate]:
    chain: list[x509.Certificate] = []
    current = certificate
    while len(chain) < _LONGEST_CHAIN and current.subject != current.issuer:
        above = next((other for other in pool if other.subject == current.issuer and other not in chain), None)
        if above is None:
            break
        chain.append(above)
        current = above
    return chain


def _summary(
    certificate: x509.Certificate,
    *,
    has_private_key: bool,
    private_key_pem: bytes | None = None,
    chain: Iterable[x509.Certificate] = (),
) -> Certificate:
    return Certificate(
        thumbprint=_sha1(certificate),
        thumbprint_sha256=certificate.fingerprint(hashes.SHA256()).hex().upper(),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:X}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        self_signed=_is_self_signed(certificate),
        has_private_key=has_private_key,
        public_pem=_pem(certificate),
        chain_pem=tuple(_pem(other) for other in chain),
        private_key_pem=private_key_pem,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _inventory(files: Sequence[_File]) -> str:
    held = sorted({f"{_sha1(found)} ({file.path.name})" for file in files for found in file.certificates})
    if not held:
        return f"It holds no certificate. {_faults(files)}".strip()
    more = f" and {len(held) - _LONGEST_LIST} more" if len(held) > _LONGEST_LIST else ""
    return f"It holds {', '.join(held[:_LONGEST_LIST])}{more}. {_faults(files)}".strip()


def _faults(files: Iterable[_File]) -> str:
    faults = [f"{file.path.name}: {file.problem}" for file in files if file.problem]
    return f"Not usable: {'; '.join(faults[:_LONGEST_LIST])}." if faults else ""


# --- Judging ---------------------------------------------------------------------------------------------------------


def check_usable(
    certificate: Certificate, *, now: datetime, mailbox: Mailbox, roots: Sequence[x509.Certificate]
) -> None:
    """Return if the account may sign in with this certificate.

    In date always: the sign-in service refuses an expired one anyway, in words harder to understand. With
    `mailbox.secure_certificate_access` it must also chain to one of `roots` (`transport.load_roots`), over
    intermediates of `chain_pem` (contract.md, `bSecureCertificateAccess`).

    Args:
        certificate: as `CertificateStore.find` gives it.
        now: aware.
        mailbox: whose account it is.
        roots: trusted as they stand.

    Raises:
        CertificateError: it may not; the text names account, thumbprint and reason.
    """
    name = f"Certificate {certificate.thumbprint} of {mailbox}"
    renew = "Make or order a new one, upload it to the application registration and set its thumbprint on the account."
    if now < certificate.not_before:
        raise CertificateError(
            f"{name} is not valid before {certificate.not_before:%Y-%m-%d %H:%M} UTC.",
            advice="Check the clock of this machine, or wait.",
        )
    if now > certificate.not_after:
        raise CertificateError(f"{name} expired on {certificate.not_after:%Y-%m-%d %H:%M} UTC.", advice=renew)
    if not mailbox.secure_certificate_access:
        return
    problem = _chain_problem(certificate, now, roots)
    if problem:
        kind = "self-signed" if certificate.self_signed else f"issued by {certificate.issuer}"
        raise CertificateError(
            f"{name} is {kind} and does not chain to a trusted root ({problem}), "
            "which bSecureCertificateAccess = 1 demands.",
            advice=(
                "Use a certificate of a trusted authority, or add its root to the setting ca_bundle (and the "
                "certificates between to the .pem file), or accept a self-signed one by bSecureCertificateAccess = 0 "
                f"(mail-importer accounts update {mailbox.account_name} --no-secure-certificate-access)."
            ),
        )


def _chain_problem(certificate: Certificate, now: datetime, roots: Sequence[x509.Certificate]) -> str | None:
    if not roots:
        return "no trusted roots are installed"
    leaf = x509.load_pem_x509_certificate(certificate.public_pem.encode())
    between = [x509.load_pem_x509_certificate(pem.encode()) for pem in certificate.chain_pem]
    # The web's profile would refuse what a company's own authority issues for a service: no subject alternative name,
    # no key identifiers. Signatures, dates, path and the right to issue are checked; the rest is not ours to judge.
    authority = (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, _must_be_authority)
        .may_be_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _may_sign_certificates)
    )
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(roots)))
        .time(now)
        .max_chain_depth(_LONGEST_CHAIN)
        .extension_policies(ca_policy=authority, ee_policy=verification.ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(leaf, between)
    except verification.VerificationError as reason:
        return str(reason).splitlines()[0][:200]
    return None


def _must_be_authority(
    _policy: verification.Policy, _certificate: x509.Certificate, extension: x509.BasicConstraints
) -> None:
    if not extension.ca:
        raise ValueError("an issuer in the chain is not a certificate authority")


def _may_sign_certificates(
    _policy: verification.Policy, _certificate: x509.Certificate, extension: x509.KeyUsage | None
) -> None:
    if extension is not None and not extension.key_cert_sign:
        raise ValueError("an issuer in the chain may not sign certificates")


# --- Making ----------------------------------------------------------------------------------------------------------


def make_self_signed(common_name: str, *, now: datetime, days: int = 730, key_bits: int = 3072) -> Certificate:
    """A new RSA key and its self-signed certificate, in memory. Blocking: the key takes up to a few seconds.

    Valid from five minutes before `now` (aware), against clocks that differ, for `days` days.

    Raises:
        ValueError: the name is empty or longer than 64 characters, or the key shorter than 2048 bits.
    """
    if not common_name.strip() or len(common_name) > _LONGEST_NAME:
        raise ValueError(
            f"The common name of a certificate has 1 to {_LONGEST_NAME} characters, not {len(common_name)}."
        )
    if key_bits < 2048 or days < 1:
        raise ValueError("A certificate needs a key of at least 2048 bits and a life of at least one day.")
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
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return _summary(certificate, has_private_key=True, private_key_pem=pem)


def write_pair(certificate: Certificate, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `NAME.pem` (key and certificate, mode 0600) and `NAME.cer` (the public part, to upload); return both paths.

    The folder is made if it is missing. Nothing is ever overwritten.

    Raises:
        ValueError: the certificate has no key here, or the name is not a plain file name.
        FileExistsError: one of the files is there already.
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
    # Created with its mode, not changed afterwards: no moment in which others can read the key.
    with os.fdopen(os.open(both, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(certificate.private_key_pem + certificate.public_pem.encode())
    with public.open("x", encoding="ascii") as text:
        text.write(certificate.public_pem)
    return both, public
