"""Each attachment accounted for: whether its bytes are here and why not, and what was unpacked from what."""

from sqlalchemy import CheckConstraint, Column, Integer, Unicode

from db.columns import content, long_text
from db.schema.operations import Additions

revision = "0006"
down_revision = "0005"
oldest_program = None
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""

# Part of its column: SQLite cannot otherwise add a check to an existing table. Quotes as every database accepts them.
_STATES = """"sState" IN ('stored', 'linked', 'too_large', 'unreadable', 'gone')"""
_TABLE = "tblEmailAttachment"


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    known = CheckConstraint(_STATES, name="CK_tblEmailAttachment_sState")
    add.column(_TABLE, Column("sState", Unicode(20), known, server_default="stored", nullable=False))
    add.column(_TABLE, Column("sStateDetail", long_text(), nullable=True))
    add.column(_TABLE, Column("sSafeFileName", Unicode(200), nullable=True))
    add.column(_TABLE, Column("sItemType", Unicode(20), nullable=True))
    add.column(_TABLE, Column("sLink", long_text(), nullable=True))
    add.column(_TABLE, Column("sLinkProvider", Unicode(100), nullable=True))
    add.column(_TABLE, Column("sLinkPermission", Unicode(100), nullable=True))
    add.column(_TABLE, Column("sContentLocation", long_text(), nullable=True))
    add.column(_TABLE, Column("nParentPosition", Integer(), nullable=True))
    add.column(_TABLE, Column("sOrigin", Unicode(20), server_default="graph", nullable=False))
    add.last(_TABLE, Column("biContent", content(), nullable=True))
