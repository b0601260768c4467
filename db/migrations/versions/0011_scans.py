"""Messages whose attachments Defender still scans."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from db.columns import UtcDateTime, exact, graph_id, identity
from db.schema.operations import Additions

revision = "0011"
down_revision = "0010"
oldest_program = None
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    add.table(
        "tblEmailScan",
        Column("nScanID", identity(), nullable=False, autoincrement=True),
        Column("nAccountID", BigInteger, nullable=False),
        Column("sGraphMessageID", graph_id(700), nullable=False),
        Column("sLetterDigest", exact(64), nullable=False),
        Column("dtFirstSeen", UtcDateTime(), nullable=False),
        Column("dtUntil", UtcDateTime(), nullable=False),
        Column("dtNextCheck", UtcDateTime(), nullable=False),
        Column("nMessageID", identity()),
        PrimaryKeyConstraint("nScanID", name="PK_tblEmailScan"),
        UniqueConstraint("nAccountID", "sGraphMessageID", name="UQ_tblEmailScan_nAccountID_sGraphMessageID"),
        ForeignKeyConstraint(
            ["nMessageID"], ["tblEmailMessage.nMessageID"], name="FK_tblEmailScan_nMessageID", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    add.index("IX_tblEmailScan_nAccountID_sLetterDigest", "tblEmailScan", ["nAccountID", "sLetterDigest"])
    add.index("IX_tblEmailScan_nMessageID", "tblEmailScan", ["nMessageID"])
