"""A row for each process, with its heartbeat: the processes alive share the calls of a mailbox."""

from sqlalchemy import Column, PrimaryKeyConstraint, Unicode

from db.columns import UtcDateTime, exact
from db.schema.operations import Additions

revision = "0010"
down_revision = "0009"
oldest_program = "0001"
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    add.table(
        "tblProcess",
        Column("sProcess", exact(100), nullable=False),
        Column("sHost", Unicode(100), nullable=False),
        Column("sRoles", Unicode(200), nullable=False),
        Column("sVersion", Unicode(50), nullable=False),
        Column("dtStarted", UtcDateTime(), nullable=False),
        Column("dtHeartbeat", UtcDateTime(), nullable=False),
        Column("dtLeaseUntil", UtcDateTime(), nullable=False),
        PrimaryKeyConstraint("sProcess", name="PK_tblProcess"),
    )
