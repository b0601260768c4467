"""Alembic's entry: `db.schema` passes in the connection, whose transaction holds all steps."""

from alembic import context

from db.schema import VERSION_TABLE
from db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=False,  # the caller's transaction is the one that counts
)
with context.begin_transaction():
    context.run_migrations()
