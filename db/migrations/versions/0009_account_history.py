"""Who changed an account, when, and to what."""

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Unicode

from db.columns import UtcDateTime, identity, long_text
from db.schema.operations import Additions

revision = "0009"
down_revision = "0008"
oldest_program = "0001"
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    add.table(
        "tblEmailAccountChange",
        Column("nChangeID", identity(), nullable=False, autoincrement=True),
        # No foreign key: the history outlives its account.
        Column("nAccountID", BigInteger, nullable=False),
        Column("dtChanged", UtcDateTime(), nullable=False),
        Column("sAction", Unicode(20), nullable=False),
        Column("sWho", Unicode(200)),
        Column("sHost", Unicode(100)),
        Column("sSettings", long_text(), nullable=False),
        PrimaryKeyConstraint("nChangeID", name="PK_tblEmailAccountChange"),
        sqlite_autoincrement=True,
    )
    add.index("IX_tblEmailAccountChange_nAccountID", "tblEmailAccountChange", ["nAccountID", "nChangeID"])
