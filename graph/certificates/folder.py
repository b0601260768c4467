"""The certificates of a folder."""

import builtins
import stat
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from graph.certificates.certificate import (
    Certificate,
    SoftwareKey,
    described,
    is_authority,
    issuers_among,
    public_key_of,
)
from graph.certificates.files import SUFFIXES, CertificateFile, Problem, read_file
from graph.certificates.inventory import inventory, not_rsa
from graph.certificates.store import StoreEntry
from graph.certificates.thumbprints import normalise_thumbprint, sha1_thumbprint
from graph.errors import CertificateError, CertificateFault
from phrases import Phrase

_MAX_PROBLEMS: Final = 20
_PUT_IT_THERE: Final = Phrase(
    "Put the file with certificate and private key (.pem or .pfx) there, or correct the thumbprint of the account."
)
_PUT_KEY_THERE: Final = Phrase("Put the private key beside it: a .pem or .pfx with both, or a .key file.")
_ADVICE: Final = {
    CertificateFault.KEY_UNREADABLE: Phrase(
        "Give the file to the user that the service runs as (chown), mode 0600; on Windows give that user the right to "
        "read it."
    ),
    CertificateFault.PASSWORD_MISSING: Phrase("Set its password: the setting certificate_password."),
    CertificateFault.PASSWORD_WRONG: Phrase("Correct the setting certificate_password."),
}
"""The remedies for faults that make a key inaccessible; there are no other such faults."""


