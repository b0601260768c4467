"""`mail-importer db`: revision, upgrade and check of the schema."""

import click

from console.invocation import Invocation, example, pass_invocation
from console.lazy_commands import LazyCommand, LazyGroup
from console.output import Column, Record, prints_data
from db.errors import SchemaNotCurrent
from db.schema import revisions
from phrases import Phrase


@click.group(
    cls=LazyGroup,
    lazy={
        "backup": LazyCommand("console.db.backup:backup"),
        "check": LazyCommand("console.db.upgrade:check"),
        "grants": LazyCommand("console.db.grants:grants"),
        "purge": LazyCommand("console.db.purge:purge"),
        "upgrade": LazyCommand("console.db.upgrade:upgrade"),
    },
    epilog=example("mail-importer db upgrade"),
)
def db() -> None:
    """Bring the schema of the gateway database up to date."""


@db.command(epilog=example("mail-importer db current --json"))
@prints_data
@pass_invocation
def current(invocation: Invocation) -> Record:
    """Show the revision of the schema and the one that this version needs.

    Exit status 1 when an upgrade is needed.
    """
    with invocation.gateway(current=False) as engine:
        found = revisions.state(engine)
        failure = None
        try:
            revisions.require_current(engine)
        except SchemaNotCurrent as exc:
            failure = Phrase.of(exc)
    row = {
        "database": invocation.settings.shown_database_url,
        "revision": found.current,
        "head": found.head,
        "current": found.is_current,
    }
    columns = [
        Column("database", Phrase("Database")),
        Column("revision", Phrase("Revision")),
        Column("head", Phrase("Needed")),
        Column("current", Phrase("Up to date")),
    ]
    return Record(columns, row, failure)
