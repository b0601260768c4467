"""`mail-importer db`: where the schema is, and up with it."""

import click
from alembic.util import CommandError

from console.commands import Invocation, example, pass_invocation
from console.commands.grants import grants
from console.commands.purge import purge
from console.output import Column, Record, prints_data, tell
from db import schema
from db.errors import SchemaNotCurrent


@click.group(epilog=example("mail-importer db upgrade"))
def db() -> None:
    """Bring the schema of the gateway database up to date."""


@db.command(epilog=example("mail-importer db upgrade"))
@pass_invocation
def upgrade(invocation: Invocation) -> None:
    """Bring the schema up to date.

    Makes the tables and the secret that authenticates notifications where there are none. Safe to repeat.
    """
    with invocation.gateway(current=False, unhurried=True) as engine:
        before = schema.state(engine)
        try:
            after = schema.upgrade(engine, now=invocation.clock())
        except CommandError:
            # Alembic does not know the revision; the check says so in words for an operator.
            schema.require_current(engine)
            raise
    where = invocation.settings.shown_database_url
    if before.is_current:
        tell(f"The schema of {where} is up to date: revision {after.current}.")
    else:
        tell(f"The schema of {where} went from {before.current or 'nothing'} to revision {after.current}.")


@db.command(epilog=example("mail-importer db current --json"))
@prints_data
@pass_invocation
def current(invocation: Invocation) -> Record:
    """Say where the schema is and where this version needs it.

    Exit status 1 when an upgrade is needed.
    """
    with invocation.gateway(current=False) as engine:
        found = schema.state(engine)
        failure = None
        try:
            schema.require_current(engine)
        except SchemaNotCurrent as exc:
            failure = str(exc)
    row = {
        "database": invocation.settings.shown_database_url,
        "revision": found.current,
        "head": found.head,
        "current": found.is_current,
    }
    columns = [
        Column("database", "Database"),
        Column("revision", "Revision"),
        Column("head", "Needed"),
        Column("current", "Up to date"),
    ]
    return Record(columns, row, failure)


db.add_command(grants)
db.add_command(purge)