class FolderStore:
    """A folder of certificate files, which may change while the program runs; a `CertificateStore`.

    Args:
        folder: the setting certificate_store.
        password: the setting certificate_password, tried on every encrypted file.

    Every call checks the names, times and sizes in the folder and reads only changed files.
    """

    def __init__(self, folder: Path, password: str | None = None) -> None:
        self.folder = folder
        self._password = password.encode() if password else None
        self._read: dict[Path, tuple[tuple[int, ...], CertificateFile]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"FolderStore({str(self.folder)!r})"

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.folder)

    def find(self, thumbprint: str) -> Certificate:
        """Implement `CertificateStore`."""
        files = self._files()
        found = self._found(thumbprint, files)
        key = _by_public_key(files).get(public_key_of(found))
        if not isinstance(key, rsa.RSAPrivateKey):
            raise self._unusable(found, key, files)
        everything = [other for file in files for other in file.certificates]
        return described(found, has_private_key=True, key=SoftwareKey(key), chain=issuers_among(everything, found))

    def expiry(self, thumbprint: str) -> datetime:
        """Implement `CertificateStore`."""
        return self._found(thumbprint, self._files()).not_valid_after_utc

    def list(self) -> builtins.list[StoreEntry]:
        """Implement `CertificateStore`; sorted by path."""
        try:
            files = self._files()
        except CertificateError as missing:
            return [StoreEntry(self.folder, None, missing)]
        best: dict[str, StoreEntry] = {}
        others: list[StoreEntry] = []
        keys = _by_public_key(files)
        for file in sorted(files, key=lambda file: (not file.keys, file.path)):
            if file.problem is not None:
                advice = _ADVICE.get(file.problem.fault, Phrase(""))
                summary = Phrase("{problem}.", problem=file.problem.text)
                error = CertificateError(summary, advice=advice, fault=file.problem.fault)
                others.append(StoreEntry(file.path, None, error))
            own = [found for found in file.certificates if public_key_of(found) in keys]
            for found in own or file.certificates:
                if sha1_thumbprint(found) not in best:
                    key = keys.get(public_key_of(found))
                    best[sha1_thumbprint(found)] = self._entry(file, found, key, files)
        return sorted([*best.values(), *others], key=lambda entry: str(entry.path))

    def _entry(
        self,
        file: CertificateFile,
        found: x509.Certificate,
        key: PrivateKeyTypes | None,
        files: Sequence[CertificateFile],
    ) -> StoreEntry:
        everything = [other for each in files for other in each.certificates]
        certificate = described(found, has_private_key=key is not None, chain=issuers_among(everything, found))
        if isinstance(key, rsa.RSAPrivateKey) or (key is None and is_authority(found)):
            return StoreEntry(file.path, certificate)
        return StoreEntry(file.path, certificate, self._unusable(found, key, files))

    def _found(self, thumbprint: str, files: Sequence[CertificateFile]) -> x509.Certificate:
        wanted = normalise_thumbprint(thumbprint)
        for file in files:
            for found in file.certificates:
                if sha1_thumbprint(found) == wanted:
                    return found
        # It may be in a file that cannot be opened: then that is to be corrected first.
        closed = [problem.fault for file in files if (problem := _closed(file)) and not file.certificates]
        raise CertificateError(
            Phrase.joined(
                Phrase("Certificate {wanted} is not in the folder {folder}.", wanted=wanted, folder=self.folder),
                inventory((found, file.path.name) for file in files for found in file.certificates),
                _problems(files),
            ),
            advice=Phrase.joined(*(_ADVICE[fault] for fault in closed[:1]), _PUT_IT_THERE),
            fault=closed[0] if closed else CertificateFault.NOT_FOUND,
        )

    def _unusable(
        self, found: x509.Certificate, key: PrivateKeyTypes | None, files: Sequence[CertificateFile]
    ) -> CertificateError:
        """The reason for which this certificate cannot sign in: it has no key here, or one of an unsuitable kind."""
        thumbprint = sha1_thumbprint(found)
        own = [file for file in files if found in file.certificates]
        where = ", ".join(sorted({str(file.path) for file in own}))
        if key is not None:
            return not_rsa(thumbprint, where)
        stems = {file.path.stem for file in own}
        beside = [file for file in files if file in own or file.path.stem in stems]
        # A file with certificates of its own, but not this one, holds the key of those.
        for file in [*beside, *(other for other in files if not other.certificates)]:
            if problem := _closed(file):
                summary = Phrase(
                    "The private key of certificate {thumbprint} cannot be read. {path}: {problem}.",
                    thumbprint=thumbprint,
                    path=file.path,
                    problem=problem.text,
                )
                return CertificateError(summary, advice=_ADVICE[problem.fault], fault=problem.fault)
        for file in beside:
            if file.keys:
                summary = Phrase(
                    "The private key in {path} belongs to another certificate than {thumbprint}.",
                    path=file.path,
                    thumbprint=thumbprint,
                )
                return CertificateError(summary, advice=_PUT_KEY_THERE, fault=CertificateFault.KEY_MISMATCH)
        summary = Phrase(
            "Of certificate {thumbprint} only the public part is in the folder {folder} (in {where}).",
            thumbprint=thumbprint,
            folder=self.folder,
            where=where,
        )
        return CertificateError(
            Phrase.joined(summary, _problems(files)), advice=_PUT_KEY_THERE, fault=CertificateFault.KEY_MISSING
        )

    def _files(self) -> builtins.list[CertificateFile]:
        """The files in the folder now. One stat per file when nothing changed."""
        with self._lock:
            try:
                paths = sorted(path for path in self.folder.iterdir() if path.suffix.lower() in SUFFIXES)
            except OSError as reason:
                raise CertificateError(
                    Phrase(
                        "The certificate folder {folder} cannot be read: {reason}.",
                        folder=self.folder,
                        reason=reason.strerror,
                    ),
                    advice=Phrase(
                        "Correct the setting certificate_store, or make one with 'mail-importer certificates new'."
                    ),
                    fault=CertificateFault.STORE_UNREADABLE,
                ) from reason
            current = {path: known for path in paths if (known := self._current(path)) is not None}
            self._read = current
            return [file for _, file in current.values()]

    def _current(self, path: Path) -> tuple[tuple[int, ...], CertificateFile] | None:
        try:
            facts = path.stat()
        except FileNotFoundError:
            return None  # removed since the folder was read
        except OSError:
            return (), read_file(path, self._password)  # which reports the reason
        if stat.S_ISDIR(facts.st_mode):
            return None
        stamp = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino)
        known = self._read.get(path)
        return known if known is not None and known[0] == stamp else (stamp, read_file(path, self._password))


def _by_public_key(files: Iterable[CertificateFile]) -> dict[bytes, PrivateKeyTypes]:
    keys = {public_key_of(key): key for file in files for key in file.keys}
    keys.pop(b"", None)
    return keys


def _closed(file: CertificateFile) -> Problem | None:
    """The problem of a file that cannot be opened but may hold the certificate or key sought."""
    return file.problem if file.problem is not None and file.problem.fault in _ADVICE else None


def _problems(files: Iterable[CertificateFile]) -> Phrase:
    found = [
        Phrase("{name}: {problem}", name=file.path.name, problem=file.problem.text) for file in files if file.problem
    ]
    return Phrase("Not usable: {list}.", list=Phrase.joined(*found[:_MAX_PROBLEMS], by="; ")) if found else Phrase("")
