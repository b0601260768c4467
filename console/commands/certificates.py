"""`mail-importer certificates`: what is in the store, and new ones."""

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from console.commands import Invocation, example, pass_invocation
from console.output import Column, Listing, Record, prints_data, shown, tell
from console.settings import certificate_folder
from console.signin import certificate_store
from graph.certificates import Certificate, make_self_signed, normalise_thumbprint, write_pair
from graph.errors import CertificateError

DAYS: Final = 730
KEY_BITS: Final = 3072


@click.group(epilog=example("mail-importer certificates list"))
def certificates() -> None:
    """Look at and make certificates.

    An account signs in to Microsoft with a certificate of the store (setting certificate_store), named by thumbprint.
    """


def thumbprint_argument(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Read a thumbprint as people paste it, and say when something invisible was in it. Wrong ones are wrong usage."""
    if text is None:
        return None
    try:
        thumbprint = normalise_thumbprint(text)
    except CertificateError as exc:
        raise click.BadParameter(str(exc)) from exc
    invisible = sorted({sign for sign in text if not (sign.isprintable() or sign.isspace())} | _odd_blanks(text))
    if invisible:
        names = ", ".join(f"U+{ord(sign):04X}" for sign in invisible)
        tell(f"Invisible characters were removed from the thumbprint: {names}.")
    return thumbprint


def _odd_blanks(text: str) -> set[str]:
    return {sign for sign in text if sign.isspace() and sign not in " \t\r\n"}


@certificates.command("list", epilog=example("mail-importer certificates list"))
@prints_data
@pass_invocation
def list_certificates(invocation: Invocation) -> Listing:
    """List the certificates in the store, and the files in it that are of no use."""
    now = invocation.clock()
    rows: list[dict[str, Any]] = []
    for entry in certificate_store(invocation.settings).list():
        if entry.certificate is None:
            rows.append({**dict.fromkeys(_FACTS), "file": entry.path, "problem": entry.problem})
        else:
            rows.append(_facts(entry.certificate, entry.path, now))
    columns = [
        Column("thumbprint", "Thumbprint"),
        Column("subject", "Subject"),
        Column("not_after", "Until", _day),
        Column("private_key", "Key"),
        Column("file", "File", lambda path: path.name),
        Column("problem", "Problem", lambda problem: problem or ""),
    ]
    folder = certificate_folder(invocation.settings).absolute()
    return Listing(columns, rows, empty=f"No certificate is in {folder}. Make one: mail-importer certificates new")


@certificates.command(epilog=example("mail-importer certificates show 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B"))
@click.argument("thumbprint", callback=thumbprint_argument)
@prints_data
@pass_invocation
def show(invocation: Invocation, thumbprint: str) -> Record:
    """Show one certificate of the store.

    THUMBPRINT is the SHA-1 thumbprint, as it was copied: blanks, colons and lower case are fine.
    """
    store = certificate_store(invocation.settings)
    for entry in store.list():
        if entry.certificate is not None and entry.certificate.thumbprint == thumbprint:
            return Record(_COLUMNS, _facts(entry.certificate, entry.path, invocation.clock()))
    store.find(thumbprint)  # says what the store is and what is in it
    raise click.ClickException(f"The certificate {thumbprint} was put there this moment. Try again.")


@certificates.command(epilog=example("mail-importer certificates new --subject mail-importer-production"))
@click.option("--subject", metavar="CN", required=True, help="The common name: what the certificate is for.")
@prints_data
@pass_invocation
def new(invocation: Invocation, subject: str) -> Record:
    """Make a self-signed certificate with its key in the store.

    RSA of 3,072 bits, good for 2 years. Upload the .cer file to the application registration in the Entra portal, give
    the SHA-1 thumbprint to `accounts add`. The .pem file holds the private key: it stays on this host.
    """
    folder = certificate_folder(invocation.settings)
    now = invocation.clock()
    try:
        made = make_self_signed(subject.strip(), now=now, days=DAYS, key_bits=KEY_BITS)
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--subject") from exc
    try:
        key_file, upload = write_pair(made, folder.absolute(), _file_name(subject, made))
    except OSError as exc:
        raise click.ClickException(f"The certificate cannot be written to {folder}: {exc.strerror or exc}.") from exc
    row = {**_facts(made, key_file, now), "upload": upload}
    tell(f"Upload {upload} to the application registration, under 'Certificates & secrets'.")
    tell("Its accounts need --no-secure-certificate-access: a self-signed certificate chains to no trusted root.")
    return Record([*_COLUMNS, Column("upload", "Upload this")], row)


_FACTS: Final = (
    "thumbprint", "thumbprint_sha256", "subject", "issuer", "serial", "not_before", "not_after", "self_signed",
    "private_key", "file", "problem",
)  # fmt: skip

_COLUMNS: Final = (
    Column("thumbprint", "SHA-1 thumbprint"),
    Column("thumbprint_sha256", "SHA-256 thumbprint"),
    Column("subject", "Subject"),
    Column("issuer", "Issuer"),
    Column("serial", "Serial number"),
    Column("not_before", "Good from"),
    Column("not_after", "Good until"),
    Column("self_signed", "Self-signed"),
    Column("private_key", "Private key here"),
    Column("file", "File"),
    Column("problem", "Problem", lambda problem: problem or "none"),
)


def _facts(certificate: Certificate, path: Path | None, now: datetime) -> dict[str, Any]:
    return {
        "thumbprint": certificate.thumbprint,
        "thumbprint_sha256": certificate.thumbprint_sha256,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "self_signed": certificate.self_signed,
        "private_key": certificate.has_private_key,
        "file": path and path.absolute(),
        "problem": _problem(certificate, now),
    }


def _problem(certificate: Certificate, now: datetime) -> str | None:
    if now > certificate.not_after:
        return "expired"
    if now < certificate.not_before:
        return "not yet good"
    return None if certificate.has_private_key else "no private key"


def _day(moment: datetime | None) -> str:
    return shown(None) if moment is None else moment.strftime("%Y-%m-%d")


def _file_name(subject: str, made: Certificate) -> str:
    """A name that is safe as a file name, and new."""
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "-" for sign in subject.strip())
    return f"{safe.strip('-')[:40] or 'certificate'}-{made.thumbprint[:8]}"
