"""The certificates of the store and new ones, for the commands and for the web console."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from console.certificates.views import facts
from console.output import failure, wrong_value
from console.settings import Settings, SettingsError
from console.wiring.certificate_store import certificate_store, naming
from graph.certificates import (
    Certificate,
    CertificateStore,
    FolderStore,
    StoreEntry,
    check_key,
    make_self_signed,
    write_pair,
)
from graph.errors import CertificateError, CertificateFault, GraphUnavailable
from graph.transport import load_roots
from phrases import Phrase

DAYS: Final = 730
KEY_BITS: Final = 3072

_MADE_BY_WINDOWS: Final = Phrase(
    "certificate_store: 'certificates new' makes files, and the store is one of Windows, which makes certificates "
    "itself. In PowerShell: New-SelfSignedCertificate -Subject CN=NAME -CertStoreLocation Cert:\\LocalMachine\\My "
    "-KeyAlgorithm RSA -KeyLength 3072 -KeyExportPolicy NonExportable -KeyUsage DigitalSignature -Provider 'Microsoft "
    "Software Key Storage Provider' -NotAfter (Get-Date).AddYears(2)"
)
_MADE_BY_VAULT: Final = Phrase(
    "certificate_store: 'certificates new' makes files, and the store is a Key Vault, which makes certificates itself: "
    "az keyvault certificate create --vault-name VAULT --name NAME --policy @policy.json, where docs/identity.md has "
    "the policy: an RSA key that is not exportable. Then: az keyvault certificate download --vault-name VAULT --name "
    "NAME --file NAME.cer, to upload to the application"
)


def listed(settings: Settings, now: datetime) -> tuple[CertificateStore, list[dict[str, Any]]]:
    """The store, and the facts of each of its certificates and unusable files.

    Raises:
        SettingsError
    """
    store, roots = certificate_store(settings), _roots(settings)
    return store, [facts(entry, now, roots) for entry in store.list()]


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """One certificate of the store, and its facts after its key was tried."""

    certificate: Certificate
    row: dict[str, Any]


def shown_one(settings: Settings, thumbprint: str, now: datetime) -> ShownCertificate:
    """One certificate of the store; its private key is tried.

    Raises:
        CertificateError: there is none.
        SettingsError
    """
    store, roots = certificate_store(settings), _roots(settings)
    for entry in store.list():
        if entry.certificate is not None and entry.certificate.thumbprint == thumbprint:
            return ShownCertificate(entry.certificate, facts(_tried(entry, store, thumbprint), now, roots))
    store.find(thumbprint)  # raises: names the store and its content
    raise failure(Phrase("The certificate {thumbprint} was put there this moment. Try again.", thumbprint=thumbprint))


@dataclass(frozen=True, slots=True)
class MadeCertificate:
    """A new certificate, and its files: with the key, and the public part to upload."""

    certificate: Certificate
    key_file: Path
    upload: Path


def create(settings: Settings, subject: str, now: datetime) -> MadeCertificate:
    """Create a self-signed certificate with its key in the store.

    Raises:
        click.ClickException: the subject cannot be one, or the files cannot be written.
        SettingsError: the store makes certificates itself.
    """
    store = certificate_store(settings)
    if not isinstance(store, FolderStore):
        in_vault = store.name.startswith("keyvault:")
        raise SettingsError(_MADE_BY_VAULT if in_vault else _MADE_BY_WINDOWS)
    try:
        made = make_self_signed(subject.strip(), now=now, days=DAYS, key_bits=KEY_BITS)
    except ValueError as exc:
        raise wrong_value(Phrase.of(exc), of="--subject") from exc
    try:
        key_file, upload = write_pair(made, store.folder.absolute(), _file_name(subject, made))
    except OSError as exc:
        raise failure(
            Phrase(
                "The certificate cannot be written to {folder}: {reason}.",
                folder=store.folder,
                reason=exc.strerror or str(exc),
            )
        ) from exc
    return MadeCertificate(made, key_file, upload)


def shown_name(store: CertificateStore) -> str:
    """The store by its whole path, if it is a folder."""
    return str(store.folder.absolute()) if isinstance(store, FolderStore) else store.name


def _tried(entry: StoreEntry, store: CertificateStore, thumbprint: str) -> StoreEntry:
    """Return the entry with the result of signing by its key, which proves more than its presence."""
    if entry.error is not None:
        return entry
    try:
        check_key(store.find(thumbprint))
    except CertificateError as error:
        return StoreEntry(entry.path, entry.certificate, error)
    except GraphUnavailable as error:  # a Key Vault
        silent = CertificateError(Phrase.of(error), advice=Phrase("Try again."), fault=CertificateFault.SIGNING_FAILED)
        return StoreEntry(entry.path, entry.certificate, silent)
    return entry


def _roots(settings: Settings) -> tuple[x509.Certificate, ...]:
    with naming("ca_bundle"):
        return load_roots(settings.ca_bundle)


def _file_name(subject: str, made: Certificate) -> str:
    """A name that is safe as a file name, and new."""
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "-" for sign in subject.strip())
    return f"{safe.strip('-')[:40] or 'certificate'}-{made.thumbprint[:8]}"
