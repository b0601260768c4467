"""Alembic's entry: `db.schema.revisions` passes in the connection, whose transaction holds all steps."""

from alembic import context

from db.schema.apply import Applied
from db.schema.operations import Additions
from db.schema.reflection import schema_of
from db.schema.revisions import VERSION_TABLE
from db.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=schema_of(connection),
    transactional_ddl=False,  # the caller's transaction is the effective one
)
with context.begin_transaction():
    context.run_migrations(add=Additions(Applied(connection), schema=schema_of(connection)))
