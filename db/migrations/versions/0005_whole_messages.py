"""All that Graph tells of a message, its body as plain text, and internet headers."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Unicode

from db.columns import UtcDateTime, flag, graph_id, identity, long_text
from db.schema.operations import Additions

revision = "0005"
down_revision = "0004"
oldest_program = None
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    for column in (
        Column("sSenderName", long_text()),
        Column("sSenderAddress", long_text()),
        Column("dtCreated", UtcDateTime()),
        Column("sCategories", long_text()),
        Column("sFlagStatus", Unicode(20)),
        Column("sConversationIndex", long_text()),
        Column("sBodyText", long_text()),
        Column("bRead", flag()),
        Column("sWebLink", long_text()),
        Column("sParentFolderID", graph_id(700)),
        Column("sChangeKey", long_text()),
        Column("nSize", BigInteger()),
    ):
        add.column("tblEmailMessage", column)
    add.table(
        "tblEmailHeader",
        Column("nMessageID", identity(), nullable=False),
        Column("nPosition", Integer(), autoincrement=False, nullable=False),
        Column("sName", long_text(), nullable=False),
        Column("sValue", long_text()),
        ForeignKeyConstraint(
            ["nMessageID"],
            ["tblEmailMessage.nMessageID"],
            name="FK_tblEmailHeader_nMessageID",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("nMessageID", "nPosition", name="PK_tblEmailHeader"),
    )
