"""What becomes of a message in the mailbox once it is imported; which copies of it were not imported again."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Unicode,
    UniqueConstraint,
    column,
)

from db.columns import UtcDateTime, exact, graph_id, identity, long_text
from db.schema.operations import Additions

revision = "0007"
down_revision = "0006"
oldest_program = "0001"
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    _add_after_import(add)
    _add_copies(add)


def _add_after_import(add: Additions) -> None:
    states = column("sAfterImportState", Unicode()).in_(["pending", "done", "failed", "gone"])
    add.column("tblEmailMessage", Column("sAfterImport", Unicode(20)))
    add.column(
        "tblEmailMessage",
        Column("sAfterImportState", Unicode(20)),
        check=CheckConstraint(states, "CK_tblEmailMessage_sAfterImportState"),
    )
    add.column("tblEmailMessage", Column("sAfterImportDetail", long_text()))
    add.column("tblEmailMessage", Column("nAfterImportAttempts", Integer))
    add.column("tblEmailMessage", Column("dtAfterImportDue", UtcDateTime()))
    add.index(
        "IX_tblEmailMessage_sAfterImportState",
        "tblEmailMessage",
        ["sAfterImportState", "dtAfterImportDue", "nAccountID"],
    )


def _add_copies(add: Additions) -> None:
    add.table(
        "tblEmailIdentity",
        Column("nMessageID", identity(), autoincrement=False, nullable=False),
        Column("nAccountID", BigInteger, nullable=False),
        Column("sIdentity", exact(64), nullable=False),
        PrimaryKeyConstraint("nMessageID", name="PK_tblEmailIdentity"),
        UniqueConstraint("nAccountID", "sIdentity", name="UQ_tblEmailIdentity_nAccountID_sIdentity"),
        ForeignKeyConstraint(
            ["nMessageID"],
            ["tblEmailMessage.nMessageID"],
            name="FK_tblEmailIdentity_nMessageID",
            ondelete="CASCADE",
        ),
    )
    add.table(
        "tblEmailDuplicate",
        Column("nDuplicateID", identity(), nullable=False, autoincrement=True),
        Column("nAccountID", BigInteger, nullable=False),
        Column("sGraphMessageID", graph_id(700), nullable=False),
        Column("nMessageID", identity(), nullable=False),
        Column("dtSeen", UtcDateTime(), nullable=False),
        Column("sReason", Unicode(100), nullable=False),
        PrimaryKeyConstraint("nDuplicateID", name="PK_tblEmailDuplicate"),
        UniqueConstraint("nAccountID", "sGraphMessageID", name="UQ_tblEmailDuplicate_nAccountID_sGraphMessageID"),
        ForeignKeyConstraint(
            ["nMessageID"],
            ["tblEmailMessage.nMessageID"],
            name="FK_tblEmailDuplicate_nMessageID",
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    add.index("IX_tblEmailDuplicate_nMessageID", "tblEmailDuplicate", ["nMessageID"])
