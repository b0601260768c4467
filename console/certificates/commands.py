"""`mail-importer certificates`: the store, new certificates, and other forms of the same."""

from typing import Final

import click
from cryptography import x509

from console.certificates.convert import convert
from console.certificates.views import COLUMNS, colour, facts
from console.invocation import Invocation, example, pass_invocation
from console.output import Column, Listing, Record, failure, prints_data, tell, wrong_value
from console.settings import Settings, SettingsError
from console.thumbprints import thumbprint_argument
from console.translation.help import Group
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
from graph.errors import CertificateError
from graph.transport import load_roots
from phrases import Phrase

DAYS: Final = 730
KEY_BITS: Final = 3072


@click.group(cls=Group, epilog=example("mail-importer certificates list"))
def certificates() -> None:
    """Show, create and convert certificates.

    An account signs in to Microsoft with a certificate of the store (setting certificate_store), named by thumbprint.
    """


certificates.add_command(convert)


@certificates.command("list", epilog=example("mail-importer certificates list"))
@prints_data
@pass_invocation
def list_certificates(invocation: Invocation) -> Listing:
    """List the certificates in the store, and the files in it that cannot be used."""
    store = certificate_store(invocation.settings)
    now, roots = invocation.clock(), _roots(invocation.settings)
    rows = [facts(entry, now, roots) for entry in store.list()]
    for row in rows:
        if row["problem"] is not None:
            tell(Phrase("{name}: {problem}", name=row["name"] or store.name, problem=row["problem"]))
    columns = [
        Column("thumbprint", Phrase("Thumbprint"), whole=True),
        Column("name", Phrase("Subject"), priority=1),
        Column("days_left", Phrase("Days"), right=True),
        Column("state", Phrase("State"), priority=2, colour=colour),
    ]
    empty = Phrase("No certificate is in {store}. Make one: mail-importer certificates new", store=_shown_name(store))
    return Listing(columns, rows, empty=empty)


@certificates.command(epilog=example("mail-importer certificates show 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B"))
@click.argument("thumbprint", callback=thumbprint_argument)
@prints_data
@pass_invocation
def show(invocation: Invocation, thumbprint: str) -> Record:
    """Show one certificate of the store, and try whether its private key signs.

    THUMBPRINT is the SHA-1 thumbprint, as it was copied: blanks, colons and lower case are fine.
    """
    store = certificate_store(invocation.settings)
    now, roots = invocation.clock(), _roots(invocation.settings)
    entry = next((each for each in store.list() if _is(each, thumbprint)), None)
    if entry is None:
        store.find(thumbprint)  # raises: names the store and its content
        raise failure(
            Phrase("The certificate {thumbprint} was put there this moment. Try again.", thumbprint=thumbprint)
        )
    return Record(COLUMNS, facts(_tried(entry, store, thumbprint), now, roots))


@certificates.command(epilog=example("mail-importer certificates new --subject mail-importer-production"))
@click.option("--subject", metavar="CN", required=True, help="The common name: what the certificate is for.")
@prints_data
@pass_invocation
def new(invocation: Invocation, subject: str) -> Record:
    """Create a self-signed certificate with its key in the store.

    RSA of 3,072 bits, valid for 2 years. Upload the .cer file to the application registration in the Entra portal, and
    give the SHA-1 thumbprint to `accounts add`. The .pem file contains the private key: it stays on this host.
    """
    store = certificate_store(invocation.settings)
    if not isinstance(store, FolderStore):
        raise SettingsError(_MADE_BY_WINDOWS)
    now = invocation.clock()
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
    row = {**facts(StoreEntry(key_file, made), now, ()), "upload": upload}
    tell(Phrase("Upload {file} to the application registration, under 'Certificates & secrets'.", file=upload))
    tell(
        Phrase("Its accounts need --no-secure-certificate-access: a self-signed certificate chains to no trusted root.")
    )
    return Record([*COLUMNS, Column("upload", Phrase("Upload this"))], row)


_MADE_BY_WINDOWS: Final = Phrase(
    "certificate_store: 'certificates new' makes files, and the store is one of Windows, which makes certificates "
    "itself. In PowerShell: New-SelfSignedCertificate -Subject CN=NAME -CertStoreLocation Cert:\\LocalMachine\\My "
    "-KeyAlgorithm RSA -KeyLength 3072 -KeyExportPolicy NonExportable -KeyUsage DigitalSignature -Provider 'Microsoft "
    "Software Key Storage Provider' -NotAfter (Get-Date).AddYears(2)"
)


def _tried(entry: StoreEntry, store: CertificateStore, thumbprint: str) -> StoreEntry:
    """Return the entry with the result of signing by its key, which proves more than its presence."""
    if entry.error is not None:
        return entry
    try:
        check_key(store.find(thumbprint))
    except CertificateError as error:
        return StoreEntry(entry.path, entry.certificate, error)
    return entry


def _is(entry: StoreEntry, thumbprint: str) -> bool:
    return entry.certificate is not None and entry.certificate.thumbprint == thumbprint


def _roots(settings: Settings) -> tuple[x509.Certificate, ...]:
    with naming("ca_bundle"):
        return load_roots(settings.ca_bundle)


def _shown_name(store: CertificateStore) -> str:
    return str(store.folder.absolute()) if isinstance(store, FolderStore) else store.name


def _file_name(subject: str, made: Certificate) -> str:
    """A name that is safe as a file name, and new."""
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "-" for sign in subject.strip())
    return f"{safe.strip('-')[:40] or 'certificate'}-{made.thumbprint[:8]}"
