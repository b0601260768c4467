"""`mail-importer db grants`: the script with the least rights that each role needs."""

import click

from console.invocation import Invocation, example, pass_invocation
from console.output import failure
from console.translation.help import Command
from db.schema.grants import BACKENDS, Role, script
from phrases import Phrase


@click.command(
    cls=Command,
    epilog=example("mail-importer db grants > grants.sql", "mail-importer db grants --role receiver --role processor"),
)
@click.option(
    "--role",
    "names",
    type=click.Choice([str(each) for each in Role]),
    multiple=True,
    help="Only of this role; may be repeated.",
)
@pass_invocation
def grants(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Print the script that grants each role the least rights it needs.

    In the language of the database that database_url names, for the owner of the tables to run after `db upgrade`. It
    connects to nothing, and creates database roles, mail_importer_receiver and so on; its end shows how to add a login
    to one.

    Roles are those of `mail-importer run`; operator runs the other commands, reader is another program that reads the
    messages.
    """
    settings = invocation.settings
    backend = settings.database_backend
    if backend not in BACKENDS:
        raise failure(
            Phrase(
                "SQLite has no logins, so there is nothing to grant: any user that may read and write the file "
                "({database}) and its folder may do everything. Set their permissions.",
                database=settings.shown_database_url,
            )
        )
    chosen = [each for each in Role if not names or each in names]
    click.echo(
        script(
            backend,
            roles=chosen,
            schema=settings.database_schema,
            queue_is_table=settings.queue == "database",
        ),
        nl=False,
    )
