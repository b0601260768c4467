"""Alembic's entry: `db.schema` passes in the connection, whose transaction holds all steps."""

from alembic import context

from db.schema import VERSION_TABLE
from db.tables import metadata
from db.upgrading.additions import Additions
from db.upgrading.applying import Applied
from db.upgrading.found import schema_of

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=schema_of(connection),
    transactional_ddl=False,  # the caller's transaction is the one that counts
)
with context.begin_transaction():
    context.run_migrations(add=Additions(Applied(connection), schema=schema_of(connection)))
