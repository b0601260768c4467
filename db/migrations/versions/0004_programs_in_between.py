"""Which programs may work on the schema, so that hosts can be upgraded one after the other; what was purged."""

from sqlalchemy import Column, Unicode

from db.columns import UtcDateTime
from db.schema.operations import Additions

revision = "0004"
down_revision = "0003"
oldest_program = "0001"
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    add.column("tblMailImporterVersion", Column("sOldestProgram", Unicode(32)))
    add.column("tblMailImporterVersion", Column("sOldestProgramOf", Unicode(32)))
    add.column("tblEmailAccountSettings", Column("dtPurgedBefore", UtcDateTime()))
