"""`mail-importer certificates`: the store, new certificates, and other forms of the same."""

import click

from console.certificates.inventory import create, listed, shown_name, shown_one
from console.certificates.views import COLUMNS, LIST_COLUMNS, facts
from console.invocation import Invocation, example, pass_invocation
from console.lazy_commands import LazyCommand, LazyGroup
from console.output import Column, Listing, Record, prints_data, tell
from console.thumbprints import thumbprint_argument
from graph.certificates import StoreEntry
from phrases import Phrase


@click.group(
    cls=LazyGroup,
    lazy={
        "convert": LazyCommand("console.certificates.convert:convert"),
    },
    epilog=example("mail-importer certificates list"),
)
def certificates() -> None:
    """Show, create and convert certificates.

    An account signs in to Microsoft with a certificate of the store (setting certificate_store), named by thumbprint.
    """


@certificates.command("list", epilog=example("mail-importer certificates list"))
@prints_data
@pass_invocation
def list_certificates(invocation: Invocation) -> Listing:
    """List the certificates in the store, and the files in it that cannot be used."""
    store, rows = listed(invocation.settings, invocation.clock())
    for row in rows:
        if row["problem"] is not None:
            tell(Phrase("{name}: {problem}", name=row["name"] or store.name, problem=row["problem"]))
    empty = Phrase("No certificate is in {store}. Make one: mail-importer certificates new", store=shown_name(store))
    return Listing(LIST_COLUMNS, rows, empty=empty)


@certificates.command(epilog=example("mail-importer certificates show 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B"))
@click.argument("thumbprint", callback=thumbprint_argument)
@prints_data
@pass_invocation
def show(invocation: Invocation, thumbprint: str) -> Record:
    """Show one certificate of the store, and try whether its private key signs.

    THUMBPRINT is the SHA-1 thumbprint, as it was copied: blanks, colons and lower case are fine.
    """
    return Record(COLUMNS, shown_one(invocation.settings, thumbprint, invocation.clock()).row)


@certificates.command(epilog=example("mail-importer certificates new --subject mail-importer-production"))
@click.option("--subject", metavar="CN", required=True, help="The common name: what the certificate is for.")
@prints_data
@pass_invocation
def new(invocation: Invocation, subject: str) -> Record:
    """Create a self-signed certificate with its key in the store.

    RSA of 3,072 bits, valid for 2 years. Upload the .cer file to the application registration in the Entra portal, and
    give the SHA-1 thumbprint to `accounts add`. The .pem file contains the private key: it stays on this host.
    """
    made = create(invocation.settings, subject, invocation.clock())
    upload = made.upload
    row = {**facts(StoreEntry(made.key_file, made.certificate), invocation.clock(), ()), "upload": upload}
    tell(Phrase("Upload {file} to the application registration, under 'Certificates & secrets'.", file=upload))
    tell(
        Phrase("Its accounts need --no-secure-certificate-access: a self-signed certificate chains to no trusted root.")
    )
    return Record([*COLUMNS, Column("upload", Phrase("Upload this"))], row)
