"""`db upgrade` and `db check`: the schema, brought up to date and compared."""

from collections.abc import Mapping
from typing import Any, Final

import click
from sqlalchemy import Engine

from console.invocation import Invocation, example, pass_invocation
from console.output import Column, Listing, Report, json_is_printed, prints_data, tell, wrong_usage
from console.translation.help import Command
from console.translation.labels import word
from console.wiring.database import warning_of_modes
from db.schema import migration, revisions
from db.schema.comparison import Weight
from phrases import Phrase

_HARMLESS: Final = frozenset({Weight.ACCEPTED, Weight.ADVICE})


@click.command(cls=Command, epilog=example("mail-importer db upgrade", "mail-importer db upgrade --sql > upgrade.sql"))
@click.option(
    "--sql",
    "as_script",
    is_flag=True,
    help="Print the script for a database administrator instead; connects to nothing.",
)
@prints_data
@pass_invocation
def upgrade(invocation: Invocation, as_script: bool) -> Report:
    """Bring the schema up to date.

    Creates the tables, their columns and indexes, and the secret that authenticates notifications, where they are
    missing. Safe to repeat: existing tables keep their rows, and the columns of others. With --sql: the same for an
    administrator to run, on SQL Server with sqlcmd or Management Studio, on PostgreSQL with psql.
    """
    if as_script:
        if json_is_printed():
            raise wrong_usage(Phrase("--sql and --json exclude each other."))
        click.echo(_script(invocation), nl=False)
        return Report({})
    with invocation.gateway(current=False, unhurried=True) as engine:
        before = revisions.state(engine)
        after = migration.upgrade(engine, now=invocation.clock())
        _warn_of_modes(engine)
    where = invocation.settings.shown_database_url
    facts = {"database": where, "before": before.current, "revision": after.current, "changed": not before.serves}
    if before.is_current:
        text = Phrase("The schema of {where} is up to date: revision {current}.", where=where, current=after.current)
    elif before.serves:
        text = Phrase(
            "The schema of {where} is newer than this version and works with it: revision {current}.",
            where=where,
            current=after.current,
        )
    else:
        text = Phrase(
            "The schema of {where} went from {before} to revision {after}.",
            where=where,
            before=before.current or Phrase("nothing"),
            after=after.current,
        )
    return Report(facts, [text])


def _warn_of_modes(engine: Engine) -> None:
    warning = warning_of_modes(engine)
    if warning is not None:
        tell(warning)


def _script(invocation: Invocation) -> str:
    backend = invocation.settings.database_backend
    if backend not in migration.SCRIPTED:
        raise wrong_usage(Phrase("SQLite needs no script: the program does it itself. Run: mail-importer db upgrade"))
    return migration.script(backend, schema=invocation.settings.database_schema)


@click.command(cls=Command, epilog=example("mail-importer db check"))
@prints_data
@pass_invocation
def check(invocation: Invocation) -> Listing:
    """Compare the tables with those that this version would create.

    Tables and columns of others are ignored. Exit status 1 when something has to be corrected; what is marked
    "accepted" or "advice" works as it is.
    """
    with invocation.gateway(current=True) as engine:
        found = migration.check(engine)
        _warn_of_modes(engine)
    rows = [
        {
            "table": each.table,
            "item": each.item,
            "found": each.found,
            "wanted": each.wanted,
            "weight": each.weight.value,
            "remedy": each.remedy,
        }
        for each in found
    ]
    wrong = sum(each.weight not in _HARMLESS for each in found)
    columns = [
        Column("table", Phrase("Table"), priority=3),
        Column("item", Phrase("What"), priority=2),
        Column("found", Phrase("Found")),
        Column("wanted", Phrase("Wanted")),
        Column("weight", Phrase("Weight"), word, priority=1, colour=_colour),
    ]
    details = [Column("remedy", Phrase("What to do"))]
    failure = Phrase.counted(
        "{n} difference, with its remedy.",
        "{n} differences, with their remedies.",
        n=wrong,
    )
    return Listing(columns, rows, Phrase("The schema is as it should be."), failure if wrong else None, details)


def _colour(row: Mapping[str, Any]) -> str | None:
    return "yellow" if row["weight"] in _HARMLESS else "red"
